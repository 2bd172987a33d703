"""One execution in one stage: its actions in the order of their runOrder, those of one order side by side."""

import logging
import threading
from typing import TYPE_CHECKING, Any

from local_aws.services.codepipeline.actions import ActionFailed, Context, run
from local_aws.services.codepipeline.executions import ActionRun, Execution
from local_aws.services.codepipeline.messages import Closed

if TYPE_CHECKING:
    from local_aws.services.codepipeline.engine import Engine, Pipeline

log = logging.getLogger("local_aws")


class StageRunner:
    """Runs in a thread a stage. What it finds done already (a retry, a restart) it does not do again."""

    def __init__(self, engine: "Engine"):
        self._engine = engine

    @staticmethod
    def declaration(execution: Execution, action_run: ActionRun) -> dict[str, Any]:
        for stage in execution.structure["stages"]:
            for action in stage["actions"]:
                if (stage["name"], action["name"]) == (action_run.stage, action_run.action):
                    return action
        raise KeyError(action_run.action)

    def run(self, pipeline: "Pipeline", execution: Execution, number: int, attempt: int) -> None:
        stage = execution.structure["stages"][number]
        try:
            status, why = self._run(execution, number, attempt)
        except Exception as error:  # a fault of this program must not leave the stage in progress
            log.exception("stage %s of pipeline %s", stage["name"], execution.pipeline)
            status, why = "Failed", f"local_aws: {type(error).__name__}: {error}"
        with self._engine.lock:
            if self._engine.in_attempt(execution, number, attempt):
                self._engine.stage_ended(pipeline, execution, number, status, why)

    def _run(self, execution: Execution, number: int, attempt: int) -> tuple[str, str]:
        stage = execution.structure["stages"][number]
        for order in sorted({action["runOrder"] for action in stage["actions"]}):
            actions = [action for action in stage["actions"] if action["runOrder"] == order]
            with self._engine.lock:
                if not self._engine.in_attempt(execution, number, attempt):
                    return "Stopped", ""
                if execution.stop is not None:
                    return "Stopped", execution.stop["reason"]
                runs = [self._begin(execution, stage["name"], action) for action in actions]
            threads = [
                threading.Thread(target=self._act, args=(execution, action, action_run), daemon=True)
                for action, action_run in zip(actions, runs, strict=True)
                if action_run.status == "InProgress"
            ]
            for thread in threads[1:]:
                thread.start()
            if threads:
                threads[0].run()
            for thread in threads[1:]:
                thread.join()
            failed = [action_run for action_run in runs if action_run.status == "Failed"]
            if failed:
                said = failed[0].error["message"] if failed[0].error else ""
                return "Failed", f"Action {failed[0].action} of stage {stage['name']} failed: {said}"[:2000]
        return "Succeeded", ""

    def _begin(self, execution: Execution, stage: str, action: dict[str, Any]) -> ActionRun:
        """This attempt's run of the action: the one that there is, or a new one. Hold the engine's lock."""
        for known in execution.runs_now(stage):
            if known.action == action["name"]:
                return known
        made = ActionRun(stage, action["name"])
        execution.runs.append(made)
        execution.current[stage].append(made.id)
        self._engine.save(execution)
        self._engine.notices.action(execution, action, made, "STARTED")
        return made

    def _act(self, execution: Execution, action: dict[str, Any], action_run: ActionRun) -> None:
        engine = self._engine

        def changed() -> None:
            with engine.lock:
                engine.save(execution)

        error = None
        try:
            run(Context(engine.app, engine.mailbox, execution, action, action_run, changed))
        except Closed:
            return
        except ActionFailed as failure:
            error = (failure.code, str(failure))
        except Exception as failure:
            log.exception("action %s of pipeline %s", action["name"], execution.pipeline)
            error = ("JobFailed", f"local_aws: {type(failure).__name__}: {failure}")
        with engine.lock:
            if action_run.status == "InProgress" and not engine.closing:
                engine.end_run(execution, action_run, error)
                engine.save(execution)
