"""lab_lib.algorithms.processing: what the processing job does with good and bad files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_lib.algorithms import contract, processing
from lab_lib.algorithms.processing import clean_rows, clean_text, family, main, process, split_rows, text_key
from lab_lib.data import make_raw_tweets

SPLITS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def no_container(monkeypatch, tmp_path):
    """No test writes the exit message of the machine it runs on."""
    monkeypatch.setattr(processing, "EXIT_MESSAGE", tmp_path / "no-container" / "output" / "message")


@pytest.fixture
def raw_dir(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "tweets.csv").write_bytes(make_raw_tweets())
    return folder


def read_splits(folder):
    return {
        name: pd.read_csv(
            folder / name / f"{name}.csv", dtype={"text": str, "label": int}, keep_default_na=False
        )
        for name in SPLITS
    }


def write(tmp_path, content):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "tweets.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def test_labels_are_the_contracts():
    assert contract.LABELS == processing.LABELS


def test_the_workshops_raw_file(raw_dir, tmp_path):
    report = process(raw_dir, tmp_path / "out")
    assert report["dropped"]["stray_header"] == 1
    assert report["dropped"]["missing_text"] == 20 and report["dropped"]["missing_label"] == 15
    assert report["rows_read"] == report["rows_kept"] + sum(report["dropped"].values())
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    splits = read_splits(tmp_path / "out")
    assert {name: len(part) for name, part in splits.items()} == {
        name: split["rows"] for name, split in report["splits"].items()
    }
    assert sum(map(len, splits.values())) == report["rows_kept"]
    assert abs(len(splits["test"]) / report["rows_kept"] - 0.2) < 0.01
    assert abs(len(splits["validation"]) / report["rows_kept"] - 0.1) < 0.01
    for text in pd.concat(splits.values()).text:
        assert text and text == clean_text(text)


def test_same_seed_same_bytes_other_seed_other_split(raw_dir, tmp_path):
    for name, seed in (("a", 42), ("b", 42), ("c", 43)):
        process(raw_dir, tmp_path / name, seed=seed)

    def content(name):
        return [(tmp_path / name / split / f"{split}.csv").read_bytes() for split in SPLITS]

    assert content("a") == content("b") != content("c")


WORDS = st.sampled_from(
    ["good", "Good", "GOOD", "sad", "so", "&amp;", "&lt;3", ":)", "!", "  ", "é", "e\u0301", "x\ny"]
)
TEXT = st.lists(WORDS, max_size=6).map(" ".join)
LABEL = st.sampled_from(["Negative", "neutral", " POSITIVE", ""])


def padding():
    """Enough different texts of each class for three splits."""
    return [
        (f"text {label} {chr(97 + n // 26)}{chr(97 + n % 26)}", label)
        for label in processing.LABELS
        for n in range(30)
    ]


@given(
    dirty=st.lists(st.tuples(TEXT, LABEL) | st.just(("text", "Sentiment")), max_size=40),
    seed=st.integers(0, 2**32 - 1),
    validation_size=st.sampled_from([0.1, 0.15, 0.3]),
    test_size=st.sampled_from([0.1, 0.2, 0.35]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_rows_are_accounted_for_and_split_without_a_leak(dirty, seed, validation_size, test_size):
    raw = pd.DataFrame(dirty + padding(), columns=["text", "label"])
    raw = raw.assign(file="any.csv", row=range(2, len(raw) + 2))
    rows, dropped = clean_rows(raw)
    assert len(rows) + sum(dropped.values()) == len(raw)
    assert not rows.text.map(text_key).duplicated().any()

    splits = split_rows(rows, validation_size, test_size, seed)
    together = pd.concat(splits.values())
    assert sorted(zip(together.text, together.label, strict=True)) == sorted(
        zip(rows.text, rows.label, strict=True)
    )
    owners = {}
    for name, part in splits.items():
        for text in part.text:
            assert owners.setdefault(family(text), name) == name
    # Stratified: a class has its share, up to one family of rounding a split and to families of several rows.
    largest = rows.groupby(rows.text.map(family)).size().max()
    slack = 2 + rows.text.map(family).duplicated().sum() + largest
    for name, size in (("validation", validation_size), ("test", test_size)):
        for number in range(3):
            expected = size * (rows.label == number).sum()
            assert abs((splits[name].label == number).sum() - expected) <= slack


def test_stratification_is_exact_without_families():
    rows = pd.DataFrame(
        [
            (f"word{chr(97 + n // 26)}{chr(97 + n % 26)} {label}", label)
            for label, count in enumerate((100, 200, 300))
            for n in range(count)
        ],
        columns=["text", "label"],
    )
    splits = split_rows(rows, 0.1, 0.2, seed=7)
    assert splits["test"].label.value_counts().to_dict() == {0: 20, 1: 40, 2: 60}
    assert splits["validation"].label.value_counts().to_dict() == {0: 10, 1: 20, 2: 30}


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("&lt;3 you &amp;amp; me", "<3 you & me"),
        ("cafe\u0301", "café"),
        ("a\u00a0b\u2003c\r\nd", "a b c d"),
        ("AT&T &copy &copy;", "AT&T &copy ©"),
        ("&" + "amp;" * 2000 + "lt;3", "<3"),
        ("&#x1F600;", "😀"),
    ],
)
def test_clean_text(raw, clean):
    assert clean_text(raw) == clean
    assert clean_text(clean) == clean


def test_texts_that_pandas_takes_for_missing_stay():
    raw = pd.DataFrame([("null", "Neutral"), ("NA", "Negative")], columns=["text", "label"]).assign(
        file="f", row=2
    )
    assert list(clean_rows(raw)[0].text) == ["null", "NA"]


def test_excel_file_with_byte_order_mark_and_extra_column(tmp_path):
    folder = write(
        tmp_path, b'\xef\xbb\xbfid,Sentiment,text\r\n7,Neutral,"a, b"\r\n\r\n8,Positive,c\r\n9\r\n'
    )
    rows = processing.read_raw(folder)
    assert rows[["row", "text", "label"]].values.tolist() == [
        [2, "a, b", "Neutral"],
        [4, "c", "Positive"],
        [5, "", ""],
    ]


BAD = {
    "empty file": (b"", "tweets.csv is empty. It needs a header with the columns text and Sentiment"),
    "blank lines only": (b"\n\n", "tweets.csv is empty."),
    "header only": (b"text,Sentiment\n", "tweets.csv has a header and no rows."),
    "missing column": (
        b"tweet,Sentiment\nhi,Neutral\n",
        "has no column text; its columns are tweet, Sentiment",
    ),
    "unknown label": (b"text,Sentiment\nhi,Neutral\nyo,meh\n", "Unknown label 'meh' in row 3 of tweets.csv"),
    "unquoted comma": (
        b"text,Sentiment\nhi, you,Neutral\n",
        "Row 2 of tweets.csv has 3 cells and the header 2",
    ),
    "unclosed quote": (b'text,Sentiment\n"hi,Neutral\n', "tweets.csv is not a well-formed CSV"),
    "not UTF-8": (b"text,Sentiment\ncaf\xe9,Neutral\n", "tweets.csv is not UTF-8 (byte 18)"),
    "nothing usable": (b"text,Sentiment\n,Neutral\nhi,\n", "No usable row is left of 2"),
    "too few": (
        b"text,Sentiment\na,Neutral\nb,Positive\nc,Negative\n",
        "Too few texts for three stratified splits",
    ),
    "a class missing": (
        b"text,Sentiment\n" + b"".join(b"w%c,Neutral\nv%c,Positive\n" % (n, n) for n in range(97, 117)),
        "'Negative': 0",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_exit_code_1(tmp_path, monkeypatch, capsys, case):
    content, expected = BAD[case]
    monkeypatch.setattr(processing, "EXIT_MESSAGE", tmp_path / "output" / "message")
    folder = write(tmp_path, content)
    assert main(["--input-dir", str(folder), "--output-dir", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert expected in error and error.startswith("error: ") and error.count("\n") == 1
    assert (tmp_path / "output" / "message").read_text() == error.removeprefix("error: ").strip()
    assert not (tmp_path / "out").exists()


def test_exit_message_is_at_most_1_kb_and_the_error_names_all_allowed_labels(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(processing, "EXIT_MESSAGE", tmp_path / "output" / "message")
    folder = write(tmp_path, "text,Sentiment\nhi," + "m" * 3000 + "\n")
    assert main(["--input-dir", str(folder), "--output-dir", str(tmp_path / "out")]) == 1
    assert "Negative, Neutral, Positive" in capsys.readouterr().err
    assert len((tmp_path / "output" / "message").read_bytes()) == 1024


def test_no_csv_and_impossible_sizes(raw_dir, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    assert main(["--input-dir", str(tmp_path / "none"), "--output-dir", str(tmp_path / "out")]) == 1
    assert "There is no .csv file in" in capsys.readouterr().err
    arguments = ["--input-dir", str(raw_dir), "--output-dir", str(tmp_path / "out"), "--test-size", "0.95"]
    assert main(arguments) == 1
    assert "together below 1" in capsys.readouterr().err


def test_runs_as_one_file_without_the_package(raw_dir, tmp_path):
    script = tmp_path / "alone" / "processing.py"
    script.parent.mkdir()
    shutil.copyfile(processing.__file__, script)
    blocker = tmp_path / "alone" / "lab_lib.py"
    blocker.write_text("raise ImportError('the job has no lab_lib')")
    command = [
        sys.executable,
        str(script),
        "--input-dir",
        str(raw_dir),
        "--output-dir",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=script.parent)
    assert done.returncode == 0, done.stderr
    assert "4307 rows read" in done.stdout
    assert set(read_splits(tmp_path / "out")) == set(SPLITS)
    command[command.index(str(raw_dir))] = str(tmp_path / "nowhere")
    assert subprocess.run(command, capture_output=True, cwd=script.parent).returncode == 1


HEAVY = ("tensorflow", "torch", "sagemaker", "boto3", "pandas", "sklearn", "numpy", "transformers")


@pytest.mark.parametrize(
    "module", ["lab_lib.algorithms.processing", "lab_lib.algorithms.evaluation", "lab_lib.data"]
)
def test_import_is_light_and_quick(module, tmp_path):
    code = (
        f"import sys, time; start = time.perf_counter(); import {module}; "
        f"print(time.perf_counter() - start, *(name for name in {HEAVY} if name in sys.modules))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
        for _ in range(3)
    ]
    seconds, *heavy = min((run.stdout.split() for run in runs), key=lambda words: float(words[0]))
    assert not heavy
    assert float(seconds) < 0.5


def test_notebook_does_not_end_its_kernel(tmp_path):
    """The last exported line must not run in a notebook, where __name__ is __main__ too."""
    lines = Path(processing.__file__).read_text(encoding="utf-8").splitlines()
    guard = next(line for line in lines if line.startswith("if __name__"))
    namespace = {"__name__": "__main__"}  # as in a kernel: no __file__
    exec(f"ran = False\n{guard}\n    ran = True", namespace)
    assert namespace["ran"] is False
