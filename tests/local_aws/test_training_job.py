"""One training job on one host: what is laid out, run, streamed, measured and uploaded."""

import io
import json
import queue
import tarfile
import threading
import time

import pytest
from botocore.exceptions import ClientError

from local_aws.runtime.sandbox import Sandbox
from local_aws.server.s3access import S3Object
from local_aws.services.jobs.hosts import Host, run_hosts
from local_aws.services.jobs.model import JobFailed
from local_aws.services.training.executor import Metrics
from local_aws.services.training.layout import Checkpoints

ROLE = "arn:aws:iam::123456789012:role/lab-execution"


def tar_of(aws, uri):
    bucket, _, key = uri[5:].partition("/")
    body = aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}


def statuses(job):
    return [step["Status"] for step in job["SecondaryStatusTransitions"]]


def test_create_training_job_runs_the_script_and_uploads_its_model(aws, jobs):
    job = jobs.train(
        """
import json, pathlib
print("first line")
print("loss=0.75")
print("loss=0.25 accuracy=nan")
pathlib.Path("/opt/ml/model/weights.txt").write_text("w")
pathlib.Path("/opt/ml/model/code").mkdir()
pathlib.Path("/opt/ml/model/code/inference.py").write_text("pass")
pathlib.Path("/opt/ml/output/data/history.json").write_text("[]")
""",
        metrics=[{"Name": "loss", "Regex": "loss=([0-9.]+)"}, {"Name": "f1", "Regex": "f1=([0-9.]+)"}],
    )
    assert job["TrainingJobStatus"] == "Completed"
    assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert job["SecondaryStatus"] == "Completed"
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("loss", 0.25)]
    assert job["TrainingStartTime"] >= job["CreationTime"]
    assert job["TrainingEndTime"] >= job["TrainingStartTime"]
    assert job["BillableTimeInSeconds"] >= 1
    artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifact == f"s3://lab-bucket/out/{job['TrainingJobName']}/output/model.tar.gz"
    assert tar_of(aws, artifact) == {"weights.txt": b"w", "code/inference.py": b"pass"}
    assert tar_of(aws, artifact.replace("model.tar.gz", "output.tar.gz")) == {"history.json": b"[]"}
    log = jobs.log("TrainingJobs", job["TrainingJobName"])
    assert log == {"algo-1": ["first line", "loss=0.75", "loss=0.25 accuracy=nan"]}


def test_create_training_job_lays_out_opt_ml(aws, jobs, bucket):
    for key in ("data/train/a.csv", "data/train/deep/b.csv", "data/training.txt"):
        aws.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    request = jobs.training_request(
        """
import json, os, pathlib, socket
config = pathlib.Path("/opt/ml/input/config")
data = pathlib.Path("/opt/ml/input/data")
print(json.dumps({
    **{p.stem: json.loads(p.read_text()) for p in config.iterdir()},
    "files": sorted(str(p.relative_to(data)) for p in data.rglob("*") if p.is_file()),
    "env": dict(os.environ), "hostname": socket.gethostname(), "cwd": os.getcwd(),
}))
""",
        channels=[
            jobs.channel("folder", f"s3://{bucket}/data/train/"),
            jobs.channel("bare", f"s3://{bucket}/data/train"),
            jobs.channel("one", f"s3://{bucket}/data/training.txt"),
        ],
        HyperParameters={"epochs": "3", "name": '"quoted"'},
        Environment={"MY_FLAG": "yes"},
    )
    aws.sagemaker.create_training_job(**request)
    job = jobs.wait_training(request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    (line,) = jobs.log("TrainingJobs", job["TrainingJobName"])["algo-1"]
    seen = json.loads(line)
    assert seen["hyperparameters"] == {"epochs": "3", "name": '"quoted"'}
    assert seen["inputdataconfig"]["folder"] == {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    assert seen["resourceconfig"]["hosts"] == ["algo-1"]
    assert seen["resourceconfig"]["current_host"] == seen["hostname"] == "algo-1"
    # a prefix without a slash also takes data/training.txt: S3 prefixes are strings, as on AWS
    assert seen["files"] == [
        "bare/a.csv",
        "bare/deep/b.csv",
        "bare/training.txt",
        "code/script.py",
        "folder/a.csv",
        "folder/deep/b.csv",
        "one/training.txt",
    ]
    env = seen["env"]
    assert env["TRAINING_JOB_NAME"] == job["TrainingJobName"]
    assert env["TRAINING_JOB_ARN"] == job["TrainingJobArn"]
    assert env["AWS_REGION"] == "us-east-1"
    assert env["AWS_ENDPOINT_URL"] == aws.url
    assert env["MY_FLAG"] == "yes"
    assert not {n for n in env if n.startswith(("PYTEST", "VIRTUAL_ENV", "LOCAL_AWS"))}


def test_a_job_may_change_its_input_but_never_the_stored_object(aws, jobs, bucket):
    aws.s3.put_object(Bucket=bucket, Key="mine/a.txt", Body=b"original")
    job = jobs.train(
        "open('/opt/ml/input/data/in/a.txt', 'r+').write('CHANGED!')",
        channels=[jobs.channel("in", f"s3://{bucket}/mine/")],
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert aws.s3.get_object(Bucket=bucket, Key="mine/a.txt")["Body"].read() == b"original"


def test_a_script_that_raises_fails_the_job_with_its_traceback(jobs):
    job = jobs.train("def load(label):\n    raise ValueError(f'unknown label {label}')\nload('Neutrall')\n")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert statuses(job)[-1] == "Failed"
    reason = job["FailureReason"]
    assert reason.startswith("AlgorithmError: Traceback (most recent call last):")
    assert reason.endswith("ValueError: unknown label Neutrall, exit code: 1")
    assert "script.py" in reason
    log = jobs.log("TrainingJobs", job["TrainingJobName"])["algo-1"]
    assert log[-1] == "ValueError: unknown label Neutrall"


def test_a_failed_job_uploads_its_output_but_no_model(jobs, aws, bucket):
    code = "open('/opt/ml/model/half', 'w'); open('/opt/ml/output/data/why', 'w'); raise SystemExit(1)"
    job = jobs.train(code)
    prefix = f"out/{job['TrainingJobName']}/output/"
    found = aws.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    assert [item["Key"].removeprefix(prefix) for item in found] == ["output.tar.gz"]
    assert "ModelArtifacts" not in job


def test_failure_reason_comes_from_the_failure_file_and_is_cut_to_1024(jobs):
    job = jobs.train(
        "open('/opt/ml/output/failure', 'w').write('x' * 5000 + ' the end'); raise SystemExit(3)"
    )
    reason = job["FailureReason"]
    assert len(reason) == 1024
    assert reason.startswith("AlgorithmError: ...xxx")
    assert reason.endswith("x the end, exit code: 3")


def test_an_input_without_objects_fails_the_job_in_the_words_of_aws(jobs, bucket):
    job = jobs.train("pass", channels=[jobs.channel("train", f"s3://{bucket}/no/such/prefix")])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "ClientError: Data download failed: No S3 objects found under S3 URL "
        f'"s3://{bucket}/no/such/prefix" given in input data source. Please ensure that the bucket exists in the '
        "selected region (us-east-1), that objects exist under that S3 prefix, and that the role "
        f'"{ROLE}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )


def test_an_unknown_image_fails_the_job(jobs):
    request = jobs.training_request("pass")
    request["AlgorithmSpecification"]["TrainingImage"] = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"
    jobs.aws.sagemaker.create_training_job(**request)
    job = jobs.wait_training(request["TrainingJobName"])
    assert job["FailureReason"].startswith(
        "ClientError: Cannot find repository: mine in registry ID: 123456789012 Please check if your ECR repository "
        "exists"
    )


def test_an_output_bucket_that_does_not_exist_fails_the_job(jobs):
    job = jobs.train("print('ran')", OutputDataConfig={"S3OutputPath": "s3://no-such-bucket-here/out"})
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "ClientError: Artifact upload failed: s3://no-such-bucket-here: the bucket does not exist"
    )


def test_create_training_job_twice_is_resource_in_use(aws, jobs):
    request = jobs.training_request("pass")
    arn = aws.sagemaker.create_training_job(**request)["TrainingJobArn"]
    with pytest.raises(ClientError) as error:
        aws.sagemaker.create_training_job(**request)
    assert error.value.response["Error"]["Code"] == "ResourceInUse"
    assert error.value.response["Error"]["Message"] == (
        "Training job names must be unique within an AWS account and region, and a training job with this name "
        f"already exists ({arn})"
    )
    jobs.wait_training(request["TrainingJobName"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r: r.update(TrainingJobName="bad_name"),
            "Value 'bad_name' at 'trainingJobName' failed to satisfy",
        ),
        (
            lambda r: r["ResourceConfig"].update(InstanceType="ml.m5.tiny"),
            "Value 'ml.m5.tiny' at 'resourceConfig.instanceType' failed to satisfy",
        ),
        (
            lambda r: r["AlgorithmSpecification"].update(TrainingInputMode="Pipe"),
            "input mode Pipe is not emulated",
        ),
        (
            lambda r: r["AlgorithmSpecification"].update(MetricDefinitions=[{"Name": "a", "Regex": "("}]),
            "Invalid Regex '(' of metric a",
        ),
        (lambda r: r["OutputDataConfig"].update(S3OutputPath="/tmp/x"), "Value '/tmp/x' at 's3OutputPath'"),
        (
            lambda r: r["InputDataConfig"].append(r["InputDataConfig"][0]),
            "Duplicate channel name code in InputDataConfig.",
        ),
        (
            lambda r: r["InputDataConfig"][0].update(ChannelName="../../x"),
            "Value '../../x' at 'channelName' failed to satisfy",
        ),
        (lambda r: r["InputDataConfig"][0].update(ChannelName=".."), "Value '..' at 'channelName'"),
        (
            lambda r: r.update(CheckpointConfig={"S3Uri": "s3://a/b", "LocalPath": "/opt/ml/../../x"}),
            "CheckpointConfig.LocalPath must be below /opt/ml",
        ),
    ],
)
def test_create_training_job_refuses(aws, jobs, change, message):
    request = jobs.training_request("pass")
    change(request)
    with pytest.raises(ClientError) as error:
        aws.sagemaker.create_training_job(**request)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert message in error.value.response["Error"]["Message"]


def test_describe_training_job_of_an_unknown_name(aws):
    with pytest.raises(ClientError) as error:
        aws.sagemaker.describe_training_job(TrainingJobName="nobody")
    assert error.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": "Requested resource not found: arn:aws:sagemaker:us-east-1:123456789012:training-job/nobody",
    }


def test_list_training_jobs_filters_sorts_and_pages(aws, jobs):
    names = [f"listing-{i}" for i in range(3)]
    for name in names:
        aws.sagemaker.create_training_job(**jobs.training_request("pass", TrainingJobName=name))
    for name in names:
        jobs.wait_training(name)
    first = aws.sagemaker.list_training_jobs(NameContains="listing-", MaxResults=2, SortBy="Name")
    assert [s["TrainingJobName"] for s in first["TrainingJobSummaries"]] == ["listing-2", "listing-1"]
    rest = aws.sagemaker.list_training_jobs(
        NameContains="listing-", MaxResults=2, SortBy="Name", NextToken=first["NextToken"]
    )
    assert [s["TrainingJobName"] for s in rest["TrainingJobSummaries"]] == ["listing-0"]
    assert "NextToken" not in rest
    failed = aws.sagemaker.list_training_jobs(NameContains="listing-", StatusEquals="Failed")
    assert failed["TrainingJobSummaries"] == []
    only = {"Filters": [{"Name": "TrainingJobName", "Operator": "Equals", "Value": names[0]}]}
    found = aws.sagemaker.search(Resource="TrainingJob", SearchExpression=only)["Results"]
    assert [result["TrainingJob"]["TrainingJobName"] for result in found] == names[:1]


def test_uncompressed_model_artifacts(aws, jobs, bucket):
    job = jobs.train(
        "open('/opt/ml/model/a.bin', 'w').write('1')",
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/plain/", "CompressionType": "NONE"},
    )
    prefix = f"plain/{job['TrainingJobName']}/output/model/"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{bucket}/{prefix}"
    assert aws.s3.get_object(Bucket=bucket, Key=f"{prefix}a.bin")["Body"].read() == b"1"


@pytest.mark.slow  # the toolkit itself takes eight seconds
def test_without_an_entrypoint_the_sagemaker_training_toolkit_runs(aws, jobs, bucket):
    """The image's own `train` command: sagemaker_program and sagemaker_submit_directory say what to run."""
    script = b"import argparse, os\np = argparse.ArgumentParser(); p.add_argument('--epochs', type=int)\n"
    script += b"print('toolkit epochs', p.parse_args().epochs, os.environ['SM_CHANNEL_CODE'])\n"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        info = tarfile.TarInfo("mine.py")
        info.size = len(script)
        tar.addfile(info, io.BytesIO(script))
    aws.s3.put_object(Bucket=bucket, Key="src/sourcedir.tar.gz", Body=archive.getvalue())
    request = jobs.training_request(
        "pass",
        HyperParameters={
            "epochs": "4",
            "sagemaker_program": '"mine.py"',
            "sagemaker_submit_directory": f'"s3://{bucket}/src/sourcedir.tar.gz"',
        },
    )
    del request["AlgorithmSpecification"]["ContainerEntrypoint"]
    aws.sagemaker.create_training_job(**request)
    job = jobs.wait_training(request["TrainingJobName"])
    log = jobs.log("TrainingJobs", job["TrainingJobName"])["algo-1"]
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert "toolkit epochs 4 /opt/ml/input/data/code" in log


def test_a_metric_whose_group_took_no_part_is_passed_over():
    metrics = Metrics([{"Name": "loss", "Regex": "loss=([0-9.]+)|done"}])
    metrics.read("loss=0.5")
    metrics.read("done")
    assert [(m["MetricName"], m["Value"]) for m in metrics.final()] == [("loss", 0.5)]


def test_a_log_that_cannot_be_put_on_disk_does_not_hide_the_end_of_a_job(tmp_path):
    class FullDisk:
        def write(self, lines):
            pass

        def flush(self):
            raise OSError("No space left on device")

    sandbox = Sandbox(tmp_path / "ml", env={"PATH": "/usr/bin:/bin"})
    sandbox.job_dir.mkdir()
    host = Host("algo-1", sandbox.job_dir, sandbox, FullDisk())
    wake = queue.SimpleQueue()
    argv = ["sh", "-c", "echo one; sleep 1.2; echo two; exit 3"]
    outcome = run_hosts([host], argv, threading.Event(), wake, time.monotonic() + 20, 1.0)
    assert (outcome.kind, host.exit_code, list(host.tail)) == ("failed", 3, ["one", "two"])


def test_a_checkpoint_key_cannot_leave_its_folder(tmp_path):
    class Bucket:
        def list(self, bucket, prefix):
            return [S3Object("c/../../../x", 1, "e", None)]

    with pytest.raises(JobFailed, match=r"key 'c/\.\./\.\./\.\./x' would leave the folder"):
        Checkpoints(Bucket(), {"S3Uri": "s3://b/c"}).fetch(tmp_path / "ml")
