"""Is this a pipeline? The rules of its declaration.

Source: CodePipeline user guide, "Pipeline declaration", "Stage declaration", "Action declaration"; API reference,
PipelineDeclaration.
"""

import re
from typing import Any

from local_aws.services.codepipeline.catalog import ActionType, type_of
from local_aws.services.codepipeline.errors import declaration, error, structure

_NAME = re.compile(r"[A-Za-z0-9.@_-]{1,100}")
_ARTIFACT = re.compile(r"[A-Za-z0-9_-]{1,100}")
_NAMESPACE = re.compile(r"[A-Za-z0-9@_-]{1,100}")
_VARIABLE = re.compile(r"[A-Za-z0-9@_-]{1,128}")
# Parts of V2 that would decide what runs, and do not here.
_STAGE_CONDITIONS = ("onFailure", "onSuccess", "beforeEntry")


def with_defaults(pipeline: dict[str, Any]) -> dict[str, Any]:
    """A copy in which what AWS fills in is filled in."""
    filled = {"executionMode": "SUPERSEDED", "pipelineType": "V1", **pipeline}
    filled["stages"] = [
        {
            **stage,
            "actions": [
                {
                    "runOrder": 1,
                    "configuration": {},
                    "outputArtifacts": [],
                    "inputArtifacts": [],
                    **action,
                }
                for action in stage["actions"]
            ],
        }
        for stage in pipeline["stages"]
    ]
    return filled


def check(pipeline: dict[str, Any], region: str) -> None:
    """Raise the error that AWS gives for a declaration (with defaults) that is no pipeline."""
    if not _NAME.fullmatch(pipeline.get("name", "")):
        raise error(
            "ValidationException",
            f"1 validation error detected: Value '{pipeline.get('name')}' at 'pipeline.name' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [A-Za-z0-9.@\\-_]+",
        )
    _check_stores(pipeline, region)
    _check_mode(pipeline)
    stages = pipeline["stages"]
    if len(stages) < 2:
        raise structure(
            f"Pipeline has only {len(stages)} stage(s). There should be a minimum of 2 stages in a pipeline"
        )
    _unique([stage["name"] for stage in stages], "stage", "the pipeline")
    namespaces, made = set(), set()
    for number, stage in enumerate(stages):
        if not stage["actions"]:
            raise structure(f"Stage '{stage['name']}' has no actions. A stage must have at least one action")
        for condition in _STAGE_CONDITIONS:
            if condition in stage:
                raise structure(
                    f"local_aws does not emulate {condition} (stage '{stage['name']}'). Leave it out, or use AWS"
                )
        if not _NAME.fullmatch(stage["name"]):
            raise structure(f"Stage name '{stage['name']}' must match [A-Za-z0-9.@\\-_]{{1,100}}")
        _unique([action["name"] for action in stage["actions"]], "action", f"stage '{stage['name']}'")
        _check_stage(stage, number, made, namespaces, region)


def _unique(names: list[str], what: str, where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise structure(f"The {what} name '{name}' is not unique within {where}")


def _check_stores(pipeline: dict[str, Any], region: str) -> None:
    one, many = pipeline.get("artifactStore"), pipeline.get("artifactStores")
    if bool(one) == bool(many):
        raise structure("Exactly one of artifactStore and artifactStores must be given")
    if many and region not in many:
        raise structure(f"artifactStores must contain the pipeline's own region {region}")
    for store in [one] if one else many.values():
        if store.get("type") != "S3" or not store.get("location"):
            raise structure("An artifact store must be of type S3 and name a bucket as its location")


def _check_mode(pipeline: dict[str, Any]) -> None:
    mode, kind = pipeline["executionMode"], pipeline["pipelineType"]
    if mode not in ("SUPERSEDED", "QUEUED", "PARALLEL") or kind not in ("V1", "V2"):
        raise structure(f"executionMode {mode} with pipelineType {kind} is not known")
    if kind == "V1" and mode != "SUPERSEDED":
        raise structure(f"Execution mode {mode} is only supported by pipelines of type V2")
    if mode == "PARALLEL":
        raise structure(
            "local_aws does not emulate execution mode PARALLEL. Use SUPERSEDED or QUEUED, or use AWS"
        )
    if kind == "V1" and (pipeline.get("variables") or pipeline.get("triggers")):
        raise structure("Pipeline variables and triggers are only supported by pipelines of type V2")
    _unique([variable["name"] for variable in pipeline.get("variables") or []], "variable", "the pipeline")
    for variable in pipeline.get("variables") or []:
        if not _VARIABLE.fullmatch(variable["name"]):
            raise structure(f"Pipeline variable name '{variable['name']}' must match [A-Za-z0-9@\\-_]+")


def _check_stage(stage: dict, number: int, made: set[str], namespaces: set[str], region: str) -> None:
    """`made`: artifacts of earlier stages; those of this stage are added. `namespaces` likewise."""
    for action in stage["actions"]:
        kind = _check_type(action, region)
        is_source = action["actionTypeId"]["category"] == "Source"
        if number == 0 and not is_source:
            raise structure(
                f"Pipeline should start with a stage that only contains source actions: action '{action['name']}'"
            )
        if number > 0 and is_source:
            raise structure(
                f"Stage '{stage['name']}' contains the source action '{action['name']}'. Only the first stage can"
            )
        _check_action(action, kind)
        if name := action.get("namespace"):
            if name in namespaces or not _NAMESPACE.fullmatch(name):
                raise structure(
                    f"The namespace '{name}' of action '{action['name']}' is not unique or not valid"
                )
            namespaces.add(name)
    for order in sorted({action["runOrder"] for action in stage["actions"]}):
        now = [action for action in stage["actions"] if action["runOrder"] == order]
        for action in now:
            for name in _names(action, "inputArtifacts"):
                if name not in made:
                    raise structure(
                        f"Input Artifact Bundle {name} in action {action['name']} is not declared as output of a "
                        "previous action"
                    )
        for action in now:
            for name in _names(action, "outputArtifacts"):
                if name in made:
                    raise structure(f"Output Artifact Bundle name must be unique: {name} is declared twice")
                made.add(name)


def _names(action: dict, side: str) -> list[str]:
    return [artifact["name"] for artifact in action[side]]


def _check_type(action: dict, region: str) -> ActionType:
    if not _NAME.fullmatch(action["name"]):
        raise structure(f"Action name '{action['name']}' must match [A-Za-z0-9.@\\-_]{{1,100}}")
    kind, wanted = type_of(action), action["actionTypeId"]
    if kind is None:
        raise declaration(
            f"ActionType (Category: '{wanted.get('category')}', Provider: '{wanted.get('provider')}', Owner: "
            f"'{wanted.get('owner')}', Version: '{wanted.get('version')}') in action '{action['name']}' is not "
            f"available in region {region}"
        )
    return kind


def _check_action(action: dict, kind: ActionType) -> None:
    name, provider = action["name"], action["actionTypeId"]["provider"]
    for side, (least, most) in (("inputArtifacts", kind.inputs), ("outputArtifacts", kind.outputs)):
        count = len(action[side])
        if not least <= count <= most:
            raise structure(
                f"Action '{name}' ({provider}) has {count} {side}; it must have between {least} and {most}"
            )
        for artifact in _names(action, side):
            if not _ARTIFACT.fullmatch(artifact):
                raise structure(f"Artifact name '{artifact}' of action '{name}' must match [a-zA-Z0-9_\\-]+")
    if not 1 <= action["runOrder"] <= 999:
        raise structure(f"runOrder of action '{name}' must be between 1 and 999")
    given = action["configuration"]
    for key in sorted(kind.required - given.keys()):
        raise declaration(
            f"Action configuration for action '{name}' is missing required configuration '{key}'"
        )
    if kind.optional is not None:
        for key in sorted(given.keys() - kind.required - kind.optional):
            raise declaration(
                f"Action configuration for action '{name}' contains unknown configuration '{key}'"
            )
    if provider == "CodeBuild":
        _check_build(action)
    if provider == "S3" and given.get("Extract") == "false" and not given.get("ObjectKey"):
        raise declaration(
            f"Action configuration for action '{name}' is missing required configuration 'ObjectKey'"
        )


def _check_build(action: dict) -> None:
    inputs, primary = _names(action, "inputArtifacts"), action["configuration"].get("PrimarySource")
    if len(inputs) > 1 and primary is None:
        raise declaration(
            f"Action configuration for action '{action['name']}' is missing required configuration 'PrimarySource': "
            "it has more than one input artifact"
        )
    if primary is not None and primary not in inputs:
        raise declaration(
            f"PrimarySource '{primary}' of action '{action['name']}' is none of its input artifacts"
        )
    if action["configuration"].get("BatchEnabled", "false").lower() == "true":
        raise declaration(
            f"local_aws does not emulate batch builds (action '{action['name']}'). Use AWS for it"
        )
