"""The executions that run in this server: started, told of their jobs' ends, stopped, recovered."""

import logging
import threading
import time
from typing import Any

from local_aws.server.app import LocalAwsApp
from local_aws.services.events import emit
from local_aws.services.jobs import finished
from local_aws.services.pipelines import notices
from local_aws.services.pipelines.book import Book
from local_aws.services.pipelines.callbacks import Callbacks
from local_aws.services.pipelines.definition import Definition
from local_aws.services.pipelines.engine import Engine, nodes_of
from local_aws.services.pipelines.records import Execution, StepRecord
from local_aws.services.pipelines.runner import AwsStepRunner

log = logging.getLogger("local_aws")
SERVER_DIED = (
    "InternalServerError: The local AWS was stopped while this execution was running. Start it with `local-aws "
    "start` and retry the execution (RetryPipelineExecution)."
)


class Manager:
    """Engines by execution ARN, and which job's end belongs to which of them. Its methods may be called with
    the app's lock held: what takes time happens in the executions' own threads."""

    def __init__(self, app: LocalAwsApp, book: Book):
        self.app, self.book = app, book
        self.callbacks = Callbacks()
        self.closing = False
        self._lock = threading.Lock()
        self._engines: dict[str, Engine] = {}
        self._watched: dict[tuple[str, str, str, str], tuple[Engine, str]] = {}
        self._unsaved: dict[str, dict[str, StepRecord]] = {}
        self._told: dict[tuple[str, str], str] = {}  # the last status that an event was sent of
        finished.subscribe(self._job_finished)

    # -- executions ----------------------------------------------------------------------------------------
    def start(self, execution: Execution, definition: Definition, names: set[str], chosen: set[str]) -> None:
        """Run it in a thread of its own. `names`: steps that take part; `chosen`: those of them that run."""
        selected = chosen if execution.selective else None
        nodes = nodes_of(definition, names, selected)

        def watch(kind: str, job: str, step: str) -> None:
            with self._lock:
                self._watched[kind, execution.account, execution.region, job] = (engine, step)

        def unwatch(kind: str, job: str) -> None:
            with self._lock:
                self._watched.pop((kind, execution.account, execution.region, job), None)

        runner = AwsStepRunner(self.app, execution, definition, self.book, watch, unwatch, self.callbacks)
        engine = Engine(execution, definition, nodes, runner, self)
        runner.engine = engine
        with self._lock:
            self._engines[execution.arn] = engine

        def live() -> None:
            self.execution_changed(execution)
            engine.run()
            with self._lock:
                if self._engines.get(execution.arn) is engine:
                    del self._engines[execution.arn]

        threading.Thread(target=live, name=f"pipeline-{execution.id}", daemon=True).start()

    def engine(self, arn: str) -> Engine | None:
        with self._lock:
            return self._engines.get(arn)

    def _job_finished(self, kind: str, account: str, region: str, name: str) -> None:
        with self._lock:
            found = self._watched.get((kind, account, region, name))
        if found:
            engine, step = found
            engine.job_ended(step, (kind, name))

    # -- engine.Journal ------------------------------------------------------------------------------------
    def step_changed(self, execution: Execution, record: StepRecord) -> None:
        if self.closing:
            return
        self._persist(execution, record)
        if record.status == "Succeeded":
            self.book.keep_for_cache(execution, record)
        before = self._told.get((execution.arn, record.name))
        if before != record.status:
            self._told[execution.arn, record.name] = record.status
            self._emit(execution, notices.STEP, notices.step_detail(execution, record, before))
        if record.final:
            self._told.pop((execution.arn, record.name), None)

    def execution_changed(self, execution: Execution) -> None:
        if self.closing:
            return
        self._persist(execution)
        before = self._told.get((execution.arn, ""))
        if before != execution.status:
            self._told[execution.arn, ""] = execution.status
            self._emit(execution, notices.EXECUTION, notices.execution_detail(execution, before))
        if execution.final:
            self._told.pop((execution.arn, ""), None)

    def _persist(self, execution: Execution, *records: StepRecord) -> None:
        """On a full disk the execution goes on: what could not be written goes with its next change, and its end
        is tried again for a while, as the end of a job is."""
        waiting = {**self._unsaved.pop(execution.arn, {}), **{r.name: r for r in records}}
        for pause in (0.0, 1.0, 5.0, 30.0) if execution.final and not records else (0.0,):
            time.sleep(pause)
            try:
                if waiting:
                    self.book.save(execution, *waiting.values())
                if not records:
                    self.book.save(execution)
                return
            except Exception:
                log.exception("pipeline execution %s could not be put on disk", execution.arn)
        self._unsaved[execution.arn] = waiting

    def _emit(self, execution: Execution, kind: str, detail: dict[str, Any]) -> None:
        try:
            emit(
                self.app,
                "aws.sagemaker",
                kind,
                detail,
                [execution.pipeline_arn, execution.arn],
                execution.account,
                execution.region,
            )
        except Exception:
            log.exception("an event of %s could not be sent", execution.arn)

    # -- the server's start and end ------------------------------------------------------------------------
    def recover(self) -> None:
        """What ran when the last server ended is Failed; what was being stopped is Stopped."""
        for execution in self.book.all():
            if execution.final:
                continue
            for record in execution.steps.values():
                if not record.final:
                    record.close("Stopped" if record.status == "Stopping" else "Failed", SERVER_DIED)
                    self.step_changed(execution, record)
            stopped = execution.status == "Stopping"
            execution.status, execution.reason = ("Stopped", None) if stopped else ("Failed", SERVER_DIED)
            execution.touch()
            self.execution_changed(execution)

    def shutdown(self) -> None:
        """From here on nothing is written: the records follow at the next start (`recover`)."""
        self.closing = True

    def status(self) -> list[dict]:
        with self._lock:
            engines = list(self._engines.values())
        return [
            {
                "kind": "pipeline execution",
                "name": f"{e.execution.pipeline}/{e.execution.id}",
                "status": e.execution.status,
                "since": e.execution.created,
            }
            for e in engines
        ]

    # -- what callers ask for ------------------------------------------------------------------------------
    def stop(self, execution: Execution) -> bool:
        """Begin to stop it; False when it has ended."""
        with execution.guard:
            if execution.final:
                return False
            begun = execution.status == "Stopping"
            execution.status = "Stopping"
            execution.touch()
        if not begun:
            self.execution_changed(execution)
            if engine := self.engine(execution.arn):
                engine.stop()
        return True

    def retry(self, execution: Execution, definition: Definition) -> None:
        """Run it again from the steps that did not succeed."""
        self.book.drop(execution, [r.name for r in execution.steps.values() if r.status != "Succeeded"])
        execution.status, execution.reason = "Executing", None
        execution.touch()
        chosen = selected_names(execution, definition)
        self.start(execution, definition, chosen | set(execution.steps), chosen)


def selected_names(execution: Execution, definition: Definition) -> set[str]:
    """The steps that an execution runs itself."""
    if execution.selective:
        return {item["StepName"] for item in execution.selective["SelectedSteps"]}
    return set(definition.steps)


def new_execution(**members: Any) -> Execution:
    now = time.time()
    return Execution(created=now, modified=now, **members)
