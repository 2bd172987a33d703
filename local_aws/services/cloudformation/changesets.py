"""The operations on change sets."""

from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from local_aws.services.cloudformation.changes import Plan
from local_aws.services.cloudformation.describing import change_set_answer, change_set_summary
from local_aws.services.cloudformation.errors import (
    AlreadyExists,
    ChangeSetNotFound,
    InvalidChangeSetStatus,
    ValidationError,
)
from local_aws.services.cloudformation.http import CloudFormationResponse
from local_aws.services.cloudformation.model import ChangeSet, Stack, new_arn
from local_aws.services.cloudformation.requests import check_name, wanted
from local_aws.services.cloudformation.responses import Operations, check_types
from local_aws.services.cloudformation.template import parse

NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)
_NEW = "REVIEW_IN_PROGRESS"


class ChangeSetOperations(Operations):
    """`Operations` with the look-up of change sets."""

    def of(self, stack: Stack) -> list[ChangeSet]:
        found = [item for item in self.stacks.change_sets.values() if item.stack_id == stack.id]
        return sorted(found, key=lambda item: item.created)

    def change_set(self, response: Any) -> ChangeSet:
        """The request's change set, by ARN, or by its name and the stack's."""
        name, params = response.params.get("ChangeSetName") or "", response.params
        if name.startswith("arn:"):
            item = self.stacks.change_sets.get(name)
            if item and (item.account, item.region) == (response.current_account, response.region):
                return item
        else:
            if not params.get("StackName"):
                raise ValidationError(
                    "StackName must be specified if ChangeSetName is not specified as an ARN."
                )
            found = [
                item
                for item in self.of(self.find(response, "Stack [{}] does not exist"))
                if item.name == name
            ]
            if found:
                return found[0]
        raise ChangeSetNotFound(f"ChangeSet [{name}] does not exist")

    def target(self, response: Any, kind: str, name: str) -> tuple[Stack, Stack | None]:
        """(the stack of a new change set, the same when it exists with resources)."""
        account, region, stack_name = (
            response.current_account,
            response.region,
            response.params.get("StackName") or "",
        )
        present = self.stacks.find(account, region, stack_name)
        if kind == "IMPORT":
            raise ValidationError("ChangeSetType IMPORT is not emulated by local_aws. Use AWS for it.")
        if kind == "CREATE":
            if present and present.status != _NEW:
                raise ValidationError(
                    f"Stack [{stack_name}] already exists and cannot be created again with the changeSet [{name}]."
                )
            if present:
                return present, None
            check_name(stack_name)
            return Stack(new_arn("stack", stack_name, account, region), stack_name, account, region), None
        if kind != "UPDATE":
            raise ValidationError(f"ChangeSetType must be CREATE or UPDATE, not {kind}.")
        if present is None:
            raise ValidationError(f"Stack [{stack_name}] does not exist")
        self.updatable(present)
        return present, present


def _writing(operations: ChangeSetOperations) -> list[Any]:
    stacks, app = operations.stacks, operations.app

    def create_change_set(self: CloudFormationResponse) -> ActionResult:
        params = self.params
        name = check_name(params.get("ChangeSetName"), "changeSetName")
        kind = params.get("ChangeSetType") or "UPDATE"
        stack, present = operations.target(self, kind, name)
        if any(item.name == name for item in operations.of(stack)):
            raise AlreadyExists(f"ChangeSet {name} already exists for stack {stack.name}")
        request = wanted(app, stacks, params, stack, present)
        old = parse(present.template) if present else None
        if present:
            check_types(present, request.template)
        plan = Plan(stack, old, request.evaluation, request.tags)
        item = ChangeSet(
            new_arn("changeSet", name, stack.account, stack.region),
            name,
            stack.id,
            stack.name,
            stack.account,
            stack.region,
            kind,
            description=params.get("Description") or "",
            changes=[change.described() for change in plan.changes],
            request=request.fields(),
        )
        item.request["on_failure"] = operations.on_failure(params, "OnStackFailure")
        if not plan.anything():
            item.status, item.execution, item.reason = "FAILED", "UNAVAILABLE", NO_CHANGES
        if stack.id not in stacks.by_id:
            operations.state(stack, _NEW, params.get("ClientToken") or "")
        stacks.save_change_set(item)
        return ActionResult({"Id": item.id, "StackId": stack.id})

    def execute_change_set(self: CloudFormationResponse) -> EmptyResult:
        item = operations.change_set(self)
        stack = stacks.by_id[item.stack_id]
        if item.execution != "AVAILABLE":
            state = item.status if item.status == "FAILED" else item.execution
            raise InvalidChangeSetStatus(
                f"ChangeSet [{item.id}] cannot be executed in its current status of [{state}]"
            )
        token, disable = self.params.get("ClientRequestToken") or "", self.params.get("DisableRollback")
        fields = dict(item.request)
        on_failure = fields.pop("on_failure")
        if item.kind == "UPDATE":
            operations.updatable(stack)
        elif stack.status != _NEW:
            raise InvalidChangeSetStatus(
                f"ChangeSet [{item.id}] cannot be executed: its stack is {stack.status}"
            )
        for other in operations.of(stack):
            if other is not item:
                stacks.drop_change_set(other)
        item.execution = "EXECUTE_COMPLETE"
        stacks.save_change_set(item)
        stack.change_set_id = item.id
        if disable:
            on_failure = "DO_NOTHING"
        if item.kind == "UPDATE":
            operations.begin_update(stack, fields, token, rollback=on_failure != "DO_NOTHING")
        else:
            vars(stack).update(fields)
            stack.on_failure = on_failure
            operations.begin_create(stack, token)
        return EmptyResult()

    def delete_change_set(self: CloudFormationResponse) -> EmptyResult:
        try:
            item = operations.change_set(self)
        except ChangeSetNotFound:
            return EmptyResult()  # as on AWS
        stacks.drop_change_set(item)
        return EmptyResult()

    return [create_change_set, execute_change_set, delete_change_set]


def functions(operations: ChangeSetOperations) -> list[Any]:
    """The methods for the response class."""

    def describe_change_set(self: CloudFormationResponse) -> ActionResult:
        return ActionResult(change_set_answer(operations.change_set(self)))

    def list_change_sets(self: CloudFormationResponse) -> ActionResult:
        stack = operations.find(self, "Stack [{}] does not exist")
        return ActionResult({"Summaries": [change_set_summary(item) for item in operations.of(stack)]})

    return [*_writing(operations), describe_change_set, list_change_sets]
