"""A template's sections, checked for their form.

Source of the sections, limits and wording: CloudFormation user guide, "Template anatomy", "Understand CloudFormation
quotas", and the service's own answers.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from local_aws.services.cloudformation.errors import ValidationError
from local_aws.services.cloudformation.reader import read

_SECTIONS = {
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Mappings",
    "Conditions",
    "Rules",
    "Transform",
    "Resources",
    "Outputs",
    "Hooks",
}
_RESOURCE_KEYS = {
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "Metadata",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "UpdatePolicy",
    "CreationPolicy",
}


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)  # bool is an int


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return _is_scalar(value) and re.fullmatch(r"[+-]?\d+(\.\d*)?", str(value)) is not None


# What each attribute of a parameter must be.
_PARAMETER_FORMS = {
    **dict.fromkeys(
        ("Type", "AllowedPattern", "ConstraintDescription", "Description"), ("a string", _is_text)
    ),
    **dict.fromkeys(("MaxLength", "MaxValue", "MinLength", "MinValue"), ("a number", _is_number)),
    **dict.fromkeys(("Default", "NoEcho"), ("a string", _is_scalar)),
    "AllowedValues": (
        "a list of strings",
        lambda value: isinstance(value, list) and all(map(_is_scalar, value)),
    ),
}
_POLICIES = ("Delete", "Retain", "RetainExceptOnCreate", "Snapshot")
_LIMITS = {"Resources": 500, "Parameters": 200, "Outputs": 200}
PSEUDO = {
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
}


def format_error(message: str) -> ValidationError:
    return ValidationError(f"Template format error: {message}")


@dataclass(frozen=True)
class Template:
    """One parsed template; `text` is as it was sent. Sections that are absent are empty."""

    text: str
    data: dict[str, Any] = field(repr=False)

    def _section(self, name: str) -> dict[str, Any]:
        return self.data.get(name) or {}

    @property
    def description(self) -> str:
        return self.data.get("Description") or ""

    @cached_property
    def parameters(self) -> dict[str, dict]:
        return self._section("Parameters")

    @cached_property
    def mappings(self) -> dict[str, dict]:
        return self._section("Mappings")

    @cached_property
    def conditions(self) -> dict[str, Any]:
        return self._section("Conditions")

    @cached_property
    def rules(self) -> dict[str, dict]:
        return self._section("Rules")

    @cached_property
    def resources(self) -> dict[str, dict]:
        return self._section("Resources")

    @cached_property
    def outputs(self) -> dict[str, dict]:
        return self._section("Outputs")

    @cached_property
    def transforms(self) -> list[str]:
        """Names of the macros that the template asks for, at its top or inside."""
        found = self.data.get("Transform") or []
        names = [found] if isinstance(found, str) else [t for t in found if isinstance(t, str)]
        return names + [name for name in _inner_transforms(self.data) if name not in names]

    def resource_types(self) -> list[str]:
        return sorted({resource["Type"] for resource in self.resources.values()})


def _inner_transforms(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in _inner_transforms(item)]
    if not isinstance(value, dict):
        return []
    names = [name for item in value.values() for name in _inner_transforms(item)]
    inner = value.get("Fn::Transform")
    return [*names, str(inner.get("Name"))] if isinstance(inner, dict) else names


def _no_nulls(value: Any, path: str) -> None:
    if value is None:
        raise format_error(f"[{path}] 'null' values are not allowed in templates")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _no_nulls(item, f"{path}/{key}")


def _check_sections(data: dict[str, Any]) -> None:
    unknown = [name for name in data if name not in _SECTIONS]
    if unknown:
        raise ValidationError(f"Invalid template property or properties [{', '.join(unknown)}]")
    version = data.get("AWSTemplateFormatVersion", "2010-09-09")
    if version != "2010-09-09":
        raise format_error(f"Unsupported template format version {version!r}; the only one is '2010-09-09'.")
    if not isinstance(data.get("Description", ""), str):
        raise format_error("Description must be a string.")
    if len(data.get("Description", "")) > 1024:
        raise format_error("'Description' length is greater than 1024.")
    if "Hooks" in data:
        raise ValidationError("The Hooks section of a template is not emulated by local_aws. Use AWS for it.")
    for name in ("Parameters", "Mappings", "Conditions", "Rules", "Resources", "Outputs"):
        section = data.get(name, {})
        if not isinstance(section, dict):
            raise format_error(f"{name} must be an object.")
        bad = [key for key, item in section.items() if name != "Conditions" and not isinstance(item, dict)]
        if bad:
            raise format_error(f"Every {name} member must be an object: {bad[0]} is not.")
    if not data.get("Resources"):
        raise format_error("At least one Resources member must be defined.")


def _check_counts(data: dict[str, Any]) -> None:
    for name, most in _LIMITS.items():
        if (count := len(data.get(name, {}))) > most:
            raise format_error(f"Number of {name.lower()}, {count}, is greater than maximum allowed, {most}")


def _check_parameters(parameters: dict[str, dict]) -> None:
    for name, declared in parameters.items():
        if not re.fullmatch(r"[A-Za-z0-9]+", name):
            raise format_error(f"Parameter name {name} is non alphanumeric.")
        if "Type" not in declared:
            raise format_error(f"[/Parameters/{name}] Every Parameters object must contain a Type member.")
        if unknown := set(declared) - set(_PARAMETER_FORMS):
            raise ValidationError(f"Invalid template parameter property '{min(unknown)}'")
        for key, value in declared.items():
            form, test = _PARAMETER_FORMS[key]
            if not test(value):
                raise format_error(f"Every {key} member must be {form}. (parameter {name})")


def _check_resource(name: str, resource: dict[str, Any]) -> None:
    where = f"[/Resources/{name}]"
    if not re.fullmatch(r"[A-Za-z0-9]{1,255}", name):
        raise format_error(f"Resource name {name} is non alphanumeric.")
    if not isinstance(resource.get("Type"), str):
        raise format_error(f"{where} Every Resources object must contain a Type member.")
    if unknown := set(resource) - _RESOURCE_KEYS:
        raise ValidationError(f"Invalid template resource property '{min(unknown)}'")
    if not isinstance(resource.get("Properties", {}), dict):
        raise format_error(f"{where} Properties must be an object.")
    for key in ("DeletionPolicy", "UpdateReplacePolicy"):
        policy = resource.get(key, "Delete")
        if policy not in _POLICIES or (policy, key) == ("RetainExceptOnCreate", "UpdateReplacePolicy"):
            raise format_error(f"Unrecognized {key} {policy} for resource {name}")
        if policy == "Snapshot":
            raise ValidationError(
                f"Template error: resource type {resource['Type']} does not support {key} Snapshot on local_aws"
            )
    for key in ("CreationPolicy", "UpdatePolicy"):
        if key in resource:
            raise ValidationError(
                f"{where} {key} is not emulated by local_aws: nothing here would wait for its signals. "
                "Remove it, or use AWS for this template."
            )
    depends = resource.get("DependsOn", [])
    names = [depends] if isinstance(depends, str) else depends
    if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
        raise format_error(f"{where} Every DependsOn value must be a string.")
    if not isinstance(resource.get("Condition", ""), str):
        raise format_error(f"{where} Every Condition member must be a string.")


def _check_outputs(outputs: dict[str, dict]) -> None:
    for name, output in outputs.items():
        if not re.fullmatch(r"[A-Za-z0-9]+", name):
            raise format_error(f"Output name {name} is non alphanumeric.")
        if "Value" not in output:
            raise format_error(f"[/Outputs/{name}] Every Outputs member must contain a Value object")
        if unknown := set(output) - {"Value", "Description", "Export", "Condition"}:
            raise ValidationError(f"Invalid template output property '{min(unknown)}'")
        for key in ("Condition", "Description"):
            if not isinstance(output.get(key, ""), str):
                raise format_error(f"[/Outputs/{name}] Every {key} member must be a string.")
        export = output.get("Export")
        if export is not None and (not isinstance(export, dict) or set(export) != {"Name"}):
            raise format_error(f"[/Outputs/{name}/Export] Every Export must have a Name, and nothing else.")


def _check_mappings(mappings: dict[str, dict]) -> None:
    for name, top in mappings.items():
        for key, second in top.items():
            if not isinstance(second, dict):
                raise format_error(
                    f"Every Mappings attribute must be a String or a List: {name}/{key} is none."
                )


def _check_rules(rules: dict[str, dict]) -> None:
    for name, rule in rules.items():
        assertions = rule.get("Assertions")
        if set(rule) - {"Assertions", "RuleCondition"} or not isinstance(assertions, list):
            raise format_error(f"[/Rules/{name}] A rule has Assertions, a list, and perhaps a RuleCondition.")
        for item in assertions:
            if not isinstance(item, dict) or not {"Assert"} <= set(item) <= {"Assert", "AssertDescription"}:
                raise format_error(
                    f"[/Rules/{name}/Assertions] An assertion has Assert and AssertDescription."
                )


def parse(text: str) -> Template:
    """Read and check a template. Raises `ValidationError` for anything that CloudFormation refuses by its form."""
    data = read(text)
    _no_nulls(data, "")
    _check_sections(data)
    _check_counts(data)
    template = Template(text, data)
    _check_parameters(template.parameters)
    _check_mappings(template.mappings)
    _check_rules(template.rules)
    for name, resource in template.resources.items():
        _check_resource(name, resource)
    _check_outputs(template.outputs)
    return template
