"""Step caching: what makes two steps the same, and how long a result may be used again.

Source: AWS's 'Caching pipeline steps' and 'Default cache key attributes by pipeline step type'.
"""

import hashlib
import json
import re
from datetime import datetime
from typing import Any

from local_aws.services.pipelines.expressions import ExpressionError

_KEYS = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification",
        "CheckpointConfig",
        "DebugHookConfig",
        "DebugRuleConfigurations",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    ),
    "Tuning": ("HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions"),
    "Transform": ("DataProcessing", "Environment", "ModelName", "TransformInput"),
    "Lambda": ("FunctionArn", "Payload"),
}
_TUNED = (
    "AlgorithmSpecification",
    "HyperParameterRanges",
    "InputDataConfig",
    "StaticHyperParameters",
    "TuningObjective",
)
_DURATION = re.compile(
    r"P?(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?",
    re.IGNORECASE,
)
_SECONDS = {
    "years": 365 * 86400,
    "months": 30 * 86400,
    "weeks": 7 * 86400,
    "days": 86400,
    "hours": 3600,
    "minutes": 60,
    "seconds": 1,
}


def duration(text: str) -> int:
    """Seconds of an ISO 8601 duration, with or without its `P`: `PT1H`, `30d`, `30dT5h`. A year counts 365
    days, a month 30. Raises `ExpressionError`."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    found = {k: int(v) for k, v in match.groupdict().items() if v is not None} if match else {}
    if not found:
        raise ExpressionError(
            f"ExpireAfter must be an ISO 8601 duration such as 30d, PT1H or P30DT5H, but is {text!r}"
        )
    return sum(count * _SECONDS[unit] for unit, count in found.items())


def check_cache_config(config: Any) -> None:
    """Raise `ExpressionError` for a CacheConfig that cannot be read."""
    if not config:
        return
    if not isinstance(config.get("Enabled"), bool):
        raise ExpressionError("CacheConfig.Enabled must be true or false")
    if config["Enabled"] and config.get("ExpireAfter") is not None:
        duration(config["ExpireAfter"])


def signature(step_type: str, request: dict[str, Any]) -> str | None:
    """A digest of what makes a step's result, from its resolved request; None for types that AWS does not
    cache."""
    names = _KEYS.get(step_type)
    if names is None:
        return None
    chosen = {name: request.get(name) for name in names}
    if definition := chosen.get("TrainingJobDefinition"):
        chosen["TrainingJobDefinition"] = {name: definition.get(name) for name in _TUNED}
    data = json.dumps([step_type, chosen], sort_keys=True, default=str)
    return hashlib.sha256(data.encode()).hexdigest()


def still_fresh(config: dict[str, Any], ended: datetime, now: datetime) -> bool:
    """True when a result that came at `ended` may be used `now`."""
    expires = config.get("ExpireAfter")
    return expires is None or (now - ended).total_seconds() <= duration(expires)
