"""The SageMaker SDK's telemetry is off: it would send each call's facts to a bucket on the internet."""

from pathlib import Path

# the variable that names the SDK's user configuration ("Configuring and using defaults" in the SDK's guide)
VARIABLE = "SAGEMAKER_USER_CONFIG_OVERRIDE"
_TEXT = "SchemaVersion: '1.0'\nSageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n"


def opt_out_file(home: Path) -> Path:
    """A user configuration of the SDK that opts out, written when it is not there; for `VARIABLE`."""
    file = home / "sagemaker-sdk-config.yaml"
    if not file.is_file() or file.read_text("utf-8") != _TEXT:
        file.write_text(_TEXT, "utf-8")
    return file
