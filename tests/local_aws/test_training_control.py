"""Training jobs that are stopped, time out, take turns, go on from checkpoints, or run on several hosts."""

import json
import threading
import time
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from servers import Jobs, clients_of

from local_aws.services.jobs.runner import JobRunner, Run, Stopped

LISTENS = """
import pathlib, signal, sys, time
def end(*_):
    print("got SIGTERM", flush=True)
    pathlib.Path("/opt/ml/model/partial.txt").write_text("saved")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(60)
"""


def test_stop_training_job_lets_the_script_save_its_model(aws, jobs, bucket):
    request = jobs.training_request(LISTENS)
    name = request["TrainingJobName"]
    aws.sagemaker.create_training_job(**request)
    jobs.wait_training(name, until=lambda job: job["SecondaryStatus"] == "Training")
    deadline = time.monotonic() + 10
    while "ready" not in jobs.log("TrainingJobs", name).get("algo-1", []):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    aws.sagemaker.stop_training_job(TrainingJobName=name)
    job = jobs.wait_training(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    steps = [s["Status"] for s in job["SecondaryStatusTransitions"]]
    assert steps == ["Starting", "Downloading", "Training", "Stopping", "Stopped"]
    assert jobs.log("TrainingJobs", name)["algo-1"] == ["ready", "got SIGTERM"]
    found = aws.s3.list_objects_v2(Bucket=bucket, Prefix=f"out/{name}/output/")["Contents"]
    assert [o["Key"] for o in found] == [f"out/{name}/output/model.tar.gz"]


def test_stop_training_job_that_has_ended(aws, jobs):
    name = jobs.train("pass")["TrainingJobName"]
    with pytest.raises(ClientError) as error:
        aws.sagemaker.stop_training_job(TrainingJobName=name)
    assert error.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": "The request was rejected because the training job is in status Completed.",
    }


def test_max_runtime_exceeded(jobs):
    job = jobs.train("import time; print('on'); time.sleep(60)", seconds=1)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert job["SecondaryStatusTransitions"][-1]["Status"] == "MaxRuntimeExceeded"


def test_checkpoints_go_to_s3_and_come_back(aws, jobs, bucket):
    code = """
import pathlib
folder = pathlib.Path("/opt/ml/checkpoints")
print("found", sorted(p.name for p in folder.iterdir()))
(folder / "epoch-1.txt").write_text("one")
"""
    config = {"S3Uri": f"s3://{bucket}/checkpoints/run"}
    first = jobs.train(code, CheckpointConfig=config)
    assert jobs.log("TrainingJobs", first["TrainingJobName"])["algo-1"] == ["found []"]
    assert aws.s3.get_object(Bucket=bucket, Key="checkpoints/run/epoch-1.txt")["Body"].read() == b"one"
    second = jobs.train(code, CheckpointConfig=config)
    assert jobs.log("TrainingJobs", second["TrainingJobName"])["algo-1"] == ["found ['epoch-1.txt']"]


def test_two_hosts_talk_and_see_a_true_resourceconfig(aws, jobs, bucket):
    for i in range(4):
        aws.s3.put_object(Bucket=bucket, Key=f"shards/{i}.txt", Body=b"x")
    code = """
import json, os, pathlib, socket, time
config = json.load(open("/opt/ml/input/config/resourceconfig.json"))
me = config["current_host"]
if me == "algo-1":
    server = socket.create_server(("algo-1", 7777))
    peer, _ = server.accept()
    print("heard", peer.recv(100).decode())
else:
    for _ in range(200):
        try:
            link = socket.create_connection(("algo-1", 7777))
            break
        except OSError:
            time.sleep(0.02)
    link.sendall(f"hello from {socket.gethostname()}".encode())
print(json.dumps([me, config["hosts"], sorted(os.listdir("/opt/ml/input/data/in"))]))
pathlib.Path(f"/opt/ml/model/{me}.txt").write_text(me)
"""
    job = jobs.train(
        code,
        count=2,
        channels=[jobs.channel("in", f"s3://{bucket}/shards/", S3DataDistributionType="ShardedByS3Key")],
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    log = jobs.log("TrainingJobs", job["TrainingJobName"])
    assert log["algo-1"][0] == "heard hello from algo-2"
    assert json.loads(log["algo-1"][1]) == ["algo-1", ["algo-1", "algo-2"], ["0.txt", "2.txt"]]
    assert json.loads(log["algo-2"][0]) == ["algo-2", ["algo-1", "algo-2"], ["1.txt", "3.txt"]]


def test_one_host_that_fails_ends_the_others(jobs):
    code = """
import json, time
me = json.load(open("/opt/ml/input/config/resourceconfig.json"))["current_host"]
if me == "algo-2":
    raise RuntimeError("only algo-2")
time.sleep(60)
"""
    started = time.monotonic()
    job = jobs.train(code, count=2)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].endswith("RuntimeError: only algo-2, exit code: 1")
    assert time.monotonic() - started < 20


def test_jobs_beyond_the_limit_wait_as_starting_and_can_be_stopped(aws, jobs):
    """More jobs than this machine runs at once: the last one waits in Starting."""
    names = []
    for _ in range(40):
        request = jobs.training_request("import time; time.sleep(30)")
        aws.sagemaker.create_training_job(**request)
        names.append(request["TrainingJobName"])
        time.sleep(0.05)
        job = aws.sagemaker.describe_training_job(TrainingJobName=names[-1])
        if len(names) > 2 and job["SecondaryStatus"] == "Starting":
            break
    else:
        pytest.fail("no job ever waited")
    for name in reversed(names):
        aws.sagemaker.stop_training_job(TrainingJobName=name)
    ended = [jobs.wait_training(name) for name in names]
    assert {job["TrainingJobStatus"] for job in ended} == {"Stopped"}
    assert "TrainingStartTime" not in ended[-1]


def test_network_isolation_leaves_no_way_out(jobs):
    code = """
import os, urllib.request
try:
    urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/_local_aws/health", timeout=5)
    print("reached")
except OSError:
    print("cut off")
"""
    free, isolated = jobs.train(code), jobs.train(code, EnableNetworkIsolation=True)
    assert jobs.log("TrainingJobs", free["TrainingJobName"])["algo-1"] == ["reached"]
    assert jobs.log("TrainingJobs", isolated["TrainingJobName"])["algo-1"] == ["cut off"]


def test_a_job_with_several_hosts_can_be_stopped_while_it_waits_for_another(tmp_path):
    run = Run(SimpleNamespace(), tmp_path)
    threading.Timer(0.3, run.stop.set).start()
    with JobRunner._many_hosts, pytest.raises(Stopped), JobRunner.alone(JobRunner, run, 2):
        pytest.fail("it ran beside the other job")
    with JobRunner.alone(JobRunner, Run(SimpleNamespace(), tmp_path), 2):
        assert JobRunner._many_hosts.locked()
    assert not JobRunner._many_hosts.locked()


@pytest.mark.slow  # an account's first request loads all managed policies of IAM
def test_a_job_of_another_account_keeps_to_it(server):
    """Its bucket, its log, its ARN and its keys are that account's."""
    account = "210987654321"
    aws = clients_of(server.endpoint_url, access_key=account)
    aws.s3.create_bucket(Bucket="of-another-account")
    jobs = Jobs(aws, "of-another-account")
    code = "import boto3\nprint(boto3.client('sts').get_caller_identity()['Account'])\n"
    job = jobs.train(code)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["TrainingJobArn"].split(":")[4] == account
    assert jobs.log("TrainingJobs", job["TrainingJobName"])["algo-1"] == [account]
    assert job["ModelArtifacts"]["S3ModelArtifacts"].startswith("s3://of-another-account/out/")
    with pytest.raises(ClientError, match="Requested resource not found"):
        clients_of(server.endpoint_url).sagemaker.describe_training_job(
            TrainingJobName=job["TrainingJobName"]
        )
