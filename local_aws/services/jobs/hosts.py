"""The processes of a job's hosts: started, read line by line, awaited, stopped."""

import logging
import os
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from local_aws.runtime.sandbox import Sandbox, SandboxProcess
from local_aws.server.joblogs import LogStreamWriter

log = logging.getLogger("local_aws")
MAX_LINE = 256 * 1024  # CloudWatch's limit for one event


class Host:
    """One host: its folder (seen as /opt/ml), its log, its process."""

    def __init__(self, name: str, folder: Path, sandbox: Sandbox, log: LogStreamWriter):
        self.name, self.folder, self.sandbox, self.log = name, folder, sandbox, log
        self.tail: deque[str] = deque(maxlen=400)
        self.process: SandboxProcess | None = None
        self.exit_code: int | None = None
        self._reader: threading.Thread | None = None

    def start(
        self, argv: Sequence[str], on_line: Callable[[str], None], on_exit: Callable[["Host"], None]
    ) -> None:
        self.process = self.sandbox.popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._reader = threading.Thread(target=self._read, args=(on_line, on_exit), daemon=True)
        self._reader.start()

    def _read(self, on_line: Callable[[str], None], on_exit: Callable[["Host"], None]) -> None:
        pipe, rest, flushed = self.process.stdout.fileno(), b"", time.monotonic()
        while chunk := os.read(pipe, 65536):
            *complete, rest = (rest + chunk).split(b"\n")
            if len(rest) > MAX_LINE:
                complete, rest = [*complete, rest[:MAX_LINE]], rest[MAX_LINE:]
            if complete:
                self._take(complete, on_line)
            if time.monotonic() - flushed > 1:
                try:
                    self.log.flush()
                except Exception:  # a full disk: the job's pipe must be read on, and its end be seen
                    log.exception("the log of %s cannot be put on disk", self.name)
                flushed = time.monotonic()
        if rest:
            self._take([rest], on_line)
        self.exit_code = self.process.wait()
        on_exit(self)

    def _take(self, raw: list[bytes], on_line: Callable[[str], None]) -> None:
        lines = [line.decode("utf-8", "replace").rstrip("\r")[:MAX_LINE] for line in raw]
        self.log.write(lines)
        self.tail.extend(lines)
        for line in lines:
            on_line(line)

    def failure_text(self) -> str:
        try:
            return (self.folder / "output" / "failure").read_text("utf-8", "replace")
        except OSError:
            return ""


class Outcome:
    """How a run ended: `exited` (all hosts ended well), `failed` (with the host), `stopped`, `timeout`."""

    def __init__(self, kind: str, host: Host | None = None):
        self.kind, self.host = kind, host


def run_hosts(
    hosts: list[Host],
    argv: Sequence[str],
    stop: threading.Event,
    wake: queue.SimpleQueue,
    deadline: float | None,
    grace: float,
    on_line: Callable[[str], None] = lambda line: None,
    tick: Callable[[], None] | None = None,
    tick_seconds: float = 5.0,
) -> Outcome:
    """Start `argv` on every host and wait for the end.

    The first host that fails ends the others. `wake` gets a token when `stop` is set, so that nothing polls.
    `deadline`: on `time.monotonic()`. `tick` is called every `tick_seconds` while they run.
    """
    for host in hosts:
        host.start(argv, on_line, wake.put)
    left = set(hosts)
    outcome = Outcome("exited")
    next_tick = time.monotonic() + tick_seconds
    while left:
        waits = [deadline] if deadline is not None else []
        waits += [next_tick] if tick else []
        try:
            done = wake.get(timeout=max(0.0, min(waits) - time.monotonic()) if waits else None)
        except queue.Empty:
            done = None
        if isinstance(done, Host):
            left.discard(done)
            if done.exit_code != 0 and outcome.kind == "exited":
                outcome = Outcome("failed", done)
        elif stop.is_set() and outcome.kind == "exited":
            outcome = Outcome("stopped")
        elif deadline is not None and time.monotonic() >= deadline and outcome.kind == "exited":
            outcome = Outcome("timeout")
        if tick and time.monotonic() >= next_tick:
            tick()
            next_tick = time.monotonic() + tick_seconds
        if outcome.kind != "exited" and left:
            _end(left, 0 if outcome.kind == "failed" else grace)
            while left:
                ended = wake.get()
                if isinstance(ended, Host):
                    left.discard(ended)
    for host in hosts:
        try:
            host.log.flush()
        except Exception:
            log.exception("the log of %s cannot be put on disk", host.name)
    return outcome


def _end(hosts: set[Host], grace: float) -> None:
    stoppers = [
        threading.Thread(target=h.process.stop, args=(grace,), daemon=True) for h in hosts if h.process
    ]
    for thread in stoppers:
        thread.start()
    for thread in stoppers:
        thread.join()
