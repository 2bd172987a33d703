"""Beginning an execution: checks of what the caller asks for, and pushes that pipelines poll for."""

from typing import Any

from local_aws.services.codepipeline.engine import Engine
from local_aws.services.codepipeline.errors import error, no_pipeline

_REVISIONS = {"CodeCommit": {"COMMIT_ID"}, "S3": {"S3_OBJECT_VERSION_ID", "S3_OBJECT_KEY"}}


def _variables(declared: list[dict], given: list[dict]) -> dict[str, str]:
    """Name -> value, defaults filled in."""
    values = {one["name"]: one["value"] for one in given}
    known = {one["name"] for one in declared}
    for name in values:
        if name not in known:
            raise error("ValidationException", f"The pipeline has no variable named '{name}'")
    for one in declared:
        if one["name"] not in values:
            if "defaultValue" not in one:
                raise error(
                    "ValidationException",
                    f"The variable '{one['name']}' has no default value and must be given",
                )
            values[one["name"]] = one["defaultValue"]
    return values


def _overrides(structure: dict[str, Any], given: list[dict]) -> dict[str, dict]:
    sources = {action["name"]: action for action in structure["stages"][0]["actions"]}
    found = {}
    for one in given:
        action = sources.get(one["actionName"])
        if action is None:
            raise error(
                "ValidationException", f"The pipeline has no source action named '{one['actionName']}'"
            )
        provider = action["actionTypeId"]["provider"]
        if one["revisionType"] not in _REVISIONS.get(provider, set()):
            raise error(
                "ValidationException",
                f"The revision type {one['revisionType']} does not fit the source action '{one['actionName']}' "
                f"({provider})",
            )
        found[one["actionName"]] = one
    return found


def begin(
    engine: Engine,
    name: str,
    account: str,
    region: str,
    trigger: dict[str, str],
    variables: list[dict] | None = None,
    sourceRevisions: list[dict] | None = None,
    token: str | None = None,
) -> str:
    """Start the pipeline; the execution's id. CodePipeline's errors for a name or values that do not fit."""
    with engine.app.lock:
        found = engine.app.backend("codepipeline", account, region).pipelines.get(name)
        if found is None:
            raise no_pipeline(account, name)
        structure = found.pipeline
        return engine.start(
            (account, region, name),
            structure,
            trigger,
            _variables(structure.get("variables") or [], variables or []),
            _overrides(structure, sourceRevisions or []),
            token,
        )


def _polling(structure: dict[str, Any], provider: str, **place: str) -> str | None:
    """The source action that polls this place."""
    for action in structure["stages"][0]["actions"]:
        given = action["configuration"]
        if (
            action["actionTypeId"]["provider"] == provider
            and given.get("PollForSourceChanges", "true").lower() == "true"
            and all(given.get(name) == value for name, value in place.items())
        ):
            return action["name"]
    return None


def start_after_push(engine: Engine, event: dict[str, Any]) -> None:
    """A listener of EventBridge: where AWS polls the repository, the push itself starts the pipeline."""
    if event["detail-type"] != "CodeCommit Repository State Change":
        return
    detail = event["detail"]
    if detail.get("referenceType") != "branch" or detail.get("event") not in (
        "referenceCreated",
        "referenceUpdated",
    ):
        return
    account, region = event["account"], event["region"]
    place = {"RepositoryName": detail["repositoryName"], "BranchName": detail["referenceName"]}
    with engine.app.lock:
        found = engine.app.backend("codepipeline", account, region).pipelines
        polling = {name: _polling(one.pipeline, "CodeCommit", **place) for name, one in found.items()}
    for name, action in polling.items():
        if action:
            begin(engine, name, account, region, _polled(action))


def start_after_put(engine: Engine, bucket: str, key: str) -> None:
    """A listener of S3, likewise, in whatever account the pipeline is. Called with the app's lock held."""
    import moto.backends

    for account, region, backend in moto.backends.get_backend("codepipeline").iter_backends():
        for name, one in list(backend.pipelines.items()):
            if action := _polling(one.pipeline, "S3", S3Bucket=bucket, S3ObjectKey=key):
                begin(engine, name, account, region, _polled(action))


def _polled(action: str) -> dict[str, str]:
    return {"triggerType": "PollForSourceChanges", "triggerDetail": action}
