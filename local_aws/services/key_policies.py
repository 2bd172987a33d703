"""KMS key policies: JSON with statements, and nobody locks himself out.

Source: AWS KMS API reference, CreateKey and PutKeyPolicy, and the developer guide's "Safety check for key policies":
the policy must let the calling principal make a later PutKeyPolicy call. Who of the account calls is not known here, so
any principal of the account will do.
"""

import json
import re
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.kms.responses import KmsResponse

from local_aws.server.app import LocalAwsApp
from local_aws.services.iam_limits import principal_exists

_CHANGE = "kms:PutKeyPolicy"


class MalformedPolicyDocument(JsonRESTError):
    code = 400

    def __init__(self, message: str):
        super().__init__("MalformedPolicyDocumentException", message)


def _many(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def _lets_change(statement: dict[str, Any], account: str) -> bool:
    principal = statement.get("Principal")
    named = ["*"] if principal == "*" else _many((principal or {}).get("AWS", []))
    ours = any(p in ("*", account) or f"::{account}:" in p for p in named)
    patterns = [
        re.escape(a).replace(r"\*", ".*").replace(r"\?", ".") for a in _many(statement.get("Action", []))
    ]
    changes = any(re.fullmatch(p, _CHANGE, re.IGNORECASE) for p in patterns)
    return statement.get("Effect") == "Allow" and ours and changes


def check(policy: str, account: str, bypass: bool = False) -> None:
    """Raise `MalformedPolicyDocument` for a policy that KMS refuses. `bypass`: the caller wants no safety check."""
    try:
        statements = _many(json.loads(policy)["Statement"])
    except (ValueError, KeyError, TypeError):
        raise MalformedPolicyDocument("The policy is not a JSON document with a Statement.") from None
    for statement in statements:
        if not isinstance(statement, dict) or not {"Principal", "NotPrincipal"} & statement.keys():
            raise MalformedPolicyDocument("Policy contains a statement with no principal.")
        principal = statement.get("Principal")
        named = _many(principal.get("AWS", [])) if isinstance(principal, dict) else []
        if not all(principal_exists(arn) for arn in named):
            raise MalformedPolicyDocument("Policy contains a statement with one or more invalid principals.")
    if not bypass and not any(_lets_change(statement, account) for statement in statements):
        raise MalformedPolicyDocument(
            "The new key policy will not allow you to update the key policy in the future."
        )


def register(app: LocalAwsApp) -> None:
    """Check the policy of CreateKey and PutKeyPolicy."""

    def checked(method: Any) -> Any:
        def call(self: KmsResponse) -> str:
            policy = self._get_param("Policy")
            if policy:
                check(policy, self.current_account, bool(self._get_param("BypassPolicyLockoutSafetyCheck")))
            return method(self)

        call.__name__ = method.__name__
        return call

    for name in ("create_key", "put_key_policy"):
        setattr(KmsResponse, name, checked(getattr(KmsResponse, name)))
