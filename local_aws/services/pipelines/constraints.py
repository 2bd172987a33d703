"""The constraints of a request's members (enumerations, lengths, sizes, patterns) as botocore's service model has
them: boto3 checks only the smallest lengths and values before it sends a request."""

import re
from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Any

from botocore import xform_name
from moto.sagemaker.exceptions import ValidationError

from local_aws.server.sagemaker_model import service_model

_ELSEWHERE = ("PipelineDefinition",)  # checked where it is read
_PATTERN_LIMIT = 2048  # characters of a text that a pattern is tried on


@cache
def _operations() -> dict[str, str]:
    """{name of moto's method: operation}."""
    return {xform_name(name): name for name in service_model().operation_names}


@cache
def _pattern(text: str) -> re.Pattern | None:
    try:
        return re.compile(text)
    except re.error:  # some are in a dialect that Python does not read
        return None


def _broken(value: Any, shape: Any) -> str | None:
    """What a text, number or list does not keep to, in the API's words."""
    limits, kind = shape.metadata, shape.type_name
    if kind in ("integer", "long"):
        if not isinstance(value, int) or isinstance(value, bool):
            return "be a whole number"
        size, what = value, "value"
    elif kind == "string" and not isinstance(value, str):
        return "be a text"
    elif isinstance(value, (str, list)):
        size, what = len(value), "length"
    else:
        return None
    if "min" in limits and size < limits["min"]:
        return f"have {what} greater than or equal to {limits['min']}"
    if "max" in limits and size > limits["max"]:
        return f"have {what} less than or equal to {limits['max']}"
    if kind != "string":
        return None
    if shape.enum and value not in shape.enum:
        return f"satisfy enum value set: [{', '.join(shape.enum)}]"
    pattern = _pattern(limits["pattern"]) if "pattern" in limits and len(value) <= _PATTERN_LIMIT else None
    if pattern and not pattern.fullmatch(value):
        return f"satisfy regular expression pattern: {limits['pattern']}"
    return None


def _walk(value: Any, shape: Any, where: str) -> Iterator[tuple[str, Any, str]]:
    if value is None:
        return
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, member in shape.members.items():
            inner = ".".join(filter(None, (where, name[0].lower() + name[1:])))
            if name in shape.required_members and value.get(name) is None:
                yield inner, None, "not be null"
            if name not in _ELSEWHERE:
                yield from _walk(value.get(name), member, inner)
        return
    if broken := _broken(value, shape):
        yield where, value, broken
    if shape.type_name == "list" and isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from _walk(item, shape.member, f"{where}.{number}.member")


def check(operation: str, request: dict[str, Any]) -> None:
    """Raise ValidationException naming the first member that breaks a constraint of the operation's input."""
    shape = service_model().operation_model(operation).input_shape
    for where, value, broken in _walk(request, shape, ""):
        shown = (
            "null "
            if value is None
            else f"'{value}' "
            if isinstance(value, (str, int, float)) and len(str(value)) <= 256
            else ""
        )
        raise ValidationError(
            message=f"1 validation error detected: Value {shown}at '{where}' failed to satisfy constraint: Member "
            f"must {broken}"
        )


def checked(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A method of moto's SageMakerResponse that checks its request first."""

    @wraps(handler)
    def first(self: Any) -> Any:
        if operation := _operations().get(handler.__name__):
            check(operation, self.params)
        return handler(self)

    return first
