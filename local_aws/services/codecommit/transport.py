"""git's smart HTTP protocol, by `git http-backend` as a CGI program (git's manual, "git-http-backend").

Addresses: /v1/repos/NAME for the default region, /v1/regions/REGION/repos/NAME for the others. Every request
carries HTTP Basic credentials as CodeCommit's credential helper gives them: the user name is an access key id,
with `%` and a session token after it for temporary keys; the password is a signature that is not verified here.
"""

import base64
import binascii
import contextlib
import logging
import re
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from local_aws.server.app import LocalAwsApp
from local_aws.services.codecommit.callers import Caller, caller_of
from local_aws.services.codecommit.errors import CodeCommitError
from local_aws.services.codecommit.git import GitError, environment, executable
from local_aws.services.codecommit.pushes import Outbox, read_commands
from local_aws.services.codecommit.repositories import Repositories, Repository

log = logging.getLogger("local_aws")
PREFIX = "/v1/"
_PATH = re.compile(
    r"/v1/(?:regions/(?P<region>[a-z0-9-]+)/)?repos/(?P<name>[\w.-]+)"
    r"/(?P<rest>info/refs|git-upload-pack|git-receive-pack)"
)
_CHUNK = 65536
_HOW = (
    "Give credentials as the credential helper of the AWS CLI does: the user name is an access key id, the "
    "password a signature (local_aws takes any)."
)


class Refused(Exception):
    """An answer other than git's: HTTP status and a sentence, which git shows."""

    def __init__(self, status: str, sentence: str, *headers: tuple[str, str]):
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, list(headers)


def _access_key(environ: dict) -> str:
    scheme, _, value = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    challenge = ("WWW-Authenticate", 'Basic realm="AWS CodeCommit on this machine"')
    if scheme.lower() != "basic":
        raise Refused("401 Unauthorized", f"CodeCommit answers no anonymous request. {_HOW}", challenge)
    try:
        user, colon, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user, colon, password = "", "", ""
    key = user.partition("%")[0]
    if not key or not colon or not password:
        raise Refused(
            "401 Unauthorized", f"These credentials lack a user name or a password. {_HOW}", challenge
        )
    return key


class GitTransport:
    """The WSGI handler of everything below /v1/."""

    def __init__(self, app: LocalAwsApp, repositories: Repositories, outbox: Outbox):
        self.app, self.repositories, self.outbox = app, repositories, outbox
        self._running: set[subprocess.Popen] = set()

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        try:
            return self._answer(environ, start_response)
        except Refused as refused:
            body = f"{refused.sentence}\n".encode()
            headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
            start_response(refused.status, headers + refused.headers)
            return [body]

    def stop(self) -> None:
        """End the git processes that still run."""
        for process in list(self._running):
            with contextlib.suppress(OSError):
                process.kill()

    # -- one request ---------------------------------------------------------------------------------------
    def _answer(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        key = _access_key(environ)
        match = _PATH.fullmatch(environ.get("PATH_INFO", ""))
        if not match:
            raise Refused("404 Not Found", "There is no such address: a repository is at /v1/repos/NAME.")
        region = match["region"] or self.app.region
        caller = caller_of(self.app, key, region)
        try:
            repository = self.repositories.find(match["name"], caller.account, region)
        except CodeCommitError:
            raise Refused(
                "404 Not Found",
                f"Repository {match['name']} does not exist in account {caller.account}, region {region}.",
            ) from None
        query = environ.get("QUERY_STRING", "")
        pushes = "git-receive-pack" in (match["rest"], query.removeprefix("service="))
        action = "GitPush" if pushes else "GitPull"
        if caller.denied(action, repository.arn, None):
            raise Refused(
                "403 Forbidden",
                f"An IAM policy of {caller.arn} denies codecommit:{action} on {repository.arn}.",
            )
        if match["rest"] == "git-receive-pack":
            return self._receive(environ, start_response, repository, caller)
        variables = environment({"http.receivepack": "true"})
        return self._run(environ, start_response, repository, caller, match["rest"], variables)

    def _receive(self, environ: dict, start_response: Callable, repository: Repository, caller: Caller):
        body = environ["wsgi.input"]
        try:
            commands = read_commands(body.read, environ.get("HTTP_CONTENT_ENCODING") in ("gzip", "x-gzip"))
        except ValueError as error:
            raise Refused("400 Bad Request", f"This is no push: {error}.") from None
        body.seek(0)
        lock = self.repositories.pushing(repository)
        lock.acquire()
        changes: Path | None = None
        try:
            variables, changes = self.outbox.environment(repository, caller, commands)
            # Taken whole: the answer to a push is short, and it must not wait for its reader with the lock held.
            return [
                b"".join(
                    self._run(environ, start_response, repository, caller, "git-receive-pack", variables)
                )
            ]
        finally:
            try:
                if changes:
                    self.outbox.settle(changes)
            finally:
                lock.release()

    def _run(
        self,
        environ: dict,
        start_response: Callable,
        repository: Repository,
        caller: Caller,
        rest: str,
        variables: dict[str, str],
    ) -> Iterator[bytes]:
        variables |= {
            "GIT_PROJECT_ROOT": str(repository.git.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{rest}",
            "REQUEST_METHOD": environ["REQUEST_METHOD"],
            "QUERY_STRING": environ.get("QUERY_STRING", ""),
            "CONTENT_TYPE": environ.get("CONTENT_TYPE") or "",
            "CONTENT_LENGTH": environ.get("CONTENT_LENGTH") or "0",
            "REMOTE_USER": caller.arn,
            "REMOTE_ADDR": "127.0.0.1",
        }
        for name in ("HTTP_CONTENT_ENCODING", "HTTP_GIT_PROTOCOL"):
            if value := environ.get(name):
                variables[name] = value
        if protocol := environ.get("HTTP_GIT_PROTOCOL"):
            variables["GIT_PROTOCOL"] = protocol
        try:
            process = subprocess.Popen(
                [executable(), "http-backend"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=variables,
                start_new_session=True,
            )
        except (OSError, GitError) as error:
            raise Refused("500 Internal Server Error", str(error)) from None
        self._running.add(process)
        for target, arguments in ((_feed, (environ["wsgi.input"], process)), (_note_errors, (process,))):
            threading.Thread(target=target, args=arguments, name="git-http", daemon=True).start()
        try:
            status, headers = _read_head(process.stdout)
        except ValueError:
            self._end(process)
            raise Refused("500 Internal Server Error", "git http-backend gave no answer.") from None
        start_response(status, headers)
        return self._stream(process)

    def _stream(self, process: subprocess.Popen) -> Iterator[bytes]:
        try:
            while chunk := process.stdout.read1(_CHUNK):
                yield chunk
            process.wait()
        finally:
            self._end(process)

    def _end(self, process: subprocess.Popen) -> None:
        """Also called when the client has gone: what it wanted to read is of no use any more."""
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        self._running.discard(process)


def _feed(source: Any, process: subprocess.Popen) -> None:
    with contextlib.suppress(OSError, ValueError):
        while chunk := source.read(_CHUNK):
            process.stdin.write(chunk)
    with contextlib.suppress(OSError, ValueError):
        process.stdin.close()


def _note_errors(process: subprocess.Popen) -> None:
    with process.stderr:
        for line in process.stderr:
            log.warning("git http-backend: %s", line.decode("utf-8", "replace").rstrip())


def _read_head(stream: Any) -> tuple[str, list[tuple[str, str]]]:
    """Status line and headers of a CGI answer. ValueError when it ends before them."""
    status, headers = "200 OK", []
    while True:
        line = stream.readline()
        if not line:
            raise ValueError("no CGI header")
        text = line.decode("latin-1").rstrip("\r\n")
        if not text:
            return status, headers
        name, _, value = text.partition(":")
        if name.lower() == "status":
            status = value.strip()
        else:
            headers.append((name, value.strip()))
