"""The operations that change stacks. They run with the app's lock held; what takes time runs in a thread."""

import time
from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from local_aws.services.cloudformation.changes import Plan
from local_aws.services.cloudformation.engine import Engine
from local_aws.services.cloudformation.errors import AlreadyExists, ValidationError
from local_aws.services.cloudformation.http import CloudFormationResponse
from local_aws.services.cloudformation.model import GONE, UPDATABLE, Resource, Stack, new_arn
from local_aws.services.cloudformation.requests import check_name, wanted
from local_aws.services.cloudformation.runner import set_state
from local_aws.services.cloudformation.template import parse
from local_aws.services.cloudformation.updates import remember

BEGUN = "User Initiated"
_DELETABLE = ("CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS")


class Operations:
    """What the response's methods share. `params` of a request are the API's, parsed by botocore's model."""

    def __init__(self, engine: Engine):
        self.engine, self.stacks, self.app = engine, engine.stacks, engine.app

    def find(self, response: Any, missing: str = "Stack with id {} does not exist") -> Stack:
        """The request's stack, or `ValidationError`."""
        name = response.params.get("StackName") or ""
        stack = self.stacks.find(response.current_account, response.region, name)
        if stack is None:
            raise ValidationError(missing.format(name))
        return stack

    def updatable(self, stack: Stack) -> None:
        """Raise `ValidationError` when no update may begin in the stack's present state."""
        if stack.status not in UPDATABLE:
            raise ValidationError(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")

    def state(self, stack: Stack, status: str, token: str, *resources: Resource) -> None:
        set_state(self.app, self.stacks, stack, status, BEGUN, token, *resources)

    # -- begin ---------------------------------------------------------------------------------------------
    def begin_create(self, stack: Stack, token: str) -> None:
        self.state(stack, "CREATE_IN_PROGRESS", token)
        self.engine.launch(stack, lambda runner: runner.create(), token)

    def begin_update(self, stack: Stack, fields: dict[str, Any], token: str, rollback: bool) -> None:
        """`fields`: those of `Wanted.fields`."""
        remember(stack)
        vars(stack).update(fields)
        stack.updated = time.time()
        self.state(stack, "UPDATE_IN_PROGRESS", token)
        self.engine.launch(stack, lambda runner: runner.update(rollback), token)

    def begin_delete(self, stack: Stack, token: str, retain: list[str], force: bool) -> None:
        self.state(stack, "DELETE_IN_PROGRESS", token)
        self.engine.launch(stack, lambda runner: runner.delete(retain, force), token, after=True)
        for item in [c for c in self.stacks.change_sets.values() if c.stack_id == stack.id]:
            self.stacks.drop_change_set(item)

    def on_failure(self, params: dict[str, Any], name: str = "OnFailure") -> str:
        """ROLLBACK, DELETE or DO_NOTHING."""
        how, disable = params.get(name), params.get("DisableRollback")
        if how and disable is not None:
            raise ValidationError(f"You can specify either DisableRollback or {name}, but not both.")
        if how not in (None, "ROLLBACK", "DELETE", "DO_NOTHING"):
            raise ValidationError(
                f"1 validation error detected: Value '{how}' at 'onFailure' failed to satisfy constraint: Member must "
                "satisfy enum value set: [DO_NOTHING, ROLLBACK, DELETE]"
            )
        return how or ("DO_NOTHING" if disable else "ROLLBACK")


def _stack_operations(operations: Operations) -> list[Any]:
    engine, stacks, app = operations.engine, operations.stacks, operations.app

    def create_stack(self: CloudFormationResponse) -> ActionResult:
        params, account, region = self.params, self.current_account, self.region
        name = check_name(params.get("StackName"))
        present = stacks.find(account, region, name)
        if present:
            raise AlreadyExists(f"Stack [{name}] already exists")
        stack = Stack(new_arn("stack", name, account, region), name, account, region)
        request = wanted(app, stacks, params, stack, None)
        vars(stack).update(request.fields())
        stack.on_failure = operations.on_failure(params)
        stack.timeout_minutes = params.get("TimeoutInMinutes")
        stack.protected = bool(params.get("EnableTerminationProtection"))
        stack.token = params.get("ClientRequestToken") or ""
        operations.begin_create(stack, stack.token)
        return ActionResult({"StackId": stack.id})

    def update_stack(self: CloudFormationResponse) -> ActionResult:
        params = self.params
        stack = operations.find(self, "Stack [{}] does not exist")
        operations.updatable(stack)
        request = wanted(app, stacks, params, stack, stack)
        check_types(stack, request.template)
        plan = Plan(stack, parse(stack.template), request.evaluation, request.tags)
        if not plan.anything():
            raise ValidationError("No updates are to be performed.")
        rollback = not params.get("DisableRollback")
        operations.begin_update(stack, request.fields(), params.get("ClientRequestToken") or "", rollback)
        return ActionResult({"StackId": stack.id})

    def delete_stack(self: CloudFormationResponse) -> EmptyResult:
        params = self.params
        stack = stacks.find(self.current_account, self.region, params.get("StackName") or "")
        if stack is None or stack.status in (GONE, "DELETE_IN_PROGRESS"):
            return EmptyResult()  # deleting what is not there is no error, as on AWS
        if stack.protected:
            raise ValidationError(
                f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            )
        if stack.busy and stack.status not in _DELETABLE:
            raise ValidationError(f"Stack [{stack.name}] cannot be deleted while in status {stack.status}")
        retain = list(params.get("RetainResources") or [])
        if retain and stack.status != "DELETE_FAILED":
            raise ValidationError(
                f"Invalid operation on stack [{stack.id}]. RetainResources can only be given when the stack is in the "
                f"DELETE_FAILED state, but it is {stack.status}."
            )
        unknown = [name for name in retain if name not in stack.resources]
        if unknown:
            raise ValidationError(
                f"The following resources to retain do not exist in the stack: {', '.join(unknown)}"
            )
        force = params.get("DeletionMode") == "FORCE_DELETE_STACK"
        operations.begin_delete(stack, params.get("ClientRequestToken") or "", retain, force)
        return EmptyResult()

    def cancel_update_stack(self: CloudFormationResponse) -> EmptyResult:
        stack = operations.find(self, "Stack [{}] does not exist")
        runner = engine.running(stack)
        if stack.status != "UPDATE_IN_PROGRESS" or runner is None:
            raise ValidationError(
                f"CancelUpdateStack cannot be called from current stack status {stack.status}"
            )
        runner.cancel.set()
        return EmptyResult()

    def continue_update_rollback(self: CloudFormationResponse) -> EmptyResult:
        stack = operations.find(self)
        if stack.status != "UPDATE_ROLLBACK_FAILED":
            raise ValidationError(
                f"Stack:{stack.id} is in {stack.status} state and can not be rolled back with ContinueUpdateRollback."
            )
        skip = list(self.params.get("ResourcesToSkip") or [])
        wrong = [n for n in skip if n not in stack.resources or stack.resources[n].status != "UPDATE_FAILED"]
        if wrong:
            raise ValidationError(
                f"ResourcesToSkip must be resources that failed to roll back: {', '.join(wrong)} did not."
            )
        operations.state(stack, "UPDATE_ROLLBACK_IN_PROGRESS", self.params.get("ClientRequestToken") or "")
        engine.launch(stack, lambda runner: runner.rollback(skip))
        return EmptyResult()

    def rollback_stack(self: CloudFormationResponse) -> ActionResult:
        stack = operations.find(self)
        token = self.params.get("ClientRequestToken") or ""
        if stack.status == "CREATE_FAILED":
            operations.state(stack, "ROLLBACK_IN_PROGRESS", token)
            engine.launch(stack, lambda runner: runner.rollback_create(), token)
        elif stack.status == "UPDATE_FAILED":
            operations.state(stack, "UPDATE_ROLLBACK_IN_PROGRESS", token)
            engine.launch(stack, lambda runner: runner.rollback(), token)
        else:
            raise ValidationError(f"Stack:{stack.id} is in {stack.status} state and can not be rolled back.")
        return ActionResult({"StackId": stack.id})

    def update_termination_protection(self: CloudFormationResponse) -> ActionResult:
        stack = operations.find(self, "Stack [{}] does not exist")
        stack.protected = bool(self.params["EnableTerminationProtection"])
        stacks.save(stack)
        return ActionResult({"StackId": stack.id})

    return [
        create_stack,
        update_stack,
        delete_stack,
        cancel_update_stack,
        continue_update_rollback,
        rollback_stack,
        update_termination_protection,
    ]


def check_types(stack: Stack, template: Any) -> None:
    """Raise `ValidationError` when a resource keeps its name and changes its type."""
    changed = [
        name
        for name, resource in stack.resources.items()
        if name in template.resources and template.resources[name]["Type"] != resource.type
    ]
    if changed:
        raise ValidationError(
            "Update of resource type is not permitted. The new template modifies resource type of the following "
            f"resources: [{', '.join(changed)}]"
        )


def functions(operations: Operations) -> list[Any]:
    """The methods for the response class."""
    return _stack_operations(operations)
