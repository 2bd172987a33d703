"""Dynamic references: `{{resolve:ssm:/name}}` and `{{resolve:secretsmanager:id:SecretString:key}}` in properties.

Source: CloudFormation user guide, "Get values stored in other services using dynamic references".
"""

import json
import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from local_aws.services.cloudformation.resources.base import ResourceError, is_missing

_REFERENCE = re.compile(r"\{\{resolve:([a-z-]+):([^{}]+)\}\}")


def _ssm(text: str, client: Callable[[str], Any]) -> str:
    name, _, version = text.partition(":")
    try:
        full = f"{name}:{version}" if version else name
        parameter = client("ssm").get_parameter(Name=full)["Parameter"]
    except ClientError as error:
        if not is_missing(error):
            raise
        raise ResourceError(f"Parameters: [ssm:{text}] cannot be found.") from None
    if parameter["Type"] == "SecureString":
        raise ResourceError(f"SSM Secure reference is not supported in: [ssm:{text}]. It is a SecureString.")
    return parameter["Value"]


def _secret(text: str, client: Callable[[str], Any]) -> str:
    arn = re.match(r"(arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:[^:]+)(.*)", text)
    secret, rest = arn.groups() if arn else (text.split(":", 1)[0], text[len(text.split(":", 1)[0]) :])
    kind, key, stage, version = (rest.removeprefix(":").split(":") + [""] * 4)[:4]
    if kind not in ("", "SecretString"):
        raise ResourceError(f"secretsmanager:{text}: only SecretString can be referred to, not {kind}.")
    request = {"SecretId": secret}
    if stage:
        request["VersionStage"] = stage
    if version:
        request["VersionId"] = version
    try:
        value = client("secretsmanager").get_secret_value(**request)["SecretString"]
    except ClientError as error:
        if not is_missing(error):
            raise
        raise ResourceError(
            f"Secrets Manager can't find the specified secret: {secret}. (Error Code: ResourceNotFoundException)"
        ) from None
    if not key:
        return value
    try:
        found = json.loads(value)[key]
    except (ValueError, KeyError, TypeError):
        raise ResourceError(
            f"Could not find a value associated with JSONKey in SecretString: {secret}, {key}"
        ) from None
    return found if isinstance(found, str) else json.dumps(found)


def resolve_dynamic(value: Any, client: Callable[[str], Any]) -> Any:
    """The value with every dynamic reference in its strings replaced. `client`: service name -> boto3 client.

    Raises `ResourceError` for what cannot be found, or a service that has none.
    """
    if isinstance(value, dict):
        return {key: resolve_dynamic(item, client) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve_dynamic(item, client) for item in value]
    if not isinstance(value, str) or "{{resolve:" not in value:
        return value

    def found(match: re.Match) -> str:
        service, text = match.groups()
        if service == "ssm":
            return _ssm(text, client)
        if service == "secretsmanager":
            return _secret(text, client)
        raise ResourceError(f"Dynamic references to {service} are not emulated by local_aws: {match.group()}")

    return _REFERENCE.sub(found, value)
