"""What CreateTransformJob refuses, and how transform jobs are called."""

from typing import Any

from moto.sagemaker.exceptions import ValidationError

from local_aws.services.jobs.api import Kind
from local_aws.services.jobs.validation import check_instance_type, check_name, check_s3_uri
from local_aws.services.transform import formats
from local_aws.services.transform.jsonpath import BadPath
from local_aws.services.transform.processing import DEFAULT_PAYLOAD, Processing

MAX_INSTANCES = 8  # each is a process on this machine
KIND = Kind(
    "Transform",
    "transform-job",
    "transform job",
    lambda name, arn: ValidationError(message=f"Could not find requested job with name: {name}"),
)


def _check_emulated(request: dict[str, Any]) -> None:
    source = request["TransformInput"]
    if source.get("SplitType") not in (None, "None", "Line"):
        raise ValidationError(
            message=f"SplitType {source['SplitType']} is not emulated by local_aws. Use None or Line."
        )
    kind = source["DataSource"]["S3DataSource"]["S3DataType"]
    if kind not in ("S3Prefix", "ManifestFile"):
        raise ValidationError(
            message=f"S3DataType {kind} is not emulated by local_aws. Use S3Prefix or ManifestFile."
        )
    if request.get("DataCaptureConfig"):
        raise ValidationError(
            message="DataCaptureConfig of transform jobs is not emulated by local_aws. Leave it out."
        )
    count = request["TransformResources"]["InstanceCount"]
    if not 1 <= int(count) <= MAX_INSTANCES:
        raise ValidationError(
            message=f"InstanceCount is {count}; local_aws takes 1 to {MAX_INSTANCES}: each instance is a process on "
            "this machine."
        )


def _check_limits(request: dict[str, Any]) -> None:
    payload, parallel = request.get("MaxPayloadInMB"), int(request.get("MaxConcurrentTransforms") or 1)
    payload = DEFAULT_PAYLOAD if payload is None else int(payload)
    if not 0 <= payload <= 100 or parallel < 1:
        raise ValidationError(
            message=f"MaxPayloadInMB is {payload} and MaxConcurrentTransforms {parallel}: they must be 0 to 100, and "
            "at least 1."
        )
    if payload * parallel > 100:
        raise ValidationError(
            message=f"The product of MaxConcurrentTransforms ({parallel}) and MaxPayloadInMB ({payload}) must not "
            "exceed 100 MB."
        )


def _check_data_processing(request: dict[str, Any]) -> None:
    try:
        processing = Processing(request)
    except BadPath as error:
        raise ValidationError(message=f"DataProcessing: {error}") from None
    if not (processing.reads_input or processing.reads_output):
        return
    kind = formats.plain(processing.content_type)
    if kind not in formats.TYPES:
        raise ValidationError(
            message=f"DataProcessing needs the ContentType text/csv, application/json or application/jsonlines, not "
            f"{processing.content_type}."
        )
    if kind == formats.CSV and not (
        processing.input_filter.indexes_only and processing.output_filter.indexes_only
    ):
        raise ValidationError(message="DataProcessing: a filter over CSV selects by position, such as $[1:].")
    if processing.lines != processing.assemble_lines:
        raise ValidationError(
            message="DataProcessing needs SplitType and AssembleWith to be the same, Line or None."
        )
    if not processing.lines and kind != formats.JSON:
        raise ValidationError(
            message=f"DataProcessing of {kind} needs SplitType and AssembleWith to be Line."
        )


def validate(request: dict[str, Any]) -> None:
    """Raise ValidationException for what AWS refuses at once, or what cannot be run here."""
    check_name(request["TransformJobName"], "transformJobName")
    kind = request["TransformResources"]["InstanceType"]
    check_instance_type(kind, "Transform", "transformResources.instanceType")
    check_s3_uri(request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"], "s3Uri")
    check_s3_uri(request["TransformOutput"]["S3OutputPath"], "s3OutputPath")
    _check_emulated(request)
    _check_limits(request)
    _check_data_processing(request)
