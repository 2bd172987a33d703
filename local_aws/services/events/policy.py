"""May another account send to this event bus? (EventBridge user guide, "Permissions for event buses")"""

from fnmatch import fnmatchcase
from typing import Any


def _as_list(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def _names(principal: Any, account: str) -> bool:
    """Does a statement's Principal include this account as a whole?"""
    if principal == "*":
        return True
    if not isinstance(principal, dict):
        return False
    known = {"*", account, f"arn:aws:iam::{account}:root"}
    return any(
        str(one) in known or str(one).startswith(f"arn:aws:iam::{account}:role/")
        for one in _as_list(principal.get("AWS", []))
    )


def _holds(condition: dict, values: dict[str, str]) -> bool:
    """Only conditions on the source account and on the event's source and detail type are known here; any other
    one does not hold."""
    for operator, keys in condition.items():
        if operator not in ("StringEquals", "StringLike", "ForAllValues:StringEquals"):
            return False
        for key, wanted in keys.items():
            value = values.get(key.lower())
            if value is None or not any(
                fnmatchcase(value, str(one)) if operator == "StringLike" else value == one
                for one in _as_list(wanted)
            ):
                return False
    return True


def may_send(
    statements: list[dict], bus_arn: str, account: str, source: str = "", detail_type: str = ""
) -> bool:
    """True when the bus's policy allows events:PutEvents of such an event to `account` and no statement denies it."""
    values = {"aws:sourceaccount": account, "events:source": source, "events:detail-type": detail_type}
    allowed = False
    for statement in statements:
        actions = {a.lower() for a in _as_list(statement.get("Action", []))}
        resources = _as_list(statement.get("Resource", bus_arn))
        if not actions & {"events:putevents", "events:*", "*"}:
            continue
        if bus_arn not in resources and "*" not in resources:
            continue
        if not _names(statement.get("Principal"), account):
            continue
        if not _holds(statement.get("Condition") or {}, values):
            continue
        if statement.get("Effect") == "Deny":
            return False
        allowed = True
    return allowed
