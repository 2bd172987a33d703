"""CloudFormation's side of deploying: change sets, events as they come, and how it ended."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lab_lib.settings import LabError

FAILED_BEFORE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
NO_CHANGE = ("didn't contain changes", "No updates are to be performed")


@dataclass
class Stacks:
    """Stacks of one account and region. `pause_seconds` is the time between two looks at a running operation."""

    client: Any  # boto3's cloudformation
    pause_seconds: float = 3.0
    failures: list[str] = field(default_factory=list)  # of the operation that was followed last

    def describe(self, name: str) -> dict[str, Any] | None:
        """DescribeStacks of the stack (a name or an id), or None when there is none."""
        try:
            return self.client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise

    def events(self, name: str) -> list[dict[str, Any]]:
        """All events of the stack, oldest first."""
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName=name)
        return [event for page in pages for event in page["StackEvents"]][::-1]

    def follow(self, name: str, seen: set[str]) -> str:
        """Print the events not `seen` yet until the operation under way has ended; returns the stack's last status.

        `name` must be the stack's id, or a stack that is being deleted could not be asked any more.
        """
        self.failures = []
        while True:
            stack = self.describe(name)
            status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
            for event in self.events(name):
                if event["EventId"] not in seen:
                    seen.add(event["EventId"])
                    self._show(event)
            if not status.endswith("IN_PROGRESS"):
                return status
            time.sleep(self.pause_seconds)

    def _show(self, event: dict[str, Any]) -> None:
        status, reason = event["ResourceStatus"], event.get("ResourceStatusReason", "")
        if status.endswith("_FAILED"):
            kind = event["ResourceType"]
            if "cancelled" not in reason.lower() and kind != "AWS::CloudFormation::Stack":
                self.failures.append(f"{event['LogicalResourceId']} ({kind}): {reason}")
        elif status.endswith("IN_PROGRESS") and event["ResourceType"] != "AWS::CloudFormation::Stack":
            return  # each is followed by a line that says how it ended
        when = event["Timestamp"].astimezone().strftime("%H:%M:%S")
        text = f"  {when}  {status:<28} {event['LogicalResourceId']}"
        print(f"{text}: {reason}" if reason and "User Initiated" not in reason else text, flush=True)

    def settle(self, name: str) -> dict[str, Any] | None:
        """The stack once no operation of somebody else is under way; None when there is none."""
        stack = self.describe(name)
        if (
            stack
            and stack["StackStatus"].endswith("IN_PROGRESS")
            and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
        ):
            print(f"{name} is {stack['StackStatus']}: waiting for its end.")
            self.follow(stack["StackId"], {event["EventId"] for event in self.events(name)})
            stack = self.describe(name)
        return stack

    def deploy(self, name: str, body: str, parameters: dict[str, str], tags: dict[str, str]) -> bool:
        """Create or update the stack by a change set; False when there was nothing to change.

        Raises `LabError` when CloudFormation refuses the template or its parameters, and when the operation fails.
        """
        stack = self.settle(name)
        if stack and stack["StackStatus"] in FAILED_BEFORE:
            print(f"{name} is {stack['StackStatus']} from an earlier attempt: deleting what is left of it.")
            self.delete(name)
            stack = None
        if stack and stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED":
            raise LabError(
                f"{name} is UPDATE_ROLLBACK_FAILED: put right what its events name, then run "
                f"`aws cloudformation continue-update-rollback --stack-name {name}`."
            )
        new = stack is None or stack["StackStatus"] == "REVIEW_IN_PROGRESS"
        change_set = self._change_set(name, body, parameters, tags, new)
        if change_set is None:
            return False
        seen = {event["EventId"] for event in self.events(change_set["StackId"])}
        self.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
        status = self.follow(change_set["StackId"], seen)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            why = "".join(f"\n  {failure}" for failure in self.failures) or " see its events."
            raise LabError(f"{name} is {status}, because of:{why}\nPut that right and run the command again.")
        return True

    def _change_set(
        self, name: str, body: str, parameters: dict[str, str], tags: dict[str, str], new: bool
    ) -> dict[str, Any] | None:
        """A change set that is ready to be executed, described on the screen; None when nothing would change."""
        try:
            made = self.client.create_change_set(
                StackName=name,
                ChangeSetName=f"lab-{time.strftime('%Y%m%d-%H%M%S')}",
                ChangeSetType="CREATE" if new else "UPDATE",
                TemplateBody=body,
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
                ],
                Capabilities=["CAPABILITY_NAMED_IAM"],
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )
        except ClientError as error:
            code, message = (error.response["Error"][key] for key in ("Code", "Message"))
            raise LabError(f"CloudFormation refuses {name} ({code}): {message}") from error
        while True:
            found = self.client.describe_change_set(ChangeSetName=made["Id"])
            if found["Status"] in ("CREATE_COMPLETE", "FAILED"):
                break
            time.sleep(self.pause_seconds)
        if found["Status"] == "FAILED":
            reason = found.get("StatusReason", "")
            self.client.delete_change_set(ChangeSetName=made["Id"])
            if any(text in reason for text in NO_CHANGE):
                return None
            if new:
                self.client.delete_stack(StackName=name)
            raise LabError(f"CloudFormation refuses {name}: {reason}")
        actions = [change["ResourceChange"] for change in found["Changes"]]
        while found.get("NextToken"):
            found = self.client.describe_change_set(ChangeSetName=made["Id"], NextToken=found["NextToken"])
            actions += [change["ResourceChange"] for change in found["Changes"]]
        count = {
            action: sum(a["Action"] == action for a in actions) for action in ("Add", "Modify", "Remove")
        }
        print(f"{name}: {count['Add']} to add, {count['Modify']} to change, {count['Remove']} to remove")
        for action in actions:
            if action.get("Replacement") == "True":
                print(f"  {action['LogicalResourceId']} ({action['ResourceType']}) is replaced")
        return found | {"ChangeSetId": made["Id"]}

    def delete(self, name: str) -> None:
        """Delete the stack and wait. Raises `LabError` naming what CloudFormation could not delete."""
        stack = self.settle(name)
        if stack is None:
            return
        identity = stack["StackId"]
        seen = {event["EventId"] for event in self.events(identity)}
        self.client.delete_stack(StackName=identity)
        if self.follow(identity, seen) != "DELETE_COMPLETE":
            why = "".join(f"\n  {failure}" for failure in self.failures) or " see its events."
            raise LabError(f"{name} could not be deleted, because of:{why}\nPut that right and run it again.")


def show_outputs(stack: dict[str, Any]) -> None:
    """Print the outputs of a described stack."""
    outputs = stack.get("Outputs", [])
    width = max((len(output["OutputKey"]) for output in outputs), default=0)
    for output in outputs:
        print(f"  {output['OutputKey']:<{width}}  {output['OutputValue']}", file=sys.stdout)
