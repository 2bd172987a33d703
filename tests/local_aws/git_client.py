"""git as a user of CodeCommit has it: a working copy, credentials in the form of the AWS credential helper."""

import os
import subprocess
from pathlib import Path
from urllib.parse import quote

from local_aws.config import DUMMY_ACCESS_KEY

PASSWORD = "20261125T101500Z" + "0f" * 32  # date and signature, as the helper gives it


class Refused(Exception):
    """git ended with an error; the message is all that it said."""


def with_credentials(url, user=DUMMY_ACCESS_KEY, password=PASSWORD):
    return url.replace("http://", f"http://{quote(user, safe='')}:{quote(password, safe='')}@", 1)


def git(*arguments, cwd=None, home=None, data=None):
    """Run git without any configuration of this machine's user; what it printed on stdout."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home or cwd or "/nonexistent"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
        "LC_ALL": "C.UTF-8",
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(["git", *arguments], cwd=cwd, env=env, input=data, capture_output=True, timeout=120)
    if done.returncode:
        raise Refused((done.stderr + done.stdout).decode("utf-8", "replace"))
    return done.stdout.decode("utf-8", "replace").strip()


class Copy:
    """A working copy with `origin` at a repository."""

    def __init__(self, folder: Path, url: str):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", url)

    def git(self, *arguments, **options):
        return git(*arguments, cwd=self.folder, **options)

    def commit(self, files, message="a commit"):
        for name, text in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *references):
        return self.git("push", "-q", "origin", *(references or ["main"]))
