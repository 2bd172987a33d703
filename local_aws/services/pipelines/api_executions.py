"""Start, Stop, Retry, Update, Describe and List of executions, in place of moto's."""

import logging
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import ConflictException, ResourceNotFound, ValidationError
from moto.sagemaker.responses import SageMakerResponse

from local_aws.server.app import LocalAwsApp
from local_aws.services.pipelines import requests
from local_aws.services.pipelines.api_pipelines import find_version
from local_aws.services.pipelines.book import Book
from local_aws.services.pipelines.callbacks import CallbackError
from local_aws.services.pipelines.constraints import checked
from local_aws.services.pipelines.definition import Definition
from local_aws.services.pipelines.manager import Manager, new_execution
from local_aws.services.pipelines.naming import execution_id
from local_aws.services.pipelines.operations import NOT_EMULATED
from local_aws.services.pipelines.parameters import ParameterError, values_for
from local_aws.services.pipelines.records import StepRecord, when
from local_aws.services.pipelines.selective import SelectionError, reused_steps
from local_aws.services.pipelines.versions import Versions

log = logging.getLogger("local_aws")
DEFAULT_PARALLEL = 50  # AWS's quota of steps that run at a time, when nobody asks for fewer
EXECUTIONS_PAGE, STEPS_PAGE = 10, 100


def _refuse_not_emulated(definition: Definition, names: set[str]) -> None:
    bad = {name: definition.steps[name].type for name in definition.steps if name in names}
    bad = {name: kind for name, kind in bad.items() if kind in NOT_EMULATED}
    if bad:
        listed = ", ".join(f"'{name}' ({kind})" for name, kind in bad.items())
        raise ValidationError(
            message=f"Steps of these types are not emulated by local_aws: {listed}. Run this pipeline on AWS, "
            "or leave these steps out with SelectiveExecutionConfig."
        )


def _refuse_mlflow(definition: Definition) -> None:
    if definition.mlflow:
        raise ValidationError(
            message="MlflowConfig is not emulated by local_aws: there is no tracking server here. Leave it out of "
            "the definition, or run this pipeline on AWS."
        )
    if definition.experiment:
        log.info("a pipeline's PipelineExperimentConfig is not used: experiments are not emulated")


def install(app: LocalAwsApp, book: Book, versions: Versions, manager: Manager) -> None:
    def start_pipeline_execution(self: SageMakerResponse) -> ActionResult:
        pipeline = requests.find_pipeline(self, self._get_param("PipelineName"))
        token = self._get_param("ClientRequestToken")
        if token and (known := book.by_token(pipeline.arn, token)):
            return ActionResult({"PipelineExecutionArn": known.arn})
        for member in ("PipelineVersionAlias", "MlflowExperimentName"):
            if self._get_param(member):
                raise ValidationError(message=f"{member} is not emulated by local_aws.")
        version = self._get_param("PipelineVersionId") or versions.latest(pipeline.arn)
        text = (
            find_version(versions, pipeline.arn, version)
            if self._get_param("PipelineVersionId")
            else pipeline.pipeline_definition
        )
        definition = requests.parsed(text)
        selective = self._get_param("SelectiveExecutionConfig")
        try:
            values = values_for(definition.parameters, self._get_param("PipelineParameters"))
            reused: list[StepRecord] = []
            chosen = set(definition.steps)
            if selective:
                reused = reused_steps(definition, selective, pipeline.arn, book.get)
                chosen = {item["StepName"] for item in selective["SelectedSteps"]}
        except (ParameterError, SelectionError) as error:
            raise ValidationError(message=str(error)) from None
        _refuse_not_emulated(definition, chosen)
        _refuse_mlflow(definition)
        parallelism = (
            requests.check_parallelism(self._get_param("ParallelismConfiguration"))
            or pipeline.parallelism_configuration
        )
        execution = new_execution(
            account=self.current_account,
            region=self.region,
            pipeline=pipeline.pipeline_name,
            id=execution_id(),
            role=self._get_param("RoleArn") or pipeline.role_arn,
            definition=text,
            version=int(version),
            values=values,
            limit=(parallelism or {}).get("MaxParallelExecutionSteps", DEFAULT_PARALLEL),
            token=token,
            display_name=self._get_param("PipelineExecutionDisplayName"),
            description=self._get_param("PipelineExecutionDescription"),
            selective=selective,
            parallelism=parallelism,
        )
        execution.steps = {record.name: record for record in reused}
        book.add(execution)
        if reused:
            book.save(execution, *reused)
        manager.start(execution, definition, chosen | set(execution.steps), chosen)
        return ActionResult({"PipelineExecutionArn": execution.arn})

    def describe_pipeline_execution(self: SageMakerResponse) -> ActionResult:
        return ActionResult(requests.find_execution(self, book).describe())

    def describe_pipeline_definition_for_execution(self: SageMakerResponse) -> ActionResult:
        execution = requests.find_execution(self, book)
        return ActionResult(
            {"PipelineDefinition": execution.definition, "CreationTime": when(execution.created)}
        )

    def list_pipeline_parameters_for_execution(self: SageMakerResponse) -> ActionResult:
        found = requests.find_execution(self, book).parameters()
        return ActionResult(requests.page("PipelineParameters", found, self.params, STEPS_PAGE))

    def list_pipeline_executions(self: SageMakerResponse) -> ActionResult:
        pipeline = requests.find_pipeline(self, self._get_param("PipelineName"))
        fits = requests.created_within(self.params, lambda e: when(e.created))
        found = [e for e in book.of(pipeline.arn) if fits(e)]
        by_arn = self._get_param("SortBy") == "PipelineExecutionArn"
        found.sort(key=lambda e: e.arn if by_arn else e.created)
        if (self._get_param("SortOrder") or "Descending") == "Descending":
            found.reverse()
        summaries = [e.summary() for e in found]
        return ActionResult(
            requests.page("PipelineExecutionSummaries", summaries, self.params, EXECUTIONS_PAGE)
        )

    def list_pipeline_execution_steps(self: SageMakerResponse) -> ActionResult:
        records = list(requests.find_execution(self, book).steps.values())
        if (self._get_param("SortOrder") or "Descending") == "Descending":
            records.reverse()
        described = [record.describe() for record in records]
        return ActionResult(requests.page("PipelineExecutionSteps", described, self.params, STEPS_PAGE))

    def stop_pipeline_execution(self: SageMakerResponse) -> ActionResult:
        execution = requests.find_execution(self, book)
        if not manager.stop(execution):
            raise ValidationError(
                message=f"Pipeline execution with ARN {execution.arn} is in status {execution.status} and "
                "cannot be stopped."
            )
        return ActionResult({"PipelineExecutionArn": execution.arn})

    def update_pipeline_execution(self: SageMakerResponse) -> ActionResult:
        execution = requests.find_execution(self, book)
        parallelism = requests.check_parallelism(self._get_param("ParallelismConfiguration"))
        if parallelism and execution.final:
            raise ValidationError(
                message=f"Pipeline execution with ARN {execution.arn} is in status {execution.status}: its "
                "ParallelismConfiguration cannot be changed any more."
            )
        for attribute, member in (
            ("description", "PipelineExecutionDescription"),
            ("display_name", "PipelineExecutionDisplayName"),
        ):
            if (value := self._get_param(member)) is not None:
                setattr(execution, attribute, value)
        if parallelism:
            execution.parallelism = parallelism
            execution.limit = parallelism["MaxParallelExecutionSteps"]
            if engine := manager.engine(execution.arn):
                engine.set_limit(execution.limit)
        execution.touch()
        book.save(execution)
        return ActionResult({"PipelineExecutionArn": execution.arn})

    def retry_pipeline_execution(self: SageMakerResponse) -> ActionResult:
        execution = requests.find_execution(self, book)
        token = self._get_param("ClientRequestToken")
        if token and execution.retry_token == token:
            return ActionResult({"PipelineExecutionArn": execution.arn})
        if not execution.final or execution.status == "Succeeded":
            raise ConflictException(
                f"Pipeline execution with ARN {execution.arn} is in status {execution.status}; only a Failed "
                "or Stopped execution can be retried."
            )
        requests.find_pipeline(self, execution.pipeline)  # it may have been deleted meanwhile
        definition = requests.parsed(execution.definition)
        parallelism = requests.check_parallelism(self._get_param("ParallelismConfiguration"))
        if parallelism:
            execution.parallelism = parallelism
            execution.limit = parallelism["MaxParallelExecutionSteps"]
        execution.retry_token = token
        manager.retry(execution, definition)
        return ActionResult({"PipelineExecutionArn": execution.arn})

    def answered(self: SageMakerResponse, call: Callable[..., str], given: Any) -> ActionResult:
        token = self._get_param("CallbackToken")
        try:
            return ActionResult(
                {"PipelineExecutionArn": call(self.current_account, self.region, token, given)}
            )
        except LookupError:
            raise ResourceNotFound(message=f"No step waits for the callback token '{token}'.") from None
        except CallbackError as error:
            raise ValidationError(message=str(error)) from None

    def send_pipeline_execution_step_success(self: SageMakerResponse) -> ActionResult:
        return answered(self, manager.callbacks.succeed, self._get_param("OutputParameters") or [])

    def send_pipeline_execution_step_failure(self: SageMakerResponse) -> ActionResult:
        return answered(self, manager.callbacks.fail, self._get_param("FailureReason"))

    plain_search = SageMakerResponse.search

    def search(self: SageMakerResponse) -> Any:
        if self._get_param("Resource") == "PipelineExecution":
            raise ValidationError(
                message="Search of PipelineExecution is not emulated by local_aws. Use ListPipelineExecutions."
            )
        return plain_search(self)

    for function in (
        search,
        start_pipeline_execution,
        describe_pipeline_execution,
        describe_pipeline_definition_for_execution,
        list_pipeline_parameters_for_execution,
        list_pipeline_executions,
        list_pipeline_execution_steps,
        stop_pipeline_execution,
        update_pipeline_execution,
        retry_pipeline_execution,
        send_pipeline_execution_step_success,
        send_pipeline_execution_step_failure,
    ):
        setattr(SageMakerResponse, function.__name__, checked(function))
