"""More than one account: whose request it is, and who may assume a role.

The account of a request is that of its access key: one that IAM or STS here gave out, or a key id that is an
account number itself (any secret), which acts as that account's administrator. Every other key is the default
account's. Key ids from AssumeRole are part of IAM's state and so outlive the server.
"""

import json
import re
from typing import Any

from moto.core.responses import ActionResult, BaseResponse
from moto.iam import models as iam
from moto.sts.exceptions import STSClientError
from moto.sts.models import sts_backends
from moto.sts.responses import TokenResponse

from local_aws.config import ACCOUNT_ID
from local_aws.server.app import LocalAwsApp

_ACCOUNT = re.compile(r"\d{12}")
# moto looks for key ids of twenty characters only
_KEY_ID = re.compile(r"AWS.*(?P<access_key>(?<=Credential=)\d{12}|(?<![A-Z0-9])[A-Z0-9]{20}(?![A-Z0-9]))[:/]")
_ROLE = re.compile(r"arn:aws[\w-]*:iam::(\d{12}):role/(.+)")


def account_of(access_key: str) -> str:
    """The account that a key id belongs to."""
    if _ACCOUNT.fullmatch(access_key):
        return access_key
    for account, backends in list(iam.iam_backends.items()):
        backend = dict.get(backends, "aws")  # a look-up that neither makes a backend nor counts as a change
        if backend is not None and access_key in backend.access_keys:
            return account
    return ACCOUNT_ID


def _principals(statement: dict) -> list[str]:
    principal = statement.get("Principal")
    if principal == "*":
        return ["*"]
    named = (principal or {}).get("AWS", [])
    return [named] if isinstance(named, str) else list(named)


def trusts(policy: dict | str, account: str, caller: str | None) -> bool:
    """Does a role's trust policy let this caller assume it? `caller`: the ARN of the role or user that calls, None
    for the account's administrator, to whom every principal of the account is open.

    Conditions are not evaluated: nothing here knows of multi-factor devices or organizations.
    """
    statements = (json.loads(policy) if isinstance(policy, str) else policy).get("Statement", [])
    allowed = False
    for statement in [statements] if isinstance(statements, dict) else statements:
        actions = statement.get("Action", [])
        if not {"sts:AssumeRole", "sts:*", "*"} & set([actions] if isinstance(actions, str) else actions):
            continue
        for principal in _principals(statement):
            whole = principal in ("*", account, f"arn:aws:iam::{account}:root")
            one = principal == caller or (caller is None and f"::{account}:" in principal)
            if whole or one:
                if statement.get("Effect") == "Deny":
                    return False
                allowed = True
    return allowed


def caller_of(self: BaseResponse) -> tuple[str | None, str]:
    """The calling role's or user's ARN (None: the account's administrator), and how AWS names it."""
    found = sts_backends[self.current_account][self.partition].get_assumed_role_from_access_key(
        self.access_key
    )
    if found:
        return found.role_arn, found.arn
    user = iam.iam_backends[self.current_account][self.partition].get_user_from_access_key_id(self.access_key)
    if user:
        return user.arn, user.arn
    return None, f"arn:aws:iam::{self.current_account}:root"


def shown_caller(self: BaseResponse) -> str:
    """The ARN of who makes this request."""
    return caller_of(self)[1]


def _assume_role(plain: Any) -> Any:
    def assume_role(self: TokenResponse) -> ActionResult:
        arn = self._get_param("RoleArn")
        caller, shown = caller_of(self)
        match = _ROLE.fullmatch(arn or "")
        role = None
        if match:
            try:
                role = iam.iam_backends[match.group(1)][self.partition].get_role_by_arn(arn)
            except iam.NotFoundException:
                role = None
        if role is None or not trusts(role.assume_role_policy_document, self.current_account, caller):
            raise STSClientError(
                "AccessDenied",
                f"User: {shown} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            )
        return plain(self)

    return assume_role


def register(app: LocalAwsApp) -> None:
    iam.get_account_id_from = account_of
    BaseResponse.access_key_regex = _KEY_ID
    if not getattr(TokenResponse.assume_role, "checks_trust", False):
        TokenResponse.assume_role = _assume_role(TokenResponse.assume_role)
        TokenResponse.assume_role.checks_trust = True
