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
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, S3Backend
from moto.s3.responses import S3Response

from local_aws.server.app import LocalAwsApp
from local_aws.services.iam_limits import principal_exists

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


_OBJECT_ACTION = re.compile(r"s3:(?!.*Bucket).*(Object|AbortMultipartUpload|MultipartUploadParts)")


class MalformedPolicy(S3ClientError):
    code = "MalformedPolicy"


def check(policy: str, bucket: str) -> None:
    """What PutBucketPolicy refuses: `MalformedPolicy` with S3's words. `bucket`: its ARN."""
    try:
        statements = _many(json.loads(policy)["Statement"])
    except KeyError:
        raise MalformedPolicy("Missing required field Statement") from None
    except (ValueError, TypeError):
        raise MalformedPolicy("Policies must be valid JSON and the first byte must be '{'") from None
    for statement in statements:
        for names in (
            ("Effect",),
            ("Principal", "NotPrincipal"),
            ("Action", "NotAction"),
            ("Resource", "NotResource"),
        ):
            if not any(name in statement for name in names):
                raise MalformedPolicy(f"Missing required field {names[0]}")
        _check_statement(statement, bucket)


def _check_statement(statement: dict[str, Any], bucket: str) -> None:
    principal = statement.get("Principal")
    named = _many(principal.get("AWS", [])) if isinstance(principal, dict) else []
    if not all(principal_exists(arn) for arn in named):
        raise MalformedPolicy("Invalid principal in policy")
    resources = _many(statement.get("Resource", statement.get("NotResource")))
    if not all(r == "*" or r == bucket or r.startswith(f"{bucket}/") for r in resources):
        raise MalformedPolicy("Policy has invalid resource")
    for action in _many(statement.get("Action", [])):
        if action != "*" and not action.lower().startswith("s3:"):
            raise MalformedPolicy("Policy has invalid action")
        if "*" in action or "?" in action:
            continue
        fits = [r == "*" or ("/" in r) == bool(_OBJECT_ACTION.match(action)) for r in resources]
        if "Resource" in statement and not any(fits):
            raise MalformedPolicy("Action does not apply to any resource(s) in statement")


def _get_permission(self: FakeBucket, action: str, resource: str) -> PermissionResult:
    if self.policy is None:
        return PermissionResult.NEUTRAL
    account, values = getattr(_request, "caller", (self.account_id, {}))
    return evaluate(self.policy, action, resource, account, values)


def register(app: LocalAwsApp) -> None:
    """Check bucket policies and evaluate them in moto's S3."""
    plain = S3Response._key_response

    def key_response(self: S3Response, request: Any, full_url: str) -> Any:
        signed = "Authorization" in request.headers or "Signature=" in full_url
        account = self.current_account if signed else ""
        _request.caller = account, request_values(account, request.headers)
        try:
            return plain(self, request, full_url)
        finally:
            del _request.caller

    plain_put = S3Backend.put_bucket_policy

    def put_bucket_policy(self: S3Backend, bucket_name: str, policy: bytes) -> None:
        check(policy, self.get_bucket(bucket_name).arn)
        plain_put(self, bucket_name, policy)

    S3Backend.put_bucket_policy = put_bucket_policy
    S3Response._key_response = key_response
    FakeBucket.get_permission = _get_permission
