"""Invoke over HTTP: ahead of moto, so that a function may call any service while its caller waits.

Headers, statuses and errors as in the Lambda API reference, "Invoke".
"""

import base64
import json
import re
import threading
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote
from uuid import uuid4

from local_aws.server.identify import identify
from local_aws.services.functions.invoking import Functions, InvokeError

PATH = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?$")
MAX_REQUEST = 6 * 2**20  # bytes, synchronous
MAX_EVENT = 2**20  # bytes, asynchronous
MAX_WAITING = 8  # callers at once that wait for a result: each holds a thread of the server


class InvokeHandler:
    """WSGI handler of Invoke."""

    def __init__(self, functions: Functions):
        self._functions = functions
        self._places = threading.BoundedSemaphore(MAX_WAITING)

    def __call__(self, environ: dict, start_response: Any) -> list[bytes]:
        request_id = str(uuid4())
        try:
            status, headers, body = self._answer(environ, request_id)
        except InvokeError as error:
            status = error.status
            body = json.dumps({"Type": "User", "message": str(error), "Message": str(error)}).encode("utf-8")
            headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", error.code)]
        headers += [("Content-Length", str(len(body))), ("x-amzn-RequestId", request_id)]
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

    def _answer(self, environ: dict, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
        kind = environ.get("HTTP_X_AMZ_INVOCATION_TYPE") or "RequestResponse"
        length = int(environ.get("CONTENT_LENGTH") or 0)
        limit = MAX_EVENT if kind == "Event" else MAX_REQUEST
        if length > limit:
            raise InvokeError(
                413,
                "RequestTooLargeException",
                f"{length} byte payload is too large for the {kind} invocation type (limit {limit} bytes)",
            )
        payload = environ["wsgi.input"].read(length)
        function = unquote(PATH.match(environ["PATH_INFO"])[1])
        account, region = self._caller(environ)
        qualifier = parse_qs(environ.get("QUERY_STRING", "")).get("Qualifier", [None])[0]
        target = self._functions.target(function, account, region, qualifier)
        if payload:
            try:
                json.loads(payload)
            except ValueError as error:
                raise InvokeError(
                    400, "InvalidRequestContentException", f"Could not parse request body into json: {error}"
                ) from None
        if kind == "DryRun":
            return 204, [], b""
        if kind == "Event":
            self._functions.accept(target, target.arn, payload, request_id)
            return 202, [], b""
        if kind != "RequestResponse":
            raise InvokeError(
                400,
                "ValidationException",
                f"1 validation error detected: Value '{kind}' at 'invocationType' failed to satisfy constraint: "
                "Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
            )
        if not self._places.acquire(blocking=False):
            raise InvokeError(
                429,
                "TooManyRequestsException",
                f"Rate Exceeded. (local_aws runs {MAX_WAITING} synchronous invocations at once.)",
            )
        try:
            result = self._functions.run(target, payload, request_id)
        finally:
            self._places.release()
        headers = [("Content-Type", "application/json"), ("X-Amz-Executed-Version", result.executed_version)]
        if result.function_error:
            headers.append(("X-Amz-Function-Error", result.function_error))
        if environ.get("HTTP_X_AMZ_LOG_TYPE") == "Tail":
            headers.append(("X-Amz-Log-Result", base64.b64encode(result.log_tail.encode("utf-8")).decode()))
        return result.status_code, headers, result.payload

    @staticmethod
    def _caller(environ: dict) -> tuple[str, str]:
        """Account and region of the request."""
        from moto.iam import models

        call = identify(environ)
        header = environ.get("HTTP_X_MOTO_ACCOUNT_ID")  # callers inside the server name their account so
        return header or models.get_account_id_from(call.access_key), call.region
