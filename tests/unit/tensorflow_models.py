"""Small data for the tests of the TensorFlow track."""

import pandas as pd

from lab_lib.algorithms.training.tensorflow import TrainingConfig

WORDS = [["sad", "awful", "bad"], ["plain", "usual", "grey"], ["happy", "great", "good"]]


def make_rows():
    "A DataFrame of 36 short texts, 12 of each label; one word of each text tells its label."
    texts = [
        (f"{start} {word} {end}", label)
        for label, words in enumerate(WORDS)
        for word in words
        for start in ("what a", "this is a")
        for end in ("day", "meal")
    ]
    return pd.DataFrame(texts, columns=["text", "label"])


def small_config(**changes):
    "A configuration that trains for two or three seconds."
    sizes = {"word_ngrams": 60, "character_ngrams": 200, "hidden_units": 4, "batch_size": 16}
    return TrainingConfig(**({"epochs": 6, "learning_rate": 0.03, **sizes} | changes))
