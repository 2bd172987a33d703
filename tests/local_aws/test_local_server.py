"""The server's life: start, stop, ports, races, and what the command `local-aws` says."""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from servers import Jobs, clients_of, running_server

from local_aws import LocalAwsError, client

CLI = [sys.executable, "-m", "local_aws.cli"]


def cli(*arguments, **options):
    return subprocess.run([*CLI, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


def test_start_status_stop(tmp_path):
    started = cli("start", "--home", tmp_path, "--port", 0)
    assert started.returncode == 0
    assert started.stdout.startswith("Started the local AWS at http://127.0.0.1:")
    assert len(started.stdout.splitlines()) == 1
    again = cli("start", "--home", tmp_path, "--port", 0)
    assert (again.returncode, again.stdout[:45]) == (0, "The local AWS is already running at http://12")
    status = cli("status", "--home", tmp_path)
    assert "No job or endpoint is running." in status.stdout
    pid = client.find(tmp_path).pid
    assert cli("stop", "--home", tmp_path).stdout == "Stopped the local AWS.\n"
    assert not psutil.pid_exists(pid)
    stopped = cli("stop", "--home", tmp_path)
    assert (stopped.returncode, stopped.stdout) == (0, f"No local AWS is running for {tmp_path}.\n")
    assert cli("status", "--home", tmp_path).returncode == 3


def test_the_server_listens_on_the_loopback_only(server):
    connections = psutil.Process(server.pid).net_connections("tcp")
    assert {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_a_port_in_use_names_port_holder_and_remedy(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(LocalAwsError) as error:
            client.ensure_started(tmp_path, port)
        name = psutil.Process().name()
        assert str(error.value) == (
            f"Port {port} is in use by {name} (pid {os.getpid()}). Stop it, or choose another port: set "
            "LOCAL_AWS_PORT, port in [tool.local_aws] of pyproject.toml, or pass --port."
        )
        said = cli("start", "--home", tmp_path, "--port", port)
        assert (said.returncode, said.stderr.split(".")[0]) == (
            1,
            f"local-aws: Port {port} is in use by {name} (pid {os.getpid()})",
        )


def test_a_port_held_by_another_local_aws_names_its_home(tmp_path, server):
    port = int(server.endpoint_url.rsplit(":", 1)[1])
    with pytest.raises(LocalAwsError, match=f"Port {port} is in use by the local AWS of {server.home} "):
        client.ensure_started(tmp_path, port)


def test_no_number_as_port():
    said = cli("status", env={**os.environ, "LOCAL_AWS_PORT": "http"})
    assert (
        said.stderr
        == "local-aws: LOCAL_AWS_PORT is 'http', which is no TCP port. Give a number from 1 to 65535.\n"
    )


@pytest.mark.slow
def test_two_processes_at_once_start_one_server(tmp_path):
    code = (
        "import sys; from local_aws import ensure_started; print(ensure_started(sys.argv[1], 0, "
        "quiet=True).pid)"
    )
    starters = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        pids = {process.communicate(timeout=60)[0].strip() for process in starters}
        assert len(pids) == 1
    finally:
        client.stop(tmp_path)


def test_a_record_left_by_a_killed_server_does_not_count(tmp_path):
    with running_server(tmp_path) as first:
        os.kill(first.pid, 9)
        psutil.wait_procs([psutil.Process(first.pid)] if psutil.pid_exists(first.pid) else [], 5)
        assert client.find(tmp_path) is None
        with running_server(tmp_path) as second:
            assert second.pid != first.pid


@pytest.mark.parametrize("sandbox", ["auto", pytest.param("paths", marks=pytest.mark.slow)])
def test_stop_leaves_no_process_of_a_job(tmp_path, monkeypatch, sandbox):
    monkeypatch.setenv("LOCAL_AWS_SANDBOX", sandbox)
    with running_server(tmp_path) as local:
        aws = clients_of(local.endpoint_url)
        aws.s3.create_bucket(Bucket="lab-bucket")
        jobs = Jobs(aws, "lab-bucket")
        marker = f"lab-{os.getpid()}-{sandbox}"
        code = (
            f"import subprocess, time; subprocess.Popen(['sleep', '987']); print('{marker}'); time.sleep(986)"
        )
        request = jobs.training_request(code)
        aws.sagemaker.create_training_job(**request)
        name = request["TrainingJobName"]
        jobs.wait_training(name, until=lambda j: j["SecondaryStatus"] == "Training")
        deadline = time.monotonic() + 10
        while marker not in jobs.log("TrainingJobs", name).get("algo-1", []):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert name in cli("status", "--home", tmp_path).stdout
        family = psutil.Process(local.pid).children(recursive=True)
        assert any(p.name() == "sleep" for p in family)
        client.stop(tmp_path)
        gone, alive = psutil.wait_procs(family, 5)
        assert alive == []


def test_logs_follows_a_job_to_its_end(server, jobs):
    request = jobs.training_request("import time; print('one', flush=True); time.sleep(1); print('two')")
    jobs.aws.sagemaker.create_training_job(**request)
    said = cli("logs", request["TrainingJobName"], "--follow", "--home", server.home)
    assert (said.returncode, said.stdout) == (0, "one\ntwo\n")
    unknown = cli("logs", "nobody", "--home", server.home)
    assert unknown.stderr == "local-aws: There is no log of a job, build or endpoint named nobody.\n"
    assert "listening on" in cli("logs", "--home", server.home).stdout


def test_a_client_that_looks_does_not_keep_a_server_from_starting(tmp_path):
    """`client.find` takes the home's lock for a moment to see whether somebody holds it."""
    command = [sys.executable, "-m", "local_aws.server", "--home", tmp_path, "--port", "0"]
    with (tmp_path / "server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.4)
            fcntl.flock(lock, fcntl.LOCK_UN)
            deadline = time.monotonic() + 20
            while not client.find(tmp_path):
                assert process.poll() is None, "it did not start"
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("OPTIONS", "/", {"Access-Control-Request-Method": "POST"}),
        ("POST", "/", {"X-Amz-Target": "SageMaker.CreateTrainingJob"}),
        ("POST", "/_local_aws/stop", {}),
    ],
)
def test_a_web_page_cannot_call(server, method, path, headers):
    """Whatever page the user visits: a job runs code, and a browser would send what the page asks for."""
    request = urllib.request.Request(server.endpoint_url + path, method=method, data=b"{}", headers=headers)
    request.add_header("Origin", "http://evil.example")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)
    assert error.value.code == 403
    assert "Access-Control-Allow-Origin" not in error.value.headers
    assert b"does not answer web pages" in error.value.read()
    assert client.find(server.home).pid == server.pid


def test_env_prints_lines_for_a_shell(server):
    said = cli("env", "--home", server.home, env={**os.environ, "AWS_PROFILE": "prod"})
    lines = said.stdout.splitlines()
    assert "unset AWS_PROFILE" in lines
    assert f"export AWS_ENDPOINT_URL={server.endpoint_url}" in lines


def test_reset_forgets_state_and_keeps_files_of_others(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with running_server(tmp_path) as local:
        clients_of(local.endpoint_url).s3.create_bucket(Bucket="lab-bucket")
    assert cli("reset", "--home", tmp_path).stdout == f"Forgot its state in {tmp_path}.\n"
    assert (tmp_path / "mine.txt").read_text() == "keep"
    with running_server(tmp_path) as local:
        assert clients_of(local.endpoint_url).s3.list_buckets()["Buckets"] == []


def test_reset_says_what_it_could_not_remove(tmp_path, monkeypatch):
    (tmp_path / "state.sqlite3").touch()

    def refuse(path, missing_ok=False):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(LocalAwsError, match=r"state.sqlite3 cannot be removed. Is the disk read-only"):
        client.reset(tmp_path)


def test_a_full_disk_is_named_before_the_start(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(LocalAwsError, match=rf"{tmp_path} cannot be written \(No space left.*LOCAL_AWS_HOME"):
        client.ensure_started(tmp_path, 0)


def test_the_access_log_tells_service_action_status_and_key(server, aws):
    aws.sts.get_caller_identity()
    aws.s3.list_buckets()
    lines = [json.loads(line) for line in (server.home / "logs" / "access.jsonl").read_text().splitlines()]
    seen = {(line["service"], line["action"], line["status"], line["access_key_id"]) for line in lines}
    key = "LOCALAWSACCESSKEYID0"
    assert {("sts", "GetCallerIdentity", 200, key), ("s3", "ListBuckets", 200, key)} <= seen
