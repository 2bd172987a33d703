"""What the Makefile calls: `tools`."""

import contextlib
import errno
import re
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from nbclient.exceptions import DeadKernelError

from lab_lib.settings import LabError
from tools import check_export, labs, latest_model, processes, run_labs
from tools.build_site import for_readers
from tools.labs import ROOT, RUNS, fingerprint


@pytest.fixture
def done(tmp_path, monkeypatch):
    """All runs have an executed notebook; returns their stamps."""
    monkeypatch.setattr(labs, "BUILD", tmp_path)
    for run in RUNS:
        run.output.write_text("{}")
    return {run.name: fingerprint(run, "local") for run in RUNS}


def test_unchanged_labs_are_skipped(done):
    assert run_labs.outdated(RUNS, done, "local", force=False) == []


def test_a_changed_lab_takes_those_after_it_along(done):
    done[RUNS[1].name] = "something else"
    assert run_labs.outdated(RUNS, done, "local", force=False) == list(RUNS[1:])


def test_a_missing_output_force_and_another_backend(done):
    RUNS[2].output.unlink()
    assert run_labs.outdated(RUNS, done, "local", force=False) == list(RUNS[2:])
    assert run_labs.outdated(RUNS, done, "local", force=True) == list(RUNS)
    assert run_labs.outdated(RUNS, done, "aws", force=False) == list(RUNS)


def test_the_fingerprint_sees_code_pins_and_parameters(tmp_path):
    for folder in ("nbs", "lab_lib", "local_aws"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "constraints.txt").write_text("numpy==1")
    before = fingerprint(RUNS[0], "local", tmp_path)
    assert fingerprint(RUNS[0], "local", tmp_path) == before
    (tmp_path / "constraints.txt").write_text("numpy==2")
    pinned = fingerprint(RUNS[0], "local", tmp_path)
    (tmp_path / "lab_lib" / "settings.py").write_text("")
    assert (
        len(
            {before, pinned, fingerprint(RUNS[0], "local", tmp_path), fingerprint(RUNS[1], "local", tmp_path)}
        )
        == 4
    )


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_the_report_has_versions_without_metrics_too(capsys, missing):
    rows = [(2, "huggingface", "Approved", 0.8), (1, "", "Rejected", missing)]
    keys = ("version", "framework", "status", "macro_f1")
    versions = [dict(zip(keys, row, strict=True)) for row in rows]
    run_labs.report({"model_package_group": "tweet-sentiment", "versions": versions})
    printed = capsys.readouterr().out
    assert "Model versions in tweet-sentiment (" in printed
    assert re.search(r"version 2 +huggingface +0\.800 +Approved", printed)
    assert re.search(r"version 1 +no metrics +Rejected", printed)


def test_an_unknown_lab_is_refused(capsys):
    with pytest.raises(SystemExit):
        run_labs.main(["99-Nothing"])
    assert "no lab 99-Nothing; there are: 00-Data-Visualization" in capsys.readouterr().err


@pytest.fixture
def labs_elsewhere(tmp_path, monkeypatch):
    """The labs' results are in a folder of the test's, and no backend is started; returns the folder."""
    for name in ("BUILD", "STAMPS", "SUMMARY"):
        monkeypatch.setattr(run_labs, name, tmp_path / getattr(labs, name).name)
    monkeypatch.setattr(run_labs, "backend", lambda: contextlib.nullcontext((None, None)))
    # a command of its own ends all its children; here those are the servers of other tests
    monkeypatch.setattr(run_labs.processes, "end", lambda children: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield tmp_path
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (DeadKernelError("Kernel died"), "00-Data-Visualization: its kernel died"),
        (OSError(errno.ENOSPC, "No space left on device"), "results cannot be written: .*No space left"),
    ],
)
def test_what_befalls_a_lab_from_outside_is_said_in_one_line(
    labs_elsewhere, monkeypatch, capsys, trouble, words
):
    def fail(run):
        raise trouble

    monkeypatch.setattr(run_labs, "execute", fail)
    assert run_labs.main(["00-Data-Visualization"]) == 1
    said = capsys.readouterr().err
    assert re.search(words, said) and len(said.strip().splitlines()) == 1


def test_without_git_no_lab_is_started(labs_elsewhere, monkeypatch, capsys):
    assert RUNS[-1].name == run_labs.NEEDS_GIT
    monkeypatch.setenv("PATH", str(labs_elsewhere))
    monkeypatch.setattr(run_labs, "execute", lambda run: pytest.fail("a lab was started"))
    assert run_labs.main([]) == 1
    assert capsys.readouterr().err.startswith("git is not installed, and the lab 01-Pipeline-Deployment")


@pytest.mark.parametrize("trouble", [LabError("No usable AWS credentials"), LookupError("No Approved model")])
def test_the_newest_model_or_one_sentence(monkeypatch, capsys, tmp_path, trouble):
    def fail():
        raise trouble

    monkeypatch.setattr(latest_model, "backend", fail)
    assert latest_model.main(["huggingface", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"{trouble}\n"


def test_lab_lib_is_what_the_notebooks_export():
    assert check_export.differences() == []


def test_an_edited_library_is_noticed(tmp_path):
    for name in ("nbs", "lab_lib"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "lab_lib" / "images.py").open("a").write("\nby_hand = True\n")
    (tmp_path / "lab_lib" / "stray.py").touch()
    assert check_export.differences(tmp_path) == ["lab_lib/images.py", "lab_lib/stray.py"]


def test_pages_have_no_directives():
    cells = [
        nbformat.v4.new_code_cell("#| default_exp settings"),
        nbformat.v4.new_code_cell("#| export\nx = 1"),
        nbformat.v4.new_markdown_cell("# A title"),
    ]
    page = for_readers(nbformat.v4.new_notebook(cells=cells))
    assert [cell.source for cell in page.cells] == ["x = 1", "# A title"]


def test_end_ends_the_whole_tree_even_what_refuses():
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {stubborn!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
    process.stdout.readline()
    members = processes.tree(process.pid)
    assert len(members) == 2
    processes.end(members, grace_seconds=0.3)
    process.wait(5)
    assert not any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in members)


def test_peak_memory_is_that_of_the_tree():
    code = "x = bytearray(200 * 2**20); print(1, flush=True); import time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    with processes.PeakMemory(process.pid, interval_seconds=0.05) as memory:
        time.sleep(0.3)
    process.kill()
    process.wait()
    assert 200 * 2**20 < memory.peak < 300 * 2**20
