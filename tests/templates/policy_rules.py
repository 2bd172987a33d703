"""The rules for least privilege that every template obeys, as functions from a template to its violations.

In the manner of cfn-guard, on the parsed template. What an action supports is AWS's own service
authorization reference, as policy_sentry ships it. Key and bucket policies stand on one resource, where "*" means
just that resource: for them the rules are about actions and principals.
"""

import fnmatch
import re
from functools import cache

from policy_sentry.querying.actions import get_action_data, get_actions_for_service

IDENTITY = {
    "AWS::IAM::Role": "Policies",
    "AWS::IAM::ManagedPolicy": "PolicyDocument",
    "AWS::IAM::Policy": "PolicyDocument",
}
RESOURCE = {
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::Events::EventBusPolicy": "Statement",
}


def as_list(value):
    return value if isinstance(value, list) else [value]


def branches(node):
    """The statements in `node`, those of both branches of an Fn::If included."""
    if isinstance(node, dict) and "Fn::If" in node:
        return [s for branch in node["Fn::If"][1:] for s in branches(branch)]
    if isinstance(node, list):
        return [s for each in node for s in branches(each)]
    if isinstance(node, dict) and "Statement" in node:
        return branches(node["Statement"])
    if isinstance(node, dict) and "PolicyDocument" in node:
        return branches(node["PolicyDocument"])
    return [node] if isinstance(node, dict) and "Effect" in node else []


def statements(template, kinds):
    """(logical id, statement) of every policy that resources of `kinds` carry."""
    return [
        (name, statement)
        for name, resource in template["Resources"].items()
        if resource["Type"] in kinds
        for statement in branches(resource["Properties"].get(kinds[resource["Type"]], []))
    ]


@cache
def resource_types(action):
    """What `service:Action` can be limited to; ("*",) alone when nothing. Raises LookupError for no such action."""
    service, name = action.split(":")
    data = get_action_data(service, name)
    if not data:
        raise LookupError(f"{action} is no action of AWS")
    found = next(iter(data.values()))
    return tuple(row["resource_arn_format"] for row in found)


def limits(action):
    return [arn for arn in resource_types(action) if arn != "*"]


def expand(action):
    """The actions behind a trailing wildcard such as kms:GenerateDataKey*."""
    if "*" not in action:
        return [action]
    known = get_actions_for_service(action.split(":")[0])
    return [each for each in known if fnmatch.fnmatchcase(each.lower(), action.lower())]


def no_star_action(template):
    """No `Action: "*"`, and none of a whole service, but in a Deny and for a key's own account."""
    for name, statement in statements(template, IDENTITY | RESOURCE):
        if statement["Effect"] == "Deny":
            continue
        for action in as_list(statement.get("Action", "*")):
            owner = name == "Key" and action == "kms:*" and statement["Sid"] == "ThisAccountsPoliciesDecide"
            if action.endswith(":*") and not owner or action == "*":
                yield f"{name}: Action {action}"
        if "NotAction" in statement or "NotResource" in statement:
            yield f"{name}: what is not named is allowed"


def no_star_resource(template):
    """No `Resource: "*"` where the action can be limited to a resource."""
    for name, statement in statements(template, IDENTITY):
        if "*" not in as_list(statement["Resource"]):
            continue
        for action in as_list(statement["Action"]):
            for each in expand(action):
                if limits(each):
                    yield f"{name}: {each} on *, although it can be limited to {limits(each)[0]}"


def overlap(one, other):
    """Whether two patterns with "*" can mean the same text."""
    if not one or not other:
        return not (one + other).replace("*", "")
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(other, one)
    return one[0] == other[0] and overlap(one[1:], other[1:])


def patterns(resource):
    """The ARN patterns of a Resource value, with "*" for what a function puts in."""
    if isinstance(resource, str):
        return [resource]
    if "Fn::Sub" in resource:
        text = resource["Fn::Sub"]
        text = text if isinstance(text, str) else text[0]
        return [re.sub(r"\$\{[^}]*\}", "*", text)]
    if "Fn::If" in resource:
        return [p for branch in resource["Fn::If"][1:] for p in patterns(branch)]
    return ["*"]


def limit_takes_effect(template):
    """An action on named resources supports one of them; AWS denies one that only knows "*"."""
    for name, statement in statements(template, IDENTITY):
        given = [p for resource in as_list(statement["Resource"]) for p in patterns(resource)]
        if not all(pattern.startswith("arn:") for pattern in given):  # "*", or an ARN that stands elsewhere
            continue
        for action in (one for pattern in as_list(statement["Action"]) for one in expand(pattern)):
            known = [re.sub(r"\$\{[^}]*\}", "*", arn) for arn in limits(action)]
            ours = [":".join(arn.split(":", 5)[5:]) for arn in given]
            theirs = [":".join(arn.split(":", 5)[5:]) for arn in known]
            if not any(fits(mine, its) for mine in ours for its in theirs):
                yield f"{name}: {action} cannot be limited to {given}"


def fits(mine, its):
    """Whether the resource parts of two ARN patterns fit, kind by kind (`training-job/x`) and text by text."""
    kind = re.split("[/:]", its)[0]
    return overlap(re.split("[/:]", mine)[0], kind) if "*" not in kind else overlap(mine, its)


def actions_exist(template):
    """Every action is one of AWS's; a misspelled one would be denied at run time."""
    for name, statement in statements(template, IDENTITY | RESOURCE):
        for action in as_list(statement["Action"]):
            if action.endswith(":*"):
                continue
            found = expand(action)
            if not found:
                yield f"{name}: {action} matches no action of AWS"
            for each in found:
                try:
                    resource_types(each)
                except LookupError as error:
                    yield f"{name}: {error}"


def pass_role_names_its_service(template):
    """iam:PassRole only together with the service that gets the role, and for a role that is named."""
    for name, statement in statements(template, IDENTITY):
        if "iam:PassRole" not in as_list(statement["Action"]):
            continue
        if "iam:PassedToService" not in statement.get("Condition", {}).get("StringEquals", {}):
            yield f"{name}: iam:PassRole without iam:PassedToService"
        if any(isinstance(r, str) and r.endswith("*") for r in as_list(statement["Resource"])):
            yield f"{name}: iam:PassRole for any role"


def no_anonymous_principal(template):
    """Nobody outside named accounts: Principal "*" only in a Deny."""
    for name, statement in statements(template, RESOURCE):
        principal = statement.get("Principal")
        if statement["Effect"] == "Allow" and (principal == "*" or principal == {"AWS": "*"}):
            yield f"{name}: Principal * is allowed"


def approved_exactly(template):
    """A rule on model packages starts a deployment for Approved, and for nothing else."""
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Events::Rule":
            continue
        pattern = resource["Properties"]["EventPattern"]
        if pattern["source"] != ["aws.sagemaker"]:
            continue
        if pattern["detail"].get("ModelApprovalStatus") != ["Approved"]:
            yield f"{name}: matches {pattern['detail'].get('ModelApprovalStatus')}, not exactly Approved"
        if not pattern["detail"].get("ModelPackageGroupName"):
            yield f"{name}: matches the packages of every group"


RULES = (
    no_star_action,
    no_star_resource,
    limit_takes_effect,
    actions_exist,
    pass_role_names_its_service,
    no_anonymous_principal,
    approved_exactly,
)
