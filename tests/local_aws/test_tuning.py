"""Hyperparameter tuning jobs over real training jobs, in the way of a framework image: program and code are
hyperparameters."""

import io
import json
import tarfile
import time
import uuid

import pytest
from botocore.exceptions import ClientError
from servers import IMAGE, ROLE, clients_of, running_server

SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--depth", type=int, default=1)
parser.add_argument("--kind", default="a")
parser.add_argument("--offset", type=float)
options = parser.parse_args()
print(f"score={options.offset - abs(options.rate - 0.5)};")
"""


class Tuning:
    def __init__(self, aws, bucket):
        self.aws, self.bucket = aws, bucket

    def absent(self):
        """A channel that makes the toolkit find no TensorFlow and no torch, as in a scikit-learn image: it would
        import them for their exceptions, for four seconds a job."""
        prefix = f"tuning/absent/{uuid.uuid4().hex}"
        for name in ("tensorflow", "torch"):
            body = f"raise ImportError('there is no {name} here')".encode()
            self.aws.s3.put_object(Bucket=self.bucket, Key=f"{prefix}/{name}.py", Body=body)
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/{prefix}"}
        return {"ChannelName": "absent", "DataSource": {"S3DataSource": source}}

    def put_code(self, code):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as tar:
            entry = tarfile.TarInfo("script.py")
            entry.size = len(code.encode())
            tar.addfile(entry, io.BytesIO(code.encode()))
        key = f"tuning/{uuid.uuid4().hex}/sourcedir.tar.gz"
        self.aws.s3.put_object(Bucket=self.bucket, Key=key, Body=data.getvalue())
        return f"s3://{self.bucket}/{key}"

    def request(self, code=SCRIPT, jobs=3, parallel=2, strategy="Random", ranges=None, **config):
        static = {
            "sagemaker_program": "script.py",
            "sagemaker_submit_directory": self.put_code(code),
            "offset": "1.0",
        }
        return {
            "HyperParameterTuningJobName": f"tune-{uuid.uuid4().hex[:12]}",
            "HyperParameterTuningJobConfig": {
                "Strategy": strategy,
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
                "ResourceLimits": {
                    **({"MaxNumberOfTrainingJobs": jobs} if jobs else {}),
                    "MaxParallelTrainingJobs": parallel,
                },
                "ParameterRanges": ranges
                or {
                    "ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.1", "MaxValue": "0.9"}],
                    "IntegerParameterRanges": [{"Name": "depth", "MinValue": "1", "MaxValue": "5"}],
                },
                **config,
            },
            "TrainingJobDefinition": {
                "StaticHyperParameters": static,
                "AlgorithmSpecification": {
                    "TrainingImage": IMAGE,
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "score", "Regex": "score=(.*?);"}],
                },
                "RoleArn": ROLE,
                "InputDataConfig": [self.absent()],
                "Environment": {"PYTHONPATH": "/opt/ml/input/data/absent"},
                "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/tuned"},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            },
        }

    def start(self, **options):
        request = self.request(**options)
        self.aws.sagemaker.create_hyper_parameter_tuning_job(**request)
        return request["HyperParameterTuningJobName"]

    def describe(self, name):
        return self.aws.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)

    def wait(self, name, until=("Completed", "Failed", "Stopped"), seconds=60):
        deadline = time.monotonic() + seconds
        while (job := self.describe(name))["HyperParameterTuningJobStatus"] not in until:
            assert time.monotonic() < deadline, job
            time.sleep(0.05)
        return job

    def children(self, name, **more):
        answer = self.aws.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, MaxResults=100, **more
        )
        return answer["TrainingJobSummaries"]


@pytest.fixture(scope="module")
def tuning(aws, bucket):
    return Tuning(aws, bucket)


@pytest.mark.slow
def test_a_tuning_job_runs_training_jobs_and_finds_the_best(aws, tuning):
    name = tuning.start(jobs=4, parallel=2, RandomSeed=7)
    created = tuning.describe(name)
    assert created["HyperParameterTuningJobStatus"] == "InProgress"
    job = tuning.wait(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    assert job["TrainingJobStatusCounters"] == {
        "Completed": 4,
        "InProgress": 0,
        "RetryableError": 0,
        "NonRetryableError": 0,
        "Stopped": 0,
    }
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    children = tuning.children(name, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    best = job["BestTrainingJob"]
    assert best["TrainingJobName"] == children[0]["TrainingJobName"]
    for child in children:
        values = child["TunedHyperParameters"]
        assert set(values) == {"rate", "depth"}
        expected = 1 - abs(float(values["rate"]) - 0.5)
        assert child["FinalHyperParameterTuningJobObjectiveMetric"] == {
            "MetricName": "score",
            "Value": pytest.approx(expected, abs=1e-6),
        }
        assert child["ObjectiveStatus"] == "Succeeded"
    numbers = sorted(child["TrainingJobName"].removeprefix(f"{name}-")[:3] for child in children)
    assert numbers == ["001", "002", "003", "004"]
    training = aws.sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    assert training["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert training["HyperParameters"]["_tuning_objective_metric"] == "score"
    assert training["HyperParameters"]["rate"] == best["TunedHyperParameters"]["rate"]
    assert job["ConsumedResources"]["RuntimeInSeconds"] >= 4
    (summary,) = aws.sagemaker.list_hyper_parameter_tuning_jobs(NameContains=name)[
        "HyperParameterTuningJobSummaries"
    ]
    assert (summary["Strategy"], summary["HyperParameterTuningJobStatus"]) == ("Random", "Completed")
    assert summary["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2}
    again = tuning.start(jobs=4, parallel=2, RandomSeed=7)
    tuning.wait(again)
    assert [c["TunedHyperParameters"] for c in tuning.children(again)] == [
        c["TunedHyperParameters"] for c in tuning.children(name)
    ]


@pytest.mark.slow
def test_a_grid_runs_every_combination_and_minimizes(tuning):
    ranges = {
        "CategoricalParameterRanges": [
            {"Name": "rate", "Values": ["0.2", "0.5"]},
            {"Name": "kind", "Values": ["a", "b"]},
        ]
    }
    objective = {"Type": "Minimize", "MetricName": "score"}
    name = tuning.start(jobs=None, strategy="Grid", ranges=ranges, HyperParameterTuningJobObjective=objective)
    job = tuning.wait(name)
    tried = [tuple(child["TunedHyperParameters"].values()) for child in tuning.children(name)]
    assert len(set(tried)) == len(tried) == 4
    assert job["BestTrainingJob"]["TunedHyperParameters"]["rate"] == "0.2"


@pytest.mark.slow
def test_it_ends_when_the_target_is_reached(tuning):
    criteria = {"TargetObjectiveMetricValue": 0.1}  # the first one reaches it
    name = tuning.start(jobs=20, parallel=1, TuningJobCompletionCriteria=criteria)
    job = tuning.wait(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert len(tuning.children(name)) == 1


@pytest.mark.slow
def test_it_ends_when_nothing_better_came(tuning):
    code = SCRIPT.replace("options.offset - abs(options.rate - 0.5)", "1.0")
    criteria = {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}
    name = tuning.start(code=code, jobs=20, parallel=1, TuningJobCompletionCriteria=criteria)
    job = tuning.wait(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert len(tuning.children(name)) == 4
    assert job["TuningJobCompletionDetails"]["NumberOfTrainingJobsObjectiveNotImproving"] == 3


@pytest.mark.slow
def test_several_definitions_take_turns(aws, tuning):
    request = tuning.request(jobs=4)
    config, one = request["HyperParameterTuningJobConfig"], request.pop("TrainingJobDefinition")
    ranges, objective = config.pop("ParameterRanges"), config.pop("HyperParameterTuningJobObjective")
    request["TrainingJobDefinitions"] = [
        {**one, "DefinitionName": name, "TuningObjective": objective, "HyperParameterRanges": ranges}
        for name in ("first", "second")
    ]
    aws.sagemaker.create_hyper_parameter_tuning_job(**request)
    job = tuning.wait(request["HyperParameterTuningJobName"])
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    names = [
        child["TrainingJobDefinitionName"] for child in tuning.children(job["HyperParameterTuningJobName"])
    ]
    assert sorted(names) == ["first", "first", "second", "second"]
    assert job["BestTrainingJob"]["TrainingJobDefinitionName"] in ("first", "second")


@pytest.mark.slow
def test_a_training_job_behind_the_others_is_stopped_early(tuning):
    code = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--offset")
options = parser.parse_args()
for epoch in range(3 if options.rate > 0.5 else 600):
    print(f"score={options.rate};", flush=True)
    time.sleep(0.1)
"""
    ranges = {"CategoricalParameterRanges": [{"Name": "rate", "Values": ["0.7", "0.8", "0.9", "0.1"]}]}
    name = tuning.start(
        code=code, jobs=None, parallel=1, strategy="Grid", ranges=ranges, TrainingJobEarlyStoppingType="Auto"
    )
    job = tuning.wait(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    ended = [(c["TunedHyperParameters"]["rate"], c["TrainingJobStatus"]) for c in tuning.children(name)]
    assert ended == [("0.7", "Completed"), ("0.8", "Completed"), ("0.9", "Completed"), ("0.1", "Stopped")]
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"rate": "0.9"}


@pytest.mark.slow
def test_its_time_is_limited(aws, bucket):
    tuning = Tuning(clients_of(aws.url, parameter_validation=False), bucket)  # boto3 wants 120 seconds
    limits = {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 1, "MaxRuntimeInSeconds": 2}
    name = tuning.start(code="import time; time.sleep(60)", ResourceLimits=limits)
    job = tuning.wait(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert [child["TrainingJobStatus"] for child in tuning.children(name)] == ["Stopped"]


@pytest.mark.slow
def test_all_training_jobs_failed(tuning):
    name = tuning.start(code="raise ValueError('no data')", jobs=2)
    job = tuning.wait(name)
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("All training jobs failed.")
    assert "ValueError: no data" in job["FailureReason"]
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 2
    assert job["ObjectiveStatusCounters"]["Failed"] == 2
    assert "BestTrainingJob" not in job


@pytest.mark.slow
def test_stop_and_delete(aws, tuning):
    name = tuning.start(code="import time; print('score=1;'); time.sleep(60)", jobs=5, parallel=2)
    with pytest.raises(ClientError, match="in status InProgress. Stop it first"):
        aws.sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    deadline = time.monotonic() + 30
    while len(tuning.children(name)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    aws.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    job = tuning.wait(name)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert {child["TrainingJobStatus"] for child in tuning.children(name)} == {"Stopped"}
    aws.sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    with pytest.raises(ClientError) as error:
        tuning.describe(name)
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"


@pytest.mark.slow
def test_a_server_that_ends_leaves_no_tuning_job_in_progress(tmp_path):
    home = tmp_path / "home"
    with running_server(home) as local:
        aws = clients_of(local.endpoint_url)
        aws.s3.create_bucket(Bucket="tuning")
        tuning = Tuning(aws, "tuning")
        name = tuning.start(code="import time; time.sleep(60)")
    with running_server(home) as local:
        tuning = Tuning(clients_of(local.endpoint_url), "tuning")
        job = tuning.describe(name)
        assert job["HyperParameterTuningJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("InternalServerError: The local AWS was stopped")
        assert job["TrainingJobStatusCounters"]["InProgress"] == 0


def with_config(request, **config):
    request["HyperParameterTuningJobConfig"].update(config)


def with_definition(request, **members):
    request["TrainingJobDefinition"].update(members)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(HyperParameterTuningJobName="x" * 32 + "-"), "failed to satisfy constraint"),
        (
            lambda r: with_config(r, Strategy="Hyperband"),
            "Strategy Hyperband is not emulated by local_aws. Use Random, Grid or Bayesian.",
        ),
        (
            lambda r: r.update(
                WarmStartConfig={
                    "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "p"}],
                    "WarmStartType": "TransferLearning",
                }
            ),
            "WarmStartConfig is not emulated",
        ),
        (lambda r: r.update(Autotune={"Mode": "Enabled"}), "Autotune is not emulated"),
        (
            lambda r: with_config(
                r, HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": "f1"}
            ),
            "The objective metric f1 must be one of the MetricDefinitions of the training job definition; it has: "
            "score.",
        ),
        (lambda r: with_config(r, Strategy="Grid"), "Grid search takes only categorical parameters"),
        (
            lambda r: with_config(
                r, ResourceLimits={"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 2}
            ),
            "MaxParallelTrainingJobs is 2; it must be between 1 and MaxNumberOfTrainingJobs, which is 1.",
        ),
        (
            lambda r: with_definition(r, StaticHyperParameters={"rate": "1"}),
            "The hyperparameter rate is both static and has a range",
        ),
        (
            lambda r: with_definition(r, OutputDataConfig={"S3OutputPath": "file:///tmp"}),
            "failed to satisfy constraint",
        ),
        (
            lambda r: r.pop("TrainingJobDefinition"),
            "Give either TrainingJobDefinition or TrainingJobDefinitions.",
        ),
    ],
)
def test_create_refuses(aws, tuning, change, message):
    request = tuning.request()
    change(request)
    with pytest.raises(ClientError) as error:
        aws.sagemaker.create_hyper_parameter_tuning_job(**request)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert message in error.value.response["Error"]["Message"], json.dumps(error.value.response["Error"])
