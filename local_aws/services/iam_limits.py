"""What IAM refuses and moto accepts: policies that are too long, too many of them, principals that do not exist.

Sources: IAM user guide, "IAM and AWS STS quotas" and "Troubleshoot IAM policies" (invalid principal); the quotas are
those of a new account.
"""

import json
import re
from typing import Any

from moto.iam.exceptions import IAMException, LimitExceededException
from moto.iam.models import IAMBackend, iam_backends

from local_aws.server.app import LocalAwsApp

MANAGED_POLICY = 6144  # characters without white space
INLINE_POLICIES_OF_A_ROLE = 10240  # together, characters without white space
TRUST_POLICY = 2048  # characters
ATTACHED_TO_A_ROLE = 10  # managed policies
_PRINCIPAL = re.compile(r"arn:[\w-]+:iam::(\d{12}):(role|user)/(?:.+/)?([^/]+)")


class MalformedPolicyDocument(IAMException):
    code = "MalformedPolicyDocument"


def policy_size(document: str) -> int:
    """Characters that count against the quota: all but white space."""
    return len(re.sub(r"\s", "", document))


def check_managed(document: str) -> None:
    if policy_size(document) > MANAGED_POLICY:
        raise LimitExceededException(f"Cannot exceed quota for PolicySize: {MANAGED_POLICY}")


def _many(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def principal_exists(arn: str) -> bool:
    """False for a role or user that is not there; True for all other principals."""
    match = _PRINCIPAL.fullmatch(arn)
    if not match:
        return True
    account, kind, name = match.groups()
    backend = dict.get(iam_backends[account], "aws") if account in iam_backends else None
    if backend is None:
        return False
    names = {role.name for role in backend.roles.values()} if kind == "role" else set(backend.users)
    return name in names


def check_trust(document: str) -> None:
    """A role's trust policy: its length, and that the roles and users that it names exist."""
    if len(document) > TRUST_POLICY:
        raise LimitExceededException(f"Cannot exceed quota for ACLSizePerRole: {TRUST_POLICY}")
    for statement in _many(json.loads(document).get("Statement", [])):
        principal = statement.get("Principal")
        for arn in _many(principal.get("AWS", [])) if isinstance(principal, dict) else []:
            if not principal_exists(arn):
                raise MalformedPolicyDocument(f'Invalid principal in policy: "AWS":"{arn}"')


def _before(name: str, check: Any) -> None:
    """Call `check(backend, *the method's arguments)` ahead of a method of moto's backend."""
    plain = getattr(IAMBackend, name)

    def method(self: IAMBackend, *args: Any, **kwargs: Any) -> Any:
        check(self, *args, **kwargs)
        return plain(self, *args, **kwargs)

    method.__name__ = name
    setattr(IAMBackend, name, method)


def _inline(backend: IAMBackend, role_name: str, policy_name: str, policy_json: str) -> None:
    others = {k: v for k, v in backend.get_role(role_name).policies.items() if k != policy_name}
    if sum(policy_size(text) for text in [*others.values(), policy_json]) > INLINE_POLICIES_OF_A_ROLE:
        raise LimitExceededException(
            f"Maximum policy size of {INLINE_POLICIES_OF_A_ROLE} bytes exceeded for role {role_name}"
        )


def _attached(backend: IAMBackend, policy_arn: str, role_name: str) -> None:
    present = backend.get_role(role_name).managed_policies
    if policy_arn not in present and len(present) >= ATTACHED_TO_A_ROLE:
        raise LimitExceededException(f"Cannot exceed quota for PoliciesPerRole: {ATTACHED_TO_A_ROLE}")


def _role(document: str) -> None:
    try:
        json.loads(document)
    except (ValueError, TypeError):
        return  # moto says what is wrong with it
    check_trust(document)


def register(app: LocalAwsApp) -> None:
    """Check what is written to moto's IAM."""
    _before(
        "create_role",
        lambda self, role_name, assume_role_policy_document, *_, **__: _role(assume_role_policy_document),
    )
    _before("update_assume_role_policy", lambda self, role_name, policy_document: _role(policy_document))
    _before(
        "create_policy",
        lambda self, description, path, policy_document, *_, **__: check_managed(policy_document),
    )
    _before(
        "create_policy_version",
        lambda self, policy_arn, policy_document, *_, **__: check_managed(policy_document),
    )
    _before("put_role_policy", _inline)
    _before("attach_role_policy", _attached)
