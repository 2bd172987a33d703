"""CodeBuild: projects, and builds that really run their buildspec 0.2 as processes of this machine.

Not emulated: other sources than CodeCommit, S3, CodePipeline and none; batch builds; test reports; caches; webhooks;
Docker in builds. The build acts with dummy keys of its account, not with the rights of its service role.
"""

from collections.abc import Callable, Mapping
from typing import Any

from local_aws.config import ACCOUNT_ID, DEFAULT_REGION
from local_aws.server.app import LocalAwsApp

_listeners: list[Callable[[str, str, str, str], None]] = []


def on_finished(function: Callable[[str, str, str, str], None]) -> None:
    """Call `function(build_id, status, account, region)` in a build's thread, when its final status (SUCCEEDED, FAILED,
    FAULT, TIMED_OUT, STOPPED) is saved. No lock is held. After a kill it is called at the next start."""
    _listeners.append(function)


def start(
    app: LocalAwsApp,
    project: str,
    account: str = ACCOUNT_ID,
    region: str = DEFAULT_REGION,
    *,
    source_zip: tuple[str, str],
    secondary: Mapping[str, tuple[str, str]] | None = None,
    output: Mapping[str, tuple[str, str]] | None = None,
    env: list[dict[str, str]] | Mapping[str, str] | None = None,
    initiator: str = "codepipeline/unknown",
    source_version: str | None = None,
) -> str:
    """Start a build for a CodePipeline action; its id.

    `source_zip`, `secondary`: (bucket, key) of the primary and the further input artifacts, by name; `output`: where
    each output artifact goes; `env`: `EnvironmentVariable`s of the action; `source_version`: the revision that
    CODEBUILD_RESOLVED_SOURCE_VERSION names. moto's ResourceNotFoundException when there is no such project,
    InvalidInputException when it is not of type CODEPIPELINE.
    """
    from moto.codebuild.exceptions import InvalidInputException

    from local_aws.services.codebuild.responses import project_of
    from local_aws.services.codebuild.starting import fields_of

    with app.lock:
        record = project_of(app.backend("codebuild", account, region), project)
        if record["source"]["type"] != "CODEPIPELINE":
            raise InvalidInputException(
                f"Project {project} has a source of type {record['source']['type']}: CodePipeline can only start "
                "projects whose source and artifacts are of type CODEPIPELINE."
            )
        if isinstance(env, Mapping):
            env = [{"name": name, "value": value, "type": "PLAINTEXT"} for name, value in env.items()]
        request: dict[str, Any] = {"environmentVariablesOverride": env or []}
        fields = fields_of(record, request, initiator, region)
    fields["source"] |= {"location": "/".join(source_zip), "revision": source_version}
    fields["sourceVersion"] = source_version
    fields["secondarySources"] = [
        {"type": "CODEPIPELINE", "location": "/".join(place), "sourceIdentifier": name}
        for name, place in (secondary or {}).items()
    ]
    fields["_local"]["outputs"] = {name: list(place) for name, place in (output or {}).items()}
    if not output:
        fields["artifacts"] = {"type": "NO_ARTIFACTS"}
    return app.codebuild.submit(account, region, record["name"], fields).id


def register(app: LocalAwsApp) -> None:
    from local_aws.services.codebuild.responses import install
    from local_aws.services.codebuild.runner import Runner

    app.codebuild = Runner(app)
    app.codebuild.listeners = _listeners
    install(app.codebuild)
