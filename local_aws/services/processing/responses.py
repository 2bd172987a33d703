"""CreateProcessingJob, DescribeProcessingJob, ListProcessingJobs, StopProcessingJob, in place of moto's."""

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ResourceInUseException, ValidationError
from moto.sagemaker.models import FakeProcessingJob
from moto.sagemaker.responses import SageMakerResponse

from local_aws.services.jobs.model import Job, list_jobs
from local_aws.services.jobs.validation import check_name, check_s3_uri
from local_aws.services.processing.executor import ProcessingRunner


def _arn(response: SageMakerResponse, name: str) -> str:
    return FakeProcessingJob.arn_formatter(name, response.current_account, response.region)


def _find(response: SageMakerResponse, name: str) -> Job:
    job = response.sagemaker_backend.processing_jobs.get(name)
    if job is None:
        raise ValidationError(message=f"Could not find requested job with name: {name}")
    return job


def _check_path(path: str | None, what: str) -> None:
    parts = (path or "").split("/")
    if parts[:4] != ["", "opt", "ml", "processing"] or ".." in parts:
        raise ValidationError(
            message=f"{what}: LocalPath must start with /opt/ml/processing, but is {path!r}."
        )


def validate(request: dict[str, Any]) -> None:
    """Raise ValidationException for what AWS refuses at once, or what cannot be run here."""
    check_name(request["ProcessingJobName"], "processingJobName")
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


def install(runner: ProcessingRunner) -> None:
    def create_processing_job(self: SageMakerResponse) -> ActionResult:
        request = dict(self.params)
        validate(request)
        name = request["ProcessingJobName"]
        arn = _arn(self, name)
        jobs = self.sagemaker_backend.processing_jobs
        if name in jobs:
            raise ResourceInUseException(
                message="Processing job names must be unique within an AWS account and region, and a "
                "processing job "
                f"with this name already exists ({arn})"
            )
        job = jobs[name] = Job("Processing", name, arn, self.region, request)
        runner.submit(job)
        return ActionResult({"ProcessingJobArn": arn})

    def describe_processing_job(self: SageMakerResponse) -> ActionResult:
        return ActionResult(_find(self, self._get_param("ProcessingJobName")).describe())

    def list_processing_jobs(self: SageMakerResponse) -> ActionResult:
        page = list_jobs(list(self.sagemaker_backend.processing_jobs.values()), self.params)
        return ActionResult({"ProcessingJobSummaries": page.pop("summaries"), **page})

    def stop_processing_job(self: SageMakerResponse) -> ActionResult:
        job = _find(self, self._get_param("ProcessingJobName"))
        if job.final:
            raise ValidationError(
                message=f"The request was rejected because the processing job is in status {job.status}."
            )
        if job.status != "Stopping":
            job.status = "Stopping"
            job.touch()
            runner.request_stop(job)
        return EmptyResult()

    for function in (
        create_processing_job,
        describe_processing_job,
        list_processing_jobs,
        stop_processing_job,
    ):
        setattr(SageMakerResponse, function.__name__, function)
