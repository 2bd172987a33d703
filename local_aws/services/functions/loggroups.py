"""A function's `LoggingConfig`: the log group that it writes to (Lambda API reference, LoggingConfig)."""

import re
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import LambdaFunction

_GROUP = r"[\.\-_/#A-Za-z0-9]{1,512}"


def log_group(function: LambdaFunction) -> str:
    """The configured group, or the one that is named after the function."""
    config = getattr(function, "logging_config", None) or {}
    return config.get("LogGroup") or f"/aws/lambda/{function.function_name}"


def _checked(config: dict[str, Any] | None) -> dict[str, Any]:
    config = config or {}
    for name, value in config.items():
        if name not in ("LogGroup", "LogFormat") or (name == "LogFormat" and value != "Text"):
            raise InvalidParameterValueException(
                f"LoggingConfig.{name} {value} is not emulated by local_aws: logs are plain text. Use AWS for it."
            )
    if not re.fullmatch(_GROUP, config.get("LogGroup", "group")):
        raise InvalidParameterValueException(f"LogGroup {config['LogGroup']!r} is no name of a log group.")
    return config


def install() -> None:
    """moto drops the member."""
    plain_init, plain_get, plain_update = (
        LambdaFunction.__init__,
        LambdaFunction.get_configuration,
        LambdaFunction.update_configuration,
    )

    def init(self: LambdaFunction, *args: Any, **kwargs: Any) -> None:
        spec = kwargs.get("spec") or next(arg for arg in args if isinstance(arg, dict))
        self.logging_config = _checked(spec.get("LoggingConfig"))
        plain_init(self, *args, **kwargs)

    def get_configuration(self: LambdaFunction, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown = {"LogFormat": "Text", "LogGroup": log_group(self)}
        return {**plain_get(self, *args, **kwargs), "LoggingConfig": shown}

    def update_configuration(self: LambdaFunction, config_updates: dict[str, Any]) -> dict[str, Any]:
        if "LoggingConfig" in config_updates:
            self.logging_config = _checked(config_updates["LoggingConfig"])
        return plain_update(self, config_updates)

    LambdaFunction.__init__ = init
    LambdaFunction.get_configuration = get_configuration
    LambdaFunction.update_configuration = update_configuration
