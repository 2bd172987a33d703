"""Where a custom resource's function sends its answer: a URL of this server that takes one PUT.

On AWS the ResponseURL is a pre-signed URL of a bucket of CloudFormation's. Here the path looks like that bucket's, and
the secret in it is the signature: it is known to the function only, and serves once.
"""

import json
import secrets
import threading
from collections.abc import Callable, Iterable
from typing import Any

PATH = "/cloudformation-custom-resource-response/"
MAX_BYTES = 4096  # AWS: the response body may be 4096 bytes


class Callback:
    """One answer that is waited for. `answer` is the JSON object that came, `problem` why it is none."""

    def __init__(self, url: str):
        self.url = url
        self.arrived = threading.Event()
        self.answer: dict[str, Any] | None = None
        self.problem = ""


class Callbacks:
    """All answers that are waited for; a WSGI handler for `LocalAwsApp.before`."""

    def __init__(self) -> None:
        self._waiting: dict[str, Callback] = {}

    def open(self, endpoint_url: str) -> Callback:
        secret = secrets.token_urlsafe(32)
        callback = Callback(f"{endpoint_url}{PATH}{secret}")
        self._waiting[secret] = callback
        return callback

    def close(self, callback: Callback) -> None:
        self._waiting.pop(callback.url.rsplit("/", 1)[-1], None)

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        callback = self._waiting.get(environ["PATH_INFO"][len(PATH) :])
        if environ["REQUEST_METHOD"] != "PUT" or callback is None:
            start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", "0")])
            return [b""]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self._take(callback, body)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    def _take(self, callback: Callback, body: bytes) -> None:
        if len(body) > MAX_BYTES:
            callback.problem = (
                f"Response object is too long: {len(body)} bytes, at most {MAX_BYTES} are allowed."
            )
        else:
            try:
                answer = json.loads(body)
                callback.answer = answer if isinstance(answer, dict) else None
            except ValueError:
                callback.answer = None
            if callback.answer is None:
                callback.problem = "Invalid Response object: it is no JSON object."
        self.close(callback)
        callback.arrived.set()


callbacks = Callbacks()
