"""Retry policies of a step (AWS: 'Retry Policy for Pipeline Steps')."""

from typing import Any

from local_aws.services.pipelines.expressions import ExpressionError

SERVICE_FAULT, THROTTLING = "Step.SERVICE_FAULT", "Step.THROTTLING"
INTERNAL_ERROR = "SageMaker.JOB_INTERNAL_ERROR"
CAPACITY_ERROR = "SageMaker.CAPACITY_ERROR"
RESOURCE_LIMIT = "SageMaker.RESOURCE_LIMIT"
TYPES = (SERVICE_FAULT, THROTTLING, INTERNAL_ERROR, CAPACITY_ERROR, RESOURCE_LIMIT)
MOST_ATTEMPTS, MOST_MINUTES, DEFAULT_ATTEMPTS = 20, 14400, 5
# Faults of the service and throttling are tried again without being asked to; AWS does not say how often.
_AUTOMATIC = {"ExceptionType": [SERVICE_FAULT, THROTTLING], "MaxAttempts": 3}


def _number(policy: dict[str, Any], name: str, least: float, most: float) -> None:
    value = policy.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ExpressionError(f"{name} of a retry policy must be from {least} to {most}, but is {value!r}")


def check_policies(policies: Any) -> None:
    """Raise `ExpressionError` for a policy that AWS does not know."""
    for policy in policies or []:
        kinds = policy.get("ExceptionType")
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not kinds:
            raise ExpressionError("a retry policy lacks ExceptionType")
        for kind in kinds:
            if kind not in TYPES:
                raise ExpressionError(
                    f"the ExceptionType '{kind}' is not known; there are {', '.join(TYPES)}"
                )
        if policy.get("MaxAttempts") is not None and policy.get("ExpireAfterMin") is not None:
            raise ExpressionError("a retry policy may have MaxAttempts or ExpireAfterMin, not both")
        _number(policy, "MaxAttempts", 1, MOST_ATTEMPTS)
        _number(policy, "ExpireAfterMin", 0, MOST_MINUTES)
        _number(policy, "IntervalSeconds", 0, float("inf"))
        _number(policy, "BackoffRate", 0, float("inf"))


def exception_type(code: str, status: int, reason: str) -> str | None:
    """The retry policies' name for a failure: of a refused request by its error code and HTTP status, of a
    failed job (`code` empty) by its FailureReason. None for a failure that no policy covers."""
    if code:
        if "Throttl" in code or code in ("TooManyRequestsException", "RequestLimitExceeded"):
            return THROTTLING
        if code == "ResourceLimitExceeded":
            return RESOURCE_LIMIT
        return SERVICE_FAULT if status >= 500 and status not in (501, 507) else None
    if reason.startswith(("InternalServerError", "InternalServiceError")):
        return INTERNAL_ERROR
    if reason.startswith("CapacityError") or "InsufficientInstanceCapacity" in reason:
        return CAPACITY_ERROR
    return RESOURCE_LIMIT if reason.startswith("ResourceLimitExceeded") else None


def pause(policies: Any, kind: str | None, attempts: int, seconds: float) -> float | None:
    """Seconds until the next attempt, or None when there is none.

    `attempts`: how many were made; `seconds`: since the first one began. The first policy that names the
    failure's `kind` counts; the interval grows by its BackoffRate with every attempt.
    """
    if kind is None:
        return None
    for policy in [*(policies or []), _AUTOMATIC]:
        kinds = policy["ExceptionType"]
        if kind not in ([kinds] if isinstance(kinds, str) else kinds):
            continue
        rate = 2.0 if policy.get("BackoffRate") is None else policy["BackoffRate"]
        first = 1 if policy.get("IntervalSeconds") is None else policy["IntervalSeconds"]
        wait = first * rate ** (attempts - 1)
        if (minutes := policy.get("ExpireAfterMin")) is not None:
            return wait if seconds + wait <= minutes * 60 else None
        return wait if attempts <= (policy.get("MaxAttempts") or DEFAULT_ATTEMPTS) else None
    return None
