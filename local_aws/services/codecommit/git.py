"""git as a subprocess on bare repositories: nothing of the user's own git configuration, nothing interactive."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

ZERO = "0" * 40
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class GitError(RuntimeError):
    """git ended with an error; the message is what it said."""


@cache
def executable() -> str:
    """Where git is. `GitError` with what to do when it is not installed."""
    found = shutil.which("git")
    if found is None:
        raise GitError("CodeCommit repositories need git on this machine: install git and start again.")
    return found


def environment(config: Mapping[str, str] | None = None, **more: str) -> dict[str, str]:
    """Variables of every git here; `config`: settings that this command alone sees."""
    settings = {
        "safe.directory": "*",
        "gc.autoDetach": "false",  # no process outlives its request
        "pack.threads": "2",
        **(config or {}),
    }
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for index, (key, value) in enumerate(settings.items()):
        env[f"GIT_CONFIG_KEY_{index}"], env[f"GIT_CONFIG_VALUE_{index}"] = key, value
    return {**env, **more}


class Git:
    """Commands on one bare repository."""

    def __init__(self, folder: Path):
        self.folder = folder

    def run(self, *arguments: str, data: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
        """The command's output. `GitError` when it fails."""
        done = subprocess.run(
            [executable(), f"--git-dir={self.folder}", *arguments],
            input=data,
            stdin=None if data is not None else subprocess.DEVNULL,
            capture_output=True,
            env=environment(**(env or {})),
        )
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise GitError(said or f"git {arguments[0]} ended with {done.returncode}")
        return done.stdout

    def line(self, *arguments: str, data: bytes | None = None, env: Mapping[str, str] | None = None) -> str:
        return self.run(*arguments, data=data, env=env).decode("utf-8", "surrogateescape").strip()

    # -- references ----------------------------------------------------------------------------------------
    def peel(self, name: str, kind: str = "commit") -> str | None:
        """The id of the commit (or tree) that a full reference or object id leads to; None when there is
        none."""
        try:
            return self.line("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{{kind}}}")
        except GitError:
            return None

    def references(self, prefix: str) -> dict[str, str]:
        """{short name: commit id} of the references below `prefix` (`refs/heads/`), sorted by name."""
        text = self.line("for-each-ref", "--format=%(objectname) %(refname)", prefix)
        rows = (row.split(" ", 1) for row in text.splitlines())
        return {name[len(prefix) :]: found for found, name in rows}

    def default_branch(self) -> str:
        """The name that HEAD leads to, also when that branch does not exist yet."""
        return self.line("symbolic-ref", "HEAD").removeprefix("refs/heads/")

    def update(self, reference: str, new: str, old: str, message: str = "") -> None:
        """Set a reference, only if it is at `old` now (`ZERO`: does not exist); `new` `ZERO` deletes it."""
        if new == ZERO:
            self.run("update-ref", "-d", reference, old)
        else:
            self.run("update-ref", reference, new, old)


def create(folder: Path, arguments: Sequence[str] = ("--initial-branch=main",)) -> Git:
    """A new empty bare repository."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [executable(), "init", "--quiet", "--bare", "--template=", *arguments, str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(),
    )
    if done.returncode != 0:
        raise GitError(done.stderr.decode("utf-8", "replace").strip())
    return Git(folder)
