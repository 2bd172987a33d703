"""A pipeline's parameters: what the definition declares, and the values that an execution gets."""

import math
import re
from dataclasses import dataclass
from typing import Any

TYPES = ("String", "Integer", "Float", "Boolean")
MEMBERS = ("Name", "Type", "Description", "DefaultValue", "EnumValues")
_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


class ParameterError(ValueError):
    """A declaration or a value that does not fit; the message names the parameter."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter. `default` is None when a value must be given at the start."""

    name: str
    type: str
    default: Any = None
    enum: tuple[str, ...] = ()


def _of_type(value: Any, kind: str) -> bool:
    if kind == "String":
        return isinstance(value, str)
    if kind == "Boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (kind == "Float" and isinstance(value, float))


def declare(raw: Any) -> Parameter:
    """A `Parameters` entry of a definition. Raises `ParameterError`."""
    name = raw.get("Name") if isinstance(raw, dict) else None
    if not isinstance(name, str) or not name:
        raise ParameterError("a parameter has no Name")
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"a parameter has the Name {name!r}: 1 to 64 letters, digits, '-' and '_' are allowed"
        )
    if unknown := [member for member in raw if member not in MEMBERS]:
        raise ParameterError(
            f"the parameter '{name}' has no member '{unknown[0]}'; it has {', '.join(MEMBERS)}"
        )
    kind, default, enum = raw.get("Type", "String"), raw.get("DefaultValue"), raw.get("EnumValues")
    if kind not in TYPES:
        raise ParameterError(f"the parameter '{name}' has the type {kind!r}; there are {', '.join(TYPES)}")
    if default is not None and not _of_type(default, kind):
        raise ParameterError(f"the default value {default!r} of the parameter '{name}' is no {kind}")
    if enum is not None:
        if not isinstance(enum, list) or not enum or not all(_of_type(item, kind) for item in enum):
            raise ParameterError(f"EnumValues of the parameter '{name}' must be a list of {kind} values")
        if default is not None and default not in enum:
            raise ParameterError(
                f"the default value {default!r} of the parameter '{name}' is not in its EnumValues {enum}"
            )
    return Parameter(name, kind, default, tuple(enum or ()))


def _parsed(parameter: Parameter, text: str) -> Any:
    """StartPipelineExecution's values are all texts."""
    problem = ParameterError(
        f"The value '{text}' of the parameter '{parameter.name}' is no {parameter.type}."
    )
    if parameter.type == "String":
        return text
    if parameter.type == "Boolean":
        if text.lower() not in ("true", "false"):
            raise problem
        return text.lower() == "true"
    whole = parameter.type == "Integer"
    if not (_INTEGER if whole else _NUMBER).fullmatch(text):  # Python's own reading takes '1_0' and ' 1'
        raise problem
    if whole:
        return int(text)
    if not math.isfinite(float(text)):  # too great for a float
        raise problem
    return float(text)


def values_for(declared: dict[str, Parameter], given: list[dict[str, str]] | None) -> dict[str, Any]:
    """{name: typed value} for every declared parameter, from the request's `PipelineParameters` and the
    defaults. Raises `ParameterError` for an unknown name, a wrong type, a value outside the enumeration,
    a name given twice, or one that is missing."""
    found: dict[str, Any] = {}
    for item in given or []:
        name, text = item["Name"], item["Value"]
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            raise ParameterError(f"The pipeline has no parameter '{name}'. It has: {known}.")
        if name in found:
            raise ParameterError(f"The parameter '{name}' is given twice.")
        value = _parsed(declared[name], text)
        if declared[name].enum and value not in declared[name].enum:
            raise ParameterError(
                f"The value '{text}' of the parameter '{name}' must be one of {list(declared[name].enum)}."
            )
        found[name] = value
    for name, parameter in declared.items():
        if name not in found:
            if parameter.default is None:
                raise ParameterError(f"The parameter '{name}' has no default: a value must be given for it.")
            found[name] = parameter.default
    return {name: found[name] for name in declared}
