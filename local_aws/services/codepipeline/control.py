"""The API of executions: starting, watching, approving, stopping, trying again, transitions, job results."""

import json
import time
from typing import Any

from moto.codepipeline.responses import CodePipelineResponse

from local_aws.services.accounts import shown_caller
from local_aws.services.codepipeline import views
from local_aws.services.codepipeline.engine import Engine, Pipeline
from local_aws.services.codepipeline.errors import error, no_pipeline
from local_aws.services.codepipeline.executions import ActionRun, Execution
from local_aws.services.codepipeline.starting import begin


def _page(response: CodePipelineResponse, items: list, most: int = 100) -> tuple[list, str | None]:
    token, size = response._get_param("nextToken"), min(response._get_param("maxResults") or most, most)
    if token is not None and not str(token).isdigit():
        raise error("InvalidNextTokenException", "The next token was specified in an invalid format")
    begin_at = int(token or 0)
    more = str(begin_at + size) if begin_at + size < len(items) else None
    return items[begin_at : begin_at + size], more


class Control:
    """The operations; `install` makes them methods of moto's response class."""

    def __init__(self, engine: Engine):
        self.engine = engine

    # -- look-ups (with the engine's lock held) ------------------------------------------------------------
    def _pipeline(self, call: CodePipelineResponse, field: str = "pipelineName") -> tuple[Pipeline, Any]:
        """What happens in the pipeline, and moto's record of it."""
        name = call._get_param(field)
        record = call.codepipeline_backend.pipelines.get(name)
        if record is None:
            raise no_pipeline(call.current_account, name)
        return self.engine.pipeline((call.current_account, call.region, name)), record

    def _execution(self, call: CodePipelineResponse, pipeline: Pipeline) -> Execution:
        wanted = call._get_param("pipelineExecutionId")
        if wanted not in pipeline.executions:
            raise error(
                "PipelineExecutionNotFoundException",
                f"Account '{call.current_account}' does not have an execution with id '{wanted}' for pipeline "
                f"'{pipeline.key[2]}'",
            )
        return pipeline.executions[wanted]

    @staticmethod
    def _stage(call: CodePipelineResponse, record: Any) -> str:
        name = call._get_param("stageName")
        if name not in [stage["name"] for stage in record.pipeline["stages"]]:
            raise error(
                "StageNotFoundException",
                f"Pipeline '{record.pipeline['name']}' does not have a stage with name '{name}'",
            )
        return name

    # -- starting and watching -----------------------------------------------------------------------------
    def start_pipeline_execution(self, call: CodePipelineResponse) -> dict:
        trigger = {"triggerType": "StartPipelineExecution", "triggerDetail": shown_caller(call)}
        given = {name: call._get_param(name) for name in ("variables", "sourceRevisions")}
        token = call._get_param("clientRequestToken")
        name, account = call._get_param("name"), call.current_account
        return {
            "pipelineExecutionId": begin(
                self.engine, name, account, call.region, trigger, **given, token=token
            )
        }

    def get_pipeline_state(self, call: CodePipelineResponse) -> dict:
        pipeline, record = self._pipeline(call, "name")
        times = record.metadata
        return views.pipeline_state(pipeline, record.pipeline, times["created"], times["updated"])

    def get_pipeline_execution(self, call: CodePipelineResponse) -> dict:
        pipeline, _ = self._pipeline(call)
        return {"pipelineExecution": views.execution_details(self._execution(call, pipeline))}

    def list_pipeline_executions(self, call: CodePipelineResponse) -> dict:
        pipeline, _ = self._pipeline(call)
        wanted = (call._get_param("filter") or {}).get("succeededInStage") or {}
        stage = wanted.get("stageName")
        found = sorted(pipeline.executions.values(), key=lambda e: -e.number)
        found = [e for e in found if stage is None or e.stages.get(stage) == "Succeeded"]
        page, more = _page(call, found)
        return {
            "pipelineExecutionSummaries": [views.execution_summary(execution) for execution in page],
            "nextToken": more,
        }

    def list_action_executions(self, call: CodePipelineResponse) -> dict:
        pipeline, _ = self._pipeline(call)
        wanted = (call._get_param("filter") or {}).get("pipelineExecutionId")
        runs = [
            (execution, run)
            for execution in pipeline.executions.values()
            if wanted in (None, execution.id)
            for run in execution.runs
        ]
        page, more = _page(call, sorted(runs, key=lambda pair: -pair[1].started))
        declaration = self.engine.stages.declaration
        return {
            "actionExecutionDetails": [
                views.action_details(execution, run, declaration(execution, run)) for execution, run in page
            ],
            "nextToken": more,
        }

    # -- approving -----------------------------------------------------------------------------------------
    def put_approval_result(self, call: CodePipelineResponse) -> dict:
        pipeline, record = self._pipeline(call)
        stage, action = self._stage(call, record), call._get_param("actionName")
        result, token = call._get_param("result"), call._get_param("token")
        declared = next(s for s in record.pipeline["stages"] if s["name"] == stage)["actions"]
        if action not in [one["name"] for one in declared]:
            raise error(
                "ActionNotFoundException", f"Stage '{stage}' does not have an action with name '{action}'"
            )
        if result["status"] not in ("Approved", "Rejected"):
            raise error(
                "ValidationException", f"The status {result['status']} is neither Approved nor Rejected"
            )
        runs = [
            (execution, run)
            for execution in pipeline.executions.values()
            for run in execution.runs
            if (run.stage, run.action) == (stage, action)
        ]
        if not any(run.status == "InProgress" and run.decision is None for _, run in runs):
            raise error("ApprovalAlreadyCompletedException", "The approval action has already been completed")
        found = [
            (e, run) for e, run in runs if run.status == "InProgress" and run.token and run.token == token
        ]
        if not found:
            raise error(
                "InvalidApprovalTokenException", "The approval token is not valid: GetPipelineState has it"
            )
        execution, run = found[0]
        summary = result.get("summary") or ""
        run.decision = {"status": result["status"], "summary": summary, "by": shown_caller(call)}
        self.engine.save(execution)  # what is acknowledged counts, also after a kill
        self.engine.mailbox.post(("approval", token), "decided")
        return {"approvedAt": time.time()}

    # -- stopping and trying again -------------------------------------------------------------------------
    def stop_pipeline_execution(self, call: CodePipelineResponse) -> dict:
        pipeline, _ = self._pipeline(call)
        execution, abandon = self._execution(call, pipeline), bool(call._get_param("abandon"))
        if execution.ended:
            raise error(
                "PipelineExecutionNotStoppableException",
                f"The execution {execution.id} is {execution.status}: only one that is in progress can be stopped",
            )
        if execution.stop is not None and (execution.stop["abandon"] or not abandon):
            raise error(
                "DuplicatedStopRequestException", f"The execution {execution.id} is being stopped already"
            )
        reason = call._get_param("reason") or "Stopped by StopPipelineExecution"
        self.engine.stop(pipeline, execution, abandon, reason)
        return {"pipelineExecutionId": execution.id}

    def retry_stage_execution(self, call: CodePipelineResponse) -> dict:
        pipeline, record = self._pipeline(call)
        stage, mode = self._stage(call, record), call._get_param("retryMode")
        execution = self._execution(call, pipeline)
        if mode not in ("FAILED_ACTIONS", "ALL_ACTIONS"):
            raise error("ValidationException", f"retryMode {mode} is neither FAILED_ACTIONS nor ALL_ACTIONS")
        if execution.stages.get(stage) not in ("Failed", "Stopped") or not execution.ended:
            raise error(
                "StageNotRetryableException",
                f"Stage '{stage}' of execution {execution.id} has not failed: there is nothing to try again",
            )
        if pipeline.latest.get(stage) != execution.id:
            raise error(
                "NotLatestPipelineExecutionException",
                f"The stage '{stage}' has been entered by a newer execution: {pipeline.latest.get(stage)}",
            )
        number = execution.stage_names.index(stage)
        if not self.engine.retry(pipeline, execution, number, mode == "ALL_ACTIONS"):
            raise error("ConflictException", f"Another execution is in the stage '{stage}'. Try again later")
        return {"pipelineExecutionId": execution.id}

    # -- transitions ---------------------------------------------------------------------------------------
    def enable_stage_transition(self, call: CodePipelineResponse) -> dict:
        return self._transition(call, None)

    def disable_stage_transition(self, call: CodePipelineResponse) -> dict:
        reason = call._get_param("reason")
        return self._transition(
            call,
            {"lastChangedBy": shown_caller(call), "lastChangedAt": time.time(), "disabledReason": reason},
        )

    def _transition(self, call: CodePipelineResponse, disabled: dict | None) -> dict:
        pipeline, record = self._pipeline(call)
        stage = self._stage(call, record)
        if call._get_param("transitionType") != "Inbound":
            raise error("ValidationException", "local_aws only emulates the transition type Inbound")
        self.engine.set_transition(pipeline, stage, disabled)
        return {}

    # -- jobs of functions ---------------------------------------------------------------------------------
    def _job(self, call: CodePipelineResponse) -> tuple[Execution, ActionRun]:
        wanted = call._get_param("jobId")
        for pipeline in self.engine.pipelines.values():
            if pipeline.key[0] == call.current_account:
                for execution in pipeline.executions.values():
                    for run in execution.runs:
                        if run.id == wanted:
                            return execution, run
        raise error("JobNotFoundException", f"The job {wanted} does not exist")

    def _answer_job(self, call: CodePipelineResponse, result: dict) -> dict:
        _, run = self._job(call)
        if run.status != "InProgress":
            raise error("InvalidJobStateException", f"The job {run.id} is {run.status}: it takes no result")
        self.engine.mailbox.post(("job", run.id), result)
        return {}

    def put_job_success_result(self, call: CodePipelineResponse) -> dict:
        names = ("continuationToken", "executionDetails", "outputVariables", "currentRevision")
        return self._answer_job(call, {name: call._get_param(name) for name in names})

    def put_job_failure_result(self, call: CodePipelineResponse) -> dict:
        return self._answer_job(call, {"failureDetails": call._get_param("failureDetails")})


ACTIONS = {
    "StartPipelineExecution": Control.start_pipeline_execution,
    "GetPipelineState": Control.get_pipeline_state,
    "GetPipelineExecution": Control.get_pipeline_execution,
    "ListPipelineExecutions": Control.list_pipeline_executions,
    "ListActionExecutions": Control.list_action_executions,
    "PutApprovalResult": Control.put_approval_result,
    "StopPipelineExecution": Control.stop_pipeline_execution,
    "RetryStageExecution": Control.retry_stage_execution,
    "EnableStageTransition": Control.enable_stage_transition,
    "DisableStageTransition": Control.disable_stage_transition,
    "PutJobSuccessResult": Control.put_job_success_result,
    "PutJobFailureResult": Control.put_job_failure_result,
}


def install(engine: Engine) -> list[str]:
    """Give moto's response class these operations; the actions that it then answers."""
    control = Control(engine)

    def method(operation: Any) -> Any:
        def respond(self: CodePipelineResponse) -> str:
            with engine.lock:
                return json.dumps(operation(control, self))

        return respond

    for operation in ACTIONS.values():
        setattr(CodePipelineResponse, operation.__name__, method(operation))
    return list(ACTIONS)
