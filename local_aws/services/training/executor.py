"""Runs one training job: Starting, Downloading, Training, Uploading, and one of Completed, Failed, Stopped."""

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from moto.core.utils import utcnow

from local_aws.server.app import LocalAwsApp
from local_aws.services.jobs.artifacts import upload_files, upload_tar
from local_aws.services.jobs.containers import base_environment, image_of, make_host
from local_aws.services.jobs.failures import failure_reason
from local_aws.services.jobs.hosts import run_hosts
from local_aws.services.jobs.model import Job, JobFailed
from local_aws.services.jobs.notices import announce
from local_aws.services.jobs.runner import JobRunner, Run
from local_aws.services.training.layout import Checkpoints, download_channels, write_config

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_MESSAGES = {
    "Starting": "Starting the training job",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}


def transition(job: Job, secondary: str) -> None:
    """Close the last secondary status and begin another."""
    now = utcnow()
    steps = job.fields.setdefault("SecondaryStatusTransitions", [])
    if steps and "EndTime" not in steps[-1]:
        steps[-1]["EndTime"] = now
    step: dict[str, Any] = {"Status": secondary, "StartTime": now, "StatusMessage": _MESSAGES[secondary]}
    if secondary in ("Completed", "Failed", "Stopped", "MaxRuntimeExceeded"):
        step["EndTime"] = now
    steps.append(step)
    job.fields["SecondaryStatus"] = secondary
    job.last_modified_time = now


Watcher = Callable[[str, float], None]


class Metrics:
    """`MetricDefinitions` over the log: the last value of each metric. `watcher(name, value)` gets them all."""

    def __init__(self, definitions: list[dict[str, str]], watcher: Watcher | None = None):
        self._patterns = [(d["Name"], re.compile(d["Regex"])) for d in definitions]
        self._watcher = watcher
        self.last: dict[str, tuple[float, datetime]] = {}

    def read(self, line: str) -> None:
        for name, pattern in self._patterns:
            for match in pattern.finditer(line):
                try:
                    self.last[name] = (float(match[1]), utcnow())
                except (ValueError, TypeError):  # no number, or a group that took no part
                    continue
                if self._watcher:
                    self._watcher(name, self.last[name][0])

    def final(self) -> list[dict[str, Any]]:
        return [{"MetricName": n, "Value": v, "Timestamp": t} for n, (v, t) in self.last.items()]


class TrainingRunner(JobRunner):
    """`watchers`: by account, region and name of a job that is about to be created, who gets its metrics."""

    kind = "Training"

    def __init__(self, app: LocalAwsApp):
        super().__init__(app)
        self.watchers: dict[tuple[str, str, str], Watcher] = {}

    def jobs(self, backend: Any) -> dict[str, Job]:
        return backend.training_jobs

    def begin(self, job: Job) -> None:
        """The record of a job that has just been created."""
        if job.request["AlgorithmSpecification"].get("MetricDefinitions"):
            job.fields["FinalMetricDataList"] = []
        transition(job, "Starting")

    def stopping(self, job: Job) -> None:
        transition(job, "Stopping")

    def move(self, job: Job, secondary: str, **fields: Any) -> None:
        with self.app.lock:
            going_on = job.status == "InProgress"  # a job that is Stopping stays so
            if going_on:
                transition(job, secondary)
            self.update(job, **fields)
            if going_on:
                announce(self.app, job)

    def execute(self, run: Run) -> None:
        job, request = run.job, run.job.request
        self.move(job, "Downloading", TrainingStartTime=utcnow())
        hosts = self._prepare(run)
        watcher = self.watchers.pop((job.account, job.region, job.name), None)
        metrics = Metrics(request["AlgorithmSpecification"].get("MetricDefinitions") or [], watcher)
        spec = request["AlgorithmSpecification"]
        argv = [*(spec.get("ContainerEntrypoint") or ["train"]), *(spec.get("ContainerArguments") or [])]
        checkpoints, tick = self._checkpoints(request), None
        if checkpoints:
            tick = lambda: [checkpoints.upload(h.folder, settled=1.0) for h in hosts]  # noqa: E731
        with self.alone(run, len(hosts)):
            self.move(job, "Training")
            limit = (request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds", 86400)
            outcome = run_hosts(
                hosts, argv, run.stop, run.wake, time.monotonic() + limit, self.grace, metrics.read, tick
            )
        with self.app.lock:
            if metrics.last:
                job.fields["FinalMetricDataList"] = metrics.final()
        if checkpoints:
            for host in hosts:
                checkpoints.upload(host.folder)
        self._upload(run, outcome.kind)
        if outcome.kind == "failed":
            host = outcome.host
            raise JobFailed(failure_reason(host.exit_code, host.failure_text(), list(host.tail)))
        self.end(
            job, {"exited": "Completed", "stopped": "Stopped", "timeout": "MaxRuntimeExceeded"}[outcome.kind]
        )

    def finish(self, job: Job, status: str, reason: str | None = None) -> None:
        transition(job, status)
        job.status = "Stopped" if status == "MaxRuntimeExceeded" else status
        now = job.last_modified_time
        job.fields["TrainingEndTime"] = now
        if reason:
            job.fields["FailureReason"] = reason
            job.fields["SecondaryStatusTransitions"][-1]["StatusMessage"] = reason
        if begun := job.fields.get("TrainingStartTime"):
            seconds = max(1, round((now - begun).total_seconds()))
            job.fields["TrainingTimeInSeconds"] = job.fields["BillableTimeInSeconds"] = seconds

    # -- steps ---------------------------------------------------------------------------------------------
    def _checkpoints(self, request: dict[str, Any]) -> Checkpoints | None:
        config = request.get("CheckpointConfig")
        return Checkpoints(self.app.s3, config) if config else None

    def _prepare(self, run: Run) -> list:
        job, request = run.job, run.job.request
        image = image_of(request["AlgorithmSpecification"].get("TrainingImage", ""))
        count = request["ResourceConfig"].get("InstanceCount", 1)
        names = [f"algo-{i + 1}" for i in range(count)]
        variables = {
            **base_environment(self.app, job.region, job.account),
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": job.arn,
            **(request.get("Environment") or {}),
        }
        channels = [c["ChannelName"] for c in request.get("InputDataConfig") or []]
        code = [f"input/data/{c}" for c in channels if c in ("code", "sm_drivers")]
        network = not request.get("EnableNetworkIsolation", False)
        stamp = int(time.time())
        checkpoints = self._checkpoints(request)
        for index, name in enumerate(names):
            log = self.app.logs(LOG_GROUP, f"{job.name}/{name}-{stamp}", job.region, job.account)
            host = make_host(self.app, run.work, name, names, image, variables, log, code, network)
            run.hosts.append(host)
            write_config(host.folder, request, names, name)
            download_channels(self.app.s3, request, host.folder, job.region, index, count, run.check)
            if checkpoints:
                checkpoints.fetch(host.folder)
        return run.hosts

    def _upload(self, run: Run, outcome: str) -> None:
        """Model (not of a failed job) and output data; nothing when the container left none."""
        job, output = run.job, run.job.request["OutputDataConfig"]
        base = f"{output['S3OutputPath'].rstrip('/')}/{job.name}/output"
        data = [h.folder / "output" / "data" for h in run.hosts]
        if outcome != "failed":
            self.move(job, "Uploading")
            models = [h.folder / "model" for h in run.hosts]
            if output.get("CompressionType") == "NONE":
                upload_files(self.app.s3, models, f"{base}/model")
                artifact = f"{base}/model/"
            else:
                artifact = f"{base}/model.tar.gz"
                upload_tar(self.app.s3, models, artifact, run.work)
            with self.app.lock:
                job.fields["ModelArtifacts"] = {"S3ModelArtifacts": artifact}
        if any(next(d.iterdir(), None) for d in data):
            try:
                upload_tar(self.app.s3, data, f"{base}/output.tar.gz", run.work)
            except JobFailed:
                if outcome != "failed":  # the script's own failure says more
                    raise
