"""The output parameters that Lambda and Callback steps declare: their types, and how they are shown."""

import json
from typing import Any

from local_aws.services.pipelines.definition import Step

VALUE_LIMIT = 1024
_TYPES = {"String": str, "Integer": int, "Float": (int, float), "Boolean": bool}


def fits(value: Any, kind: str) -> bool:
    """Is `value` of the declared OutputType?"""
    if isinstance(value, bool) and kind != "Boolean":
        return False
    return isinstance(value, _TYPES.get(kind, object))


def declared(step: Step) -> dict[str, str]:
    """{output parameter: its type}."""
    found = step.raw.get("OutputParameters") or []
    return {output["OutputName"]: output.get("OutputType", "String") for output in found}


def listed(values: dict[str, Any]) -> list[dict[str, str]]:
    """As a step's metadata has them."""
    return [
        {"Name": name, "Value": (value if isinstance(value, str) else json.dumps(value))[:VALUE_LIMIT]}
        for name, value in values.items()
    ]
