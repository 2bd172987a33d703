"""The HTTP side of an instance: /ping and /invocations, the payload limit, and the clock on the model."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import traceback
from http import HTTPStatus

import waitress

from .limits import Limits
from .messages import JSON, Handler, Request, Response
from .workers import Workers

IDLE_SECONDS = 3600  # how long an idle keep-alive connection stays open


def title_case_headers(environ: dict) -> dict[str, str]:
    """The request's headers from a WSGI environ, names in Title-Case."""
    headers = {
        name[5:].replace("_", "-").title(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    if environ.get("CONTENT_LENGTH"):
        headers["Content-Length"] = environ["CONTENT_LENGTH"]
    return headers


class Watchdog:
    """Ends the process when a request has been in the model for longer than the limit.

    A thread cannot be stopped from outside, and AWS's model server does the same to a worker process; the
    endpoint starts the instance again.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._started: dict[int, float] = {}
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def __enter__(self):
        self._started[threading.get_ident()] = time.monotonic()

    def __exit__(self, *exc):
        self._started.pop(threading.get_ident(), None)

    def _watch(self) -> None:
        while True:
            time.sleep(min(1.0, self.seconds / 4))
            oldest = min(list(self._started.values()), default=None)
            if oldest is not None and time.monotonic() - oldest > self.seconds:
                print(
                    f"A request has been in the model for more than {self.seconds:g} s "
                    "(SAGEMAKER_MODEL_SERVER_TIMEOUT): the worker is ended and started again.",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(70)


class Application:
    """A WSGI application around a `Handler` that has its model already; `workers` runs the handler."""

    def __init__(self, handler: Handler, limits: Limits, workers: Workers):
        self.handler = handler
        self.limits = limits
        self._workers = workers
        self._watchdog = Watchdog(limits.timeout)

    def __call__(self, environ, start_response):
        response = self._route(environ)
        headers = [("Content-Length", str(len(response.body)))]
        if response.content_type:
            headers.append(("Content-Type", response.content_type))
        headers += list(response.headers.items())
        try:
            phrase = HTTPStatus(response.status).phrase
        except ValueError:
            phrase = "Unknown"
        start_response(f"{response.status} {phrase}", headers)
        return [response.body]

    def _route(self, environ) -> Response:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/ping" and method == "GET":
            return Response(200, b'{"status": "Healthy"}\n')
        if path != "/invocations":
            return _refusal(404, f"{path} is not served; use GET /ping or POST /invocations.")
        if method != "POST":
            return _refusal(405, f"{method} /invocations is not served; use POST.")
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > self.limits.payload:
            return _refusal(
                413, f"The request has {length:,} bytes; this container takes {self.limits.payload:,}."
            )
        request = Request(environ["wsgi.input"].read(length), title_case_headers(environ))
        return self._workers.call(self._handle, request)

    def _handle(self, request: Request) -> Response:
        with self._watchdog:
            try:
                return self.handler.handle(request)
            except (Exception, SystemExit) as error:
                traceback.print_exc(file=sys.stderr)
                sys.stderr.flush()
                return _refusal(500, str(error) or type(error).__name__)


def _refusal(status: int, message: str) -> Response:
    return Response(status, json.dumps({"error": message}).encode(), JSON)


def bind() -> socket.socket:
    """A socket on a free port of 127.0.0.1, not yet listening."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


def create(application, sock: socket.socket, threads: int):
    """A waitress server for `application` on `sock`; it listens when this returns."""
    return waitress.create_server(
        application,
        sockets=[sock],
        threads=threads,
        ident=None,
        channel_timeout=IDLE_SECONDS,
        connection_limit=1000,
        max_request_body_size=1 << 30,
        clear_untrusted_proxy_headers=False,
    )
