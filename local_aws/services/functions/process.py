"""One invocation's process: its environment, its pipes, its clock."""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.runtime.sandbox import Sandbox, SandboxProcess

TASK, RUNTIME = "/var/task", "/var/runtime"
INIT_SECONDS = 10.0  # what importing the handler's module may take before its timeout counts
LEFT_BEHIND_SECONDS = 1.0  # for processes that still hold the output when the handler has returned


@dataclass
class Outcome:
    """`kind`: result (payload is its JSON), error (payload as well), timeout, or exit (no answer). Times in
    seconds, memory in MB."""

    kind: str
    payload: str = ""
    log: str = ""
    init: float | None = None
    duration: float = 0.0
    memory: int | None = None
    status: int | None = None


@dataclass
class Call:
    """What the process is started with. `timeout` in seconds."""

    request_id: str
    arn: str
    timeout: float
    event: bytes
    variables: dict[str, str] = field(default_factory=dict)


class Invocation:
    """Runs a call once. `write(lines)` gets the process's output."""

    def __init__(self, task: Path, runtime: Path, scratch: Path, write: Callable[[list[str]], None]):
        self._task, self._runtime, self._scratch, self._write = task, runtime, scratch, write
        self._process: SandboxProcess | None = None
        self._killed = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def kill(self) -> None:
        self._killed = True
        if self._process:
            self._process.kill()

    def run(self, call: Call) -> Outcome:
        self._scratch.mkdir(parents=True)
        reading, writing = os.pipe()
        try:
            sandbox = Sandbox(
                self._task,
                mount_at=TASK,
                hostname="lambda",
                env={
                    "PATH": "/usr/local/bin:/usr/bin:/bin",
                    "LANG": "en_US.UTF-8",
                    "TZ": ":UTC",
                    "LAMBDA_TASK_ROOT": TASK,
                    "LAMBDA_RUNTIME_DIR": RUNTIME,
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PYTHONUNBUFFERED": "1",  # what is printed is in the log at once
                    "TMPDIR": str(self._scratch),
                    **call.variables,
                    "LOCAL_AWS_CONTROL": str(writing),
                },
                binds={RUNTIME: self._runtime},
            )
            # -S: nothing of this environment's site-packages, which Lambda does not have either
            self._process = sandbox.popen(
                [os.path.realpath(sys.executable), "-S", "-X", "utf8", f"{RUNTIME}/bootstrap.py"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
            )
        finally:
            os.close(writing)
        try:
            if self._killed:
                self._process.kill()
            return self._follow(call, reading)
        finally:
            os.close(reading)
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def _send(self, call: Call) -> None:
        head = {"request_id": call.request_id, "arn": call.arn, "timeout": call.timeout}
        pipe = self._process.stdin
        try:
            pipe.write(json.dumps(head).encode() + b"\n" + call.event)
            pipe.close()
        except BrokenPipeError:  # it ended before it read: its exit status says more
            pass

    def _follow(self, call: Call, reading: int) -> Outcome:
        began = time.monotonic()
        self._send(call)
        limit = began + INIT_SECONDS + call.timeout
        output, control = _Lines(self._process.stdout.fileno()), _Lines(reading)
        outcome, init = None, None
        with selectors.DefaultSelector() as selector:
            for lines in (output, control):
                selector.register(lines.descriptor, selectors.EVENT_READ, lines)
            while selector.get_map():
                ready = {key.data for key, _ in selector.select(max(0.0, limit - time.monotonic()))}
                if not ready:
                    break
                for lines in (output, control):  # what was printed before it told something comes first
                    if lines not in ready:
                        continue
                    found, ended = lines.read()
                    if ended:
                        selector.unregister(lines.descriptor)
                    if lines is output:
                        if found:
                            self._write([line.decode("utf-8", "replace").rstrip("\r") for line in found])
                        continue
                    for message in map(json.loads, found):
                        if "init" in message:
                            init, began = message["init"], time.monotonic()
                            limit = began + call.timeout
                        else:
                            outcome = _outcome(message)
                            limit = time.monotonic() + LEFT_BEHIND_SECONDS
        if outcome is None:
            seconds = time.monotonic() - began
            if self._process.poll() is None and time.monotonic() >= limit:
                outcome = Outcome("timeout", duration=seconds)
            else:
                outcome = Outcome("exit", duration=seconds, status=self._process.wait())
        outcome.init = init
        return outcome


def _outcome(message: dict[str, Any]) -> Outcome:
    times = {"duration": message["duration"], "memory": message["memory"]}
    if "error" in message:
        return Outcome("error", json.dumps(message["error"]), message["log"], **times)
    return Outcome("result", message["result"], **times)


class _Lines:
    """A pipe's complete lines; at its end, also what had no line end."""

    def __init__(self, descriptor: int):
        self.descriptor, self._rest = descriptor, b""

    def read(self) -> tuple[list[bytes], bool]:
        chunk = os.read(self.descriptor, 1 << 18)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if not chunk and self._rest:
            lines, self._rest = [self._rest], b""
        return lines, not chunk
