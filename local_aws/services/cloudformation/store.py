"""The stacks of all accounts and regions: in memory for reading, in documents of the state for keeping.

Hold the app's lock around changes. A stack's resources and events are documents of their own, so that a step of a
deployment writes little.
"""

import time
from typing import Any
from uuid import uuid4

from local_aws.services.cloudformation.model import GONE, ChangeSet, Resource, Stack
from local_aws.state.documents import Document, Documents

_STACK, _RESOURCE, _EVENT, _CHANGE_SET = (
    f"cloudformation-{kind}" for kind in ("stack", "resource", "event", "changeset")
)
_KEEP_SECONDS = 90 * 24 * 3600  # AWS keeps deleted stacks for 90 days


class Stacks:
    """`documents` is set when the state is open (`load`)."""

    def __init__(self) -> None:
        self.documents: Documents | None = None
        self.by_id: dict[str, Stack] = {}
        self.change_sets: dict[str, ChangeSet] = {}
        self._events: dict[str, list[dict[str, Any]]] = {}

    # -- look up -------------------------------------------------------------------------------------------
    def of(self, account: str, region: str) -> list[Stack]:
        """The account's stacks in a region, the newest first, deleted ones too."""
        found = [s for s in self.by_id.values() if (s.account, s.region) == (account, region)]
        return sorted(found, key=lambda stack: -stack.created)

    def find(self, account: str, region: str, name_or_id: str) -> Stack | None:
        """By name (then not a deleted one) or by ARN."""
        if name_or_id.startswith("arn:"):
            stack = self.by_id.get(name_or_id)
            return stack if stack and (stack.account, stack.region) == (account, region) else None
        return next((s for s in self.of(account, region) if s.name == name_or_id and s.status != GONE), None)

    def events(self, stack: Stack) -> list[dict[str, Any]]:
        """The stack's events, the oldest first."""
        return self._events.get(stack.id, [])

    def exporter(self, account: str, region: str, name: str) -> Stack | None:
        """The stack that exports a name."""
        return next((s for s in self.of(account, region) if s.status != GONE and name in s.exports), None)

    def importers(self, account: str, region: str, name: str) -> list[Stack]:
        """The stacks that import a name."""
        return [s for s in self.of(account, region) if s.status != GONE and name in s.imports]

    # -- change --------------------------------------------------------------------------------------------
    def save(self, stack: Stack, *resources: Resource) -> None:
        """Keep the stack as it is now, and these of its resources."""
        self.by_id[stack.id] = stack
        self._write([self._stack(stack), *(self._resource(stack, each) for each in resources)])

    def save_resource(self, stack: Stack, resource: Resource) -> None:
        self._write([self._resource(stack, resource)])

    def drop_resource(self, stack: Stack, logical_id: str) -> None:
        resource = stack.resources.pop(logical_id)
        self._write([], [self._resource(stack, resource)])

    def event(
        self,
        stack: Stack,
        logical_id: str,
        physical_id: str,
        kind: str,
        status: str,
        reason: str = "",
        properties: dict[str, Any] | None = None,
        token: str = "",
    ) -> None:
        """Append an event."""
        events = self._events.setdefault(stack.id, [])
        item = {
            "EventId": str(uuid4())
            if logical_id == stack.name
            else f"{logical_id}-{status}-{uuid4().hex[:12]}",
            "LogicalResourceId": logical_id,
            "PhysicalResourceId": physical_id,
            "ResourceType": kind,
            "ResourceStatus": status,
            "Timestamp": time.time(),
        }
        if reason:
            item["ResourceStatusReason"] = reason
        if properties is not None:
            item["ResourceProperties"] = properties
        if token:
            item["ClientRequestToken"] = token
        events.append(item)
        name = f"{stack.uuid}/{len(events):07d}"
        self._write([Document(_EVENT, stack.account, stack.region, name, {"stack": stack.id, **item})])

    def save_change_set(self, change_set: ChangeSet) -> None:
        self.change_sets[change_set.id] = change_set
        self._write([self._change_set(change_set)])

    def drop_change_set(self, change_set: ChangeSet) -> None:
        del self.change_sets[change_set.id]
        self._write([], [self._change_set(change_set)])

    def forget(self, stack: Stack) -> None:
        """Remove every trace of a stack."""
        for resource in list(stack.resources):
            self.drop_resource(stack, resource)
        count = len(self._events.pop(stack.id, []))
        names = [f"{stack.uuid}/{number:07d}" for number in range(1, count + 1)]
        events = [Document(_EVENT, stack.account, stack.region, name) for name in names]
        self._write([], [self._stack(stack), *events])
        del self.by_id[stack.id]

    # -- disk ----------------------------------------------------------------------------------------------
    def load(self, documents: Documents) -> None:
        """Read all that was kept; stacks deleted more than 90 days ago are forgotten."""
        self.documents = documents
        for document in documents.all(_STACK):
            self.by_id[document.value["id"]] = Stack(**document.value)
        uuids = {stack.uuid: stack for stack in self.by_id.values()}
        for document in documents.all(_RESOURCE):
            resource = Resource(**document.value)
            uuids[document.name.split("/")[0]].resources[resource.logical_id] = resource
        for document in documents.all(_EVENT):
            item = dict(document.value)
            self._events.setdefault(item.pop("stack"), []).append(item)
        for document in documents.all(_CHANGE_SET):
            change_set = ChangeSet(**document.value)
            self.change_sets[change_set.id] = change_set
        for stack in list(self.by_id.values()):
            if stack.deleted and stack.deleted < time.time() - _KEEP_SECONDS:
                self.forget(stack)

    def _write(self, put: list[Document], remove: list[Document] | None = None) -> None:
        if self.documents is not None:
            self.documents.write(put, remove or [])

    @staticmethod
    def _stack(stack: Stack) -> Document:
        return Document(_STACK, stack.account, stack.region, stack.uuid, stack.record())

    @staticmethod
    def _resource(stack: Stack, resource: Resource) -> Document:
        name = f"{stack.uuid}/{resource.logical_id}"
        return Document(_RESOURCE, stack.account, stack.region, name, resource.to_dict())

    @staticmethod
    def _change_set(item: ChangeSet) -> Document:
        return Document(_CHANGE_SET, item.account, item.region, item.id.rsplit("/", 1)[-1], item.to_dict())
