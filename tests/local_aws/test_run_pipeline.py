"""`run-pipeline` as a CI job calls it: a process of its own, a real local AWS, the training pipeline on few tweets."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from lab_lib.data import make_raw_tweets
from lab_lib.mlpipelines.execution import start
from lab_lib.settings import LabError
from tools.labs import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
BUCKET = "sagemaker-e2e-lab-123456789012-us-east-1"
QUICK = ("Framework=tensorflow", "Epochs=1")


@pytest.fixture(scope="module")
def call(server, aws, tmp_path_factory):
    """call("run-pipeline", …, wait=True): the finished process, or the running one."""
    folder = tmp_path_factory.mktemp("checkout")  # a copy: the code must not change between two runs
    shutil.copytree(ROOT / "lab_lib", folder / "lab_lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "settings.ini", folder)
    aws.s3.create_bucket(Bucket=BUCKET)
    for name, body in (
        ("small", make_raw_tweets(sample=400)),
        ("broken", b"text,Sentiment\nhello,Cheerful\n"),
    ):
        aws.s3.put_object(Bucket=BUCKET, Key=f"sagemaker-e2e-lab/data/{name}/tweets.csv", Body=body)
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= {"LOCAL_AWS_HOME": str(server.home), "LAB_BACKEND": "local", "OMP_NUM_THREADS": "1"}

    def run(command, *arguments, wait=True):
        function = command.replace("-", "_")
        code = f"import sys; from lab_lib.mlpipelines.commands import {function} as f; sys.exit(f())"
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if not wait:
            return process
        out, err = process.communicate(timeout=200)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


def data(name):
    return f"InputData=s3://{BUCKET}/sagemaker-e2e-lab/data/{name}/"


@pytest.fixture(scope="module")
def first(call):
    return call(
        "run-pipeline", "--parameters", *QUICK, data("small"), "MinimumMacroF1=0.05", "--tags", "team=nlp"
    )


def test_a_run_prints_its_arn_then_its_steps_then_what_it_made(first):
    assert (first.returncode, first.stderr) == (0, "")
    arn, *lines = first.stdout.splitlines()
    assert re.fullmatch(r"arn:aws:sagemaker:us-east-1:123456789012:pipeline/[\w-]+/execution/\w+", arn)
    ended = re.findall(r"^\[ *[\d.]+ s\] (\w+) +Succeeded", first.stdout, re.MULTILINE)
    expected = ["Process", "TrainTensorflow", "EvaluateTensorflow", "CheckTensorflow", "RegisterTensorflow"]
    assert [name for name in ended if name != "ChooseFramework"] == expected and "ChooseFramework" in ended
    assert "Huggingface" not in first.stdout
    assert lines[-1].startswith(
        "Registered arn:aws:sagemaker:us-east-1:123456789012:model-package/tweet-sentiment/"
    )


def test_the_version_knows_its_origin(first, aws):
    arn, *_, last = first.stdout.splitlines()
    version = aws.sagemaker.describe_model_package(ModelPackageName=last.removeprefix("Registered "))
    assert version["ModelApprovalStatus"] == "PendingManualApproval"
    assert version["MetadataProperties"]["GeneratedBy"] == arn
    origin = version["CustomerMetadataProperties"]
    training = aws.sagemaker.describe_training_job(TrainingJobName=origin["training_job"])
    (container,) = version["InferenceSpecification"]["Containers"]
    assert container["ModelDataUrl"] == training["ModelArtifacts"]["S3ModelArtifacts"]
    assert container["Environment"]["SAGEMAKER_PROGRAM"] == "inference.py"
    assert training["HyperParameters"] == {"framework": "tensorflow", "epochs": "1", "seed": "42"}
    assert training["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] == origin["training_data"]
    processing = aws.sagemaker.describe_processing_job(ProcessingJobName=origin["processing_job"])
    assert processing["ProcessingInputs"][0]["S3Input"]["S3Uri"] == origin["raw_data"]
    evaluation = aws.sagemaker.describe_processing_job(ProcessingJobName=origin["evaluation_job"])
    place = evaluation["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    statistics = version["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    assert statistics == f"{place}/evaluation.json"
    aws.s3.head_object(Bucket=BUCKET, Key=statistics.split("/", 3)[3])
    tags = aws.sagemaker.list_tags(ResourceArn=arn.rpartition("/execution/")[0])["Tags"]
    assert {"Key": "team", "Value": "nlp"} in tags


def test_a_missed_bar_fails_with_the_amount_and_repeats_no_training(first, call, aws):
    before = len(
        aws.sagemaker.list_model_packages(ModelPackageGroupName="tweet-sentiment")["ModelPackageSummaryList"]
    )
    done = call("run-pipeline", "--parameters", *QUICK, data("small"), "MinimumMacroF1=1")
    assert done.returncode == 1
    assert re.search(r"TrainTensorflow +Cached: the result of execution", done.stdout)
    assert re.search(r"CheckTensorflow +Succeeded: the condition is false", done.stdout)
    message = re.search(
        r"^error: step MissedTensorflow: The tensorflow model is not registered: its macro-F1 of (0\.\d+) "
        r"misses the minimum of 1(?:\.0)? by (0\.\d+)\.$",
        done.stderr,
        re.MULTILINE,
    )
    assert message and float(message[1]) + float(message[2]) == pytest.approx(1)
    after = len(
        aws.sagemaker.list_model_packages(ModelPackageGroupName="tweet-sentiment")["ModelPackageSummaryList"]
    )
    assert after == before


def test_a_failed_job_ends_with_its_reason_and_its_log(call):
    done = call("run-pipeline", "--parameters", *QUICK, data("broken"))
    assert done.returncode == 1
    assert "error: step Process: " in done.stderr
    assert re.search(
        r"group /aws/sagemaker/ProcessingJobs, streams pipelines-\w+-Process-\w+/\*", done.stderr
    )
    assert "Unknown label 'Cheerful' in row 2 of tweets.csv" in done.stderr


def test_after_ctrl_c_the_execution_goes_on_until_it_is_stopped(call, aws):
    process = call(
        "run-pipeline",
        "--parameters",
        "Epochs=5",
        "Seed=7",
        "Framework=tensorflow",
        data("small"),
        wait=False,
    )
    arn = process.stdout.readline().strip()
    while "Train" not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and f"The execution goes on. To stop it: stop-pipeline {arn}" in err
    describe = aws.sagemaker.describe_pipeline_execution
    assert describe(PipelineExecutionArn=arn)["PipelineExecutionStatus"] == "Executing"
    stopped = call("stop-pipeline", arn)
    assert (stopped.returncode, stopped.stdout.strip()) == (0, "Stopped")
    assert describe(PipelineExecutionArn=arn)["PipelineExecutionStatus"] == "Stopped"


def test_without_waiting(call, aws):
    done = call("run-pipeline", "--no-wait", "--no-upsert", "--parameters", *QUICK, data("broken"))
    assert (done.returncode, done.stderr) == (0, "")
    (arn,) = done.stdout.splitlines()
    deadline = time.monotonic() + 60
    describe = aws.sagemaker.describe_pipeline_execution
    while describe(PipelineExecutionArn=arn)["PipelineExecutionStatus"] == "Executing":
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_pipeline_that_is_not_there(aws):
    lab = SimpleNamespace(client=lambda service: aws.sagemaker, region="us-east-1")
    with pytest.raises(LabError, match="There is no pipeline 'nowhere' in region us-east-1: upsert it first"):
        start(lab, "nowhere")
