"""What a Create call refuses at once, in AWS's words where it has some."""

import re

from moto.sagemaker.exceptions import ValidationError

from local_aws.server import sagemaker_model

_CHANNEL = r"[A-Za-z0-9\.\-_]+"
_NAME = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"


def check_name(name: str, member: str) -> None:
    if not re.fullmatch(_NAME, name):
        raise ValidationError(
            message=f"1 validation error detected: Value '{name}' at '{member}' failed to satisfy "
            "constraint: "
            f"Member must satisfy regular expression pattern: ^{_NAME}"
        )


def check_channel_name(name: str) -> None:
    """AWS's pattern; `.` and `..` fit it, but are no folder of the channel's own."""
    if not re.fullmatch(_CHANNEL, name) or name in (".", ".."):
        raise ValidationError(
            message=f"1 validation error detected: Value '{name}' at 'channelName' failed to satisfy "
            f"constraint: Member must satisfy regular expression pattern: {_CHANNEL}"
        )


def check_s3_uri(uri: str, member: str) -> None:
    if not re.fullmatch("(https|s3)://([^/]+)/?(.*)", uri, re.S) or not uri.startswith("s3://"):
        raise ValidationError(
            message=f"1 validation error detected: Value '{uri}' at '{member}' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^(https|s3)://([^/]+)/?(.*)$"
        )


def check_regexes(definitions: list[dict[str, str]]) -> None:
    for definition in definitions:
        try:
            groups = re.compile(definition["Regex"]).groups
        except re.error as error:
            raise ValidationError(
                message=f"Invalid Regex {definition['Regex']!r} of metric {definition['Name']}: {error}"
            ) from None
        if groups < 1:
            raise ValidationError(
                message=f"Invalid Regex {definition['Regex']!r} of metric {definition['Name']}: it has no "
                "group "
                "that captures the value"
            )


def check_instance_type(name: str | None, kind: str, member: str) -> None:
    """`kind`: Training, Processing or Transform."""
    if name is not None:
        sagemaker_model.check_instance_type(name, f"{kind}InstanceType", member, "ml.m5.xlarge")
