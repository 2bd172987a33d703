"""One execution's life: begins steps as the scheduler allows, waits for their ends without polling, retries.

It knows nothing of AWS: what a step does is a `StepRunner`'s business, what is told about it a `Journal`'s.
"""

import heapq
import itertools
import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from local_aws.services.pipelines import retries
from local_aws.services.pipelines.definition import Definition, Step
from local_aws.services.pipelines.records import Execution, StepRecord
from local_aws.services.pipelines.scheduler import (
    FAILED,
    STOPPED,
    SUCCEEDED,
    Node,
    Scheduler,
    execution_status,
)

log = logging.getLogger("local_aws")
STEPS_FAILED = "Step failure: One or multiple steps failed."


@dataclass
class Ended:
    """How an attempt at a step ended. `retry`: the failure's name in retry policies; `halts`: a Fail step
    ended the execution."""

    status: str
    reason: str | None = None
    properties: dict[str, Any] | None = None
    outcome: bool | None = None
    retry: str | None = None
    halts: bool = False


class StepRunner(Protocol):
    """`begin` starts an attempt and may fill in the record's job, metadata, signature; it returns how it ended,
    or None when that comes later through `Engine.job_ended` or `Engine.post`."""

    def begin(self, step: Step, record: StepRecord) -> Ended | None: ...

    def collect(self, step: Step, record: StepRecord) -> Ended: ...

    def stop(self, step: Step, record: StepRecord) -> None: ...


class Journal(Protocol):
    """Told about every change, after it was made on the record."""

    def step_changed(self, execution: Execution, record: StepRecord) -> None: ...

    def execution_changed(self, execution: Execution) -> None: ...


@dataclass(order=True)
class _Timer:
    due: float
    number: int
    name: str = field(compare=False)


def nodes_of(definition: Definition, names: set[str], chosen: set[str] | None = None) -> list[Node]:
    """The scheduler's view of the steps `names`. Of a selective execution, `chosen` are those that run: they
    run whatever became of conditions that are not among them."""
    found = []
    for step in definition.steps.values():
        if step.name in names:
            needs = {name: how for name, how in step.needs.items() if name in names}
            branch = step.branch if step.branch and (chosen is None or step.branch[0] in chosen) else None
            found.append(Node(step.name, needs, branch))
    return found


class Engine:
    """Runs `execution` when `run` is called, in that thread. `known`: steps whose end is already on record
    (`execution.steps`), of a retried or a selective execution."""

    def __init__(
        self,
        execution: Execution,
        definition: Definition,
        nodes: list[Node],
        runner: StepRunner,
        journal: Journal,
    ):
        self.execution, self._definition = execution, definition
        self._runner, self._journal = runner, journal
        known = {
            record.name: (record.status, record.outcome)
            for record in execution.steps.values()
            if record.final
        }
        self.scheduler = Scheduler(nodes, execution.limit, known)
        self._inbox: queue.SimpleQueue = queue.SimpleQueue()
        self._timers: list[_Timer] = []
        self._numbers = itertools.count()
        self._first_begin: dict[str, float] = {}
        self._fail_reason: str | None = None
        self._stopping = False

    # -- from other threads --------------------------------------------------------------------------------
    def post(self, name: str, attempt: int, ended: Ended) -> None:
        """A step's attempt ended."""
        self._inbox.put(("ended", name, attempt, ended))

    def job_ended(self, name: str, job: tuple[str, str]) -> None:
        """The job of a step ended: its runner will look how."""
        self._inbox.put(("job", name, job, None))

    def stop(self) -> None:
        self._inbox.put(("stop", "", 0, None))

    def set_limit(self, limit: int) -> None:
        self._inbox.put(("limit", "", limit, None))

    # -- life ----------------------------------------------------------------------------------------------
    def run(self) -> None:
        """To the end of the execution, whatever happens."""
        try:
            while True:
                if name := self.scheduler.begin():
                    self._begin(name)
                elif self.scheduler.done:
                    break
                else:
                    self._wait()
                while not self._inbox.empty():  # a stop, also between steps that end at once
                    self._wait()
            self._finish()
        except Exception as error:
            log.exception("pipeline execution %s", self.execution.arn)
            self._break(f"InternalServerError: {type(error).__name__}: {error}")

    def _begin(self, name: str) -> None:
        step = self._definition.steps[name]
        record = self.execution.steps.get(name)
        if record is None:
            record = StepRecord(
                name,
                step.type,
                step.raw.get("DisplayName"),
                step.raw.get("Description"),
                started=time.time(),
            )
            self.execution.steps[name] = record
            self._first_begin[name] = time.monotonic()
        record.attempts += 1
        ended = self._safely(self._runner.begin, step, record)
        if ended is None:
            record.status = "Executing"
            self._journal.step_changed(self.execution, record)
        else:
            self._end(name, ended)

    @staticmethod
    def _safely(call: Callable[[Step, StepRecord], Ended | None], step: Step, record: StepRecord) -> Any:
        """An error that nobody foresaw fails its step; what does not depend on it goes on."""
        try:
            return call(step, record)
        except Exception as error:
            log.exception("step %s", step.name)
            return Ended(FAILED, f"InternalServerError: {type(error).__name__}: {error}")

    def _wait(self) -> None:
        """Until something happens; then do it."""
        pause = max(0.0, self._timers[0].due - time.monotonic()) if self._timers else None
        try:
            kind, name, detail, ended = self._inbox.get(timeout=pause)
        except queue.Empty:
            kind = None
        if kind is None:
            self._begin(heapq.heappop(self._timers).name)
        elif kind == "stop":
            self._stop()
        elif kind == "limit":
            self.scheduler.limit = detail
        else:
            record = self.execution.steps[name]
            if record.final:
                return
            if kind == "job":
                if record.job == detail:
                    self._end(name, self._safely(self._runner.collect, self._definition.steps[name], record))
            elif record.attempts == detail:
                self._end(name, ended)

    def _end(self, name: str, ended: Ended) -> None:
        record = self.execution.steps[name]
        if ended.status == FAILED and not self._stopping and not self.scheduler.halted:
            pause = retries.pause(
                self._definition.steps[name].raw.get("RetryPolicies"),
                ended.retry,
                record.attempts,
                time.monotonic() - self._first_begin.get(name, time.monotonic()),
            )
            if pause is not None:
                record.reason = ended.reason
                self._journal.step_changed(self.execution, record)
                heapq.heappush(self._timers, _Timer(time.monotonic() + pause, next(self._numbers), name))
                return
        if ended.properties is not None:
            record.properties = ended.properties
        record.outcome = ended.outcome
        record.close(ended.status, ended.reason)
        if ended.halts:
            self._fail_reason = ended.reason
            self._halt()
        self.scheduler.end(name, ended.status, ended.outcome)
        self._journal.step_changed(self.execution, record)

    def _halt(self) -> None:
        """Nothing begins any more; steps that wait for another attempt are given up."""
        self.scheduler.halt()
        waiting, self._timers = self._timers, []
        for timer in waiting:
            self._end(timer.name, Ended(STOPPED, self.execution.steps[timer.name].reason))

    def _stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._halt()
        for name in self.scheduler.running:
            record = self.execution.steps.get(name)
            if record is not None and record.status == "Executing":
                record.status = "Stopping"
                self._journal.step_changed(self.execution, record)
                self._runner.stop(self._definition.steps[name], record)

    def _finish(self) -> None:
        execution = self.execution
        status = execution_status(self.scheduler.status, self.scheduler.handled, self._stopping)
        with execution.guard:
            execution.status = status
            execution.reason = (self._fail_reason or STEPS_FAILED) if status == "Failed" else None
            execution.touch()
        self._journal.execution_changed(execution)

    def _break(self, reason: str) -> None:
        for record in self.execution.steps.values():
            if not record.final:
                if record.status == "Executing":
                    self._runner.stop(self._definition.steps[record.name], record)
                record.close(FAILED, reason)
                self._journal.step_changed(self.execution, record)
        with self.execution.guard:
            self.execution.status, self.execution.reason = "Failed", reason
            self.execution.touch()
        self._journal.execution_changed(self.execution)


__all__ = ["Ended", "Engine", "Journal", "StepRunner", "nodes_of", "FAILED", "STOPPED", "SUCCEEDED"]
