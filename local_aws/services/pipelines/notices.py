"""EventBridge events of executions and steps, in the shapes of AWS's 'Events that Amazon SageMaker AI sends
to Amazon EventBridge'."""

from datetime import UTC, datetime
from typing import Any

from local_aws.services.pipelines.records import Execution, StepRecord

EXECUTION = "SageMaker Model Building Pipeline Execution Status Change"
STEP = "SageMaker Model Building Pipeline Execution Step Status Change"


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def execution_detail(execution: Execution, before: str | None) -> dict[str, Any]:
    """`detail` of `EXECUTION`; `before`: the status that it had, None when it has just begun."""
    detail = {
        "pipelineExecutionDescription": execution.description,
        "pipelineExecutionDisplayName": execution.display_name,
        "currentPipelineExecutionStatus": execution.status,
        "previousPipelineExecutionStatus": before,
        "executionStartTime": _iso(execution.created),
        "executionEndTime": _iso(execution.modified) if execution.final else None,
        "pipelineArn": execution.pipeline_arn,
        "pipelineExecutionArn": execution.arn,
    }
    return {k: v for k, v in detail.items() if v is not None}


def step_detail(execution: Execution, record: StepRecord, before: str | None) -> dict[str, Any]:
    """`detail` of `STEP`; `before`: the status that the step had."""
    metadata = {
        kind[0].lower() + kind[1:]: {k[0].lower() + k[1:]: v for k, v in inner.items() if isinstance(v, str)}
        for kind, inner in record.metadata.items()
    }
    detail = {
        "metadata": metadata,
        "stepName": record.name,
        "stepType": record.type,
        "stepStartTime": _iso(record.started),
        "stepEndTime": _iso(record.ended),
        "failureReason": record.reason,
        "cacheHitResult": {"sourcePipelineExecutionArn": record.cached_from} if record.cached_from else None,
        "currentStepStatus": record.status,
        "previousStepStatus": before,
        "pipelineArn": execution.pipeline_arn,
        "pipelineExecutionArn": execution.arn,
    }
    return {k: v for k, v in detail.items() if v is not None}
