"""CodePipeline: executions run their actions, and only those that the rules of the stages let through."""

import json
import os
import signal
import time
import uuid

import pytest
from botocore.exceptions import ClientError
from codepipeline_helpers import ENDED, Pipelines, action, approval, make_role, zipped
from servers import IMAGE, clients_of, running_server
from waiting import until


@pytest.fixture
def pipes(aws):
    return Pipelines(aws)


def code_of(caught):
    return caught.value.response["Error"]["Code"]


def test_an_execution_runs_from_the_source_to_the_deployment(pipes, aws):
    version = pipes.put_source(**{"site__index.html": "<p>hi</p>"})
    wanted = pipes.create([pipes.source(namespace="In")], [approval()], [pipes.deploy()])
    pipes.approve("Stage1")
    assert pipes.wait(wanted)["status"] == "Succeeded"
    found = aws.s3.get_object(Bucket=pipes.artifacts, Key="out/Deploy/site/index.html")
    assert found["Body"].read() == b"<p>hi</p>"
    assert found["ContentType"] == "text/html"
    summary = pipes.executions()[0]
    assert summary["trigger"]["triggerType"] == "CreatePipeline"
    assert summary["sourceRevisions"][0]["revisionId"] == version
    runs = {run["actionName"]: run for run in pipes.runs(wanted)}
    place = runs["Source"]["output"]["outputArtifacts"][0]["s3location"]
    assert place["bucket"] == pipes.artifacts
    assert place["key"].startswith(f"{pipes.name[:20]}/Src/")
    assert runs["Source"]["output"]["outputVariables"]["VersionId"] == version
    assert runs["Deploy"]["input"]["inputArtifacts"][0]["s3location"] == place
    assert runs["Approve"]["output"]["executionResult"]["externalExecutionSummary"] == "looks good"
    assert [pipes.stage(f"Stage{i}")["latestExecution"]["status"] for i in range(3)] == ["Succeeded"] * 3


@pytest.mark.slow
def test_a_source_that_is_missing_fails_with_its_reason(pipes):
    wanted = pipes.create([pipes.source()], [pipes.deploy()])
    found = pipes.wait(wanted)
    assert found["status"] == "Failed"
    assert "Action Source of stage Stage0 failed" in found["statusSummary"]
    assert pipes.stage("Stage0")["latestExecution"] == {
        "pipelineExecutionId": wanted,
        "status": "Failed",
        "type": "STANDARD",
    }
    error = pipes.action_state("Stage0", "Source")["errorDetails"]
    assert error["code"] == "JobFailed"
    assert f"s3://{pipes.sources}/source.zip" in error["message"]
    assert "latestExecution" not in pipes.stage("Stage1")


@pytest.mark.slow
def test_a_connection_is_not_emulated_and_says_so(pipes):
    connection = action("Source", "Source", "CodeStarSourceConnection", outputs=["Src"])
    found = pipes.wait(pipes.create([connection], [pipes.deploy()]))
    assert found["status"] == "Failed"
    assert "Source actions of CodeStarSourceConnection are not emulated" in found["statusSummary"]


class TestApproval:
    def test_rejection_fails_the_stage_and_nothing_after_it_runs(self, pipes, aws):
        pipes.put_source()
        wanted = pipes.create([pipes.source()], [approval()], [pipes.deploy()])
        pipes.approve("Stage1", "Rejected", "worse than before")
        found = pipes.wait(wanted)
        assert found["status"] == "Failed"
        assert "worse than before" in found["statusSummary"]
        assert "Contents" not in aws.s3.list_objects_v2(Bucket=pipes.artifacts, Prefix="out/")

    def test_a_wrong_token_and_a_second_answer_are_refused(self, pipes):
        pipes.put_source()
        pipes.create([pipes.source()], [approval()])
        token = pipes.token("Stage1")
        given = {
            "pipelineName": pipes.name,
            "stageName": "Stage1",
            "actionName": "Approve",
            "result": {"status": "Approved", "summary": ""},
        }
        with pytest.raises(ClientError) as caught:
            pipes.api.put_approval_result(**given, token=str(uuid.uuid4()))
        assert code_of(caught) == "InvalidApprovalTokenException"
        with pytest.raises(ClientError) as caught:
            pipes.api.put_approval_result(**{**given, "actionName": "Nobody"}, token=token)
        assert code_of(caught) == "ActionNotFoundException"
        pipes.approve("Stage1")
        until(lambda: pipes.stage("Stage1")["latestExecution"]["status"] == "Succeeded")
        with pytest.raises(ClientError) as caught:
            pipes.api.put_approval_result(**given, token=token)
        assert code_of(caught) == "ApprovalAlreadyCompletedException"

    def test_who_is_asked_gets_the_token(self, pipes, aws):
        pipes.put_source()
        url = aws.sqs.create_queue(QueueName=pipes.name)["QueueUrl"]
        topic = aws.sns.create_topic(Name=pipes.name)["TopicArn"]
        arn = f"arn:aws:sqs:us-east-1:123456789012:{pipes.name}"
        aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        given = {"NotificationArn": topic, "CustomData": "version #{In.VersionId}"}
        pipes.create([pipes.source(namespace="In")], [approval(configuration=given)])
        body = until(lambda: aws.sqs.receive_message(QueueUrl=url).get("Messages"))[0]["Body"]
        asked = json.loads(json.loads(body)["Message"])["approval"]
        assert asked["token"] == pipes.token("Stage1")
        source = pipes.runs()[-1]["output"]["outputVariables"]
        assert asked["customData"] == f"version {source['VersionId']}"


@pytest.mark.slow
class TestSuperseding:
    def test_the_newer_execution_supersedes_the_one_that_waits(self, pipes):
        pipes.put_source()
        first = pipes.create([pipes.source()], [approval()])
        pipes.token("Stage1")
        second = pipes.start()
        until(lambda: pipes.stage("Stage1").get("inboundExecution", {}).get("pipelineExecutionId") == second)
        third = pipes.start()
        pipes.wait(second, "Superseded")
        pipes.approve("Stage1")
        pipes.wait(first, "Succeeded")
        pipes.approve("Stage1")
        assert pipes.wait(third)["status"] == "Succeeded"

    def test_queued_executions_go_one_after_the_other(self, pipes):
        pipes.put_source()
        first = pipes.create([pipes.source()], [approval()], executionMode="QUEUED", pipelineType="V2")
        others = [pipes.start() for _ in range(3)]
        for wanted in [first, *others]:
            until(lambda wanted=wanted: self.holder(pipes) == wanted)
            pipes.approve("Stage1")
            assert pipes.wait(wanted)["status"] == "Succeeded"

    @staticmethod
    def holder(pipes):
        latest = pipes.stage("Stage1").get("latestExecution", {})
        return latest.get("pipelineExecutionId") if latest.get("status") == "InProgress" else None

    def test_of_100_starts_by_events_none_is_lost_and_one_is_left(self, pipes, aws):
        pipes.put_source()
        first = pipes.create([pipes.source()], [approval()])
        pipes.token("Stage1")
        rule, source = pipes.name, f"lab.{pipes.name}"
        aws.events.put_rule(Name=rule, EventPattern=json.dumps({"source": [source]}))
        arn = f"arn:aws:codepipeline:us-east-1:123456789012:{pipes.name}"
        aws.events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": arn, "RoleArn": pipes.role}])
        entry = {"Source": source, "DetailType": "Push", "Detail": "{}"}
        for _ in range(10):
            assert aws.events.put_events(Entries=[entry] * 10)["FailedEntryCount"] == 0
        until(lambda: len(pipes.executions()) == 101)
        newest = pipes.executions()[0]
        assert newest["trigger"] == {
            "triggerType": "CloudWatchEvent",
            "triggerDetail": f"arn:aws:events:us-east-1:123456789012:rule/{rule}",
        }
        until(
            lambda: (
                pipes.stage("Stage1").get("inboundExecution", {}).get("pipelineExecutionId")
                == newest["pipelineExecutionId"]
            )
        )
        statuses = [one["status"] for one in pipes.executions()]
        assert statuses == ["InProgress", *["Superseded"] * 99, "InProgress"]
        pipes.approve("Stage1")
        pipes.wait(first, "Succeeded")
        pipes.token("Stage1")
        running = [one for one in pipes.executions() if one["status"] not in ENDED]
        assert [one["pipelineExecutionId"] for one in running] == [newest["pipelineExecutionId"]]


def test_only_an_approved_model_package_starts_the_deployment_pipeline(pipes, aws):
    """Rejected and pending packages do not deploy, nor does another update of an approved one."""
    pipes.put_source()
    pipes.wait(pipes.create([pipes.source()], [pipes.deploy()]))
    aws.sagemaker.create_model_package_group(ModelPackageGroupName=pipes.name)
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {"ModelPackageGroupName": [pipes.name], "ModelApprovalStatus": ["Approved"]},
    }
    aws.events.put_rule(Name=pipes.name, EventPattern=json.dumps(pattern))
    pipeline = f"arn:aws:codepipeline:us-east-1:123456789012:{pipes.name}"
    queue = f"arn:aws:sqs:us-east-1:123456789012:{pipes.name}"
    url = aws.sqs.create_queue(QueueName=pipes.name)["QueueUrl"]
    aws.events.put_targets(
        Rule=pipes.name,
        Targets=[{"Id": "1", "Arn": pipeline, "RoleArn": pipes.role}],
    )
    everything = {**pattern, "detail": {"ModelPackageGroupName": [pipes.name]}}
    aws.events.put_rule(Name=f"{pipes.name}-all", EventPattern=json.dumps(everything))
    aws.events.put_targets(Rule=f"{pipes.name}-all", Targets=[{"Id": "1", "Arn": queue}])
    container = {"Image": IMAGE, "ModelDataUrl": "s3://lab-bucket/model.tar.gz"}
    package = aws.sagemaker.create_model_package(
        ModelPackageGroupName=pipes.name,
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    update = aws.sagemaker.update_model_package
    update(ModelPackageArn=package, ModelApprovalStatus="Rejected")
    update(ModelPackageArn=package, ModelApprovalStatus="PendingManualApproval")
    update(ModelPackageArn=package, ModelApprovalStatus="Approved")
    update(ModelPackageArn=package, CustomerMetadataProperties={"seen": "yes"})
    update(ModelPackageArn=package, ModelApprovalStatus="Rejected")
    states = []

    def all_there():
        answer = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        states.extend(json.loads(m["Body"])["detail"]["ModelApprovalStatus"] for m in answer)
        return len(states) == 5

    until(all_there)  # all events have been matched with the rules
    pending = "PendingManualApproval"
    assert states == [pending, "Rejected", pending, "Approved", "Rejected"]
    until(lambda: len(pipes.executions()) > 1)
    by_event = [e for e in pipes.executions() if e["trigger"]["triggerType"] == "CloudWatchEvent"]
    assert len(by_event) == 1
    assert pipes.wait(by_event[0]["pipelineExecutionId"])["status"] == "Succeeded"


@pytest.mark.slow
class TestTransitions:
    def test_a_disabled_transition_holds_until_it_is_enabled(self, pipes):
        pipes.put_source()
        pipes.wait(pipes.create([pipes.source()], [pipes.deploy()]))
        where = {"pipelineName": pipes.name, "stageName": "Stage1", "transitionType": "Inbound"}
        pipes.api.disable_stage_transition(**where, reason="frozen")
        wanted = pipes.start()
        until(lambda: "inboundExecution" in pipes.stage("Stage1"))
        state = pipes.stage("Stage1")["inboundTransitionState"]
        assert (state["enabled"], state["disabledReason"]) == (False, "frozen")
        assert pipes.execution(wanted)["status"] == "InProgress"
        pipes.api.enable_stage_transition(**where)
        assert pipes.wait(wanted)["status"] == "Succeeded"
        assert pipes.stage("Stage1")["inboundTransitionState"] == {"enabled": True}


@pytest.mark.slow
class TestStopping:
    @pytest.fixture
    def waiting(self, pipes):
        pipes.put_source()
        wanted = pipes.create([pipes.source()], [approval()], [pipes.deploy()])
        pipes.token("Stage1")
        return wanted

    def test_abandon(self, pipes, waiting):
        stop = {"pipelineName": pipes.name, "pipelineExecutionId": waiting}
        pipes.api.stop_pipeline_execution(**stop, abandon=True, reason="not this one")
        assert pipes.wait(waiting)["status"] == "Stopped"
        assert pipes.action_state("Stage1", "Approve")["status"] == "Abandoned"
        assert pipes.executions()[0]["stopTrigger"] == {"reason": "not this one"}
        with pytest.raises(ClientError) as caught:
            pipes.api.stop_pipeline_execution(**stop)
        assert code_of(caught) == "PipelineExecutionNotStoppableException"

    def test_stop_and_wait_lets_the_action_end(self, pipes, waiting):
        stop = {"pipelineName": pipes.name, "pipelineExecutionId": waiting}
        pipes.api.stop_pipeline_execution(**stop, abandon=False)
        assert pipes.execution(waiting)["status"] == "Stopping"
        with pytest.raises(ClientError) as caught:
            pipes.api.stop_pipeline_execution(**stop, abandon=False)
        assert code_of(caught) == "DuplicatedStopRequestException"
        pipes.approve("Stage1")
        assert pipes.wait(waiting)["status"] == "Stopped"
        assert "latestExecution" not in pipes.stage("Stage2")

    def test_an_execution_that_waits_stops_at_once(self, pipes, waiting):
        second = pipes.start()
        until(lambda: "inboundExecution" in pipes.stage("Stage1"))
        pipes.api.stop_pipeline_execution(pipelineName=pipes.name, pipelineExecutionId=second)
        assert pipes.execution(second)["status"] == "Stopped"
        assert pipes.execution(waiting)["status"] == "InProgress"


@pytest.mark.slow
class TestRetry:
    def retry(self, pipes, wanted, mode="FAILED_ACTIONS", stage="Stage1"):
        pipes.api.retry_stage_execution(
            pipelineName=pipes.name, stageName=stage, pipelineExecutionId=wanted, retryMode=mode
        )

    @pytest.mark.parametrize(("mode", "approvals"), [("FAILED_ACTIONS", 1), ("ALL_ACTIONS", 2)])
    def test_a_stage_is_tried_again(self, pipes, aws, mode, approvals):
        pipes.put_source()
        missing = pipes.deploy(runOrder=2)
        missing["configuration"]["BucketName"] = f"{pipes.name}-later"
        wanted = pipes.create([pipes.source()], [approval(), missing])
        pipes.approve("Stage1")
        assert "NoSuchBucket" in pipes.wait(wanted, "Failed")["statusSummary"]
        aws.s3.create_bucket(Bucket=f"{pipes.name}-later")
        self.retry(pipes, wanted, mode)
        if approvals == 2:
            pipes.approve("Stage1")
        assert pipes.wait(wanted, "Succeeded", "Failed")["status"] == "Succeeded"
        assert [run["actionName"] for run in pipes.runs(wanted)].count("Approve") == approvals

    def test_what_has_not_failed_or_is_not_the_newest_cannot_be_tried_again(self, pipes):
        pipes.put_source()
        first = pipes.create([pipes.source()], [approval()])
        pipes.approve("Stage1", "Rejected")
        pipes.wait(first, "Failed")
        with pytest.raises(ClientError) as caught:
            self.retry(pipes, first, stage="Stage0")
        assert code_of(caught) == "StageNotRetryableException"
        pipes.start()
        pipes.token("Stage1")
        with pytest.raises(ClientError) as caught:
            self.retry(pipes, first)
        assert code_of(caught) == "NotLatestPipelineExecutionException"


@pytest.mark.slow
class TestStarting:
    def test_a_new_version_of_a_polled_object_starts_the_pipeline(self, pipes):
        pipes.put_source()
        source = pipes.source()
        del source["configuration"]["PollForSourceChanges"]
        pipes.wait(pipes.create([source], [pipes.deploy()]))
        version = pipes.put_source(**{"a.txt": "new"})
        newest = pipes.executions()[0]
        assert newest["trigger"] == {"triggerType": "PollForSourceChanges", "triggerDetail": "Source"}
        assert pipes.wait(newest["pipelineExecutionId"])["status"] == "Succeeded"
        assert pipes.executions()[0]["sourceRevisions"][0]["revisionId"] == version
        assert len(pipes.executions()) == 2

    def test_the_same_request_token_is_the_same_execution(self, pipes):
        pipes.put_source()
        pipes.create([pipes.source()], [approval()])
        token = str(uuid.uuid4())
        assert pipes.start(clientRequestToken=token) == pipes.start(clientRequestToken=token)
        assert len(pipes.executions()) == 2

    def test_an_older_revision_and_variables(self, pipes, aws):
        old = pipes.put_source(**{"a.txt": "old"})
        pipes.put_source(**{"a.txt": "new"})
        deploy = pipes.deploy()
        deploy["configuration"]["ObjectKey"] = "out/#{variables.where}/#{codepipeline.PipelineExecutionId}"
        variables = [{"name": "where", "defaultValue": "default"}]
        pipes.create([pipes.source()], [deploy], pipelineType="V2", variables=variables)
        revision = {"actionName": "Source", "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": old}
        wanted = pipes.start(sourceRevisions=[revision], variables=[{"name": "where", "value": "given"}])
        assert pipes.wait(wanted)["status"] == "Succeeded"
        found = aws.s3.get_object(Bucket=pipes.artifacts, Key=f"out/given/{wanted}/a.txt")
        assert found["Body"].read() == b"old"
        assert pipes.execution(wanted)["variables"] == [{"name": "where", "resolvedValue": "given"}]
        with pytest.raises(ClientError, match="no variable named 'typo'"):
            pipes.start(variables=[{"name": "typo", "value": "x"}])
        asked = pipes.declaration(
            [pipes.source()], [deploy], pipelineType="V2", variables=[*variables, {"name": "who"}]
        )
        pipes.api.update_pipeline(pipeline=asked)
        with pytest.raises(ClientError, match="'who' has no default value and must be given"):
            pipes.start()

    def test_a_pipeline_that_does_not_exist(self, aws):
        with pytest.raises(ClientError, match="does not have a pipeline with name 'nope'") as caught:
            aws.codepipeline.start_pipeline_execution(name="nope")
        assert code_of(caught) == "PipelineNotFoundException"

    def test_a_role_that_codepipeline_may_not_assume(self, pipes):
        declared = pipes.declaration([pipes.source()], [approval()])
        declared["roleArn"] = "arn:aws:iam::123456789012:role/nobody"
        with pytest.raises(ClientError, match="not authorized to perform AssumeRole on role") as caught:
            pipes.api.create_pipeline(pipeline=declared)
        assert code_of(caught) == "InvalidStructureException"

    def test_an_artifact_store_that_is_missing(self, pipes):
        store = {"type": "S3", "location": "no-such-bucket-anywhere"}
        with pytest.raises(ClientError, match="No bucket with the name no-such-bucket-anywhere was found"):
            pipes.create([pipes.source()], [approval()], artifactStore=store)


@pytest.mark.slow
def test_actions_of_one_run_order_run_side_by_side(pipes):
    pipes.put_source()
    wanted = pipes.create([pipes.source()], [approval("One"), approval("Two"), pipes.deploy(runOrder=2)])
    pipes.token("Stage1", "One")
    pipes.approve("Stage1", name="Two")
    assert pipes.action_state("Stage1", "Deploy") == {}
    pipes.approve("Stage1", name="One")
    assert pipes.wait(wanted)["status"] == "Succeeded"


@pytest.mark.slow
def test_a_deleted_pipeline_is_gone_with_its_executions(pipes):
    pipes.put_source()
    pipes.create([pipes.source()], [approval()])
    pipes.token("Stage1")
    pipes.api.delete_pipeline(name=pipes.name)
    with pytest.raises(ClientError):
        pipes.executions()
    again = pipes.create([pipes.source()], [approval()])
    assert [one["pipelineExecutionId"] for one in pipes.executions()] == [again]


@pytest.mark.slow
def test_an_updated_pipeline_runs_as_it_is_now(pipes):
    pipes.put_source()
    first = pipes.create([pipes.source()], [approval()])
    pipes.token("Stage1")
    declared = pipes.declaration([pipes.source()], [pipes.deploy()], [pipes.deploy("Again")])
    assert pipes.api.update_pipeline(pipeline=declared)["pipeline"]["version"] == 2
    second = pipes.start()
    assert pipes.wait(second)["status"] == "Succeeded"
    assert pipes.execution(second)["pipelineVersion"] == 2
    assert pipes.execution(first)["status"] == "InProgress"


@pytest.mark.slow
def test_its_events(pipes, aws):
    url = aws.sqs.create_queue(QueueName=pipes.name)["QueueUrl"]
    pattern = {"source": ["aws.codepipeline"], "detail": {"pipeline": [pipes.name]}}
    aws.events.put_rule(Name=pipes.name, EventPattern=json.dumps(pattern))
    arn = f"arn:aws:sqs:us-east-1:123456789012:{pipes.name}"
    aws.events.put_targets(Rule=pipes.name, Targets=[{"Id": "1", "Arn": arn}])
    pipes.put_source()
    wanted = pipes.create([pipes.source()], [pipes.deploy()])
    found = []

    def all_there():
        answer = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        found.extend(json.loads(message["Body"]) for message in answer.get("Messages", []))
        return len(found) >= 10

    until(all_there)
    assert {event["detail"]["execution-id"] for event in found} == {wanted}
    kinds = [(e["detail-type"].split()[1], e["detail"]["state"]) for e in found]
    assert kinds == [
        ("Pipeline", "STARTED"),
        *[("Stage", "STARTED"), ("Action", "STARTED"), ("Action", "SUCCEEDED"), ("Stage", "SUCCEEDED")] * 2,
        ("Pipeline", "SUCCEEDED"),
    ]
    assert found[0]["resources"] == [f"arn:aws:codepipeline:us-east-1:123456789012:{pipes.name}"]
    assert found[3]["detail"]["type"]["provider"] == "S3"
    assert found[0]["detail"]["execution-trigger"]["trigger-type"] == "CreatePipeline"


@pytest.mark.slow
def test_after_a_kill_an_approval_still_waits_and_nothing_hangs(tmp_path):
    with running_server(tmp_path / "home") as local:
        pipes = Pipelines(clients_of(local.endpoint_url))
        pipes.put_source()
        first = pipes.create([pipes.source()], [approval()], [pipes.deploy()])
        token = pipes.token("Stage1")
        second = pipes.start()
        until(lambda: "inboundExecution" in pipes.stage("Stage1"))
        approved = Pipelines(pipes.aws)
        approved.put_source()
        third = approved.create([approved.source()], [approval()], [approved.deploy()])
        approved.approve("Stage1")
        os.kill(local.pid, signal.SIGKILL)  # right after the answer
    with running_server(tmp_path / "home") as local:
        pipes.aws = approved.aws = clients_of(local.endpoint_url)
        pipes.api = approved.api = pipes.aws.codepipeline
        stages = approved.wait(third)["status"], approved.stage("Stage1")["latestExecution"]["status"]
        assert stages[1] == "Succeeded", stages
        assert pipes.token("Stage1") == token
        assert pipes.stage("Stage1")["inboundExecution"]["pipelineExecutionId"] == second
        pipes.approve("Stage1")
        assert pipes.wait(first)["status"] == "Succeeded"
        pipes.approve("Stage1")
        assert pipes.wait(second)["status"] == "Succeeded"


FUNCTION = """
import boto3

def handler(event, context):
    job = event["CodePipeline.job"]
    given = job["data"]["actionConfiguration"]["configuration"]["UserParameters"]
    api = boto3.client("codepipeline")
    if given == "fail":
        api.put_job_failure_result(jobId=job["id"], failureDetails={"type": "JobFailed", "message": "as asked"})
    elif given == "crash":
        raise RuntimeError("no result")
    else:
        api.put_job_success_result(jobId=job["id"], outputVariables={"said": given})
"""


@pytest.fixture(scope="module")
def function(aws):
    name = f"job-{uuid.uuid4().hex[:8]}"
    role = make_role(aws, name, {"Service": "lambda.amazonaws.com"})
    aws.__getattr__("lambda").create_function(
        FunctionName=name, Runtime="python3.11", Role=role, Handler="code.handler",
        Code={"ZipFile": zipped(**{"code.py": FUNCTION})}, Timeout=30,
    )  # fmt: skip
    return name


@pytest.mark.slow
class TestLambda:
    @pytest.mark.parametrize(
        ("given", "status", "said"),
        [("hello", "Succeeded", None), ("fail", "Failed", "as asked"), ("crash", "Failed", "gave no result")],
    )
    def test_the_function_answers_for_the_action(self, pipes, function, given, status, said):
        pipes.put_source()
        given = {"FunctionName": function, "UserParameters": given}
        wanted = pipes.create([pipes.source()], [action("Ask", "Invoke", "Lambda", configuration=given)])
        found = pipes.wait(wanted, seconds=40)
        assert found["status"] == status, found
        if said:
            assert said in found["statusSummary"]
        else:
            run = next(run for run in pipes.runs(wanted) if run["actionName"] == "Ask")
            assert run["output"]["outputVariables"] == {"said": "hello"}


@pytest.mark.slow
def test_a_push_starts_the_pipeline_by_rule_or_because_it_polls(pipes, aws):
    repository, branch = pipes.name, "main"
    aws.codecommit.create_repository(repositoryName=repository)

    def source(polls):
        given = {"RepositoryName": repository, "BranchName": branch, "PollForSourceChanges": polls}
        return action("Source", "Source", "CodeCommit", configuration=given, outputs=["Src"], namespace="In")

    first = pipes.create([source("true")], [pipes.deploy()])
    found = pipes.wait(first)
    assert found["status"] == "Failed"
    assert f"repository {repository}, branch main" in found["statusSummary"]
    commit = aws.codecommit.create_commit(
        repositoryName=repository, branchName=branch, commitMessage="first\n\nmore",
        putFiles=[{"filePath": "a/b.txt", "fileContent": b"text"}],
    )["commitId"]  # fmt: skip
    until(lambda: len(pipes.executions()) == 2)
    newest = pipes.executions()[0]
    assert newest["trigger"]["triggerType"] == "PollForSourceChanges"
    assert pipes.wait(newest["pipelineExecutionId"])["status"] == "Succeeded"
    assert pipes.executions()[0]["sourceRevisions"][0]["revisionId"] == commit
    assert aws.s3.get_object(Bucket=pipes.artifacts, Key="out/Deploy/a/b.txt")["Body"].read() == b"text"
    variables = pipes.runs(newest["pipelineExecutionId"])[-1]["output"]["outputVariables"]
    assert (variables["CommitId"], variables["BranchName"]) == (commit, "main")
    pipes.api.update_pipeline(pipeline=pipes.declaration([source("false")], [pipes.deploy()]))
    pipes.start_on_commits(repository)
    aws.codecommit.create_commit(
        repositoryName=repository, branchName=branch, parentCommitId=commit, commitMessage="second",
        putFiles=[{"filePath": "a/b.txt", "fileContent": b"new"}],
    )  # fmt: skip
    until(lambda: len(pipes.executions()) == 3)
    time.sleep(0.3)  # a second start would be there by now
    assert len(pipes.executions()) == 3
    assert pipes.executions()[0]["trigger"]["triggerType"] == "CloudWatchEvent"
    assert pipes.wait(pipes.executions()[0]["pipelineExecutionId"])["status"] == "Succeeded"
