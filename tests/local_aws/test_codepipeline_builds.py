"""Pipelines whose actions are real builds, started by real commits."""

import json
import os
import signal
import uuid

import pytest
from codepipeline_helpers import ENDED, Pipelines, action, make_role
from servers import clients_of, running_server
from waiting import until

pytestmark = pytest.mark.slow

BUILDSPEC = """
version: 0.2
env:
  exported-variables: [WORD]
phases:
  build:
    commands:
      - export WORD=$(cat word.txt)
      - echo "building $WORD in $STAGE"
      - test "$WORD" != broken
      - mkdir out && echo "$WORD $STAGE" > out/result.txt
artifacts:
  base-directory: out
  files: ["**/*"]
"""


@pytest.fixture
def pipes(aws):
    return Pipelines(aws)


def make_project(aws, buildspec):
    """A project for pipelines; its buildspec is its own, not the source's."""
    name = f"build-{uuid.uuid4().hex[:8]}"
    role = make_role(aws, name, {"Service": "codebuild.amazonaws.com"})
    aws.codebuild.create_project(
        name=name,
        source={"type": "CODEPIPELINE", "buildspec": buildspec},
        artifacts={"type": "CODEPIPELINE"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
        serviceRole=role,
    )
    return name


@pytest.fixture(scope="module")
def project(aws):
    return make_project(aws, BUILDSPEC)


def build(project, **more):
    variables = json.dumps([{"name": "STAGE", "value": "#{variables.stage}", "type": "PLAINTEXT"}])
    given = {"ProjectName": project, "EnvironmentVariables": variables}
    return action(
        "Build",
        "Build",
        "CodeBuild",
        configuration=given,
        inputs=["Src"],
        outputs=["Out"],
        namespace="Made",
        **more,
    )


def create(pipes, project, source=None):
    deploy = pipes.deploy(inputs=["Out"])
    deploy["configuration"]["ObjectKey"] = "out/#{Made.WORD}"
    variables = [{"name": "stage", "defaultValue": "dev"}]
    first = [source or pipes.source()]
    return pipes.create(first, [build(project)], [deploy], pipelineType="V2", variables=variables)


def test_a_build_gets_the_source_and_gives_artifact_and_variables(pipes, aws, project):
    pipes.put_source(**{"word.txt": "hello"})
    wanted = create(pipes, project)
    assert pipes.wait(wanted, seconds=60)["status"] == "Succeeded"
    found = aws.s3.get_object(Bucket=pipes.artifacts, Key="out/hello/result.txt")
    assert found["Body"].read() == b"hello dev\n"
    run = next(run for run in pipes.runs(wanted) if run["actionName"] == "Build")
    assert run["output"]["outputVariables"] == {"WORD": "hello"}
    assert run["input"]["inputArtifacts"][0]["name"] == "Src"
    result = run["output"]["executionResult"]
    made = aws.codebuild.batch_get_builds(ids=[result["externalExecutionId"]])["builds"][0]
    assert made["initiator"] == f"codepipeline/{pipes.name}"
    logs = made["logs"]
    assert result["externalExecutionUrl"].endswith(
        f"log-group:{logs['groupName']}:log-stream:{logs['streamName']}"
    )
    lines = aws.logs.get_log_events(logGroupName=logs["groupName"], logStreamName=logs["streamName"])[
        "events"
    ]
    assert any("building hello in dev" in line["message"] for line in lines)


def test_a_failing_build_fails_the_stage_with_the_command_that_failed(pipes, project):
    pipes.put_source(**{"word.txt": "broken"})
    found = pipes.wait(create(pipes, project), seconds=60)
    assert found["status"] == "Failed"
    error = pipes.action_state("Stage1", "Build")["errorDetails"]
    assert error["code"] == "JobFailed"
    assert error["message"].startswith("Build terminated with state: FAILED.")
    assert 'test "$WORD" != broken' in error["message"]
    assert "latestExecution" not in pipes.stage("Stage2")


def test_a_project_that_does_not_exist(pipes):
    pipes.put_source()
    found = pipes.wait(create(pipes, "no-such-project"))
    assert "Project cannot be found" in found["statusSummary"]


def test_of_100_commits_in_a_row_no_execution_is_lost_and_the_last_commit_is_built(pipes, aws, project):
    repository = pipes.name
    aws.codecommit.create_repository(repositoryName=repository)
    given = {"RepositoryName": repository, "BranchName": "main", "PollForSourceChanges": "false"}
    source = action("Source", "Source", "CodeCommit", configuration=given, outputs=["Src"])
    first = create(pipes, project, source)
    assert pipes.wait(first)["status"] == "Failed"  # the branch is not there yet
    pipes.start_on_commits(repository)
    parent = {}
    for number in range(100):
        commit = aws.codecommit.create_commit(
            repositoryName=repository,
            branchName="main",
            putFiles=[{"filePath": "word.txt", "fileContent": f"commit-{number}".encode()}],
            **parent,
        )["commitId"]
        parent = {"parentCommitId": commit}
    until(lambda: len(pipes.executions()) == 101)
    until(lambda: all(one["status"] in ENDED for one in pipes.executions()), 90)
    executions = pipes.executions()
    newest, others = executions[0], executions[1:-1]
    assert newest["status"] == "Succeeded", newest
    assert newest["sourceRevisions"][0]["revisionId"] == commit
    assert {one["status"] for one in others} <= {"Succeeded", "Superseded"}
    assert sum(one["status"] == "Superseded" for one in others) > 50
    assert len({one["pipelineExecutionId"] for one in executions}) == 101
    found = aws.s3.get_object(Bucket=pipes.artifacts, Key="out/commit-99/result.txt")
    assert found["Body"].read() == b"commit-99 dev\n"


def test_a_build_that_a_kill_ended_has_failed_and_can_be_tried_again(tmp_path):
    with running_server(tmp_path / "home") as local:
        aws = clients_of(local.endpoint_url)
        pipes = Pipelines(aws)
        pipes.put_source()
        name = make_project(aws, BUILDSPEC.replace("- mkdir out", "- sleep 60; mkdir out"))
        pipes.put_source(**{"word.txt": "patience"})
        wanted = create(pipes, name)
        until(lambda: pipes.action_state("Stage1", "Build").get("externalExecutionId"))
        os.kill(local.pid, signal.SIGKILL)
    with running_server(tmp_path / "home") as local:
        pipes.aws = clients_of(local.endpoint_url)
        pipes.api = pipes.aws.codepipeline
        found = pipes.wait(wanted)
        assert found["status"] == "Failed"
        assert "RetryStageExecution" in found["statusSummary"]
        quick = {"type": "CODEPIPELINE", "buildspec": BUILDSPEC}
        pipes.aws.codebuild.update_project(name=name, source=quick)
        pipes.api.retry_stage_execution(
            pipelineName=pipes.name,
            stageName="Stage1",
            pipelineExecutionId=wanted,
            retryMode="FAILED_ACTIONS",
        )
        assert pipes.wait(wanted, "Succeeded", "Failed", seconds=60)["status"] == "Succeeded"
