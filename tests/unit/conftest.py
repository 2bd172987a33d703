"""Fixtures that several unit test modules share."""

import pytest


@pytest.fixture(scope="session")
def small_encoder(tmp_path_factory):
    "The folder of an untrained small model."
    from huggingface_models import write_encoder

    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def small_model(small_encoder, tmp_path_factory):
    "The folder of a small model that was trained with `optimize=int8`."
    from huggingface_models import make_rows, small_config

    from lab_lib.algorithms.training.huggingface import fit

    folder = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        fit(make_rows(), make_rows(), small_config(small_encoder, optimize="int8"), folder)
    return folder
