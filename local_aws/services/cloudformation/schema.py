"""AWS's own resource schemas: which properties a type has, of which form, and which of them need a replacement.

Source: the CloudFormation registry's public schemas, which cfn-lint brings along as JSON files (one a type). They
are read one by one, when a template uses the type.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

_TRUTH = {"true": True, "false": False}


def _folder() -> Path:
    from importlib.util import find_spec

    return Path(find_spec("cfnlint").submodule_search_locations[0]) / "data" / "schemas"


@cache
def _index() -> dict[str, str]:
    return json.loads((_folder() / "providers" / "us-east-1.json").read_text("utf-8"))


@cache
def schema(kind: str) -> dict[str, Any]:
    """The registry's schema of a resource type; empty when the registry has none."""
    if kind not in _index():
        return {}
    return json.loads((_folder() / "resources" / f"{_index()[kind]}.json").read_text("utf-8"))


def _paths(kind: str, *names: str) -> set[tuple[str, ...]]:
    found = [path for name in names for path in schema(kind).get(name, ())]
    return {tuple(path.removeprefix("/properties/").split("/")) for path in found}


@cache
def create_only(kind: str) -> frozenset[tuple[str, ...]]:
    """Paths of the properties that cannot change in place, such as `("Name",)`."""
    return frozenset(_paths(kind, "createOnlyProperties"))


@cache
def read_only(kind: str) -> frozenset[str]:
    """Names that `Fn::GetAtt` can ask for, nested ones with a dot."""
    return frozenset(".".join(path) for path in _paths(kind, "readOnlyProperties"))


def lookup(value: Any, path: tuple[str, ...]) -> Any:
    """What is at `path` in nested mappings (in every item of a list at `*`); None when it is not there."""
    for index, name in enumerate(path):
        if name == "*" and isinstance(value, list):
            return [lookup(item, path[index + 1 :]) for item in value]
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value


def _deref(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = root
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def _types(node: dict[str, Any]) -> set[str]:
    kinds = node.get("type", ())
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _coerced(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    node = _deref(node, root)
    kinds = _types(node)
    if isinstance(value, dict):
        known = node.get("properties", {})
        return {k: _coerced(v, known.get(k, {}), root) for k, v in value.items()}
    if isinstance(value, list):
        return [_coerced(item, node.get("items", {}), root) for item in value]
    if isinstance(value, str) and "string" not in kinds:
        if "boolean" in kinds and value.lower() in _TRUTH:
            return _TRUTH[value.lower()]
        if "integer" in kinds and re.fullmatch(r"[+-]?\d+", value):
            return int(value)
        if "number" in kinds and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value):
            return float(value)
    if kinds == {"string"} and isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def coerced(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    """The properties with every scalar in its schema's type: `"true"` of a parameter becomes True, `80` of a
    string property becomes `"80"`, as CloudFormation does."""
    root = schema(kind)
    return _coerced(properties, root, root)


_PYTHON = {
    "string": str,
    "object": dict,
    "array": list,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


def _has_type(value: Any, kinds: set[str]) -> bool:
    for kind in kinds:
        if isinstance(value, bool) and kind != "boolean":
            continue
        if isinstance(value, _PYTHON.get(kind, ())):
            return True
    return not kinds


@cache
def _pattern(text: str) -> re.Pattern | None:
    try:
        return re.compile(text)
    except re.error:  # an expression of another dialect, such as \p{L}: the service itself will check
        return None


def _object_problems(value: dict, node: dict[str, Any], root: dict[str, Any], where: str) -> list[str]:
    known, patterns = node.get("properties", {}), node.get("patternProperties", {})
    found = [
        f"{where}: required key [{name}] not found" for name in node.get("required", ()) if name not in value
    ]
    for name, item in value.items():
        if name in known:
            found += _problems(item, known[name], root, f"{where}/{name}")
        elif node.get("additionalProperties") is False and not patterns and known:
            found.append(f"{where}: extraneous key [{name}] is not permitted")
    for names in node.get("requiredXor", ()):
        if isinstance(names, list) and sum(name in value for name in names) != 1:
            found.append(f"{where}: exactly one of the keys [{', '.join(names)}] must be given")
    return found


def _scalar_problems(value: Any, node: dict[str, Any], where: str) -> list[str]:
    found = []
    if "enum" in node and value not in node["enum"]:
        found.append(f"{where}: {value} is not a valid enum value")
    if isinstance(value, str):
        if not node.get("minLength", 0) <= len(value) <= node.get("maxLength", len(value)):
            found.append(f"{where}: the length of {value!r} is outside of the permitted range")
        pattern = _pattern(node["pattern"]) if "pattern" in node else None
        if pattern and not pattern.search(value):
            found.append(f"{where}: failed validation constraint for keyword [pattern]: {node['pattern']}")
    elif not isinstance(value, bool | None) and not (
        node.get("minimum", value) <= value <= node.get("maximum", value)
    ):
        found.append(f"{where}: {value} is outside of the permitted range")
    return found


def _problems(value: Any, node: dict[str, Any], root: dict[str, Any], where: str) -> list[str]:
    node = _deref(node, root)
    kinds = _types(node)
    if not _has_type(value, kinds):
        return [f"{where}: expected type: {' or '.join(sorted(kinds))}, found: {type(value).__name__}"]
    if isinstance(value, dict):
        found = _object_problems(value, node, root, where)
    elif isinstance(value, list):
        found = []
        if not node.get("minItems", 0) <= len(value) <= node.get("maxItems", len(value)):
            found.append(
                f"{where}: expected {node.get('minItems', 0)} to {node.get('maxItems', 'any')} items"
            )
        for index, item in enumerate(value):
            found += _problems(item, node.get("items", {}), root, f"{where}/{index}")
    else:
        found = _scalar_problems(value, node, where)
    return found


def problems(kind: str, properties: dict[str, Any]) -> list[str]:
    """What is wrong with these (coerced) properties, in the words of CloudFormation's own validation."""
    root = schema(kind)
    return _problems(properties, root, root, "#") if root else []
