"""benchmarks/quality.py: its own arithmetic, and the cheapest baselines on the real data."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "quality.py"


@pytest.fixture(scope="module")
def quality():
    spec = importlib.util.spec_from_file_location("quality", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["quality"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["quality"]


def row(method, name, seed, score):
    return {"method": method, "name": name, "seed": seed, "macro_f1": score}


def test_table_has_mean_and_range(quality):
    rows = [row("tfidf", "A", 1, 0.5), row("tfidf", "A", 2, 0.75)]
    assert quality.as_table(rows, [1, 2]).splitlines() == [
        "| method | seed 1 | seed 2 | mean | range |",
        "|---|---|---|---|---|",
        "| A | 0.500 | 0.750 | 0.625 | 0.500–0.750 |",
    ]


def test_margins_name_the_strongest_rival(quality):
    rows = [row("tfidf", "T", 1, 0.70), row("vader-tuned", "V", 1, 0.72)]
    rows += [row("huggingface", "H", 1, 0.76), row("tensorflow", "F", 1, 0.71)]
    assert quality.margins(rows) == ["F: +0.010 against T", "H: +0.040 against V"]


def test_vader_cut_includes_its_edges(quality):
    assert quality.cut(np.array([-0.05, -0.049, 0.0, 0.05]), -0.05, 0.05).tolist() == [0, 1, 1, 2]


def test_majority_and_vader_on_the_real_splits(quality):
    (majority,) = quality.run("majority", 42)
    assert majority["macro_f1"] == pytest.approx(2 * majority["accuracy"] / (1 + majority["accuracy"]) / 3)
    (vader,) = quality.run("vader", 42)
    assert 0.55 < vader["macro_f1"] < 0.65


@pytest.mark.parametrize("arguments", [["--methods", "magic"], ["--seeds", "one"]])
def test_bad_options(quality, capsys, arguments):
    with pytest.raises(SystemExit) as exit_info:
        quality.main(arguments)
    assert exit_info.value.code == 2
    assert arguments[1] in capsys.readouterr().err
