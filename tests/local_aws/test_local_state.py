"""What is acknowledged stays: kill -9, restart, full disk."""

import io
import os
import subprocess
import sys
import time

import psutil
import pytest
from botocore.exceptions import ClientError
from servers import Jobs, clients_of, running_server

from local_aws import client
from local_aws.runtime.sandbox import namespace_flags


def kill(local):
    process = psutil.Process(local.pid)
    os.kill(local.pid, 9)
    process.wait(10)


def test_what_was_acknowledged_survives_kill_9(tmp_path):
    with running_server(tmp_path) as local:
        aws = clients_of(local.endpoint_url)
        aws.s3.create_bucket(Bucket="kept")
        aws.s3.put_object(Bucket="kept", Key="old", Body=b"first")
        aws.s3.put_object(Bucket="kept", Key="old", Body=b"second", Metadata={"a": "b"})
        aws.s3.put_object(Bucket="kept", Key="gone", Body=b"x")
        aws.s3.delete_object(Bucket="kept", Key="gone")
        aws.s3.upload_fileobj(io.BytesIO(b"m" * 9_000_000), "kept", "parts")
        aws.iam.create_role(RoleName="lab", AssumeRolePolicyDocument="{}")
        policy = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
        aws.iam.attach_role_policy(RoleName="lab", PolicyArn=policy)
        aws.ssm.put_parameter(Name="/lab/a", Value="1", Type="String")
        key = aws.kms.create_key()["KeyMetadata"]["KeyId"]
        aws.logs.create_log_group(logGroupName="g")
        aws.logs.create_log_stream(logGroupName="g", logStreamName="s")
        event = {"timestamp": int(time.time() * 1000), "message": "kept"}
        aws.logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[event])
        aws.sagemaker.create_model_package_group(ModelPackageGroupName="tweets")
        aws.sagemaker.create_model_package(ModelPackageGroupName="tweets", ModelApprovalStatus="Approved")
        aws.s3.put_object(Bucket="kept", Key="last", Body=b"last word")
        kill(local)
        with running_server(tmp_path) as local:
            aws = clients_of(local.endpoint_url)
            listed = aws.s3.list_objects_v2(Bucket="kept")["Contents"]
            assert [(o["Key"], o["Size"]) for o in listed] == [("last", 9), ("old", 6), ("parts", 9_000_000)]
            old = aws.s3.get_object(Bucket="kept", Key="old")
            assert (old["Body"].read(), old["Metadata"]) == (b"second", {"a": "b"})
            assert aws.s3.get_object(Bucket="kept", Key="last")["Body"].read() == b"last word"
            assert aws.s3.get_object(Bucket="kept", Key="parts")["Body"].read() == b"m" * 9_000_000
            attached = aws.iam.list_attached_role_policies(RoleName="lab")["AttachedPolicies"]
            assert [p["PolicyArn"] for p in attached] == [policy]
            assert aws.ssm.get_parameter(Name="/lab/a")["Parameter"]["Value"] == "1"
            assert aws.kms.describe_key(KeyId=key)["KeyMetadata"]["KeyId"] == key
            events = aws.logs.get_log_events(logGroupName="g", logStreamName="s", startFromHead=True)[
                "events"
            ]
            assert [e["message"] for e in events] == ["kept"]
            packages = aws.sagemaker.list_model_packages(ModelPackageGroupName="tweets")[
                "ModelPackageSummaryList"
            ]
            assert [p["ModelApprovalStatus"] for p in packages] == ["Approved"]
            # blobs that nothing refers to are swept at the start
            blobs = [p for p in (tmp_path / "s3").rglob("*") if p.is_file()]
            assert sorted(p.stat().st_size for p in blobs) == [6, 9, 9_000_000]


@pytest.mark.parametrize("sandbox", ["auto", pytest.param("paths", marks=pytest.mark.slow)])
def test_a_job_that_ran_when_the_server_was_killed_is_failed(tmp_path, monkeypatch, sandbox):
    monkeypatch.setenv("LOCAL_AWS_SANDBOX", sandbox)
    with running_server(tmp_path) as local:
        aws = clients_of(local.endpoint_url)
        aws.s3.create_bucket(Bucket="lab-bucket")
        jobs = Jobs(aws, "lab-bucket")
        done = jobs.train("open('/opt/ml/model/a', 'w')")["TrainingJobName"]
        code = "import subprocess, time; subprocess.Popen(['sleep', '978']); print('ready', flush=True)"
        request = jobs.training_request(code + "; time.sleep(600)")
        aws.sagemaker.create_training_job(**request)
        name = request["TrainingJobName"]
        jobs.wait_training(name, until=lambda j: j["SecondaryStatus"] == "Training")
        while jobs.log("TrainingJobs", name).get("algo-1") != ["ready"]:
            time.sleep(0.05)
        family = psutil.Process(local.pid).children(recursive=True)
        assert any(p.name() == "sleep" for p in family)
        kill(local)
        if sandbox == "auto" and namespace_flags():  # without namespaces the next start cleans up
            assert psutil.wait_procs(family, 5)[1] == []
        with running_server(tmp_path) as local:
            assert psutil.wait_procs(family, 5)[1] == []
            aws = clients_of(local.endpoint_url)
            job = aws.sagemaker.describe_training_job(TrainingJobName=name)
            assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
            assert job["FailureReason"] == (
                "InternalServerError: The local AWS was stopped while this job was running. Start it with "
                "`local-aws start` and create the job again."
            )
            done = aws.sagemaker.describe_training_job(TrainingJobName=done)
            assert done["TrainingJobStatus"] == "Completed"
            assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.slow
def test_a_deleted_bucket_made_again_is_empty_after_a_restart(tmp_path):
    with running_server(tmp_path) as local:
        aws = clients_of(local.endpoint_url)
        for _ in range(2):
            aws.s3.create_bucket(Bucket="again")
            assert "Contents" not in aws.s3.list_objects_v2(Bucket="again")
            aws.s3.put_object(Bucket="again", Key="a", Body=b"a")
            aws.s3.delete_object(Bucket="again", Key="a")
            aws.s3.delete_bucket(Bucket="again")
        aws.s3.create_bucket(Bucket="again")
        kill(local)
        with running_server(tmp_path) as local:
            aws = clients_of(local.endpoint_url)
            assert "Contents" not in aws.s3.list_objects_v2(Bucket="again")


def test_state_that_cannot_be_read_names_the_remedy(tmp_path):
    (tmp_path / "state.sqlite3").write_bytes(b"this is no database" * 100)
    with pytest.raises(client.LocalAwsError, match="Mend it, or forget it with: local-aws reset"):
        client.ensure_started(tmp_path, 0)


@pytest.mark.skipif(not namespace_flags(), reason="needs a mount namespace to have a small disk")
def test_a_full_disk_is_an_error_and_loses_nothing(tmp_path):
    """The home is a 12 MiB file system, seen by the server only."""
    start = f"mount -t tmpfs -o size=12m none {tmp_path} && exec {sys.executable} -m local_aws.server "
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    command.append(start + f"--home {tmp_path} --port 0")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if "listening on" in line:
                url = line.split("listening on ")[1].split(",")[0]
                break
        aws = clients_of(url)
        aws.s3.create_bucket(Bucket="small")
        aws.s3.put_object(Bucket="small", Key="before", Body=b"kept")
        with pytest.raises(ClientError) as error:
            for i in range(10):
                aws.s3.put_object(Bucket="small", Key=f"big-{i}", Body=os.urandom(2_000_000))
        assert error.value.response["Error"]["Code"] == "InsufficientStorage"
        assert error.value.response["Error"]["Message"].startswith(
            f"local_aws: no space left on the disk of {tmp_path}; s3:PutObject was not done. Free some space"
        )
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 507
        assert aws.s3.get_object(Bucket="small", Key="before")["Body"].read() == b"kept"
        for i in range(10):
            aws.s3.delete_object(Bucket="small", Key=f"big-{i}")
        aws.s3.put_object(Bucket="small", Key="after", Body=b"fits again")
        assert aws.s3.get_object(Bucket="small", Key="after")["Body"].read() == b"fits again"
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()


@pytest.mark.slow
def test_a_copy_that_was_not_finished_does_not_hinder_the_next_start(tmp_path):
    """A server that is killed while it stores a job's file leaves `incoming-…` beside the blobs' folders."""
    with running_server(tmp_path) as local:
        aws = clients_of(local.endpoint_url)
        aws.s3.create_bucket(Bucket="kept")
        aws.s3.put_object(Bucket="kept", Key="a", Body=b"1")
        kill(local)
    left = tmp_path / "s3" / "incoming-1-2"
    left.write_bytes(b"half")
    with running_server(tmp_path) as local:
        assert clients_of(local.endpoint_url).s3.get_object(Bucket="kept", Key="a")["Body"].read() == b"1"
    assert not left.exists()
