"""All executions of this server, in memory and on disk (`app.documents`, one row an execution, one a step:
what a change costs does not grow with the number of steps)."""

import threading
from typing import Any

from local_aws.services.pipelines.caching import still_fresh
from local_aws.services.pipelines.records import (
    Execution,
    StepRecord,
    step_from_json,
    step_to_json,
    when,
)
from local_aws.services.pipelines.versions import Versions
from local_aws.state.documents import Document

_HEAD, _STEP = "pipeline-execution", "pipeline-step"


class Book:
    """Safe for threads. `documents` None keeps everything in memory only."""

    def __init__(self, documents: Any = None):
        self._documents = documents
        self._lock = threading.Lock()
        self._executions: dict[str, Execution] = {}  # by ARN, in the order of their creation
        self._cached: dict[tuple[str, str, str], list[tuple[Execution, StepRecord]]] = {}

    def attach(self, documents: Any, versions: Versions) -> None:
        """Keep everything in `documents` from now on, beginning with what is there; `versions` have the
        definitions."""
        self._documents = documents
        for document in self._documents.all(_HEAD):
            execution = Execution(definition="", **document.value)
            version = versions.get(execution.pipeline_arn, execution.version)
            execution.definition = version["definition"] if version else ""
            self._executions[execution.arn] = execution
        for document in self._documents.all(_STEP):
            arn, _, name = document.name.rpartition("#")
            if arn in self._executions:
                record = step_from_json(document.value)
                self._executions[arn].steps[name] = record
                self._index(self._executions[arn], record)

    # -- executions ----------------------------------------------------------------------------------------
    def get(self, arn: str) -> Execution | None:
        return self._executions.get(arn)

    def of(self, pipeline_arn: str) -> list[Execution]:
        """A pipeline's executions, oldest first."""
        with self._lock:
            return [e for e in self._executions.values() if e.pipeline_arn == pipeline_arn]

    def all(self) -> list[Execution]:
        with self._lock:
            return list(self._executions.values())

    def by_token(self, pipeline_arn: str, token: str) -> Execution | None:
        return next((e for e in self.of(pipeline_arn) if e.token == token), None)

    def add(self, execution: Execution) -> None:
        with self._lock:
            self._executions[execution.arn] = execution
        self.save(execution)

    def forget(self, pipeline_arn: str) -> None:
        """Remove a deleted pipeline's executions, and with them what its steps could take from the cache."""
        gone = self.of(pipeline_arn)
        removed = [self._head(e) for e in gone]
        removed += [self._step(e, record) for e in gone for record in e.steps.values()]
        if self._documents is not None and removed:
            self._documents.write(remove=removed)
        with self._lock:
            for execution in gone:
                del self._executions[execution.arn]
            for key in [k for k in self._cached if k[0] == pipeline_arn]:
                del self._cached[key]

    # -- disk ----------------------------------------------------------------------------------------------
    def _head(self, execution: Execution, value: Any = None) -> Document:
        return Document(_HEAD, execution.account, execution.region, execution.arn, value)

    def _step(self, execution: Execution, record: StepRecord, value: Any = None) -> Document:
        name = f"{execution.arn}#{record.name}"
        return Document(_STEP, execution.account, execution.region, name, value)

    def save(self, execution: Execution, *records: StepRecord) -> None:
        """Put the execution's head, or with `records` these steps of it, on disk."""
        if self._documents is None:
            return
        if records:
            put = [self._step(execution, r, step_to_json(r)) for r in records]
        else:
            put = [self._head(execution, execution.head())]
        self._documents.write(put)

    def drop(self, execution: Execution, names: list[str]) -> None:
        """Forget these steps of an execution (it is going to be retried)."""
        records = [execution.steps.pop(name) for name in names]
        if self._documents is not None and records:
            self._documents.write(remove=[self._step(execution, r) for r in records])

    # -- cache ---------------------------------------------------------------------------------------------
    def _index(self, execution: Execution, record: StepRecord) -> None:
        own = record.cached_from is None and record.reused_from is None
        if own and record.signature and record.status == "Succeeded":
            key = (execution.pipeline_arn, record.name, record.signature)
            with self._lock:
                self._cached.setdefault(key, []).append((execution, record))

    def keep_for_cache(self, execution: Execution, record: StepRecord) -> None:
        """A step has succeeded: later executions may take its result."""
        self._index(execution, record)

    def cached(
        self, pipeline_arn: str, step: str, signature: str, config: dict[str, Any], now: float
    ) -> tuple[Execution, StepRecord] | None:
        """The most recent result of this step with this signature that is not too old."""
        with self._lock:
            found = list(self._cached.get((pipeline_arn, step, signature), ()))
        fresh = [
            (execution, record)
            for execution, record in found
            if still_fresh(config, when(record.ended), when(now))
        ]
        return max(fresh, key=lambda pair: pair[1].ended, default=None)
