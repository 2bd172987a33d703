"""The SageMaker SDK's own classes, unchanged: ModelTrainer, ScriptProcessor, FrameworkProcessor.

They run in a process of their own, as a notebook would, because `activate` changes the whole process.
"""

import os
import subprocess
import sys
import textwrap

import pytest

PROLOGUE = """
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
from local_aws import activate, ensure_started
activate(ensure_started(sys.argv[1]))
import boto3
from sagemaker.core.helper.session_helper import Session
session = Session()
bucket = session.default_bucket()
iam = boto3.client("iam")
try:
    role = iam.create_role(RoleName="sdk-role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
except iam.exceptions.EntityAlreadyExistsException:
    role = iam.get_role(RoleName="sdk-role")["Role"]["Arn"]
boto3.client("s3").put_object(Bucket=bucket, Key="sdk/train/train.csv", Body=b"text,label\\nhi,1\\n")
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0"
"""

TRAIN = """
import argparse, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--label", default="Neutral")
options = parser.parse_args()
print("channel", os.listdir(os.environ["SM_CHANNEL_TRAIN"]), "epochs", options.epochs)
print("validation_macro_f1=0.5\\nvalidation_macro_f1=0.75")
if options.label == "Meh":
    raise ValueError("unknown label Meh")
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("m")
"""

TRAINER = """
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, MetricDefinition, SourceCode

def train(**hyperparameters):
    trainer = ModelTrainer(
        training_image=IMAGE, role=role, sagemaker_session=session, base_job_name="sdk",
        source_code=SourceCode(source_dir=sys.argv[2], entry_script="train.py", requirements="requirements.txt"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1), hyperparameters=hyperparameters,
    ).with_metric_definitions([MetricDefinition(name="f1", regex="validation_macro_f1=([0-9.]+)")])
    trainer.train([InputData(channel_name="train", data_source=f"s3://{bucket}/sdk/train/")], wait=False)
    job = trainer._latest_training_job
    try:
        job.wait(poll=1, logs=True)
    finally:
        job.refresh()
    return job

job = train(epochs=2)
print("RESULT", job.training_job_status, job.final_metric_data_list[0].value, job.model_artifacts.s3_model_artifacts)
try:
    train(epochs=1, label="Meh")
except Exception as error:
    print("ERROR", type(error).__name__, error)
"""

PROCESSORS = """
from sagemaker.core.processing import FrameworkProcessor, ScriptProcessor
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output

for cls, script in ((ScriptProcessor, {"code": sys.argv[2] + "/process.py"}),
                    (FrameworkProcessor, {"code": "process.py", "source_dir": sys.argv[2]})):
    processor = cls(role=role, image_uri=IMAGE, instance_count=1, instance_type="ml.m5.large", command=["python3"],
                    sagemaker_session=session)
    source = ProcessingS3Input(s3_uri=f"s3://{bucket}/sdk/train/", local_path="/opt/ml/processing/input/raw",
                               s3_data_type="S3Prefix", s3_input_mode="File")
    target = ProcessingS3Output(s3_uri=f"s3://{bucket}/sdk/{cls.__name__}", local_path="/opt/ml/processing/output",
                                s3_upload_mode="EndOfJob")
    processor.run(inputs=[ProcessingInput(input_name="raw", s3_input=source)],
                  outputs=[ProcessingOutput(output_name="out", s3_output=target)],
                  arguments=["--flag", "1"], wait=True, logs=True, **script)
    found = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"sdk/{cls.__name__}/")["Contents"]
    print("RESULT", cls.__name__, [o["Key"] for o in found])
"""


def run(server, tmp_path, code):
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text(TRAIN)
    (source / "requirements.txt").write_text("numpy\n")
    (source / "process.py").write_text(
        "import os, sys\nprint('flags', sys.argv[1:], os.listdir('/opt/ml/processing/input/raw'))\n"
        "open('/opt/ml/processing/output/done.txt', 'w').write('1')\n"
    )
    command = [sys.executable, "-c", textwrap.dedent(PROLOGUE) + code, str(server.home), str(source)]
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, env=env)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow  # the SDK looks every few seconds
@pytest.mark.timeout(160)
def test_model_trainer_streams_logs_and_tells_why_a_script_failed(server, tmp_path):
    out = run(server, tmp_path, TRAINER)
    assert "channel ['train.csv'] epochs 2" in out
    assert "RESULT Completed 0.75 s3://sagemaker-us-east-1-123456789012/" in out
    error = out.split("ERROR ")[1]
    assert error.startswith("FailedStatusError")
    assert "ValueError: unknown label Meh, exit code: 1" in error


@pytest.mark.slow  # the SDK looks every five seconds
@pytest.mark.timeout(160)
def test_script_and_framework_processors_run_unchanged(server, tmp_path):
    out = run(server, tmp_path, PROCESSORS)
    assert "RESULT ScriptProcessor ['sdk/ScriptProcessor/done.txt']" in out
    assert "RESULT FrameworkProcessor ['sdk/FrameworkProcessor/done.txt']" in out
    assert out.count("flags ['--flag', '1'] ['train.csv']") == 2
