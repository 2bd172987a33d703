"""botocore's model of SageMaker's API, and what it says of instance types."""

from functools import cache
from typing import Any

from moto.sagemaker.exceptions import ValidationError


@cache
def service_model() -> Any:
    """botocore's model of SageMaker."""
    from botocore.session import get_session

    return get_session().get_service_model("sagemaker")


@cache
def _instance_types(shape: str) -> frozenset[str]:
    return frozenset(service_model().shape_for(shape).enum)


def check_instance_type(name: str | None, shape: str, member: str, example: str) -> None:
    """Raise `ValidationError` when SageMaker's own list, the enumeration `shape` of its API, has no such type.

    `member` is where the request has it, and `example` one of the list, for the message.
    """
    if name not in _instance_types(shape):
        raise ValidationError(
            message=f"1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: "
            f"Member must satisfy enum value set of {shape}, such as {example}"
        )
