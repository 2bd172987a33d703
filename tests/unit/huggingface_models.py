"""Small models for the tests of the Hugging Face track: everything is real, only narrow."""

import pandas as pd

from lab_lib.algorithms.training import huggingface as training

WORDS = {0: "awful sad hate angry", 1: "meeting table today street", 2: "lovely happy love great"}


def make_rows() -> pd.DataFrame:
    "48 texts of two words; every word belongs to one class, so that a few epochs can learn them."
    rows = [
        {"text": f"{first} {second}", "label": label}
        for label, words in WORDS.items()
        for first in words.split()
        for second in words.split()
    ]
    return pd.DataFrame(rows)


def write_encoder(folder) -> str:
    "An untrained model in Bort's layout, 32 wide, with its own vocabulary; returns its folder, a `model_id`."
    from transformers import BertForSequenceClassification

    tokenizer = training.learn_tokenizer(list(make_rows()["text"]), 400)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    training.set_seed(1)
    BertForSequenceClassification(training.bort_config(len(tokenizer), **shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def small_config(model_id: str, **changes) -> training.TrainingConfig:
    "Hyperparameters with which the small model learns its words in a second."
    settings = {"epochs": 25, "batch_size": 8, "learning_rate": 2e-3, "patience": 25, "optimize": "none"}
    return training.TrainingConfig(model_id=model_id, **(settings | changes))
