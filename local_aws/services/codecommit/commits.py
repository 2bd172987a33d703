"""CodeCommit's operations on commits and files (CodeCommit API reference)."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from local_aws.services.codecommit import content
from local_aws.services.codecommit.content import Change
from local_aws.services.codecommit.errors import CodeCommitError
from local_aws.services.codecommit.git import GitError
from local_aws.services.codecommit.names import check_branch, is_commit_id
from local_aws.services.codecommit.repositories import Repositories
from local_aws.services.codecommit.responses import Request, operation


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(value: Any, path: str) -> bytes:
    try:
        data = value if isinstance(value, bytes) else base64.b64decode(value or "", validate=True)
    except binascii.Error:
        raise CodeCommitError(
            "FileContentRequiredException", f"The content of {path} is not base64."
        ) from None
    if len(data) > content.MOST_BYTES:
        raise CodeCommitError(
            "FileContentSizeLimitExceededException", f"File {path} has more than 6 MB. Push it with git."
        )
    return data


def _mode(value: str | None) -> str | None:
    if value is not None and value not in content.MODES:
        raise CodeCommitError(
            "InvalidFileModeException", f"The file mode {value!r} is not one of CodeCommit's."
        )
    return value


def _changes(request: Request) -> list[Change]:
    """CreateCommit's putFiles, deleteFiles and setFileModes."""
    changes = []
    for item in request.get("putFiles", []):
        path = content.check_path(item.get("filePath"))
        if "sourceFile" in item:
            raise CodeCommitError(
                "InvalidParameterException",
                "sourceFile is not emulated by local_aws: give fileContent instead.",
            )
        changes.append(Change(path, _decoded(item.get("fileContent"), path), _mode(item.get("fileMode"))))
    for item in request.get("deleteFiles", []):
        changes.append(Change(content.check_path(item.get("filePath"))))
    for item in request.get("setFileModes", []):
        path = content.check_path(item.get("filePath"))
        changes.append(Change(path, mode=_mode(item.get("fileMode")), mode_only=True))
    if not changes:
        raise CodeCommitError(
            "FileEntryRequiredException",
            "At least one of putFiles, deleteFiles and setFileModes must be given.",
        )
    seen = [c.path for c in changes]
    if twice := {p for p in seen if seen.count(p) > 1}:
        raise CodeCommitError(
            "SamePathRequestException", f"{sorted(twice)[0]} is in the request more than once."
        )
    return changes


def _commit(request: Request, action: str, parent: str | None, changes: list[Change], author: str) -> dict:
    """Make the commit that PutFile, DeleteFile or CreateCommit wants."""
    repository, branch = request.repository(), check_branch(request.get("branchName"))
    if parent and not is_commit_id(parent):
        raise CodeCommitError(
            "InvalidParentCommitIdException", f"The commit ID {parent!r} is not a full SHA-1."
        )
    caller = request.authorize(action, repository, branch)
    made = content.make_commit(
        repository,
        branch,
        parent,
        changes,
        (request.get(author) or caller.arn.rsplit("/", 1)[-1], request.get("email", "")),
        request.get("commitMessage", ""),
        bool(request.get("keepEmptyFolders", False)),
    )
    request.changed(repository, branch, made["old"], made["commitId"], caller)
    return made


def install(repositories: Repositories) -> None:
    def answers(action: str, name: str) -> Callable:
        return operation(repositories, action, name)

    @answers("GetCommit", "get_commit")
    def get_commit(request: Request) -> dict[str, Any]:
        return {"commit": content.commit(request.repository(), request.get("commitId") or "")}

    @answers("BatchGetCommits", "batch_get_commits")
    def batch_get_commits(request: Request) -> dict[str, Any]:
        repository, found, errors = request.repository(), [], []
        for commit_id in request.get("commitIds", []):
            try:
                found.append(content.commit(repository, commit_id))
            except CodeCommitError as error:
                errors.append(
                    {"commitId": commit_id, "errorCode": error.error, "errorMessage": error.sentence}
                )
        return {"commits": found, "errors": errors}

    @answers("GetFile", "get_file")
    def get_file(request: Request) -> dict[str, Any]:
        repository = request.repository()
        path = content.check_path(request.get("filePath"))
        found = content.read_file(
            repository, content.resolve(repository, request.get("commitSpecifier")), path
        )
        return {**found, "fileContent": _encoded(found["fileContent"])}

    @answers("GetBlob", "get_blob")
    def get_blob(request: Request) -> dict[str, Any]:
        repository, blob = request.repository(), request.get("blobId") or ""
        try:
            data = repository.git.run("cat-file", "blob", blob) if is_commit_id(blob) else None
        except GitError:
            data = None
        if data is None:
            raise CodeCommitError("BlobIdDoesNotExistException", f"Blob {blob} does not exist.")
        return {"content": _encoded(data)}

    @answers("GetFolder", "get_folder")
    def get_folder(request: Request) -> dict[str, Any]:
        repository = request.repository()
        path = (request.get("folderPath") or "").strip("/")
        commit_id = content.resolve(repository, request.get("commitSpecifier"))
        return content.read_folder(repository, commit_id, content.check_path(path) if path else "")

    @answers("GetDifferences", "get_differences")
    def get_differences(request: Request) -> dict[str, Any]:
        repository = request.repository()
        before = request.get("beforeCommitSpecifier")
        path = request.get("afterPath") or request.get("beforePath") or ""
        found = content.differences(
            repository,
            content.resolve(repository, before) if before else None,
            content.resolve(repository, request.get("afterCommitSpecifier")),
            content.check_path(path) if path else "",
        )
        items, more = request.page(found, int(request.get("MaxResults") or 100))
        return {"differences": items, **({"NextToken": more["nextToken"]} if more else {})}

    @answers("CreateCommit", "create_commit")
    def create_commit(request: Request) -> dict[str, Any]:
        changes = _changes(request)
        made = _commit(request, "CreateCommit", request.get("parentCommitId"), changes, "authorName")
        deleted = {c.path for c in changes if c.data is None and not c.mode_only}
        modes = {c.path for c in changes if c.mode_only}
        written = [
            {"absolutePath": path, "blobId": blob}
            for path, blob in made["blobs"].items()
            if path not in modes
        ]
        return {
            "commitId": made["commitId"],
            "treeId": made["treeId"],
            "filesAdded": written,
            "filesUpdated": [{"absolutePath": p, "blobId": made["blobs"][p]} for p in sorted(modes)],
            "filesDeleted": [{"absolutePath": p} for p in sorted(deleted)],
        }

    @answers("PutFile", "put_file")
    def put_file(request: Request) -> dict[str, Any]:
        path = content.check_path(request.get("filePath"))
        change = Change(path, _decoded(request.get("fileContent"), path), _mode(request.get("fileMode")))
        try:
            made = _commit(request, "PutFile", request.get("parentCommitId"), [change], "name")
        except CodeCommitError as error:
            if error.error == "NoChangeException":
                raise CodeCommitError(
                    "SameFileContentException",
                    f"File {path} has this content already; nothing was committed.",
                ) from None
            raise
        return {"commitId": made["commitId"], "blobId": made["blobs"][path], "treeId": made["treeId"]}

    @answers("DeleteFile", "delete_file")
    def delete_file(request: Request) -> dict[str, Any]:
        path = content.check_path(request.get("filePath"))
        repository, branch = request.repository(), check_branch(request.get("branchName"))
        tip = content.resolve(repository, f"refs/heads/{branch}")
        blob = content.read_file(repository, tip, path)["blobId"]
        made = _commit(request, "DeleteFile", request.get("parentCommitId"), [Change(path)], "name")
        return {"commitId": made["commitId"], "blobId": blob, "treeId": made["treeId"], "filePath": path}
