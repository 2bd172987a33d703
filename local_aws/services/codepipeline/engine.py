"""Executions on their way through the stages of their pipelines.

`Engine.lock` guards everything here. Who holds it never takes the app's lock; API methods come with the app's
lock held, so the order is always the app's lock first.
"""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from local_aws.services.codepipeline.executions import KIND as EXECUTION_KIND
from local_aws.services.codepipeline.executions import ActionRun, Execution
from local_aws.services.codepipeline.flow import Change, Flow
from local_aws.services.codepipeline.messages import Mailbox
from local_aws.services.codepipeline.notices import Notices
from local_aws.services.codepipeline.stages import StageRunner
from local_aws.state.documents import Document

log = logging.getLogger("local_aws")
PIPELINE_KIND = "codepipeline-pipeline"
SERVER_DIED = "The local AWS was stopped while this action ran. Try again with RetryStageExecution."

Key = tuple[str, str, str]  # account, region, name


@dataclass
class Pipeline:
    """What happens in one pipeline. `transitions`: stage -> its disabled inbound transition. `latest`: stage -> the
    execution that was in it last. `flows`: by the names of the stages, for an updated pipeline has others."""

    key: Key
    executions: dict[str, Execution] = field(default_factory=dict)
    transitions: dict[str, dict] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)
    flows: dict[tuple[str, ...], Flow] = field(default_factory=dict)

    def flow(self, execution: Execution) -> Flow:
        names = execution.stage_names
        mode = execution.structure.get("executionMode", "SUPERSEDED")
        if names not in self.flows:
            flow = self.flows[names] = Flow(len(names), mode)
            for number, name in enumerate(names):
                flow.places[number].open = name not in self.transitions
        self.flows[names].mode = mode
        return self.flows[names]

    def document(self) -> Document:
        value = {"transitions": self.transitions, "latest": self.latest}
        return Document(PIPELINE_KIND, *self.key, value)


class Engine:
    """One a server."""

    def __init__(self, app: Any):
        self.app, self.lock, self.mailbox = app, threading.RLock(), Mailbox()
        self.pipelines: dict[Key, Pipeline] = {}
        self.notices, self.stages = Notices(app), StageRunner(self)
        self.closing = False
        app.on_start(self.recover)
        app.on_stop(self.stop_server)
        app.status(self.status)

    # -- records -------------------------------------------------------------------------------------------
    def pipeline(self, key: Key) -> Pipeline:
        """What is kept of a pipeline; empty for one that never ran. Hold `lock`."""
        return self.pipelines.setdefault(key, Pipeline(key))

    def save(self, *executions: Execution, pipeline: Pipeline | None = None) -> None:
        """On disk on return."""
        if self.closing:
            return
        documents = []
        for execution in executions:
            key = (execution.account, execution.region, execution.pipeline)
            if (
                key in self.pipelines and execution.id in self.pipelines[key].executions
            ):  # not deleted meanwhile
                execution.updated = time.time()
                documents.append(execution.document())
        self.app.documents.write(put=documents + ([pipeline.document()] if pipeline else []))

    def forget(self, key: Key) -> None:
        """The pipeline is deleted: so is its history, and what runs is abandoned."""
        with self.lock:
            pipeline = self.pipelines.pop(key, None)
            if pipeline is None:
                return
            for execution in pipeline.executions.values():
                if not execution.ended:
                    self._abandon(execution)
                    execution.status = "Cancelled"
            documents = [execution.document() for execution in pipeline.executions.values()]
            self.app.documents.write(remove=[*documents, pipeline.document()])

    # -- in ------------------------------------------------------------------------------------------------
    def start(
        self,
        key: Key,
        structure: dict[str, Any],
        trigger: dict[str, str],
        variables: dict[str, str] | None = None,
        overrides: dict[str, dict] | None = None,
        request_token: str | None = None,
    ) -> str:
        """Begin an execution; its id. The same request token gives the execution that it began."""
        with self.lock:
            pipeline = self.pipeline(key)
            for known in pipeline.executions.values() if request_token else ():
                if known.request_token == request_token:
                    return known.id
            execution = Execution(
                *key,
                number=max((e.number for e in pipeline.executions.values()), default=0) + 1,
                structure=structure,
                trigger=trigger,
                variables=variables or {},
                overrides=overrides or {},
                request_token=request_token,
            )
            execution.waiting_for = 0
            pipeline.executions[execution.id] = execution
            self.save(execution)
            self.notices.pipeline(execution, "STARTED")
            self.apply(pipeline, pipeline.flow(execution).arrive(execution.id, 0))
            return execution.id

    def apply(self, pipeline: Pipeline, change: Change, also: Iterable[Execution] = ()) -> None:
        """Make a change of the flow true: records, events, threads. Hold `lock`. `also`: changed as well."""
        changed = {execution.id: execution for execution in also}
        for name in change.superseded:
            execution = changed[name] = pipeline.executions[name]
            execution.waiting_for = None
            newer = max(pipeline.executions.values(), key=lambda e: e.number)
            self.finish(execution, "Superseded", f"Superseded by a newer execution: {newer.id}")
        entering = []
        for name, number in change.entered:
            execution = changed[name] = pipeline.executions[name]
            stage = execution.stage_names[number]
            execution.waiting_for, execution.in_stage = None, number
            execution.stages[stage] = "InProgress"
            execution.attempts[stage] = execution.attempts.get(stage, 0) + 1
            execution.current[stage] = []
            pipeline.latest[stage] = execution.id
            entering.append((execution, number))
        self.save(*changed.values(), pipeline=pipeline)
        for execution, number in entering:
            self.notices.stage(execution, execution.stage_names[number], "STARTED")
            self.run_stage(pipeline, execution, number)

    def run_stage(self, pipeline: Pipeline, execution: Execution, number: int) -> None:
        threading.Thread(
            target=self.stages.run,
            args=(pipeline, execution, number, execution.attempts[execution.stage_names[number]]),
            name=f"pipeline-{execution.pipeline}",
            daemon=True,
        ).start()

    def finish(self, execution: Execution, status: str, summary: str = "") -> None:
        """Its final status. Hold `lock`; the caller saves."""
        execution.status, execution.summary = status, summary
        self.notices.pipeline(execution, status.upper())

    # -- the end of a stage --------------------------------------------------------------------------------
    def in_attempt(self, execution: Execution, number: int, attempt: int) -> bool:
        """Is the execution still in this attempt of the stage? Not after it was stopped, or tried again."""
        here = not self.closing and not execution.ended and execution.in_stage == number
        return here and execution.attempts[execution.stage_names[number]] == attempt

    def stage_ended(
        self, pipeline: Pipeline, execution: Execution, number: int, status: str, why: str
    ) -> None:
        """`status` of the stage: Succeeded, Failed or Stopped. The execution goes on, or is at its end. Hold
        `lock`."""
        stage, flow = execution.stage_names[number], pipeline.flow(execution)
        execution.stages[stage], execution.in_stage = status, None
        if status == "Stopped":
            self._abandon(execution)
        self.notices.stage(execution, stage, status.upper())
        last = number + 1 == len(execution.stage_names)
        if status == "Succeeded" and not last and execution.stop is None:
            execution.waiting_for = number + 1
            change = flow.advance(execution.id, number)
        else:
            change = flow.release(execution.id, number)
            if status == "Succeeded" and not last:
                status, why = "Stopped", execution.stop["reason"]
            self.finish(execution, status, why)
        self.apply(pipeline, change, also=[execution])

    # -- control -------------------------------------------------------------------------------------------
    def stop(self, pipeline: Pipeline, execution: Execution, abandon: bool, reason: str) -> None:
        """Stop an execution that is in progress. Hold `lock`."""
        execution.stop = {"abandon": abandon, "reason": reason}
        flow = pipeline.flow(execution)
        if flow.drop(execution.id):
            execution.waiting_for = None
            self.finish(execution, "Stopped", reason)
            self.save(execution)
            return
        if execution.status != "Stopping":
            execution.status = "Stopping"
            self.notices.pipeline(execution, "STOPPING")
        if execution.in_stage is not None:
            execution.stages[execution.stage_names[execution.in_stage]] = "Stopping"
        if abandon:
            self._abandon(execution)
            self.save(execution)
            self.stage_ended(pipeline, execution, execution.in_stage, "Stopped", reason)
        else:
            self.save(execution)

    def _abandon(self, execution: Execution) -> None:
        for run in execution.runs:
            if run.status == "InProgress":
                run.status, run.updated, run.token = "Abandoned", time.time(), ""
                self.notices.action(execution, self.stages.declaration(execution, run), run, "ABANDONED")
                self.mailbox.close(("run", run.id))

    def retry(self, pipeline: Pipeline, execution: Execution, number: int, all_actions: bool) -> bool:
        """Run the failed actions of a stage again, or all of them; False when another execution is in it. Hold
        `lock`."""
        if not pipeline.flow(execution).enter_again(execution.id, number):
            return False
        stage = execution.stage_names[number]
        kept = [] if all_actions else [r.id for r in execution.runs_now(stage) if r.status == "Succeeded"]
        execution.status, execution.summary, execution.stop = "InProgress", "", None
        execution.in_stage, execution.stages[stage] = number, "InProgress"
        execution.attempts[stage] += 1
        execution.current[stage] = kept
        self.save(execution)
        self.notices.pipeline(execution, "RESUMED")
        self.notices.stage(execution, stage, "RESUMED")
        self.run_stage(pipeline, execution, number)
        return True

    def set_transition(self, pipeline: Pipeline, stage: str, disabled: dict | None) -> None:
        """Enable (None) or disable the way into a stage. Hold `lock`."""
        if disabled is None:
            pipeline.transitions.pop(stage, None)
        else:
            pipeline.transitions[stage] = disabled
        change = Change()
        for names, flow in pipeline.flows.items():
            if stage in names:
                change += flow.set_open(names.index(stage), disabled is None)
        self.apply(pipeline, change)

    # -- life ----------------------------------------------------------------------------------------------
    def recover(self) -> None:
        """Put everything where it was. An approval goes on waiting; what ran as a process has failed."""
        with self.app.lock, self.lock:
            for document in self.app.documents.all(PIPELINE_KIND):
                key = (document.account, document.region, document.name)
                self.pipelines[key] = Pipeline(key, **document.value)
            for document in self.app.documents.all(EXECUTION_KIND):
                execution = Execution.of(document)
                key = (execution.account, execution.region, execution.pipeline)
                self.pipeline(key).executions[execution.id] = execution
            for pipeline in list(self.pipelines.values()):
                account, region, name = pipeline.key
                if name in self.app.backend("codepipeline", account, region).pipelines:
                    self._recover(pipeline)
                else:  # its creation was not acknowledged
                    self.forget(pipeline.key)

    def _recover(self, pipeline: Pipeline) -> None:
        alive = [e for e in pipeline.executions.values() if not e.ended]
        for execution in alive:  # first who is where, then who moves
            flow = pipeline.flow(execution)
            if execution.in_stage is not None:
                flow.places[execution.in_stage].holder = execution.id
            elif execution.waiting_for is not None:
                flow.places[execution.waiting_for].waiting.append(execution.id)
        for execution in alive:
            if execution.in_stage is not None:
                for run in execution.runs:
                    if run.status == "InProgress" and not run.token:
                        self.end_run(execution, run, ("JobFailed", SERVER_DIED))
                self.save(execution)
                self.run_stage(pipeline, execution, execution.in_stage)
        for flow in list(pipeline.flows.values()):
            for number in range(len(flow.places)):
                self.apply(pipeline, flow.set_open(number, flow.places[number].open))

    def end_run(self, execution: Execution, run: ActionRun, error: tuple[str, str] | None) -> None:
        """The end of an action; `error` is (code, message). Hold `lock`; the caller saves."""
        run.updated = time.time()
        run.status, run.token = ("Failed" if error else "Succeeded"), ""
        if error:
            run.error = {"code": error[0], "message": error[1][:2000]}
        self.notices.action(execution, self.stages.declaration(execution, run), run, run.status.upper())

    def stop_server(self) -> None:
        """What runs ends with the processes; the next start says so (`recover`)."""
        with self.lock:
            self.closing = True

    def status(self) -> list[dict]:
        with self.lock:
            return [
                {
                    "kind": "pipeline execution",
                    "name": f"{execution.pipeline}/{execution.id}",
                    "status": execution.status,
                    "since": execution.started,
                    "pids": [],
                }
                for pipeline in self.pipelines.values()
                for execution in pipeline.executions.values()
                if not execution.ended
            ]
