"""A copy of the checkout, and the conditions under which the workshop runs in it."""

import functools
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
# The environment that runs the tests serves the copy, too: nothing is installed a second time.
BIN = Path(sys.executable).parent
MAKE = ["make", "--no-print-directory", f"BIN={BIN}", "INSTALLED=installed", "--old-file=installed"]
# Shaped like real ones, and nobody's: AWS's documentation uses the same form.
KEY_ID, SECRET, TOKEN = (
    "AKIAI44QH8DHBREALKEY",
    "je7MtGbClwBF2Zp9Utk3h3yCo8nvbREALSECRET00",
    "FwoGZXIvYXdzREALTOKEN",
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def copy_checkout(target):
    """What git tracks or would track, as it is in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def environment(copy, **more):
    """The environment of a learner with an AWS account, who works in `copy`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "LAB_", "LOCAL_AWS_"))
    }
    profile = copy / "aws-credentials"
    profile.write_text(f"[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n")
    return kept | {
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_SHARED_CREDENTIALS_FILE": str(profile),
        "LOCAL_AWS_PORT": str(free_port()),
        "PYTHONPATH": str(copy),
        **more,
    }


@functools.cache
def net_namespace():
    """The prefix that gives a command a network namespace, or None where the machine has none."""
    for prefix in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        probe = [*prefix, sys.executable, HERE / "no_network.py", os.devnull, "true"]
        if shutil.which("unshare") and subprocess.run(probe, capture_output=True).returncode == 0:
            return prefix
    return None
