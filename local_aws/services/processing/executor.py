"""Runs one processing job: InProgress, then one of Completed, Failed, Stopped."""

import time
from typing import Any

from moto.core.utils import utcnow

from local_aws.services.jobs.containers import base_environment, image_of, make_host
from local_aws.services.jobs.failures import failure_reason
from local_aws.services.jobs.hosts import run_hosts
from local_aws.services.jobs.model import Job, JobFailed
from local_aws.services.jobs.runner import JobRunner, Run
from local_aws.services.processing.layout import Outputs, download_inputs, write_config

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
EXIT_MESSAGE_LIMIT = 1024


class ProcessingRunner(JobRunner):
    kind = "Processing"

    def jobs(self, backend: Any) -> dict[str, Job]:
        return backend.processing_jobs

    def execute(self, run: Run) -> None:
        job, request = run.job, run.job.request
        hosts = self._prepare(run)
        outputs = [Outputs(self.app.s3, request, h.folder) for h in hosts]
        spec = request["AppSpecification"]
        argv = [*(spec.get("ContainerEntrypoint") or []), *(spec.get("ContainerArguments") or [])]
        tick = None
        if any(o.continuous for o in outputs):
            tick = lambda: [o.upload(end=False) for o in outputs]  # noqa: E731
        with self.alone(run, len(hosts)):
            self.update(job, ProcessingStartTime=utcnow())
            limit = (request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds", 86400)
            outcome = run_hosts(
                hosts,
                argv,
                run.stop,
                run.wake,
                time.monotonic() + limit,
                self.grace,
                tick=tick,
                tick_seconds=2.0,
            )
        if outcome.kind == "failed":
            text = outcome.host.failure_text()
            with self.app.lock:
                job.fields["ExitMessage"] = self._exit_message(outcome.host)
            raise JobFailed(failure_reason(outcome.host.exit_code, text, list(outcome.host.tail)))
        for output in outputs:
            output.upload(end=True)
        if outcome.kind == "timeout":
            self.end(job, "Stopped", "ClientError: The job exceeded MaxRuntimeInSeconds and was stopped.")
        else:
            self.end(job, "Completed" if outcome.kind == "exited" else "Stopped")

    def finish(self, job: Job, status: str, reason: str | None = None) -> None:
        job.status = status
        job.fields["ProcessingEndTime"] = job.touch()
        if reason:
            job.fields["FailureReason"] = reason

    @staticmethod
    def _exit_message(host: Any) -> str:
        """What the container wrote to /opt/ml/output/message, else the end of its log."""
        try:
            text = (host.folder / "output" / "message").read_text("utf-8", "replace")
        except OSError:
            text = "\n".join(host.tail)
        return text.strip()[-EXIT_MESSAGE_LIMIT:]

    def _prepare(self, run: Run) -> list:
        job, request = run.job, run.job.request
        image = image_of(request["AppSpecification"]["ImageUri"])
        count = request["ProcessingResources"]["ClusterConfig"].get("InstanceCount", 1)
        names = [f"algo-{i + 1}" for i in range(count)]
        variables = {
            **base_environment(self.app, job.region, job.account),
            "PROCESSING_JOB_NAME": job.name,
            "PROCESSING_JOB_ARN": job.arn,
            **(request.get("Environment") or {}),
        }
        network = not (request.get("NetworkConfig") or {}).get("EnableNetworkIsolation", False)
        code = [
            item["S3Input"]["LocalPath"].removeprefix("/opt/ml/")
            for item in request.get("ProcessingInputs") or []
            if item["InputName"] in ("code", "entrypoint")
        ]
        stamp = int(time.time())
        for index, name in enumerate(names):
            log = self.app.logs(LOG_GROUP, f"{job.name}/{name}-{stamp}", job.region, job.account)
            host = make_host(self.app, run.work, name, names, image, variables, log, code, network)
            run.hosts.append(host)
            (host.folder / "processing").mkdir()
            (host.folder / "output").mkdir()
            write_config(host.folder, request, job.arn, names, name)
            download_inputs(self.app.s3, request, host.folder, job.region, index, count, run.check)
        return run.hosts
