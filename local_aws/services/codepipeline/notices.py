"""The events of pipelines, stages and actions.

Shapes: CodePipeline user guide, "Monitoring CodePipeline events" (detail types, states, fields).
"""

import time
from typing import Any

from local_aws.services.codepipeline.executions import ActionRun, Execution


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


class Notices:
    """Sends them. Safe with the engine's lock held: an event is only put on disk here."""

    def __init__(self, app: Any):
        self._app = app

    def _send(self, kind: str, execution: Execution, detail: dict) -> None:
        from local_aws.services.events import emit

        emit(
            self._app,
            "aws.codepipeline",
            f"CodePipeline {kind} Execution State Change",
            {
                "pipeline": execution.pipeline,
                "execution-id": execution.id,
                "version": execution.version,
                **detail,
            },
            [execution.arn],
            execution.account,
            execution.region,
        )

    def pipeline(self, execution: Execution, state: str) -> None:
        trigger = {
            "trigger-type": execution.trigger["triggerType"],
            "trigger-detail": execution.trigger["triggerDetail"],
        }
        detail = {
            "start-time": _stamp(execution.started),
            "state": state,
            "execution-trigger": trigger,
            "pipeline-execution-attempt": max(execution.attempts.values(), default=1),
        }
        self._send("Pipeline", execution, detail)

    def stage(self, execution: Execution, stage: str, state: str) -> None:
        detail = {
            "start-time": _stamp(time.time()),
            "stage": stage,
            "state": state,
            "pipeline-execution-attempt": execution.attempts.get(stage, 1),
        }
        self._send("Stage", execution, detail)

    def action(self, execution: Execution, declaration: dict, run: ActionRun, state: str) -> None:
        kind = declaration["actionTypeId"]
        detail: dict[str, Any] = {
            "start-time": _stamp(run.started),
            "stage": run.stage,
            "action": run.action,
            "action-execution-id": run.id,
            "region": declaration.get("region") or execution.region,
            "state": state,
            "type": {name: kind[name] for name in ("owner", "provider", "category", "version")},
            "pipeline-execution-attempt": execution.attempts.get(run.stage, 1),
        }
        for field, places in (("input-artifacts", run.inputs), ("output-artifacts", run.artifacts)):
            if places:
                detail[field] = [
                    {"name": name, "s3location": {"bucket": place["bucket"], "key": place["key"]}}
                    for name, place in places.items()
                ]
        if state in ("SUCCEEDED", "FAILED"):
            result = {
                "external-execution-id": run.external_id,
                "external-execution-url": run.external_url,
                "external-execution-summary": run.error["message"] if run.error else run.summary,
            }
            if run.error:
                result["error-code"] = run.error["code"]
            detail["execution-result"] = {k: v for k, v in result.items() if v}
        self._send("Action", execution, detail)
