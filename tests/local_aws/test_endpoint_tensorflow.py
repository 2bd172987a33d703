"""An endpoint in the TensorFlow inference image: a SavedModel behind TensorFlow Serving's contract."""

import json

import pytest
from botocore.exceptions import ClientError
from endpoint_helpers import TENSORFLOW, attached

pytestmark = pytest.mark.slow

HANDLERS = """
    import json
    import requests

    def input_handler(data, context):
        body = json.loads(data.read().decode("utf-8"))
        if context.custom_attributes == "metadata":
            base = context.rest_uri.rsplit(":", 1)[0]
            found = [requests.get(base).json(), requests.get(base + "/metadata").json()]
            raise ValueError(json.dumps([found, requests.get(base + "x").status_code]))
        if "inputs" not in body:
            raise ValueError(f"no inputs in a request of {context.content_length} bytes")
        return json.dumps({"instances": body["inputs"]})

    def output_handler(response, context):
        if response.status_code != 200:
            raise ValueError(response.content.decode("utf-8"))
        return json.dumps({"rows": response.json()["predictions"]}), context.accept_header
"""


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory) -> dict[str, bytes]:
    """A SavedModel that counts the bytes of texts, as the files of version 1."""
    import tensorflow as tf

    class Length(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def serve(self, text):
            return {"length": tf.strings.length(text), "text": text}

    folder = tmp_path_factory.mktemp("saved") / "1"
    model = Length()
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.serve})
    return {
        f"1/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def lab(server):
    with attached(server) as lab:
        yield lab


def test_without_code_the_request_is_tensorflow_servings(lab, saved_model):
    endpoint = lab.endpoint(lab.config(lab.model(None, TENSORFLOW, saved_model)))
    assert lab.ask(endpoint, {"instances": ["abc", {"b64": "AP8="}]})["predictions"][0] == {
        "length": 3,
        "text": "abc",
    }
    assert lab.ask(endpoint, {"inputs": {"text": ["é"]}}) == {"outputs": {"length": [2], "text": ["é"]}}
    assert lab.ask(endpoint, "one") == {"predictions": [{"length": 3, "text": "one"}]}
    for body, kind, status, message in (
        (b'{"instances": [1]}', "application/json", 400, "is not of expected type: string"),
        (b"{", "application/json", 400, "JSON Parse error"),
        (b"x", "text/plain", 415, "Unsupported Media Type: text/plain"),
    ):
        with pytest.raises(ClientError) as caught:
            lab.runtime.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType=kind)
        assert caught.value.response["OriginalStatusCode"] == status
        assert message in json.loads(caught.value.response["OriginalMessage"])["error"]


def test_handlers_around_tensorflow_serving(lab, saved_model):
    endpoint = lab.endpoint(lab.config(lab.model(HANDLERS, TENSORFLOW, saved_model)))
    assert lab.ask(endpoint, {"inputs": ["abc"]}) == {"rows": [{"length": 3, "text": "abc"}]}
    with pytest.raises(ClientError) as caught:
        lab.ask(endpoint, {"text": 1})
    assert caught.value.response["OriginalStatusCode"] == 500
    assert json.loads(caught.value.response["OriginalMessage"]) == {
        "error": "no inputs in a request of 11 bytes"
    }
    with pytest.raises(ClientError) as caught:
        lab.ask(endpoint, {"inputs": [1]})
    assert "is not of expected type: string" in caught.value.response["OriginalMessage"]
    with pytest.raises(ClientError) as caught:
        lab.ask(endpoint, {}, CustomAttributes="metadata")
    error = json.loads(caught.value.response["OriginalMessage"])["error"]
    (status, metadata), other = json.loads(error)
    (version,) = status["model_version_status"]
    assert (version["version"], version["state"], version["status"]["error_code"]) == ("1", "AVAILABLE", "OK")
    assert metadata["model_spec"] == {"name": "model", "signature_name": "", "version": "1"}
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["text"]["dtype"] == "DT_STRING"
    assert other == 404


def test_an_artifact_without_a_saved_model_fails(lab):
    described = lab.settle(lab.endpoint(lab.config(lab.model(HANDLERS, TENSORFLOW)), wait=False))
    assert described["EndpointStatus"] == "Failed"
    assert "no SavedModel bundles found!" in described["FailureReason"]
