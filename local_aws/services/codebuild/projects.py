"""What CodeBuild accepts as a project, and what local_aws cannot run (CodeBuild API reference, `Project`)."""

import copy
import re
import time
from typing import Any

from moto.codebuild.exceptions import InvalidInputException

from local_aws.services.codebuild.sources import KINDS, codecommit_location

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-_]{1,254}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_]{1,128}")
_OTHER_SOURCES = ("BITBUCKET", "GITHUB", "GITHUB_ENTERPRISE", "GITLAB", "GITLAB_SELF_MANAGED")
_FIELDS = (
    "description",
    "source",
    "secondarySources",
    "sourceVersion",
    "secondarySourceVersions",
    "artifacts",
    "secondaryArtifacts",
    "cache",
    "environment",
    "serviceRole",
    "timeoutInMinutes",
    "queuedTimeoutInMinutes",
    "encryptionKey",
    "tags",
    "vpcConfig",
    "logsConfig",
    "fileSystemLocations",
    "concurrentBuildLimit",
    "autoRetryLimit",
)


def check_name(name: str | None) -> str:
    if not name or not _NAME.fullmatch(name):
        raise InvalidInputException(
            f"Project name {name!r} is not valid: 2 to 255 letters, digits, dashes and underscores, the first no "
            "dash or underscore."
        )
    return name


def check_source(source: dict[str, Any] | None, region: str, which: str = "source") -> None:
    if not source or not source.get("type"):
        raise InvalidInputException(f"Invalid project {which}: its type is required")
    kind = source["type"]
    if kind in _OTHER_SOURCES:
        raise InvalidInputException(
            f"Sources of type {kind} are not emulated by local_aws. Use CODECOMMIT, S3, CODEPIPELINE or NO_SOURCE."
        )
    if kind not in KINDS:
        raise InvalidInputException(f"Invalid project {which}: type {kind} does not exist")
    location = source.get("location") or ""
    if kind in ("S3", "CODECOMMIT") and not location:
        raise InvalidInputException(f"Invalid project {which}: location is required for type {kind}")
    if kind in ("NO_SOURCE", "CODEPIPELINE") and location:
        raise InvalidInputException(f"Invalid project {which}: location must not be given for type {kind}")
    if kind == "S3" and "/" not in location:
        raise InvalidInputException(f"Invalid project {which}: location {location!r} must be bucket/key")
    if kind == "CODECOMMIT" and codecommit_location(location, region) is None:
        raise InvalidInputException(
            f"Invalid project {which}: location {location!r} is not the HTTPS clone URL of a CodeCommit repository"
        )
    if kind == "NO_SOURCE" and which == "source" and not source.get("buildspec"):
        raise InvalidInputException("Invalid project source: a buildspec is required for type NO_SOURCE")


def check_artifacts(artifacts: dict[str, Any] | None, which: str = "artifacts") -> None:
    kind = (artifacts or {}).get("type")
    if kind not in ("CODEPIPELINE", "S3", "NO_ARTIFACTS"):
        raise InvalidInputException(f"Invalid {which}: type {kind} does not exist")
    location = artifacts.get("location")
    if kind == "S3" and not location:
        raise InvalidInputException(f"Invalid {which}: location (the bucket's name) is required for type S3")
    if kind == "NO_ARTIFACTS" and location:
        raise InvalidInputException(f"Invalid {which}: artifact type NO_ARTIFACTS should have null location")
    for name, known in (("packaging", ("NONE", "ZIP")), ("namespaceType", ("NONE", "BUILD_ID"))):
        if artifacts.get(name) not in (None, *known):
            raise InvalidInputException(f"Invalid {which}: {name} {artifacts[name]} does not exist")


def check_variables(variables: list[dict[str, str]] | None) -> None:
    for variable in variables or []:
        name, kind = variable.get("name"), variable.get("type") or "PLAINTEXT"
        if not name or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise InvalidInputException(f"Invalid environment variable name: {name!r}")
        if kind not in ("PLAINTEXT", "PARAMETER_STORE", "SECRETS_MANAGER"):
            raise InvalidInputException(f"Invalid type {kind} of the environment variable {name}")
        if variable.get("value") is None:
            raise InvalidInputException(f"The environment variable {name} has no value")


def check_environment(environment: dict[str, Any] | None) -> None:
    for name in ("type", "image", "computeType"):
        if not (environment or {}).get(name):
            raise InvalidInputException(f"Invalid environment: {name} is required")
    check_variables(environment.get("environmentVariables"))


def check_minutes(name: str, value: Any) -> None:
    if value is not None and not 5 <= int(value) <= 2160:
        raise InvalidInputException(f"Invalid {name}: {value} is not between 5 and 2160 minutes")


def check_secondary(items: list[dict[str, Any]] | None, key: str, which: str) -> None:
    names = [item.get(key) or "" for item in items or []]
    for name in names:
        if not _IDENTIFIER.fullmatch(name) or names.count(name) > 1:
            raise InvalidInputException(f"Invalid {which}: {key} {name!r} is not valid, or there twice")


def check(project: dict[str, Any], region: str) -> None:
    """InvalidInputException for a project that CodeBuild, or local_aws, does not take."""
    check_source(project.get("source"), region)
    check_secondary(project.get("secondarySources"), "sourceIdentifier", "secondary source")
    for item in project.get("secondarySources") or []:
        check_source(item, region, "secondary source")
    check_artifacts(project.get("artifacts"))
    check_secondary(project.get("secondaryArtifacts"), "artifactIdentifier", "secondary artifact")
    for item in project.get("secondaryArtifacts") or []:
        check_artifacts(item, "secondary artifacts")
    through = [project["source"]["type"] == "CODEPIPELINE", project["artifacts"]["type"] == "CODEPIPELINE"]
    if any(through) and not all(through):
        raise InvalidInputException(
            "Invalid project: source and artifacts must both be of type CODEPIPELINE, or none of them"
        )
    check_environment(project.get("environment"))
    if not re.fullmatch(r"arn:aws[\w-]*:iam::\d{12}:role/.+", project.get("serviceRole") or ""):
        raise InvalidInputException(f"Invalid service role: {project.get('serviceRole')!r} is no role's ARN")
    for name in ("timeoutInMinutes", "queuedTimeoutInMinutes"):
        check_minutes(name, project.get(name))
    if project.get("buildBatchConfig"):
        raise InvalidInputException(
            "buildBatchConfig is not emulated by local_aws: there are no batch builds."
        )


def new_record(name: str, request: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    """The `Project` that BatchGetProjects answers."""
    now = time.time()
    record = {
        "name": name,
        "arn": f"arn:aws:codebuild:{region}:{account}:project/{name}",
        "cache": {"type": "NO_CACHE"},
        "timeoutInMinutes": 60,
        "queuedTimeoutInMinutes": 480,
        "encryptionKey": f"arn:aws:kms:{region}:{account}:alias/aws/s3",
        "badge": {"badgeEnabled": False},
        "tags": [],
        "secondarySources": [],
        "secondarySourceVersions": [],
        "secondaryArtifacts": [],
        "projectVisibility": "PRIVATE",
        "created": now,
        "lastModified": now,
    }
    return changed(record, request)


def changed(record: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """A copy of the record with what the request gives."""
    given = {k: copy.deepcopy(request[k]) for k in _FIELDS if request.get(k) is not None}
    return {**record, **given, "lastModified": time.time()}


def log_place(project: dict[str, Any], config: dict[str, Any] | None) -> dict[str, Any]:
    """The `logs` of a build without its stream: group, and the prefix of the stream's name."""
    chosen = (config or project.get("logsConfig") or {}).get("cloudWatchLogs") or {"status": "ENABLED"}
    logs: dict[str, Any] = {"cloudWatchLogs": chosen, "s3Logs": {"status": "DISABLED"}}
    if chosen.get("status") != "DISABLED":
        logs["groupName"] = chosen.get("groupName") or f"/aws/codebuild/{project['name']}"
        logs["streamName"] = chosen.get("streamName") or ""
    return logs
