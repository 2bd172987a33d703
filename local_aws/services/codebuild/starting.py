"""From a project and StartBuild's overrides to the record of a build (CodeBuild API reference, "StartBuild")."""

import copy
from typing import Any

from moto.codebuild.exceptions import InvalidInputException

from local_aws.services.codebuild.projects import (
    check_artifacts,
    check_environment,
    check_minutes,
    check_secondary,
    check_source,
    check_variables,
    log_place,
)

_NOT_EMULATED = (
    "buildStatusConfigOverride",
    "sourceAuthOverride",
    "registryCredentialOverride",
    "debugSessionEnabled",
    "fleetOverride",
    "hostKernelOverride",
    "autoRetryLimitOverride",
)


def _overridden(variables: list[dict[str, str]], more: list[dict[str, str]]) -> list[dict[str, str]]:
    found = {v["name"]: v for v in variables}
    found.update({v["name"]: v for v in more})
    return [{"type": "PLAINTEXT", **v} for v in found.values()]


def _ignored(project: dict[str, Any], request: dict[str, Any]) -> list[str]:
    """What the project wants and a build here does not have; its log says so."""
    logs = request.get("logsConfigOverride") or project.get("logsConfig") or {}
    cache = request.get("cacheOverride") or project["cache"]
    wanted = {
        "cache": cache.get("type") != "NO_CACHE",
        "vpcConfig": (project.get("vpcConfig") or {}).get("vpcId"),
        "fileSystemLocations": project.get("fileSystemLocations"),
        "s3Logs": (logs.get("s3Logs") or {}).get("status") == "ENABLED",
        "privilegedMode (a Docker engine)": project["environment"].get("privilegedMode"),
    }
    return [f"{name} of the project is not emulated by local_aws: ignored" for name in wanted if wanted[name]]


def fields_of(
    project: dict[str, Any], request: dict[str, Any], initiator: str, region: str
) -> dict[str, Any]:
    """The build's own fields. InvalidInputException for overrides that cannot be used."""
    for name in _NOT_EMULATED:
        if request.get(name):
            raise InvalidInputException(f"{name} is not emulated by local_aws.")
    project = copy.deepcopy(project)
    source, environment = project["source"], project["environment"]
    if kind := request.get("sourceTypeOverride"):
        source = {"type": kind, "buildspec": source.get("buildspec")}
        project["sourceVersion"] = None
    for name, field in (
        ("sourceLocationOverride", "location"),
        ("buildspecOverride", "buildspec"),
        ("gitCloneDepthOverride", "gitCloneDepth"),
    ):
        if request.get(name) is not None:
            source[field] = request[name]
    check_source(source, region)
    if source["type"] == "CODEPIPELINE" and not initiator.startswith("codepipeline/"):
        raise InvalidInputException(
            "A project whose source is of type CODEPIPELINE is started by its pipeline. Override sourceTypeOverride "
            "(NO_SOURCE, S3 or CODECOMMIT) to start a build of it alone."
        )
    secondary = request.get("secondarySourcesOverride")
    check_secondary(secondary, "sourceIdentifier", "secondary source")
    for item in secondary or []:
        check_source(item, region, "secondary source")
    artifacts = request.get("artifactsOverride") or project["artifacts"]
    check_artifacts(artifacts)
    if artifacts["type"] == "CODEPIPELINE" and not initiator.startswith("codepipeline/"):
        artifacts = {"type": "NO_ARTIFACTS"}
    for name, field in (
        ("environmentTypeOverride", "type"),
        ("imageOverride", "image"),
        ("computeTypeOverride", "computeType"),
        ("privilegedModeOverride", "privilegedMode"),
    ):
        if request.get(name) is not None:
            environment[field] = request[name]
    more = request.get("environmentVariablesOverride") or []
    check_variables(more)
    environment["environmentVariables"] = _overridden(environment.get("environmentVariables") or [], more)
    check_environment(environment)
    for name in ("timeoutInMinutesOverride", "queuedTimeoutInMinutesOverride"):
        check_minutes(name, request.get(name))
    given_artifacts = request.get("secondaryArtifactsOverride")
    return {
        "_local": {"notes": _ignored(project, request)},
        "initiator": initiator,
        "source": source,
        "sourceVersion": request.get("sourceVersion") or project.get("sourceVersion"),
        "secondarySources": secondary if secondary is not None else project.get("secondarySources"),
        "secondarySourceVersions": request.get("secondarySourcesVersionOverride")
        or project.get("secondarySourceVersions"),
        "artifacts": artifacts,
        "secondaryArtifacts": given_artifacts
        if given_artifacts is not None
        else project.get("secondaryArtifacts"),
        "cache": request.get("cacheOverride") or project["cache"],
        "environment": environment,
        "serviceRole": request.get("serviceRoleOverride") or project["serviceRole"],
        "logs": log_place(project, request.get("logsConfigOverride")),
        "timeoutInMinutes": request.get("timeoutInMinutesOverride") or project["timeoutInMinutes"],
        "queuedTimeoutInMinutes": request.get("queuedTimeoutInMinutesOverride")
        or project["queuedTimeoutInMinutes"],
        "encryptionKey": request.get("encryptionKeyOverride") or project["encryptionKey"],
    }
