"""The TensorFlow inference image: AWS's Python service and conversions in front of TensorFlow Serving.

The contract is the README of aws/sagemaker-tensorflow-serving-container: `code/inference.py` with
`input_handler` and `output_handler`, or `handler`; without it, JSON, JSON Lines and CSV go to the default
signature. A handler's exception is answered with 500 and {"error": message}.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import sys
import threading
import traceback
from collections import namedtuple
from http import HTTPStatus
from pathlib import Path

from . import server
from .messages import JSON, Request, Response
from .tfs_rest import ModelServer

CUSTOM_ATTRIBUTES = "X-Amzn-Sagemaker-Custom-Attributes"
JSON_TYPES = (JSON, "application/jsonlines", "application/jsons")

Context = namedtuple(
    "Context",
    "model_name, model_version, method, rest_uri, grpc_port, channel, custom_attributes, "
    "request_content_type, accept_header, content_length",
)


class TensorFlowHandler:
    """The models of an artifact, its handlers, and TensorFlow Serving's REST API on a port of its own."""

    def __init__(self, model_dir: str):
        self.model_dir = Path(model_dir)
        self.models: ModelServer | None = None
        self.default_model = ""
        self.rest_port = 0
        self.user_handler = None

    def load(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        self.models = ModelServer.load(self.model_dir)
        chosen = os.environ.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME", "None")
        self.default_model = next(iter(self.models.models)) if chosen == "None" else chosen
        if self.default_model not in self.models.models:
            raise ValueError(
                f"SAGEMAKER_TFS_DEFAULT_MODEL_NAME={chosen!r} is not in the artifact, which has "
                f"{', '.join(self.models.models)}."
            )
        sock = server.bind()
        self.rest_port = sock.getsockname()[1]
        rest = server.create(self._rest_application, sock, threads=4)
        threading.Thread(target=rest.run, name="tensorflow-serving-rest", daemon=True).start()
        script = self.model_dir / "code" / "inference.py"
        if script.is_file():
            self.user_handler = self._make_handler(_import_script(script))

    def handle(self, request: Request) -> Response:
        attributes = _attributes(request.headers.get(CUSTOM_ATTRIBUTES, ""))
        path = self._path(attributes)
        if self.user_handler is None:
            return self._convert(request, path)
        context = Context(
            attributes.get("tfs-model-name"),
            attributes.get("tfs-model-version"),
            attributes.get("tfs-method"),
            f"http://localhost:{self.rest_port}{path}",
            None,  # gRPC is not emulated
            None,
            request.headers.get(CUSTOM_ATTRIBUTES),
            request.headers.get("Content-Type") or JSON,
            request.headers.get("Accept") or JSON,
            len(request.body),
        )
        try:
            body, content_type = self.user_handler(io.BytesIO(request.body), context)
            return Response(200, body.encode("utf-8") if isinstance(body, str) else bytes(body), content_type)
        except Exception as error:
            print(f"exception handling request: {error}", file=sys.stderr)
            traceback.print_exc(file=sys.stderr)
            sys.stderr.flush()
            return Response(500, json.dumps({"error": str(error)}).encode("utf-8"), JSON)

    def _path(self, attributes: dict[str, str]) -> str:
        path = "/v1/models/" + attributes.get("tfs-model-name", self.default_model)
        if "tfs-model-version" in attributes:
            path += "/versions/" + attributes["tfs-model-version"]
        return path + ":" + attributes.get("tfs-method", "predict")

    def _make_handler(self, module):
        if hasattr(module, "handler"):
            return module.handler
        if not (hasattr(module, "input_handler") and hasattr(module, "output_handler")):
            raise NotImplementedError(
                "Handlers are not implemented correctly in user script. code/inference.py needs "
                "input_handler and output_handler, or handler."
            )

        def handler(data, context):
            prepared = module.input_handler(data, context)
            return module.output_handler(self._post(context.rest_uri, prepared), context)

        return handler

    def _post(self, uri: str, data):
        """What `requests.post(uri, data=data)` would bring, without the way through a socket."""
        import requests

        prepared = requests.Request("POST", uri, data=data).prepare()
        body = prepared.body or b""
        body = body.encode("utf-8") if isinstance(body, str) else body
        body = body.read() if hasattr(body, "read") else body
        answer = self.models.answer("POST", prepared.path_url, body)
        response = requests.Response()
        response.status_code = answer.status
        response.reason = HTTPStatus(answer.status).phrase
        response.url = uri
        response.request = prepared
        response.headers["Content-Type"] = answer.content_type
        response.headers["Content-Length"] = str(len(answer.body))
        response.encoding = "utf-8"
        response._content = answer.body
        return response

    def _convert(self, request: Request, path: str) -> Response:
        """An artifact without code: the request becomes a predict request."""
        content_type = request.headers.get("Content-Type")
        if content_type in JSON_TYPES:
            body = json_to_instances(request.body)
        elif content_type == "text/csv":
            body = csv_to_instances(request.body)
        else:
            message = f"Unsupported Media Type: {content_type or 'Unknown'}"
            return Response(415, json.dumps({"error": message}).encode("utf-8"), JSON)
        answer = self.models.answer("POST", path, body)
        accepted = request.headers.get("Accept", "").replace(" ", "").split(",")
        if JSON in accepted or "application/jsonlines" in accepted:
            answer.body = answer.body.replace(b"\n", b"")
            answer.content_type = accepted[0]
        return answer

    def _rest_application(self, environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        answer = self.models.answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], body)
        start_response(
            f"{answer.status} {HTTPStatus(answer.status).phrase}",
            [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))],
        )
        return [answer.body]


def json_to_instances(body: bytes) -> bytes:
    """A JSON body as a predict request: as it is if it is one, JSON Lines or a plain value as "instances"."""
    text = body.decode("utf-8", "replace")
    if re.search(r'"(instances|inputs|examples)"\s*:', text):
        return body
    if re.search(r"[}\]]\s*[\[{]", text):  # values that only white space separates
        lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
        joined = ",".join(lines)
        return ('{"instances":' + (joined if len(lines) == 1 else f"[{joined}]") + "}").encode("utf-8")
    if not re.match(r"\s*\[\s*\[", text):
        text = f"[{text}]"
    return ('{"instances":' + text + "}").encode("utf-8")


def csv_to_instances(body: bytes) -> bytes:
    """CSV rows as "instances": a row with several columns is a list. Text that is not quoted gets quotes."""
    text = body.decode("utf-8", "replace")
    quoted = re.match(r'\s*("|[\d.Ee+\-]+)', text) is not None
    rows = []
    for line in filter(None, (line.strip() for line in text.strip().splitlines())):
        row = line if quoted else ",".join(json.dumps(column) for column in line.split(","))
        rows.append(f"[{row}]" if "," in line else row)
    return ('{"instances":[' + ",".join(rows) + "]}").encode("utf-8")


def _attributes(header: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in re.findall(r"tfs-[a-z\-]+=[^,]+", header))


def _import_script(script: Path):
    folders = [str(script.parent), str(script.parent / "lib")]
    sys.path[:0] = [folder for folder in folders if Path(folder).is_dir()]
    spec = importlib.util.spec_from_file_location("inference", script)
    module = importlib.util.module_from_spec(spec)
    sys.modules["inference"] = module
    spec.loader.exec_module(module)
    return module
