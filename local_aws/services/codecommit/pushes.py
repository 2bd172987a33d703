"""What a push may change, and what it has changed.

The commands of a push (old id, new id, reference) stand at the head of its request. Those that are refused go,
with their reasons, into a file that the repository's `update` hook reads: git tells the reason to the client, and
the push's other references still move. The `post-receive` hook leaves what changed in the folder `outbox`, from
where it is announced; so a push whose server was killed is announced at the next start.
"""

import json
import logging
import threading
import time
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local_aws.services.codecommit.callers import Caller
from local_aws.services.codecommit.git import ZERO, environment
from local_aws.services.codecommit.names import reference_problem
from local_aws.services.codecommit.repositories import Repositories, Repository

log = logging.getLogger("local_aws")
_MOST_COMMANDS = 4 * 2**20  # bytes of commands; git's own limit of a line is 65520

_UPDATE = """#!/bin/sh
# A line of the file for each reference that this push may not change: its name, a space, the reason.
[ -s "$LOCAL_AWS_REFUSED" ] || exit 0
while read -r reference reason; do
  if [ "$reference" = "$1" ]; then
    echo "$reason" >&2
    exit 1
  fi
done < "$LOCAL_AWS_REFUSED"
exit 0
"""
_POST_RECEIVE = """#!/bin/sh
# Who pushed, then a line for each reference that changed: old id, new id, name.
{ printf '%s\\n' "$LOCAL_AWS_PUSH"; cat; } > "$LOCAL_AWS_CHANGES.part" &&
  mv "$LOCAL_AWS_CHANGES.part" "$LOCAL_AWS_CHANGES"
"""


@dataclass(frozen=True)
class Command:
    """One reference that a push wants to change; `ZERO` as `old`: to create it, as `new`: to delete it."""

    old: str
    new: str
    reference: str


def read_commands(read: Callable[[int], bytes], compressed: bool = False) -> list[Command]:
    """The commands at the head of a git-receive-pack request (git's "pack-protocol", reference update request).

    ValueError for a request that has none in this form.
    """
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32) if compressed else None
    data, commands, total = b"", [], 0

    def take(count: int) -> bytes:
        nonlocal data, total
        while len(data) < count:
            chunk = read(8192)
            if not chunk:
                raise ValueError("the request ends before its commands do")
            data += inflate.decompress(chunk) if inflate else chunk
        piece, data = data[:count], data[count:]
        total += count
        if total > _MOST_COMMANDS:
            raise ValueError("the request has too many commands")
        return piece

    while True:
        try:
            length = int(take(4), 16)
        except zlib.error as error:
            raise ValueError(f"the request is not gzip: {error}") from None
        if length == 0:
            return commands
        if length < 4:
            raise ValueError("the request is not in git's packet format")
        line = take(length - 4).split(b"\0", 1)[0].decode("utf-8", "surrogateescape").rstrip("\n")
        if line.startswith("shallow "):
            continue
        parts = line.split(" ", 2)
        if len(parts) != 3:
            raise ValueError("the request has a command that git-receive-pack does not know")
        commands.append(Command(*parts))


def problem(repository: Repository, caller: Caller, command: Command) -> str | None:
    """Why this command is refused, in a sentence for the git client; None when it is not."""
    reference, deletes = command.reference, command.new == ZERO
    if found := reference_problem(reference, deletes):
        return found
    if deletes and reference == f"refs/heads/{repository.default_branch()}":
        return (
            f"{reference} is refused: it is the default branch of {repository.name}, which cannot be deleted. "
            "Make another branch the default first (UpdateDefaultBranch)."
        )
    if caller.denied("GitPush", repository.arn, reference):
        return (
            f"{reference} is refused: an IAM policy of {caller.arn} denies codecommit:GitPush for this "
            "reference. Push to another branch."
        )
    return None


class Outbox:
    """The folder of what pushes have changed and what is still to be announced."""

    def __init__(self, repositories: Repositories):
        self.repositories = repositories
        self.folder = repositories.root / "outbox"
        self.hooks = repositories.root / "hooks"
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Write the hooks, which every repository shares, and announce what is left of the last server."""
        for folder in (self.folder, self.hooks):
            folder.mkdir(parents=True, exist_ok=True)
        for name, text in (("update", _UPDATE), ("post-receive", _POST_RECEIVE)):
            file = self.hooks / name
            file.write_text(text, "utf-8")
            file.chmod(0o755)
        for file in self.folder.glob("*.refused"):
            file.unlink()
        self._announce_all()

    def environment(
        self, repository: Repository, caller: Caller, commands: list[Command]
    ) -> tuple[dict[str, str], Path]:
        """Variables for git-http-backend that receives these commands, and the file of what it changed."""
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        refused, changes = self.folder / f"{name}.refused", self.folder / f"{name}.push"
        reasons = [(c.reference, problem(repository, caller, c)) for c in commands]
        text = "".join(f"{reference} {reason}\n" for reference, reason in reasons if reason)
        refused.write_text(text, "utf-8", "surrogateescape")
        push = {
            "account": repository.account,
            "region": repository.region,
            "id": repository.id,
            "caller": caller.arn,
        }
        variables = environment(
            {
                "core.hooksPath": str(self.hooks),
                "http.receivepack": "true",
                "receive.denyDeleteCurrent": "ignore",  # the update hook says it better
            },
            LOCAL_AWS_REFUSED=str(refused),
            LOCAL_AWS_CHANGES=str(changes),
            LOCAL_AWS_PUSH=json.dumps(push),
        )
        return variables, changes

    def settle(self, changes: Path) -> None:
        """After git has ended: announce what it changed, and whatever could not be announced before.

        Never fails, for the push has succeeded: what a full disk does not take now stays in the outbox.
        """
        changes.with_suffix(".refused").unlink(missing_ok=True)
        self._announce_all()

    def _announce_all(self) -> None:
        for file in sorted(self.folder.glob("*.push")):
            try:
                self.announce(file)
            except Exception:
                log.exception("the push %s is not announced yet", file.stem)

    def announce(self, file: Path) -> None:
        """Emit the events of one push. Each is on disk before the file goes: none is lost, whatever happens."""
        with self._lock:
            if not file.exists():  # another push's thread was faster
                return
            head, *lines = file.read_text("utf-8", "surrogateescape").splitlines()
            push = json.loads(head)
            repository = self.repositories.by_id(push["id"], push["account"], push["region"])
            if repository is not None:  # else it was deleted meanwhile
                repository.adopt_default()
                for line in lines:
                    old, new, reference = line.split(" ", 2)
                    repository.announce(self.repositories.app, reference, old, new, push["caller"])
            file.unlink()
