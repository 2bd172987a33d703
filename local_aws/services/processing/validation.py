"""What CreateProcessingJob refuses, and how processing jobs are called."""

from typing import Any

from moto.sagemaker.exceptions import ValidationError

from local_aws.services.jobs.api import Kind
from local_aws.services.jobs.validation import check_instance_type, check_name, check_s3_uri

KIND = Kind(
    "Processing",
    "processing-job",
    "processing job",
    lambda name, arn: ValidationError(message=f"Could not find requested job with name: {name}"),
)


def _check_path(path: str | None, what: str) -> None:
    parts = (path or "").split("/")
    if parts[:4] != ["", "opt", "ml", "processing"] or ".." in parts:
        raise ValidationError(
            message=f"{what}: LocalPath must start with /opt/ml/processing, but is {path!r}."
        )


def validate(request: dict[str, Any]) -> None:
    """Raise ValidationException for what AWS refuses at once, or what cannot be run here."""
    check_name(request["ProcessingJobName"], "processingJobName")
    kind = request["ProcessingResources"]["ClusterConfig"]["InstanceType"]
    check_instance_type(kind, "Processing", "processingResources.clusterConfig.instanceType")
    if not (request["AppSpecification"].get("ContainerEntrypoint") or []):
        raise ValidationError(
            message="AppSpecification.ContainerEntrypoint must be given on local_aws: images have no "
            "entrypoint here."
        )
    names: set[str] = set()
    for item in request.get("ProcessingInputs") or []:
        name = item["InputName"]
        if name in names:
            raise ValidationError(message=f"Processing input names must be unique: {name} is given twice.")
        names.add(name)
        if item.get("DatasetDefinition"):
            raise ValidationError(
                message=f"Input {name}: DatasetDefinition (Athena, Redshift) is not emulated by local_aws. "
                "Use an S3Input."
            )
        source = item.get("S3Input")
        if not source:
            raise ValidationError(message=f"Input {name}: S3Input must be given.")
        _check_path(source.get("LocalPath"), f"Input {name}")
        check_s3_uri(source["S3Uri"], "s3Uri")
        if source.get("S3InputMode") == "Pipe":
            raise ValidationError(
                message=f"Input {name}: S3InputMode Pipe is not emulated by local_aws. Use File."
            )
    for output in (request.get("ProcessingOutputConfig") or {}).get("Outputs") or []:
        name = output["OutputName"]
        if output.get("FeatureStoreOutput") or not output.get("S3Output"):
            raise ValidationError(message=f"Output {name}: only S3Output is emulated by local_aws.")
        _check_path(output["S3Output"].get("LocalPath"), f"Output {name}")
        check_s3_uri(output["S3Output"]["S3Uri"], "s3Uri")
