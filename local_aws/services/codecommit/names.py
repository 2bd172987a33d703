"""Which repository, branch and reference names CodeCommit accepts (User Guide, "Quotas in AWS CodeCommit")."""

import re
import subprocess

from local_aws.services.codecommit.errors import CodeCommitError
from local_aws.services.codecommit.git import environment, executable

_REPOSITORY = re.compile(r"[\w.-]{1,100}", re.ASCII)
_COMMIT_ID = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)
# What git's reference names never hold; `git check-ref-format` knows the rest.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


def is_commit_id(text: str) -> bool:
    return bool(_COMMIT_ID.fullmatch(text))


def check_repository(name: str | None) -> str:
    """The name, or CodeCommit's error for a missing or invalid one."""
    if not name:
        raise CodeCommitError("RepositoryNameRequiredException", "A repository name is required.")
    if not _REPOSITORY.fullmatch(name) or name.endswith(".git"):
        raise CodeCommitError(
            "InvalidRepositoryNameException",
            "The repository name is not valid. Repository names can be any valid combination of letters, "
            "numbers, periods, underscores, and dashes between 1 and 100 characters in length. Names are case "
            "sensitive and cannot end with .git.",
        )
    return name


def branch_problem(name: str) -> str | None:
    """Why CodeCommit refuses a branch of this name; None when it does not."""
    if not 1 <= len(name) <= 256:
        return "a branch name has between 1 and 256 characters"
    if is_commit_id(name):
        return "a branch name that looks like a commit ID (40 hexadecimal characters) is not allowed"
    if name.startswith("/") or name.endswith("/"):
        return "a branch name does not begin or end with a slash"
    if _FORBIDDEN.search(name) or name == "HEAD" or name.startswith("refs/heads/"):
        return "git does not allow this name for a branch"
    form = [executable(), "check-ref-format", f"refs/heads/{name}"]
    if subprocess.run(form, capture_output=True, env=environment()).returncode != 0:
        return "git does not allow this name for a branch"
    return None


def check_branch(name: str | None) -> str:
    """The short name of a branch (`refs/heads/` may stand before it), or CodeCommit's error."""
    if not name:
        raise CodeCommitError("BranchNameRequiredException", "A branch name is required.")
    short = name.removeprefix("refs/heads/")
    if problem := branch_problem(short):
        raise CodeCommitError(
            "InvalidBranchNameException", f"The branch name {name} is not valid: {problem}."
        )
    return short


def reference_problem(reference: str, deletes: bool) -> str | None:
    """Why a push may not change this full reference; None when it may."""
    if reference.startswith("refs/heads/"):
        problem = None if deletes else branch_problem(reference.removeprefix("refs/heads/"))
        return f"{reference} is refused: {problem}." if problem else None
    if reference.startswith("refs/tags/"):
        return None
    return (
        f"{reference} is refused: only branches (refs/heads/) and tags (refs/tags/) can be pushed to "
        "a CodeCommit repository."
    )
