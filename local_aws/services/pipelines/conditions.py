"""The conditions of a Condition step, over values that are already resolved.

Source: the SDK's `sagemaker.core.workflow.conditions`; NotEquals, NotIn and the members Value and In from AWS's
'SageMaker Pipeline Definition JSON Schema'.
"""

import operator
from typing import Any

from local_aws.services.pipelines.expressions import ExpressionError

_ORDERED = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
TYPES = ("Equals", "NotEquals", *_ORDERED, "In", "NotIn", "Not", "Or")
_MEMBERS = {
    **{name: ("LeftValue", "RightValue") for name in ("Equals", "NotEquals", *_ORDERED)},
    **{name: ("QueryValue", "Values") for name in ("In", "NotIn")},
    "Not": ("Condition",),
    "Or": ("Conditions",),
}
_SCHEMA_NAMES = {"QueryValue": "Value", "Values": "In"}  # what the JSON schema calls the SDK's members


def _members(condition: dict[str, Any]) -> dict[str, Any]:
    """The condition with the SDK's names of members."""
    if condition["Type"] not in ("In", "NotIn"):
        return condition
    renamed = {old: new for new, old in _SCHEMA_NAMES.items() if old in condition and new not in condition}
    return {renamed.get(name, name): value for name, value in condition.items()}


def check(condition: Any) -> None:
    """Raise `ExpressionError` for a condition of an unknown type, with a member missing or one too many."""
    kind = condition.get("Type") if isinstance(condition, dict) else None
    if kind not in _MEMBERS:
        raise ExpressionError(f"the condition type {kind!r} is not known; there are {', '.join(TYPES)}")
    condition = _members(condition)
    for member in _MEMBERS[kind]:
        if member not in condition:
            raise ExpressionError(f"a condition {kind} needs {member}")
    if unknown := [name for name in condition if name not in ("Type", *_MEMBERS[kind])]:
        raise ExpressionError(
            f"a condition {kind} has no member '{unknown[0]}'; it has {', '.join(_MEMBERS[kind])}"
        )
    if kind == "Not":
        check(condition["Condition"])
    if kind in ("In", "NotIn", "Or"):
        items = condition[_MEMBERS[kind][-1]]
        if not isinstance(items, list) or not items:
            raise ExpressionError(f"a condition {kind} needs a list of {_MEMBERS[kind][-1]}")
        if kind == "Or":
            for item in items:
                check(item)


def _pair(left: Any, right: Any) -> tuple[Any, Any]:
    """Both as numbers when one is a number and the other a text that reads as one (a parameter's or a
    hyperparameter's value)."""

    def number(value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    for value, other in ((left, right), (right, left)):
        if number(value) and isinstance(other, str):
            try:
                converted = float(other)
            except ValueError:
                break
            return (left, converted) if other is right else (converted, right)
    return left, right


def _equal(left: Any, right: Any) -> bool:
    left, right = _pair(left, right)
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def holds(condition: dict[str, Any]) -> bool:
    """True when the resolved condition is met. `ExpressionError` when its values cannot be ordered."""
    kind = condition["Type"]
    if kind == "Not":
        return not holds(condition["Condition"])
    if kind == "Or":
        return any(holds(item) for item in condition["Conditions"])
    if kind in ("In", "NotIn"):
        members = _members(condition)
        found = any(_equal(members["QueryValue"], item) for item in members["Values"])
        return found is (kind == "In")
    if kind in ("Equals", "NotEquals"):
        return _equal(condition["LeftValue"], condition["RightValue"]) is (kind == "Equals")
    left, right = _pair(condition["LeftValue"], condition["RightValue"])
    try:
        return bool(_ORDERED[kind](left, right))
    except TypeError:
        raise ExpressionError(
            f"the condition {kind} cannot compare {left!r} with {right!r}: they are of different types"
        ) from None
