"""The handlers of the Hugging Face track, alone and under AWS's serving toolkits."""

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from huggingface_models import make_rows

from lab_lib.algorithms.contract import RequestError
from lab_lib.algorithms.inference import huggingface as serving
from lab_lib.algorithms.packaging import write_inference_code

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("SENTIMENT_RUNTIME", raising=False)


@pytest.fixture(scope="module")
def predictor(small_model):
    return serving.load(small_model)


# the predictor


def test_the_onnx_way_needs_neither_torch_nor_transformers(small_model):
    code = (
        "import sys; from lab_lib.algorithms.inference.huggingface import model_fn, predict_fn;"
        f"print(predict_fn(['lovely great'], model_fn({str(small_model)!r})).argmax());"
        "heavy = {'torch', 'transformers', 'tensorflow', 'pandas'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "2"


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_answers_keep_the_callers_order_and_are_probabilities(small_model, runtime):
    model = serving.load(small_model, runtime)
    rows = make_rows().sample(frac=1, random_state=3)
    rows["text"] = [text + " " + text if number % 3 else text for number, text in enumerate(rows["text"])]
    probabilities = model.predict_proba(list(rows["text"]))
    assert probabilities.shape == (len(rows), 3) and probabilities.dtype == np.float32
    assert (probabilities.argmax(1) == rows["label"].to_numpy()).mean() > 0.9
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_a_text_gets_the_same_answer_alone_and_in_company(small_model):
    texts = [*make_rows()["text"], "lovely " * 50, "sad"]
    for runtime, tolerance in (("torch", 1e-5), ("onnx", 0.1)):  # int8 rounds a batch by its largest value
        model = serving.load(small_model, runtime)
        alone = np.concatenate([model.predict_proba([text]) for text in texts])
        assert np.abs(alone - model.predict_proba(texts)).max() < tolerance


def test_long_and_odd_texts_are_cut_and_not_fatal(predictor):
    texts = ["x" * 10_000, "lovely " * 1_400, "🙂" * 500, "\x00\x07", "<s></s><pad>", "\u202e abc", "ﷺ"]
    probabilities = predictor.predict_proba(texts)
    assert np.isfinite(probabilities).all()
    longest = max(len(encoding.ids) for encoding in predictor.tokenizer.encode_batch(texts))
    assert longest == 128


def test_a_full_batch_goes_through_in_chunks(small_model):
    model = serving.load(small_model)
    sizes = []
    run = model.run
    model.run = lambda ids, mask: sizes.append(ids.shape) or run(ids, mask)
    model.predict_proba(["sad"] * 500 + ["lovely " * 2_000] * 12)
    assert [shape[0] for shape in sizes] == [serving.CHUNK] * (512 // serving.CHUNK)
    assert sizes[0][1] < 10 and sizes[-1][1] == 128


def test_the_runtime_follows_argument_environment_and_files(small_model, tmp_path, monkeypatch):
    assert serving.load(small_model).runtime == "onnx"
    monkeypatch.setenv("SENTIMENT_RUNTIME", "torch")
    assert serving.load(small_model).runtime == "torch"
    assert serving.load(small_model, "onnx").runtime == "onnx"
    monkeypatch.setenv("SENTIMENT_RUNTIME", "tflite")
    with pytest.raises(ValueError, match="SENTIMENT_RUNTIME is 'tflite'; it must be onnx or torch"):
        serving.load(small_model)
    with pytest.raises(FileNotFoundError, match="train with --optimize int8"):
        serving.load(tmp_path, "onnx")


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_an_incomplete_model_is_named(small_model, tmp_path, missing):
    folder = tmp_path / "model"
    shutil.copytree(small_model, folder)
    (folder / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"The model has no {missing}"):
        serving.load(folder)


# the four functions under the toolkits


@pytest.fixture(scope="module")
def packed_model(small_model, tmp_path_factory):
    "The model as the training job leaves it: with its code."
    folder = tmp_path_factory.mktemp("packed") / "model"
    shutil.copytree(small_model, folder)
    write_inference_code(folder, "lab_lib.algorithms.inference.huggingface", serving.REQUIREMENTS)
    return folder


class Context:
    "What the model server tells a handler about one request, and what the handler answers besides the body."

    def __init__(self, model_dir, content_type, accept):
        self.system_properties = {"model_dir": str(model_dir), "gpu_id": None}
        properties = {"Content-Type": content_type} | ({"Accept": accept} if accept else {})
        self.request_processor = [SimpleNamespace(get_request_properties=lambda: properties)]
        self.status, self.content_type = 200, None

    def set_response_status(self, code, phrase=""):
        self.status = code

    def set_response_content_type(self, number, value):
        self.content_type = value


@pytest.fixture(scope="module")
def ask(packed_model):
    "Sends one request through AWS's toolkit to the code that the model carries."
    transformer_module = pytest.importorskip("sagemaker_inference.transformer")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(packed_model / "code"))
        patch.delitem(sys.modules, "inference", raising=False)
        patch.setenv("SAGEMAKER_PROGRAM", "inference.py")
        transformer = transformer_module.Transformer()

        def send(body, content_type="application/json", accept=None):
            context = Context(packed_model, content_type, accept)
            data = body if isinstance(body, bytes) else body.encode()
            return transformer.transform([{"body": data}], context)[0], context

        yield send
        sys.modules.pop("inference", None)


def test_a_request_goes_the_whole_way_through_the_toolkit(ask):
    body, context = ask('{"inputs": ["lovely great", "awful hate", "table street"]}')
    assert context.status == 200 and context.content_type == "application/json"
    labels = [prediction["label"] for prediction in json.loads(body)["predictions"]]
    assert labels == ["Positive", "Negative", "Neutral"]
    body, context = ask("lovely great\nawful hate\n", "text/csv", "text/csv")
    assert context.content_type == "text/csv"
    assert [row.split(",")[0] for row in body.splitlines()] == ["2", "0"]
    assert json.loads(ask("awful hate", "text/plain")[0])["predictions"][0]["label_id"] == 0


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status", "says"),
    [
        ('{"inputs": ["good"', "application/json", None, 400, "not JSON"),
        ('{"inputs": []}', "application/json", None, 400, "no text"),
        (json.dumps({"inputs": "x" * 1_000_000}), "application/json", None, 413, "1,000,000 characters"),
        (json.dumps({"inputs": ["x"] * 513}), "application/json", None, 413, "513 texts"),
        (b"\x89PNG", "image/png", None, 415, "'image/png' is not supported"),
        ('{"inputs": "good"}', "application/json", "application/x-npy", 406, "'application/x-npy'"),
    ],
)
def test_a_bad_request_is_the_callers_and_the_endpoint_goes_on(ask, body, content_type, accept, status, says):
    answer, context = ask(body, content_type, accept)
    assert context.status == status
    assert says in answer.splitlines()[0]
    assert ask('{"inputs": "lovely"}')[1].status == 200


def test_the_handlers_fit_the_hugging_face_image(predictor):
    """That toolkit passes bodies on as they are, so no tuple, and shows the caller `str(error)` with a 400."""
    texts = serving.input_fn('{"inputs": "lovely great"}', "application/json")
    body = serving.output_fn(serving.predict_fn(texts, predictor), "application/json")
    assert isinstance(body, str) and json.loads(body)["predictions"][0]["label"] == "Positive"
    with pytest.raises(RequestError) as caught:
        serving.input_fn("{}", "application/json")
    assert str(caught.value) == caught.value.message
