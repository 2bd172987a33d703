"""CreateTrainingJob, DescribeTrainingJob, ListTrainingJobs, StopTrainingJob, in place of moto's."""

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ResourceInUseException, ValidationError
from moto.sagemaker.models import FakeTrainingJob
from moto.sagemaker.responses import SageMakerResponse

from local_aws.services.jobs.model import Job, list_jobs
from local_aws.services.jobs.validation import check_channel_name, check_name, check_regexes, check_s3_uri
from local_aws.services.training.executor import TrainingRunner, transition


def _arn(response: SageMakerResponse, name: str) -> str:
    return FakeTrainingJob.arn_formatter(name, response.current_account, response.region)


def _find(response: SageMakerResponse, name: str) -> Job:
    job = response.sagemaker_backend.training_jobs.get(name)
    if job is None:
        raise ValidationError(message=f"Requested resource not found: {_arn(response, name)}")
    return job


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


def install(runner: TrainingRunner) -> None:
    def create_training_job(self: SageMakerResponse) -> ActionResult:
        request = dict(self.params)
        validate(request)
        name = request["TrainingJobName"]
        arn = _arn(self, name)
        jobs = self.sagemaker_backend.training_jobs
        if name in jobs:
            raise ResourceInUseException(
                message="Training job names must be unique within an AWS account and region, and a "
                "training job with "
                f"this name already exists ({arn})"
            )
        job = jobs[name] = Job("Training", name, arn, self.region, request)
        runner.begin(job)
        runner.submit(job)
        return ActionResult({"TrainingJobArn": arn})

    def describe_training_job(self: SageMakerResponse) -> ActionResult:
        return ActionResult(_find(self, self._get_param("TrainingJobName")).describe())

    def list_training_jobs(self: SageMakerResponse) -> ActionResult:
        page = list_jobs(list(self.sagemaker_backend.training_jobs.values()), self.params)
        return ActionResult({"TrainingJobSummaries": page.pop("summaries"), **page})

    def stop_training_job(self: SageMakerResponse) -> ActionResult:
        job = _find(self, self._get_param("TrainingJobName"))
        if job.final:
            raise ValidationError(
                message=f"The request was rejected because the training job is in status {job.status}."
            )
        if job.status != "Stopping":
            job.status = "Stopping"
            transition(job, "Stopping")
            runner.request_stop(job)
        return EmptyResult()

    for function in (create_training_job, describe_training_job, list_training_jobs, stop_training_job):
        setattr(SageMakerResponse, function.__name__, function)
