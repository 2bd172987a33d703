"""Updates of a stack: forward, back again, and the cleaning up after either."""

from collections.abc import Iterable
from typing import Any

from local_aws.services.cloudformation.changes import policies
from local_aws.services.cloudformation.errors import ValidationError
from local_aws.services.cloudformation.evaluation import Evaluation
from local_aws.services.cloudformation.model import Resource, Stack
from local_aws.services.cloudformation.resources import find
from local_aws.services.cloudformation.resources.base import Handler
from local_aws.services.cloudformation.runner import Runner, _listed
from local_aws.services.cloudformation.steps import REPLACING

# What a rollback restores besides the resources.
_RESTORED = ("template", "description", "values", "tags", "outputs", "imports", "capabilities", "role_arn")


def remember(stack: Stack) -> None:
    """Keep what a rollback goes back to. Call it before the stack gets its new template and parameters."""
    stack.previous = {name: getattr(stack, name) for name in _RESTORED} | {"order": []}


def _left(resource: Resource, policy: str) -> dict[str, Any]:
    return {**resource.to_dict(), "deletion_policy": policy, "touched": "", "before": None}


def _rolled_back_policy(resource: Resource) -> str:
    return "Retain" if resource.deletion_policy == "Retain" else "Delete"


class Updater(Runner):
    """Runs UpdateStack, its rollback, and ContinueUpdateRollback."""

    def update(self, rollback: bool = True) -> None:
        """Bring the resources to the stack's (new) template. `rollback`: go back when one fails."""
        evaluation = self._evaluation()
        failed, why = "", ""
        for name in evaluation.order:
            if why := self._checkpoint():
                break
            if self._bring(evaluation, name):
                failed = name
                break
        if not failed and not why:
            try:
                self._outputs(evaluation)
                return self._commit(evaluation)
            except ValidationError as error:
                why = error.message
        self._checkpoint()
        if failed:
            why = f"The following resource(s) failed to update: {_listed([failed])}."
            resource = self.stack.resources[failed]
            if resource.status.startswith("CREATE"):
                why = f"The following resource(s) failed to create: {_listed([failed])}."
        if not rollback:
            return self.state("UPDATE_FAILED", why)
        self.state("UPDATE_ROLLBACK_IN_PROGRESS", why)
        return self.rollback()

    # -- forward -------------------------------------------------------------------------------------------
    def _bring(self, evaluation: Evaluation, name: str) -> str:
        """Make, replace or change one resource when it differs. Returns why it failed, or ""."""
        stack, present = self.stack, self.stack.resources.get(name)
        if present is None:
            resource = self._new_resource(evaluation, name)
            self._touch(resource, "added", None)
            return self._add(evaluation, resource)
        try:
            declared = self._declared(evaluation, name)
        except ValidationError as error:
            self.steps.note(present, "UPDATE_FAILED", error.message)
            return error.message
        handler = find(present.type)
        retagged = handler.taggable and stack.tags != stack.previous["tags"]
        source = evaluation.resources[name]
        fields = {"needs": evaluation.needs[name], "metadata": source.get("Metadata"), **policies(source)}
        if declared == present.declared and not retagged:
            self._quietly(present, fields)
            return ""
        if handler.replacing(present.declared, declared):
            return self._replace(evaluation, present, declared, handler)
        self._touch(present, "updated", present.to_dict())
        vars(present).update(fields)
        return self.steps.change(present, declared)

    def _quietly(self, resource: Resource, fields: dict[str, Any]) -> None:
        """What changes without a call to the service: policies, metadata, order."""
        if any(getattr(resource, key) != value for key, value in fields.items()):
            self._touch(resource, "noted", resource.to_dict())
            vars(resource).update(fields)
            with self.app.lock:
                self.stacks.save_resource(self.stack, resource)

    def _touch(self, resource: Resource, how: str, before: dict[str, Any] | None) -> None:
        """Write down what is about to happen, so that a rollback knows, also after a restart."""
        with self.app.lock:
            resource.touched, resource.before = how, before
            self.stack.resources[resource.logical_id] = resource
            self.stack.previous["order"].append(resource.logical_id)
            self.stacks.save(self.stack, resource)

    def _replace(
        self, evaluation: Evaluation, present: Resource, declared: dict[str, Any], handler: Handler
    ) -> str:
        name, custom = present.logical_id, handler.name_property
        if custom and custom in declared and declared[custom] == present.declared.get(custom):
            why = (
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename "
                f"{declared[custom]} and update the stack again."
            )
            self.steps.note(present, "UPDATE_FAILED", why)
            return why
        resource = self._new_resource(evaluation, name, present.generation + 1)
        self._touch(resource, "replaced", present.to_dict())
        resource.declared = declared
        self.steps.note(resource, "UPDATE_IN_PROGRESS", REPLACING)
        return self.steps.make(resource)

    def _commit(self, evaluation: Evaluation) -> None:
        """The point of no return: the old things become leftovers, and then are deleted."""
        stack, leftovers = self.stack, []
        with self.app.lock:
            for resource in list(stack.resources.values()):
                before = Resource(**resource.before) if resource.before else None
                if resource.logical_id not in evaluation.resources:
                    policy = "Retain" if resource.deletion_policy.startswith("Retain") else "Delete"
                    leftovers.append(_left(resource, policy))
                elif before and before.physical_id != resource.physical_id:
                    leftovers.append(_left(before, before.replace_policy))
                if resource.status == "CREATE_COMPLETE" and resource.touched == "replaced":
                    resource.status = "UPDATE_COMPLETE"
                resource.touched, resource.before = "", None
            stack.leftovers += leftovers
            stack.previous = {}
            removed = [name for name in stack.resources if name not in evaluation.resources]
            self.state("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "", *stack.resources.values())
            for name in removed:
                self.stacks.drop_resource(stack, name)
        self.clean_up()

    def clean_up(self) -> None:
        """Delete the leftovers. What cannot be deleted stays outside of the stack, as on AWS: its event says so."""
        self._sweep()
        self.stack.leftovers = []
        self.state(self.stack.status.removesuffix("_CLEANUP_IN_PROGRESS"))

    # -- back ----------------------------------------------------------------------------------------------
    def rollback(self, skip: Iterable[str] = ()) -> None:
        """Undo every touched resource, the last first. `skip`: take these as rolled back."""
        self._forward, stack, failed = False, self.stack, []
        self.steps.turn_back()
        for name in reversed(list(dict.fromkeys(stack.previous.get("order", [])))):
            self._checkpoint()
            resource = stack.resources.get(name)
            if resource is None or not resource.touched:
                continue
            if self._undo(resource, name in skip):
                failed.append(name)
        if failed:
            self.state(
                "UPDATE_ROLLBACK_FAILED", f"The following resource(s) failed to update: {_listed(failed)}."
            )
            return
        with self.app.lock:
            for name in _RESTORED:
                setattr(stack, name, stack.previous[name])
            stack.previous = {}
            self.state("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self.clean_up()

    def _undo(self, resource: Resource, skip: bool) -> str:
        stack, how, name = self.stack, resource.touched, resource.logical_id
        if how in ("added", "replaced"):
            with self.app.lock:
                if resource.exists:
                    stack.leftovers.append(_left(resource, _rolled_back_policy(resource)))
                self.stacks.drop_resource(stack, name)
                if how == "replaced":
                    stack.resources[name] = old = Resource(**resource.before)
                    self.steps.note(old, "UPDATE_COMPLETE")
                self.stacks.save(stack)
            return ""
        before = Resource(**resource.before)
        if how == "updated" and not skip:
            made = _left(resource, "Delete")  # with the properties that it was made with
            if why := self.steps.change(resource, resource.before["declared"]):
                return why
            if resource.physical_id != made["physical_id"]:
                stack.leftovers.append(made)
            before.physical_id, before.attributes = resource.physical_id, resource.attributes
        before.status = "UPDATE_COMPLETE"
        with self.app.lock:
            stack.resources[name] = before
            self.stacks.save(stack, before)
        return ""
