"""The repositories: their records in moto's backend, their git data in folders of the local AWS's home."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from moto.codecommit.models import CodeCommit, CodeCommitBackend
from moto.core.utils import unix_time

from local_aws.config import ACCOUNT_ID, DEFAULT_REGION
from local_aws.server.app import LocalAwsApp
from local_aws.services.codecommit.errors import CodeCommitError
from local_aws.services.codecommit.git import ZERO, Git, GitError, create


class Repository:
    """One repository: `record` is its metadata (plain data, in moto's backend), `git` its bare repository."""

    def __init__(self, account: str, region: str, record: dict[str, Any], folder: Path):
        self.account, self.region, self.record = account, region, record
        self.git = Git(folder)

    @property
    def name(self) -> str:
        return self.record["repositoryName"]

    @property
    def id(self) -> str:
        return self.record["repositoryId"]

    @property
    def arn(self) -> str:
        return self.record["Arn"]

    def default_branch(self) -> str | None:
        """The default branch's name; None as long as the repository has no branch."""
        name = self.git.default_branch()
        return name if self.git.peel(f"refs/heads/{name}") else None

    def adopt_default(self) -> None:
        """The first branch of a repository becomes its default branch, whatever its name."""
        if self.default_branch() is None and (branches := self.git.references("refs/heads/")):
            first = "main" if "main" in branches else next(iter(branches))
            self.git.run("symbolic-ref", "HEAD", f"refs/heads/{first}")

    def announce(self, app: LocalAwsApp, reference: str, old: str, new: str, caller_arn: str) -> None:
        """Emit `CodeCommit Repository State Change` for one changed reference (User Guide, "Monitoring
        CodeCommit events in Amazon EventBridge")."""
        from local_aws.services.events import emit

        kind = "tag" if reference.startswith("refs/tags/") else "branch"
        event = (
            "referenceCreated" if old == ZERO else "referenceDeleted" if new == ZERO else "referenceUpdated"
        )
        detail = {
            "callerUserArn": caller_arn,
            "event": event,
            "repositoryName": self.name,
            "repositoryId": self.id,
            "referenceType": kind,
            "referenceName": reference.split("/", 2)[2],
            "referenceFullName": reference,
        }
        if new != ZERO:  # of an annotated tag: the commit that it names
            detail["commitId"] = (self.git.peel(new) if kind == "tag" else None) or new
        if old != ZERO:
            detail["oldCommitId"] = (self.git.peel(old) if kind == "tag" else None) or old
        emit(
            app,
            source="aws.codecommit",
            detail_type="CodeCommit Repository State Change",
            detail=detail,
            resources=[self.arn],
            account=self.account,
            region=self.region,
        )


class Repositories:
    """All of them. Methods that read or change records take the app's lock."""

    def __init__(self, app: LocalAwsApp):
        self.app = app
        self.root = app.home / "codecommit"
        self._locks: dict[str, threading.Lock] = {}

    def pushing(self, repository: Repository) -> threading.Lock:
        """Held while a push changes the repository: its events come in the order of the changes."""
        with self.app.lock:
            return self._locks.setdefault(repository.id, threading.Lock())

    def _backend(self, account: str, region: str) -> CodeCommitBackend:
        return self.app.backend("codecommit", account, region)

    def _open(self, account: str, region: str, item: CodeCommit) -> Repository:
        record = item.repository_metadata
        return Repository(account, region, record, self.root / f"{record['repositoryId']}.git")

    def find(self, name: str, account: str = ACCOUNT_ID, region: str = DEFAULT_REGION) -> Repository:
        """`RepositoryDoesNotExistException` when there is none."""
        with self.app.lock:
            item = self._backend(account, region).repositories.get(name)
            if item is None:
                raise CodeCommitError("RepositoryDoesNotExistException", f"{name} does not exist")
            return self._open(account, region, item)

    def by_id(self, identifier: str, account: str, region: str) -> Repository | None:
        with self.app.lock:
            for item in self._backend(account, region).repositories.values():
                if item.repository_metadata["repositoryId"] == identifier:
                    return self._open(account, region, item)
        return None

    def all(self, account: str, region: str) -> Iterator[Repository]:
        with self.app.lock:
            items = list(self._backend(account, region).repositories.values())
        return (self._open(account, region, item) for item in items)

    def create(
        self, name: str, description: str, tags: dict[str, str], account: str, region: str
    ) -> Repository:
        with self.app.lock:
            backend = self._backend(account, region)
            if name in backend.repositories:
                raise CodeCommitError(
                    "RepositoryNameExistsException", f"Repository named {name} already exists"
                )
            item = CodeCommit(account, region, description, name)
            item.repository_metadata.update(creationDate=unix_time(), lastModifiedDate=unix_time())
            item.tags = dict(tags)
            repository = self._open(account, region, item)
            try:
                create(repository.git.folder)
            except GitError as error:
                raise CodeCommitError("RepositoryNotCreated", f"{error}") from None
            backend.repositories[name] = item
            return repository

    def rename(self, old: str, new: str, account: str, region: str) -> None:
        with self.app.lock:
            self.find(old, account, region)
            backend = self._backend(account, region)
            if new in backend.repositories:
                raise CodeCommitError(
                    "RepositoryNameExistsException", f"Repository named {new} already exists"
                )
            item = backend.repositories.pop(old)
            record = item.repository_metadata
            record["repositoryName"] = new
            record["Arn"] = record["Arn"].rsplit(":", 1)[0] + f":{new}"
            record["lastModifiedDate"] = unix_time()
            backend.repositories[new] = item

    def delete(self, name: str, account: str, region: str) -> str | None:
        """Forget the repository with all that is in it; its id, or None when there was none."""
        with self.app.lock:
            item = self._backend(account, region).repositories.pop(name, None)
            if item is None:
                return None
            repository = self._open(account, region, item)
            gone = self.root / f"deleted-{repository.id}-{os.urandom(4).hex()}"
            if repository.git.folder.exists():
                repository.git.folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        return repository.id

    def clone_url(self, repository: Repository) -> str:
        """The HTTP address. Repositories outside of the default region have the region in their path, for an
        address on 127.0.0.1 has no place for it."""
        where = "" if repository.region == self.app.region else f"regions/{repository.region}/"
        return f"{self.app.endpoint_url}/v1/{where}repos/{repository.name}"

    def metadata(self, repository: Repository) -> dict[str, Any]:
        """`RepositoryMetadata` as the API answers it; without `cloneUrlSsh`, for nothing here speaks SSH."""
        answer = {k: v for k, v in repository.record.items() if v is not None and k != "cloneUrlSsh"}
        answer["cloneUrlHttp"] = self.clone_url(repository)
        if branch := repository.default_branch():
            answer["defaultBranch"] = branch
        return answer

    def sweep(self) -> None:
        """What a deletion that was cut short left behind."""
        for folder in self.root.glob("deleted-*"):
            shutil.rmtree(folder, ignore_errors=True)
