"""A request of the API to what it asks for, checked: template, parameters, capabilities, names, tags."""

import re
from dataclasses import dataclass
from typing import Any

from local_aws.server.app import LocalAwsApp
from local_aws.services.cloudformation import validation
from local_aws.services.cloudformation.errors import ValidationError
from local_aws.services.cloudformation.evaluation import Evaluation
from local_aws.services.cloudformation.intrinsics import Unknown
from local_aws.services.cloudformation.model import Stack
from local_aws.services.cloudformation.parameters import Value, bind
from local_aws.services.cloudformation.store import Stacks
from local_aws.services.cloudformation.surroundings import LocalAccount, evaluation_of
from local_aws.services.cloudformation.template import Template, parse

MAX_BODY, MAX_URL = 51_200, 1_000_000
_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]*")
# Parts of a request that local_aws does not have: (name in the request, values that mean nothing)
_NOT_EMULATED = {
    "StackPolicyBody": (None, ""),
    "StackPolicyURL": (None, ""),
    "StackPolicyDuringUpdateBody": (None, ""),
    "StackPolicyDuringUpdateURL": (None, ""),
    "ResourcesToImport": (None, []),
    "ImportExistingResources": (None, False),
    "IncludeNestedStacks": (None, False),
    "DeploymentMode": (None, ""),
}


@dataclass
class Wanted:
    """What a stack is to become. `evaluation` is bound to a copy of the stack with the new settings."""

    template: Template
    values: dict[str, Value]
    tags: dict[str, str]
    capabilities: list[str]
    role_arn: str
    notification_arns: list[str]
    evaluation: Evaluation

    def fields(self) -> dict[str, Any]:
        """As fields of `Stack`."""
        return {
            "template": self.template.text,
            "description": self.template.description,
            "values": {key: value.to_dict() for key, value in self.values.items()},
            "tags": self.tags,
            "capabilities": self.capabilities,
            "role_arn": self.role_arn,
            "notification_arns": self.notification_arns,
        }


def check_name(name: str | None, what: str = "stackName") -> str:
    """The name, or `ValidationError` as AWS's front door says it."""
    if not name or not _NAME.fullmatch(name) or len(name) > 128:
        raise ValidationError(
            f"1 validation error detected: Value '{name or ''}' at '{what}' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]* and have length less than or equal to 128"
        )
    return name


def template_text(params: dict[str, Any], account: LocalAccount, stack: Stack | None = None) -> str:
    """The template that a request sends, names, or takes from its stack."""
    body, url, previous = (params.get(k) for k in ("TemplateBody", "TemplateURL", "UsePreviousTemplate"))
    if sum(map(bool, (body, url, previous))) > 1:
        raise ValidationError("Specify only one of TemplateBody, TemplateURL and UsePreviousTemplate.")
    if previous:
        if stack is None or not stack.template:
            raise ValidationError("UsePreviousTemplate needs a stack that has a template.")
        return stack.template
    if body:
        if len(body.encode()) > MAX_BODY:
            raise ValidationError(
                f"1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have "
                f"length less than or equal to {MAX_BODY}. Put the template into a bucket and give TemplateURL."
            )
        return body
    if url:
        text = account.template_of(url)
        if len(text.encode()) > MAX_URL:
            raise ValidationError(
                f"Template may not exceed {MAX_URL} bytes in size. (it has {len(text.encode())})"
            )
        return text
    raise ValidationError("Either Template URL or Template Body must be specified.")


def check_emulated(params: dict[str, Any]) -> None:
    """Raise `ValidationError` for what a request asks of CloudFormation that local_aws does not have."""
    for name, nothing in _NOT_EMULATED.items():
        if params.get(name) not in nothing:
            raise ValidationError(f"{name} is not emulated by local_aws. Leave it out, or use AWS.")
    if (params.get("RollbackConfiguration") or {}).get("RollbackTriggers"):
        raise ValidationError("RollbackTriggers are not emulated by local_aws. Leave them out, or use AWS.")


def _check_resource_types(template: Template, allowed: list[str] | None) -> None:
    for kind in template.resource_types() if allowed else ():
        if not any(re.fullmatch(re.escape(item).replace(r"\*", ".*"), kind) for item in allowed):
            raise ValidationError(f"Resource type {kind} is not allowed by parameter ResourceTypes {allowed}")


def tags_of(params: dict[str, Any]) -> dict[str, str]:
    """The request's tags; `ValidationError` when one is AWS's own or there are more than 50."""
    tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags") or []}
    for key in tags:
        if key.lower().startswith("aws:"):
            raise ValidationError(f"Tag keys starting with 'aws:' are reserved: {key}")
    if len(tags) > 50:
        raise ValidationError("A stack can have at most 50 tags.")
    return tags


def wanted(
    app: LocalAwsApp, stacks: Stacks, params: dict[str, Any], stack: Stack, present: Stack | None
) -> Wanted:
    """Read and check a request to create or update a stack.

    `stack`: the one that results (name, id, account, region are used); `present`: the one that is updated. Raises
    `ValidationError` or `InsufficientCapabilities`.
    """
    check_emulated(params)
    account = LocalAccount(app, stack.account, stack.region)
    template = parse(template_text(params, account, present))
    validation.check(template)
    capabilities = list(params.get("Capabilities") or [])
    validation.check_capabilities(template, capabilities)
    _check_resource_types(template, params.get("ResourceTypes"))
    previous = {key: value.value for key, value in present.parameter_values().items()} if present else None
    values = bind(template, params.get("Parameters") or [], account, previous)
    role = params.get("RoleARN") or (present.role_arn if present else "")
    if role and not (re.fullmatch(r"arn:[^:]+:iam::\d{12}:role/.+", role) and account.role_exists(role)):
        raise ValidationError(f"Role {role} is invalid or cannot be assumed")
    arns = params.get("NotificationARNs")
    if arns is None:
        arns = present.notification_arns if present else []
    tags = tags_of(params) if params.get("Tags") is not None or not present else present.tags
    target = Stack(stack.id, stack.name, stack.account, stack.region, notification_arns=list(arns))
    evaluation = evaluation_of(app, stacks, target, template, values)
    evaluation.check_rules()
    _ = evaluation.order, evaluation.outputs  # a circle, or a name that its condition takes away, shows here
    _try(evaluation)
    return Wanted(template, values, tags, capabilities, role, list(arns), evaluation)


def _try(evaluation: Evaluation) -> None:
    """Resolve everything once, with what resources give unknown: wrong arguments of functions show before anything
    is made. What another stack exports may still come: that is looked up when its resource is made."""
    for name in evaluation.template.conditions:
        evaluation.condition(name)
    imports, evaluation._imports = evaluation._imports, lambda name: Unknown((name, None))
    try:
        for name in evaluation.order:
            evaluation.properties(name)
        evaluation.output_values()
    finally:
        evaluation._imports = imports
        evaluation.imported.clear()
