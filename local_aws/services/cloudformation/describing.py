"""Stacks, resources, events and templates as the API's answers show them."""

import json
from typing import Any

from local_aws.services.cloudformation import validation
from local_aws.services.cloudformation.model import ChangeSet, Resource, Stack, moment
from local_aws.services.cloudformation.parameters import HIDDEN
from local_aws.services.cloudformation.template import Template

_NOT_CHECKED = {"StackDriftStatus": "NOT_CHECKED"}


def _without_empty(answer: dict[str, Any], *keep: str) -> dict[str, Any]:
    return {k: v for k, v in answer.items() if k in keep or (v is not None and v not in ("", [], {}))}


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def stack_answer(stack: Stack) -> dict[str, Any]:
    """One item of `DescribeStacks`."""
    outputs = [
        _without_empty(
            {
                "OutputKey": name,
                "OutputValue": item["Value"],
                "Description": item.get("Description"),
                "ExportName": item.get("Export"),
            },
            "OutputValue",
        )
        for name, item in stack.outputs.items()
    ]
    answer = {
        "StackId": stack.id,
        "StackName": stack.name,
        "ChangeSetId": stack.change_set_id,
        "Description": stack.description,
        "Parameters": [value.described() for value in stack.parameter_values().values()],
        "CreationTime": moment(stack.created),
        "DeletionTime": moment(stack.deleted),
        "LastUpdatedTime": moment(stack.updated),
        "RollbackConfiguration": {},
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason,
        "DisableRollback": stack.on_failure == "DO_NOTHING",
        "NotificationARNs": stack.notification_arns,
        "TimeoutInMinutes": stack.timeout_minutes,
        "Capabilities": stack.capabilities,
        "Outputs": outputs,
        "RoleARN": stack.role_arn,
        "Tags": _tags(stack.tags),
        "EnableTerminationProtection": stack.protected,
        "ParentId": stack.parent_id,
        "RootId": stack.root_id,
        "DriftInformation": _NOT_CHECKED,
    }
    return _without_empty(answer, "NotificationARNs", "Tags", "RollbackConfiguration")


def summary_answer(stack: Stack) -> dict[str, Any]:
    """One item of `ListStacks`."""
    return _without_empty(
        {
            "StackId": stack.id,
            "StackName": stack.name,
            "TemplateDescription": stack.description,
            "CreationTime": moment(stack.created),
            "LastUpdatedTime": moment(stack.updated),
            "DeletionTime": moment(stack.deleted),
            "StackStatus": stack.status,
            "StackStatusReason": stack.reason,
            "ParentId": stack.parent_id,
            "RootId": stack.root_id,
            "DriftInformation": _NOT_CHECKED,
        }
    )


def resource_answer(stack: Stack, resource: Resource, time: str = "Timestamp") -> dict[str, Any]:
    """A resource of `DescribeStackResources`; `time`: the time's name, which differs between the operations."""
    return _without_empty(
        {
            "StackName": stack.name,
            "StackId": stack.id,
            "LogicalResourceId": resource.logical_id,
            "PhysicalResourceId": resource.physical_id,
            "ResourceType": resource.type,
            time: moment(resource.time),
            "ResourceStatus": resource.status,
            "ResourceStatusReason": resource.reason,
            "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
        }
    )


def event_answer(stack: Stack, event: dict[str, Any]) -> dict[str, Any]:
    """One item of `DescribeStackEvents`."""
    answer = {
        "StackId": stack.id,
        "StackName": stack.name,
        **event,
        "Timestamp": moment(event["Timestamp"]),
    }
    if "ResourceProperties" in event:
        answer["ResourceProperties"] = json.dumps(event["ResourceProperties"])
    return answer


def parameters_answer(template: Template, summary: bool) -> list[dict[str, Any]]:
    """The declared parameters as `GetTemplateSummary` (or, shorter, `ValidateTemplate`) shows them."""
    found = []
    for key, declared in template.parameters.items():
        no_echo = str(declared.get("NoEcho", "")).lower() == "true"
        default = declared.get("Default")
        if default is not None:
            default = HIDDEN if no_echo else str(default)
        item = {
            "ParameterKey": key,
            "DefaultValue": default,
            "NoEcho": no_echo,
            "Description": declared.get("Description"),
        }
        if summary:
            item["ParameterType"] = declared["Type"]
            allowed = [str(value) for value in declared.get("AllowedValues", [])]
            item["ParameterConstraints"] = {"AllowedValues": allowed} if allowed else {}
        found.append({k: v for k, v in item.items() if v is not None})
    return found


def template_answer(template: Template, summary: bool) -> dict[str, Any]:
    """`GetTemplateSummary`, or `ValidateTemplate`."""
    capabilities, why = validation.capabilities(template)
    if template.transforms:
        capabilities = [*capabilities, "CAPABILITY_AUTO_EXPAND"]
        why = why or f"The template uses the transforms {', '.join(template.transforms)}"
    answer: dict[str, Any] = {
        "Parameters": parameters_answer(template, summary),
        "Description": template.description,
        "Capabilities": capabilities,
        "CapabilitiesReason": why,
        "DeclaredTransforms": template.transforms,
    }
    if summary:
        answer["ResourceTypes"] = template.resource_types()
        answer["Version"] = template.data.get("AWSTemplateFormatVersion")
        if "Metadata" in template.data:
            answer["Metadata"] = json.dumps(template.data["Metadata"])
    return _without_empty(answer, "Parameters", "DeclaredTransforms")


def change_set_summary(item: ChangeSet) -> dict[str, Any]:
    """One item of `ListChangeSets`."""
    return _without_empty(
        {
            "StackId": item.stack_id,
            "StackName": item.stack_name,
            "ChangeSetId": item.id,
            "ChangeSetName": item.name,
            "ExecutionStatus": item.execution,
            "Status": item.status,
            "StatusReason": item.reason,
            "CreationTime": moment(item.created),
            "Description": item.description,
        }
    )


def change_set_answer(item: ChangeSet) -> dict[str, Any]:
    """`DescribeChangeSet`."""
    values = Stack("", "", "", "", values=item.request["values"]).parameter_values().values()
    return {
        **change_set_summary(item),
        "Parameters": [value.described() for value in values],
        "NotificationARNs": item.request["notification_arns"],
        "Capabilities": item.request["capabilities"],
        "Tags": _tags(item.request["tags"]),
        "RollbackConfiguration": {},
        "Changes": item.changes,
        "IncludeNestedStacks": False,
    }
