"""Who calls, by the access key, and which references the caller's IAM policies protect.

AWS protects a branch with an IAM policy that denies `codecommit:GitPush` (and PutFile, DeleteBranch …) for the
reference (CodeCommit User Guide, "Limit pushes and merges to branches"). Explicit Deny statements of the
caller's own policies are honored here; no Allow is needed, for local_aws enforces no other policy.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from local_aws.config import ACCOUNT_ID, DEFAULT_REGION
from local_aws.server.app import LocalAwsApp


@dataclass(frozen=True)
class Caller:
    """`account`: twelve digits; `arn`: as GetCallerIdentity says; `documents`: policies as parsed JSON."""

    account: str
    arn: str
    documents: list[dict[str, Any]] = field(default_factory=list)

    def denied(self, action: str, resource: str, reference: str | None) -> bool:
        """True when a Deny statement of the caller covers this action (`GitPush`) on this full reference. None:
        the action names no reference, as the first request of a push."""
        return any(
            _covers(statement, f"codecommit:{action}", resource, reference)
            for document in self.documents
            for statement in _items(document.get("Statement"))
        )


def _items(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _like(pattern: str, text: str, fold: bool = False) -> bool:
    expression = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(expression, text, re.IGNORECASE | re.DOTALL if fold else re.DOTALL) is not None


def _any_like(patterns: Iterable[str], text: str, fold: bool = False) -> bool:
    return any(_like(str(p), text, fold) for p in patterns)


def _covers(statement: dict[str, Any], action: str, resource: str, reference: str | None) -> bool:
    if statement.get("Effect") != "Deny":
        return False
    if "Action" in statement and not _any_like(_items(statement["Action"]), action, fold=True):
        return False
    if "NotAction" in statement and _any_like(_items(statement["NotAction"]), action, fold=True):
        return False
    if "Resource" in statement and not _any_like(_items(statement["Resource"]), resource):
        return False
    if "NotResource" in statement and _any_like(_items(statement["NotResource"]), resource):
        return False
    return all(
        _condition(operator, key, _items(values), reference)
        for operator, keys in (statement.get("Condition") or {}).items()
        for key, values in keys.items()
    )


def _condition(operator: str, key: str, values: list[Any], reference: str | None) -> bool:
    """One condition. Only `codecommit:References` is known here, so that a Deny with others does not apply."""
    if key.lower() != "codecommit:references":
        return False
    name = operator.rsplit(":", 1)[-1]
    if name == "Null":  # "true": the key must be absent
        return (str(values[0]).lower() == "true") is (reference is None)
    if reference is None:
        return name.endswith("IfExists") or "Not" in name
    texts = [str(v) for v in values]
    found = {
        "StringEquals": lambda: reference in texts,
        "StringNotEquals": lambda: reference not in texts,
        "StringEqualsIgnoreCase": lambda: reference.lower() in [t.lower() for t in texts],
        "StringNotEqualsIgnoreCase": lambda: reference.lower() not in [t.lower() for t in texts],
        "StringLike": lambda: _any_like(texts, reference),
        "StringNotLike": lambda: not _any_like(texts, reference),
    }.get(name.removesuffix("IfExists"))
    return bool(found and found())


def _documents(iam: Any, kind: str, name: str) -> Iterator[dict[str, Any]]:
    """The policy documents, inline and attached, of a user (with its groups) or a role."""
    owners = [(iam.users if kind == "user" else iam.roles).get(name)]
    if kind == "role":
        owners = [role for role in iam.roles.values() if role.name == name]
    elif owners[0] is not None:
        owners += [group for group in iam.groups.values() if owners[0] in group.users]
    for owner in owners:
        if owner is None:
            continue
        texts = list(owner.policies.values())
        texts += [policy.document for policy in owner.managed_policies.values()]
        for text in texts:
            try:
                yield json.loads(unquote(text) if text.startswith("%") else text)
            except (ValueError, AttributeError):
                continue


def caller_of(app: LocalAwsApp, access_key: str, region: str = DEFAULT_REGION) -> Caller:
    """The caller with this access key: a user, an assumed role, or the account's own dummy identity. Takes the
    app's lock."""
    from moto.iam.models import get_account_id_from

    with app.lock:
        account = get_account_id_from(access_key) or ACCOUNT_ID
        sts, iam = app.backend("sts", account, region), app.backend("iam", account)
        _, arn, _ = sts.get_caller_identity(access_key, region)
        kind, _, rest = arn.split(":", 5)[-1].partition("/")
        documents: list[dict[str, Any]] = []
        if kind == "user":
            documents = list(_documents(iam, "user", rest.rsplit("/", 1)[-1]))
        elif kind == "assumed-role":
            documents = list(_documents(iam, "role", rest.split("/")[0]))
        return Caller(account, arn, documents)
