"""lab_lib.data: the rated texts, the raw CSV and its dirt, the drifted texts; expectations on the data."""

import csv
import hashlib
import io
import os
import subprocess
import sys

import pytest

from lab_lib import data

LABELS = {"Negative", "Neutral", "Positive"}


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8")), strict=True))


@pytest.mark.parametrize(
    ("name", "rows"),
    [("tweets", 4200), ("amazon_reviews", 3708), ("movie_reviews", 10605), ("nyt_editorials", 5190)],
)
def test_ratings_are_complete_and_in_range(name, rows):
    ratings = data.load_ratings(name)
    assert len(ratings) == rows
    assert list(ratings.columns) == ["id", "rating", "std", "raters", "text"]
    assert (
        ratings.rating.between(-4, 4).all()
        and ratings["std"].between(0, 4).all()
        and (ratings.raters >= 15).all()
    )
    assert not ratings.isna().any().any()
    assert ratings.id.is_unique and ratings.text.str.strip().ne("").all()


def test_found_from_any_working_directory(tmp_path):
    code = "from lab_lib.data import load_ratings; print(len(load_ratings()))"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert done.stdout.strip() == "4200"


def test_missing_texts_say_how_to_get_them(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"python data/rebuild\.py"):
        data.load_ratings("tweets", folder=tmp_path)


def test_raw_bytes_are_the_same_on_every_machine():
    found = hashlib.sha256(data.make_raw_tweets()).hexdigest()
    assert found == "bc68aac3f48bdf624aa0d7232db92b0386879c84338b475af16c4a9bf18d8d7a", (
        "the raw CSV has changed: every figure that was measured with the old one is void"
    )


def test_raw_file_has_every_tweet_and_the_documented_dirt():
    tweets = data.load_ratings()
    header, *rows = rows_of(data.make_raw_tweets())
    assert header == ["text", "Sentiment"]
    assert len(rows) == len(tweets) + sum(data.DIRT.values()) - data.DIRT["label_spelling"]
    expected = {
        text: data.rating_label(rating) for text, rating in zip(tweets.text, tweets.rating, strict=True)
    }
    assert set(expected.items()) <= {(text, label.strip().capitalize()) for text, label in rows}
    assert sum(not text.strip() for text, _ in rows) == data.DIRT["missing_text"]
    assert sum(not label for _, label in rows) == data.DIRT["missing_label"]
    assert rows.count(["text", "Sentiment"]) == data.DIRT["header"]
    spelled = [label for _, label in rows if label and label not in LABELS | {"Sentiment"}]
    assert len(spelled) == data.DIRT["label_spelling"]
    assert {label.strip().capitalize() for label in spelled} == LABELS
    assert any("\n" in text for text, _ in rows) and any("&amp;" in text for text, _ in rows)


@pytest.mark.parametrize("sample", [1, 60, 4200])
def test_samples_have_each_kind_of_dirt(sample):
    rows = rows_of(data.make_raw_tweets(sample=sample))[1:]
    assert ["text", "Sentiment"] in rows
    assert len(rows) >= sample + 6
    assert any(not label for _, label in rows) and any(not text.strip() for text, _ in rows)


@pytest.mark.parametrize("sample", [-1, 4201])
def test_impossible_sample(sample):
    with pytest.raises(ValueError, match="between 1 and 4200"):
        data.make_raw_tweets(sample=sample)


@pytest.mark.parametrize(("threshold", "neutral"), [(0.5, 0.20), (1.0, 0.38)])
def test_threshold_gives_the_class_balance_it_is_known_for(threshold, neutral):
    labels = [data.rating_label(rating, threshold) for rating in data.load_ratings().rating]
    assert abs(labels.count("Neutral") / len(labels) - neutral) < 0.01


@pytest.mark.parametrize("name", ["amazon_reviews", "movie_reviews", "nyt_editorials"])
def test_drifted_texts(name):
    drifted = data.load_drifted(name, size=200)
    assert list(drifted.columns) == ["text", "Sentiment"] and len(drifted) == 200
    assert set(drifted.Sentiment) == LABELS and drifted.text.is_unique
    assert drifted.equals(data.load_drifted(name, size=200))
    assert not drifted.equals(data.load_drifted(name, size=200, seed=1))
    assert not drifted.text.str.contains("&amp;").any()
