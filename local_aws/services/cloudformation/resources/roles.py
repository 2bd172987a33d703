"""Whether a service may assume the role that a resource gives it: AWS refuses the resource otherwise.

The services' own APIs here take any role, for nothing here needs one; a template that would fail on AWS fails here.
"""

import json
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from local_aws.services.cloudformation.resources.base import Context, ResourceError


def _many(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def _trusts(document: Any, service: str) -> bool:
    document = json.loads(unquote(document)) if isinstance(document, str) else document
    for statement in _many(document.get("Statement", [])):
        principal = statement.get("Principal")
        named = _many(principal.get("Service", [])) if isinstance(principal, dict) else []
        actions = _many(statement.get("Action", []))
        if (
            statement.get("Effect") == "Allow"
            and service in named
            and {"sts:AssumeRole", "sts:*", "*"} & set(actions)
        ):
            return True
    return False


def check_role(ctx: Context, arn: str | None, service: str, sentence: str) -> None:
    """Raise `ResourceError(sentence)` when the role does not exist or does not trust `service`.

    `service`: such as `lambda.amazonaws.com`. A role of another account is not looked at.
    """
    if not arn or f"::{ctx.account_id}:role/" not in arn:
        return
    try:
        role = ctx.client("iam").get_role(RoleName=arn.rsplit("/", 1)[-1])["Role"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        raise ResourceError(sentence) from None
    if role["Arn"] != arn or not _trusts(role["AssumeRolePolicyDocument"], service):
        raise ResourceError(sentence)
