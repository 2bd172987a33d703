"""Runs a user's `model_fn`, `input_fn`, `predict_fn`, `output_fn` or `transform_fn` with AWS's own toolkit.

This is the part that Multi Model Server has in a PyTorch or scikit-learn inference image: it gives
`sagemaker_inference.transformer.Transformer` a context, and turns what comes back into an HTTP answer.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import uuid
from pathlib import Path

from .messages import JSON, Request, Response


class RequestProcessor:
    """The request's headers under the name by which the toolkit asks for them."""

    def __init__(self, headers: dict[str, str]):
        self._headers = headers

    def get_request_properties(self) -> dict[str, str]:
        return self._headers


class Metrics:
    """Accepts the timings that handlers report; the endpoint's own metrics come from its proxy."""

    def add_time(self, name, value, idx=None, unit="ms"):
        pass

    def add_counter(self, name, value, idx=None):
        pass

    def add_size(self, name, value, idx=None, unit="MB"):
        pass


class Context:
    """The `context` of the toolkit's handlers; what belongs to a request is kept per thread.

    The toolkit keeps the context it was initialized with and hands it to every later request, so one object
    has to serve all of them.
    """

    def __init__(self, model_dir: str):
        self.system_properties = {
            "model_dir": model_dir,
            "gpu_id": None,
            "batch_size": 1,
            "server_name": "local_aws.serving",
            "server_version": "1",
        }
        self.metrics = Metrics()
        self._local = threading.local()

    def begin(self, headers: dict[str, str]) -> None:
        self._local.headers = headers
        self._local.processor = RequestProcessor(headers)
        self._local.status = 200
        self._local.content_type = None
        self._local.response_headers = {}
        self._local.request_id = headers.get("X-Request-Id") or str(uuid.uuid4())

    @property
    def request_processor(self) -> list[RequestProcessor]:
        return [self._local.processor]

    def get_request_id(self, idx: int = 0) -> str:
        return self._local.request_id

    def get_request_header(self, idx: int, key: str) -> str | None:
        return self._local.headers.get(key.title())

    def get_all_request_header(self, idx: int) -> dict[str, str]:
        return dict(self._local.headers)

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        self._local.status = int(code)

    def set_response_content_type(self, idx: int, value: str) -> None:
        self._local.content_type = value

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        self._local.response_headers[key] = value

    def answer(self, body) -> Response:
        """What the model server makes of a handler's return value: text and bytes go out as they are,
        anything else as JSON."""
        if isinstance(body, str):
            body = body.encode("utf-8")
        elif isinstance(body, bytearray | memoryview):
            body = bytes(body)
        elif not isinstance(body, bytes):
            body = json.dumps(body).encode("utf-8")
        local = self._local
        return Response(local.status, body, local.content_type, dict(local.response_headers))


def use_code_directory(model_dir: str) -> None:
    """Put the user's code on the import path: `model_dir/code` and SAGEMAKER_SUBMIT_DIRECTORY.

    Raises `ValueError` if the submit directory is not a folder of this instance.
    """
    code = Path(model_dir) / "code"
    submitted = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    if submitted and submitted != "/opt/ml/model/code" and not Path(submitted).is_dir():
        raise ValueError(
            f"SAGEMAKER_SUBMIT_DIRECTORY={submitted!r} is not a folder of the model artifact; put the code "
            "into the artifact's code/ folder and set /opt/ml/model/code."
        )
    for folder in dict.fromkeys([submitted, str(code)]):
        if folder and Path(folder).is_dir():
            sys.path.insert(0, folder)


class ToolkitHandler:
    """The model behind AWS's `Transformer`. Errors carry the toolkit's status codes: an exception derived
    from `sagemaker_inference.errors.BaseInferenceToolkitError` its own, any other 500, with the traceback.

    One answer differs from AWS's: JSON or CSV that is not UTF-8 is the client's error (400) here, and 500 in
    the toolkit, which decodes it before the user's code.
    """

    def __init__(self, model_dir: str):
        from sagemaker_inference.transformer import Transformer

        self.context = Context(model_dir)
        self.transformer = Transformer()
        self.model_dir = model_dir

    def load(self) -> None:
        use_code_directory(self.model_dir)
        self.context.begin({})
        self.transformer.validate_and_initialize(model_dir=self.model_dir, context=self.context)

    def handle(self, request: Request) -> Response:
        context = self.context
        context.begin(request.headers)
        if refusal := _not_text(request):
            return refusal
        (body,) = self.transformer.transform([{"body": request.body}], context)
        if context._local.status >= 400:
            print(body if isinstance(body, str) else repr(body), file=sys.stderr, flush=True)
            context.set_response_content_type(0, "text/plain")
        try:
            return context.answer(body)
        except (TypeError, ValueError) as error:
            message = {
                "code": 503,
                "type": "InternalServerException",
                "message": f"The handler's result cannot be sent: {error}. Return str, bytes or JSON.",
            }
            return Response(503, json.dumps(message).encode(), JSON)


def _not_text(request: Request) -> Response | None:
    """The refusal of a body that the toolkit would take for UTF-8 text and is none."""
    from sagemaker_inference import content_types, utils

    content_type = utils.retrieve_content_type_header(request.headers)
    if content_type not in content_types.UTF8_TYPES:
        return None
    try:
        request.body.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"The body is not UTF-8 text ({error}). Send {content_type} encoded as UTF-8."
        return Response(400, message.encode(), "text/plain")
    return None
