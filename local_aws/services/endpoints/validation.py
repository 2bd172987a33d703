"""Checks of endpoint requests, with SageMaker's wording."""

import re

from moto.sagemaker.exceptions import ValidationError

from local_aws.server.sagemaker_model import check_instance_type

PATTERNS = {
    "modelName": r"[a-zA-Z0-9]([\-a-zA-Z0-9]*[a-zA-Z0-9])?",
    "endpointConfigName": r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
    "endpointName": r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
    "variantName": r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
}
MAX_NAME = 63
KINDS = {"model": "model", "endpoint-config": "endpoint configuration", "endpoint": "endpoint"}


def arn(backend, kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{backend.region_name}:{backend.account_id}:{kind}/{name.lower()}"


def not_found(backend, kind: str, name: str) -> ValidationError:
    return ValidationError(message=f'Could not find {KINDS[kind]} "{arn(backend, kind, name)}".')


def already_there(backend, kind: str, name: str) -> ValidationError:
    return ValidationError(
        message=f'Cannot create already existing {KINDS[kind]} "{arn(backend, kind, name)}".'
    )


def check_name(value: str | None, field: str) -> None:
    """`field` as AWS spells it in messages, e.g. `endpointName`. Raises `ValidationError`."""
    if not value:
        raise ValidationError(
            message=f"1 validation error detected: Value null at '{field}' failed to satisfy constraint: "
            "Member must not be null"
        )
    if len(value) > MAX_NAME:
        raise ValidationError(
            message=f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint"
            f": Member must have length less than or equal to {MAX_NAME}"
        )
    if not re.fullmatch(PATTERNS[field], value):
        raise ValidationError(
            message=f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint"
            f": Member must satisfy regular expression pattern: {PATTERNS[field]}"
        )


def check_variants(variants: list[dict]) -> None:
    """The ProductionVariants of CreateEndpointConfig. Raises `ValidationError`."""
    if not variants:
        raise ValidationError(message="At least one production variant is required.")
    seen = set()
    for variant in variants:
        name = variant.get("VariantName")
        check_name(name, "variantName")
        if name in seen:
            raise ValidationError(message=f"Duplicate variant name {name}: variant names must be unique.")
        seen.add(name)
        if not variant.get("ModelName"):
            raise ValidationError(
                message=f"Variant {name} has no ModelName; local_aws does not emulate inference components."
            )
        if variant.get("ServerlessConfig"):
            raise ValidationError(
                message=f"Variant {name} has a ServerlessConfig, which local_aws does not emulate. "
                "Give InstanceType and InitialInstanceCount."
            )
        check_instance_type(
            variant.get("InstanceType"),
            "ProductionVariantInstanceType",
            f"productionVariants.{len(seen)}.member.instanceType",
            "ml.m5.large",
        )
        if int(variant.get("InitialInstanceCount") or 1) < 1:
            raise ValidationError(message=f"InitialInstanceCount of variant {name} must be at least 1.")
        if float(variant.get("InitialVariantWeight", 1.0)) < 0:
            raise ValidationError(message=f"InitialVariantWeight of variant {name} must not be negative.")


def check_deployment(config: dict | None) -> None:
    """The DeploymentConfig of CreateEndpoint and UpdateEndpoint: traffic moves all at once, without alarms."""
    config = config or {}
    routing = config.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    kind = "ROLLING" if config.get("RollingUpdatePolicy") else routing.get("Type", "ALL_AT_ONCE")
    if kind != "ALL_AT_ONCE":
        raise ValidationError(
            message=f"DeploymentConfig: {kind} deployments are not emulated by local_aws. Use ALL_AT_ONCE."
        )
    if config.get("AutoRollbackConfiguration", {}).get("Alarms"):
        raise ValidationError(
            message="DeploymentConfig: AutoRollbackConfiguration is not emulated by local_aws. Leave it out."
        )


def check_capture(capture: dict | None) -> None:
    """The DataCaptureConfig of CreateEndpointConfig. Raises `ValidationError`."""
    if not capture:
        return
    uri = capture.get("DestinationS3Uri") or ""
    if not re.fullmatch(r"s3://[^/]+(/.*)?", uri):
        raise ValidationError(message=f"DestinationS3Uri {uri!r} is not a S3 URI such as s3://bucket/prefix.")
    sampling = capture.get("InitialSamplingPercentage")
    if sampling is None or not 0 <= int(sampling) <= 100:
        raise ValidationError(message=f"InitialSamplingPercentage {sampling} must be between 0 and 100.")
    modes = [option.get("CaptureMode") for option in capture.get("CaptureOptions") or []]
    if not modes or any(mode not in ("Input", "Output", "InputAndOutput") for mode in modes):
        raise ValidationError(message=f"CaptureOptions {modes} must name Input, Output or InputAndOutput.")
