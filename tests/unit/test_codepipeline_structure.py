"""What is no pipeline is refused with the reason."""

import copy

import pytest
from moto.core.exceptions import JsonRESTError

from local_aws.services.codepipeline.actions.base import ActionFailed, resolve
from local_aws.services.codepipeline.structure import check, with_defaults


def action(name, category, provider, configuration, inputs=(), outputs=()):
    return {
        "name": name,
        "actionTypeId": {"category": category, "owner": "AWS", "provider": provider, "version": "1"},
        "configuration": configuration,
        "inputArtifacts": [{"name": n} for n in inputs],
        "outputArtifacts": [{"name": n} for n in outputs],
    }


GOOD = {
    "name": "pipe",
    "roleArn": "arn:aws:iam::123456789012:role/x",
    "artifactStore": {"type": "S3", "location": "bucket"},
    "stages": [
        {
            "name": "Source",
            "actions": [
                action(
                    "Src",
                    "Source",
                    "CodeCommit",
                    {"RepositoryName": "r", "BranchName": "main"},
                    outputs=["S"],
                )
            ],
        },
        {
            "name": "Build",
            "actions": [action("Build", "Build", "CodeBuild", {"ProjectName": "p"}, ["S"], ["B"])],
        },
    ],
}


def refusal(change):
    pipeline = copy.deepcopy(GOOD)
    change(pipeline)
    with pytest.raises(JsonRESTError) as caught:
        check(with_defaults(pipeline), "us-east-1")
    return caught.value.error_type, caught.value.message


def test_a_good_pipeline_passes_and_gets_its_defaults():
    filled = with_defaults(GOOD)
    check(filled, "us-east-1")
    assert (filled["executionMode"], filled["pipelineType"]) == ("SUPERSEDED", "V1")
    assert filled["stages"][0]["actions"][0]["runOrder"] == 1
    assert "runOrder" not in GOOD["stages"][0]["actions"][0]


def set_in(*path, value):
    def change(pipeline):
        place = pipeline
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


BUILD = ("stages", 1, "actions", 0)


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda p: p["stages"].pop(), "Structure", "Pipeline has only 1 stage(s)"),
        (set_in("stages", 1, "name", value="Source"), "Structure", "'Source' is not unique within the pipeline"),
        (set_in("stages", 1, "actions", value=[]), "Structure", "Stage 'Build' has no actions"),
        (lambda p: p["stages"].reverse(), "Structure", "should start with a stage that only contains source"),
        (
            lambda p: p["stages"][1]["actions"].append(p["stages"][0]["actions"][0]),
            "Structure",
            "Stage 'Build' contains the source action 'Src'",
        ),
        (set_in(*BUILD, "inputArtifacts", value=[{"name": "X"}]), "Structure", "X in action Build is not declared"),
        (set_in(*BUILD, "outputArtifacts", value=[{"name": "S"}]), "Structure", "S is declared twice"),
        (set_in(*BUILD, "inputArtifacts", value=[]), "Structure", "has 0 inputArtifacts; it must have between 1"),
        (set_in(*BUILD, "configuration", value={}), "ActionDeclaration", "missing required configuration 'Proj"),
        (set_in(*BUILD, "configuration", "Typo", value="1"), "ActionDeclaration", "unknown configuration 'Typo'"),
        (set_in(*BUILD, "configuration", "PrimarySource", value="Z"), "ActionDeclaration", "PrimarySource 'Z'"),
        (set_in(*BUILD, "actionTypeId", "provider", value="Nope"), "ActionDeclaration", "Provider: 'Nope'"),
        (set_in(*BUILD, "runOrder", value=0), "Structure", "between 1 and 999"),
        (set_in("artifactStores", value={"us-east-1": {}}), "Structure", "Exactly one of artifactStore"),
        (set_in("executionMode", value="QUEUED"), "Structure", "only supported by pipelines of type V2"),
        (set_in("stages", 1, "onFailure", value={}), "Structure", "does not emulate onFailure"),
    ],
)  # fmt: skip
def test_what_is_no_pipeline(change, code, said):
    error_type, message = refusal(change)
    assert error_type == f"Invalid{code}Exception"
    assert said in message


def test_parallel_mode_is_refused_by_name():
    def change(pipeline):
        pipeline.update(executionMode="PARALLEL", pipelineType="V2")

    assert "does not emulate execution mode PARALLEL" in refusal(change)[1]


def test_an_artifact_of_the_same_run_order_is_not_there_yet():
    def change(pipeline):
        stage = pipeline["stages"][1]["actions"]
        stage.append(action("Second", "Build", "CodeBuild", {"ProjectName": "p"}, ["B"]))

    assert "B in action Second is not declared" in refusal(change)[1]


def test_variables_are_resolved_and_an_unknown_one_names_itself():
    namespaces = {"Src": {"CommitId": "abc"}, "variables": {"stage": "dev"}}
    assert resolve("#{Src.CommitId}-#{variables.stage}-$HOME", namespaces) == "abc-dev-$HOME"
    with pytest.raises(ActionFailed, match=r"#\{Src.Nope\} cannot be resolved"):
        resolve("#{Src.Nope}", namespaces)
