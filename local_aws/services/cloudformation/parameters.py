"""A template's parameters and the values that they get.

Source: CloudFormation user guide, "Parameters" and "Specify existing resources at runtime with CloudFormation-supplied
parameter types"; the wording of errors is the service's own.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from local_aws.services.cloudformation.errors import ValidationError
from local_aws.services.cloudformation.intrinsics import text_of
from local_aws.services.cloudformation.template import Template

# AWS-specific types whose value must exist in the account.
EXISTING = {
    "AWS::EC2::AvailabilityZone::Name",
    "AWS::EC2::KeyPair::KeyName",
    "AWS::EC2::SecurityGroup::GroupName",
    "AWS::EC2::SecurityGroup::Id",
    "AWS::EC2::Subnet::Id",
    "AWS::EC2::VPC::Id",
}
_UNCHECKED = {"String", "AWS::EC2::Image::Id", "AWS::SSM::Parameter::Name"}
_SSM = re.compile(r"AWS::SSM::Parameter::Value<(.+)>")
_LIST = re.compile(r"List<(.+)>")
HIDDEN = "****"


class Account(Protocol):
    """What the account has."""

    def exists(self, kind: str, value: str) -> bool: ...
    def ssm_parameters(self, names: list[str]) -> dict[str, str]: ...


@dataclass
class Value:
    """One parameter's value. `value`: as given; `resolved`: as `Ref` sees it, a string or a list of strings (for an
    SSM type what the Parameter Store has)."""

    key: str
    value: str
    resolved: str | list[str]
    no_echo: bool = False
    ssm: bool = False

    def described(self) -> dict[str, Any]:
        """As `DescribeStacks` shows it."""
        found: dict[str, Any] = {
            "ParameterKey": self.key,
            "ParameterValue": HIDDEN if self.no_echo else self.value,
        }
        if self.ssm:
            resolved = self.resolved if isinstance(self.resolved, str) else ",".join(self.resolved)
            found["ResolvedValue"] = HIDDEN if self.no_echo else resolved
        return found

    to_dict = asdict


def kind_of(declared: dict[str, Any], key: str) -> tuple[str, bool, bool]:
    """(type of one item, whether it is a list, whether it comes from the Parameter Store)."""
    kind = declared["Type"]
    ssm = isinstance(kind, str) and _SSM.fullmatch(kind)
    inner = ssm.group(1) if ssm else kind
    listed = isinstance(inner, str) and _LIST.fullmatch(inner)
    item = listed.group(1) if listed else inner
    if item == "CommaDelimitedList" and not listed:
        item, listed = "String", True
    known = item in _UNCHECKED or item in EXISTING or item == "Number"
    if not known or (item == "Number" and ssm) or (kind == "List<String>"):
        raise ValidationError(f"Template format error: Unrecognized parameter type: {kind} (parameter {key})")
    return item, bool(listed), bool(ssm)


def _fail(key: str, declared: dict[str, Any], what: str) -> ValidationError:
    description = declared.get("ConstraintDescription")
    if description:
        return ValidationError(f"Parameter {key} failed to satisfy constraint: {description}")
    return ValidationError(f"Parameter '{key}' {what}")


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) else None


def check(key: str, declared: dict[str, Any], text: str) -> None:
    """Raise `ValidationError` when one value breaks its parameter's constraints."""
    if "AllowedValues" in declared and text not in map(text_of, declared["AllowedValues"]):
        allowed = ", ".join(map(text_of, declared["AllowedValues"]))
        raise _fail(key, declared, f"must be one of AllowedValues: [{allowed}]")
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], text):
        raise _fail(key, declared, f"must match pattern {declared['AllowedPattern']}")
    if len(text) < int(declared.get("MinLength", 0)):
        raise _fail(key, declared, f"must contain at least {declared['MinLength']} characters")
    if len(text) > int(declared.get("MaxLength", len(text))):
        raise _fail(key, declared, f"must contain at most {declared['MaxLength']} characters")
    if "Number" in declared["Type"]:
        number = _number(text)
        if number is None:
            raise _fail(key, declared, "must be a number")
        if number < float(declared.get("MinValue", number)):
            raise _fail(key, declared, f"must be a number not less than {declared['MinValue']}")
        if number > float(declared.get("MaxValue", number)):
            raise _fail(key, declared, f"must be a number not greater than {declared['MaxValue']}")


def check_declarations(template: Template) -> None:
    """Raise `ValidationError` for types and patterns that are none, and for defaults that break their constraints."""
    for key, declared in template.parameters.items():
        item, listed, ssm = kind_of(declared, key)
        try:
            re.compile(declared.get("AllowedPattern", ""))
        except re.error as error:
            raise ValidationError(
                f"Template format error: AllowedPattern of parameter {key} is no expression: {error}"
            ) from None
        if "Default" in declared and not ssm:
            for text in _items(text_of(declared["Default"]), listed):
                check(key, declared, text)


def _items(text: str, listed: bool) -> list[str]:
    return [part.strip() for part in text.split(",")] if listed else [text]


def _given(
    template: Template, given: Iterable[dict[str, Any]], previous: dict[str, str], updating: bool
) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in given:
        key = item.get("ParameterKey", "")
        if item.get("UsePreviousValue"):
            if item.get("ParameterValue"):
                raise ValidationError(
                    f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true and non empty "
                    "value for a parameter"
                )
            if not updating or key not in previous:
                raise ValidationError(
                    f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true for a parameter "
                    "key not in the previous template"
                )
            found[key] = previous[key]
        elif item.get("ParameterValue") is None:
            raise ValidationError(f"Invalid input for parameter key {key}. It has no value.")
        else:
            found[key] = item["ParameterValue"]
    unknown = [key for key in found if key not in template.parameters]
    if unknown:
        raise ValidationError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    for key, declared in template.parameters.items():
        if key not in found and "Default" in declared:
            found[key] = text_of(declared["Default"])
    missing = [key for key in template.parameters if key not in found]
    if missing:
        raise ValidationError(f"Parameters: [{', '.join(missing)}] must have values")
    return found


def bind(
    template: Template,
    given: Iterable[dict[str, Any]],
    account: Account,
    previous: dict[str, str] | None = None,
) -> dict[str, Value]:
    """Give every parameter its value.

    `given`: dicts with ParameterKey, ParameterValue, UsePreviousValue as in the API. `previous`: the stack's present
    values at an update. Raises `ValidationError` for a value that is missing, unknown, against a constraint, or that
    names something which the account does not have.
    """
    texts = _given(template, given, previous or {}, previous is not None)
    values: dict[str, Value] = {}
    for key, declared in template.parameters.items():
        item, listed, ssm = kind_of(declared, key)
        value = Value(key, texts[key], texts[key], str(declared.get("NoEcho", "")).lower() == "true", ssm)
        parts = _items(value.value, listed and not ssm)
        for text in parts:
            check(key, declared, text)
        if listed and not ssm:
            value.resolved = parts
        if item == "AWS::SSM::Parameter::Name":
            _exists(key, value.value, lambda name: bool(account.ssm_parameters([name])))
        values[key] = value
    _from_store(template, values, account)
    for key, declared in template.parameters.items():
        item, _, _ = kind_of(declared, key)
        if item in EXISTING:
            resolved = values[key].resolved
            for text in [resolved] if isinstance(resolved, str) else resolved:
                _exists(key, text, lambda value, kind=item: account.exists(kind, value))
    return values


def _exists(key: str, text: str, test: Callable[[str], bool]) -> None:
    if not text or not test(text):
        raise ValidationError(
            f"Parameter validation failed: parameter value {text} for parameter name {key} does not exist"
        )


def _from_store(template: Template, values: dict[str, Value], account: Account) -> None:
    wanted = {key: value for key, value in values.items() if value.ssm}
    if not wanted:
        return
    found = account.ssm_parameters([value.value for value in wanted.values()])
    missing = [value.value for value in wanted.values() if value.value not in found]
    if missing:
        raise ValidationError(
            f"Unable to fetch parameters [{','.join(missing)}] from parameter store for this account."
        )
    for key, value in wanted.items():
        _, listed, _ = kind_of(template.parameters[key], key)
        text = found[value.value]
        value.resolved = _items(text, True) if listed else text
