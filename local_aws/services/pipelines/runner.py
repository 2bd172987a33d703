"""What each type of step does: calls SageMaker's own API as any caller would, evaluates, invokes."""

import json
import logging
import threading
import time
from datetime import datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from local_aws.server.app import LocalAwsApp
from local_aws.server.clients import client_of
from local_aws.services.pipelines import conditions, functions, retries
from local_aws.services.pipelines.book import Book
from local_aws.services.pipelines.caching import signature
from local_aws.services.pipelines.callbacks import Callbacks, send
from local_aws.services.pipelines.definition import Definition, Step
from local_aws.services.pipelines.engine import Ended
from local_aws.services.pipelines.expressions import ExpressionError, resolve
from local_aws.services.pipelines.naming import resource_name
from local_aws.services.pipelines.operations import OPERATIONS, Operation, request_for
from local_aws.services.pipelines.records import Execution, StepRecord
from local_aws.services.pipelines.scheduler import FAILED, STOPPED, SUCCEEDED
from local_aws.services.pipelines.values import ExecutionValues

log = logging.getLogger("local_aws")
BEST_JOBS = 50  # of a tuning job, that a step's properties list


def plain(value: Any) -> Any:
    """An answer of boto3 as JSON can hold it: times as ISO 8601 texts."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _refused(operation: str, error: ClientError | BotoCoreError) -> Ended:
    """A call that did not go through: AWS's words for the step's FailureReason, and what a retry policy calls
    it."""
    if isinstance(error, ClientError):
        answer = error.response
        code, text = answer["Error"].get("Code", ""), answer["Error"].get("Message", str(error))
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    else:
        code, text, status = type(error).__name__, str(error), 400
    kind = retries.exception_type(code, status, "")
    return Ended(
        FAILED,
        f"ClientError: Failed to invoke sagemaker:{operation}. Error Details: {text}",
        retry=kind,
    )


class AwsStepRunner:
    """`engine.StepRunner` for one execution. `watch(kind, name, step)` and `unwatch(kind, name)` say which
    job's end belongs to which step."""

    def __init__(
        self,
        app: LocalAwsApp,
        execution: Execution,
        definition: Definition,
        book: Book,
        watch: Any,
        unwatch: Any,
        callbacks: Callbacks,
    ):
        self._app, self._execution, self._definition, self._book = app, execution, definition, book
        self._watch, self._unwatch, self._callbacks = watch, unwatch, callbacks
        self.engine: Any = None  # set as soon as it is made

    @property
    def _sagemaker(self) -> Any:
        return client_of(self._app, "sagemaker", self._execution.account, self._execution.region)

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        return getattr(self._sagemaker, xform_name(operation))(**request)

    def _values(self, job_name: str = "") -> ExecutionValues:
        return ExecutionValues(self._app.s3, self._execution, self._definition, job_name)

    # -- StepRunner ----------------------------------------------------------------------------------------
    def begin(self, step: Step, record: StepRecord) -> Ended | None:
        try:
            if step.type == "Condition":
                return self._condition(step, record)
            if step.type == "Fail":
                return self._fail(step, record)
            if step.type == "Lambda":
                return self._lambda(step, record)
            if step.type == "Callback":
                return self._callback(step, record)
            return self._resource(step, record)
        except ExpressionError as error:
            return Ended(FAILED, f"ClientError: {error}")

    def collect(self, step: Step, record: StepRecord) -> Ended:
        """How the step's job ended, from its Describe answer."""
        operation, name = OPERATIONS[step.type], record.job[1]
        self._unwatch(*record.job)
        try:
            answer = self._described(operation, name)
        except (ClientError, BotoCoreError) as error:
            return _refused(operation.describe, error)
        status = answer.get(operation.name.replace("Name", "Status"))
        reason = answer.get("FailureReason")
        if status == "Completed":
            return Ended(SUCCEEDED, properties=answer)
        if status == "Stopped":
            return Ended(STOPPED, reason or "The job was stopped.", properties=answer)
        kind = retries.exception_type("", 0, reason or "")
        if step.type == "Tuning" and kind == retries.INTERNAL_ERROR:
            kind = None  # a tuning job tries its own jobs again
        return Ended(FAILED, reason or f"The job ended as {status}.", properties=answer, retry=kind)

    def stop(self, step: Step, record: StepRecord) -> None:
        """Ask the step's job to stop. A Lambda function cannot be stopped and is waited for, as is the answer to
        a callback, whose queue is told."""
        if step.type == "Callback":
            send(self._app, self._execution, record, None, "Stopping")
        if record.job is None:
            return
        operation = OPERATIONS[step.type]
        try:
            self._call(operation.stop, **{operation.name: record.job[1]})
        except (ClientError, BotoCoreError) as error:
            log.info("%s of %s: %s", operation.stop, record.job[1], error)  # it has just ended by itself

    # -- jobs and other resources --------------------------------------------------------------------------
    def _resource(self, step: Step, record: StepRecord) -> Ended | None:
        operation = OPERATIONS[step.type]
        given = step.arguments.get(operation.name)
        prefix = resolve(given, self._values()) if given else None
        name = resource_name(self._execution.id, step.name, operation.name_limit, prefix)
        arguments = resolve(step.arguments, self._values(name))
        request = request_for(step.type, arguments, name)
        if ended := self._from_cache(step, record, request):
            return ended
        if step.type == "RegisterModel":
            self._prepare_registration(request)
        if operation.kind:
            record.job = (operation.kind, name)
            self._watch(operation.kind, name, step.name)
        try:
            arn = self._call(operation.create, **request)[operation.arn]
            record.metadata = {operation.metadata: {"Arn": arn}}
            if operation.kind:
                return None
            named = arn if step.type == "RegisterModel" else name
            return Ended(SUCCEEDED, properties=self._described(operation, named))
        except (ClientError, BotoCoreError) as error:
            if operation.kind:
                self._unwatch(operation.kind, name)
            return _refused(operation.create, error)

    def _described(self, operation: Operation, name: str) -> dict[str, Any]:
        answer = plain(self._call(operation.describe, **{operation.name: name}))
        if operation.kind == "tuning":
            listed = self._call(
                "ListTrainingJobsForHyperParameterTuningJob",
                HyperParameterTuningJobName=name,
                SortBy="FinalObjectiveMetricValue",
                SortOrder=_best_first(answer),
                MaxResults=BEST_JOBS,
            )
            answer["TrainingJobSummaries"] = plain(listed["TrainingJobSummaries"])
        return answer

    def _prepare_registration(self, request: dict[str, Any]) -> None:
        """Pipelines makes the group of a version if there is none, and says on the version who made it."""
        group = request.get("ModelPackageGroupName")
        if group:
            try:
                self._call("DescribeModelPackageGroup", ModelPackageGroupName=group)
            except ClientError:
                try:
                    self._call("CreateModelPackageGroup", ModelPackageGroupName=group)
                except ClientError as error:
                    log.info("CreateModelPackageGroup %s: %s", group, error)  # CreateModelPackage says more
        origin = request.setdefault("MetadataProperties", {})
        origin.setdefault("GeneratedBy", self._execution.arn)

    # -- cache ---------------------------------------------------------------------------------------------
    def _from_cache(self, step: Step, record: StepRecord, request: dict[str, Any]) -> Ended | None:
        config = step.raw.get("CacheConfig") or {}
        record.signature = signature(step.type, request)
        if not config.get("Enabled") or record.signature is None:
            return None
        found = self._book.cached(
            self._execution.pipeline_arn, step.name, record.signature, config, time.time()
        )
        if found is None:
            return None
        source, old = found
        record.cached_from, record.metadata, record.attempts = source.arn, old.metadata, 0
        return Ended(SUCCEEDED, properties=old.properties)

    # -- steps that are no resource ------------------------------------------------------------------------
    def _condition(self, step: Step, record: StepRecord) -> Ended:
        resolved = resolve(step.arguments["Conditions"], self._values())
        outcome = all(conditions.holds(item) for item in resolved)
        record.metadata = {"Condition": {"Outcome": str(outcome)}}
        return Ended(SUCCEEDED, properties={"Outcome": str(outcome)}, outcome=outcome)

    def _fail(self, step: Step, record: StepRecord) -> Ended:
        message = resolve(step.arguments.get("ErrorMessage", ""), self._values())
        message = message if isinstance(message, str) else json.dumps(message)
        record.metadata = {"Fail": {"ErrorMessage": message[:3072]}}
        return Ended(FAILED, message or "The Fail step was reached.", halts=True)

    def _lambda(self, step: Step, record: StepRecord) -> Ended | None:
        arn = resolve(step.raw["FunctionArn"], self._values())
        payload = resolve(step.arguments, self._values())
        if ended := self._from_cache(step, record, {"FunctionArn": arn, "Payload": payload}):
            return ended
        record.metadata = {"Lambda": {"Arn": arn}}
        attempt = record.attempts

        def work() -> None:
            ended, outputs = functions.invoke(self._app, self._execution, step, arn, payload)
            if outputs:
                record.metadata = {"Lambda": {"Arn": arn, "OutputParameters": outputs}}
            self.engine.post(step.name, attempt, ended)

        threading.Thread(target=work, name=f"lambda-step-{step.name}", daemon=True).start()
        return None

    def _callback(self, step: Step, record: StepRecord) -> Ended | None:
        url = resolve(step.raw["SqsQueueUrl"], self._values())
        payload = resolve(step.arguments, self._values())
        token = self._callbacks.open(self.engine, step, record.attempts)
        record.metadata = {"Callback": {"CallbackToken": token, "SqsQueueUrl": url}}
        ended = send(self._app, self._execution, record, payload, "Executing")
        if ended:
            self._callbacks.close(token)
        return ended


def _best_first(tuning: dict[str, Any]) -> str:
    config = tuning.get("HyperParameterTuningJobConfig") or {}
    objective = config.get("HyperParameterTuningJobObjective") or (
        (tuning.get("TrainingJobDefinition") or {}).get("TuningObjective") or {}
    )
    return "Ascending" if objective.get("Type") == "Minimize" else "Descending"
