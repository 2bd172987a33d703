"""Build and Test actions: a CodeBuild build with the input artifacts as its sources.

Source: CodePipeline user guide, "AWS CodeBuild build and test action reference".
"""

import json

from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError

from local_aws.services.codepipeline.actions.base import ActionFailed, Context, failed_call

_LONGEST = 8 * 3600 + 600.0  # CodeBuild's own limit is eight hours


def _environment(action: Context) -> list[dict]:
    text = action.configuration.get("EnvironmentVariables")
    if not text:
        return []
    try:
        listed = json.loads(text)
        return [
            {"name": one["name"], "value": str(one["value"]), "type": one.get("type", "PLAINTEXT")}
            for one in listed
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ActionFailed(
            "ConfigurationError",
            'EnvironmentVariables must be JSON like [{"name":"NAME","value":"text","type":"PLAINTEXT"}]: '
            f"{error!r}",
        ) from error


def codebuild(action: Context) -> None:
    from local_aws.services.codebuild import start

    project = action.configuration["ProjectName"]
    places = {name: (place["bucket"], place["key"]) for name, place in action.run.inputs.items()}
    primary = action.configuration.get("PrimarySource") or next(iter(places))
    outputs = {one["name"]: action.new_place(one["name"]) for one in action.declaration["outputArtifacts"]}
    try:
        build_id = start(
            action.app,
            project,
            action.account,
            action.region,
            source_zip=places.pop(primary),
            source_version=action.run.inputs[primary].get("revision"),
            secondary=places,
            output={name: (place["bucket"], place["key"]) for name, place in outputs.items()},
            env=_environment(action),
            initiator=f"codepipeline/{action.execution.pipeline}",
        )
    except JsonRESTError as error:
        raise ActionFailed(
            "JobFailed", f"Error calling startBuild for {project}: {error.error_type}: {error.message}"
        ) from error
    action.run.external_id = build_id
    _link(action, build_id)
    action.changed()
    action.wait(("build", build_id), _LONGEST)
    build = _link(action, build_id)
    exported = build.get("exportedEnvironmentVariables") or []
    action.run.variables = {one["name"]: one["value"] for one in exported}
    if build["buildStatus"] != "SUCCEEDED":
        raise ActionFailed("JobFailed", _reason(build))
    s3 = action.client("s3")
    for name, place in outputs.items():
        try:
            s3.head_object(Bucket=place["bucket"], Key=place["key"])
        except ClientError as error:
            raise failed_call(error, f"The build made no artifact {name}") from error
        action.run.artifacts[name] = place


def _link(action: Context, build_id: str) -> dict:
    """Where the build's log is: the ARN of its stream stands for the console's address."""
    build = action.client("codebuild").batch_get_builds(ids=[build_id])["builds"][0]
    logs = build.get("logs") or {}
    if logs.get("groupName"):
        action.run.external_url = (
            f"arn:aws:logs:{action.region}:{action.account}:log-group:{logs['groupName']}"
            f":log-stream:{logs.get('streamName', '')}"
        )
    return build


def _reason(build: dict) -> str:
    """AWS's sentence, and what the failed phase said."""
    said = [
        f"{phase['phaseType']}: {context['statusCode']}: {context['message']}"
        for phase in build.get("phases") or []
        if phase.get("phaseStatus") in ("FAILED", "FAULT", "TIMED_OUT", "CLIENT_ERROR")
        for context in phase.get("contexts") or []
        if context.get("message")
    ]
    return f"Build terminated with state: {build['buildStatus']}. " + " ".join(said)
