"""Start, find and stop the server process of a home."""

import contextlib
import fcntl
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil

from local_aws.config import ACCOUNT_ID, DEFAULT_REGION, LocalAwsError, Settings, load_settings

START_SECONDS = 60.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy of the caller


@dataclass(frozen=True)
class LocalAws:
    """A running server. `endpoint_url`: `http://127.0.0.1:PORT`; `home`: its folder; `pid`: its process."""

    endpoint_url: str
    region: str
    account_id: str
    home: Path
    pid: int


def control(endpoint_url: str, action: str, method: str = "GET", timeout: float = 5.0) -> dict:
    """Ask the server's control path. Raises OSError when nobody (or somebody else) answers."""
    request = urllib.request.Request(f"{endpoint_url}/_local_aws/{action}", method=method)
    try:
        with _OPENER.open(request, timeout=timeout) as answer:
            return json.load(answer)
    except (urllib.error.HTTPError, http.client.HTTPException, ValueError) as error:
        raise OSError(f"{endpoint_url} does not answer like local_aws") from error


def _locked(home: Path) -> bool:
    """True when a live server holds the home's lock."""
    try:
        with (home / "server.lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def find(home: Path) -> LocalAws | None:
    """The server of this home if it runs and answers, else None. A record left by a dead one does not
    count."""
    try:
        record = json.loads((home / "server.json").read_text("utf-8"))
        if not _locked(home):
            return None
        health = control(record["endpoint_url"], "health")
    except (OSError, ValueError, KeyError):
        return None
    if health.get("home") != str(home):
        return None
    return LocalAws(
        endpoint_url=record["endpoint_url"],
        region=record.get("region", DEFAULT_REGION),
        account_id=record.get("account_id", ACCOUNT_ID),
        home=home,
        pid=health["pid"],
    )


def _holder(port: int) -> str:
    """Who listens on the port, in words."""
    with contextlib.suppress(OSError):
        other = control(f"http://127.0.0.1:{port}", "health", timeout=2)
        return f"the local AWS of {other['home']} (pid {other['pid']})"
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f"{process.name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return "another process"


def check_port(port: int) -> None:
    """Raise `LocalAwsError` naming port, holder and remedy when 127.0.0.1:port cannot be listened on."""
    if port == 0:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise LocalAwsError(
                f"Port {port} is reserved for the system. Choose one above 1023: set LOCAL_AWS_PORT or "
                "pass --port."
            ) from None
        except OSError:
            raise LocalAwsError(
                f"Port {port} is in use by {_holder(port)}. Stop it, or choose another port: set "
                "LOCAL_AWS_PORT, "
                "port in [tool.local_aws] of pyproject.toml, or pass --port."
            ) from None


def _check_room(home: Path, size: int = 2**20) -> None:
    """Raise `LocalAwsError` when `size` bytes cannot be written to the home.

    On a full disk the server would end without a word, since its log has no room either.
    """
    probe = home / "room.probe"
    try:
        (home / "logs").mkdir(parents=True, exist_ok=True)
        probe.write_bytes(bytes(size))
    except OSError as error:
        raise LocalAwsError(
            f"The home {home} cannot be written ({error.strerror}). Make room there, or choose another with "
            "LOCAL_AWS_HOME."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


def _spawn(settings: Settings) -> LocalAws:
    home = settings.home
    check_port(settings.port)
    _check_room(home)
    log_file = home / "logs" / "server.log"
    keep = (
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "PYTHONPATH",
        "LD_LIBRARY_PATH",
        "VIRTUAL_ENV",
    )
    env = {k: v for k, v in os.environ.items() if k in keep or k.startswith("LOCAL_AWS_")}
    with log_file.open("ab") as out:
        offset = out.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "local_aws.server", "--home", str(home), "--port", str(settings.port)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=home,
            env=env,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        local = find(home)
        if local:
            return local
        if process.poll() is not None:
            with log_file.open("rb") as text:
                text.seek(offset)
                said = text.read().decode("utf-8", "replace").strip().splitlines()
            raise LocalAwsError(
                f"The local AWS did not start: {said[-1] if said else 'no message'}. More in {log_file}."
            )
        time.sleep(0.02)
    process.terminate()
    raise LocalAwsError(f"The local AWS did not answer within {START_SECONDS:.0f} seconds. See {log_file}.")


def ensure_started(home: Path | str | None = None, port: int | None = None, quiet: bool = False) -> LocalAws:
    """The running server of this home; starts a detached one if there is none.

    Prints one line when it starts it (unless `quiet`). Safe to call from several processes at once: one
    starts it, the others wait. Raises `LocalAwsError` with the remedy when it cannot start.
    """
    settings = load_settings(home, port)
    local = find(settings.home)
    if local:
        return local
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        gate = (settings.home / "start.lock").open("w")
    except OSError as error:
        raise LocalAwsError(
            f"The home {settings.home} cannot be written ({error.strerror}). Choose another with "
            "LOCAL_AWS_HOME."
        ) from error
    with gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        local = find(settings.home)
        if local:
            return local
        _wait_for_lock(settings.home)
        local = _spawn(settings)
    if not quiet:
        print(
            f"Started the local AWS at {local.endpoint_url} (pid {local.pid}); its state is in {local.home}."
        )
    return local


def _wait_for_lock(home: Path, seconds: float = 20.0) -> None:
    """A server that is just ending still holds the home: wait for it."""
    deadline = time.monotonic() + seconds
    while _locked(home):
        if time.monotonic() > deadline:
            raise LocalAwsError(
                f"A local AWS holds {home} but does not answer. See {home / 'logs' / 'server.log'}."
            )
        time.sleep(0.02)


def stop(home: Path, seconds: float = 30.0) -> bool:
    """Stop the server of this home and all that it started. False when none was running."""
    local = find(home)
    if local is None:
        return False
    try:
        process = psutil.Process(local.pid)
        family = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return True
    with contextlib.suppress(OSError):
        control(local.endpoint_url, "stop", method="POST")
    try:
        process.wait(seconds)
    except psutil.TimeoutExpired:
        family += process.children(recursive=True)
        process.kill()
        process.wait(5)
    for child in family:
        with contextlib.suppress(psutil.Error):
            child.kill()
    psutil.wait_procs(family, 5)
    return True


_OURS = ("s3", "jobs", "images", "logs", "endpoints")


def reset(home: Path) -> bool:
    """Stop the server of this home and remove what it keeps there; True when one was running.

    Only what a local AWS makes is removed: a home that holds other files keeps them.
    """
    stopped = stop(home)
    _wait_for_lock(home)
    for name in _OURS:
        shutil.rmtree(home / name, ignore_errors=True)
    for file in [*home.glob("state.sqlite3*"), home / "server.json", home / "sagemaker-sdk-config.yaml"]:
        with contextlib.suppress(OSError):
            file.unlink()
    left = [
        path for path in (*(home / name for name in _OURS), *home.glob("state.sqlite3*")) if path.exists()
    ]
    if left:
        raise LocalAwsError(
            f"{left[0]} cannot be removed. Is the disk read-only, or the file another user's?"
        )
    return stopped
