"""What the API shows of executions: shapes of the CodePipeline API reference."""

from typing import Any

from local_aws.services.codepipeline.engine import Pipeline
from local_aws.services.codepipeline.executions import ActionRun, Execution


def _filled(value: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty: AWS leaves it out."""
    return {k: v for k, v in value.items() if v not in (None, "", {}, [])}


def _revision(run: ActionRun) -> dict[str, Any]:
    (name, place), *_ = run.artifacts.items()
    return _filled(
        {
            "name": name,
            "revisionId": place["revision"],
            "revisionSummary": place.get("summary"),
            "created": run.updated,
        }
    )


def execution_details(execution: Execution) -> dict[str, Any]:
    """PipelineExecution of GetPipelineExecution."""
    return _filled(
        {
            "pipelineName": execution.pipeline,
            "pipelineVersion": execution.version,
            "pipelineExecutionId": execution.id,
            "status": execution.status,
            "statusSummary": execution.summary,
            "artifactRevisions": [_revision(run) for run in execution.revisions],
            "variables": [
                {"name": name, "resolvedValue": value} for name, value in execution.variables.items()
            ],
            "trigger": execution.trigger,
            "executionMode": execution.structure["executionMode"],
            "executionType": "STANDARD",
        }
    )


def execution_summary(execution: Execution) -> dict[str, Any]:
    """PipelineExecutionSummary of ListPipelineExecutions."""
    return _filled(
        {
            "pipelineExecutionId": execution.id,
            "status": execution.status,
            "statusSummary": execution.summary,
            "startTime": execution.started,
            "lastUpdateTime": execution.updated,
            "sourceRevisions": [
                _filled(
                    {
                        "actionName": run.action,
                        "revisionId": _revision(run)["revisionId"],
                        "revisionSummary": _revision(run).get("revisionSummary"),
                    }
                )
                for run in execution.revisions
            ],
            "trigger": execution.trigger,
            "stopTrigger": {"reason": execution.stop["reason"]} if execution.stop else None,
            "executionMode": execution.structure["executionMode"],
            "executionType": "STANDARD",
        }
    )


def action_details(execution: Execution, run: ActionRun, declaration: dict) -> dict[str, Any]:
    """ActionExecutionDetail of ListActionExecutions."""

    def places(artifacts: dict[str, dict]) -> list[dict]:
        return [
            {"name": name, "s3location": {"bucket": place["bucket"], "key": place["key"]}}
            for name, place in artifacts.items()
        ]

    result = {
        "externalExecutionId": run.external_id,
        "externalExecutionSummary": run.summary,
        "externalExecutionUrl": run.external_url,
        "errorDetails": run.error,
    }
    return _filled(
        {
            "pipelineExecutionId": execution.id,
            "actionExecutionId": run.id,
            "pipelineVersion": execution.version,
            "stageName": run.stage,
            "actionName": run.action,
            "startTime": run.started,
            "lastUpdateTime": run.updated,
            "updatedBy": run.updated_by,
            "status": run.status,
            "input": _filled(
                {
                    "actionTypeId": declaration["actionTypeId"],
                    "configuration": declaration["configuration"],
                    "resolvedConfiguration": run.configuration,
                    "roleArn": declaration.get("roleArn"),
                    "region": declaration.get("region") or execution.region,
                    "inputArtifacts": places(run.inputs),
                    "namespace": declaration.get("namespace"),
                }
            ),
            "output": _filled(
                {
                    "outputArtifacts": places(run.artifacts),
                    "executionResult": _filled(result),
                    "outputVariables": run.variables,
                }
            ),
        }
    )


def _short(execution: Execution, status: str) -> dict[str, Any]:
    return {"pipelineExecutionId": execution.id, "status": status, "type": "STANDARD"}


def _action_state(pipeline: Pipeline, stage: str, action: dict) -> dict[str, Any]:
    """The action's newest run, of whichever execution."""
    runs = [
        (execution, run)
        for execution in pipeline.executions.values()
        for run in execution.runs
        if (run.stage, run.action) == (stage, action["name"])
    ]
    state: dict[str, Any] = {"actionName": action["name"]}
    if not runs:
        return state
    _, run = max(runs, key=lambda pair: pair[1].started)
    state["latestExecution"] = _filled(
        {
            "actionExecutionId": run.id,
            "status": run.status,
            "summary": run.summary,
            "lastStatusChange": run.updated,
            "token": run.token if run.decision is None else None,
            "lastUpdatedBy": run.updated_by,
            "externalExecutionId": run.external_id,
            "externalExecutionUrl": run.external_url,
            "errorDetails": run.error,
        }
    )
    for place in run.artifacts.values():
        if "revision" in place:
            state["currentRevision"] = {
                "revisionId": place["revision"],
                "revisionChangeId": place["revision"],
                "created": run.updated,
            }
    return state


def _stage_state(pipeline: Pipeline, structure: dict, stage: dict, number: int) -> dict[str, Any]:
    name = stage["name"]
    disabled = pipeline.transitions.get(name)
    waiting = [
        _short(execution, execution.status)
        for execution in pipeline.executions.values()
        if not execution.ended
        and execution.waiting_for is not None
        and execution.stage_names[execution.waiting_for] == name
    ]
    latest = pipeline.executions.get(pipeline.latest.get(name, ""))
    return _filled(
        {
            "stageName": name,
            "inboundExecution": waiting[0] if waiting else None,
            "inboundExecutions": waiting,
            "inboundTransitionState": {"enabled": False, **disabled} if disabled else {"enabled": True},
            "actionStates": [_action_state(pipeline, name, action) for action in stage["actions"]],
            "latestExecution": _short(latest, latest.stages.get(name, latest.status)) if latest else None,
        }
    )


def pipeline_state(pipeline: Pipeline, structure: dict, created: Any, updated: Any) -> dict[str, Any]:
    """The answer of GetPipelineState."""
    stages = enumerate(structure["stages"])
    return {
        "pipelineName": structure["name"],
        "pipelineVersion": structure["version"],
        "stageStates": [_stage_state(pipeline, structure, stage, number) for number, stage in stages],
        "created": created,
        "updated": updated,
    }
