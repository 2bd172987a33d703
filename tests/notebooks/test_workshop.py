"""What a learner gets from `make workshop`: the labs, both frameworks, run headlessly from a fresh copy."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from checkout_copy import BIN, HERE, MAKE, copy_checkout, environment, net_namespace
from service_model import problems

from local_aws.config import DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY
from tools.labs import RUNS
from tools.processes import tree

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ENVIRONMENT_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def processes_of(copy):
    """Processes that work in `copy` or were told of it."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        told = " ".join(process.info["cmdline"] or ()) + " " + (process.info["cwd"] or "")
        if str(copy) in told and process.pid != os.getpid():
            found.append(told)
    return found


def output_text(run, workshop):
    """All that the cells of the executed notebook printed or returned as text."""
    notebook = nbformat.read(workshop.labs / f"{run}.ipynb", as_version=4)
    parts = []
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        parts.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(parts)


def test_it_ends_well_and_says_what_was_built(workshop):
    assert workshop.status == 0, workshop.output[-5000:]
    for words in (
        "Labs (executed notebooks",
        "tensorflow",
        "huggingface",
        "Approved",
        "peak memory",
        "The site: ",
    ):
        assert words in workshop.output
    site = re.search(r"The site: (\S+)", workshop.output)[1]
    assert Path(site).is_file()


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_every_cell_was_executed(workshop, run):
    notebook = nbformat.read(workshop.labs / f"{run.name}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    assert cells and all(cell.execution_count for cell in cells)
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)


def test_the_models_are_better_than_simple_ones(workshop):
    score = {row["framework"]: row["macro_f1"] for row in workshop.summary["versions"]}
    assert score["huggingface"] > 0.75  # simple methods: up to 0.70, see benchmarks/quality.py
    assert score["tensorflow"] > 0.70  # TF-IDF with logistic regression and this seed: 0.700


def test_the_served_model_is_fast_and_as_good(workshop):
    """The table of runtimes in the lab: int8 against eager PyTorch, one tweet at a time."""
    text = output_text("01-Train-Build-Model", workshop)
    table = re.findall(r"^(onnx|torch) +([\d.]+) +([\d.]+)$", text, re.MULTILINE)
    macro_f1 = {name: float(score) for name, score, _ in table}
    milliseconds = {name: float(latency) for name, _, latency in table}
    # a CPU that multiplies 8-bit integers in one instruction gains more: measured 6 times, 2.5 without
    vnni = re.search(r"\bavx(512)?_vnni\b", Path("/proc/cpuinfo").read_text())
    assert milliseconds["onnx"] * (3 if vnni else 2) <= milliseconds["torch"]
    assert macro_f1["onnx"] >= macro_f1["torch"] - 0.01


def test_no_request_failed_during_the_update(workshop):
    text = output_text("00-Deploy-SageMaker-Endpoint-Monitor", workshop)
    answered, failed = re.search(r"(\d+) requests answered during the update, (\d+) failed", text).groups()
    assert int(answered) > 10 and int(failed) == 0


def test_from_a_push_to_an_endpoint_in_five_minutes(workshop):
    """Training included; then no request fails, a worse model is refused, a broken handler rolled back."""
    text = output_text("01-Pipeline-Deployment", workshop)
    ended = re.findall(r"^\[ *([\d.]+) s\] \S+-(training|deployment)-dev: (\w+)$", text, re.MULTILINE)
    assert [(kind, status) for _, kind, status in ended] == [
        ("training", "Succeeded"),
        ("deployment", "Failed"),  # nothing is approved
        ("deployment", "Succeeded"),
        ("deployment", "Succeeded"),  # two instances
        ("training", "Failed"),
        ("deployment", "Failed"),
    ]
    assert float(ended[0][0]) + float(ended[2][0]) < 300
    answered, failed = re.search(r"(\d+) requests answered, (\d+) failed", text).groups()
    assert int(answered) > 10 and int(failed) == 0
    assert re.search(r"The previous version is back \(", text)


def test_no_build_log_shows_a_key(workshop):
    with contextlib.closing(sqlite3.connect(workshop.copy / ".local_aws" / "state.sqlite3")) as state:
        query = "select message from log_events where log_group like '%/codebuild-%'"
        lines = [line for (line,) in state.execute(query)]
    assert sum("Entering phase BUILD" in line for line in lines) == 6, "one build a delivery"
    secrets = [DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY, *(workshop.environment[n] for n in ENVIRONMENT_SECRETS)]
    assert [line for line in lines if any(secret in line for secret in secrets)] == []


def test_no_packet_left_the_machine(workshop):
    if workshop.packets is None:
        pytest.skip("this machine gives no network namespaces")
    assert workshop.packets == []


def test_the_trap_sees_what_would_leave(tmp_path):
    """The test above can fail: one datagram is one packet."""
    prefix = net_namespace()
    if prefix is None:
        pytest.skip("this machine gives no network namespaces")
    send = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'hello', ('192.0.2.53', 53))"
    report = tmp_path / "report"
    command = [*prefix, sys.executable, HERE / "no_network.py", report, sys.executable, "-c", send]
    assert subprocess.run(command).returncode == 0
    (packet,) = json.loads(report.read_text())
    assert (packet["protocol"], packet["to"]) == ("UDP", "192.0.2.53:53") and "hello" in packet["start"]


def test_no_credential_was_used(workshop):
    log = workshop.copy / ".local_aws" / "logs" / "access.jsonl"
    used = {json.loads(line)["access_key_id"] for line in log.read_text().splitlines()}
    # an account's number is the key of what acts for the account: pipelines, builds, stacks
    assert used - {None, ""} == {"LOCALAWSACCESSKEYID0", "123456789012"}
    secrets = [workshop.environment[name].encode() for name in ENVIRONMENT_SECRETS]
    for folder in (".local_aws", "build"):
        for path in (workshop.copy / folder).rglob("*"):
            if path.is_file() and path.stat().st_size < 50 * 2**20:
                content = path.read_bytes()
                assert not any(secret in content for secret in secrets), path


def test_calls_fit_the_service_models(workshop):

    assert {
        "CreateTrainingJob",
        "CreateProcessingJob",
        "CreateModelPackage",
        "UpdateEndpoint",
        "InvokeEndpoint",
    } <= {call["operation"] for call in workshop.calls}
    found = set()
    for call in workshop.calls:
        found.update(problems(call["service"], call["operation"], call["parameters"]))
    assert not found


def test_the_check_of_calls_finds_what_is_wrong():
    """The test above can fail: names, enumerations, patterns, limits."""

    assert problems("sagemaker", "DescribeEndpoint", {"EndpointName": "tweets"}) == []
    (wrong,) = problems("sagemaker", "DescribeEndpoint", {"EndpointName": "two words"})
    assert "does not match" in wrong
    (wrong,) = problems("sagemaker", "ListModelPackages", {"SortOrder": "Upward"})
    assert "is not one of ['Ascending', 'Descending']" in wrong
    assert problems("sagemaker", "DescribeEndpoint", {"Endpoint": "tweets"}) == [
        "DescribeEndpoint.EndpointName is required",
        "DescribeEndpoint.Endpoint is unknown",
    ]


def test_memory_and_time(workshop):
    assert workshop.summary["peak_memory_gib"] < 6
    assert workshop.seconds < 900  # the target is 600 on an idle machine; see benchmarks


def test_nothing_is_left_running(workshop):
    assert processes_of(workshop.copy) == []


def test_a_second_run_is_quick(workshop):

    start = time.monotonic()
    command = [*MAKE, "workshop"]
    again = subprocess.run(
        command, cwd=workshop.copy, env=workshop.environment, capture_output=True, text=True
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert "have not changed since their last run" in again.stdout
    assert time.monotonic() - start < 0.3 * workshop.seconds


def test_ctrl_c_leaves_no_process_behind(tmp_path):
    copy = copy_checkout(tmp_path / "interrupted")
    env = environment(copy)
    printed = tmp_path / "out"
    with printed.open("w") as out:
        command = [*MAKE, "workshop"]
        make = subprocess.Popen(command, cwd=copy, env=env, stdout=out, stderr=out, start_new_session=True)
    deadline = time.monotonic() + 180
    started, training = [], False
    while not training:
        assert make.poll() is None and time.monotonic() < deadline, printed.read_text()[-3000:]
        time.sleep(0.2)
        record = copy / ".local_aws" / "server.json"
        server = json.loads(record.read_text())["pid"] if record.exists() else make.pid
        with contextlib.suppress(psutil.NoSuchProcess):
            started = [one for one in tree(make.pid, server) if one.status() != psutil.STATUS_ZOMBIE]
            training = any("train.py" in " ".join(one.cmdline()) for one in started)
    os.killpg(make.pid, signal.SIGINT)  # what a terminal does
    make.wait(60)
    assert "Interrupted" in printed.read_text()
    assert len(started) > 5  # make, the tool, the kernel, the server, the job
    assert [one for one in started if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert processes_of(copy) == []


def test_the_tensorflow_model_deploys_too(workshop, tmp_path):
    """The deployment lab with the other framework, on what the workshop left behind."""
    (lab,) = [run for run in RUNS if run.name == "00-Deploy-SageMaker-Endpoint-Monitor"]
    command = [sys.executable, "-m", "papermill", workshop.copy / lab.notebook, tmp_path / "out.ipynb"]
    command += ["--cwd", (workshop.copy / lab.notebook).parent, "-p", "framework", "tensorflow"]
    try:
        done = subprocess.run(
            command, cwd=workshop.copy, env=workshop.environment, capture_output=True, text=True
        )
    finally:
        stop = [BIN / "local-aws", "stop"]
        subprocess.run(stop, cwd=workshop.copy, env=workshop.environment, capture_output=True)
    assert done.returncode == 0, done.stderr[-5000:]
    text = (tmp_path / "out.ipynb").read_text()
    assert "TrainTensorflow" in text, "the version that the last lab's pipeline registered"
    assert "during the update, 0 failed" in text
