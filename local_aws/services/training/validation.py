"""What CreateTrainingJob refuses, and how training jobs are called."""

from typing import Any

from moto.sagemaker.exceptions import ValidationError

from local_aws.services.jobs.api import Kind
from local_aws.services.jobs.validation import (
    check_channel_name,
    check_instance_type,
    check_name,
    check_regexes,
    check_s3_uri,
)

KIND = Kind(
    "Training",
    "training-job",
    "training job",
    lambda name, arn: ValidationError(message=f"Requested resource not found: {arn}"),
)


def validate(request: dict[str, Any]) -> None:
    """Raise ValidationException for what AWS refuses at once, or what cannot be run here."""
    check_name(request["TrainingJobName"], "trainingJobName")
    spec = request["AlgorithmSpecification"]
    if spec.get("AlgorithmName"):
        raise ValidationError(
            message="AlgorithmName is not emulated by local_aws: algorithm resources have no image here. "
            "Give a TrainingImage."
        )
    if not spec.get("TrainingImage"):
        raise ValidationError(
            message="Either TrainingImage or AlgorithmName must be given in AlgorithmSpecification."
        )
    check_regexes(spec.get("MetricDefinitions") or [])
    if request["ResourceConfig"].get("InstanceGroups"):
        raise ValidationError(
            message="InstanceGroups are not emulated by local_aws. Use InstanceType and InstanceCount."
        )
    kind = request["ResourceConfig"].get("InstanceType")
    check_instance_type(kind, "Training", "resourceConfig.instanceType")
    seen: set[str] = set()
    for channel in request.get("InputDataConfig") or []:
        name = channel["ChannelName"]
        if name in seen:
            raise ValidationError(message=f"Duplicate channel name {name} in InputDataConfig.")
        seen.add(name)
        check_channel_name(name)
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise ValidationError(
                message=f"Channel {name}: only S3DataSource is emulated by local_aws, not a file system "
                "data source."
            )
        if source.get("S3DataType") not in (None, "S3Prefix", "ManifestFile"):
            raise ValidationError(
                message=f"Channel {name}: S3DataType {source['S3DataType']} is not emulated by local_aws."
            )
        check_s3_uri(source["S3Uri"], "s3Uri")
        if (channel.get("InputMode") or spec.get("TrainingInputMode")) == "Pipe":
            raise ValidationError(
                message=f"Channel {name}: input mode Pipe is not emulated by local_aws. Use File or FastFile."
            )
    check_s3_uri(request["OutputDataConfig"]["S3OutputPath"], "s3OutputPath")
    if checkpoint := request.get("CheckpointConfig"):
        check_s3_uri(checkpoint["S3Uri"], "s3Uri")
        path = checkpoint.get("LocalPath") or "/opt/ml/checkpoints"
        if not path.startswith("/opt/ml/") or ".." in path.split("/"):
            raise ValidationError(message="CheckpointConfig.LocalPath must be below /opt/ml on local_aws.")
