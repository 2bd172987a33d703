"""Endpoints over the life of the server: what comes back after a start, and what is left after a stop."""

import os
import signal
import time

import psutil
import pytest
from endpoint_helpers import Lab
from waiting import until


@pytest.fixture
def lab(tmp_path):
    lab = Lab(tmp_path / "home").start()
    lab.s3.create_bucket(Bucket=lab.bucket)
    yield lab
    lab.stop()


def instance_processes(lab) -> list[psutil.Process]:
    """Every process that runs in an instance's folder, or was started for one."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if str(lab.home / "endpoints") in " ".join(process.info["cmdline"] or []):
            found += [process, *process.children(recursive=True)]
    return found


def alive(processes) -> list:
    return [process for process in processes if process.is_running() and process.status() != "zombie"]


def test_stop_leaves_no_process_and_start_brings_the_endpoint_back(lab):
    config = lab.config(lab.model(NAME="a"), lab.model(NAME="b"), weights=(0, 1))
    endpoint = lab.endpoint(config)
    first = lab.ask(endpoint, "x")
    before = instance_processes(lab)
    assert before
    lab.stop()
    assert alive(before) == []
    assert instance_processes(lab) == []
    lab.start()
    described = lab.settle(endpoint)
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == config
    assert [variant["CurrentWeight"] for variant in described["ProductionVariants"]] == [0.0, 1.0]
    again = lab.ask(endpoint, "x")
    assert again["name"] == "b"
    assert again["process"] != first["process"]


def test_a_killed_server_leaves_no_process_and_its_endpoints_come_back(lab):
    endpoint = lab.endpoint(lab.config(lab.model(NAME="a")))
    new = lab.config(lab.model("import time; time.sleep(2)\nraise SystemExit(1)\n"))
    lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)
    time.sleep(0.3)
    before = instance_processes(lab)
    os.kill(lab.local.pid, signal.SIGKILL)
    until(lambda: not alive(before))
    lab.start()
    # the update that was under way is taken up again, fails, and what served goes on serving
    described = lab.settle(endpoint)
    assert described["EndpointStatus"] == "InService"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert lab.ask(endpoint, "x")["name"] == "a"


@pytest.mark.slow
def test_stop_while_an_endpoint_is_creating(lab):
    slow = lab.model("import time; time.sleep(60)\n")
    endpoint = lab.endpoint(lab.config(slow), wait=False)
    until(lambda: instance_processes(lab))
    before = instance_processes(lab)
    began = time.monotonic()
    lab.stop()
    assert time.monotonic() - began < 20
    assert alive(before) == []
    lab.start()
    assert lab.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "Creating"


WHILE_A_FILE_IS_THERE = """
    import os, time
    def model_fn(model_dir):
        if os.path.exists(os.environ["SLOW"]): time.sleep(60)
        open(os.environ["NEEDED"]).close()
        return 1
    def transform_fn(model, data, content_type, accept): return "1", "text/plain"
"""


@pytest.mark.slow
def test_a_scaling_that_a_stop_interrupts_is_done_after_the_start(lab, tmp_path):
    slow, needed = tmp_path / "slow", tmp_path / "needed"
    needed.touch()
    endpoint = lab.endpoint(lab.config(lab.model(WHILE_A_FILE_IS_THERE, SLOW=slow, NEEDED=needed)))
    slow.touch()
    wish = {"VariantName": "AllTraffic", "DesiredInstanceCount": 2}
    lab.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=[wish]
    )
    lab.stop()
    slow.unlink()
    lab.start()
    described = lab.settle(endpoint)
    assert described["EndpointStatus"] == "InService"
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 2


@pytest.mark.slow
def test_an_update_of_an_endpoint_that_did_not_come_back_is_not_in_service_when_it_fails(lab, tmp_path):
    needed = tmp_path / "needed"
    needed.touch()
    config = lab.config(lab.model(WHILE_A_FILE_IS_THERE, SLOW=tmp_path / "slow", NEEDED=needed))
    endpoint = lab.endpoint(config)
    lab.stop()
    needed.unlink()
    lab.start()
    assert lab.settle(endpoint)["EndpointStatus"] == "Failed"
    lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    assert lab.settle(endpoint)["EndpointStatus"] == "Failed"
    needed.touch()
    lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    assert lab.settle(endpoint)["EndpointStatus"] == "InService"
