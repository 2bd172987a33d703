"""Runs a few lines against the SDK's own workflow classes in another process, as a notebook would.

`PROLOGUE` gives them a pipeline session, a role, an image, sources of a training, an evaluation and an
inference script, and short forms: `trainer`, `training_step`, `evaluation_step`, `finish`.
"""

import json
import os
import subprocess
import sys

PROLOGUE = '''
import json, logging, sys, time, warnings
warnings.filterwarnings("ignore")
from local_aws import activate, ensure_started
activate(ensure_started(sys.argv[1]))
SOURCE = sys.argv[2]
import boto3
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.conditions import *
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep, TransformStep, TuningStep
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, MetricDefinition, SourceCode

session = PipelineSession()
bucket = session.default_bucket()
sm, s3 = boto3.client("sagemaker"), boto3.client("s3")
iam = boto3.client("iam")
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service":
         ["sagemaker.amazonaws.com", "lambda.amazonaws.com"]}}]}
try:
    role = iam.create_role(RoleName="pipeline-role", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
except iam.exceptions.EntityAlreadyExistsException:
    role = iam.get_role(RoleName="pipeline-role")["Role"]["Arn"]
s3.put_object(Bucket=bucket, Key="pipe/train/train.csv", Body=b"text,label\\nhi,1\\n")
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0"

def trainer(**hyperparameters):
    return ModelTrainer(
        training_image=IMAGE, role=role, sagemaker_session=session, base_job_name="sdk",
        source_code=SourceCode(source_dir=SOURCE + "/train", entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1), hyperparameters=hyperparameters,
    ).with_metric_definitions([MetricDefinition(name="validation:f1", regex="f1=([0-9.]+)")])

def training_step(name="Train", inputs=None, cache_config=None, **hyperparameters):
    data = inputs or [InputData(channel_name="train", data_source=f"s3://{bucket}/pipe/train/")]
    return TrainingStep(name=name, step_args=trainer(**hyperparameters).train(data), cache_config=cache_config)

def evaluation_step(model, report, name="Evaluate", cache_config=None):
    processor = ScriptProcessor(role=role, image_uri=IMAGE, instance_count=1, instance_type="ml.m5.large",
                                command=["python3"], sagemaker_session=session)
    source = ProcessingS3Input(s3_uri=model, local_path="/opt/ml/processing/model", s3_data_type="S3Prefix",
                               s3_input_mode="File")
    target = ProcessingS3Output(s3_uri=f"s3://{bucket}/pipe/evaluation", local_path="/opt/ml/processing/report",
                                s3_upload_mode="EndOfJob")
    args = processor.run(code=SOURCE + "/evaluate.py", inputs=[ProcessingInput(input_name="model", s3_input=source)],
                         outputs=[ProcessingOutput(output_name="report", s3_output=target)])
    return ProcessingStep(name=name, step_args=args, property_files=[report], cache_config=cache_config)

def finish(pipeline, status="Succeeded", **start):
    """Upsert, start, wait; {step: its entry}."""
    pipeline.upsert(role_arn=role)
    execution = pipeline.start(**start)
    deadline = time.monotonic() + 60
    while (found := execution.describe())["PipelineExecutionStatus"] in ("Executing", "Stopping"):
        assert time.monotonic() < deadline, execution.list_steps()
        time.sleep(0.05)
    steps = {step["StepName"]: step for step in execution.list_steps()}
    assert found["PipelineExecutionStatus"] == status, (found, steps)
    finish.execution = execution
    return steps
'''

TRAIN = """
import json, os, pathlib
hyperparameters = json.loads(pathlib.Path("/opt/ml/input/config/hyperparameters.json").read_text())
score = float(hyperparameters.get("score", 0.75))
print(f"f1={score}", flush=True)
pathlib.Path("/opt/ml/model/model.json").write_text(json.dumps({"score": score}))
"""

EVALUATE = """
import json, pathlib, tarfile
with tarfile.open("/opt/ml/processing/model/model.tar.gz") as tar:
    score = json.load(tar.extractfile("model.json"))["score"]
report = {"metrics": {"macro_f1": {"value": score}}, "rows": [{"n": 3}]}
pathlib.Path("/opt/ml/processing/report/evaluation.json").write_text(json.dumps(report))
"""

INFERENCE = """
import json, os

def model_fn(folder):
    with open(os.path.join(folder, "model.json")) as file:
        return json.load(file)

def predict_fn(data, model):
    return [model["score"]]
"""


# Reads codes as JSON lines, runs each in a copy of the prologue's names, answers with its error or null.
WORKER = """
import json, sys, traceback
answers = open(int(sys.argv[3]), "w")
for line in sys.stdin:
    names, error = {**globals(), "__name__": "scenario"}, None
    try:
        exec(compile(json.loads(line), "scenario", "exec"), names)
    except BaseException:
        error = traceback.format_exc()
    answers.write(json.dumps(error) + chr(10))
    answers.flush()
"""


class SdkProcess:
    """A process in which the SDK is imported once. `run(code)` runs code after the prologue; an error in it
    fails the test. `before`: what the process runs first of all."""

    def __init__(self, server, folder, before="", environment=()):
        source = folder / "source"
        (source / "train").mkdir(parents=True)
        (source / "serve").mkdir()
        (source / "train" / "train.py").write_text(TRAIN)
        (source / "evaluate.py").write_text(EVALUATE)
        (source / "serve" / "inference.py").write_text(INFERENCE)
        reader, writer = os.pipe()
        self._log = folder / "sdk.log"
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | dict(environment)
        self._process = subprocess.Popen(
            [sys.executable, "-c", before + PROLOGUE + WORKER, str(server.home), str(source), str(writer)],
            stdin=subprocess.PIPE,
            stdout=self._log.open("w"),
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=env,
            pass_fds=[writer],
        )
        os.close(writer)
        self._answers = os.fdopen(reader)

    def run(self, code):
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        answer = self._answers.readline()
        assert answer, "the process ended: " + self._log.read_text()[-3000:]
        error = json.loads(answer)
        assert error is None, error + self._log.read_text()[-2000:]

    def close(self):
        self._process.stdin.close()
        self._process.wait(30)
        self._answers.close()
