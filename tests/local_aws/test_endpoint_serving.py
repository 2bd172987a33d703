"""The server process's own parts, called in this process: handlers, TensorFlow Serving's JSON, limits."""

import json
import sys

import numpy as np
import pytest

from local_aws.serving import tfs_json
from local_aws.serving.huggingface import HuggingFaceHandler
from local_aws.serving.limits import Limits
from local_aws.serving.messages import Request
from local_aws.serving.tensorflow import csv_to_instances, json_to_instances
from local_aws.serving.toolkit import ToolkitHandler

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def artifact(tmp_path, monkeypatch):
    """Writes code/inference.py of an artifact; the module is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for variable in ("SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY", "HF_TASK"):
        monkeypatch.delenv(variable, raising=False)

    def write(code: str) -> str:
        (tmp_path / "code").mkdir(exist_ok=True)
        (tmp_path / "code" / "inference.py").write_text(code)
        return str(tmp_path)

    sys.modules.pop("inference", None)
    yield write
    sys.modules.pop("inference", None)


FOUR = """
import json
def model_fn(model_dir): return model_dir
def input_fn(data, content_type): return json.loads(data)
def predict_fn(data, model): return data["inputs"]
def output_fn(prediction, accept): return {output}
"""


def test_toolkit_takes_a_pair_of_body_and_content_type(artifact):
    handler = ToolkitHandler(artifact(FOUR.format(output='"a,b", "text/csv"')))
    handler.load()
    response = handler.handle(Request(b'{"inputs": 1}', JSON))
    assert (response.status, response.body, response.content_type) == (200, b"a,b", "text/csv")


def test_huggingface_does_not_take_a_pair_apart(artifact):
    """As in that image, where a (body, content type) pair becomes a JSON list."""
    handler = HuggingFaceHandler(artifact(FOUR.format(output='"a,b", "text/csv"')))
    handler.load()
    response = handler.handle(Request(b'{"inputs": 1}', JSON))
    assert json.loads(response.body) == ["a,b", "text/csv"]
    assert response.content_type == "application/json"


def test_huggingface_answers_every_exception_with_400(artifact):
    handler = HuggingFaceHandler(artifact(FOUR.format(output="json.dumps(prediction)")))
    handler.load()
    assert handler.handle(Request(b'{"inputs": "x"}', JSON)).body == b'"x"'
    response = handler.handle(Request(b'{"text": 1}', JSON))
    assert response.status == 400
    assert json.loads(response.body) == {
        "code": 400,
        "type": "InternalServerException",
        "message": "'inputs'",
    }


@pytest.mark.parametrize("content_type", ["application/json", "text/csv"])
@pytest.mark.parametrize("kind", [ToolkitHandler, HuggingFaceHandler])
def test_a_body_that_is_not_utf_8_is_the_clients_error(artifact, kind, content_type):
    handler = kind(artifact(FOUR.format(output="json.dumps(prediction)")))
    handler.load()
    response = handler.handle(Request(b'{"inputs": "caf\xe9"}', {"Content-Type": content_type}))
    assert response.status == 400
    assert b"can't decode byte 0xe9 in position 15" in response.body
    assert handler.handle(Request(b'{"inputs": "x"}', JSON)).body == b'"x"'


def test_huggingface_without_code_or_task_says_what_is_missing(tmp_path, artifact):
    handler = HuggingFaceHandler(str(tmp_path))
    with pytest.raises(ValueError, match="neither code/inference.py nor a config.json that names a task"):
        handler.load()


def test_toolkit_refuses_transform_fn_beside_the_others(artifact):
    code = "def model_fn(d): pass\ndef transform_fn(*a): pass\ndef input_fn(*a): pass\n"
    with pytest.raises(ValueError, match="Cannot use transform_fn implementation in conjunction with"):
        ToolkitHandler(artifact(code)).load()


def test_a_submit_directory_that_is_not_there(artifact, monkeypatch):
    monkeypatch.setenv("SAGEMAKER_SUBMIT_DIRECTORY", "s3://bucket/sourcedir.tar.gz")
    with pytest.raises(
        ValueError, match="'s3://bucket/sourcedir.tar.gz' is not a folder of the model artifact"
    ):
        ToolkitHandler(artifact("def model_fn(d): pass\n")).load()


def test_limits_come_from_the_toolkits_variables():
    assert Limits.from_environment({}) == Limits(6 * 1024 * 1024, 60.0, 1)
    found = Limits.from_environment(
        {"SAGEMAKER_MAX_PAYLOAD_IN_MB": "2", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "5"}
        | {"SAGEMAKER_MODEL_SERVER_WORKERS": "3"}
    )
    assert found == Limits(2 * 1024 * 1024, 5.0, 3)
    with pytest.raises(ValueError, match="SAGEMAKER_MODEL_SERVER_WORKERS='none' is not a positive number"):
        Limits.from_environment({"SAGEMAKER_MODEL_SERVER_WORKERS": "none"})


ONE = {"x": "float32"}
TWO = {"text": "string", "n": "int32"}


def read(body: str, dtypes=ONE):
    return tfs_json.read_inputs(tfs_json.parse(body.encode()), dtypes)


def test_rows_and_columns():
    inputs, rows = read('{"instances": [[1, 2.5], [3, 4]]}')
    assert rows is True
    assert inputs["x"].dtype == np.float32
    assert inputs["x"].tolist() == [[1.0, 2.5], [3.0, 4.0]]
    inputs, rows = read('{"inputs": {"text": ["a", {"b64": "aGk="}], "n": [1, 2]}}', TWO)
    assert rows is False
    assert inputs["text"].tolist() == [b"a", b"hi"]
    assert inputs["n"].tolist() == [1, 2]
    inputs, _ = read('{"instances": [{"text": "a", "n": 1}, {"n": 2, "text": "b"}]}', TWO)
    assert inputs["text"].tolist() == [b"a", b"b"]
    assert inputs["n"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("body", "dtypes", "message"),
    [
        ("", ONE, "JSON Parse error: The document is empty"),
        ("{x", ONE, "JSON Parse error: Invalid value. at offset: 1"),
        ("[1]", ONE, "JSON Value: [1] Is not object"),
        ("{}", ONE, "Missing 'inputs' or 'instances' key"),
        ('{"instances": []}', ONE, "JSON Value: {\"instances\":[]} No values in 'instances' array"),
        ('{"instances": 3}', ONE, "JSON Value: {\"instances\":3} Excepting 'instances' to be an list/array"),
        (
            '{"instances": ["a"]}',
            ONE,
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"a\" "
            "Type: String is not of expected type: float",
        ),
        (
            '{"instances": [[1], [1, 2]]}',
            ONE,
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor "
            "size: 1 but got: 2",
        ),
        (
            '{"instances": [[1, [2]]]}',
            ONE,
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: Encountered list at "
            "unexpected level: 1 expected < 1",
        ),
        (
            '{"instances": [{"text": "a"}]}',
            TWO,
            'Failed to process element: 0 of \'instances\' list. JSON object: {"text":"a"} keys must be '
            "equal to: n,text",
        ),
        ('{"inputs": {"text": ["a"]}}', TWO, "Missing named input: n in 'inputs' object."),
        (
            '{"inputs": [1.5]}',
            {"n": "int32"},
            "JSON Value: 1.5 Type: Number is not of expected type: int32",
        ),
        ('{"inputs": [3000000000]}', {"n": "int32"}, None),
        ('{"inputs": [{"b64": "*"}]}', {"t": "string"}, "Unable to base64 decode"),
        (
            '{"inputs": [16777217]}',
            ONE,
            "Cannot convert JSON value: 16777217 to float without loss of precision.",
        ),
    ],
)
def test_errors_have_tensorflow_servings_words(body, dtypes, message):
    with pytest.raises(tfs_json.InvalidArgument) as caught:
        read(body, dtypes)
    expected = message or "JSON Value: 3000000000 Type: Number is not of expected type: int32"
    assert str(caught.value) == expected


def test_outputs():
    scores = np.array([[0.25, 0.1]], dtype=np.float32)
    names = np.array([b"caf\xc3\xa9"], dtype=object)
    assert json.loads(tfs_json.write_outputs({"s": scores}, True)) == {"predictions": [[0.25, 0.100000001]]}
    assert json.loads(tfs_json.write_outputs({"s": scores}, False)) == {"outputs": [[0.25, 0.100000001]]}
    both = tfs_json.write_outputs({"s": scores, "raw_bytes": names}, True)
    assert json.loads(both) == {"predictions": [{"raw_bytes": {"b64": "Y2Fmw6k="}, "s": [0.25, 0.100000001]}]}
    assert json.loads(tfs_json.write_outputs({"text": names}, True)) == {"predictions": ["café"]}
    with pytest.raises(tfs_json.InvalidArgument, match="inconsistent batch size: 2 expecting: 1"):
        tfs_json.write_outputs({"a": np.zeros(1), "b": np.zeros(2)}, True)


@pytest.mark.parametrize(
    ("body", "instances"),
    [
        (b'{"instances": [1]}', [1]),
        (b'"one text"', ["one text"]),
        (b"[1, 2]", [[1, 2]]),
        (b"[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
        (b'{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
    ],
)
def test_json_becomes_a_predict_request(body, instances):
    assert json.loads(json_to_instances(body)) == {"instances": instances}


def test_csv_becomes_a_predict_request():
    assert json.loads(csv_to_instances(b"1.0,2.0\n3.0,4.0\n")) == {"instances": [[1.0, 2.0], [3.0, 4.0]]}
    assert json.loads(csv_to_instances(b"good\nbad\n")) == {"instances": ["good", "bad"]}
    assert json.loads(csv_to_instances(b'"a, quoted"\n')) == {"instances": [["a, quoted"]]}
