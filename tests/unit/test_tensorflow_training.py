"""The TensorFlow track's training job."""

import json
import random
import re
import subprocess
import sys

import numpy as np
import pytest
from tensorflow_models import make_rows, small_config

from lab_lib.algorithms.inference.tensorflow import load
from lab_lib.algorithms.training import tensorflow as training

TEXTS = ["such a good day", "an awful meal", "not good", "", "😀 ¡olé!", "never seen words"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    "The history and the folder of a small model."
    folder = tmp_path_factory.mktemp("tensorflow")
    return training.fit(make_rows(), make_rows(), small_config(), folder), folder


@pytest.fixture(scope="module")
def hash_tables():
    return {name: training.as_hash_table(table) for name, table in training.lexicon_tables().items()}


def test_the_module_imports_without_a_framework():
    code = (
        "import sys, lab_lib.algorithms.training.tensorflow, lab_lib.algorithms.inference.tensorflow\n"
        "print(sorted({'tensorflow', 'keras', 'numpy', 'pandas', 'vaderSentiment'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("argv", [["--batch-size", "8"], ["--batch_size", "8"], ["--batch_size=8"]])
def test_hyperparameters_are_taken_in_both_spellings(argv):
    assert training.parse_arguments(argv) == training.TrainingConfig(batch_size=8)


def test_an_unknown_hyperparameter_ends_the_job(capsys):
    with pytest.raises(SystemExit) as ended:
        training.parse_arguments(["--batchsize", "8"])
    assert ended.value.code == 2
    assert "--batchsize" in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"epochs": 0}, "epochs is 0; give a whole number of at least 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; give a number above 0"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0; give 0 or a number above 0"),
        ({"dropout": 1.0}, "dropout is 1.0; give a number from 0 up to"),
    ],
)
def test_a_hyperparameter_out_of_range_is_named(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        training.TrainingConfig(**changes)


def test_macro_f1_is_scikit_learns():
    from sklearn.metrics import f1_score

    choose = random.Random(1)
    for _ in range(50):
        labels, predictions = ([choose.randrange(3) for _ in range(7)] for _ in range(2))
        expected = f1_score(labels, predictions, average="macro", zero_division=0)
        assert training.macro_f1(labels, predictions) == pytest.approx(expected)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "train.csv has no column text and no column label"),
        (b"text,label\n", "train.csv has no rows"),
        (b"text,stars\nfine,2\n", "train.csv has no column label"),
        (b"text,label\nfine,2\nbad,3\n", "train.csv, row 2: the label '3' is unknown; use 0 (Negative), 1"),
        (b"text,label\nfine,\n", "train.csv, row 1: the label '' is unknown"),
        (b"text,label\nfine,nan\n", "train.csv, row 1: the label 'nan' is unknown"),
        (b"text,label\nfine\n", "train.csv, row 1: the label None is unknown"),
        (b"text,label\n  ,1\n", "train.csv, row 1: the text is empty"),
        ("text,label\nvoilà,1\n".encode("latin-1"), "train.csv is not UTF-8 CSV"),
        (b'text,label\n"open,1\n', "train.csv is not UTF-8 CSV"),
    ],
)
def test_a_bad_file_is_named_with_row_and_remedy(tmp_path, content, message):
    (tmp_path / "train.csv").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(message)):
        training.read_channel(tmp_path)


def test_a_channel_without_a_file_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="There is no CSV file in"):
        training.read_channel(tmp_path)


def test_all_files_of_a_channel_are_read(tmp_path):
    (tmp_path / "a.csv").write_text('text,label\n"one, two",0\nNA,1\n')
    (tmp_path / "b.csv").write_text("label,text\n2,three\n")
    frame = training.read_channel(tmp_path)
    assert frame.to_dict("list") == {"text": ["one, two", "NA", "three"], "label": [0, 1, 2]}


@pytest.mark.parametrize(
    "worse, better",
    [
        ("not good", "good"),
        ("good", "very good"),
        ("good", "this is GOOD"),
        ("never ever so good", "so good"),
        ("nice but awful", "awful but nice"),
        ("well :(", "well :)"),
        ("hardly good", "good"),
    ],
)
def test_context_changes_a_words_score(hash_tables, worse, better):
    import tensorflow as tf

    texts = tf.constant([worse, better])
    totals = tf.reduce_sum(training.token_scores(training.tokens(texts), texts, hash_tables), axis=1)
    assert totals[0] < totals[1]


def test_the_score_without_context_is_vaders(hash_tables):
    import tensorflow as tf
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    texts = ["the food was good", "very bad service", "it is not great", "what a lovely day :)", "a table"]
    compound = training.lexicon_features(tf.constant(texts), hash_tables)[:, 0].numpy()
    expected = [analyzer.polarity_scores(text)["compound"] for text in texts]
    assert compound == pytest.approx(expected, abs=1e-3)


def test_the_history_has_a_record_for_each_epoch(trained):
    history, _ = trained
    assert [record["epoch"] for record in history] == list(range(1, len(history) + 1))
    assert all(set(record) == {"epoch", "seconds", *training.METRICS} for record in history)
    assert max(record["validation_macro_f1"] for record in history) > 0.9


def test_the_signature_takes_any_texts(trained):
    _, folder = trained
    predictor = load(folder)
    probabilities = predictor.predict_proba([*TEXTS, "word " * 2000])
    assert probabilities.dtype == np.float32 and probabilities.shape == (len(TEXTS) + 1, 3)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert probabilities[:2].argmax(axis=1).tolist() == [2, 0]
    one_by_one = np.concatenate([predictor.predict_proba([text]) for text in TEXTS])
    assert one_by_one == pytest.approx(probabilities[: len(TEXTS)], abs=1e-5)


def test_the_saved_model_has_only_tensorflows_own_operations(trained):
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel()
    content.ParseFromString((trained[1] / "1" / "saved_model.pb").read_bytes())
    graph = content.meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    operations = {node.op for node in nodes}
    assert "LookupTableFindV2" in operations and "StaticRegexReplace" in operations
    assert not {name for name in operations if not hasattr(tf.raw_ops, name)}
    assert not {name for name in operations if "PyFunc" in name}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model(trained, tmp_path):
    expected = load(trained[1]).predict_proba(TEXTS)
    training.fit(make_rows(), make_rows(), small_config(), tmp_path / "same")
    assert (load(tmp_path / "same").predict_proba(TEXTS) == expected).all()
    training.fit(make_rows(), make_rows(), small_config(seed=8), tmp_path / "other")
    assert (load(tmp_path / "other").predict_proba(TEXTS) != expected).any()


def test_training_stops_early(tmp_path, capsys):
    config = small_config(epochs=9, patience=2, learning_rate=1e-9)
    assert len(training.fit(make_rows(), make_rows(), config, tmp_path)) == 3
    log = capsys.readouterr().out
    assert "stopped: no better validation macro-F1 since epoch 1\nbest epoch 1 is kept" in log
    for metric in training.METRIC_DEFINITIONS:
        assert len(re.findall(metric["Regex"], log)) == 3


@pytest.mark.slow
def test_the_best_weights_are_kept(tmp_path):
    random.seed(3)
    noisy = make_rows().sample(frac=1, random_state=3)
    noisy["label"] = random.sample(noisy["label"].tolist(), len(noisy))
    rows = make_rows()
    history = training.fit(noisy, rows, small_config(epochs=8, learning_rate=0.2, patience=8), tmp_path)
    scores = [record["validation_macro_f1"] for record in history]
    assert scores[-1] < max(scores), "the last epoch is the best; this test needs another seed"
    kept = load(tmp_path).predict_proba(rows["text"].tolist()).argmax(axis=1)
    assert training.macro_f1(rows["label"], kept) == pytest.approx(max(scores))


def test_diverging_training_says_so(tmp_path):
    with pytest.raises(FloatingPointError, match="lower --learning-rate"):
        training.fit(make_rows(), make_rows(), small_config(learning_rate=1e30), tmp_path)


@pytest.mark.parametrize("broken", ["train", "validation"])
def test_bad_data_stops_before_training(tmp_path, broken):
    frames = {"train": make_rows(), "validation": make_rows()} | {broken: make_rows().drop(columns="label")}
    with pytest.raises(
        ValueError, match=f"the {'training' if broken == 'train' else broken} data has no column"
    ):
        training.fit(frames["train"], frames["validation"], small_config(), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_job_writes_a_model_that_another_process_serves(tmp_path, monkeypatch):
    for name in ("train", "validation"):
        (tmp_path / name).mkdir()
        make_rows().to_csv(tmp_path / name / "rows.csv", index=False)
        monkeypatch.setenv(f"SM_CHANNEL_{name.upper()}", str(tmp_path / name))
    model = tmp_path / "model"
    monkeypatch.setenv("SM_MODEL_DIR", str(model))
    monkeypatch.setenv("SM_OUTPUT_DATA_DIR", str(tmp_path / "output"))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    training.main(["--epochs", "2", "--batch_size", "16", "--seed", "5", "--character-ngrams", "200"])
    assert sorted(path.name for path in model.iterdir()) == ["1", "code"]
    assert len(json.loads((tmp_path / "output" / "history.json").read_text())) == 2
    record = json.loads((tmp_path / "output" / "training.json").read_text())
    assert record["framework"] == "tensorflow" and record["config"]["batch_size"] == 16
    assert set(record["versions"]) >= {"tensorflow", "keras"}
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1] + '/code')\n"
        "from lab_lib.algorithms.inference.tensorflow import load\n"
        "print(json.dumps(load(sys.argv[1]).predict_proba(json.loads(sys.argv[2])).tolist()))"
    )
    command = [sys.executable, "-c", code, str(model), json.dumps(TEXTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert np.array(json.loads(done.stdout)) == pytest.approx(load(model).predict_proba(TEXTS), abs=1e-6)
