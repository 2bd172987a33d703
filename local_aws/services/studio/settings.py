"""Checks of UserSettings and SpaceSettings that need other records."""

from collections.abc import Iterator
from typing import Any

from moto.kms.models import kms_backends
from moto.sagemaker.exceptions import ValidationError

from local_aws.services.studio.records import Studio

_ROLE = ":role/"


def lifecycle_arns(settings: Any) -> Iterator[str]:
    """Every lifecycle configuration that nested settings name."""
    if isinstance(settings, dict):
        for name, value in settings.items():
            if name == "LifecycleConfigArn" and value and value != "None":
                yield value
            elif name == "LifecycleConfigArns":
                yield from value
            else:
                yield from lifecycle_arns(value)
    elif isinstance(settings, list):
        for item in settings:
            yield from lifecycle_arns(item)


def check_settings(studio: Studio, *settings: dict[str, Any] | None) -> None:
    """Refuse a role that is no role and a lifecycle configuration that does not exist."""
    known = {record.arn for record in studio.configs.values()}
    for item in settings:
        role = (item or {}).get("ExecutionRole")
        if role and _ROLE not in role:
            raise ValidationError(message=f"Invalid ExecutionRole: {role} is not the ARN of an IAM role.")
        for arn in lifecycle_arns(item or {}):
            if arn not in known:
                raise ValidationError(message=f"Lifecycle config [{arn}] does not exist.")


def check_volume(space: dict[str, Any], user: dict[str, Any]) -> None:
    """A space's EBS volume within the bounds that the domain or the profile sets."""
    wanted = (space.get("SpaceStorageSettings", {}).get("EbsStorageSettings") or {}).get("EbsVolumeSizeInGb")
    bounds = (user.get("SpaceStorageSettings") or {}).get("DefaultEbsStorageSettings") or {}
    largest = bounds.get("MaximumEbsVolumeSizeInGb", 16384)
    if wanted is not None and not 5 <= wanted <= largest:
        raise ValidationError(
            message=f"EbsVolumeSizeInGb {wanted} is outside of the permitted range 5 to {largest}."
        )


def check_key(account: str, region: str, key: str | None) -> None:
    """A customer managed key that exists, by id or ARN or alias."""
    if key:
        backend = kms_backends[account][region]
        if backend.any_id_to_key_id(key) not in backend.keys:
            raise ValidationError(message=f"The KMS key '{key}' does not exist.")
