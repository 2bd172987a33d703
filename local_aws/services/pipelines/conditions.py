"""The conditions of a Condition step, over values that are already resolved."""

import operator
from typing import Any

from local_aws.services.pipelines.expressions import ExpressionError

_ORDERED = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
TYPES = ("Equals", *_ORDERED, "In", "Not", "Or")
_MEMBERS = {
    **{name: ("LeftValue", "RightValue") for name in ("Equals", *_ORDERED)},
    "In": ("QueryValue", "Values"),
    "Not": ("Condition",),
    "Or": ("Conditions",),
}


def check(condition: Any) -> None:
    """Raise `ExpressionError` for a condition of an unknown type or with a member missing."""
    kind = condition.get("Type") if isinstance(condition, dict) else None
    if kind not in _MEMBERS:
        raise ExpressionError(f"the condition type {kind!r} is not known; there are {', '.join(TYPES)}")
    for member in _MEMBERS[kind]:
        if member not in condition:
            raise ExpressionError(f"a condition {kind} needs {member}")
    if kind == "Not":
        check(condition["Condition"])
    if kind in ("In", "Or"):
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
    if kind == "In":
        return any(_equal(condition["QueryValue"], item) for item in condition["Values"])
    if kind == "Equals":
        return _equal(condition["LeftValue"], condition["RightValue"])
    left, right = _pair(condition["LeftValue"], condition["RightValue"])
    try:
        return bool(_ORDERED[kind](left, right))
    except TypeError:
        raise ExpressionError(
            f"the condition {kind} cannot compare {left!r} with {right!r}: they are of different types"
        ) from None
