"""The REST API of TensorFlow Serving, answered by `tf.saved_model` (TensorFlow Serving guide, "RESTful API").

Served: predict, model status and model metadata, with or without `/versions/N`. The classify and regress
methods, labels and gRPC are not emulated.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from . import tfs_json
from .messages import JSON, Response

MODEL_PATH = re.compile(r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+))?(?P<rest>[:/][a-z]+)?")
HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "OUT_OF_RANGE": 400,
    "NOT_FOUND": 404,
    "FAILED_PRECONDITION": 412,
    "RESOURCE_EXHAUSTED": 503,
    "UNAVAILABLE": 503,
    "UNIMPLEMENTED": 501,
    "DEADLINE_EXCEEDED": 504,
}


class SavedModel:
    """One version of a model: its signatures, ready to be called from any thread."""

    def __init__(self, folder: Path):
        import tensorflow as tf
        from tensorflow.core.protobuf import saved_model_pb2

        self._tf = tf
        self._loaded = tf.saved_model.load(str(folder))
        self.signatures = dict(self._loaded.signatures)
        proto = saved_model_pb2.SavedModel()
        proto.ParseFromString((folder / "saved_model.pb").read_bytes())
        graphs = [graph for graph in proto.meta_graphs if "serve" in graph.meta_info_def.tags]
        self.signature_defs = dict(graphs[0].signature_def) if graphs else {}

    def input_types(self, signature: str) -> dict[str, str]:
        """Name and TensorFlow type of each input of a signature."""
        if signature not in self.signatures:
            raise tfs_json.InvalidArgument(
                f'Serving signature name: "{signature}" not found in signature def'
            )
        specs = self.signatures[signature].structured_input_signature[1]
        types = {name: spec.dtype.name for name, spec in specs.items()}
        if not types:
            raise tfs_json.InvalidArgument(f"Failed to get input map for signature: {signature}")
        return types

    def predict(self, signature: str, inputs: dict) -> dict:
        """Run a signature on named arrays; returns named numpy arrays."""
        tf = self._tf
        function = self.signatures[signature]
        specs = function.structured_input_signature[1]
        tensors = {name: tf.constant(array, dtype=specs[name].dtype) for name, array in inputs.items()}
        return {name: tensor.numpy() for name, tensor in function(**tensors).items()}


class ModelServer:
    """All the models of an artifact: {model name: {version: SavedModel}}."""

    def __init__(self, models: dict[str, dict[int, SavedModel]]):
        self.models = models

    @classmethod
    def load(cls, model_dir: Path) -> ModelServer:
        """Every numbered SavedModel folder below `model_dir`; the model's name is its parent folder's.

        Raises `ValueError` if there is none.
        """
        models: dict[str, dict[int, SavedModel]] = {}
        for root, folders, files in os.walk(model_dir):
            folders.sort()
            folder = Path(root)
            if "saved_model.pb" in files and folder.name.isdigit():
                print(f"Loading version {int(folder.name)} of model {folder.parent.name}", flush=True)
                models.setdefault(folder.parent.name, {})[int(folder.name)] = SavedModel(folder)
        if not models:
            raise ValueError(
                f"no SavedModel bundles found! The artifact needs a numbered folder such as 1/ with "
                f"saved_model.pb in it; it holds: {', '.join(sorted(os.listdir(model_dir))) or 'nothing'}."
            )
        return cls(models)

    def answer(self, method: str, path: str, body: bytes = b"") -> Response:
        """The response to a REST request. Errors are {"error": message} with TensorFlow Serving's status."""
        match = MODEL_PATH.fullmatch(path)
        rest = match["rest"] if match else None
        allowed = {"POST": (":predict",), "GET": (None, "/metadata")}.get(method, ())
        if not match or rest not in allowed:
            return _error(400, f"Malformed request: {method} {path}")
        name, version = match["name"], int(match["version"]) if match["version"] else None
        versions = self.models.get(name, {})
        if rest is None:
            return self._status(name, version, versions)
        wanted = version if version is not None else max(versions, default=None)
        if wanted not in versions:
            which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            return _error(404, f"Servable not found for request: {which}")
        if rest == "/metadata":
            return _metadata(name, wanted, versions[wanted])
        return _predict(versions[wanted], body)

    def _status(self, name: str, version: int | None, versions: dict) -> Response:
        found = [number for number in versions if version in (None, number)]
        if not found:
            of = f"version {version}" if version is not None else "any versions"
            return _error(404, f"Could not find {of} of model {name}")
        states = [
            {
                "version": str(number),
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
            for number in sorted(found, reverse=True)
        ]
        return _ok({"model_version_status": states})


def _predict(model: SavedModel, body: bytes) -> Response:
    try:
        document = tfs_json.parse(body)
        signature = tfs_json.signature_name(document)
        inputs, row_format = tfs_json.read_inputs(document, model.input_types(signature))
        outputs = model.predict(signature, inputs)
        return Response(200, tfs_json.write_outputs(outputs, row_format), JSON)
    except tfs_json.InvalidArgument as error:
        return _error(400, str(error))
    except Exception as error:
        # an OpError has a code; a shape that does not fit the signature is a TypeError or ValueError
        from tensorflow import errors

        if isinstance(error, errors.OpError):
            names = {getattr(errors, name): name for name in HTTP_STATUS if hasattr(errors, name)}
            return _error(HTTP_STATUS.get(names.get(error.error_code, ""), 500), error.message)
        return _error(400 if isinstance(error, TypeError | ValueError) else 500, str(error))


def _metadata(name: str, version: int, model: SavedModel) -> Response:
    from google.protobuf import json_format

    signatures = {
        key: json_format.MessageToDict(
            value, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        for key, value in sorted(model.signature_defs.items())
    }
    return _ok(
        {
            "model_spec": {"name": name, "signature_name": "", "version": str(version)},
            "metadata": {"signature_def": {"signature_def": signatures}},
        }
    )


def _ok(document: dict) -> Response:
    return Response(200, json.dumps(document, indent=1).encode("utf-8") + b"\n", JSON)


def _error(status: int, message: str) -> Response:
    return Response(status, json.dumps({"error": message}, ensure_ascii=False).encode("utf-8"), JSON)
