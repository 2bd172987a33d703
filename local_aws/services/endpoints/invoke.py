"""InvokeEndpoint: the data plane, a WSGI handler ahead of moto that proxies to an instance of the endpoint.

Statuses, headers and error shapes as in the SageMaker Runtime API reference, "InvokeEndpoint".
"""

import json
import logging
import re
import time
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import unquote
from uuid import uuid4

from local_aws.config import DEFAULT_REGION
from local_aws.services.accounts import account_of

from .fleet import NoVariant
from .instance import InstanceGone, ModelTimeout, NotReached

log = logging.getLogger("local_aws")

MAX_PAYLOAD = 6 * 1024 * 1024
PATH = re.compile(r"/endpoints/([^/]+)/(invocations|async-invocations|invocations-response-stream)")
SIGNED = re.compile(r"Credential=([^/]+)/[^/]+/([^/]+)/")  # key id and region
CUSTOM = "X-Amzn-SageMaker-Custom-Attributes"
NOT_EMULATED = {
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency "
    "metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)


class Refusal(Exception):
    """An error answer: HTTP status, error code and the members of its body."""

    def __init__(self, status: int, code: str | None, message: str, **members):
        super().__init__(message)
        self.status, self.code = status, code
        self.body = {"message": message, "Message": message, **members}


class InvokeEndpoint:
    """WSGI handler for everything below /endpoints/."""

    def __init__(self, manager):
        self.manager = manager

    def __call__(self, environ: dict, start_response):
        began = time.perf_counter()
        try:
            status, headers, body = self._answer(environ, began)
        except Refusal as error:
            status, body = error.status, json.dumps(error.body).encode("utf-8")
            headers = [("Content-Type", "application/json")]
            if error.code:
                headers.append(("x-amzn-ErrorType", error.code))
        headers += [("Content-Length", str(len(body))), ("x-amzn-RequestId", str(uuid4()))]
        start_response(f"{status} {_phrase(status)}", headers)
        return [body]

    def _answer(self, environ: dict, began: float):
        match = PATH.fullmatch(environ.get("PATH_INFO", ""))
        if not match or environ["REQUEST_METHOD"] != "POST":
            raise Refusal(404, "UnknownOperationException", "SageMaker Runtime has no such operation.")
        name, operation = unquote(match[1]), match[2]
        if operation in NOT_EMULATED:
            raise Refusal(
                501,
                "UnsupportedOperation",
                f"sagemaker:{NOT_EMULATED[operation]} is not emulated by local_aws. Use InvokeEndpoint.",
            )
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > MAX_PAYLOAD:
            raise Refusal(413, None, f"HTTP content length exceeded {MAX_PAYLOAD} bytes.")
        signed = SIGNED.search(environ.get("HTTP_AUTHORIZATION", ""))
        key, region = signed.groups() if signed else ("", DEFAULT_REGION)
        place = (account_of(key), region)
        body = environ["wsgi.input"].read(length)
        fleet = self.manager.fleet(*place, name)
        if fleet is None:
            raise Refusal(400, "ValidationError", f"Endpoint {name} of account {place[0]} not found.")
        try:
            return self._invoke(environ, fleet, place, name, body, began)
        finally:
            fleet.leave()

    def _invoke(self, environ: dict, fleet, place: tuple[str, str], name: str, body: bytes, began: float):
        target = environ.get("HTTP_X_AMZN_SAGEMAKER_TARGET_VARIANT")
        try:
            variant = fleet.choose(target)
        except NoVariant:
            known = ", ".join(fleet.variants)
            raise Refusal(
                400, "ValidationError", f"Variant {target} of endpoint {name} not found; it has: {known}."
            ) from None
        when, sent = datetime.now(UTC), time.perf_counter()
        status, message, content, error = 500, None, b"", None
        for instance in variant.pick_in_turn():
            try:
                status, message, content = instance.invoke(body, _forwarded(environ))
            except NotReached:
                continue
            except ModelTimeout:
                status, error = 0, TIMED_OUT
            except InstanceGone:
                error = (
                    "The container ended, or closed the connection, before it answered. It is started again."
                )
            break
        else:
            self.manager.metrics.add(place, name, variant.name, 503, 0.0, time.perf_counter() - began)
            raise Refusal(
                503,
                "ServiceUnavailable",
                f"Variant {variant.name} of endpoint {name} has no healthy instance: its container ended and "
                f"is started again. Its log is /aws/sagemaker/Endpoints/{name}. Try again in a moment.",
            )
        done = time.perf_counter()
        model = done - sent
        self.manager.metrics.add(place, name, variant.name, status or 500, model, sent - began)
        if error is None and 200 <= status < 300:
            return self._success(environ, fleet, variant, body, when, message, content)
        if error is None:
            error = content.decode("utf-8", "replace")
        raise self._model_error(place, name, instance, status, error)

    def _success(self, environ, fleet, variant, body: bytes, when: datetime, message, content: bytes):
        content_type = message.get("Content-Type")
        headers = [("x-Amzn-Invoked-Production-Variant", variant.name)]
        if content_type:
            headers.append(("Content-Type", content_type))
        if message.get(CUSTOM):
            headers.append((CUSTOM, message[CUSTOM]))
        capture = fleet.capture
        if capture and capture.sampled():
            ids = {}
            if environ.get("HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID"):
                ids["inferenceId"] = environ["HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID"]
            if environ.get("HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES"):
                ids["customAttributes"] = [environ["HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES"]]
            capture.add(variant.name, (body, environ.get("CONTENT_TYPE")), (content, content_type), when, ids)
        return 200, headers, content

    def _model_error(self, place: tuple[str, str], name: str, instance, status: int, text: str) -> Refusal:
        account, region = place
        group, stream = instance.log_stream
        side = "client" if 400 <= status < 500 else "server"
        return Refusal(
            424,
            "ModelError",
            f'Received {side} error ({status}) from primary with message "{text}". See {group} in account '
            f"{account} for more information.",
            OriginalStatusCode=status,
            OriginalMessage=text,
            LogStreamArn=f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{stream}",
        )


def _forwarded(environ: dict) -> dict[str, str]:
    """The headers that reach the container."""
    headers = {}
    for source, name in (
        ("CONTENT_TYPE", "Content-Type"),
        ("HTTP_ACCEPT", "Accept"),
        ("HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES", CUSTOM),
        ("HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID", "X-Amzn-SageMaker-Inference-Id"),
    ):
        if environ.get(source):
            headers[name] = environ[source]
    return headers


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
