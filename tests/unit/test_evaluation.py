"""lab_lib.algorithms.evaluation: right metrics, safe archives, a report in SageMaker's layout."""

import csv
import io
import json
import sys
import tarfile
import types

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from lab_lib.algorithms import evaluation, processing


class Predictor:
    """Says what the text says; as slow as `seconds`."""

    def __init__(self, accuracy=1.0):
        self.accuracy = accuracy

    def predict_proba(self, texts):
        table = np.full((len(texts), 3), 0.1, dtype=np.float32)
        for number, text in enumerate(texts):
            right = int(text.split()[0])
            wrong = (right + 1) % 3
            table[number, right if (number % 100) < 100 * self.accuracy else wrong] = 0.8
        return table


@pytest.fixture
def framework(monkeypatch):
    """Inference modules that need no model; `loaded` records what was asked of them."""
    loaded = []

    def load(model_dir, runtime=None):
        loaded.append(runtime)
        return Predictor(0.9 if runtime == "onnx" else 0.95)

    for name in evaluation.FRAMEWORKS:
        monkeypatch.setitem(
            sys.modules, f"lab_lib.algorithms.inference.{name}", types.SimpleNamespace(load=load)
        )
    monkeypatch.setattr(evaluation, "median_latency_ms", lambda predictor, texts: 10 * predictor.accuracy)
    return loaded


@pytest.fixture
def test_split():
    return pd.DataFrame(
        {"text": [f"{n % 3} text, {n}" for n in range(300)], "label": [n % 3 for n in range(300)]}
    )


def tar(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc"
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
@settings(max_examples=100, deadline=None)
def test_metrics_are_scikit_learns(pairs):
    truth, guess = zip(*pairs, strict=True)
    assert (
        evaluation.confusion_matrix(truth, guess)
        == sklearn_metrics.confusion_matrix(truth, guess, labels=[0, 1, 2]).tolist()
    )
    found = evaluation.summarize(evaluation.confusion_matrix(truth, guess))
    options = {"labels": [0, 1, 2], "zero_division": 0}
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(truth, guess))
    for average in ("macro", "weighted"):
        for name in ("precision", "recall", "f1"):
            function = getattr(sklearn_metrics, f"{name}_score")
            assert found[f"{average}_{name}"] == pytest.approx(
                function(truth, guess, average=average, **options)
            )
    constant = [max(set(truth), key=truth.count)] * len(truth)
    assert found["macro_f1_best_constant_classifier"] == pytest.approx(
        sklearn_metrics.f1_score(truth, constant, average="macro", **options)
    )


def test_model_quality_layout_and_deviation():
    truth, guess = [0, 1, 2] * 100, [0, 1, 1] * 100
    report = evaluation.model_quality(truth, guess)
    quality = report["multiclass_classification_metrics"]
    assert quality["confusion_matrix"] == {
        "0": {"0": 100, "1": 0, "2": 0}, "1": {"0": 0, "1": 100, "2": 0}, "2": {"0": 0, "1": 100, "2": 0},
    }  # fmt: skip
    assert quality["accuracy"]["value"] == pytest.approx(2 / 3)
    assert 0 < quality["accuracy"]["standard_deviation"] < 0.05
    assert report == evaluation.model_quality(truth, guess)
    small = evaluation.model_quality([0, 1, 2], [0, 1, 1])["multiclass_classification_metrics"]
    assert small["macro_f1"]["standard_deviation"] == "NaN"


def test_different_lengths_are_an_error():
    with pytest.raises(ValueError, match="argument"):
        evaluation.model_quality([0, 1], [0])


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"../outside": b"x"}, "unsafe and was refused"),
        ({"link": None}, "unsafe and was refused"),
        ({}, "is empty"),
    ],
)
def test_bad_archives_are_refused(tmp_path, members, message):
    with pytest.raises(ValueError, match=message):
        evaluation.extract_model(tar(tmp_path / "model.tar.gz", members), tmp_path / "model")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_unreadable_archives(tmp_path, content):
    path = tmp_path / "model.tar.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.tar\.gz is (missing|no readable)"):
        evaluation.extract_model(path, tmp_path / "model")


def test_predictor_of_each_framework(framework, test_split, tmp_path):
    report = evaluation.evaluate(tmp_path, test_split, "tensorflow", tmp_path / "predictions.csv")
    assert report["multiclass_classification_metrics"]["accuracy"]["value"] == pytest.approx(0.95)
    assert "runtimes" not in report
    with open(tmp_path / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 300 and rows[4]["text"] == "1 text, 4"
    assert sum(row["label"] == row["predicted"] for row in rows) == 285
    assert float(rows[0]["Negative"]) == pytest.approx(0.8)


def test_runtimes_are_compared_when_there_are_two(framework, test_split, tmp_path):
    assert "runtimes" not in evaluation.evaluate(tmp_path, test_split, "huggingface")
    (tmp_path / "model.int8.onnx").write_bytes(b"")
    framework.clear()
    runtimes = evaluation.evaluate(tmp_path, test_split, "huggingface")["runtimes"]
    assert framework == [None, "torch", "onnx"]
    assert runtimes["torch"]["macro_f1"] > runtimes["onnx"]["macro_f1"] > 0.85
    assert runtimes["torch"]["latency_ms_p50"] == 9.5 and runtimes["onnx"]["latency_ms_p50"] == 9.0


def test_job_from_archive_to_report(framework, test_split, tmp_path, capsys):
    tar(tmp_path / "model.tar.gz", {"config.json": b"{}", "model.int8.onnx": b""})
    test_split.to_csv(tmp_path / "test.csv", index=False)
    arguments = ["--model", str(tmp_path / "model.tar.gz"), "--test", str(tmp_path / "test.csv")]
    arguments += ["--output-dir", str(tmp_path / "out"), "--framework", "huggingface"]
    assert evaluation.main(arguments) == 0
    report = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert set(report) == {"multiclass_classification_metrics", "runtimes"}
    assert (tmp_path / "out" / "predictions.csv").read_text().count("\n") == 301
    assert "300 texts: accuracy=0.9500 macro_f1=0.9500" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "test.csv is empty"),
        ("text,label\n", "has a header and no rows"),
        ("text\nhi\n", "has no column label"),
        ("text,label\nhi,Neutral\n", "Unknown label 'Neutral' in row 2"),
        (None, "test.csv is missing"),
    ],
)
def test_bad_test_split_fails_the_job_with_a_sentence(
    framework, tmp_path, monkeypatch, capsys, content, message
):
    monkeypatch.setattr(processing, "EXIT_MESSAGE", tmp_path / "ml" / "output" / "message")
    (tmp_path / "ml").mkdir()
    if content is not None:
        (tmp_path / "test.csv").write_text(content)
    arguments = [
        "--framework",
        "tensorflow",
        "--test",
        str(tmp_path / "test.csv"),
        "--output-dir",
        str(tmp_path / "o"),
    ]
    assert evaluation.main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert message in (tmp_path / "ml" / "output" / "message").read_text()
    assert not (tmp_path / "o").exists()


def test_latency_is_the_median_after_the_warmup(monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(evaluation.time, "perf_counter", lambda: next(clock))
    assert evaluation.median_latency_ms(Predictor(), ["0"], rounds=5, warmup=2) == 1000
    assert next(clock) == 14
