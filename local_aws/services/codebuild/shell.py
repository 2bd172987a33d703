"""One shell for all commands of a build, as buildspec 0.2 has it: folder, variables and functions stay.

Process 1 of the sandbox (the agent) starts the build's shell, which sources one file a command. After each, a line
with a random mark in the output tells its exit code, in order with what the command printed. A command that ends
the shell (`exit 1`) fails with that code, and the agent starts another shell, with the old one's variables and folder.
"""

import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from local_aws.runtime.sandbox import Sandbox, SandboxProcess

MAX_LINE = 2**20  # bytes of one line that are kept in memory; a longer one is cut
LONGEST_SECRET = 2**18  # bytes; a secret of Secrets Manager has at most 65536, and escapes may double it
_AGENT = """while :; do
  "$1" "$2" "$3" "$4"
  code=$?
  [ -e "$4/ended" ] && exit 0
  printf '\\036%s exit %d\\036\\n' "$3" "$code"
done
"""
_SHELL = """__codebuild_mark=$1 __codebuild_folder=$2
set --
exec 9>&1
if [ -f "$__codebuild_folder/variables" ]; then
  . "$__codebuild_folder/variables" 2> /dev/null
  cd "$(cat "$__codebuild_folder/folder")" 2> /dev/null
fi
trap '{ set; export -p; } > "$__codebuild_folder/variables"; pwd > "$__codebuild_folder/folder"' EXIT
while IFS= read -r __codebuild_file; do
  . "$__codebuild_file" < /dev/null 9>&-
  printf '\\036%s done %d\\036\\n' "$__codebuild_mark" "$?" >&9
done
trap - EXIT
: > "$__codebuild_folder/ended"
"""


class ShellGone(Exception):
    """The sandbox has ended: stopped, timed out, or killed from inside."""


class Shell:
    """A running shell. `lines` gets every line that commands print, without its end; `cut(data, at)` says where
    before `at` a line that is too long is cut."""

    def __init__(
        self,
        sandbox: Sandbox,
        scratch: Path,
        inside: str,
        name: str,
        lines: Callable[[list[str]], None],
        cut: Callable[[bytes, int], int] = lambda _, at: at,
    ):
        """`scratch` is a folder that the sandbox sees at `inside`; `name`: sh or bash."""
        self._sandbox, self._lines, self._cut = sandbox, lines, cut
        self._folder, self._inside = scratch / "shell", f"{inside}/shell"
        self._mark = os.urandom(12).hex()
        self._events: queue.SimpleQueue = queue.SimpleQueue()
        self._count = 0
        self._killed = False
        self._name = name
        self.process: SandboxProcess | None = None

    def start(self, folder: str) -> None:
        """Start it in `folder` (a path inside). OSError when that is not possible."""
        program = shutil.which(self._name, path="/bin:/usr/bin:/usr/local/bin")
        if program is None:
            raise FileNotFoundError(f"the shell {self._name} is not installed on this machine")
        self._folder.mkdir()
        (self._folder / "agent").write_text(_AGENT)
        (self._folder / "build").write_text(_SHELL)
        self.process = self._sandbox.popen(
            ["/bin/sh", f"{self._inside}/agent", program, f"{self._inside}/build", self._mark, self._inside],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for target in (self._read, self._watch):
            threading.Thread(target=target, name="build-output", daemon=True).start()

    def run(self, command: str) -> int:
        """Run one command to its end; its exit code. `ShellGone` when the sandbox ends instead."""
        self._count += 1
        file = self._folder / str(self._count)
        file.write_text(command + "\n", "utf-8", "surrogateescape")
        path = self._sandbox.inside(f"{self._inside}/{self._count}")
        try:
            self.process.stdin.write(f"{path}\n".encode())
            self.process.stdin.flush()
        except OSError:
            raise ShellGone from None
        kind, code = self._events.get()
        if kind == "gone":
            self._events.put((kind, code))
            raise ShellGone
        return code

    def value(self, expression: str) -> str:
        """What a word of shell language expands to, without printing it."""
        out = f"{self._sandbox.inside(self._inside)}/value"
        code = self.run(f'printf %s "{expression}" > {out}')
        return (self._folder / "value").read_text("utf-8", "replace") if code == 0 else ""

    def kill(self) -> None:
        """End the shell and everything that it started."""
        self._killed = True
        if self.process:
            self.process.kill()

    def _read(self) -> None:
        pipe, rest, mark = self.process.stdout.fileno(), b"", self._mark.encode()
        start = b"\x1e" + mark
        while chunk := os.read(pipe, 65536):
            rest += chunk
            *complete, rest = rest.split(b"\n")
            if len(rest) > MAX_LINE + LONGEST_SECRET:
                at = self._cut(rest, MAX_LINE)
                complete, rest = [*complete, rest[:at]], rest[at:]
            texts: list[bytes] = []
            for line in complete:
                text, found, report = line.partition(start)
                if not found:
                    texts.append(line)
                    continue
                if text:  # a last line without its end
                    texts.append(text)
                self._give(texts)
                texts = []
                kind, code = report.strip(b" \x1e\r").split()
                self._events.put((kind.decode(), int(code)))
            self._give(texts)
        self._give([rest] if rest else [])

    def _watch(self) -> None:
        """The pipe may stay open when process 1 has ended: without namespaces a daemon can hold it."""
        self.process.wait()
        self._events.put(("gone", 0))

    def _give(self, lines: list[bytes]) -> None:
        if self._killed:  # unshare complains when its child is killed before itself
            lines = [line for line in lines if not line.startswith(b"unshare: ")]
        if lines:
            self._lines([line.decode("utf-8", "replace").rstrip("\r") for line in lines])
