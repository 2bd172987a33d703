"""The library notebooks: stored outputs (nbval) and asserts (nbdev-test)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.labs import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_stored_outputs_are_what_the_cells_give():
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "nbs/lib",
        "-q",
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]


def test_asserts_hold_without_a_kernel():
    command = [Path(sys.executable).with_name("nbdev-test"), "nbs/lib", "--n-workers", "2"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([str(part) for part in command], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]


def test_labs_are_committed_without_outputs():
    import nbformat

    for path in ROOT.glob("nbs/[0-9]*/*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            assert not cell.get("outputs") and not cell.get("execution_count"), path
