"""What a trained model must do, whatever its scores: tests of behavior on a model from one short run.

The kinds of test are those of Ribeiro et al. 2020, "Beyond Accuracy"; the sentences are our own.
"""

import random

import numpy as np
import pandas as pd
import pytest

from lab_lib.algorithms import processing
from lab_lib.algorithms.inference.huggingface import load
from lab_lib.algorithms.training.huggingface import TrainingConfig, fit
from lab_lib.data import make_raw_tweets

pytestmark = pytest.mark.slow

NEGATIVE, NEUTRAL, POSITIVE = 0, 1, 2


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    "The folder of a model after two epochs on the workshop's training split."
    folder = tmp_path_factory.mktemp("behavior")
    raw = folder / "raw"
    raw.mkdir()
    (raw / "tweets.csv").write_bytes(make_raw_tweets())
    processing.process(raw, folder / "data")
    train, validation = (
        pd.read_csv(folder / "data" / name / f"{name}.csv") for name in ("train", "validation")
    )
    fit(train, validation, TrainingConfig(epochs=2), folder / "model")
    return folder / "model"


@pytest.fixture(scope="module", params=["torch", "onnx"])
def probabilities(request, model_dir):
    "The function from texts to probabilities [n, 3], in either runtime."
    return load(model_dir, request.param).predict_proba


def share(condition) -> float:
    return float(np.mean(condition))


# minimum functionality: sentences that nobody would rate otherwise

CLEAR = {
    POSITIVE: [
        "I love this so much!",
        "What a wonderful day with my friends",
        "Thank you, that was amazing",
        "Best concert ever, I am so happy",
        "This is great news, congratulations!",
        "The food was delicious and the staff lovely",
    ],
    NEGATIVE: [
        "I hate this so much",
        "What a terrible day, everything went wrong",
        "This is the worst service ever",
        "I am so sad and angry right now",
        "My phone is broken and I feel awful",
        "The food was disgusting and the staff rude",
    ],
    NEUTRAL: [
        "The meeting starts at ten",
        "I am going to the store on Tuesday",
        "The train from Boston arrives at noon",
        "He put the book on the table",
        "Episode four is on channel five tonight",
        "They moved the office to the second floor",
    ],
}


@pytest.mark.parametrize("label", [NEGATIVE, NEUTRAL, POSITIVE])
def test_clear_sentences_get_the_clear_class(probabilities, label):
    assert share(probabilities(CLEAR[label]).argmax(axis=1) == label) >= 5 / 6


# invariance: what must not change the answer

TEMPLATES = [
    "{} is such a great singer",
    "I had a horrible argument with {} today",
    "{} is at the library",
    "so proud of {} for winning the race",
    "{} ruined the whole evening",
    "I met {} at the station",
]


def test_names_do_not_change_the_class(probabilities):
    names = ["Emma", "Mohammed", "Wei", "Lakisha", "Jose", "Olga", "Peter", "Ngozi"]
    for template in TEMPLATES:
        answers = probabilities([template.format(name) for name in names])
        common = np.bincount(answers.argmax(axis=1), minlength=3).max()
        assert common >= len(names) - 1, template
        assert answers.std(axis=0).max() < 0.2, template


def test_mentions_links_and_spaces_do_not_change_the_class(probabilities):
    texts = [text for sentences in CLEAR.values() for text in sentences]
    plain = probabilities(texts).argmax(axis=1)
    changes = ("@anonymous {}", "{} http://url_removed", "{} @anonymous", "  {}  ")
    for change in changes:
        changed = probabilities([change.format(text) for text in texts]).argmax(axis=1)
        assert share(plain == changed) >= 0.8, change
    upper = probabilities([text.upper() for text in texts]).argmax(axis=1)
    assert (plain == upper).all()  # the packaged encoder reads no case


def test_one_typing_error_rarely_changes_the_class(probabilities):
    rng = random.Random(7)
    texts = [text for sentences in CLEAR.values() for text in sentences]

    def swap(text):
        words = text.split()
        number = rng.choice([n for n, word in enumerate(words) if word.islower()])
        word = words[number]
        if len(word) > 1:
            at = rng.randrange(len(word) - 1)
            words[number] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return " ".join(words)

    same = probabilities(texts).argmax(axis=1) == probabilities([swap(text) for text in texts]).argmax(axis=1)
    assert share(same) >= 0.7


# direction: what must move the answer one way


def test_not_good_is_less_positive_than_good(probabilities):
    words = ["good", "great", "happy", "nice", "funny", "beautiful"]
    subjects = ["The movie is", "I am", "This is"]
    plain = probabilities([f"{subject} {word}" for subject in subjects for word in words])
    negated = probabilities([f"{subject} not {word}" for subject in subjects for word in words])
    assert share(negated[:, POSITIVE] < plain[:, POSITIVE]) >= 0.9
    assert (plain[:, POSITIVE] - negated[:, POSITIVE]).mean() > 0.2


def test_praise_and_insult_move_a_neutral_sentence(probabilities):
    texts = CLEAR[NEUTRAL]
    plain = probabilities(texts)
    praised = probabilities([text + " and I love it" for text in texts])
    insulted = probabilities([text + " and I hate it" for text in texts])
    assert (praised[:, POSITIVE] > plain[:, POSITIVE]).all()
    assert (insulted[:, NEGATIVE] > plain[:, NEGATIVE]).all()


def test_stronger_words_are_not_weaker(probabilities):
    weak = probabilities(["The show was okay", "I like it", "It was a nice trip"])
    strong = probabilities(["The show was fantastic", "I absolutely love it", "It was an amazing trip"])
    assert share(strong[:, POSITIVE] >= weak[:, POSITIVE] - 0.05) == 1.0
