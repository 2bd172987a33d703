"""Bucket policies as S3 evaluates them for object requests: actions, resources, principals and conditions.

moto takes a statement whose conditions do not hold for a denial, so that a policy such as "TLS only" shuts a bucket.
Sources: IAM user guide, "IAM JSON policy elements: Condition operators" and "Policy evaluation logic"; Amazon S3 user
guide, "Bucket policy examples using condition keys".

Known condition keys are those of the request itself (see `request_values`). `aws:SecureTransport` is true: a request
to local_aws does not leave the machine. A statement with a key that is not known here does not apply.
"""

import fnmatch
import json
import re
import threading
from collections.abc import Callable
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response

from local_aws.server.app import LocalAwsApp

_request = threading.local()
_HEADERS = {
    "s3:x-amz-acl": "x-amz-acl",
    "s3:x-amz-server-side-encryption": "x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-storage-class": "x-amz-storage-class",
    "aws:useragent": "user-agent",
}


def request_values(account: str, headers: Any) -> dict[str, str | None]:
    """Condition keys (lower case) of a request; None: known to be absent."""
    values: dict[str, str | None] = {"aws:securetransport": "true", "aws:principalaccount": account}
    values |= {key: headers.get(header) for key, header in _HEADERS.items()}
    return values


def _many(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def _glob(pattern: str, text: str) -> bool:
    escaped = re.sub(
        r"([\[\]])", lambda found: f"[{found[1]}]", pattern
    )  # only * and ? are special in policies
    return fnmatch.fnmatchcase(text, escaped)


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, given: wanted == given,
    "StringEqualsIgnoreCase": lambda wanted, given: wanted.lower() == given.lower(),
    "StringLike": _glob,
    "ArnEquals": _glob,
    "ArnLike": _glob,
    "Bool": lambda wanted, given: wanted.lower() == given.lower(),
}
_OPPOSITES = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def _holds(operator: str, key: str, wanted: list[str], values: dict[str, str | None]) -> bool | None:
    """Whether one condition holds; None when that cannot be known here."""
    if key.lower() not in values:
        return None
    given = values[key.lower()]
    if operator == "Null":
        return (given is None) == (str(wanted[0]).lower() == "true")
    plain = operator.removesuffix("IfExists")
    negated = plain in _OPPOSITES
    test = _TESTS.get(_OPPOSITES.get(plain, plain))
    if test is None:
        return None
    if given is None:
        return negated or operator.endswith("IfExists")
    found = any(test(str(item).lower() if plain == "Bool" else str(item), given) for item in wanted)
    return found != negated


def _applies(statement: dict[str, Any], values: dict[str, str | None]) -> bool:
    for operator, conditions in (statement.get("Condition") or {}).items():
        for key, wanted in conditions.items():
            if not _holds(operator, key, _many(wanted), values):
                return False
    return True


def _concerns(statement: dict[str, Any], name: str, value: str) -> bool:
    if name in statement:
        return any(_glob(item, value) for item in _many(statement[name]))
    return not any(_glob(item, value) for item in _many(statement.get(f"Not{name}", "*")))


def _is_principal(statement: dict[str, Any], account: str) -> bool:
    """Everybody, or the caller's whole account: which user of it calls is not known here."""
    principal = statement.get("Principal")
    named = ["*"] if principal == "*" else _many((principal or {}).get("AWS", []))
    return any(item in ("*", account, f"arn:aws:iam::{account}:root") for item in named)


def evaluate(
    policy: str | bytes, action: str, resource: str, account: str, values: dict[str, str | None]
) -> PermissionResult:
    """DENIED, PERMITTED or NEUTRAL: what the policy says of `account` doing `action` on `resource`."""
    result = PermissionResult.NEUTRAL
    for statement in _many(json.loads(policy).get("Statement", [])):
        if (
            _is_principal(statement, account)
            and _concerns(statement, "Action", action)
            and _concerns(statement, "Resource", resource)
            and _applies(statement, values)
        ):
            if statement.get("Effect") == "Deny":
                return PermissionResult.DENIED
            result = PermissionResult.PERMITTED
    return result


def _get_permission(self: FakeBucket, action: str, resource: str) -> PermissionResult:
    if self.policy is None:
        return PermissionResult.NEUTRAL
    account, values = getattr(_request, "caller", (self.account_id, {}))
    return evaluate(self.policy, action, resource, account, values)


def register(app: LocalAwsApp) -> None:
    """Evaluate bucket policies in moto's S3."""
    plain = S3Response._key_response

    def key_response(self: S3Response, request: Any, full_url: str) -> Any:
        signed = "Authorization" in request.headers or "Signature=" in full_url
        account = self.current_account if signed else ""
        _request.caller = account, request_values(account, request.headers)
        try:
            return plain(self, request, full_url)
        finally:
            del _request.caller

    S3Response._key_response = key_response
    FakeBucket.get_permission = _get_permission
