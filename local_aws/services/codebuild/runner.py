"""Builds in threads: queued, run, ended in a final status whatever happens, announced."""

import errno
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local_aws.server.app import LocalAwsApp
from local_aws.services.codebuild.execution import Ended, Execution
from local_aws.services.codebuild.records import IN_PROGRESS, Build, Builds
from local_aws.services.jobs.runner import Slots, _end_processes_in

log = logging.getLogger("local_aws")
Finished = Callable[[str, str, str, str], None]
SERVER_DIED = "The local AWS was stopped while this build was running. Start the build again."
# Seconds that a minute of a build's timeouts lasts; AWS's shortest timeout is five minutes, too long for a test.
MINUTE = float(os.environ.get("LOCAL_AWS_BUILD_MINUTE", 60))


class Runner:
    """All builds of one local AWS."""

    def __init__(self, app: LocalAwsApp):
        self.app, self.builds = app, Builds(app)
        self.listeners: list[Finished] = []
        self._running: dict[str, Execution] = {}
        size = int(os.environ.get("LOCAL_AWS_MAX_BUILDS", max(2, len(os.sched_getaffinity(0)))))
        self._slots = Slots(size)
        self._closing = False
        app.on_start(self.recover)
        app.on_stop(self.shutdown)
        app.status(self.status)

    # -- life ----------------------------------------------------------------------------------------------
    def submit(self, account: str, region: str, project: str, fields: dict[str, Any]) -> Build:
        """A new build, queued. `fields`: what `Build` of the API has besides times and phases."""
        build = self.builds.new(account, region, project, fields)
        name = build.id.partition(":")[2]
        execution = Execution(self.app, self.builds, build, self.app.home / "builds" / name)
        self._running[build.arn] = execution
        threading.Thread(target=self._live, args=(execution,), name=f"build-{name}", daemon=True).start()
        return build

    def request_stop(self, build: Build) -> None:
        if execution := self._running.get(build.arn):
            execution.end("STOPPED", "", "The build was stopped by StopBuild.")
            self._slots.poke()

    def _timer(self, execution: Execution, minutes: float, what: str) -> threading.Timer:
        def over() -> None:
            message = f"Build has timed out: {what} {minutes:g} minutes."
            execution.end("TIMED_OUT", "BUILD_TIMED_OUT", message)
            self._slots.poke()

        timer = threading.Timer(minutes * MINUTE, over)
        timer.daemon = True
        timer.start()
        return timer

    def _live(self, execution: Execution) -> None:
        build, record = execution.build, execution.record
        placed, timer = False, None
        try:
            self._announce(build, IN_PROGRESS)
            timer = self._timer(execution, record["queuedTimeoutInMinutes"], "it was in the queue for")
            placed = self._slots.acquire(execution.stop)
            timer.cancel()
            if execution.stop.is_set():
                raise Ended
            with self.builds.lock:
                build.leave()
            timer = self._timer(execution, record["timeoutInMinutes"], "it ran for")
            execution.work.mkdir(parents=True)
            execution.run()
            timer.cancel()
            self._finish(execution, "FAILED" if execution.failed else "SUCCEEDED")
        except Ended:
            self._finish(execution, *(execution.outcome or ("STOPPED", "", "")))
        except Exception as error:
            log.exception("build %s", build.id)
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            message = (
                f"No space left on the disk of {self.app.home}. Free some space and start the build again."
                if full
                else f"{type(error).__name__}: {error}"
            )
            self._finish(execution, "FAULT", "INTERNAL_ERROR", message)
        finally:
            if timer:
                timer.cancel()
            if execution.shell:
                execution.shell.kill()
            shutil.rmtree(execution.work, ignore_errors=True)
            if placed:
                self._slots.release()
            self._running.pop(build.arn, None)

    def _finish(self, execution: Execution, status: str, code: str = "", message: str = "") -> None:
        """Put the final status on disk, tried again when the disk is full; then tell everybody."""
        build = execution.build
        if execution.shell:
            execution.shell.kill()
        with self.builds.lock:
            if self._closing or build.done:
                return
        message = execution.log.mask(message)
        if message:
            execution.log.say(f"Build {status}: {message}")
        execution.log.flush()
        with self.builds.lock:
            build.leave("SUCCEEDED" if status == "FAILED" else status, code, message)
            build.complete(status)
        for pause in (0.0, 1.0, 5.0, 30.0):
            time.sleep(pause)
            try:
                self.builds.save(build)
                break
            except Exception:
                log.exception("the status of build %s could not be put on disk", build.id)
        self._tell(build, status)

    def _tell(self, build: Build, status: str) -> None:
        self._announce(build, status)
        for listener in self.listeners:
            try:
                listener(build.id, status, build.account, build.region)
            except Exception:
                log.exception("a listener of build %s failed", build.id)

    def recover(self) -> None:
        """Builds that ran when the last server ended are FAULT."""
        self.builds.load()
        for build in self.builds.all():
            if not build.done:
                with self.builds.lock:
                    build.leave("FAULT", "INTERNAL_ERROR", SERVER_DIED)
                    build.complete("FAULT")
                self.builds.save(build)
                self._tell(build, "FAULT")
        for folder in (self.app.home / "builds").glob("*"):
            _end_processes_in(folder)
            shutil.rmtree(folder, ignore_errors=True)

    def shutdown(self) -> None:
        """End every process; the records follow at the next start (`recover`)."""
        with self.builds.lock:
            self._closing = True
        for execution in list(self._running.values()):
            execution.end("FAULT", "INTERNAL_ERROR", SERVER_DIED)
            shutil.rmtree(execution.work, ignore_errors=True)

    def status(self) -> list[dict]:
        found = []
        for execution in list(self._running.values()):
            process = execution.shell.process if execution.shell else None
            alive = process is not None and process.poll() is None
            found.append(
                {
                    "kind": "build",
                    "name": execution.build.id,
                    "status": execution.record["currentPhase"],
                    "since": execution.record["startTime"],
                    "pids": [process.pid] if alive else [],
                }
            )
        return found

    # -- events --------------------------------------------------------------------------------------------
    def _announce(self, build: Build, status: str) -> None:
        """`CodeBuild Build State Change` (User Guide, "Build notifications input format reference")."""
        from local_aws.services.events import emit

        record = build.answer()
        environment, logs = record["environment"], record["logs"]
        began = datetime.fromtimestamp(record["startTime"], UTC)
        information = {
            "artifact": {"location": build.private.get("artifacts", {}).get("location", "")},
            "environment": {
                "image": environment["image"],
                "privileged-mode": bool(environment.get("privilegedMode")),
                "compute-type": environment["computeType"],
                "type": environment["type"],
                "environment-variables": environment.get("environmentVariables") or [],
            },
            "timeout-in-minutes": record["timeoutInMinutes"],
            "build-complete": record["buildComplete"],
            "build-number": record["buildNumber"],
            "initiator": record["initiator"],
            "build-start-time": began.strftime("%b %-d, %Y %-I:%M:%S %p"),
            "source": {k: v for k, v in record["source"].items() if k in ("type", "location")},
            "source-version": record.get("sourceVersion") or "",
            "logs": {"group-name": logs.get("groupName"), "stream-name": logs.get("streamName")},
            "phases": [_event_phase(phase) for phase in record["phases"]],
        }
        detail = {
            "build-status": status,
            "project-name": build.project,
            "build-id": record["arn"],
            "additional-information": information,
            "current-phase": record["currentPhase"],
            "current-phase-context": "[]",
            "version": "1",
        }
        try:
            emit(
                self.app,
                source="aws.codebuild",
                detail_type="CodeBuild Build State Change",
                detail=detail,
                resources=[record["arn"]],
                account=build.account,
                region=build.region,
            )
        except Exception:  # a full disk: the build itself goes on
            log.exception("an event of build %s is lost", build.id)


def _event_phase(phase: dict[str, Any]) -> dict[str, Any]:
    def when(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).strftime("%b %-d, %Y %-I:%M:%S %p")

    found: dict[str, Any] = {"phase-type": phase["phaseType"], "start-time": when(phase["startTime"])}
    if "endTime" in phase:
        found["end-time"] = when(phase["endTime"])
        found["duration-in-seconds"] = phase["durationInSeconds"]
        found["phase-status"] = phase["phaseStatus"]
        found["phase-context"] = [f"{c['statusCode']}: {c['message']}" for c in phase["contexts"]]
    return found
