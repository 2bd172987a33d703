"""One resource made, changed or deleted by its handler, with its record and its events."""

import logging
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.server.app import LocalAwsApp
from local_aws.services.cloudformation.clients import client
from local_aws.services.cloudformation.dynamic import resolve_dynamic
from local_aws.services.cloudformation.errors import ValidationError
from local_aws.services.cloudformation.model import Resource, Stack
from local_aws.services.cloudformation.resources import find
from local_aws.services.cloudformation.resources.base import Context, Handler, ResourceError
from local_aws.services.cloudformation.schema import coerced, problems
from local_aws.services.cloudformation.store import Stacks

log = logging.getLogger("local_aws")
REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."


def reason_of(error: Exception) -> str:
    """The sentence of a failed resource's event."""
    if isinstance(error, ClientError):
        answer = error.response["Error"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
        return (
            f"{answer.get('Message', '')} (Operation: {error.operation_name}; Status Code: {status}; "
            f"Error Code: {answer.get('Code', '')})"
        )
    if isinstance(error, ResourceError | ValidationError | BotoCoreError):
        return str(getattr(error, "message", "") or error)
    log.error("a resource handler failed", exc_info=error)
    return f"Internal failure of local_aws: {type(error).__name__}: {error}. See logs/server.log."


class Steps:
    """The steps of one operation on one stack. `halted()`: nobody waits for it any more."""

    def __init__(
        self,
        app: LocalAwsApp,
        stacks: Stacks,
        stack: Stack,
        token: str,
        halted: Callable[[], bool],
        old_tags: dict[str, str] | None = None,
    ):
        self.app, self.stacks, self.stack, self.token = app, stacks, stack, token
        self._halted, self._old_tags = halted, old_tags

    def turn_back(self) -> None:
        """A rollback: the tags of before the update are what is wanted now."""
        previous = self.stack.previous.get("tags", self.stack.tags)
        if previous != self.stack.tags:
            self._old_tags, self.stack.tags = self.stack.tags, previous

    # -- record --------------------------------------------------------------------------------------------
    def note(self, resource: Resource, status: str, reason: str = "", keep: bool = True) -> None:
        """Set a resource's status, and write it and the event. `keep`: it is one of the stack's resources."""
        with self.app.lock:
            resource.status, resource.reason = status, reason
            self.stacks.event(
                self.stack,
                resource.logical_id,
                resource.physical_id,
                resource.type,
                status,
                reason,
                resource.declared,
                self.token,
            )
            resource.time = self.stacks.events(self.stack)[-1]["Timestamp"]
            if keep:
                self.stacks.save_resource(self.stack, resource)

    def _context(self, resource: Resource, made: Callable[[str, dict], None] | None = None) -> Context:
        return Context(
            self.app,
            account_id=self.stack.account,
            region=self.stack.region,
            stack_name=self.stack.name,
            stack_id=self.stack.id,
            logical_id=resource.logical_id,
            resource_type=resource.type,
            tags=self.stack.tags,
            old_tags=self._old_tags,
            generation=resource.generation,
            made=made or (lambda physical_id, attributes: None),
            cancelled=self._halted,
            adopt=self._adopt,
        )

    def _adopt(self, stack_id: str) -> None:
        with self.app.lock:
            child = self.stacks.by_id[stack_id]
            child.parent_id, child.root_id = self.stack.id, self.stack.root_id or self.stack.id
            self.stacks.save(child)

    def prepare(self, handler: Handler, kind: str, declared: dict[str, Any]) -> dict[str, Any]:
        """The properties for a handler: dynamic references looked up, types set, checked against the schema."""
        stack = self.stack
        found = resolve_dynamic(declared, lambda name: client(self.app, name, stack.account, stack.region))
        found = coerced(kind, found)
        if wrong := problems(kind, found):
            raise ResourceError("Properties validation failed with message:\n" + "\n".join(wrong))
        if unsupported := handler.unsupported(found):
            raise ResourceError(
                f"local_aws does not emulate the propert{'ies' if len(unsupported) > 1 else 'y'} "
                f"{', '.join(unsupported)} of {kind}. Leave it out, or use AWS for this resource."
            )
        handler.validate(found)
        return found

    # -- steps: each returns "" or why it failed -----------------------------------------------------------
    def make(self, resource: Resource, reason: str = "") -> str:
        """Create it. `resource.declared` is set."""
        self.note(resource, "CREATE_IN_PROGRESS", reason)
        handler = find(resource.type)

        def made(physical_id: str, attributes: dict[str, Any]) -> None:
            first = not resource.physical_id
            resource.physical_id, resource.attributes = physical_id, {**resource.attributes, **attributes}
            if first:
                self.note(resource, "CREATE_IN_PROGRESS", "Resource creation Initiated")

        try:
            resource.properties = self.prepare(handler, resource.type, resource.declared)
            physical_id, attributes = handler.create(
                self._context(resource, made), resource.logical_id, resource.properties
            )
        except Exception as error:
            why = reason_of(error)
            self.note(resource, "CREATE_FAILED", why)
            return why
        made(physical_id, attributes)
        self.note(resource, "CREATE_COMPLETE")
        return ""

    def change(self, resource: Resource, declared: dict[str, Any], reason: str = "") -> str:
        """Change it in place to new properties."""
        old = resource.properties
        self.note(resource, "UPDATE_IN_PROGRESS", reason)
        handler = find(resource.type)
        resource.declared = declared
        try:
            new = self.prepare(handler, resource.type, declared)
            resource.properties = new
            result = handler.update(self._context(resource), resource.physical_id, old, new)
        except Exception as error:
            why = reason_of(error)
            self.note(resource, "UPDATE_FAILED", why)
            return why
        if isinstance(result, tuple):  # only custom resources may answer with another physical id
            resource.physical_id, result = result
        resource.attributes = result or {}
        self.note(resource, "UPDATE_COMPLETE")
        return ""

    def destroy(self, resource: Resource, keep: bool = True) -> str:
        """Delete it, or say that its policy retains it. `keep`: it is (still) one of the stack's resources."""
        if not resource.exists:
            if resource.status not in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
                self.note(resource, "DELETE_COMPLETE", keep=keep)
            return ""
        if resource.deletion_policy.startswith("Retain"):
            self.note(resource, "DELETE_SKIPPED", keep=keep)
            return ""
        self.note(resource, "DELETE_IN_PROGRESS", keep=keep)
        try:
            find(resource.type).delete(self._context(resource), resource.physical_id, resource.properties)
        except Exception as error:
            why = reason_of(error)
            self.note(resource, "DELETE_FAILED", why, keep=keep)
            return why
        self.note(resource, "DELETE_COMPLETE", keep=keep)
        return ""
