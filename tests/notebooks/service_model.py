"""Check a call's parameters against botocore's model of the service, more strictly than botocore itself does.

botocore checks names, types and required members before it sends; the service also checks enumerations,
patterns and limits, which stand in the same model.
"""

from __future__ import annotations

import re
from functools import cache

import botocore.session
from botocore.model import Shape


@cache
def _operation(service: str, operation: str):
    return botocore.session.get_session().get_service_model(service).operation_model(operation)


def problems(service: str, operation: str, parameters: dict) -> list[str]:
    """What the service's model has against these parameters; empty when nothing."""
    shape = _operation(service, operation).input_shape
    if shape is None:
        return [f"{operation} takes no parameters"] if parameters else []
    return list(_check(shape, parameters, operation))


def _check(shape: Shape, value, where: str):
    kind = shape.type_name
    if kind == "structure":
        for name in shape.required_members:
            token = shape.members[name].metadata.get("idempotencyToken")  # boto3 makes one up
            if name not in value and not token:
                yield f"{where}.{name} is required"
        for name, member in value.items():
            if name not in shape.members:
                yield f"{where}.{name} is unknown"
            else:
                yield from _check(shape.members[name], member, f"{where}.{name}")
    elif kind == "list":
        yield from _limits(shape, len(value), where, "items")
        for index, member in enumerate(value):
            yield from _check(shape.member, member, f"{where}[{index}]")
    elif kind == "map":
        yield from _limits(shape, len(value), where, "entries")
        for key, member in value.items():
            yield from _check(shape.key, key, f"{where} key")
            yield from _check(shape.value, member, f"{where}[{key}]")
    elif kind == "string":
        yield from _limits(shape, len(value), where, "characters")
        if shape.enum and value not in shape.enum:
            yield f"{where} = {value!r} is not one of {shape.enum}"
        pattern = shape.metadata.get("pattern")
        if pattern and not _matches(pattern, value):
            yield f"{where} = {value!r} does not match {pattern}"
    elif kind in ("integer", "long", "float", "double"):
        yield from _limits(shape, value, where, "")


def _limits(shape: Shape, amount, where: str, unit: str):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and amount < low:
        yield f"{where} has {amount} {unit}, at least {low} needed"
    if high is not None and amount > high:
        yield f"{where} has {amount} {unit}, at most {high} allowed"


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    except re.error:  # written for another regular expression engine, as \p{L} is
        return True
