"""Installs the artifact's code/requirements.txt, as the inference images do when they start."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path


def wanted(path: Path) -> list[str]:
    """The lines of a requirements file that ask for something; [] if there is no such file."""
    if not path.is_file():
        return []
    lines = (line.split("#", 1)[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def install(code_dir: Path) -> None:
    """pip-install `code_dir`/requirements.txt into this instance's own environment.

    Raises `RuntimeError` if pip fails; pip's own words are in the log by then.
    """
    path = code_dir / "requirements.txt"
    if not wanted(path):
        return
    print("Installing packages from code/requirements.txt", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "-r", str(path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(
            f"pip could not install code/requirements.txt (exit status {done.returncode}); see the lines "
            "above."
        )
    importlib.invalidate_caches()
