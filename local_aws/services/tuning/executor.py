"""Runs one tuning job: starts training jobs, waits for their ends, stops when the limits say so."""

import queue
import secrets
import time
from dataclasses import dataclass
from typing import Any

from local_aws.server.app import LocalAwsApp
from local_aws.services.jobs import finished
from local_aws.services.jobs.api import JobApi
from local_aws.services.jobs.model import Job, JobFailed
from local_aws.services.jobs.runner import JobRunner, Run, Stopped
from local_aws.services.training.executor import Watcher
from local_aws.services.tuning.record import TuningJob
from local_aws.services.tuning.stopping import is_behind
from local_aws.services.tuning.validation import Definition, definitions, number_of_jobs

ATTEMPTS = 5  # so many training jobs without a success, or without an objective, fail the tuning job


@dataclass(frozen=True)
class _Value:
    """Wakes the run: a training job has written a value of the objective metric."""

    child: str


def _watcher(run: Run, name: str, metric: str, curve: list[float]) -> Watcher:
    def note(written: str, value: float) -> None:
        if written == metric:
            curve.append(value)
            run.wake.put(_Value(name))

    return note


class TuningRunner(JobRunner):
    """`training`: the training jobs' operations. `_waiting` says whose training jobs they are."""

    kind = "HyperParameterTuning"
    takes_place = False

    def __init__(self, app: LocalAwsApp, training: JobApi):
        super().__init__(app)
        self.training = training
        self._waiting: dict[tuple[str, str, str], Run] = {}
        finished.subscribe(self._ended)

    def jobs(self, backend: Any) -> dict[str, Job]:
        return backend.hyper_parameter_tuning_jobs

    def _ended(self, kind: str, account: str, region: str, name: str) -> None:
        key = account, region, name
        run = self._waiting.pop(key, None) if kind == "training" else None
        if run:
            self.training.runner.watchers.pop(key, None)  # of a job that ended before its container ran
            run.wake.put(name)

    def begin(self, job: TuningJob) -> None:
        job.refresh({})

    def finish(self, job: TuningJob, status: str, reason: str | None = None) -> None:
        job.refresh(self.training.jobs(job.account, job.region))
        job.status = status
        job.fields["HyperParameterTuningEndTime"] = job.last_modified_time
        if reason:
            job.fields["FailureReason"] = reason

    # -- the run ---------------------------------------------------------------------------------------------
    def execute(self, run: Run) -> None:
        job: TuningJob = run.job
        found = definitions(job.request)
        limits = job.request["HyperParameterTuningJobConfig"]["ResourceLimits"]
        wanted, parallel = number_of_jobs(job.request, found), int(limits["MaxParallelTrainingJobs"])
        seconds = limits.get("MaxRuntimeInSeconds")
        deadline = time.monotonic() + int(seconds) if seconds else None
        running: set[str] = set()
        curves: dict[str, list[float]] = {}
        while True:
            while len(running) < parallel and len(job.children) < wanted and not run.stop.is_set():
                running.add(self._launch(run, found, curves))
            if not running:
                break
            try:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                token = run.wake.get(timeout=left)
            except queue.Empty:
                return self._wind_up(run, running, "Completed")
            if isinstance(token, _Value):
                self._compare(job, curves, token.child, running)
            elif token in running:
                running.discard(token)
                with self.app.lock:
                    job.refresh(self.training.jobs(job.account, job.region))
                    self.app.changed("sagemaker", job.account, job.region)
                self._check_progress(run, running)
            if run.stop.is_set():
                return self._wind_up(run, running, "Stopped")
            if self._enough(job):
                return self._wind_up(run, running, "Completed")
        self._check_outcome(job)
        self.end(job, "Completed")

    def _launch(self, run: Run, found: list[Definition], curves: dict[str, list[float]]) -> str:
        """Start the next training job; the definitions take turns. Its name is made as AWS makes it."""
        job: TuningJob = run.job
        with self.app.lock:
            if self.closing:
                raise Stopped
            training = self.training.jobs(job.account, job.region)
            tried = {d.name: job.trials(training, d.name) for d in found}
            open_ = [
                d
                for d in found
                if d.search.combinations is None or len(tried[d.name]) < d.search.combinations
            ]
            definition = min(open_, key=lambda d: len(tried[d.name]))
            values = definition.search.propose(tried[definition.name])
            name = f"{job.name}-{len(job.children) + 1:03d}-{secrets.token_hex(4)}"
            self._waiting[job.account, job.region, name] = run
            if job.request["HyperParameterTuningJobConfig"].get("TrainingJobEarlyStoppingType") == "Auto":
                curve = curves.setdefault(name, [])
                watcher = _watcher(run, name, definition.metric, curve)
                self.training.runner.watchers[job.account, job.region, name] = watcher
            child = self.training.create(
                job.account, job.region, definition.training_request(name, values, job.tags)
            )
            child.fields["TuningJobArn"] = job.arn
            job.children[name] = {
                "Definition": definition.name,
                "Metric": definition.metric,
                "Values": values,
            }
            job.refresh(training)
            self.app.changed("sagemaker", job.account, job.region)
        return name

    def _compare(self, job: TuningJob, curves: dict[str, list[float]], name: str, running: set[str]) -> None:
        """Stop a training job that is behind the others of its definition."""
        kind = job.children[name]["Definition"]
        others = [c for n, c in curves.items() if n not in running and job.children[n]["Definition"] == kind]
        with self.app.lock:
            child = self.training.jobs(job.account, job.region)[name]
            if child.status == "InProgress" and is_behind(list(curves[name]), others, job.maximize):
                self.training.stop(child)
                self.app.changed("sagemaker", job.account, job.region)

    def _wind_up(self, run: Run, running: set[str], status: str) -> None:
        """Stop the training jobs that run, wait for their ends, and end as `status`."""
        job: TuningJob = run.job
        with self.app.lock:
            if self.closing:
                raise Stopped
            training = self.training.jobs(job.account, job.region)
            for name in running:
                if not training[name].final:
                    self.training.stop(training[name])
            self.app.changed("sagemaker", job.account, job.region)
        while running:
            running.discard(run.wake.get())
        self.end(job, status)

    # -- when to stop ----------------------------------------------------------------------------------------
    def _ended_children(self, job: TuningJob) -> list[Job]:
        training = self.training.jobs(job.account, job.region)
        return [training[name] for name in job.children if training[name].final]

    def _check_progress(self, run: Run, running: set[str]) -> None:
        """Give up after the first few training jobs when nothing came of them."""
        job: TuningJob = run.job
        with self.app.lock:
            ended = self._ended_children(job)
            failed = [child for child in ended if child.status == "Failed"]
            without = [child for child in ended if job.value_of(child) is None]
        if len(ended) < ATTEMPTS or run.stop.is_set():
            return
        if len(failed) == len(ended):
            reason = (
                f"No training job succeeded after {ATTEMPTS} attempts. For additional details, please take a look "
                "at the training job failures by listing training jobs for the hyperparameter tuning job. The last "
                f"one failed with: {failed[-1].fields.get('FailureReason')}"
            )
        elif len(without) == len(ended):
            reason = (
                f"No objective metrics found after running {ATTEMPTS} training jobs. Please ensure that the custom "
                "algorithm is emitting the objective metric as defined by the regular expression provided."
            )
        else:
            return
        with self.app.lock:
            training = self.training.jobs(job.account, job.region)
            for name in running:
                if not training[name].final:
                    self.training.stop(training[name])
        while running:
            running.discard(run.wake.get())
        raise JobFailed(reason)

    def _check_outcome(self, job: TuningJob) -> None:
        with self.app.lock:
            ended = self._ended_children(job)
            failed = [child for child in ended if child.status == "Failed"]
        if ended and len(failed) == len(ended):
            raise JobFailed(
                "All training jobs failed. Please take a look at the training job failures to get more details. "
                f"The last one failed with: {failed[-1].fields.get('FailureReason')}"
            )

    def _enough(self, job: TuningJob) -> bool:
        """TuningJobCompletionCriteria: the target is reached, or nothing better came for a while."""
        criteria = job.request["HyperParameterTuningJobConfig"].get("TuningJobCompletionCriteria") or {}
        with self.app.lock:
            values = [job.value_of(child) for child in self._ended_children(job)]
        sign = 1 if job.maximize else -1
        scores = [sign * value for value in values if value is not None]
        target = criteria.get("TargetObjectiveMetricValue")
        if target is not None and scores and max(scores) >= sign * float(target):
            return True
        patience = (criteria.get("BestObjectiveNotImproving") or {}).get(
            "MaxNumberOfTrainingJobsNotImproving"
        )
        if patience is None or not scores:
            return False
        since = len(scores) - 1 - scores.index(max(scores))
        job.fields["TuningJobCompletionDetails"] = {"NumberOfTrainingJobsObjectiveNotImproving": since}
        return since >= int(patience)
