"""Processing jobs: inputs, outputs, configuration, failure, stop."""

import gzip
import io
import json
import os
import tarfile
import time

import pytest
from botocore.exceptions import ClientError

from local_aws.services.jobs.model import JobFailed
from local_aws.services.processing import layout


def keys(aws, bucket, prefix):
    found = aws.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [o["Key"] for o in found]


def test_create_processing_job_runs_the_script_and_uploads_its_outputs(aws, jobs, bucket):
    aws.s3.put_object(Bucket=bucket, Key="raw/tweets.csv", Body=b"text\nhi\n")
    job = jobs.process(
        """
import json, os, pathlib, sys
print(json.dumps([sys.argv[1:], os.listdir("/opt/ml/processing/input/raw"), os.environ["MODE"]]))
config = json.load(open("/opt/ml/config/processingjobconfig.json"))
hosts = json.load(open("/opt/ml/config/resourceconfig.json"))
print(json.dumps([config["ProcessingJobName"], config["ProcessingJobArn"], hosts]))
out = pathlib.Path("/opt/ml/processing/output/train")
(out / "deep").mkdir()
(out / "train.csv").write_text("t")
(out / "deep" / "x.csv").write_text("x")
""",
        arguments=["--test-size", "0.2"],
        inputs=[jobs.s3_input("raw", f"s3://{bucket}/raw/", "/opt/ml/processing/input/raw")],
        outputs=[
            jobs.s3_output("train", f"s3://{bucket}/processed/train", "/opt/ml/processing/output/train")
        ],
        Environment={"MODE": "fast"},
    )
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    name = job["ProcessingJobName"]
    lines = [json.loads(line) for line in jobs.log("ProcessingJobs", name)["algo-1"]]
    assert lines[0] == [["--test-size", "0.2"], ["tweets.csv"], "fast"]
    hosts = {"current_host": "algo-1", "hosts": ["algo-1"], "current_instance_type": "ml.m5.large"}
    assert lines[1] == [name, job["ProcessingJobArn"], hosts]
    assert keys(aws, bucket, "processed/") == ["processed/train/deep/x.csv", "processed/train/train.csv"]
    assert job["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 1
    assert job["ProcessingEndTime"] >= job["ProcessingStartTime"] >= job["CreationTime"]


def test_gzip_inputs_are_decompressed(aws, jobs, bucket):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        info = tarfile.TarInfo("inside/a.txt")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"a"))
    aws.s3.put_object(Bucket=bucket, Key="zipped/a.tar.gz", Body=archive.getvalue())
    aws.s3.put_object(Bucket=bucket, Key="zipped/b.csv.gz", Body=gzip.compress(b"b"))
    job = jobs.process(
        "import os; print(sorted(f for _, _, fs in os.walk('/opt/ml/processing/in') for f in fs))",
        inputs=[
            jobs.s3_input("in", f"s3://{bucket}/zipped/", "/opt/ml/processing/in", S3CompressionType="Gzip"),
        ],
    )
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert jobs.log("ProcessingJobs", job["ProcessingJobName"])["algo-1"] == ["['a.txt', 'b.csv']"]


def test_damaged_gzip_inputs_are_refused(tmp_path):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    for name, content in (("a.tar.gz", tar.getvalue()), ("b.csv.gz", b"b")):
        data = bytearray(gzip.compress(content))
        data[-8] ^= 255  # the checksum
        (tmp_path / name).write_bytes(data)
        with pytest.raises(JobFailed, match=f"Data download failed: {name} is not valid gzip data"):
            layout._decompress(tmp_path)
        (tmp_path / name).unlink()


def test_continuous_outputs_arrive_while_the_job_runs(aws, jobs, bucket):
    request = jobs.processing_request(
        "import time; open('/opt/ml/processing/out/early.txt', 'w').write('1'); time.sleep(60)",
        outputs=[jobs.s3_output("o", f"s3://{bucket}/live", "/opt/ml/processing/out", mode="Continuous")],
    )
    aws.sagemaker.create_processing_job(**request)
    deadline = time.monotonic() + 20
    while keys(aws, bucket, "live/") != ["live/early.txt"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    aws.sagemaker.stop_processing_job(ProcessingJobName=request["ProcessingJobName"])
    assert jobs.wait_processing(request["ProcessingJobName"])["ProcessingJobStatus"] == "Stopped"


def test_a_script_that_exits_non_zero_fails_the_job(aws, jobs, bucket):
    job = jobs.process(
        "import sys; open('/opt/ml/processing/out/x', 'w'); sys.exit('train.csv, row 3: unknown label Meh')",
        outputs=[jobs.s3_output("o", f"s3://{bucket}/never", "/opt/ml/processing/out")],
    )
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: train.csv, row 3: unknown label Meh, exit code: 1"
    assert job["ExitMessage"] == "train.csv, row 3: unknown label Meh"
    assert keys(aws, bucket, "never/") == []


def test_create_processing_job_twice_is_resource_in_use(aws, jobs):
    request = jobs.processing_request("pass")
    arn = aws.sagemaker.create_processing_job(**request)["ProcessingJobArn"]
    with pytest.raises(ClientError) as error:
        aws.sagemaker.create_processing_job(**request)
    assert error.value.response["Error"] == {
        "Code": "ResourceInUse",
        "Message": "Processing job names must be unique within an AWS account and region, and a processing "
        "job with "
        f"this name already exists ({arn})",
    }
    jobs.wait_processing(request["ProcessingJobName"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r: r["ProcessingResources"]["ClusterConfig"].update(InstanceType="ml.m5.tiny"),
            "1 validation error detected: Value 'ml.m5.tiny' at 'processingResources.clusterConfig.instanceType' "
            "failed to satisfy constraint: Member must satisfy enum value set of ProcessingInstanceType, such as "
            "ml.m5.xlarge",
        ),
        (
            lambda r: r["ProcessingInputs"][0]["S3Input"].update(LocalPath="/tmp/in"),
            "Input code: LocalPath must start with /opt/ml/processing, but is '/tmp/in'.",
        ),
        (
            lambda r: r["ProcessingInputs"][0]["S3Input"].update(LocalPath="/opt/ml/processing/../../x"),
            "Input code: LocalPath must start with /opt/ml/processing, but is '/opt/ml/processing/../../x'.",
        ),
        (
            lambda r: r["ProcessingInputs"].append(
                {
                    "InputName": "athena",
                    "DatasetDefinition": {
                        "LocalPath": "/opt/ml/processing/a",
                        "AthenaDatasetDefinition": {
                            "Catalog": "c",
                            "Database": "d",
                            "QueryString": "q",
                            "OutputS3Uri": "s3://a/b",
                            "OutputFormat": "PARQUET",
                        },
                    },
                }
            ),
            "Input athena: DatasetDefinition (Athena, Redshift) is not emulated by local_aws. Use an "
            "S3Input.",
        ),
    ],
)
def test_create_processing_job_refuses(aws, jobs, change, message):
    request = jobs.processing_request("pass")
    change(request)
    with pytest.raises(ClientError) as error:
        aws.sagemaker.create_processing_job(**request)
    assert error.value.response["Error"] == {"Code": "ValidationException", "Message": message}


def test_describe_processing_job_of_an_unknown_name(aws):
    with pytest.raises(ClientError) as error:
        aws.sagemaker.describe_processing_job(ProcessingJobName="nobody")
    assert error.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": "Could not find requested job with name: nobody",
    }


def test_a_file_that_the_running_job_removes_is_left_out(tmp_path, monkeypatch):
    output = {"S3Uri": "s3://b/out", "LocalPath": "/opt/ml/processing/o", "S3UploadMode": "Continuous"}
    outputs = layout.Outputs(None, {"ProcessingOutputConfig": {"Outputs": [{"S3Output": output}]}}, tmp_path)
    for name in ("a.partial", "b"):
        file = tmp_path / "processing" / "o" / name
        file.write_text("x")
        os.utime(file, (1, 1))
    sent = []

    def put_file(s3, uri, file, move):
        if file.name == "a.partial":
            file.unlink()
        file.stat()
        sent.append(uri)

    monkeypatch.setattr(layout, "put_file", put_file)
    outputs.upload(end=False)
    assert sent == ["s3://b/out/b"]
