"""The SageMaker SDK's own HyperparameterTuner, Transformer and Lambda helper, unchanged, as a notebook would use
them."""

import pytest
from test_sdk_jobs import run

TUNER = """
from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, SourceCode, StoppingCondition
from sagemaker.train.tuner import HyperparameterTuner

# the toolkit would import TensorFlow for its exceptions, for four seconds a job: not in a scikit-learn image
boto3.client("s3").put_object(Bucket=bucket, Key="sdk/absent/tensorflow.py", Body=b"raise ImportError")
trainer = ModelTrainer(
    environment={"PYTHONPATH": "/opt/ml/input/data/absent"},
    training_image=IMAGE, role=role, sagemaker_session=session, base_job_name="tuned",
    source_code=SourceCode(source_dir=sys.argv[2], entry_script="tuned.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=120),
    hyperparameters={"epochs": 2, "rate": 0.1},
)
tuner = HyperparameterTuner(
    model_trainer=trainer, objective_metric_name="f1", objective_type="Maximize", strategy="Random",
    metric_definitions=[{"Name": "f1", "Regex": "f1=([0-9.]+)"}],
    hyperparameter_ranges={
        "rate": ContinuousParameter(1e-5, 1e-1, scaling_type="Logarithmic"),
        "depth": IntegerParameter(1, 4), "optimizer": CategoricalParameter(["adam", "sgd"]),
    },
    max_jobs=2, max_parallel_jobs=2, random_seed=3, base_tuning_job_name="tuned",
)
tuner.tune([InputData(channel_name=name, data_source=f"s3://{bucket}/sdk/{name}/") for name in ("train", "absent")],
           wait=False)
tuner.latest_tuning_job.wait(poll=1)
job = tuner.describe()
print("TUNED", job.hyper_parameter_tuning_job_status, job.training_job_status_counters.completed)
best = job.best_training_job
print("BEST", tuner.best_training_job() == best.training_job_name,
      0 < best.final_hyper_parameter_tuning_job_objective_metric.value <= 1, sorted(best.tuned_hyper_parameters))
"""

TRANSFORMER = """
import io, tarfile
from sagemaker.core.resources import Model
from sagemaker.core.shapes import ContainerDefinition
from sagemaker.core.transformer import Transformer

data = io.BytesIO()
code = (
    b"def model_fn(d): return 2\\n"
    b"def input_fn(data, kind): return [float(x) for x in data.split()]\\n"
    b"def predict_fn(numbers, factor): return [n * factor for n in numbers]\\n"
    b"def output_fn(numbers, accept): return '\\\\n'.join(map(str, numbers))\\n"
)
with tarfile.open(fileobj=data, mode="w:gz") as tar:
    entry = tarfile.TarInfo("code/inference.py")
    entry.size = len(code)
    tar.addfile(entry, io.BytesIO(code))
s3 = boto3.client("s3")
s3.put_object(Bucket=bucket, Key="sdk/model.tar.gz", Body=data.getvalue())
s3.put_object(Bucket=bucket, Key="sdk/batch/a.csv", Body=b"1\\n2\\n")
Model.create(model_name="sdk-batch", execution_role_arn=role, primary_container=ContainerDefinition(
    image=IMAGE, model_data_url=f"s3://{bucket}/sdk/model.tar.gz"))
transformer = Transformer(
    model_name="sdk-batch", instance_count=1, instance_type="ml.m5.large", strategy="MultiRecord",
    assemble_with="Line", accept="text/csv", output_path=f"s3://{bucket}/sdk/batch-out", sagemaker_session=session,
    max_payload=1, env={"A": "b"})
transformer.transform(f"s3://{bucket}/sdk/batch/", content_type="text/csv", split_type="Line", wait=False,
                      join_source="Input", job_name="sdk-batch-job")
transformer.latest_transform_job.wait(poll=1, logs=True)
print("TRANSFORMED", s3.get_object(Bucket=bucket, Key="sdk/batch-out/a.csv.out")["Body"].read(),
      transformer.latest_transform_job.refresh().transform_job_status)
attached = Transformer.attach("sdk-batch-job", sagemaker_session=session)
print("ATTACHED", attached.output_path == transformer.output_path)
"""

LAMBDA = """
import json, pathlib
from sagemaker.core.lambda_helper import Lambda

policy = json.dumps({"Version": "2012-10-17", "Statement": []})
script = pathlib.Path(sys.argv[2], "answer.py")
function = Lambda(function_name="sdk-function", execution_role_arn=role, script=str(script),
                  handler="answer.handler", session=session, timeout=30)
script.write_text("def handler(event, context): return 1")
print("CREATED", function.upsert()["State"], json.load(function.invoke()["Payload"]))
script.write_text("def handler(event, context): return 2")
print("UPDATED", function.upsert()["LastUpdateStatus"], json.load(function.invoke()["Payload"]))
function.delete()
try:
    function.invoke()
except ValueError as error:
    print("DELETED", error)
"""


SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--rate", type=float)
parser.add_argument("--depth", type=int)
parser.add_argument("--optimizer")
print(f"f1={1 - parser.parse_args().rate}")
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_they_run_unchanged(server, tmp_path):
    """In one process: importing the SDK takes longer than the jobs."""
    setup = f"import pathlib\npathlib.Path(sys.argv[2], 'tuned.py').write_text({SCRIPT!r})\n"
    out = run(server, tmp_path, setup + TUNER + TRANSFORMER + LAMBDA)
    assert "TUNED Completed 2" in out
    assert "BEST True True ['depth', 'optimizer', 'rate']" in out
    assert "TRANSFORMED b'1,2.0\\n2,4.0\\n' Completed" in out
    assert "ATTACHED True" in out
    assert "CREATED Active 1" in out
    assert "UPDATED Successful 2" in out
    arn = "arn:aws:lambda:us-east-1:123456789012:function:sdk-function"
    assert f"DELETED {{'Message': 'Function not found: {arn}'" in out
