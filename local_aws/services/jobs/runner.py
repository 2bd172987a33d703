"""The life of a job in a thread: queue for a place, run, end in a final status whatever happens."""

import contextlib
import errno
import logging
import os
import queue
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from local_aws.server.app import LocalAwsApp
from local_aws.services.jobs import finished
from local_aws.services.jobs.model import Job, JobFailed
from local_aws.services.jobs.notices import announce

log = logging.getLogger("local_aws")
SERVER_DIED = (
    "InternalServerError: The local AWS was stopped while this job was running. Start it with `local-aws "
    "start` and "
    "create the job again."
)


class Stopped(Exception):
    """The job was asked to stop before its container ran."""


class Slots:
    """At most `size` jobs at once, first come first served."""

    def __init__(self, size: int):
        self._free, self._waiting, self._lock = size, deque(), threading.Condition()

    def acquire(self, stop: threading.Event) -> bool:
        """Wait for a place; False when `stop` was set first (`poke` wakes the waiting)."""
        ticket = object()
        with self._lock:
            self._waiting.append(ticket)
            self._lock.wait_for(lambda: stop.is_set() or (self._free > 0 and self._waiting[0] is ticket))
            self._waiting.remove(ticket)
            if not stop.is_set():
                self._free -= 1
            self._lock.notify_all()
            return not stop.is_set()

    def release(self) -> None:
        with self._lock:
            self._free += 1
            self._lock.notify_all()

    def poke(self) -> None:
        with self._lock:
            self._lock.notify_all()


class Run:
    """What belongs to a running job and not to its record."""

    def __init__(self, job: Job, work: Path):
        self.job, self.work = job, work
        self.stop = threading.Event()
        self.wake: queue.SimpleQueue = queue.SimpleQueue()
        self.hosts: list[Any] = []
        self.began = time.time()

    def check(self) -> None:
        if self.stop.is_set():
            raise Stopped


def _end_processes_in(folder: Path) -> None:
    """What a killed server's job left running; only without process namespaces there can be such."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder):
                process.kill()


class JobRunner:
    """Runs one kind of job. Subclasses say how: `execute(run)`, `finish(job, status, reason)`."""

    kind = ""
    takes_place = True  # False for a kind that only waits for other jobs
    _slots: Slots | None = None
    # Hosts of one job share this machine's network, and the SDK's torchrun driver has a fixed port.
    _many_hosts = threading.Lock()

    def __init__(self, app: LocalAwsApp):
        self.app = app
        self.runs: dict[tuple[str, str, str], Run] = {}
        self.closing = False
        if JobRunner._slots is None:
            default = max(2, len(os.sched_getaffinity(0)))
            JobRunner._slots = Slots(int(os.environ.get("LOCAL_AWS_MAX_JOBS", default)))
        self.grace = float(os.environ.get("LOCAL_AWS_STOP_GRACE", 30))
        app.on_start(self.recover)
        app.on_stop(self.shutdown)
        app.status(self.status)

    @property
    def word(self) -> str:
        """The kind as others are told it: training, processing, transform, tuning."""
        return self.kind.removeprefix("HyperParameter").lower()

    # -- to be defined -------------------------------------------------------------------------------------
    def jobs(self, backend: Any) -> dict[str, Job]:
        raise NotImplementedError

    def execute(self, run: Run) -> None:
        """Run to the end and leave the record in a final status. `JobFailed`, `Stopped`, OSError are
        handled."""
        raise NotImplementedError

    def begin(self, job: Job) -> None:
        """Complete the record of a job that is about to be created; may refuse it."""

    def stopping(self, job: Job) -> None:
        """Complete the record of a job that has just been asked to stop."""
        job.touch()

    def finish(self, job: Job, status: str, reason: str | None = None) -> None:
        """Set the final status and the times on the record (called with the app's lock held)."""
        raise NotImplementedError

    @contextlib.contextmanager
    def alone(self, run: Run, hosts: int) -> Iterator[None]:
        """Wait until no other job with several hosts runs, if this one has several. Raises `Stopped` when the
        job is stopped meanwhile."""
        if hosts > 1:
            while not self._many_hosts.acquire(timeout=0.2):
                run.check()
        try:
            run.check()
            yield
        finally:
            if hosts > 1:
                self._many_hosts.release()

    # -- life ----------------------------------------------------------------------------------------------
    def submit(self, job: Job) -> None:
        run = Run(job, self.app.home / "jobs" / f"{self.word}-{job.name}-{os.urandom(4).hex()}")
        self.runs[job.account, job.region, job.name] = run
        threading.Thread(target=self._live, args=(run,), name=f"job-{job.name}", daemon=True).start()

    def request_stop(self, job: Job) -> None:
        run = self.runs.get((job.account, job.region, job.name))
        if run:
            run.stop.set()
            run.wake.put("stop")
            self._slots.poke()

    def update(self, job: Job, **fields: Any) -> None:
        """Change the record and put it on disk."""
        with self.app.lock:
            if self.closing:
                raise Stopped
            job.fields.update(fields)
            job.touch()
            self.app.changed("sagemaker", job.account, job.region)

    def end(self, job: Job, status: str, reason: str | None = None) -> None:
        with self.app.lock:
            if self.closing or job.final:
                return
            self.finish(job, status, reason)
            self.app.changed("sagemaker", job.account, job.region)
            announce(self.app, job)

    def _live(self, run: Run) -> None:
        job = run.job
        placed = False
        try:
            placed = self.takes_place and self._slots.acquire(run.stop)
            run.check()
            run.work.mkdir(parents=True)
            self.execute(run)
        except Stopped:
            self._settle(job, "Stopped")
        except JobFailed as failure:
            self._settle(job, "Failed", str(failure)[:1024])
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            reason = (
                f"ClientError: No space left on the disk of {self.app.home}. Free some space and create "
                "the job again."
                if full
                else f"InternalServerError: {error}"
            )
            log.exception("job %s", job.name)
            self._settle(job, "Failed", reason[:1024])
        except Exception as error:
            log.exception("job %s", job.name)
            self._settle(job, "Failed", f"InternalServerError: {type(error).__name__}: {error}"[:1024])
        finally:
            for host in run.hosts:
                if host.process and host.process.poll() is None:
                    host.process.kill()
            shutil.rmtree(run.work, ignore_errors=True)
            if placed:
                self._slots.release()
            self.runs.pop((job.account, job.region, job.name), None)
            if job.final:
                finished.publish(self.word, job.account, job.region, job.name)

    def _settle(self, job: Job, status: str, reason: str | None = None) -> None:
        """`end`, and again later when the disk is full: the status must not be lost."""
        for pause in (0.0, 1.0, 5.0, 30.0):
            time.sleep(pause)
            try:
                return self.end(job, status, reason)
            except Exception:
                log.exception("the status of job %s could not be put on disk", job.name)

    def recover(self) -> None:
        """Jobs that ran when the last server ended are Failed."""
        import moto.backends

        for account, region, backend in moto.backends.get_backend("sagemaker").iter_backends():
            for job in self.jobs(backend).values():
                if isinstance(job, Job) and not job.final:
                    self.end(job, "Failed", SERVER_DIED)
            self.app.changed("sagemaker", account, region)
        for folder in (self.app.home / "jobs").glob(f"{self.word}-*"):
            _end_processes_in(folder)
            shutil.rmtree(folder, ignore_errors=True)

    def shutdown(self) -> None:
        """End every process; the records follow at the next start (`recover`)."""
        with self.app.lock:
            self.closing = True
        for run in list(self.runs.values()):
            run.stop.set()
            for host in run.hosts:
                if host.process:
                    host.process.kill()
            shutil.rmtree(run.work, ignore_errors=True)

    def status(self) -> list[dict]:
        return [
            {
                "kind": f"{self.word} job",
                "name": run.job.name,
                "status": run.job.fields.get("SecondaryStatus") or run.job.status,
                "since": run.began,
                "pids": [h.process.pid for h in run.hosts if h.process and h.process.poll() is None],
            }
            for run in list(self.runs.values())
        ]
