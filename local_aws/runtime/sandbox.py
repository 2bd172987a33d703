"""Run a container's command with its folder at /opt/ml, without a container engine.

Preferred: Linux namespaces through `unshare` of util-linux. The command sees its folder at the mount point,
a host name and /etc/hosts of its own, and is process 1 of its own process namespace, so that ending it ends
all that it started, also when the server is killed. Needs no root, but a kernel that lets users make user
namespaces.

Fallback: the mount point's path is rewritten to the folder's real path in the command, its environment and
its scripts. `LOCAL_AWS_SANDBOX=paths` forces it, `LOCAL_AWS_SANDBOX=namespaces` forbids it.
"""

import contextlib
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import psutil

log = logging.getLogger("local_aws")
_BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REWRITE_LIMIT = 2**20
# A parent-death signal comes when the *thread* that forked ends: all forks happen in one thread that never ends.
_spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")


def _tool(name: str) -> str | None:
    return shutil.which(name, path=_BASE_PATH)


def _probe(flags: Sequence[str], script: str) -> bool:
    unshare = _tool("unshare")
    if unshare is None:
        return False
    try:
        done = subprocess.run(
            [unshare, *flags, "--", "/bin/sh", "-ec", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            env={"PATH": _BASE_PATH},
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@cache
def namespace_flags() -> tuple[str, ...] | None:
    """The `unshare` flags that work on this machine, best first; None when paths must be rewritten."""
    wish = os.environ.get("LOCAL_AWS_SANDBOX", "auto")
    if wish == "paths":
        return None
    if not (Path("/opt").is_dir() and Path("/mnt").is_dir()):
        log.warning("this machine has no /opt and /mnt: jobs run with rewritten paths")
        return None
    base = ["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
    user = ["--user", "--map-root-user"]
    check = (
        "mount -n -t tmpfs none /mnt && mkdir /mnt/ml && mount -n --bind /tmp /mnt/ml && "
        "mount -n --bind /dev/null /etc/hosts && mount -n --move /mnt /opt && hostname algo-1"
    )
    for flags in (user + base, base, [f for f in user + base if f != "--ipc"]):
        for proc in (["--mount-proc"], []):
            if _probe(flags + proc, check):
                return tuple(flags + proc)
    if wish == "namespaces":
        raise RuntimeError("LOCAL_AWS_SANDBOX=namespaces, but this machine allows no mount namespaces")
    log.warning(
        "this machine allows no mount namespaces: jobs run with rewritten paths instead of a real /opt/ml"
    )
    return None


def describe() -> str:
    """How commands run here, in one line."""
    flags = namespace_flags()
    return f"namespaces ({' '.join(flags)})" if flags else "rewritten paths (no namespaces)"


class SandboxProcess:
    """A running command. `stdout` is a binary pipe when asked for; `wait` and `poll` give the exit status
    (negative for a signal, as in `subprocess`)."""

    def __init__(self, process: subprocess.Popen, namespaced: bool):
        self._process, self._namespaced = process, namespaced
        self.pid = process.pid
        self.stdout = process.stdout
        self.stderr, self.stdin = process.stderr, process.stdin
        if not namespaced:
            threading.Thread(target=self._end_group, daemon=True).start()

    def _end_group(self) -> None:
        """Without a process namespace: what the command leaves behind ends with it, and lets go of its
        pipes."""
        self._process.wait()
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def poll(self) -> int | None:
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        return self._process.wait(timeout)

    def _first(self) -> psutil.Process | None:
        """Process 1 of the container: what a container engine would signal."""
        if self.returncode is not None:  # its number may be another process's by now
            return None
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if not self._namespaced:
                return process
            children = process.children()
            return children[0] if children else None
        return None

    def handles_term(self) -> bool:
        """True when process 1 has a handler for SIGTERM (without one, process 1 ignores it, as in a
        container)."""
        first = self._first()
        try:
            status = Path(f"/proc/{first.pid}/status").read_text() if first else ""
        except OSError:
            return False
        caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.M)
        return bool(caught) and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)

    def terminate(self) -> None:
        """SIGTERM to process 1."""
        with contextlib.suppress(psutil.Error):
            if first := self._first():
                first.terminate()

    def kill(self) -> None:
        """End the whole tree at once; nothing when it has ended and been waited for."""
        if self.returncode is not None:
            return
        family = []
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            family = [*process.children(recursive=True), process]
        for member in family:
            with contextlib.suppress(psutil.Error):
                member.kill()

    def stop(self, grace: float) -> int:
        """SIGTERM, `grace` seconds if it listens to that, then SIGKILL; the exit status."""
        if self.handles_term():
            self.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(grace)
        if self.poll() is None:
            self.kill()
        return self.wait()


class Sandbox:
    """A place to run commands in.

    `job_dir`: the folder seen at `mount_at`. `hostname`: name of the host inside. `hosts`: names that
    resolve to this machine (the job's hosts). `env`: the whole environment of the command. `binds`: further
    folders, as {path inside: folder}; their parent must be `mount_at`'s parent (/opt). `code`: folders
    below `job_dir` whose text files may be rewritten in the fallback. `network`: False leaves only a
    loopback that is down.
    """

    def __init__(
        self,
        job_dir: Path,
        mount_at: str = "/opt/ml",
        hostname: str = "algo-1",
        env: Mapping[str, str] | None = None,
        hosts: Sequence[str] = (),
        binds: Mapping[str, Path] | None = None,
        code: Sequence[str] = (),
        network: bool = True,
    ):
        self.job_dir, self.mount_at, self.hostname = Path(job_dir).resolve(), mount_at, hostname
        self.env, self.hosts = dict(env or {}), tuple(hosts) or (hostname,)
        self.binds = {k: Path(v).resolve() for k, v in (binds or {}).items()}
        self.code, self.network = tuple(code), network
        self._lock = threading.Lock()
        self._rewritten = False

    @property
    def namespaced(self) -> bool:
        return namespace_flags() is not None

    def inside(self, path: str) -> str:
        """Where `path` (below `mount_at` or a bind) is for the command: itself, or its real path in the
        fallback."""
        return path if self.namespaced else self._translate(path)

    def popen(self, argv: Sequence[str], cwd: str | None = None, **popen: Any) -> SandboxProcess:
        """Start `argv` in the sandbox, in `cwd` (a path inside; default `mount_at`). `popen`: stdout,
        stderr, stdin.

        The command ends when this server ends. OSError when it cannot be started at all.
        """
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.update(start_new_session=True, close_fds=True)
        cwd = cwd or self.mount_at
        setpriv = _tool("setpriv")
        head = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        flags = namespace_flags()
        if flags:
            if not self.network:
                flags = (*flags, "--net")
            command = [
                *head,
                _tool("unshare"),
                *flags,
                "--",
                "/bin/sh",
                "-ec",
                self._script(cwd),
                "sandbox",
                *argv,
            ]
            popen.update(env=self.env, cwd="/")
        else:
            with self._lock:
                if not self._rewritten:
                    self._rewrite_files()
                    self._rewritten = True
            command = [*head, *(self._translate(a) for a in argv)]
            env = {k: self._translate(v) for k, v in self.env.items()}
            popen.update(env=env, cwd=self._translate(cwd))
            if not head and not shutil.which(command[0], path=env.get("PATH")):
                raise FileNotFoundError(command[0])
        process = _spawner.submit(subprocess.Popen, command, **popen).result()
        return SandboxProcess(process, bool(flags))

    def _mounts(self) -> dict[str, Path]:
        return {self.mount_at: self.job_dir, **self.binds}

    # -- namespaces ----------------------------------------------------------------------------------------
    def _script(self, cwd: str) -> str:
        """Shell lines, run as process 1 inside the new namespaces, that end by becoming the command."""
        top = Path("/", *Path(self.mount_at).parts[1:2])
        q = shlex.quote
        stage = self.job_dir.parent / f".stage-{self.hostname}"
        stage.mkdir(exist_ok=True)
        hosts = self.job_dir.parent / f".hosts-{self.hostname}"
        names = " ".join(dict.fromkeys((*self.hosts, self.hostname)))
        hosts.write_text(f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.0.1 {names}\n")
        mounts = {stage / Path(inside).relative_to(top): folder for inside, folder in self._mounts().items()}
        taken = {target.relative_to(stage).parts[0] for target in mounts}
        links = []
        for child in sorted(top.iterdir()):
            if child.name in taken:
                continue
            if child.is_symlink():
                links.append(f"ln -s {q(os.readlink(child))} {q(str(stage / child.name))}")
            elif child.is_dir():
                mounts[stage / child.name] = child
        lines = [  # few commands: each costs a millisecond of every job's start
            f"mount -n -t tmpfs -o mode=755 none {q(str(stage))}",
            "mkdir -p " + " ".join(q(str(target)) for target in mounts),
            *links,
            *(f"mount -n --rbind {q(str(folder))} {q(str(target))}" for target, folder in mounts.items()),
        ]
        lines += [
            f"mount -n --bind {q(str(hosts))} /etc/hosts",
            f"mount -n --move {q(str(stage))} {q(str(top))}",
            # the file spares a process, but is root's also inside a user namespace
            f"echo {q(self.hostname)} > /proc/sys/kernel/hostname"
            if os.geteuid() == 0
            else f"hostname {q(self.hostname)}",
            f"cd {q(cwd)}",
            'exec "$@"',
        ]
        prefix = f"LAB_PATH=$PATH; PATH={_BASE_PATH}; "
        restore = "PATH=$LAB_PATH; unset LAB_PATH; "
        return prefix + "\n".join(lines[:-1]) + "\n" + restore + lines[-1]

    # -- rewritten paths -----------------------------------------------------------------------------------
    def _translate(self, text: str) -> str:
        for inside, folder in (*self.binds.items(), (self.mount_at, self.job_dir)):
            text = re.sub(
                rf"(?<![\w./-]){re.escape(inside)}(?![\w-])", str(folder).replace("\\", r"\\"), text
            )
        return text

    def _rewrite_files(self) -> None:
        for part in self.code:
            root = self.job_dir / part
            for path in list(root.rglob("*")) if root.is_dir() else [root]:
                if not path.is_file() or path.is_symlink():
                    continue
                if path.name == "sourcedir.tar.gz":  # the SDK's bundle, unpacked by the container itself
                    self._rewrite_bundle(path)
                elif path.stat().st_size <= _REWRITE_LIMIT:
                    self._rewrite_file(path)

    def _rewrite_file(self, path: Path) -> None:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            return
        changed = self._translate(text)
        if changed != text:
            path.write_text(changed, "utf-8")

    def _rewrite_bundle(self, path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=self.job_dir.parent) as folder:
            try:
                with tarfile.open(path) as tar:
                    tar.extractall(folder, filter="data")
            except tarfile.TarError:
                return  # the container will say so
            for file in Path(folder).rglob("*"):
                if file.is_file() and not file.is_symlink() and file.stat().st_size <= _REWRITE_LIMIT:
                    self._rewrite_file(file)
            with tarfile.open(path, "w:gz") as tar:
                for child in sorted(Path(folder).iterdir()):
                    tar.add(child, child.name)
