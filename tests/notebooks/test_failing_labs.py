"""A lab stops at the cell whose job failed, and says why: papermill, on a small raw file."""

import subprocess
import sys

import nbformat
import papermill
import pytest
from checkout_copy import BIN, copy_checkout, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
LAB = "nbs/00-ml-build-train/01-Train-Build-Model.ipynb"
TEXTS = {
    "Positive": "lovely day number",
    "Neutral": "the meeting has number",
    "Negative": "awful, lost number",
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout with a local_aws of its own, stopped at the end."""
    copy = copy_checkout(tmp_path_factory.mktemp("failing"))
    env = environment(copy)
    yield copy, env
    subprocess.run([BIN / "local-aws", "stop"], cwd=copy, env=env, check=True)


@pytest.fixture
def upload(checkout):
    """Puts rows of `text,Sentiment` where the labs look for the raw tweets."""
    copy, env = checkout

    def put(rows):
        code = "import sys; from lab_lib.settings import get_lab; lab = get_lab(verbose=False); " + (
            "key = f'{lab.project}/data/raw/tweets.csv'; "
            "lab.client('s3').put_object(Bucket=lab.bucket, Key=key, Body=sys.stdin.buffer.read())"
        )
        subprocess.run([sys.executable, "-c", code], cwd=copy, env=env, input=rows.encode(), check=True)

    return put


@pytest.fixture
def run_lab(checkout, monkeypatch, tmp_path):
    """Runs the training lab; returns the cell that failed, its error, and the next cell's execution count."""
    copy, env = checkout

    def run(**parameters):
        output = tmp_path / "out.ipynb"
        with monkeypatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            with pytest.raises(papermill.PapermillExecutionError) as caught:
                papermill.execute_notebook(
                    copy / LAB, output, parameters, cwd=(copy / LAB).parent, progress_bar=False
                )
        cells = [cell for cell in nbformat.read(output, 4).cells if cell.cell_type == "code"]
        failed = next(
            i for i, cell in enumerate(cells) if any(o.output_type == "error" for o in cell.outputs)
        )
        return cells[failed], caught.value, cells[failed + 1]

    return run


def rows(count=40):
    return "text,Sentiment\n" + "".join(
        f'"{text} {number}",{label}\n' for number in range(count) for label, text in TEXTS.items()
    )


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def test_no_raw_data_names_the_lab_that_makes_it(run_lab):
    cell, error, after = run_lab(framework="tensorflow")
    assert error.ename == "FileNotFoundError", error.evalue
    assert "Run the lab 00-Data-Visualization first" in error.evalue
    assert after.execution_count is None


def test_an_unknown_framework_is_refused_at_once(run_lab):
    _, error, _ = run_lab(framework="jax")
    assert error.evalue == "framework is 'jax'; it must be one of tensorflow, huggingface."


def test_an_unknown_label_fails_the_processing_job(upload, run_lab):
    upload(rows() + '"what is this",Sarcastic\n')
    cell, error, after = run_lab(framework="tensorflow")
    assert "processor.run" in cell.source
    assert "Sarcastic" in error.evalue + printed(cell)
    assert after.execution_count is None


def test_an_empty_file_fails_the_processing_job(upload, run_lab):
    upload("")
    cell, error, _ = run_lab(framework="tensorflow")
    assert "processor.run" in cell.source
    assert "empty" in (error.evalue + printed(cell)).lower()


def test_a_training_script_that_raises_fails_the_job_and_stops_the_lab(upload, run_lab, checkout):
    upload(rows())
    cell, error, after = run_lab(framework="tensorflow", epochs=-1)
    assert "trainer.train" in cell.source and after.execution_count is None
    assert error.ename == "FailedStatusError"
    assert "AlgorithmError" in error.evalue and "ValueError" in error.evalue and "epochs" in error.evalue
    assert "Traceback (most recent call last)" in printed(cell)  # the job's log, in the notebook
