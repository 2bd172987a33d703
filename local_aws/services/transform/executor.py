"""Runs one transform job: brings up instances of the model, sends every input object, writes the outputs."""

import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from typing import Any

from moto.core.utils import utcnow
from moto.sagemaker.models import sagemaker_backends

from local_aws.services.endpoints import containers
from local_aws.services.endpoints.instance import Instance, InstanceGone, ModelTimeout, NotReached
from local_aws.services.endpoints.validation import not_found
from local_aws.services.jobs.artifacts import put_file
from local_aws.services.jobs.inputs import find
from local_aws.services.jobs.model import Job, JobFailed
from local_aws.services.jobs.runner import JobRunner, Run, Stopped
from local_aws.services.transform.formats import BadRecord
from local_aws.services.transform.processing import DEFAULT_PAYLOAD, Payload, Processing

LOG_GROUP = "/aws/sagemaker/TransformJobs"
UNLIMITED = 1000  # MB, of a payload without a limit
STARTUP_SECONDS = 480
RETRY_PAUSE = 0.2


class BadAnswer(Exception):
    """The model refused a payload, or failed on it; the message is for the data log."""


class TransformRunner(JobRunner):
    kind = "Transform"

    def __init__(self, app: Any):
        super().__init__(app)
        self._instances: set[Instance] = set()

    def jobs(self, backend: Any) -> dict[str, Job]:
        return backend.transform_jobs

    def begin(self, job: Job) -> None:
        """Note what the model runs: it may be deleted while the job waits."""
        backend = sagemaker_backends[job.account][job.region]
        model = backend._models.get(job.request["ModelName"])
        if model is None:
            raise not_found(backend, "model", job.request["ModelName"])
        job.container = containers.resolve(backend, model.primary_container or model.containers[0])
        job.role = model.execution_role_arn

    def finish(self, job: Job, status: str, reason: str | None = None) -> None:
        job.status = status
        job.fields["TransformEndTime"] = job.touch()
        if reason:
            job.fields["FailureReason"] = reason

    def shutdown(self) -> None:
        super().shutdown()
        for instance in list(self._instances):
            instance.stop()

    # -- the run ---------------------------------------------------------------------------------------------
    def execute(self, run: Run) -> None:
        job = run.job
        source = job.request["TransformInput"]["DataSource"]["S3DataSource"]
        objects = find(self.app.s3, source, job.region, job.role)
        self.update(job, TransformStartTime=utcnow())
        instances = self._bring_up(run, len(objects))
        try:
            transform = Transform(self, run, instances)
            failures = transform.all(objects)
        finally:
            for instance in instances:
                instance.stop()
                self._instances.discard(instance)
        if failures:
            more = f" ({len(failures)} of {len(objects)} objects failed)" if len(objects) > 1 else ""
            raise JobFailed(f"{failures[0]}{more}")
        self.end(job, "Completed")

    def _bring_up(self, run: Run, objects: int) -> list[Instance]:
        job = run.job
        request = job.request
        payload = request.get("MaxPayloadInMB")
        wanted = min(int(request["TransformResources"]["InstanceCount"]), objects)
        environment = {
            "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD"
            if request.get("BatchStrategy") == "SingleRecord"
            else "MULTI_RECORD",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(DEFAULT_PAYLOAD if payload is None else payload or UNLIMITED),
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(request.get("MaxConcurrentTransforms") or 1),
            **job.container["Environment"],
            **(request.get("Environment") or {}),
        }
        container = {**job.container, "Environment": environment}
        instances = [
            Instance(self.app, job.name, container, run.work, (job.account, job.region), LOG_GROUP)
            for _ in range(wanted)
        ]
        self._instances.update(instances)
        try:
            for instance in instances:
                instance.start()
            deadline = time.monotonic() + STARTUP_SECONDS
            for instance in instances:
                while not instance.wait_settled(0.1):
                    run.check()
                    if instance.settled or time.monotonic() > deadline:
                        raise JobFailed(_not_up(instance))
        except BaseException:
            for instance in instances:
                instance.stop()
                self._instances.discard(instance)
            raise
        return instances


class Transform:
    """The work of one job over instances that are up."""

    def __init__(self, runner: TransformRunner, run: Run, instances: list[Instance]):
        self._runner, self._run, self._instances = runner, run, instances
        request = run.job.request
        self._processing = Processing(request)
        client = request.get("ModelClientConfig") or {}
        self._timeout = float(_timeout(request))
        retries = client.get("InvocationsMaxRetries")
        self._retries = 3 if retries is None else int(retries)
        self._parallel = int(request.get("MaxConcurrentTransforms") or 1)
        self._output = request["TransformOutput"]["S3OutputPath"].rstrip("/")
        self._numbers = count()
        source = request["TransformInput"]["DataSource"]["S3DataSource"]
        self._bucket = source["S3Uri"].split("/")[2]
        names = f"{run.job.name}/{instances[0].id}/data-log"
        self._log = runner.app.logs(LOG_GROUP, names, run.job.region, run.job.account)

    def all(self, objects: list[tuple[str, Any]]) -> list[str]:
        """Every object; each failure's reason. Objects go to the instances in turn, one at a time each."""
        strategy = "SINGLE_RECORD" if self._processing.single else "MULTI_RECORD"
        limit = "unlimited" if self._processing.limit is None else self._processing.limit // 2**20
        self._say(
            f"MaxConcurrentTransforms={self._parallel}, MaxPayloadInMB={limit}, BatchStrategy={strategy}"
        )
        waiting = deque(objects)
        failures: list[str] = []
        lock = threading.Lock()

        def work(instance: Instance) -> None:
            with ThreadPoolExecutor(self._parallel) as pool:
                while not self._run.stop.is_set():
                    with lock:
                        if not waiting:
                            return
                        name, item = waiting.popleft()
                    if reason := self._one(instance, pool, name, item):
                        with lock:
                            failures.append(reason)

        workers = [ThreadPoolExecutor(1) for _ in self._instances]
        jobs = [
            worker.submit(work, instance) for worker, instance in zip(workers, self._instances, strict=True)
        ]
        for job in jobs:
            job.add_done_callback(lambda done: self._run.wake.put(done))
        left = set(jobs)
        while left:
            left.discard(self._run.wake.get())
            if self._run.stop.is_set():
                for instance in self._instances:
                    instance.stop()  # requests under way end with it
        for worker in workers:
            worker.shutdown()
        self._log.flush()
        if self._run.stop.is_set():
            raise Stopped
        for job in jobs:
            job.result()
        return failures

    def _one(self, instance: Instance, pool: ThreadPoolExecutor, name: str, item: Any) -> str | None:
        """One object to its output; the reason when it failed, and then it has no output."""
        target = self._run.work / "out" / str(next(self._numbers))
        target.parent.mkdir(exist_ok=True)
        key = f"{self._bucket}/{item.key}"
        flying: deque[tuple[Payload, Future]] = deque()
        try:
            with target.open("wb") as out:
                for payload in self._processing.payloads(item.path):
                    flying.append((payload, pool.submit(self._invoke, instance, payload)))
                    while len(flying) > self._parallel:
                        out.write(self._settle(*flying.popleft()))
                while flying:
                    out.write(self._settle(*flying.popleft()))
        except (BadAnswer, BadRecord) as error:
            for _, future in flying:
                future.cancel()
            kind = "ClientError" if isinstance(error, BadRecord) else "AlgorithmError"
            self._say(f"{key}: {error}")
            return f"{kind}: See job logs for more information. {key}: {error}"
        except OSError as error:
            if self._processing.gzip and "gzip" in str(error).lower():
                self._say(f"{key}: {error}")
                return f"ClientError: See job logs for more information. {key} is no gzip data: {error}"
            raise
        put_file(self._runner.app.s3, f"{self._output}/{name}.out", target, move=True)
        return None

    def _settle(self, payload: Payload, future: Future) -> bytes:
        body, content_type = future.result()
        return self._processing.result(payload, body, content_type)

    def _invoke(self, instance: Instance, payload: Payload) -> tuple[bytes, str | None]:
        headers = {}
        if self._processing.content_type:
            headers["Content-Type"] = self._processing.content_type
        if self._processing.accept:
            headers["Accept"] = self._processing.accept
        for attempt in range(self._retries + 1):
            if attempt:
                time.sleep(RETRY_PAUSE)
            if self._run.stop.is_set():
                raise BadAnswer("The job was stopped.")
            try:
                status, answer, body = instance.invoke(payload.body, headers, self._timeout)
            except ModelTimeout:
                problem = f"The model did not answer within {self._timeout:g} seconds"
                continue
            except (InstanceGone, NotReached):
                problem = "The model's container ended before it answered"
                continue
            if 200 <= status < 300:
                return body, answer.get("Content-Type")
            problem = f"Bad HTTP status received from algorithm: {status}. {_short(body)}"
            if status < 500:
                break
        raise BadAnswer(problem)

    def _say(self, line: str) -> None:
        self._log.write([f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + f":[sagemaker logs]: {line}"])


def _timeout(request: dict[str, Any]) -> int:
    return int((request.get("ModelClientConfig") or {}).get("InvocationsTimeoutInSeconds") or 600)


def _short(body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    return text if len(text) <= 500 else "..." + text[-497:]


def _not_up(instance: Instance) -> str:
    if instance.failure:
        return f"ClientError: The model's container could not be started. {instance.failure}"
    head = "AlgorithmError: The model's container did not pass the ping health check. Its log ends with: "
    tail = "\n".join(instance.tail).strip()
    return head + tail[-(1000 - len(head)) :]
