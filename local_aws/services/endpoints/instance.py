"""One instance of a variant: a server process in a sandbox, kept alive, and the pooled connections to it."""

import contextlib
import http.client
import logging
import os
import select
import shutil
import subprocess
import threading
import time
from collections import deque
from pathlib import Path
from secrets import token_hex

from local_aws import serving
from local_aws.config import ACCOUNT_ID, DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY
from local_aws.runtime import images
from local_aws.runtime.sandbox import Sandbox

from . import containers

log = logging.getLogger("local_aws")

MODEL_TIMEOUT = 60.0  # seconds a model may take for one request (InvokeEndpoint's documentation)
STOP_GRACE = 5.0
LAUNCHER = 'import runpy\nrunpy.run_module("local_aws_serving", run_name="__main__", alter_sys=True)\n'


class ModelTimeout(Exception):
    """The container did not answer within `MODEL_TIMEOUT`."""


class InstanceGone(Exception):
    """The container closed the connection without an answer."""


class NotReached(Exception):
    """No container took the request: it can go to another instance."""


class Instance:
    """`folder`: where the instance's files are laid out; removed by `stop`. `group`: the log group of its
    output, in the stream VARIANT/INSTANCE. `place`: account and region."""

    def __init__(self, app, variant: str, container: dict, folder: Path, place: tuple[str, str], group: str):
        self.app, self.variant, self.container = app, variant, container
        self.account, self.region = place
        self.id = f"i-{token_hex(8)}"
        self.folder = folder / f"{variant}-{self.id}"
        self.tail: deque[str] = deque(maxlen=40)
        self.failure: str | None = None  # why it did not come up, if it was not its server that said so
        self.busy = 0  # requests under way
        self._count = threading.Lock()
        self.log_stream = (group, f"{variant}/{self.id}")
        self._log = app.logs(*self.log_stream, self.region, self.account)
        self._port: int | None = None
        self._pool: deque[http.client.HTTPConnection] = deque()
        self._process = None
        self._ever_ready = False
        self._settled = threading.Event()  # ready for the first time, or failed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"instance-{self.id}", daemon=True)

    # -- life -----------------------------------------------------------------------------------------------
    def start(self) -> None:
        self._thread.start()

    @property
    def ready(self) -> bool:
        return self._port is not None

    @property
    def settled(self) -> bool:
        """True once it was ready, or has failed to become so."""
        return self._settled.is_set()

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process else None

    def wait_settled(self, timeout: float) -> bool:
        """True when /ping answers within `timeout` seconds; False when it failed or was too slow."""
        return self._settled.wait(timeout) and self.ready

    def stop(self) -> None:
        """End the process and remove the files. May be called twice."""
        self._stopping.set()
        process = self._process
        if process is not None:
            with contextlib.suppress(Exception):
                process.stop(STOP_GRACE)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(STOP_GRACE + 5)
        self._forget_connections()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self) -> None:
        try:
            sandbox, argv = self._prepare()
            pause = 0.5
            while not self._stopping.is_set():
                began = time.monotonic()
                status = self._run_once(sandbox, argv)
                if self._stopping.is_set():
                    return
                if not self._ever_ready:
                    self._say(f"The container ended with exit status {status}.")
                    return
                pause = 0.5 if time.monotonic() - began > 60 else min(pause * 2, 30)
                self._say(f"The container ended with exit status {status}; it is started again.")
                self._stopping.wait(pause)
        except containers.ArtifactError as error:
            self.failure = str(error)
        except images.ImageError as error:
            self.failure = str(error)
        except Exception as error:
            log.exception("instance %s failed", self.id)
            self.failure = f"local_aws: {error!r}"
        finally:
            self._port = None
            if self.failure:
                self._say(self.failure)
            self._settled.set()
            with contextlib.suppress(Exception):
                self._log.flush()

    def _prepare(self) -> tuple[Sandbox, list[str]]:
        image = images.resolve(self.container["Image"])
        job, scratch = self.folder / "ml", self.folder / "job"
        containers.lay_out(self.app, self.container, job / "model")
        scratch.mkdir()
        environment = images.make_overlay(image, self.app.home, scratch)
        package = Path(serving.__file__).parent
        server = scratch / "server"
        shutil.copytree(
            package, server / "local_aws_serving", ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
        (server / "serve.py").write_text(LAUNCHER, "utf-8")
        environment.update(
            AWS_REGION=self.region,
            AWS_DEFAULT_REGION=self.region,
            AWS_ENDPOINT_URL=self.app.endpoint_url,
            AWS_ACCESS_KEY_ID=DUMMY_ACCESS_KEY if self.account == ACCOUNT_ID else self.account,
            AWS_SECRET_ACCESS_KEY=DUMMY_SECRET_KEY,
            AWS_EC2_METADATA_DISABLED="true",
            SAGEMAKER_REGION=self.region,
            SAGEMAKER_CONTAINER_LOG_LEVEL="20",
        )
        environment.update({name: str(value) for name, value in self.container["Environment"].items()})
        sandbox = Sandbox(
            job,
            hostname="container-0.local",
            env=environment,
            binds={images.INSIDE: scratch},
            code=["model/code"],
        )
        argv = [
            "python3",
            f"{images.INSIDE}/server/serve.py",
            "--kind",
            containers.serving_kind(image.repository),
            "--base-dir",
            "/opt/ml",
            "--port-file",
            f"{images.INSIDE}/port",
        ]
        return sandbox, argv

    def _run_once(self, sandbox: Sandbox, argv: list[str]) -> int:
        port_file = self.folder / "job" / "port"
        port_file.unlink(missing_ok=True)
        process = sandbox.popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._process = process
        if self._stopping.is_set():  # `stop` may have looked before there was a process
            process.kill()
        rest = b""
        descriptor = process.stdout.fileno()
        while True:
            readable, _, _ = select.select([descriptor], [], [], 1.0 if self.ready else 0.03)
            if readable:
                chunk = os.read(descriptor, 65536)
                if not chunk:
                    break
                *lines, rest = (rest + chunk).split(b"\n")
                if lines:
                    self._say(*(line.decode("utf-8", "replace").rstrip("\r") for line in lines))
            elif process.poll() is not None:
                break
            if not self.ready and port_file.exists():
                self._come_up(int(port_file.read_text("ascii")))
        if rest:
            self._say(rest.decode("utf-8", "replace"))
        self._port = None
        self._forget_connections()
        status = process.wait()
        process.stdout.close()
        return status

    def _come_up(self, port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/ping")
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return
        if answer.status == 200:
            self._pool.append(connection)
            self._port = port
            self._ever_ready = True
            self._settled.set()

    def _say(self, *lines: str) -> None:
        self.tail.extend(lines)
        try:
            self._log.write(list(lines))
        except Exception:
            log.exception("the log of instance %s cannot be written", self.id)

    # -- requests -------------------------------------------------------------------------------------------
    def invoke(
        self, body: bytes, headers: dict[str, str], timeout: float = MODEL_TIMEOUT
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """POST /invocations; status, headers and body. `ModelTimeout`, `InstanceGone`, `NotReached`."""
        with self._count:
            self.busy += 1
        try:
            return self._post(body, headers, timeout)
        finally:
            with self._count:
                self.busy -= 1

    def _post(
        self, body: bytes, headers: dict[str, str], timeout: float
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        sent = False
        while True:
            port = self._port
            if port is None:
                raise InstanceGone if sent else NotReached
            connection, fresh = self._connection(port, timeout)
            try:
                connection.request("POST", "/invocations", body=body, headers=headers)
                answer = connection.getresponse()
                data = answer.read()
            except TimeoutError:
                connection.close()
                raise ModelTimeout from None
            except ConnectionRefusedError:
                self._port = None  # it has just ended; the thread that watches it will see
                raise (InstanceGone if sent else NotReached) from None
            except (OSError, http.client.HTTPException):
                connection.close()
                if fresh:
                    raise InstanceGone from None
                sent = True
                self._forget_connections()  # a kept one that the server had closed: once more on a new one
                continue
            if answer.will_close:
                connection.close()
            else:
                self._pool.append(connection)
            return answer.status, answer.headers, data

    def _connection(self, port: int, timeout: float) -> tuple[http.client.HTTPConnection, bool]:
        with contextlib.suppress(IndexError):
            connection = self._pool.pop()
            if connection.port == port and connection.sock is not None:
                connection.sock.settimeout(timeout)
                return connection, False
            connection.close()
        return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout), True

    def _forget_connections(self) -> None:
        while self._pool:
            with contextlib.suppress(IndexError):
                self._pool.pop().close()
