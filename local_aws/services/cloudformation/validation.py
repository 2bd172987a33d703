"""Everything that a template must satisfy before anything is made of it."""

from typing import Any

from local_aws.services.cloudformation.errors import InsufficientCapabilities, ValidationError
from local_aws.services.cloudformation.graph import references
from local_aws.services.cloudformation.intrinsics import NAMES, RULE_FUNCTIONS, function_of
from local_aws.services.cloudformation.parameters import check_declarations
from local_aws.services.cloudformation.resources import find
from local_aws.services.cloudformation.template import PSEUDO, Template, format_error

# Types of IAM, and the property that gives each a name of its own.
_IAM = {
    "AWS::IAM::AccessKey": None,
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": None,
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserToGroupAddition": None,
}


def _functions(value: Any, where: str, allowed: frozenset[str]) -> None:
    call = function_of(value)
    if call and call[0] not in allowed:
        raise ValidationError(
            f"Template error: {call[0]} at [{where}] is no intrinsic function that can be used there."
        )
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _functions(item, f"{where}/{key}", allowed)


def _conditions_of(value: Any) -> set[str]:
    found: set[str] = set()
    call = function_of(value)
    if call and call[0] == "Fn::If" and isinstance(call[1], list) and call[1] and isinstance(call[1][0], str):
        found.add(call[1][0])
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        found |= _conditions_of(item)
    return found


def check_transforms(template: Template) -> None:
    """Raise `ValidationError` when the template needs a macro."""
    if template.transforms:
        names = ", ".join(template.transforms)
        raise ValidationError(
            f"Transforms [{names}] are not emulated by local_aws: no macro would expand this template. Expand it "
            "before you deploy it here (for SAM: sam build and sam package), or use AWS."
        )


def _check_types(template: Template) -> None:
    unknown = [kind for kind in template.resource_types() if find(kind) is None]
    if not unknown:
        return
    names = [
        f"{name} ({item['Type']})" for name, item in template.resources.items() if item["Type"] in unknown
    ]
    raise ValidationError(
        f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]. local_aws has no handler for "
        f"them, so nothing of this template was made. Resources: {', '.join(names)}"
    )


def _check_references(template: Template) -> None:
    known = {*template.resources, *template.parameters, *PSEUDO}
    for block in ("Resources", "Outputs"):
        section = template.data.get(block, {})
        missing: dict[str, None] = {}
        for name, item in section.items():
            value = item.get("Properties", {}) if block == "Resources" else item
            depends = item.get("DependsOn", [])
            for needed in [depends] if isinstance(depends, str) else depends:
                if needed not in template.resources or needed == name:
                    missing[needed] = None
            for ref in references(value):
                if ref.attribute is None:
                    if ref.name not in known:
                        missing[ref.name] = None
                else:
                    _check_attribute(template, ref.name, ref.attribute)
        if missing:
            raise format_error(
                f"Unresolved resource dependencies [{', '.join(missing)}] in the {block} block of the template"
            )
    for ref in references([template.conditions, template.rules]):
        if ref.name in template.resources or ref.attribute is not None:
            raise ValidationError(
                f"Template error: Unresolved dependencies [{ref.name}]. Cannot reference resources in the Conditions "
                "block of the template"
            )
        if ref.name not in known:
            raise format_error(
                f"Unresolved dependencies [{ref.name}] in the Conditions block of the template"
            )


def _check_attribute(template: Template, name: str, attribute: str) -> None:
    if not isinstance(name, str) or name not in template.resources:
        raise ValidationError(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
    handler = find(template.resources[name]["Type"])
    if attribute and handler is not None and not handler.has_attribute(attribute):
        raise ValidationError(
            f"Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt"
        )


def _named_conditions(value: Any) -> set[str]:
    """Names in `{"Condition": name}` inside of conditions."""
    if isinstance(value, list):
        return {name for item in value for name in _named_conditions(item)}
    if not isinstance(value, dict):
        return set()
    if set(value) == {"Condition"} and isinstance(value["Condition"], str):
        return {value["Condition"]}
    return {name for item in value.values() for name in _named_conditions(item)}


def _check_conditions(template: Template) -> None:
    used: dict[str, str] = {}
    for block in ("Resources", "Outputs"):
        for item in template.data.get(block, {}).values():
            names = _conditions_of(item.get("Properties", {}) if block == "Resources" else item)
            for name in names | ({item["Condition"]} if "Condition" in item else set()):
                used.setdefault(name, block)
    for name in _named_conditions(list(template.conditions.values())) | _conditions_of(template.conditions):
        used.setdefault(name, "Conditions")
    for name, block in used.items():
        if name not in template.conditions:
            raise format_error(f"Unresolved condition dependency {name} in the {block} block of the template")


def check(template: Template) -> None:
    """Raise `ValidationError` for what does not depend on parameters: transforms, types, names, functions."""
    check_transforms(template)
    common = NAMES - RULE_FUNCTIONS
    for block in ("Resources", "Outputs", "Conditions"):
        for name, item in template.data.get(block, {}).items():
            _functions(
                item.get("Properties", {}) if block == "Resources" else item, f"/{block}/{name}", common
            )
    _functions(template.rules, "/Rules", NAMES)
    check_declarations(template)
    _check_types(template)
    _check_conditions(template)
    _check_references(template)


def capabilities(template: Template) -> tuple[list[str], str]:
    """The capabilities that the caller must acknowledge, and why: ([], "") when there is nothing to acknowledge."""
    iam = sorted({item["Type"] for item in template.resources.values() if item["Type"] in _IAM})
    if not iam:
        return [], ""
    named = any(
        _IAM.get(item["Type"]) in item.get("Properties", {})
        for item in template.resources.values()
        if _IAM.get(item["Type"])
    )
    needed = "CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"
    return [needed], f"The following resource(s) require capabilities: [{', '.join(iam)}]"


def check_capabilities(template: Template, given: list[str]) -> None:
    """Raise `InsufficientCapabilities` when `given` lacks what the template needs."""
    needed, _ = capabilities(template)
    enough = {"CAPABILITY_NAMED_IAM"} | ({"CAPABILITY_IAM"} if needed == ["CAPABILITY_IAM"] else set())
    if needed and not enough & set(given):
        raise InsufficientCapabilities(f"Requires capabilities : [{needed[0]}]")
