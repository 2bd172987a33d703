"""The training job of the Hugging Face track."""

import json
import random
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from huggingface_models import make_rows, small_config
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from lab_lib.algorithms.training import huggingface as training


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    "Two threads only wait for each other on matrices this small."
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def channels(tmp_path, monkeypatch):
    "The folders of a training job, with data, and the environment that names them."
    for name in ("train", "validation"):
        (tmp_path / name).mkdir()
        make_rows().to_csv(tmp_path / name / f"{name}.csv", index=False)
        monkeypatch.setenv(f"SM_CHANNEL_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path / "model"))
    monkeypatch.setenv("SM_OUTPUT_DATA_DIR", str(tmp_path / "output"))
    return tmp_path


def run_job(model_id, *arguments):
    options = ["--epochs", "2", "--batch-size", "16", "--learning-rate", "0.005", "--optimize", "none"]
    training.main(["--model-id", model_id, *options, *arguments])


def test_importing_the_module_is_light():
    code = (
        "import sys; import lab_lib.algorithms.training.huggingface;"
        "heavy = {'torch', 'transformers', 'sagemaker', 'pandas', 'onnxruntime'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, f"imported: {result.stderr}"


def test_the_job_writes_model_code_and_reports(channels, small_encoder, capsys):
    run_job(small_encoder, "--seed", "7")
    model = channels / "model"
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        assert (model / name).stat().st_size > 0
    code = (model / "code" / "inference.py").read_text()
    assert "inference.huggingface import model_fn, input_fn, predict_fn, output_fn" in code
    history = json.loads((channels / "output" / "history.json").read_text())
    assert [epoch["epoch"] for epoch in history] == [1, 2]
    record = json.loads((channels / "output" / "training.json").read_text())
    assert record["seed"] == 7 and record["config"]["batch_size"] == 16 and record["versions"]["torch"]
    log = capsys.readouterr().out
    for definition in training.METRIC_DEFINITIONS:
        values = [float(value) for value in re.findall(definition["Regex"], log)]
        digits = 1 if definition["Name"] == "seconds" else 4
        assert values == [round(epoch[definition["Name"]], digits) for epoch in history]


def test_the_model_opens_with_hugging_faces_own_tools_and_knows_its_classes(small_model):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(small_model)
    tokenizer = AutoTokenizer.from_pretrained(small_model)
    assert model.config.id2label == {0: "Negative", 1: "Neutral", 2: "Positive"}
    logits = model(**tokenizer("lovely great", return_tensors="pt")).logits
    assert model.config.id2label[int(logits.argmax())] == "Positive"


def test_one_seed_gives_one_model_and_another_seed_another(small_encoder, tmp_path):
    from safetensors.numpy import load_file

    weights, histories = [], []
    for number, seed in enumerate((42, 42, 43)):
        folder = tmp_path / str(number)
        histories.append(
            training.fit(make_rows(), make_rows(), small_config(small_encoder, epochs=2, seed=seed), folder)
        )
        weights.append(load_file(folder / "model.safetensors"))
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not np.array_equal(weights[0]["classifier.weight"], weights[2]["classifier.weight"])
    assert [epoch["train_loss"] for epoch in histories[0]] == [epoch["train_loss"] for epoch in histories[1]]


def test_training_stops_early_and_keeps_the_best_epoch(small_encoder, tmp_path, monkeypatch, capsys):
    scripted = iter([0.3, 0.6, 0.5, 0.6, 0.9])
    seen = []

    def scores(logits, labels):
        seen.append(logits)
        return {"validation_loss": 1.0, "validation_accuracy": 0.5, "validation_macro_f1": next(scripted)}

    monkeypatch.setattr(training, "_scores", scores)
    history = training.fit(
        make_rows(), make_rows(), small_config(small_encoder, epochs=5, patience=2), tmp_path
    )
    assert [epoch["validation_macro_f1"] for epoch in history] == [0.3, 0.6, 0.5, 0.6]
    assert "since epoch 2" in capsys.readouterr().out
    from lab_lib.algorithms.inference.huggingface import load

    kept = load(tmp_path, "torch").predict_proba(list(make_rows()["text"]))
    exact = [np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) for logits in seen]
    assert np.abs(kept - exact[1]).max() < 1e-4
    assert np.abs(kept - exact[3]).max() > 1e-3


def test_pretrained_word_embeddings_stay_and_the_rest_learns(small_encoder, tmp_path):
    from pathlib import Path

    from safetensors.numpy import load_file

    training.fit(make_rows(), make_rows(), small_config(small_encoder, epochs=1), tmp_path)
    before, after = (load_file(folder / "model.safetensors") for folder in (Path(small_encoder), tmp_path))
    assert np.array_equal(*(w["bert.embeddings.word_embeddings.weight"] for w in (before, after)))
    assert not np.array_equal(*(w["bert.encoder.layer.0.output.dense.weight"] for w in (before, after)))


def test_int8_agrees_with_pytorch_and_a_run_without_it_leaves_none_behind(
    small_encoder, small_model, tmp_path
):
    from lab_lib.algorithms.inference.huggingface import load

    texts = list(make_rows()["text"])
    exact, rounded = (load(small_model, runtime).predict_proba(texts) for runtime in ("torch", "onnx"))
    assert (exact.argmax(1) == rounded.argmax(1)).mean() > 0.95
    assert np.abs(exact - rounded).max() < 0.1
    assert (exact.argmax(1) == make_rows()["label"]).all()
    (tmp_path / "model.int8.onnx").write_bytes(b"an earlier run's")
    training.fit(make_rows(), make_rows(), small_config(small_encoder, epochs=1), tmp_path)
    assert not (tmp_path / "model.int8.onnx").exists()


def test_int8_weights_leave_room_for_cpus_without_vnni(small_model):
    import onnx

    model = onnx.load(small_model / "model.int8.onnx")
    weights = [onnx.numpy_helper.to_array(w) for w in model.graph.initializer]
    weights = [w for w in weights if w.dtype == np.int8 and w.ndim == 2]
    assert len(weights) > 5
    assert 60 <= max(np.abs(w.astype(int)).max() for w in weights) <= 64


def test_a_costly_quantization_is_called_out(small_model, tmp_path, monkeypatch, capsys):
    import shutil

    shutil.copytree(small_model, tmp_path / "model")
    monkeypatch.setattr(training, "MAX_DROP", -1.0)  # whatever it costs is too much
    training.optimize_int8(tmp_path / "model", make_rows())
    assert "WARNING: int8 costs" in capsys.readouterr().out


def test_the_exported_graph_has_no_dropout_and_takes_any_shape(small_model, tmp_path):
    import onnxruntime
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(small_model, attn_implementation="eager")
    training.export_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    for lengths in ([1], [3, 9], [2, 30, 11]):
        ids, mask = training.pad([[4 + number % 200 for number in range(length)] for length in lengths], 1)
        given_by_onnx = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
        with torch.inference_mode():
            expected = model.eval()(input_ids=ids, attention_mask=mask).logits.softmax(-1).numpy()
        assert np.abs(given_by_onnx - expected).max() < 1e-4


def test_diverging_training_says_so(small_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "HEAD_FACTOR", float("inf"))
    with pytest.raises(FloatingPointError, match="lower --learning-rate"):
        training.fit(make_rows(), make_rows(), small_config(small_encoder), tmp_path)


# data


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "train.csv is not UTF-8 CSV"),
        ("text,label\n", "train.csv has no rows"),
        ("text,Sentiment\ngood,Positive\n", "train.csv has no column label"),
        ("text,label\ngood,2\nbad,3\n", "train.csv, row 2: the label 3 is unknown"),
        ("text,label\ngood,Positive\n", "row 1: the label 'Positive' is unknown; it must be 0 (Negative)"),
        ("text,label\ngood,2\n,0\n", "train.csv, row 2: the text is missing"),
        ("text,label\ngood,\n", "row 1: the label '' is unknown"),
        (b"text,label\ncaf\xe9,2\n", "train.csv is not UTF-8 CSV"),
    ],
)
def test_bad_data_is_named_with_file_row_and_remedy(channels, content, says):
    path = channels / "train" / "train.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError) as caught:
        training.read_channel(path.parent)
    assert says in str(caught.value) and "run the processing job" in str(caught.value)


def test_a_channel_without_data_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no CSV file"):
        training.read_channel(tmp_path)


def test_texts_that_look_like_missing_values_stay_texts(channels):
    (channels / "train" / "train.csv").write_text("text,label\nNA,1\nnull,0\n123,2\n")
    assert list(training.read_channel(channels / "train")["text"]) == ["NA", "null", "123"]


# hyperparameters


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"epochs": 0}, "--epochs is 0"),
        ({"batch_size": -1}, "--batch-size is -1"),
        ({"max_length": 2}, "--max-length is 2"),
        ({"learning_rate": 5.0}, "--learning-rate is 5.0"),
        ({"learning_rate": float("nan")}, "--learning-rate is nan"),
        ({"optimize": "int4"}, "must be int8 or none"),
        ({"model_id": " "}, "--model-id is empty"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(changes, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        training.TrainingConfig(**changes)


def test_both_spellings_of_a_hyperparameter_and_no_unknown_ones():
    assert training.parse_arguments(
        ["--max_length", "64", "--learning-rate", "1e-5"]
    ) == training.TrainingConfig(max_length=64, learning_rate=1e-5)
    with pytest.raises(SystemExit):
        training.parse_arguments(["--epoch_count", "2"])


# models


def test_a_model_that_cannot_be_had_is_an_error_with_cause_and_remedy(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for model_id in ("amazon/bort", "nobody/nothing-of-this-name", "./no-such-folder", "not a name!"):
        with pytest.raises(OSError) as caught:
            training.load_encoder(model_id, [])
        message = str(caught.value)
        assert repr(model_id) in message and "packaged-minilm" in message and "Traceback" not in message


@pytest.mark.parametrize("model_type", ["bort", "bert"])
def test_a_checkpoint_in_borts_layout_loads(tmp_path, model_type):
    """What was published: half-precision weights without a pooler, `vocab.json` and `merges.txt`."""
    import torch
    from transformers import BertForMaskedLM

    folder = tmp_path / "bort"
    folder.mkdir()
    alphabet = training.learn_tokenizer(["so good", "so bad"], 300)
    vocabulary = alphabet.get_vocab() | {"<mask>": len(alphabet)}
    backend = json.loads(alphabet.backend_tokenizer.to_str())
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in backend["model"]["merges"]]
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    source = BertForMaskedLM(training.bort_config(len(vocabulary), **shape)).half()
    torch.save(source.state_dict(), folder / "pytorch_model.bin")
    settings = source.config.to_dict() | {"model_type": model_type, "architectures": ["BertForMaskedLM"]}
    (folder / "config.json").write_text(json.dumps(settings))

    tokenizer, model = training.load_encoder(str(folder), [])
    ids = tokenizer("so good")["input_ids"]
    assert ids[0] == 0 and ids[-1] == 2 and tokenizer.pad_token_id == 1
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == "so good"
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    loaded = model.bert.encoder.layer[0].output.dense.weight
    assert torch.equal(loaded, source.bert.encoder.layer[0].output.dense.weight.float())
    assert model.config.num_labels == 3 and model.config.model_type == "bert"
    training.fit(make_rows(), make_rows(), small_config(str(folder), epochs=1), tmp_path / "model")
    assert (tmp_path / "model" / "tokenizer.json").is_file()


def test_bort_shaped_has_borts_layers_and_the_texts_vocabulary():
    tokenizer, model = training.load_encoder("bort-shaped", ["so good", "so bad"])
    config = model.config
    assert (config.num_hidden_layers, config.num_attention_heads) == (4, 8)
    assert (config.hidden_size, config.intermediate_size) == (1024, 768)
    assert config.vocab_size == len(tokenizer) and config.pad_token_id == tokenizer.pad_token_id


LEARNED = training.learn_tokenizer(["so good", "so bad"], 300)


@given(st.text(min_size=1, max_size=60))
def test_the_learned_vocabulary_can_write_any_text(text):
    # a special token's own spelling, "<unk>", is read as that token, as in every Hugging Face tokenizer
    assume(not any(token in text for token in LEARNED.all_special_tokens))
    ids = LEARNED(text)["input_ids"]
    assert LEARNED.unk_token_id not in ids
    assert LEARNED.backend_tokenizer.decode(ids, skip_special_tokens=True) == text


# parts


@given(st.lists(st.integers(1, 80), max_size=300), st.integers(1, 40), st.integers(0, 5) | st.none())
def test_batches_hold_every_text_once(lengths, batch_size, seed):
    batches = training.make_batches(lengths, batch_size, None if seed is None else random.Random(seed))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(0 < len(batch) <= batch_size for batch in batches)


def test_length_sorted_batches_pad_less():
    rng = random.Random(1)
    lengths = [rng.randrange(5, 60) for _ in range(1000)]

    def padded(batches):
        return sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)

    order = list(range(1000))
    plain = [order[start : start + 32] for start in range(0, 1000, 32)]
    assert padded(training.make_batches(lengths, 32, random.Random(1))) < 0.75 * padded(plain)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1))
def test_macro_f1_is_scikit_learns(pairs):
    truth, predicted = zip(*pairs, strict=True)
    expected = f1_score(truth, predicted, labels=[0, 1, 2], average="macro", zero_division=0)
    assert training.macro_f1(truth, predicted) == pytest.approx(expected)


@given(st.integers(1, 500))
def test_the_rate_rises_to_one_and_falls_to_zero(steps):
    factors = [training.rate_factor(step, steps) for step in range(steps)]
    peak = factors.index(max(factors))
    assert max(factors) == 1.0 and min(factors) > 0
    assert (
        factors[: peak + 1] == sorted(factors[: peak + 1]) and factors[peak:] == sorted(factors[peak:])[::-1]
    )
    assert training.rate_factor(steps, steps) == 0.0 or steps == 1


def test_the_new_layer_learns_faster_and_biases_do_not_decay(small_encoder):
    _, model = training.load_encoder(small_encoder, [])
    groups = training.parameter_groups(model, 1e-4)
    assert {group["lr"] for group in groups} == {1e-4, 1e-3}
    for group in groups:
        assert {parameter.ndim < 2 for parameter in group["params"]} == {group["weight_decay"] == 0.0}
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


@pytest.mark.slow
def test_the_packaged_encoder_learns_more_than_the_words_it_saw(tmp_path):
    """A handful of examples; the words of the test texts occur in none of them."""
    train = pd.DataFrame(
        {
            "text": [
                *(
                    "I hate this phone",
                    "worst day ever",
                    "so sad right now",
                    "this food is awful",
                    "I am so angry",
                ),
                *(
                    "the meeting is at noon",
                    "going to the store",
                    "it is Tuesday",
                    "the bus leaves at five",
                    "at my desk",
                ),
                *(
                    "I love this phone",
                    "best day ever",
                    "so happy right now",
                    "this food is great",
                    "I am so proud",
                ),
            ],
            "label": [0] * 5 + [1] * 5 + [2] * 5,
        }
    )
    config = training.TrainingConfig(epochs=12, batch_size=5, learning_rate=1e-4, patience=12)
    history = training.fit(train, train, config, tmp_path)
    assert history[-1]["validation_macro_f1"] == 1.0
    from lab_lib.algorithms.inference.huggingface import load

    texts = ["what a terrible movie", "the train departs tomorrow", "what a wonderful movie"]
    for runtime in ("torch", "onnx"):
        assert load(tmp_path, runtime).predict_proba(texts).argmax(axis=1).tolist() == [0, 1, 2]
