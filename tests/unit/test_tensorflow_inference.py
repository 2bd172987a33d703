"""The TensorFlow track's handlers and predictor."""

import io
import json
import subprocess
import sys
from collections import namedtuple

import pytest
import requests
from tensorflow_models import make_rows, small_config

from lab_lib.algorithms.contract import MAX_BYTES, RequestError
from lab_lib.algorithms.inference import tensorflow as inference
from lab_lib.algorithms.packaging import write_inference_code

Context = namedtuple("Context", "request_content_type, accept_header, rest_uri")
ROW = [0.1, 0.2, 0.7]


def context(content_type="application/json", accept="application/json"):
    return Context(content_type, accept, "http://localhost/v1/models/model:predict")


def answer(content, status=200):
    "A response of TensorFlow Serving."
    response = requests.Response()
    response.status_code = status
    response._content = content if isinstance(content, bytes) else json.dumps(content).encode()
    return response


@pytest.mark.parametrize("wrap", [io.BytesIO, bytes])
@pytest.mark.parametrize(
    "content_type, body, texts",
    [
        ("application/json", b'{"inputs": "so good"}', ["so good"]),
        ("application/json; charset=utf-8", '{"inputs": ["olé", "😀"]}'.encode(), ["olé", "😀"]),
        ("text/csv", b'"good, really"\nbad\n', ["good, really", "bad"]),
        ("text/plain", b"so good", ["so good"]),
    ],
)
def test_a_request_becomes_tensorflow_servings(wrap, content_type, body, texts):
    request = json.loads(inference.input_handler(wrap(body), context(content_type)))
    assert request == {"signature_name": "serving_default", "inputs": {"text": texts}}


@pytest.mark.parametrize(
    "content_type, body, status, message",
    [
        ("application/json", b'{"inputs": ["a"', 400, "The body is not JSON"),
        ("application/json", b'{"inputs": []}', 400, "There is no text in the request"),
        ("application/json", b'{"instances": ["a"]}', 400, 'The JSON has no key "inputs"'),
        ("application/json", b'{"inputs": [" "]}', 400, "Text 1 is blank"),
        ("text/plain", b"\xff", 400, "The body is not UTF-8"),
        ("text/plain", b"x" * 1_000_000, 413, "Text 1 has 1,000,000 characters; send at most 10,000"),
        ("image/png", b"x", 415, "The content type 'image/png' is not supported"),
        (None, b"x", 415, "The content type '' is not supported"),
    ],
)
def test_a_bad_request_names_cause_and_remedy(content_type, body, status, message):
    with pytest.raises(RequestError) as caught:
        inference.input_handler(io.BytesIO(body), context(content_type))
    assert caught.value.status_code == status
    assert str(caught.value).startswith(message)


def test_a_huge_body_is_not_read_to_its_end():
    body = io.BytesIO(b"x" * (MAX_BYTES + 1000))
    with pytest.raises(RequestError) as caught:
        inference.input_handler(body, context("text/plain"))
    assert caught.value.status_code == 413
    assert body.tell() == MAX_BYTES + 1


@pytest.mark.parametrize("content", [{"outputs": [ROW, ROW]}, {"outputs": {"probabilities": [ROW, ROW]}}])
def test_an_answer_has_a_prediction_for_each_text(content):
    body, content_type = inference.output_handler(answer(content), context())
    first, second = json.loads(body)["predictions"]
    assert content_type == "application/json" and first == second
    assert (first["label"], first["label_id"], first["score"]) == ("Positive", 2, 0.7)


def test_an_answer_may_be_csv():
    assert inference.output_handler(answer({"outputs": [ROW]}), context(accept="text/csv")) == (
        "2,0.7\n",
        "text/csv",
    )


@pytest.mark.parametrize(
    "response, error, message",
    [
        (
            answer({"error": "no such signature"}, 400),
            RuntimeError,
            "Serving answered 400: no such signature",
        ),
        (answer(b"<html>busy", 503), RuntimeError, "Serving answered 503: <html>busy"),
        (answer(b"", 200), RuntimeError, "Serving answered 200: "),
        (answer({"predictions": [ROW]}), ValueError, 'no output "probabilities"'),
        (answer({"outputs": [[0.5, 0.5]]}), ValueError, "not 3 finite probabilities"),
    ],
)
def test_a_failed_model_says_why(response, error, message):
    with pytest.raises(error, match=message):
        inference.output_handler(response, context())


def test_an_accept_header_that_cannot_be_met():
    with pytest.raises(RequestError) as caught:
        inference.output_handler(answer({"outputs": [ROW]}), context(accept="image/png"))
    assert caught.value.status_code == 406


def test_the_packaged_handlers_need_no_tensorflow(tmp_path):
    write_inference_code(tmp_path, inference.__name__, inference.REQUIREMENTS)
    code = (
        "import importlib.util, io, sys, types\n"
        "sys.modules['tensorflow'] = sys.modules['numpy'] = None\n"
        "spec = importlib.util.spec_from_file_location('inference', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "context = types.SimpleNamespace(request_content_type='text/plain', accept_header='text/csv')\n"
        "print(module.input_handler(io.BytesIO(b'good'), context))\n"
        "response = types.SimpleNamespace(status_code=200, content=b'{\"outputs\": [[0, 0, 1]]}')\n"
        "print(module.output_handler(response, context)[0])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "code" / "inference.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split("\n")[:2] == [
        '{"signature_name": "serving_default", "inputs": {"text": ["good"]}}',
        "2,1.0",
    ]


def test_a_request_goes_through_handlers_and_model(tmp_path):
    import tensorflow as tf

    from lab_lib.algorithms.training.tensorflow import fit

    fit(make_rows(), make_rows(), small_config(), tmp_path)
    request = json.loads(
        inference.input_handler(io.BytesIO(b'{"inputs": ["a good day", "a bad meal"]}'), context())
    )
    signature = tf.saved_model.load(str(tmp_path / "1")).signatures[request["signature_name"]]
    outputs = signature(**{name: tf.constant(values) for name, values in request["inputs"].items()})
    content = {"outputs": outputs["probabilities"].numpy().tolist()}
    predictions = json.loads(inference.output_handler(answer(content), context())[0])["predictions"]
    assert [prediction["label"] for prediction in predictions] == ["Positive", "Negative"]


def test_the_newest_version_is_loaded(tmp_path):
    import tensorflow as tf

    class Constant(tf.Module):
        def __init__(self, row):
            super().__init__()
            self.row = tf.Variable([row])

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def serve(self, text):
            return {"probabilities": tf.repeat(self.row, tf.shape(text)[0], axis=0)}

    for version, row in ((2, [1.0, 0.0, 0.0]), (10, [0.0, 0.0, 1.0])):
        model = Constant(row)
        tf.saved_model.save(model, str(tmp_path / str(version)), signatures={"serving_default": model.serve})
    predictor = inference.load(tmp_path)
    assert predictor.predict_proba(["a"] * 300).tolist() == [[0.0, 0.0, 1.0]] * 300
    assert predictor.predict_proba([]).shape == (0, 3)


def test_a_folder_without_a_model_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no SavedModel in"):
        inference.load(tmp_path)


def test_a_model_with_another_signature_is_an_error(tmp_path):
    import tensorflow as tf

    class Other(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="number")])
        def serve(self, number):
            return {"doubled": 2 * number}

    other = Other()
    tf.saved_model.save(other, str(tmp_path / "1"), signatures={"serving_default": other.serve})
    with pytest.raises(ValueError, match="has no signature serving_default from text to probabilities"):
        inference.load(tmp_path)
