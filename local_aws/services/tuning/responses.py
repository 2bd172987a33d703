"""The operations that only tuning jobs have."""

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse

from local_aws.services.jobs.api import JobApi
from local_aws.services.tuning.executor import TuningRunner

_METRIC = "FinalHyperParameterTuningJobObjectiveMetric"


def install(api: JobApi) -> None:
    """Beside the four of `JobApi`."""
    runner: TuningRunner = api.runner

    def list_training_jobs_for_hyper_parameter_tuning_job(self: SageMakerResponse) -> ActionResult:
        name = self._get_param("HyperParameterTuningJobName")
        job = api.find(self.current_account, self.region, name)
        training = runner.training.jobs(self.current_account, self.region)
        found = [job.child_summary(training[child]) for child in job.children]
        if status := self._get_param("StatusEquals"):
            found = [item for item in found if item["TrainingJobStatus"] == status]
        by = self._get_param("SortBy") or "Name"
        keys = {
            "Name": lambda item: item["TrainingJobName"],
            "CreationTime": lambda item: item["CreationTime"],
            "Status": lambda item: item["TrainingJobStatus"],
            "FinalObjectiveMetricValue": lambda item: item[_METRIC]["Value"],
        }
        if by == "FinalObjectiveMetricValue":  # AWS leaves out those without a value
            found = [item for item in found if _METRIC in item]
        descending = (self._get_param("SortOrder") or "Ascending") == "Descending"
        found.sort(key=keys[by], reverse=descending)
        start, size = int(self._get_param("NextToken") or 0), int(self._get_param("MaxResults") or 10)
        answer = {"TrainingJobSummaries": found[start : start + size]}
        if start + size < len(found):
            answer["NextToken"] = str(start + size)
        return ActionResult(answer)

    def delete_hyper_parameter_tuning_job(self: SageMakerResponse) -> EmptyResult:
        name = self._get_param("HyperParameterTuningJobName")
        job = api.find(self.current_account, self.region, name)
        if not job.final:
            raise ValidationError(
                message=f"The request was rejected because the tuning job is in status {job.status}. Stop it first."
            )
        del api.jobs(self.current_account, self.region)[name]
        return EmptyResult()

    for function in (list_training_jobs_for_hyper_parameter_tuning_job, delete_hyper_parameter_tuning_job):
        setattr(SageMakerResponse, function.__name__, function)
