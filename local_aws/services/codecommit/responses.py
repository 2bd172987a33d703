"""CodeCommit's operations on repositories and branches (CodeCommit API reference), in place of moto's."""

import json
from collections.abc import Callable
from typing import Any

from moto.codecommit.responses import CodeCommitResponse
from moto.core.utils import unix_time

from local_aws.server.emulated import provides
from local_aws.services.codecommit.callers import Caller, caller_of
from local_aws.services.codecommit.content import resolve
from local_aws.services.codecommit.errors import CodeCommitError
from local_aws.services.codecommit.git import ZERO, GitError
from local_aws.services.codecommit.names import check_branch, check_repository, is_commit_id
from local_aws.services.codecommit.repositories import Repositories, Repository


class Request:
    """One API request: its parameters, its caller, its repository."""

    def __init__(self, repositories: Repositories, response: CodeCommitResponse):
        self.repositories, self._response = repositories, response
        self.account, self.region = response.current_account, response.region

    def get(self, name: str, default: Any = None) -> Any:
        value = self._response._get_param(name)
        return default if value is None else value

    def repository(self, name: str = "repositoryName") -> Repository:
        return self.repositories.find(check_repository(self.get(name)), self.account, self.region)

    def caller(self) -> Caller:
        return caller_of(self.repositories.app, self._response.get_access_key(), self.region)

    def authorize(self, action: str, repository: Repository, branch: str) -> Caller:
        """The caller. AccessDeniedException when a policy of it denies the action on this branch."""
        caller = self.caller()
        if caller.denied(action, repository.arn, f"refs/heads/{branch}"):
            raise CodeCommitError(
                "AccessDeniedException",
                f"User: {caller.arn} is not authorized to perform: codecommit:{action} on resource: "
                f"{repository.arn} with an explicit deny in an identity-based policy",
            )
        return caller

    def changed(self, repository: Repository, branch: str, old: str, new: str, caller: Caller) -> None:
        """After a branch moved: default branch, event."""
        repository.adopt_default()
        repository.announce(self.repositories.app, f"refs/heads/{branch}", old, new, caller.arn)

    def page(self, items: list[Any], size: int) -> tuple[list[Any], dict[str, str]]:
        """One page of a list, and `{"nextToken": …}` when there are more."""
        token = self.get("nextToken") or self.get("NextToken") or "0"
        if not str(token).isdigit():
            raise CodeCommitError("InvalidContinuationTokenException", f"The token {token!r} is not valid.")
        end = int(token) + size
        return items[int(token) : end], ({"nextToken": str(end)} if end < len(items) else {})


def operation(repositories: Repositories, action: str, name: str) -> Callable[[Callable], Callable]:
    """Make a function of a `Request`, which gives the answer as a dict, the operation `action`."""

    def install(function: Callable[[Request], dict[str, Any]]) -> Callable:
        def method(self: CodeCommitResponse) -> str:
            try:
                return json.dumps(function(Request(repositories, self)))
            except GitError as error:
                raise CodeCommitError("RepositoryOperationFailed", f"git: {error}") from None

        method.__name__ = name
        setattr(CodeCommitResponse, name, method)
        provides(f"codecommit:{action}")
        return function

    return install


def install(repositories: Repositories) -> None:
    def answers(action: str, name: str) -> Callable:
        return operation(repositories, action, name)

    @answers("CreateRepository", "create_repository")
    def create_repository(request: Request) -> dict[str, Any]:
        name = check_repository(request.get("repositoryName"))
        description = _description(request.get("repositoryDescription"))
        tags = request.get("tags", {})
        made = repositories.create(name, description, tags, request.account, request.region)
        return {"repositoryMetadata": repositories.metadata(made)}

    @answers("GetRepository", "get_repository")
    def get_repository(request: Request) -> dict[str, Any]:
        return {"repositoryMetadata": repositories.metadata(request.repository())}

    @answers("BatchGetRepositories", "batch_get_repositories")
    def batch_get_repositories(request: Request) -> dict[str, Any]:
        found, missing, errors = [], [], []
        for name in request.get("repositoryNames", []):
            try:
                one = repositories.find(check_repository(name), request.account, request.region)
                found.append(repositories.metadata(one))
            except CodeCommitError as error:
                missing.append(name)
                errors.append(
                    {"repositoryName": name, "errorCode": error.error, "errorMessage": error.sentence}
                )
        return {"repositories": found, "repositoriesNotFound": missing, "errors": errors}

    @answers("ListRepositories", "list_repositories")
    def list_repositories(request: Request) -> dict[str, Any]:
        by_date = request.get("sortBy", "repositoryName") == "lastModifiedDate"
        key = "lastModifiedDate" if by_date else "repositoryName"
        found = sorted(repositories.all(request.account, request.region), key=lambda r: r.record[key])
        if request.get("order") == "descending":
            found.reverse()
        items, more = request.page(found, 1000)
        return {"repositories": [{"repositoryName": r.name, "repositoryId": r.id} for r in items], **more}

    @answers("DeleteRepository", "delete_repository")
    def delete_repository(request: Request) -> dict[str, Any]:
        name = check_repository(request.get("repositoryName"))
        identifier = repositories.delete(name, request.account, request.region)
        return {"repositoryId": identifier} if identifier else {}

    @answers("UpdateRepositoryName", "update_repository_name")
    def update_repository_name(request: Request) -> dict[str, Any]:
        old, new = (check_repository(request.get(f"{which}Name")) for which in ("old", "new"))
        repositories.rename(old, new, request.account, request.region)
        return {}

    @answers("UpdateRepositoryDescription", "update_repository_description")
    def update_repository_description(request: Request) -> dict[str, Any]:
        record = request.repository().record
        record["repositoryDescription"] = _description(request.get("repositoryDescription"))
        record["lastModifiedDate"] = unix_time()
        return {}

    @answers("UpdateDefaultBranch", "update_default_branch")
    def update_default_branch(request: Request) -> dict[str, Any]:
        repository, branch = request.repository(), check_branch(request.get("defaultBranchName"))
        _tip(repository, branch)
        repository.git.run("symbolic-ref", "HEAD", f"refs/heads/{branch}")
        return {}

    @answers("CreateBranch", "create_branch")
    def create_branch(request: Request) -> dict[str, Any]:
        repository, branch = request.repository(), check_branch(request.get("branchName"))
        wanted = request.get("commitId")
        if not wanted:
            raise CodeCommitError("CommitIdRequiredException", "A commit ID is required.")
        if not is_commit_id(wanted):
            raise CodeCommitError(
                "InvalidCommitIdException", f"The commit ID {wanted!r} is not a full SHA-1."
            )
        target = resolve(repository, wanted)
        caller = request.authorize("CreateBranch", repository, branch)
        try:
            repository.git.update(f"refs/heads/{branch}", target, ZERO)
        except GitError:
            raise CodeCommitError(
                "BranchNameExistsException",
                f"Branch {branch} exists already, or a branch that contains its name.",
            ) from None
        request.changed(repository, branch, ZERO, target, caller)
        return {}

    @answers("GetBranch", "get_branch")
    def get_branch(request: Request) -> dict[str, Any]:
        repository, branch = request.repository(), check_branch(request.get("branchName"))
        return {"branch": {"branchName": branch, "commitId": _tip(repository, branch)}}

    @answers("ListBranches", "list_branches")
    def list_branches(request: Request) -> dict[str, Any]:
        names, more = request.page(list(request.repository().git.references("refs/heads/")), 1000)
        return {"branches": names, **more}

    @answers("DeleteBranch", "delete_branch")
    def delete_branch(request: Request) -> dict[str, Any]:
        repository, branch = request.repository(), check_branch(request.get("branchName"))
        tip = repository.git.peel(f"refs/heads/{branch}")
        if tip is None:
            return {}
        if branch == repository.default_branch():
            raise CodeCommitError(
                "DefaultBranchCannotBeDeletedException",
                f"{branch} is the default branch of {repository.name} and cannot be deleted. Make another branch "
                "the default first (UpdateDefaultBranch).",
            )
        caller = request.authorize("DeleteBranch", repository, branch)
        repository.git.update(f"refs/heads/{branch}", ZERO, tip)
        request.changed(repository, branch, tip, ZERO, caller)
        return {"deletedBranch": {"branchName": branch, "commitId": tip}}

    @answers("TagResource", "tag_resource")
    def tag_resource(request: Request) -> dict[str, Any]:
        _tags(request).update(request.get("tags", {}))
        return {}

    @answers("UntagResource", "untag_resource")
    def untag_resource(request: Request) -> dict[str, Any]:
        tags = _tags(request)
        for key in request.get("tagKeys", []):
            tags.pop(key, None)
        return {}

    @answers("ListTagsForResource", "list_tags_for_resource")
    def list_tags_for_resource(request: Request) -> dict[str, Any]:
        return {"tags": _tags(request)}

    def _tags(request: Request) -> dict[str, str]:
        name = (request.get("resourceArn") or "").rsplit(":", 1)[-1]
        repositories.find(check_repository(name), request.account, request.region)
        backend = repositories.app.backend("codecommit", request.account, request.region)
        return backend.repositories[name].tags


def _description(text: str | None) -> str:
    if text and len(text) > 1000:
        raise CodeCommitError(
            "InvalidRepositoryDescriptionException", "A repository description has at most 1000 characters."
        )
    return text or ""


def _tip(repository: Repository, branch: str) -> str:
    found = repository.git.peel(f"refs/heads/{branch}")
    if found is None:
        raise CodeCommitError(
            "BranchDoesNotExistException", f"Branch {branch} does not exist in repository {repository.name}."
        )
    return found
