"""One operation on one stack, from its first event to its last, in a thread of its own.

The order of events, states and reasons is CloudFormation's: user guide, "Stack status codes", "Understand
CloudFormation stack creation events", "Update behaviors of stack resources", "Continue rolling back an update".
"""

import time
from collections.abc import Iterable
from threading import Event
from typing import Any

from local_aws.server.app import LocalAwsApp
from local_aws.services.cloudformation.changes import attribute_of, policies
from local_aws.services.cloudformation.errors import ValidationError
from local_aws.services.cloudformation.evaluation import Evaluation
from local_aws.services.cloudformation.graph import needed_by, order
from local_aws.services.cloudformation.model import Resource, Stack
from local_aws.services.cloudformation.schema import coerced
from local_aws.services.cloudformation.steps import Steps
from local_aws.services.cloudformation.store import Stacks
from local_aws.services.cloudformation.surroundings import evaluation_of
from local_aws.services.cloudformation.template import parse

STACK = "AWS::CloudFormation::Stack"


def _listed(names: Iterable[str]) -> str:
    return f"[{', '.join(names)}]"


class Superseded(Exception):
    """Another operation took the stack over, or the server stops: leave everything as it is."""


class Runner:
    """`cancel`: stop before the next resource, as a failure; `superseded`: stop and say nothing."""

    def __init__(self, app: LocalAwsApp, stacks: Stacks, stack: Stack, token: str = ""):
        self.app, self.stacks, self.stack = app, stacks, stack
        self.cancel, self.superseded = Event(), Event()
        self._forward = True  # a rollback and a deletion cannot be cancelled, and have no deadline
        self._deadline: float | None = None
        if stack.timeout_minutes and stack.status == "CREATE_IN_PROGRESS":
            self._deadline = time.monotonic() + 60 * stack.timeout_minutes
        old_tags = stack.previous.get("tags")
        self.steps = Steps(app, stacks, stack, token, self._halted, old_tags)
        self.token = token

    # -- common --------------------------------------------------------------------------------------------
    def _halted(self) -> bool:
        late = self._deadline is not None and time.monotonic() > self._deadline
        return self.superseded.is_set() or (self._forward and (self.cancel.is_set() or late))

    def _checkpoint(self) -> str:
        """Why no further resource is begun, or ""."""
        if self.superseded.is_set():
            raise Superseded
        if not self._halted():
            return ""
        if self.cancel.is_set():
            return "User initiated cancellation."
        return "Stack creation time exceeded the specified timeout."

    def state(self, status: str, reason: str = "", *resources: Resource) -> None:
        """The stack's new status, written with its event (and with these resources, in one go)."""
        if self.superseded.is_set():
            raise Superseded
        set_state(self.app, self.stacks, self.stack, status, reason, self.token, *resources)

    def _evaluation(self) -> Evaluation:
        stack = self.stack
        found = evaluation_of(self.app, self.stacks, stack, parse(stack.template), stack.parameter_values())
        found.resource_ref = lambda name: stack.resources[name].physical_id

        def attribute(name: str, of: str) -> Any:
            try:
                return attribute_of(stack.resources[name], of)
            except (KeyError, TypeError):
                raise ValidationError(
                    f"Template error: resource {name} does not support attribute type {of} in Fn::GetAtt"
                ) from None

        found.resource_attribute = attribute
        return found

    def _declared(self, evaluation: Evaluation, name: str) -> dict[str, Any]:
        with self.app.lock:
            found = coerced(evaluation.resources[name]["Type"], evaluation.properties(name))
            self._note_imports(evaluation)
            return found

    def _note_imports(self, evaluation: Evaluation) -> None:
        if not evaluation.imported <= set(self.stack.imports):
            self.stack.imports = sorted({*self.stack.imports, *evaluation.imported})
            self.stacks.save(self.stack)

    def _outputs(self, evaluation: Evaluation) -> None:
        """Set outputs and exports, and imports; `ValidationError` when another stack is in the way."""
        stack = self.stack
        with self.app.lock:
            outputs = evaluation.output_values()
            exports = {item["Export"]: item["Value"] for item in outputs.values() if "Export" in item}
            for name in exports:
                other = self.stacks.exporter(stack.account, stack.region, name)
                if other is not None and other is not stack:
                    raise ValidationError(
                        f"Export with name {name} is already exported by stack {other.name}."
                    )
            for name, value in stack.exports.items():
                users = [s.name for s in self.stacks.importers(stack.account, stack.region, name)]
                if users and exports.get(name) != value:
                    verb = "updated" if name in exports else "deleted"
                    raise ValidationError(
                        f"Export {name} cannot be {verb} as it is in use by {' and '.join(users)}"
                    )
            stack.outputs = outputs
            stack.imports = sorted(evaluation.imported)

    def _new_resource(self, evaluation: Evaluation, name: str, generation: int = 0) -> Resource:
        declared = evaluation.resources[name]
        return Resource(
            name,
            declared["Type"],
            needs=evaluation.needs[name],
            metadata=declared.get("Metadata"),
            generation=generation,
            **policies(declared),
        )

    # -- create --------------------------------------------------------------------------------------------
    def create(self) -> None:
        """Make everything; on failure do what `on_failure` says."""
        failed, why = "", ""
        evaluation = self._evaluation()
        for name in evaluation.order:
            if why := self._checkpoint():
                break
            resource = self._new_resource(evaluation, name)
            self.stack.resources[name] = resource
            if self._add(evaluation, resource):
                failed = name
                break
        if not failed and not why:
            try:
                self._outputs(evaluation)
                self.state("CREATE_COMPLETE")
                return
            except ValidationError as error:
                why = error.message
        self._checkpoint()  # not when superseded
        self._create_failed(
            f"The following resource(s) failed to create: {_listed([failed])}." if failed else why
        )

    def _add(self, evaluation: Evaluation, resource: Resource, reason: str = "") -> str:
        try:
            resource.declared = self._declared(evaluation, resource.logical_id)
        except ValidationError as error:
            self.steps.note(resource, "CREATE_IN_PROGRESS")
            self.steps.note(resource, "CREATE_FAILED", error.message)
            return error.message
        return self.steps.make(resource, reason)

    def _create_failed(self, reason: str) -> None:
        how = self.stack.on_failure
        if how == "DO_NOTHING":
            self.state("CREATE_FAILED", reason)
        elif how == "DELETE":
            self.state("DELETE_IN_PROGRESS", f"{reason} Delete requested by user.")
            self.delete()
        else:
            self.state("ROLLBACK_IN_PROGRESS", f"{reason} Rollback requested by user.")
            self.rollback_create()

    def rollback_create(self) -> None:
        """Delete what was made; the stack and its events stay."""
        self._forward = False
        for resource in self.stack.resources.values():
            if resource.deletion_policy == "RetainExceptOnCreate":
                resource.deletion_policy = "Delete"
        failed = self._destroy_all(self.stack.resources)
        self.stack.imports = []
        if failed:
            self.state("ROLLBACK_FAILED", f"The following resource(s) failed to delete: {_listed(failed)}.")
        else:
            self.state("ROLLBACK_COMPLETE")

    # -- delete --------------------------------------------------------------------------------------------
    def _destroy_all(self, resources: dict[str, Resource], retain: Iterable[str] = ()) -> list[str]:
        """Delete in reverse order; returns those that failed. What a failed one needs is left alone."""
        needs = {name: resource.needs for name, resource in resources.items()}
        failed: list[str] = []
        for name in reversed(order(needs)):
            self._checkpoint()
            resource = resources[name]
            if name in needed_by(failed, needs):
                continue
            if name in retain and resource.exists:
                self.steps.note(resource, "DELETE_SKIPPED")
            elif self.steps.destroy(resource):
                failed.append(name)
        return failed

    def delete(self, retain: Iterable[str] = (), force: bool = False) -> None:
        """Delete everything. `retain`: logical ids to leave; `force`: leave what cannot be deleted."""
        self._forward, stack = False, self.stack
        for name in stack.exports:
            users = [
                s.name for s in self.stacks.importers(stack.account, stack.region, name) if s is not stack
            ]
            if users:
                why = f"Export {name} cannot be deleted as it is in use by {' and '.join(users)}"
                return self.state("DELETE_FAILED", why)
        for resource in stack.resources.values():  # of an update that was not finished: both things exist
            before = resource.before
            if before and before["physical_id"] and before["physical_id"] != resource.physical_id:
                stack.leftovers.append({**before, "deletion_policy": before["replace_policy"]})
                resource.before = None
        leftovers = self._sweep()
        failed = self._destroy_all(stack.resources, retain)
        if failed and force:
            failed = self._destroy_all(stack.resources, failed)
        if failed or (leftovers and not force):
            names = [*failed, *leftovers]
            return self.state(
                "DELETE_FAILED", f"The following resource(s) failed to delete: {_listed(names)}. "
            )
        stack.deleted, stack.outputs, stack.imports = time.time(), {}, []
        return self.state("DELETE_COMPLETE")

    def _sweep(self) -> list[str]:
        """Delete what updates left over; returns the names of what could not be deleted (and is kept)."""
        stack, left = self.stack, []
        items = [Resource(**item) for item in stack.leftovers]
        position = {name: place for place, name in enumerate(order({r.logical_id: r.needs for r in items}))}
        for resource in sorted(items, key=lambda item: -position[item.logical_id]):
            self._checkpoint()
            if self.steps.destroy(resource, keep=False):
                left.append(resource)
        with self.app.lock:
            stack.leftovers = [resource.to_dict() for resource in left]
            self.stacks.save(stack)
        return [resource.logical_id for resource in left]


def set_state(
    app: LocalAwsApp,
    stacks: Stacks,
    stack: Stack,
    status: str,
    reason: str = "",
    token: str = "",
    *resources: Resource,
) -> None:
    """Set a stack's status, write it down with the event of it."""
    with app.lock:
        stack.status, stack.reason = status, reason
        stacks.save(stack, *resources)
        stacks.event(stack, stack.name, stack.id, STACK, status, reason, None, token)
