"""Limits of an instance, read from the environment variables that AWS's inference toolkit reads."""

from __future__ import annotations

import os
from dataclasses import dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """`payload` in bytes, `timeout` in seconds, `workers`: how many requests may be in the model at once.

    One worker is the default: handlers written for AWS's Multi Model Server run in single-threaded worker
    processes, and the numeric libraries already use every CPU of a small instance for one request.
    """

    payload: int = 6 * MEGABYTE
    timeout: float = 60.0
    workers: int = 1

    @classmethod
    def from_environment(cls, environ=os.environ) -> Limits:
        """`Limits` from SAGEMAKER_MAX_PAYLOAD_IN_MB, SAGEMAKER_MODEL_SERVER_TIMEOUT(_SECONDS) and
        SAGEMAKER_MODEL_SERVER_WORKERS; `ValueError` names a variable that is no positive number."""
        return cls(
            payload=int(_number(environ, "SAGEMAKER_MAX_PAYLOAD_IN_MB", 6) * MEGABYTE),
            timeout=_number(
                environ,
                "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
                _number(environ, "SAGEMAKER_MODEL_SERVER_TIMEOUT", 60),
            ),
            workers=int(_number(environ, "SAGEMAKER_MODEL_SERVER_WORKERS", 1)),
        )


def _number(environ, name: str, default: float) -> float:
    text = environ.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0
    if value <= 0:
        raise ValueError(f"{name}={text!r} is not a positive number; correct the model's Environment.")
    return value
