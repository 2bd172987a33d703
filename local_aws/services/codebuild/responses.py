"""CodeBuild's operations (CodeBuild API reference), in place of moto's."""

import json
from collections.abc import Callable
from typing import Any

from moto.codebuild.exceptions import (
    InvalidInputException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from moto.codebuild.models import CodeBuild
from moto.codebuild.responses import CodeBuildResponse

from local_aws.server.emulated import provides
from local_aws.services.codebuild import projects
from local_aws.services.codebuild.records import Build
from local_aws.services.codebuild.runner import Runner
from local_aws.services.codebuild.starting import fields_of
from local_aws.services.codecommit.callers import caller_of

# What a retried build does not take over from the one before.
_OWN = (
    *("id", "arn", "buildNumber", "projectName", "startTime", "endTime", "currentPhase", "phases", "_local"),
    *("buildStatus", "buildComplete", "exportedEnvironmentVariables", "resolvedSourceVersion"),
)


def project_of(backend: Any, name: str | None) -> dict[str, Any]:
    """A project's record by name or ARN."""
    short = (name or "").rsplit(":project/", 1)[-1]
    found = backend.codebuild_projects.get(short)
    if found is None:
        raise ResourceNotFoundException(
            f"Project cannot be found: arn:aws:codebuild:{backend.region_name}:{backend.account_id}:project/{short}"
        )
    return found.project_metadata


def _request(response: CodeBuildResponse) -> dict[str, Any]:
    return json.loads(response.body or "{}")


def _ordered(builds: list[Build], order: str | None) -> list[str]:
    newest_first = order != "ASCENDING"
    found = sorted(builds, key=lambda b: b.record["startTime"], reverse=newest_first)
    return [b.id for b in found]


class Operations:
    """Each method is an operation: it gets the response object and gives the answer as a dict."""

    def __init__(self, runner: Runner):
        self.runner, self.builds = runner, runner.builds

    def _page(self, items: list[Any], token: str | None, size: int = 100) -> tuple[list[Any], dict[str, str]]:
        if token is not None and not token.isdigit():
            raise InvalidInputException(f"Invalid token: {token!r}")
        start = int(token or 0)
        end = start + size
        return items[start:end], ({"nextToken": str(end)} if end < len(items) else {})

    # -- projects ------------------------------------------------------------------------------------------
    def CreateProject(self, response: CodeBuildResponse) -> dict[str, Any]:
        request, backend = _request(response), response.codebuild_backend
        name = projects.check_name(request.get("name"))
        projects.check(request, response.region)
        record = projects.new_record(name, request, response.current_account, response.region)
        if name in backend.codebuild_projects:
            raise ResourceAlreadyExistsException(f"Project already exists: {record['arn']}")
        item = CodeBuild(
            response.current_account,
            response.region,
            project_name=name,
            description=None,
            project_source=record["source"],
            artifacts=record["artifacts"],
            environment=record["environment"],
            serviceRole=record["serviceRole"],
        )
        item.project_metadata = record
        backend.codebuild_projects[name] = item
        return {"project": record}

    def UpdateProject(self, response: CodeBuildResponse) -> dict[str, Any]:
        request, backend = _request(response), response.codebuild_backend
        record = projects.changed(project_of(backend, request.get("name")), request)
        projects.check({**record, "buildBatchConfig": request.get("buildBatchConfig")}, response.region)
        backend.codebuild_projects[record["name"]].project_metadata = record
        return {"project": record}

    def BatchGetProjects(self, response: CodeBuildResponse) -> dict[str, Any]:
        found, missing = [], []
        for name in response._get_param("names") or []:
            try:
                found.append(project_of(response.codebuild_backend, name))
            except ResourceNotFoundException:
                missing.append(name)
        return {"projects": found, "projectsNotFound": missing}

    def ListProjects(self, response: CodeBuildResponse) -> dict[str, Any]:
        by, order = response._get_param("sortBy"), response._get_param("sortOrder")
        key = {"CREATED_TIME": "created", "LAST_MODIFIED_TIME": "lastModified"}.get(by, "name")
        records = [p.project_metadata for p in response.codebuild_backend.codebuild_projects.values()]
        names = [r["name"] for r in sorted(records, key=lambda r: r[key], reverse=order == "DESCENDING")]
        items, more = self._page(names, response._get_param("nextToken"))
        return {"projects": items, **more}

    def DeleteProject(self, response: CodeBuildResponse) -> dict[str, Any]:
        name = (response._get_param("name") or "").rsplit(":project/", 1)[-1]
        response.codebuild_backend.codebuild_projects.pop(name, None)
        return {}

    def InvalidateProjectCache(self, response: CodeBuildResponse) -> dict[str, Any]:
        project_of(response.codebuild_backend, response._get_param("projectName"))
        return {}  # nothing is cached, so that there is nothing to forget

    # -- builds --------------------------------------------------------------------------------------------
    def StartBuild(self, response: CodeBuildResponse) -> dict[str, Any]:
        request = _request(response)
        project = project_of(response.codebuild_backend, request.get("projectName"))
        caller = caller_of(self.runner.app, response.get_access_key(), response.region)
        initiator = caller.arn.split(":", 5)[-1].partition("/")[2]
        fields = fields_of(project, request, initiator, response.region)
        return {"build": self._submit(response, project, fields).answer()}

    def RetryBuild(self, response: CodeBuildResponse) -> dict[str, Any]:
        old = self._find(response, response._get_param("id"))
        project = project_of(response.codebuild_backend, old.project)
        if not old.done:
            raise InvalidInputException(
                f"Build {old.id} is still running: it can be retried when it has ended."
            )
        if old.record["source"]["type"] == "CODEPIPELINE":
            raise InvalidInputException(
                "A build of a pipeline is retried by CodePipeline (RetryStageExecution)."
            )
        fields = json.loads(json.dumps({k: v for k, v in old.record.items() if k not in _OWN}))
        fields["_local"] = {"notes": old.private.get("notes", [])}
        if "streamName" in fields["logs"]:
            fields["logs"]["streamName"] = fields["logs"]["streamName"].rpartition("/")[0]
        return {"build": self._submit(response, project, fields).answer()}

    def _submit(self, response: CodeBuildResponse, project: dict[str, Any], fields: dict[str, Any]) -> Build:
        limit = project.get("concurrentBuildLimit")
        account, region = response.current_account, response.region
        running = [b for b in self.builds.of(account, region, project["name"]) if not b.done]
        if limit and len(running) >= limit:
            raise _limit(
                f"Project {project['name']} has {limit} builds under way, its concurrent build limit."
            )
        return self.runner.submit(account, region, project["name"], fields)

    def _find(self, response: CodeBuildResponse, identifier: str | None) -> Build:
        if not identifier or ":" not in identifier:
            raise InvalidInputException("Invalid build ID provided")
        build = self.builds.find(identifier, response.current_account, response.region)
        if build is None:
            raise ResourceNotFoundException(f"Build {identifier} does not exist")
        return build

    def StopBuild(self, response: CodeBuildResponse) -> dict[str, Any]:
        build = self._find(response, response._get_param("id"))
        if not build.done:
            self.runner.request_stop(build)
        return {"build": build.answer()}

    def BatchGetBuilds(self, response: CodeBuildResponse) -> dict[str, Any]:
        found, missing = [], []
        for identifier in response._get_param("ids") or []:
            try:
                with self.builds.lock:
                    found.append(self._find(response, identifier).answer())
            except ResourceNotFoundException:
                missing.append(identifier)
        return {"builds": found, "buildsNotFound": missing}

    def BatchDeleteBuilds(self, response: CodeBuildResponse) -> dict[str, Any]:
        deleted, kept = [], []
        for identifier in response._get_param("ids") or []:
            build = self.builds.find(identifier, response.current_account, response.region)
            if build is None or not build.done:
                kept.append({"id": identifier, "statusCode": "BUILD_IN_PROGRESS" if build else "NOT_FOUND"})
            else:
                self.builds.forget(build)
                deleted.append(build.arn)
        return {"buildsDeleted": deleted, "buildsNotDeleted": kept}

    def ListBuilds(self, response: CodeBuildResponse) -> dict[str, Any]:
        found = self.builds.of(response.current_account, response.region)
        ids = _ordered(found, response._get_param("sortOrder"))
        items, more = self._page(ids, response._get_param("nextToken"))
        return {"ids": items, **more}

    def ListBuildsForProject(self, response: CodeBuildResponse) -> dict[str, Any]:
        project = project_of(response.codebuild_backend, response._get_param("projectName"))
        found = self.builds.of(response.current_account, response.region, project["name"])
        ids = _ordered(found, response._get_param("sortOrder"))
        items, more = self._page(ids, response._get_param("nextToken"))
        return {"ids": items, **more}


def _limit(message: str) -> Exception:
    error = InvalidInputException(message)
    error.error_type = "AccountLimitExceededException"
    error.description = json.dumps({"__type": "AccountLimitExceededException", "message": message})
    return error


def install(runner: Runner) -> None:
    """Make every operation one of moto's response class."""
    from moto.core.utils import camelcase_to_underscores

    operations = Operations(runner)

    def method_for(function: Callable[[CodeBuildResponse], dict[str, Any]]) -> Callable:
        def method(self: CodeBuildResponse) -> str:
            return json.dumps(function(self))

        return method

    for action in [name for name in dir(Operations) if name[0].isupper()]:
        method = method_for(getattr(operations, action))
        method.__name__ = camelcase_to_underscores(action)
        setattr(CodeBuildResponse, method.__name__, method)
        provides(f"codebuild:{action}")
