"""Macro-F1 on the test split, over several seeds, for the baselines and for the two tracks of the workshop.

    python benchmarks/quality.py                                  every method, seeds 42, 43 and 44
    python benchmarks/quality.py --methods vader-tuned,tfidf      some of them
    python benchmarks/quality.py --seeds 42 --methods huggingface

A seed sets the split and the training. All methods see the same splits, made by the processing job's own code
from the raw CSV. What a method chooses (thresholds, regularization, the best epoch) it chooses on training or
validation data, never on the test split. Prints a Markdown table and writes
build/benchmarks/quality.json.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import platform
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from lab_lib.algorithms.evaluation import confusion_matrix, predicted_labels, summarize
from lab_lib.algorithms.processing import process
from lab_lib.data import make_raw_tweets

ROOT = Path(__file__).resolve().parents[1]
Splits = dict[str, pd.DataFrame]


def make_splits(seed: int) -> Splits:
    """`train`, `validation`, `test` (columns `text`, `label`) as the processing job makes them by `seed`."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        raw.mkdir()
        (raw / "tweets.csv").write_bytes(make_raw_tweets())
        process(raw, folder, seed=seed)
        return {
            name: pd.read_csv(Path(folder) / name / f"{name}.csv", keep_default_na=False)
            for name in ("train", "validation", "test")
        }


def macro_f1(truth, predicted) -> float:
    """Macro-F1 of class numbers, by the evaluation job's own function."""
    return summarize(confusion_matrix(list(truth), list(predicted)))["macro_f1"]


def majority(splits: Splits, seed: int) -> dict[str, np.ndarray]:
    """The most frequent class of the training data, always."""
    return {"majority class": np.full(len(splits["test"]), splits["train"].label.mode()[0])}


def vader_scores(texts: pd.Series) -> np.ndarray:
    """VADER's compound score of each text, in [-1, 1]."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    return np.array([analyzer.polarity_scores(text)["compound"] for text in texts])


def cut(scores: np.ndarray, low: float, high: float) -> np.ndarray:
    """Class numbers: Negative up to `low`, Positive from `high`, Neutral between."""
    return np.where(scores <= low, 0, np.where(scores >= high, 2, 1))


def vader(splits: Splits, seed: int) -> dict[str, np.ndarray]:
    """VADER with the thresholds that its authors recommend."""
    return {"VADER, ±0.05": cut(vader_scores(splits["test"].text), -0.05, 0.05)}


def vader_tuned(splits: Splits, seed: int) -> dict[str, np.ndarray]:
    """VADER with the two thresholds that are best on the training data."""
    train = splits["train"]
    scores = vader_scores(train.text)
    grid = np.round(np.arange(-0.95, 0.951, 0.05), 2)
    pairs = [(low, high) for low in grid for high in grid if low < high]
    low, high = max(pairs, key=lambda pair: macro_f1(train.label, cut(scores, *pair)))
    return {"VADER, thresholds tuned": cut(vader_scores(splits["test"].text), low, high)}


def tfidf(splits: Splits, seed: int) -> dict[str, np.ndarray]:
    """TF-IDF of words and of characters with logistic regression on balanced classes.

    The validation split alone is too small to choose the regularization by. So it is chosen by 3-fold
    cross-validation, and the model learns from training and validation data together, which is more than the
    two tracks learn from.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline, make_union

    features = make_union(
        # punctuation counts as words: it carries sentiment
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, token_pattern=r"(?u)\w+|[^\w\s]+"),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=3),
    )
    known = pd.concat([splits["train"], splits["validation"]])
    model = GridSearchCV(
        make_pipeline(features, LogisticRegression(class_weight="balanced", tol=1e-3, max_iter=300)),
        {"logisticregression__C": [1.0, 3.0, 10.0]},
        scoring="f1_macro",
        cv=StratifiedKFold(3, shuffle=True, random_state=seed),
    )
    model.fit(known.text, known.label)
    return {"TF-IDF + logistic regression": model.predict(splits["test"].text)}


def _train(framework: str, splits: Splits, seed: int, model_dir: str):
    training = importlib.import_module(f"lab_lib.algorithms.training.{framework}")
    inference = importlib.import_module(f"lab_lib.algorithms.inference.{framework}")
    training.fit(splits["train"], splits["validation"], training.TrainingConfig(seed=seed), model_dir)
    return inference


def tensorflow(splits: Splits, seed: int) -> dict[str, list[int]]:
    """The TensorFlow track with its default hyperparameters, through its SavedModel."""
    with tempfile.TemporaryDirectory() as model_dir:
        predictor = _train("tensorflow", splits, seed, model_dir).load(model_dir)
        return {"TensorFlow track": predicted_labels(predictor.predict_proba(list(splits["test"].text)))}


def huggingface(splits: Splits, seed: int) -> dict[str, list[int]]:
    """The Hugging Face track with its defaults: as trained, and as served (ONNX Runtime, int8)."""
    texts = list(splits["test"].text)
    with tempfile.TemporaryDirectory() as model_dir:
        inference = _train("huggingface", splits, seed, model_dir)
        return {
            f"Hugging Face track, {name}": predicted_labels(
                inference.load(model_dir, runtime=runtime).predict_proba(texts)
            )
            for runtime, name in (("torch", "PyTorch"), ("onnx", "ONNX int8"))
        }


METHODS = {
    "majority": majority,
    "vader": vader,
    "vader-tuned": vader_tuned,
    "tfidf": tfidf,
    "tensorflow": tensorflow,
    "huggingface": huggingface,
}


def run(method: str, seed: int) -> list[dict]:
    """One method with one seed: a row (name, seed, macro_f1, accuracy, seconds) for each of its variants."""
    splits = make_splits(seed)
    start = time.perf_counter()
    predictions = METHODS[method](splits, seed)
    seconds = time.perf_counter() - start
    rows = []
    for name, predicted in predictions.items():
        metrics = summarize(confusion_matrix(list(splits["test"].label), list(predicted)))
        values = {"macro_f1": metrics["macro_f1"], "accuracy": metrics["accuracy"], "seconds": seconds}
        rows.append({"method": method, "name": name, "seed": seed, **values})
    return rows


def as_table(rows: list[dict], seeds: list[int]) -> str:
    """A Markdown table of macro-F1: a line for each name, a column for each seed, then mean and range."""
    head = ["method", *(f"seed {seed}" for seed in seeds), "mean", "range"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name in dict.fromkeys(row["name"] for row in rows):
        of_seed = {row["seed"]: row["macro_f1"] for row in rows if row["name"] == name}
        values = list(of_seed.values())
        cells = [name, *(f"{of_seed[seed]:.3f}" for seed in seeds)]
        cells += [f"{statistics.mean(values):.3f}", f"{min(values):.3f}–{max(values):.3f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def margins(rows: list[dict]) -> list[str]:
    """How far the tracks are ahead of the baselines that they must beat, on the mean of the seeds."""
    means = {
        name: statistics.mean(row["macro_f1"] for row in rows if row["name"] == name)
        for name in {row["name"] for row in rows}
    }
    method = {row["name"]: row["method"] for row in rows}
    baselines = {
        name: mean for name, mean in means.items() if method[name] not in ("tensorflow", "huggingface")
    }
    lines = []
    for name, mean in sorted(means.items()):
        rivals = [other for other in baselines if method[name] == "huggingface" or method[other] == "tfidf"]
        if method[name] in ("tensorflow", "huggingface") and rivals:
            rival = max(rivals, key=baselines.get)
            lines.append(f"{name}: {mean - baselines[rival]:+.3f} against {rival}")
    return lines


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--methods", default=",".join(METHODS), help="comma-separated (default: %(default)s)")
    parser.add_argument("--seeds", default="42,43,44", help="comma-separated (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "benchmarks" / "quality.json")
    options = parser.parse_args(argv)
    methods = options.methods.split(",")
    unknown = [method for method in methods if method not in METHODS]
    if unknown:
        parser.error(f"unknown method {unknown[0]!r}; there are {', '.join(METHODS)}")
    try:
        seeds = [int(seed) for seed in options.seeds.split(",")]
    except ValueError:
        parser.error(f"--seeds must be whole numbers with commas between, not {options.seeds!r}")
    rows = []
    for method in methods:
        for seed in seeds:
            # A process of its own each: TensorFlow and PyTorch do not share memory or threads well.
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
                done = pool.submit(run, method, seed).result()
            rows += done
            for row in done:
                line = f"{row['name']}, seed {seed}: macro-F1 {row['macro_f1']:.4f} ({row['seconds']:.0f} s)"
                print(line, file=sys.stderr, flush=True)
    print(as_table(rows, seeds))
    for line in margins(rows):
        print(line)
    packages = ("scikit-learn", "vaderSentiment", "tensorflow", "torch", "transformers", "onnxruntime")
    record = {
        "rows": rows,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "packages": {name: version(name) for name in packages},
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
