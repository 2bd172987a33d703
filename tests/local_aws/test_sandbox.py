"""The sandbox by itself, with namespaces and with rewritten paths."""

import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from local_aws.runtime import images, sandbox
from local_aws.runtime.sandbox import Sandbox

URI = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0"
needs_namespaces = pytest.mark.skipif(
    not sandbox.namespace_flags(), reason="this machine allows no namespaces"
)


@pytest.fixture(params=["namespaces", "paths"])
def box(request, tmp_path, monkeypatch):
    """A sandbox with an overlay, in either way."""
    flags = sandbox.namespace_flags()
    if request.param == "namespaces" and not flags:
        pytest.skip("this machine allows no namespaces")
    monkeypatch.setattr(sandbox, "namespace_flags", lambda: flags if request.param == "namespaces" else None)
    job, scratch = tmp_path / "host" / "ml", tmp_path / "host" / "job"
    job.mkdir(parents=True)
    scratch.mkdir()
    env = images.make_overlay(images.resolve(URI), tmp_path / "home", scratch)
    return Sandbox(job, env=env, hosts=["algo-1", "algo-2"], binds={images.INSIDE: scratch}, code=["code"])


def output(box, *argv):
    process = box.popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = process.stdout.read().decode()
    process.stdout.close()
    return process.wait(), text


def test_hard_coded_paths_of_a_script_work(box):
    (box.job_dir / "code").mkdir()
    (box.job_dir / "code" / "main.sh").write_text("cat /opt/ml/data.txt; echo done > '/opt/ml/out.txt'\n")
    (box.job_dir / "data.txt").write_text("data\n")
    assert output(box, "/bin/sh", "/opt/ml/code/main.sh") == (0, "data\n")
    assert (box.job_dir / "out.txt").read_text() == "done\n"


def test_hard_coded_paths_of_a_source_bundle_work(box):
    folder = box.job_dir / "code"
    folder.mkdir()
    (folder / "main.py").write_text("print(open('/opt/ml/data.txt').read())")
    with tarfile.open(folder / "sourcedir.tar.gz", "w:gz") as tar:
        tar.add(folder / "main.py", "main.py")
    (folder / "main.py").unlink()
    (box.job_dir / "data.txt").write_text("data")
    run = "cd /opt/ml/code && tar -xzf sourcedir.tar.gz && python3 main.py"
    assert output(box, "/bin/sh", "-c", run) == (0, "data\n")


def test_the_overlay_is_a_python_of_its_own_over_the_images_packages(box):
    code = (
        "import sys, numpy; print(sys.prefix); import pip; import importlib.util as u; "
        "print(u.find_spec('lab_lib'))"
    )
    status, text = output(box, "python3", "-c", code)
    assert status == 0, text
    assert text.splitlines() == [box.inside("/opt/job/env"), "None"]
    status, text = output(box, "pip3", "list", "--path", "/opt/job/env/lib/python3.11/site-packages")
    assert status == 0, text
    which = output(box, "/bin/sh", "-c", "command -v python3; command -v torchrun; command -v train")[
        1
    ].split()
    assert which[0] == box.inside("/opt/job/env/bin/python3")
    assert [path.rsplit("/", 1)[1] for path in which[1:]] == ["torchrun", "train"]
    status, text = output(
        box, "/bin/sh", "-c", "pip3 --version && command -v pip3 && head -1 $(command -v torchrun)"
    )
    assert status == 0, text
    assert text.splitlines()[-1] == "#!/usr/bin/env python3"


def test_pip_finds_the_images_packages_and_installs_for_the_job_alone(box, tmp_path):
    package = box.job_dir / "mine"
    package.mkdir()
    (package / "mine_only.py").write_text("VALUE = 7\n")
    (package / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='mine', version='1', py_modules=['mine_only'])"
    )
    status, text = output(
        box, "pip3", "install", "--no-index", "--no-build-isolation", "-q", "/opt/ml/mine", "numpy"
    )
    assert status == 0, text
    assert output(box, "python3", "-c", "import mine_only; print(mine_only.VALUE)") == (0, "7\n")
    installed = tmp_path / "host" / "job" / "env" / "lib"
    assert list(installed.rglob("mine_only.py"))
    assert not list(installed.rglob("numpy"))
    assert subprocess.run([sys.executable, "-c", "import mine_only"], capture_output=True).returncode == 1


def test_nothing_of_the_callers_environment_leaks(box, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real-secret")
    monkeypatch.setenv("SOMETHING_PRIVATE", "x")
    text = output(box, "python3", "-c", "import os; print(sorted(os.environ))")[1]
    assert "AWS_SECRET_ACCESS_KEY" not in text
    assert "SOMETHING_PRIVATE" not in text


def test_exit_status_is_handed_on(box):
    assert output(box, "/bin/sh", "-c", "exit 7")[0] == 7
    assert output(box, "no-such-command")[0] == 127


def test_stop_gives_a_listener_time_and_ends_the_whole_tree(box):
    code = """
import signal, subprocess, sys, time
child = subprocess.Popen(["sleep", "977"])
signal.signal(signal.SIGTERM, lambda *_: (print("saving", flush=True), sys.exit(5)))
print("ready", flush=True)
time.sleep(60)
"""
    process = box.popen(["python3", "-c", code], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    family = psutil.Process(process.pid).children(recursive=True)
    assert process.handles_term()
    assert process.stop(grace=10) == 5
    assert process.stdout.read() == b"saving\n"
    process.stdout.close()
    deadline = time.monotonic() + 5
    while [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < deadline, "a child outlived its container"
        time.sleep(0.02)


@needs_namespaces
def test_a_command_that_ignores_sigterm_is_ended_at_once(tmp_path):
    job = tmp_path / "a" / "ml"
    job.mkdir(parents=True)
    process = Sandbox(job, env={"PATH": os.defpath}).popen(["sleep", "60"])
    time.sleep(0.3)
    assert not process.handles_term()
    began = time.monotonic()
    process.stop(grace=30)
    assert time.monotonic() - began < 5


@needs_namespaces
def test_opt_keeps_what_the_machine_has_there_and_gains_nothing(tmp_path):
    job = tmp_path / "a" / "ml"
    job.mkdir(parents=True)
    before = sorted(os.listdir("/opt"))
    inside = output(Sandbox(job, env={"PATH": os.defpath}), "ls", "/opt")[1].split()
    folders = [n for n in before if os.path.isdir(f"/opt/{n}")]
    assert set(inside) == {*folders, "ml"}
    assert sorted(os.listdir("/opt")) == before


@needs_namespaces
def test_it_works_inside_a_network_namespace_without_network(tmp_path):
    """As the network-cut test of the workshop runs it: root or not, loopback only."""
    job = tmp_path / "a" / "ml"
    job.mkdir(parents=True)
    code = (
        "import subprocess, sys; from pathlib import Path; from local_aws.runtime.sandbox import Sandbox; "
        f"p = Sandbox(Path({str(job)!r}), env={{'PATH': '/usr/bin:/bin'}}).popen(['hostname'], "
        "stdout=subprocess.PIPE); "
        "print(p.stdout.read().decode(), p.wait())"
    )
    command = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    done = subprocess.run([*command, sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["algo-1", "0"], done.stderr


@needs_namespaces
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_works_for_an_ordinary_user(monkeypatch):
    """The very command, started as nobody (this Python itself may be closed to nobody)."""
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder, "host", "ml")
        job.mkdir(parents=True)
        for path in (Path(folder), job.parent, job):
            path.chmod(0o777)
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
        script = Sandbox(job, env={})._script("/opt/ml")
        command = ["unshare", *sandbox.namespace_flags(), "--", "/bin/sh", "-ec", script, "sandbox"]
        shell = "touch /opt/ml/made; hostname; id -u"
        done = subprocess.run(
            [*command, "/bin/sh", "-c", shell],
            capture_output=True,
            text=True,
            timeout=30,
            user=65534,
            group=65534,
            extra_groups=[],
            env={"PATH": os.defpath},
            cwd="/",
        )
        assert (done.stdout.split(), done.stderr) == (["algo-1", "0"], "")
        assert (job / "made").stat().st_uid == 65534


def test_image_uris():
    image = images.resolve(
        "763104351884.dkr.ecr.eu-west-1.amazonaws.com/huggingface-pytorch-inference:2.6.0-transformers5.5.3-cpu-py312"
    )
    assert (image.repository, image.kind) == ("huggingface-pytorch-inference", "inference")
    assert image.tag == "2.6.0-transformers5.5.3-cpu-py312"
    with pytest.raises(images.ImageError, match="Invalid image URI 'python:3.11'"):
        images.resolve("python:3.11")
    with pytest.raises(images.ImageError, match="Cannot find repository: mine in registry ID: 123456789012"):
        images.resolve("123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1")


def test_a_process_that_has_ended_is_signalled_no_more(box):
    """Its process number may belong to another process by then."""
    process = box.popen(["true"])
    assert process.wait(20) == 0
    other = subprocess.Popen(["sleep", "30"], start_new_session=True)
    try:
        process.pid = other.pid
        process.terminate()
        process.kill()
        assert process.stop(grace=0) == 0
        time.sleep(0.1)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
