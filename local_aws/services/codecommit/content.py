"""What is in a repository: commits, files, folders, differences; and commits made through the API.

Operations, limits and errors: CodeCommit API reference (GetCommit, GetFile, GetFolder, GetDifferences, CreateCommit,
PutFile, DeleteFile).
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from local_aws.services.codecommit.errors import CodeCommitError
from local_aws.services.codecommit.git import EMPTY_TREE, ZERO, GitError
from local_aws.services.codecommit.names import is_commit_id
from local_aws.services.codecommit.repositories import Repository

MOST_BYTES = 6 * 2**20  # of one file through the API
MODES = {"NORMAL": "100644", "EXECUTABLE": "100755", "SYMLINK": "120000"}
_KINDS = {mode: name for name, mode in MODES.items()}
_UNSAFE = re.compile(r"[\x00-\x20~^:?*\[\\]|\.\.|@\{")


@dataclass(frozen=True)
class Change:
    """One file of a new commit: `data` None deletes it; `mode` None keeps the file's mode."""

    path: str
    data: bytes | None = None
    mode: str | None = None
    mode_only: bool = False


def resolve(repository: Repository, specifier: str | None) -> str:
    """The commit id of a branch, tag, full reference, `HEAD` or full commit id; None is the default branch."""
    name = specifier or "HEAD"
    found = None
    if is_commit_id(name) or name == "HEAD" or (name.startswith("refs/") and not _UNSAFE.search(name)):
        found = repository.git.peel(name)
    elif not _UNSAFE.search(name):
        found = repository.git.peel(f"refs/heads/{name}") or repository.git.peel(f"refs/tags/{name}")
    if found is None:
        if is_commit_id(name):
            raise CodeCommitError("CommitIdDoesNotExistException", f"Commit {name} does not exist.")
        raise CodeCommitError(
            "CommitDoesNotExistException",
            f"Could not resolve {name} to a commit of repository {repository.name}.",
        )
    return found


def check_path(path: str | None, required: str = "PathRequiredException") -> str:
    """A file's path in the repository, normalized (no leading slash)."""
    if not path:
        raise CodeCommitError(required, "A path to a file or a folder is required.")
    parts = PurePosixPath(path.lstrip("/")).parts
    if any(p in ("..", ".git") for p in parts) or "\0" in path or len(path) > 4096 or not parts:
        raise CodeCommitError("InvalidPathException", f"The path {path!r} is not valid.")
    return "/".join(parts)


def commit(repository: Repository, commit_id: str) -> dict[str, Any]:
    """The `Commit` of GetCommit."""
    if not is_commit_id(commit_id):
        raise CodeCommitError("InvalidCommitIdException", f"The commit id {commit_id!r} is not a full SHA-1.")
    if repository.git.peel(commit_id) != commit_id.lower():
        raise CodeCommitError("CommitIdDoesNotExistException", f"Commit {commit_id} does not exist.")
    raw = repository.git.run("cat-file", "commit", commit_id).decode("utf-8", "replace")
    head, _, message = raw.partition("\n\n")
    answer: dict[str, Any] = {"commitId": commit_id, "parents": [], "additionalData": ""}
    for line in head.splitlines():
        key, _, value = line.partition(" ")
        if key == "tree":
            answer["treeId"] = value
        elif key == "parent":
            answer["parents"].append(value)
        elif key in ("author", "committer"):
            match = re.fullmatch(r"(.*?) ?<(.*?)> (\d+ [+-]\d{4})", value)
            name, email, date = match.groups() if match else (value, "", "")
            answer[key] = {"name": name, "email": email, "date": date}
    return {**answer, "message": message.removesuffix("\n")}


def _entries(repository: Repository, commit_id: str, path: str) -> list[tuple[str, str, str, str, str]]:
    """(mode, type, id, size, path) of what `path` names; with a trailing slash, what is in that folder."""
    scope = ["--", path] if path else []
    raw = repository.git.run("--literal-pathspecs", "ls-tree", "-z", "-l", commit_id, *scope)
    rows = []
    for row in raw.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        fields, _, name = row.partition("\t")
        mode, kind, identifier, size = fields.split()
        rows.append((mode, kind, identifier, size, name))
    return rows


def read_file(repository: Repository, commit_id: str, path: str) -> dict[str, Any]:
    """GetFile: the file with `fileContent` as bytes."""
    found = [row for row in _entries(repository, commit_id, path) if row[1] == "blob"]
    if not found:
        raise CodeCommitError(
            "FileDoesNotExistException", f"File {path} does not exist in commit {commit_id}."
        )
    mode, _, identifier, size, name = found[0]
    if int(size) > MOST_BYTES:
        raise CodeCommitError(
            "FileTooLargeException", f"File {path} has more than 6 MB. Clone the repository."
        )
    return {
        "commitId": commit_id,
        "blobId": identifier,
        "filePath": name,
        "fileMode": _KINDS.get(mode, "NORMAL"),
        "fileSize": int(size),
        "fileContent": repository.git.run("cat-file", "blob", identifier),
    }


def read_folder(repository: Repository, commit_id: str, path: str) -> dict[str, Any]:
    """GetFolder: what is in the folder (the root for an empty path)."""
    tree = repository.git.peel(commit_id, "tree")
    if path:
        own = [row for row in _entries(repository, commit_id, path) if row[1] == "tree"]
        if not own:
            raise CodeCommitError(
                "FolderDoesNotExistException", f"Folder {path} does not exist in commit {commit_id}."
            )
        tree = own[0][2]
    answer: dict[str, Any] = {"commitId": commit_id, "folderPath": path, "treeId": tree}
    lists: dict[str, list] = {"subFolders": [], "files": [], "symbolicLinks": [], "subModules": []}
    for mode, kind, identifier, _, name in _entries(repository, commit_id, f"{path}/" if path else ""):
        item = {"absolutePath": name, "relativePath": name.rsplit("/", 1)[-1]}
        if kind == "tree":
            lists["subFolders"].append({"treeId": identifier, **item})
        elif kind == "commit":
            lists["subModules"].append({"commitId": identifier, **item})
        else:
            which = "symbolicLinks" if mode == MODES["SYMLINK"] else "files"
            lists[which].append({"blobId": identifier, **item, "fileMode": _KINDS.get(mode, "NORMAL")})
    return {**answer, **lists}


def differences(repository: Repository, before: str | None, after: str, path: str) -> list[dict[str, Any]]:
    """GetDifferences: `Difference`s between two commits (from nothing, when `before` is None)."""
    scope = ["--", path] if path else []
    raw = repository.git.run(
        "--literal-pathspecs", "diff-tree", "-r", "-z", "--no-renames", before or EMPTY_TREE, after, *scope
    )
    found, parts = [], raw.decode("utf-8", "surrogateescape").split("\0")[:-1]
    for fields, name in zip(parts[::2], parts[1::2], strict=True):
        old_mode, new_mode, old, new, kind = fields.lstrip(":").split()
        item: dict[str, Any] = {"changeType": "M" if kind[0] == "T" else kind[0]}
        if old != ZERO:
            item["beforeBlob"] = {"blobId": old, "path": name, "mode": old_mode}
        if new != ZERO:
            item["afterBlob"] = {"blobId": new, "path": name, "mode": new_mode}
        found.append(item)
    return found


def make_commit(
    repository: Repository,
    branch: str,
    parent: str | None,
    changes: list[Change],
    author: tuple[str, str],
    message: str,
    keep_empty_folders: bool = False,
) -> dict[str, Any]:
    """Commit `changes` on a branch and move it: {commitId, treeId, blobs: {path: id}, old: the branch's commit
    before, or ZERO}. CodeCommit's errors for a parent that is not the branch's newest commit, and so on."""
    git, reference = repository.git, f"refs/heads/{branch}"
    tip = git.peel(reference)
    if tip is None:
        if repository.default_branch() is not None:
            raise CodeCommitError("BranchDoesNotExistException", f"Branch {branch} does not exist.")
        if parent:
            raise CodeCommitError("ParentCommitDoesNotExistException", f"Commit {parent} does not exist.")
    elif not parent:
        raise CodeCommitError(
            "ParentCommitIdRequiredException",
            f"A parent commit ID is required, for branch {branch} has commits. Its newest is {tip}.",
        )
    elif parent != tip:
        raise CodeCommitError(
            "ParentCommitIdOutdatedException",
            f"Commit {parent} is not the newest commit of branch {branch}, which is {tip}.",
        )
    present = {}
    if tip:
        raw = git.run("ls-tree", "-r", "-z", tip).decode("utf-8", "surrogateescape")
        for row in raw.split("\0")[:-1]:
            fields, _, name = row.partition("\t")
            present[name] = fields.split()  # mode, type, id
    blobs: dict[str, str] = {}
    index: list[str] = []
    for change in changes:
        known = present.get(change.path)
        if change.data is None and known is None:
            raise CodeCommitError("FileDoesNotExistException", f"File {change.path} does not exist.")
        if change.data is None and not change.mode_only:
            index.append(f"0 {ZERO}\t{change.path}")
            folder = change.path.rpartition("/")[0]
            if keep_empty_folders and folder:
                index.append(
                    f"100644 {git.line('hash-object', '-w', '--stdin', data=b'')}\t{folder}/.gitkeep"
                )
            continue
        if change.mode_only:
            blob = known[2]
        else:
            if any(name.startswith(f"{change.path}/") for name in present):
                raise CodeCommitError(
                    "DirectoryNameConflictsWithFileNameException",
                    f"{change.path} is a folder of the repository.",
                )
            blob = git.line("hash-object", "-w", "--stdin", data=change.data)
        blobs[change.path] = blob
        mode = MODES[change.mode] if change.mode else known[0] if known else MODES["NORMAL"]
        index.append(f"{mode} {blob}\t{change.path}")
    with tempfile.TemporaryDirectory(dir=git.folder) as scratch:
        env = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        if tip:
            git.run("read-tree", tip, env=env)
        data = "".join(f"{line}\0" for line in index).encode("utf-8", "surrogateescape")
        try:
            git.run("update-index", "-z", "--index-info", data=data, env=env)
            tree = git.line("write-tree", env=env)
        except GitError as error:
            raise CodeCommitError("InvalidPathException", f"git cannot store these paths: {error}") from None
    if tree == (git.peel(tip, "tree") if tip else EMPTY_TREE):
        raise CodeCommitError(
            "NoChangeException", f"Nothing would change: the commit would equal branch {branch} as it is."
        )
    name, email = author
    who = {
        f"GIT_{role}_{what}": value or default
        for role in ("AUTHOR", "COMMITTER")
        for what, value, default in (("NAME", name, "local_aws"), ("EMAIL", email, "noreply@localhost"))
    }
    parents = ["-p", tip] if tip else []
    made = git.line("commit-tree", tree, *parents, data=(message or "\n").encode(), env=who)
    try:
        git.update(reference, made, tip or ZERO)
    except GitError:
        raise CodeCommitError(
            "ConcurrentReferenceUpdateException", f"Branch {branch} was changed at the same time. Try again."
        ) from None
    return {"commitId": made, "treeId": tree, "blobs": blobs, "old": tip or ZERO}
