"""Create, Update, Describe, Delete and List of pipelines, in place of moto's."""

import threading
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import FakePipeline
from moto.sagemaker.responses import SageMakerResponse

from local_aws.server.app import LocalAwsApp
from local_aws.server.clients import client_of
from local_aws.services.pipelines import requests
from local_aws.services.pipelines.book import Book
from local_aws.services.pipelines.constraints import checked
from local_aws.services.pipelines.records import when
from local_aws.services.pipelines.versions import Versions

PAGE = 10


def _refuse_alias(response: SageMakerResponse) -> None:
    for member in ("PipelineVersionAlias", "PipelineVersionAliases"):
        if response._get_param(member):
            raise ValidationError(message=f"{member} is not emulated by local_aws. Use PipelineVersionId.")


def _make_client(app: LocalAwsApp, response: SageMakerResponse) -> None:
    """In the background: the first one takes a quarter of a second, which an execution would begin with."""
    where = ("sagemaker", response.current_account, response.region)
    threading.Thread(target=client_of, args=(app, *where), name="pipeline-client", daemon=True).start()


def install(app: LocalAwsApp, book: Book, versions: Versions) -> None:
    def create_pipeline(self: SageMakerResponse) -> ActionResult:
        name, token = self._get_param("PipelineName"), self._get_param("ClientRequestToken")
        _refuse_alias(self)
        pipelines = self.sagemaker_backend.pipelines
        if name in pipelines:
            if token and getattr(pipelines[name], "token", None) == token:
                return ActionResult({"PipelineArn": pipelines[name].arn})
            raise ValidationError(
                message="Pipeline names must be unique within an AWS account and region. Pipeline with name "
                f"({name}) already exists."
            )
        definition = requests.given_definition(self, app, needed=True)
        pipeline = FakePipeline(
            pipeline_name=name,
            pipeline_display_name=self._get_param("PipelineDisplayName"),
            pipeline_definition=definition,
            pipeline_description=self._get_param("PipelineDescription"),
            role_arn=self._get_param("RoleArn"),
            tags=self._get_param("Tags"),
            account_id=self.current_account,
            region_name=self.region,
            parallelism_configuration=requests.check_parallelism(self._get_param("ParallelismConfiguration")),
        )
        pipeline.created_by = pipeline.last_modified_by = {}
        pipeline.token = token
        versions.add(pipeline.arn, definition)
        pipelines[name] = pipeline
        _make_client(app, self)
        return ActionResult({"PipelineArn": pipeline.arn})

    def update_pipeline(self: SageMakerResponse) -> ActionResult:
        pipeline = requests.find_pipeline(self, self._get_param("PipelineName"))
        _refuse_alias(self)
        definition = requests.given_definition(self, app, needed=False)
        parallelism = requests.check_parallelism(self._get_param("ParallelismConfiguration"))
        for attribute, value in (
            ("pipeline_display_name", self._get_param("PipelineDisplayName")),
            ("pipeline_description", self._get_param("PipelineDescription")),
            ("role_arn", self._get_param("RoleArn")),
            ("parallelism_configuration", parallelism),
        ):
            if value is not None:
                setattr(pipeline, attribute, value)
        if definition is not None and definition != pipeline.pipeline_definition:
            versions.add(pipeline.arn, definition)
            pipeline.pipeline_definition = definition
        pipeline.last_modified_time = utcnow()
        _make_client(app, self)
        return ActionResult({"PipelineArn": pipeline.arn, "PipelineVersionId": versions.latest(pipeline.arn)})

    def describe_pipeline(self: SageMakerResponse) -> ActionResult:
        pipeline = requests.find_pipeline(self, self._get_param("PipelineName"))
        _refuse_alias(self)
        definition, number = pipeline.pipeline_definition, self._get_param("PipelineVersionId")
        if number:
            definition = find_version(versions, pipeline.arn, number)
        runs = book.of(pipeline.arn)
        answer: dict[str, Any] = {
            "PipelineArn": pipeline.arn,
            "PipelineName": pipeline.pipeline_name,
            "PipelineDisplayName": pipeline.pipeline_display_name,
            "PipelineDescription": pipeline.pipeline_description,
            "PipelineDefinition": definition,
            "RoleArn": pipeline.role_arn,
            "PipelineStatus": pipeline.pipeline_status,
            "CreationTime": pipeline.creation_time,
            "LastModifiedTime": pipeline.last_modified_time,
            "LastRunTime": when(runs[-1].created) if runs else None,
            "ParallelismConfiguration": pipeline.parallelism_configuration,
        }
        return ActionResult({k: v for k, v in answer.items() if v is not None})

    def delete_pipeline(self: SageMakerResponse) -> ActionResult:
        pipeline = requests.find_pipeline(self, self._get_param("PipelineName"))
        running = [e.arn for e in book.of(pipeline.arn) if not e.final]
        if running:
            raise ValidationError(
                message=f"Pipeline '{pipeline.arn}' cannot be deleted while executions of it run: {running}. "
                "Stop them first."
            )
        book.forget(pipeline.arn)
        versions.forget(pipeline.arn)
        del self.sagemaker_backend.pipelines[pipeline.pipeline_name]
        return ActionResult({"PipelineArn": pipeline.arn})

    def list_pipelines(self: SageMakerResponse) -> ActionResult:
        prefix = self._get_param("PipelineNamePrefix") or ""
        fits = requests.created_within(self.params, lambda p: p.creation_time)
        found = [
            p
            for p in self.sagemaker_backend.pipelines.values()
            if p.pipeline_name.startswith(prefix) and fits(p)
        ]
        by_name = self._get_param("SortBy") == "Name"
        found.sort(key=lambda p: p.pipeline_name if by_name else p.creation_time)
        if (self._get_param("SortOrder") or "Descending") == "Descending":
            found.reverse()
        summaries = []
        for pipeline in found:
            runs = book.of(pipeline.arn)
            entry = {
                "PipelineArn": pipeline.arn,
                "PipelineName": pipeline.pipeline_name,
                "PipelineDisplayName": pipeline.pipeline_display_name,
                "PipelineDescription": pipeline.pipeline_description,
                "RoleArn": pipeline.role_arn,
                "CreationTime": pipeline.creation_time,
                "LastModifiedTime": pipeline.last_modified_time,
                "LastExecutionTime": when(runs[-1].created) if runs else None,
            }
            summaries.append({k: v for k, v in entry.items() if v is not None})
        return ActionResult(requests.page("PipelineSummaries", summaries, self.params, PAGE))

    def list_pipeline_versions(self: SageMakerResponse) -> ActionResult:
        pipeline = requests.find_pipeline(self, self._get_param("PipelineName"))
        last_run = {e.version: e.arn for e in book.of(pipeline.arn)}
        fits = requests.created_within(self.params, lambda v: v["CreationTime"])
        found = [v for v in versions.summaries(pipeline.arn, last_run) if fits(v)]
        if (self._get_param("SortOrder") or "Descending") == "Descending":
            found.reverse()
        return ActionResult(requests.page("PipelineVersionSummaries", found, self.params, PAGE))

    for function in (
        create_pipeline,
        update_pipeline,
        describe_pipeline,
        delete_pipeline,
        list_pipelines,
        list_pipeline_versions,
    ):
        setattr(SageMakerResponse, function.__name__, checked(function))


def find_version(versions: Versions, arn: str, number: int) -> str:
    """A version's definition."""
    found = versions.get(arn, int(number))
    if found is None:
        raise ValidationError(message=f"Pipeline '{arn}' has no version {number}.")
    return found["definition"]
