"""The workshop, run once for all tests: on a copy of the checkout, network cut, credentials that look real."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
from checkout_copy import HERE, MAKE, copy_checkout, environment, net_namespace

# The same examples in every run: a failure in CI is one that anybody can repeat. `HYPOTHESIS_PROFILE=search`
# looks for new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@dataclass
class Workshop:
    """A finished run: the copy it ran in, what it printed, how long it took, what it sent."""

    copy: Path
    status: int
    output: str
    seconds: float
    packets: list | None  # None where the machine has no network namespaces
    calls: list[dict]
    environment: dict

    @property
    def labs(self):
        return self.copy / "build" / "labs"

    @property
    def summary(self):
        return json.loads((self.labs / "summary.json").read_text())


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """`make workshop` after installation, in a fresh copy."""
    copy = copy_checkout(tmp_path_factory.mktemp("workshop"))
    calls, report = copy / "calls.jsonl", copy / "packets.json"
    env = environment(copy, RECORDED_CALLS=str(calls))
    env["PYTHONPATH"] += os.pathsep + str(HERE / "recorder")
    command = [*MAKE, "workshop"]
    prefix = net_namespace()
    if prefix:
        command = [*prefix, sys.executable, str(HERE / "no_network.py"), str(report), *command]
    start = time.monotonic()
    with (copy / "output.txt").open("w") as out:
        done = subprocess.run(command, cwd=copy, env=env, stdout=out, stderr=subprocess.STDOUT)
    recorded = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
    return Workshop(
        copy,
        done.returncode,
        (copy / "output.txt").read_text(),
        time.monotonic() - start,
        json.loads(report.read_text()) if report.exists() else None,
        [json.loads(line) for line in recorded],
        env,
    )
