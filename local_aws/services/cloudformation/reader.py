"""Template text, YAML or JSON, to plain Python in the long form: `!Ref X` is `{"Ref": "X"}`.

Source: CloudFormation user guide, "Template formats" and "Intrinsic function reference": YAML 1.1 without aliases and
merge keys; the short form is a tag.
"""

import json
import re
from typing import Any

import yaml

from local_aws.services.cloudformation.errors import ValidationError

_TAG = "tag:yaml.org,2002:"
_FUNCTIONS = {
    "And",
    "Base64",
    "Cidr",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
    "Transform",
    # of the Rules section
    "Contains",
    "EachMemberEquals",
    "EachMemberIn",
    "RefAll",
    "ValueOf",
    "ValueOfAll",
    # of the language extensions transform: refused later, by name
    "ForEach",
    "Length",
    "ToJsonString",
}
_scalars = yaml.constructor.SafeConstructor()


def _problem(message: str, mark: Any) -> ValidationError:
    return ValidationError(
        f"Template format error: {message} (line {mark.line + 1}, column {mark.column + 1})"
    )


def _get_att(value: Any) -> Any:
    return value.split(".", 1) if isinstance(value, str) and "." in value else value


def _long_form(tag: str, value: Any, mark: Any) -> dict[str, Any]:
    name = tag[1:]
    if name in ("Ref", "Condition"):
        return {name: value}
    if name not in _FUNCTIONS:
        raise _problem(f"YAML not well-formed: unknown tag {tag}.", mark)
    return {f"Fn::{name}": _get_att(value) if name == "GetAtt" else value}


def _plain(node: yaml.Node, seen: set[int]) -> Any:
    if id(node) in seen:
        raise _problem("YAML aliases are not allowed in CloudFormation templates.", node.start_mark)
    seen.add(id(node))
    if node.tag.startswith("!") and node.tag != "!":
        return _long_form(node.tag, _untagged(node, seen), node.start_mark)
    return _untagged(node, seen)


def _untagged(node: yaml.Node, seen: set[int]) -> Any:
    if isinstance(node, yaml.ScalarNode):
        if node.tag == f"{_TAG}merge":
            raise _problem("YAML merge keys are not allowed in CloudFormation templates.", node.start_mark)
        if node.tag in (f"{_TAG}{kind}" for kind in ("int", "float", "bool", "null")):
            try:
                return _scalars.construct_object(node)
            except ValueError:
                return node.value
        return node.value  # also dates, as in Version: 2012-10-17
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, seen) for item in node.value]
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _plain(key_node, seen)
        if isinstance(key, dict | list):
            raise _problem("YAML not well-formed: a key must be a string.", key_node.start_mark)
        key = key_node.value
        if key in found:
            raise _problem(f"YAML not well-formed: duplicate key {key!r}.", key_node.start_mark)
        value = _plain(value_node, seen)
        found[key] = _get_att(value) if key == "Fn::GetAtt" else value
    return found


def _read_yaml(text: str) -> Any:
    try:
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        raise _problem("YAML not well-formed.", error.problem_mark or error.context_mark) from None
    except yaml.YAMLError as error:
        raise ValidationError(f"Template format error: YAML not well-formed. ({error})") from None
    return None if node is None else _plain(node, set())


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValidationError(f"Template format error: JSON not well-formed: duplicate key {key!r}.")
        found[key] = _get_att(value) if key == "Fn::GetAtt" else value
    return found


def read(text: str) -> dict[str, Any]:
    """The template as a dict. Raises `ValidationError` with line and column for text that is not well-formed."""
    if re.match(r"\s*\{", text):
        try:
            data = json.loads(text, object_pairs_hook=_pairs)
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise ValidationError(f"Template format error: JSON not well-formed. ({where})") from None
    else:
        try:
            data = _read_yaml(text)
        except RecursionError:
            raise ValidationError("Template format error: the template is nested too deeply.") from None
    if not isinstance(data, dict):
        raise ValidationError("Template format error: unsupported structure.")
    return data
