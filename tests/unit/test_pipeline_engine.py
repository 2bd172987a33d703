"""The engine of an execution with steps that only pretend: order, retries, stop, failures of its own."""

import json
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.services.pipelines import retries
from local_aws.services.pipelines.definition import parse
from local_aws.services.pipelines.engine import Ended, Engine, nodes_of
from local_aws.services.pipelines.records import Execution

EQUAL = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}


def execution(limit=50):
    return Execution("1" * 12, "us-east-1", "p", "id", "role", "", 1, {}, limit, time.time())


class Jobs:
    """A step runner: `plan` says how each attempt at a step ends (default: well); ends come from threads when
    `later`. It notes what began and what was stopped."""

    def __init__(self, plan=None, later=False):
        self.plan, self.later = plan or {}, later
        self.began, self.stopped, self.waiting = [], [], threading.Event()

    def begin(self, step, record):
        self.began.append(step.name)
        plan = self.plan.get(step.name)
        ended = plan[record.attempts - 1] if plan else Ended("Succeeded", outcome=True)
        if ended == "hang":
            self.waiting.set()
            return None
        if isinstance(ended, Exception):
            raise ended
        if self.later:
            record.job = ("training", step.name)
            threading.Thread(target=self.engine.job_ended, args=(step.name, record.job)).start()
            return None
        return ended

    def collect(self, step, record):
        return (self.plan.get(step.name) or [Ended("Succeeded", outcome=True)])[record.attempts - 1]

    def stop(self, step, record):
        self.stopped.append(step.name)
        self.engine.post(step.name, record.attempts, Ended("Stopped"))


class Journal:
    def __init__(self):
        self.steps, self.heads = [], []

    def step_changed(self, _, record):
        self.steps.append((record.name, record.status))

    def execution_changed(self, changed):
        self.heads.append(changed.status)


def make(steps, jobs, limit=50):
    definition = parse(json.dumps({"Version": "2020-12-01", "Steps": steps}))
    run, journal = execution(limit), Journal()
    jobs.engine = Engine(run, definition, nodes_of(definition, set(definition.steps)), jobs, journal)
    return run, journal


def step(name, *upstream, **more):
    arguments = {"Conditions": [EQUAL], "IfSteps": more.pop("then", []), "ElseSteps": []}
    return {"Name": name, "Type": "Condition", "Arguments": arguments, "DependsOn": list(upstream), **more}


@settings(max_examples=25, deadline=None)
@given(st.data(), st.booleans(), st.integers(1, 4))
def test_random_graphs_run_to_their_end(data, later, limit):
    names = [f"s{i}" for i in range(data.draw(st.integers(1, 10)))]
    graph = {
        n: data.draw(st.lists(st.sampled_from(names[:i]), max_size=3, unique=True)) if i else []
        for i, n in enumerate(names)
    }
    failing = data.draw(st.sets(st.sampled_from(names), max_size=2))
    jobs = Jobs({n: [Ended("Failed", "broke")] for n in failing}, later)
    run, journal = make([step(n, *u) for n, u in graph.items()], jobs, limit)
    jobs.engine.run()
    assert len(jobs.began) == len(set(jobs.began))
    broken = set()
    for name in names:  # in topological order
        if set(graph[name]) & broken or (name in failing):
            broken.add(name)
    reached = {n for n in names if not set(graph[n]) & broken}
    assert set(jobs.began) == reached == set(run.steps)
    assert run.status == ("Failed" if failing & reached else "Succeeded") == journal.heads[-1]
    for name in reached:
        assert run.steps[name].status == ("Failed" if name in failing else "Succeeded")
        assert all(run.steps[u].ended <= run.steps[name].started for u in graph[name])


POLICY = [
    {"ExceptionType": [retries.INTERNAL_ERROR], "IntervalSeconds": 0.01, "BackoffRate": 1, "MaxAttempts": 2}
]


def test_a_retry_policy_gives_another_attempt():
    lost = Ended("Failed", "InternalServerError: lost", retry=retries.INTERNAL_ERROR)
    jobs = Jobs({"a": [lost, lost, Ended("Succeeded", outcome=True)]})
    run, _ = make([step("a", RetryPolicies=POLICY), step("b", "a")], jobs)
    jobs.engine.run()
    assert jobs.began == ["a", "a", "a", "b"] and run.status == "Succeeded"
    assert run.steps["a"].attempts == 3 and run.steps["a"].reason is None


def test_attempts_run_out_and_other_failures_are_final():
    lost = Ended("Failed", "InternalServerError: lost", retry=retries.INTERNAL_ERROR)
    jobs = Jobs({"a": [lost] * 4, "b": [Ended("Failed", "AlgorithmError")]})
    run, _ = make([step("a", RetryPolicies=POLICY), step("b", RetryPolicies=POLICY)], jobs)
    jobs.engine.run()
    assert run.status == "Failed" and run.reason == "Step failure: One or multiple steps failed."
    assert (run.steps["a"].attempts, run.steps["b"].attempts) == (3, 1)
    assert run.steps["a"].reason == "InternalServerError: lost"


def test_a_fail_step_ends_the_execution_with_its_message():
    jobs = Jobs({"a": [Ended("Failed", "too low", halts=True)]})
    run, _ = make([step("a"), step("b"), step("c", "b")], jobs, limit=1)
    jobs.engine.run()
    assert (run.status, run.reason) == ("Failed", "too low")
    assert set(run.steps) == {"a"}


def test_stop_asks_the_running_steps_and_gives_up_what_waits_for_a_retry():
    lost = Ended("Failed", "InternalServerError: lost", retry=retries.INTERNAL_ERROR)
    slow = [{**POLICY[0], "IntervalSeconds": 60}]
    jobs = Jobs({"a": ["hang"], "b": [lost]})
    run, journal = make([step("b", RetryPolicies=slow), step("a"), step("c", "a")], jobs)
    thread = threading.Thread(target=jobs.engine.run)
    thread.start()
    assert jobs.waiting.wait(5)
    jobs.engine.stop()
    jobs.engine.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert run.status == "Stopped" and jobs.stopped == ["a"]
    assert {n: r.status for n, r in run.steps.items()} == {"a": "Stopped", "b": "Stopped"}
    assert ("a", "Stopping") in journal.steps


def test_an_unforeseen_error_fails_its_step_only():
    jobs = Jobs({"a": [RuntimeError("bug")]})
    run, _ = make([step("a"), step("b", "a"), step("c")], jobs)
    jobs.engine.run()
    assert run.status == "Failed" and set(run.steps) == {"a", "c"}
    assert run.steps["a"].reason == "InternalServerError: RuntimeError: bug"


def test_an_error_of_the_engine_itself_fails_the_execution(monkeypatch):
    jobs = Jobs()
    run, journal = make([step("a"), step("b", "a")], jobs)
    monkeypatch.setattr(jobs.engine.scheduler, "end", lambda *_: 1 / 0)
    jobs.engine.run()
    assert run.status == "Failed" == journal.heads[-1]
    assert run.reason == "InternalServerError: ZeroDivisionError: division by zero"


def test_a_late_message_of_an_earlier_attempt_changes_nothing():
    jobs = Jobs({"a": ["hang"]})
    run, _ = make([step("a")], jobs)
    thread = threading.Thread(target=jobs.engine.run)
    thread.start()
    assert jobs.waiting.wait(5)
    jobs.engine.post("a", 7, Ended("Failed", "of another attempt"))
    jobs.engine.job_ended("a", ("training", "of another step"))
    jobs.engine.post("a", 1, Ended("Succeeded", outcome=True))
    thread.join(5)
    assert run.status == "Succeeded"


@pytest.mark.parametrize("count", [500])
def test_a_wide_and_deep_graph_costs_little_a_step(count):
    steps = [step(f"s{i}", *[f"s{j}" for j in range(max(0, i - 3), i)]) for i in range(count)]
    jobs = Jobs()
    run, _ = make(steps, jobs, limit=10)
    begin = time.perf_counter()
    jobs.engine.run()
    assert run.status == "Succeeded" and len(jobs.began) == count
    assert (time.perf_counter() - begin) / count < 0.02
