"""What the manager of pipeline executions does when the disk is full, and what it has sent."""

import time
from types import SimpleNamespace

import pytest

from local_aws.services.pipelines import manager as module
from local_aws.services.pipelines.manager import Manager
from local_aws.services.pipelines.records import Execution, StepRecord


class Book:
    """Fails to write as often as `failures` says; keeps what was written."""

    def __init__(self, failures):
        self.failures, self.written = failures, []

    def save(self, execution, *records):
        if self.failures:
            self.failures -= 1
            raise OSError("disk full")
        self.written.append([(r.name, r.status) for r in records] or execution.status)

    def keep_for_cache(self, *_):
        pass


@pytest.fixture
def sent(monkeypatch):
    found = []
    monkeypatch.setattr(module, "emit", lambda app, source, kind, detail, *_: found.append((kind, detail)))
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(module.finished, "subscribe", lambda function: None)
    return found


def execution():
    return Execution("1" * 12, "us-east-1", "p", "id", "role", "", 1, {}, 50, time.time())


def test_what_a_full_disk_refused_goes_with_the_next_change(sent):
    run, manager = execution(), Manager(SimpleNamespace(), Book(failures=1))
    manager.step_changed(run, StepRecord("a", "Fail", status="Failed"))
    assert manager.book.written == []
    run.status = "Failed"
    manager.execution_changed(run)
    assert manager.book.written == [[("a", "Failed")], "Failed"]


def test_the_end_is_tried_again(sent):
    run, manager = execution(), Manager(SimpleNamespace(), Book(failures=3))
    run.status = "Succeeded"
    manager.execution_changed(run)
    assert manager.book.written == ["Succeeded"]


@pytest.mark.parametrize(
    ("status", "step", "ends"),
    [("Executing", "Executing", ("Failed", "Failed")), ("Stopping", "Stopping", ("Stopped", "Stopped"))],
)
def test_what_a_dead_server_leaves_behind(sent, status, step, ends):
    run, manager = execution(), Manager(SimpleNamespace(), Book(failures=0))
    run.status, run.steps = status, {"a": StepRecord("a", "Training", status=step)}
    manager.book.all = lambda: [run]
    manager.recover()
    assert (run.status, run.steps["a"].status) == ends
    assert run.steps["a"].reason == module.SERVER_DIED
    assert run.reason == (module.SERVER_DIED if ends[0] == "Failed" else None)
    assert manager.book.written == [[("a", ends[1])], ends[0]]


def test_a_status_is_told_once_with_the_one_before(sent):
    run, manager = execution(), Manager(SimpleNamespace(), Book(failures=0))
    record = StepRecord("a", "Training", status="Executing", metadata={"TrainingJob": {"Arn": "arn:x"}})
    manager.execution_changed(run)
    manager.step_changed(run, record)
    manager.step_changed(run, record)
    record.close("Failed", "no")
    manager.step_changed(run, record)
    run.status = "Failed"
    manager.execution_changed(run)
    steps = [d for kind, d in sent if "Step" in kind]
    assert [(d.get("previousStepStatus"), d["currentStepStatus"]) for d in steps] == [
        (None, "Executing"),
        ("Executing", "Failed"),
    ]
    assert steps[1]["failureReason"] == "no" and steps[0]["metadata"] == {"trainingJob": {"arn": "arn:x"}}
    heads = [d for kind, d in sent if "Step" not in kind]
    assert [
        (d.get("previousPipelineExecutionStatus"), d["currentPipelineExecutionStatus"]) for d in heads
    ] == [
        (None, "Executing"),
        ("Executing", "Failed"),
    ]
    assert "executionEndTime" in heads[1] and "executionEndTime" not in heads[0]
