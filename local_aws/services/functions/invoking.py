"""Runs functions: finds the record, checks that it can run here, runs it, logs as Lambda does."""

import json
import logging
import math
import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.awslambda.exceptions import LambdaClientError

from local_aws.server.app import LocalAwsApp
from local_aws.services.functions import packages
from local_aws.services.functions.loggroups import log_group
from local_aws.services.functions.process import Call, Invocation, Outcome
from local_aws.services.jobs.containers import base_environment
from local_aws.state.documents import Document

server_log = logging.getLogger("local_aws")
MAX_RESPONSE = 6_291_556  # bytes, as Lambda's own message says
TAIL = 4096  # bytes of log in `log_tail`
STOP_SECONDS = 5
PARALLEL_EVENTS = 4  # asynchronous invocations at once
WAITING = "lambda-event"
_FULL = re.compile(r"arn:aws[\w-]*:lambda:([\w-]+):(\d{12}):function:([\w-]+)(?::([\w$-]+))?")
_PARTIAL = re.compile(r"(\d{12}):function:([\w-]+)(?::([\w$-]+))?")
_NAME = re.compile(r"([\w-]+)(?::([\w$-]+))?")


class InvokeError(Exception):
    """Invoke is refused before anything runs: HTTP `status`, error `code`, the message."""

    def __init__(self, status: int, code: str, message: str):
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True)
class InvokeResult:
    """`payload` is JSON: the handler's result, or the error object when `function_error` is set. `log_tail`:
    the last 4 KB of the invocation's log."""

    status_code: int
    payload: bytes
    function_error: str | None
    log_tail: str
    executed_version: str
    request_id: str


@dataclass(frozen=True)
class Target:
    """What one invocation needs of the function's record, read under the lock."""

    account: str
    region: str
    name: str
    arn: str
    version: str
    handler: str
    timeout: int
    memory: int
    runtime: str
    variables: dict[str, str]
    code: bytes
    digest: str
    log_group: str


class Functions:
    """The functions of one server."""

    def __init__(self, app: LocalAwsApp):
        self.app = app
        self.folder = app.home / "lambda"
        self._running: dict[str, tuple[Invocation, str, float]] = {}
        self._lock = threading.Lock()
        self._events = ThreadPoolExecutor(PARALLEL_EVENTS, thread_name_prefix="lambda")
        self._closing = False
        app.on_start(self.start)
        app.on_stop(self.stop)
        app.status(self.status)

    # -- the server's life -----------------------------------------------------------------------------------
    def start(self) -> None:
        """Forget unpacked code; run the events that were accepted and not finished."""
        shutil.rmtree(self.folder, ignore_errors=True)
        packages.make_runtime(self.folder / "runtime")
        for event in self.app.documents.all(WAITING):
            self._events.submit(self._run_event, event)

    def stop(self) -> None:
        self._closing = True
        self._events.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            running = list(self._running.values())
        for invocation, _, _ in running:
            invocation.kill()
        end = time.monotonic() + STOP_SECONDS
        while self._running and time.monotonic() < end:  # until their logs are on disk
            time.sleep(0.02)

    def status(self) -> list[dict]:
        with self._lock:
            return [
                {"kind": "function", "name": name, "status": "running", "since": since, "pids": [i.pid]}
                for i, name, since in self._running.values()
            ]

    # -- invoking --------------------------------------------------------------------------------------------
    def target(self, function: str, account: str, region: str, qualifier: str | None = None) -> Target:
        """The function by name, partial or full ARN. `InvokeError` when there is none or it cannot run."""
        if match := _FULL.fullmatch(function):
            region, account, name, suffix = match.groups()
        elif match := _PARTIAL.fullmatch(function):
            account, name, suffix = match.groups()
        elif match := _NAME.fullmatch(function):
            name, suffix = match.groups()
        else:
            raise InvokeError(400, "ValidationException", f"{function!r} is no function name and no ARN.")
        qualifier = suffix or qualifier
        with self.app.lock:
            try:
                record = self.app.backend("lambda", account, region).get_function(name, qualifier)
            except LambdaClientError as error:
                raise InvokeError(404, "ResourceNotFoundException", error.message) from None
            arn = record.function_arn.removesuffix(f":{record.version}")
            found = Target(
                account,
                region,
                name,
                f"{arn}:{qualifier}" if qualifier else arn,
                str(record.version),
                record.handler or "",
                int(record.timeout),
                int(record.memory_size),
                record.run_time or record.package_type,
                {k: str(v) for k, v in (record.environment_vars or {}).items()},
                getattr(record, "code_bytes", b""),
                getattr(record, "code_digest", ""),
                log_group(record),
            )
        if not re.fullmatch(r"python3\.\d+", found.runtime):
            raise InvokeError(
                501,
                "UnsupportedOperation",
                f"lambda:Invoke of {name} is not emulated by local_aws: it runs Python zip functions, not "
                f"{found.runtime}. Use AWS for it.",
            )
        return found

    def run(self, target: Target, payload: bytes, request_id: str | None = None) -> InvokeResult:
        """Run it once, to its end."""
        request_id = request_id or str(uuid4())
        if self._closing:
            raise InvokeError(503, "ServiceException", "local_aws is stopping.")
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[{target.version}]{uuid4().hex}"
        group = target.log_group
        log = _Log(self.app.logs(group, stream, target.region, target.account))
        task = packages.unpack(target.code, self.folder / "code" / target.digest)
        scratch = self.folder / "run" / request_id
        invocation = Invocation(task, self.folder / "runtime", scratch, log.write)
        variables = {
            **target.variables,
            **base_environment(self.app, target.region, target.account),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{target.runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": target.name,
            "AWS_LAMBDA_FUNCTION_VERSION": target.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(target.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": group,
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            "_HANDLER": target.handler,
        }
        call = Call(request_id, target.arn, target.timeout, payload or b"{}", variables)
        log.write([f"START RequestId: {request_id} Version: {target.version}"])
        with self._lock:
            self._running[request_id] = invocation, target.name, time.time()
        try:
            outcome = invocation.run(call)
            body, error = self._answer(target, request_id, outcome, log)
            log.write([f"END RequestId: {request_id}", _report(target, request_id, outcome)])
            log.flush()
        finally:
            with self._lock:
                del self._running[request_id]
            shutil.rmtree(scratch, ignore_errors=True)
        return InvokeResult(
            200, body.encode("utf-8"), "Unhandled" if error else None, log.tail, target.version, request_id
        )

    def _answer(self, target: Target, request_id: str, outcome: Outcome, log: "_Log") -> tuple[str, bool]:
        if outcome.kind == "result":
            if len(outcome.payload.encode("utf-8")) <= MAX_RESPONSE:
                return outcome.payload, False
            message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
            return _error("Function.ResponseSizeTooLarge", message), True
        if outcome.kind == "error":
            log.write([outcome.log])
            return outcome.payload, True
        if outcome.kind == "timeout":
            text = f"Task timed out after {target.timeout:.2f} seconds"
            log.write([f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + f"Z {request_id} {text}"])
            return _error("Sandbox.Timedout", f"RequestId: {request_id} Error: {text}"), True
        how = f"exit status {outcome.status}" if outcome.status >= 0 else f"signal {-outcome.status}"
        text = f"RequestId: {request_id} Error: Runtime exited with error: {how}"
        log.write([text])
        return _error("Runtime.ExitError", text), True

    # -- asynchronous ----------------------------------------------------------------------------------------
    def accept(self, target: Target, function: str, payload: bytes, request_id: str) -> None:
        """Run it later, once: an error is in its log only. The event is on disk when this returns, and runs again
        when the server ends before it has finished."""
        value = {"function": function, "payload": (payload or b"{}").decode("utf-8")}
        event = Document(WAITING, target.account, target.region, request_id, value)
        self.app.documents.write([event])
        self._events.submit(self._run_event, event)

    def _run_event(self, event: Document) -> None:
        try:
            target = self.target(event.value["function"], event.account, event.region)
            self.run(target, event.value["payload"].encode("utf-8"), event.name)
        except Exception as error:
            server_log.warning("event %s of function %s: %s", event.name, event.value["function"], error)
        if not self._closing:
            self.app.documents.write(remove=[event])


class _Log:
    """The invocation's log stream, and its last lines."""

    def __init__(self, writer: Any):
        self._writer, self._lines, self._flushed = writer, [], time.monotonic()

    def write(self, lines: list[str]) -> None:
        self._writer.write(lines)
        self._lines = [*self._lines, *lines][-500:]
        if time.monotonic() - self._flushed > 1:
            self.flush()

    def flush(self) -> None:
        self._writer.flush()
        self._flushed = time.monotonic()

    @property
    def tail(self) -> str:
        text = "\n".join(self._lines) + "\n"
        return text.encode("utf-8")[-TAIL:].decode("utf-8", "ignore")


def _error(kind: str, message: str) -> str:
    return json.dumps({"errorType": kind, "errorMessage": message})


def _report(target: Target, request_id: str, outcome: Outcome) -> str:
    milliseconds = outcome.duration * 1000
    parts = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {milliseconds:.2f} ms",
        f"Billed Duration: {max(1, math.ceil(milliseconds))} ms",
        f"Memory Size: {target.memory} MB",
    ]
    if outcome.memory is not None:
        parts.append(f"Max Memory Used: {outcome.memory} MB")
    if outcome.init is not None:
        parts.append(f"Init Duration: {outcome.init * 1000:.2f} ms")
    if outcome.kind == "timeout":
        parts.append("Status: timeout")
    return "\t".join(parts)
