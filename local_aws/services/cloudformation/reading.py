"""The operations that read stacks and templates."""

import json
from typing import Any

from moto.core.responses import ActionResult

from local_aws.services.cloudformation import validation
from local_aws.services.cloudformation.describing import (
    event_answer,
    resource_answer,
    stack_answer,
    summary_answer,
    template_answer,
)
from local_aws.services.cloudformation.errors import ValidationError
from local_aws.services.cloudformation.http import CloudFormationResponse
from local_aws.services.cloudformation.model import GONE
from local_aws.services.cloudformation.requests import template_text
from local_aws.services.cloudformation.responses import Operations
from local_aws.services.cloudformation.surroundings import LocalAccount
from local_aws.services.cloudformation.template import parse


def functions(operations: Operations) -> list[Any]:
    """The methods for the response class. `operations.change_set` is needed too (`changesets`)."""
    stacks, app = operations.stacks, operations.app

    def describe_stacks(self: CloudFormationResponse) -> ActionResult:
        if self.params.get("StackName"):
            return ActionResult({"Stacks": [stack_answer(operations.find(self))]})
        found = [s for s in stacks.of(self.current_account, self.region) if s.status != GONE]
        return ActionResult({"Stacks": [stack_answer(stack) for stack in found]})

    def list_stacks(self: CloudFormationResponse) -> ActionResult:
        wanted_states = self.params.get("StackStatusFilter")
        found = stacks.of(self.current_account, self.region)
        return ActionResult(
            {
                "StackSummaries": [
                    summary_answer(s) for s in found if not wanted_states or s.status in wanted_states
                ]
            }
        )

    def describe_stack_events(self: CloudFormationResponse) -> ActionResult:
        stack = operations.find(self, "Stack [{}] does not exist")
        events = [event_answer(stack, event) for event in reversed(stacks.events(stack))]
        return ActionResult({"StackEvents": events})

    def describe_stack_resource(self: CloudFormationResponse) -> ActionResult:
        stack = operations.find(self, "Stack '{}' does not exist")
        name = self.params["LogicalResourceId"]
        resource = stack.resources.get(name)
        if resource is None:
            raise ValidationError(f"Resource {name} does not exist for stack {stack.name}")
        answer = resource_answer(stack, resource, "LastUpdatedTimestamp")
        if resource.metadata is not None:
            answer["Metadata"] = json.dumps(resource.metadata)
        return ActionResult({"StackResourceDetail": answer})

    def describe_stack_resources(self: CloudFormationResponse) -> ActionResult:
        physical = self.params.get("PhysicalResourceId")
        if physical and not self.params.get("StackName"):
            owners = [
                stack
                for stack in stacks.of(self.current_account, self.region)
                if stack.status != GONE and any(r.physical_id == physical for r in stack.resources.values())
            ]
            if not owners:
                raise ValidationError(f"Stack for {physical} does not exist")
            stack = owners[0]
        else:
            stack = operations.find(self)
        name = self.params.get("LogicalResourceId")
        found = [resource_answer(stack, r) for n, r in stack.resources.items() if not name or n == name]
        return ActionResult({"StackResources": found})

    def list_stack_resources(self: CloudFormationResponse) -> ActionResult:
        stack = operations.find(self)
        found = [resource_answer(stack, r, "LastUpdatedTimestamp") for r in stack.resources.values()]
        for item in found:
            del item["StackId"], item["StackName"]
        return ActionResult({"StackResourceSummaries": found})

    def list_exports(self: CloudFormationResponse) -> ActionResult:
        found = [
            {"ExportingStackId": stack.id, "Name": name, "Value": value}
            for stack in stacks.of(self.current_account, self.region)
            if stack.status != GONE
            for name, value in stack.exports.items()
        ]
        return ActionResult({"Exports": sorted(found, key=lambda item: item["Name"])})

    def list_imports(self: CloudFormationResponse) -> ActionResult:
        name = self.params["ExportName"]
        found = [stack.name for stack in stacks.importers(self.current_account, self.region, name)]
        if not found:
            raise ValidationError(f"Export '{name}' is not imported by any stack.")
        return ActionResult({"Imports": found})

    def get_template(self: CloudFormationResponse) -> ActionResult:
        if self.params.get("ChangeSetName"):
            text = operations.change_set(self).request["template"]
        else:
            text = operations.find(self).template
        return ActionResult({"TemplateBody": text, "StagesAvailable": ["Original", "Processed"]})

    def get_template_summary(self: CloudFormationResponse) -> ActionResult:
        if self.params.get("StackName"):
            text = operations.find(self).template
        else:
            text = template_text(self.params, LocalAccount(app, self.current_account, self.region))
        return ActionResult(template_answer(parse(text), summary=True))

    def validate_template(self: CloudFormationResponse) -> ActionResult:
        template = parse(template_text(self.params, LocalAccount(app, self.current_account, self.region)))
        validation.check(template)
        return ActionResult(template_answer(template, summary=False))

    return [
        describe_stacks,
        list_stacks,
        describe_stack_events,
        describe_stack_resource,
        describe_stack_resources,
        list_stack_resources,
        list_exports,
        list_imports,
        get_template,
        get_template_summary,
        validate_template,
    ]
