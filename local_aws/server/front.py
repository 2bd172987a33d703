"""The WSGI front: identify, refuse what is not emulated, answer, persist, and only then acknowledge."""

import errno
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable

from local_aws.runtime.sandbox import describe
from local_aws.server import emulated
from local_aws.server.accesslog import AccessLog
from local_aws.server.app import LocalAwsApp
from local_aws.server.errors import render
from local_aws.server.identify import Call, identify
from local_aws.state import tracking

log = logging.getLogger("local_aws")
CONTROL = "/_local_aws/"
_READS = ("Describe", "List", "Get", "Head", "Search", "Lookup", "Filter", "BatchGet", "Simulate", "Query")


def is_read(call: Call) -> bool:
    """True when the action cannot change state."""
    if call.service == "s3":
        return call.method in ("GET", "HEAD")
    return call.action.startswith(_READS) and call.action != "GetSessionToken"


def _full_disk(error: BaseException) -> bool:
    return (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or (
        isinstance(error, sqlite3.OperationalError) and "full" in str(error)
    )


def _s3_key(call: Call) -> tuple[str, str] | None:
    """The (bucket, key) of a path-style S3 request: its object may have been changed in place."""
    if call.service != "s3":
        return None
    path = call.path.encode("latin-1", "replace").decode("utf-8", "replace")
    bucket, _, key = path.lstrip("/").partition("/")
    return (bucket, key) if key else None


class _AsIs(str):
    """A header name that waitress does not capitalize: S3 metadata keys are lower case for every SDK."""

    def split(self, *_: object) -> list:
        return [self]

    def capitalize(self) -> "_AsIs":
        return self


def _keep_metadata_names(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(_AsIs(k.lower()) if k.lower().startswith("x-amz-meta-") else k, v) for k, v in headers]


class Front:
    """The WSGI application of the server. `stop` is called for a shutdown request on the control path."""

    def __init__(self, app: LocalAwsApp, moto_app: Callable, access: AccessLog, stop: Callable[[], None]):
        self.app, self._moto, self._access, self._stop = app, moto_app, access, stop

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        body = self._respond(environ, start_response)
        # a body after HEAD would be taken for the next answer of the connection
        return [] if environ["REQUEST_METHOD"] == "HEAD" else body

    def _respond(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if origin := environ.get("HTTP_ORIGIN"):  # only browsers send it, for the scripts and forms of pages
            return self._refuse_page(origin, start_response)
        if path.startswith(CONTROL):
            return self._control(path[len(CONTROL) :], environ["REQUEST_METHOD"], start_response)
        begin = time.perf_counter()
        environ["RAW_URI"] = environ.get("REQUEST_URI", path)  # moto needs keys as they were encoded
        call = identify(environ)
        for pattern, service, handler in self.app.fast_paths:
            if call.service == service and pattern.match(path):
                return self._fast(handler, call, environ, start_response, begin)
        status, headers, body = self._answer(call, environ)
        self._access.write(call, int(status[:3]), time.perf_counter() - begin)
        start_response(status, _keep_metadata_names(headers) if call.service == "s3" else headers)
        return body

    @staticmethod
    def _refuse_page(origin: str, start_response: Callable) -> Iterable[bytes]:
        """Any page that the user of this machine visits could run code here, as a job: none may call."""
        log.warning("refused a request of the web page %r", origin)
        body = b"local_aws does not answer web pages (requests with an Origin header).\n"
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        start_response("403 Forbidden", headers)
        return [body]

    def _fast(self, handler, call: Call, environ: dict, start_response: Callable, begin: float):
        def record(status, headers, exc_info=None):
            self._access.write(call, int(status[:3]), time.perf_counter() - begin)
            return start_response(status, headers)

        try:
            return handler(environ, record)
        except Exception as error:
            log.exception("%s failed", call.name)
            status, headers, body = render(call.service, 500, "InternalFailure", f"local_aws: {error!r}")
            record(status, headers)
            return [body]

    def _answer(self, call: Call, environ: dict) -> tuple[str, list, Iterable[bytes]]:
        refusal = emulated.why_not(call.service, call.action)
        if refusal:
            return self._error(call, 501, "UnsupportedOperation", refusal)
        try:
            with self.app.lock:
                tracking.touched.clear()
                answer = self._moto_answer(call, environ)
                if not is_read(call):
                    self.app.save(list(tracking.touched), _s3_key(call))
                return answer
        except NotImplementedError:
            return self._error(
                call,
                501,
                "UnsupportedOperation",
                f"{call.name} is not emulated by local_aws. Use AWS for it.",
            )
        except Exception as error:
            if _full_disk(error):
                message = (
                    f"local_aws: no space left on the disk of {self.app.home}; {call.name} was not done. "
                    "Free some space and try again; nothing acknowledged earlier is lost."
                )
                return self._error(call, 507, "InsufficientStorage", message)
            log.exception("%s failed", call.name)
            message = (
                f"local_aws: {call.name} failed with {type(error).__name__}: {error}. See logs/server.log."
            )
            return self._error(call, 500, "InternalFailure", message)

    def _moto_answer(self, call: Call, environ: dict):
        answer: list = []

        def start_response(status, headers, exc_info=None):
            answer[:] = [status, headers]

        body = self._moto(environ, start_response)
        chunks = list(body)
        if hasattr(body, "close"):
            body.close()
        status, headers = answer
        if status.startswith("501") or (
            status.startswith("404") and call.action == call.method and not any(chunks)
        ):
            return self._error(
                call,
                501,
                "UnsupportedOperation",
                f"{call.name} is not emulated by local_aws. Use AWS for it.",
            )
        return status, headers, chunks

    @staticmethod
    def _error(call: Call, status: int, code: str, message: str):
        line, headers, body = render(call.service, status, code, message)
        return line, headers, [body]

    # -- control -------------------------------------------------------------------------------------------
    def _control(self, action: str, method: str, start_response: Callable) -> Iterable[bytes]:
        if action == "health":
            result = {"home": str(self.app.home), "pid": os.getpid(), "endpoint_url": self.app.endpoint_url}
        elif action == "status":
            result = {
                "running": [item for source in self.app.status_sources for item in source()],
                "sandbox": describe(),
            }
        elif action == "stop" and method == "POST":
            self._stop()
            result = {"stopping": True}
        else:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"local_aws has no such control action\n"]
        body = json.dumps(result).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]
