"""EventBridge: what is put on a bus reaches the targets of the rules that match, and nothing else does."""

import json
import os
import signal
import time
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from codepipeline_helpers import make_role, zipped
from servers import IMAGE, ROLE, clients_of, running_server
from waiting import until

from local_aws.server.app import LocalAwsApp
from local_aws.services.events.scheduler import Scheduler


class Rules:
    """Rules of a test with queues as targets."""

    def __init__(self, aws):
        self.aws, self.name = aws, f"test-{uuid.uuid4().hex[:10]}"
        self.source = f"lab.{self.name}"

    def queue(self, suffix="queue"):
        url = self.aws.sqs.create_queue(QueueName=f"{self.name}-{suffix}")["QueueUrl"]
        return url, self.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])[
            "Attributes"
        ]["QueueArn"]

    def rule(self, pattern, *targets, bus="default", name=None):
        name = name or self.name
        self.aws.events.put_rule(Name=name, EventPattern=json.dumps(pattern), EventBusName=bus)
        listed = [{"Id": str(i), **target} for i, target in enumerate(targets)]
        if listed:
            self.aws.events.put_targets(Rule=name, EventBusName=bus, Targets=listed)

    def put(self, detail, detail_type="Lab Event", **more):
        entry = {"Source": self.source, "DetailType": detail_type, "Detail": json.dumps(detail), **more}
        answer = self.aws.events.put_events(Entries=[entry])
        assert answer["FailedEntryCount"] == 0, answer
        return answer["Entries"][0]["EventId"]

    def received(self, url, count, seconds=15):
        """The first `count` messages, in the order of arrival; attributes as well."""
        found = []

        def more():
            answer = self.aws.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            for message in answer.get("Messages", []):
                found.append(message)
                self.aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return len(found) >= count

        until(more, seconds)
        return found


@pytest.fixture
def rules(aws):
    return Rules(aws)


def test_matching_event_reaches_the_queue_in_its_envelope(rules):
    url, arn = rules.queue()
    rules.rule({"source": [rules.source], "detail": {"state": ["done"]}}, {"Arn": arn})
    rules.put({"state": "running"})
    event_id = rules.put({"state": "done", "n": 1}, Resources=["arn:aws:s3:::x"])
    event = json.loads(rules.received(url, 1)[0]["Body"])
    assert event["id"] == event_id
    assert event.pop("time").endswith("Z")
    assert {k: v for k, v in event.items() if k != "id"} == {
        "version": "0",
        "detail-type": "Lab Event",
        "source": rules.source,
        "account": "123456789012",
        "region": "us-east-1",
        "resources": ["arn:aws:s3:::x"],
        "detail": {"state": "done", "n": 1},
    }


@pytest.mark.slow
def test_order_of_a_source_is_kept(rules):
    url, arn = rules.queue()
    rules.rule({"source": [rules.source]}, {"Arn": arn})
    for n in range(30):
        rules.put({"n": n})
    assert [json.loads(m["Body"])["detail"]["n"] for m in rules.received(url, 30)] == list(range(30))


@pytest.mark.slow
def test_a_disabled_rule_and_a_rule_with_a_schedule_only_get_no_event(rules):
    url, arn = rules.queue()
    rules.rule({"source": [rules.source]}, {"Arn": arn}, name=f"{rules.name}-off")
    rules.aws.events.disable_rule(Name=f"{rules.name}-off")
    witness, witness_arn = rules.queue("witness")
    rules.rule({"source": [rules.source]}, {"Arn": witness_arn})
    rules.put({})
    rules.received(witness, 1)
    assert "Messages" not in rules.aws.sqs.receive_message(QueueUrl=url)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ({"Input": '{"fixed": true}'}, {"fixed": True}),
        ({"InputPath": "$.detail.who"}, {"name": "Ada"}),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {
                        "name": "$.detail.who.name",
                        "list": "$.detail.list",
                        "no": "$.detail.no",
                    },
                    "InputTemplate": '{"text": "<name> in <aws.events.rule-name>", "list": <list>, "no": <no>}',
                }
            },
            None,
        ),
    ],
)
def test_what_a_target_gets(rules, how, wanted):
    url, arn = rules.queue()
    rules.rule({"source": [rules.source]}, {"Arn": arn, **how})
    rules.put({"who": {"name": "Ada"}, "list": [1, 2]})
    wanted = wanted or {"text": f"Ada in {rules.name}", "list": [1, 2]}
    assert json.loads(rules.received(url, 1)[0]["Body"]) == wanted


@pytest.mark.slow
def test_log_group_and_topic_as_targets(rules, aws):
    url, queue_arn = rules.queue()
    topic = aws.sns.create_topic(Name=rules.name)["TopicArn"]
    aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    group = f"/aws/events/{rules.name}"
    aws.logs.create_log_group(logGroupName=group)
    log_arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{group}"
    rules.rule({"source": [rules.source]}, {"Arn": topic}, {"Arn": log_arn})
    event_id = rules.put({"n": 7})
    message = json.loads(rules.received(url, 1)[0]["Body"])
    assert json.loads(message["Message"])["detail"] == {"n": 7}
    events = until(lambda: aws.logs.filter_log_events(logGroupName=group)["events"])
    assert json.loads(events[0]["message"])["id"] == event_id


def test_what_cannot_be_delivered_is_in_the_dead_letter_queue_and_in_the_metrics(rules, aws):
    url, dlq = rules.queue("dlq")
    missing = "arn:aws:sqs:us-east-1:123456789012:there-is-no-such-queue"
    rules.rule({"source": [rules.source]}, {"Arn": missing, "DeadLetterConfig": {"Arn": dlq}})
    event_id = rules.put({"n": 1})
    message = rules.received(url, 1)[0]
    attributes = {k: v["StringValue"] for k, v in message["MessageAttributes"].items()}
    assert json.loads(message["Body"])["id"] == event_id
    assert attributes["ERROR_CODE"] == "NO_RESOURCE"
    assert attributes["TARGET_ARN"] == missing
    assert attributes["RULE_ARN"].endswith(f"rule/{rules.name}")
    assert attributes["RETRY_ATTEMPTS"] == "0"

    def failed():
        answer = aws.cloudwatch.get_metric_statistics(
            Namespace="AWS/Events", MetricName="FailedInvocations", Period=3600, Statistics=["Sum"],
            Dimensions=[{"Name": "RuleName", "Value": rules.name}],
            StartTime=time.time() - 3600, EndTime=time.time() + 3600,
        )  # fmt: skip
        return answer["Datapoints"]

    assert until(failed)[0]["Sum"] == 1.0


@pytest.mark.slow
def test_a_target_that_is_not_emulated_is_a_failed_invocation_that_names_it(rules):
    url, dlq = rules.queue("dlq")
    kinesis = "arn:aws:kinesis:us-east-1:123456789012:stream/x"
    rules.rule({"source": [rules.source]}, {"Arn": kinesis, "DeadLetterConfig": {"Arn": dlq}})
    rules.put({})
    attributes = rules.received(url, 1)[0]["MessageAttributes"]
    assert kinesis in attributes["ERROR_MESSAGE"]["StringValue"]


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"Source": "", "DetailType": "t", "Detail": "{}"}, "InvalidArgument"),
        ({"Source": "s", "DetailType": "t", "Detail": "[]"}, "MalformedDetail"),
        ({"Source": "s", "DetailType": "t", "Detail": "{"}, "MalformedDetail"),
        ({"Source": "aws.sagemaker", "DetailType": "t", "Detail": "{}"}, "NotAuthorizedForSourceException"),
    ],
)
def test_entries_that_are_not_taken(aws, entry, code):
    good = {"Source": "s", "DetailType": "t", "Detail": "{}"}
    answer = aws.events.put_events(Entries=[entry, good])
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == code
    assert "EventId" in answer["Entries"][1]


@pytest.mark.slow
def test_put_events_to_a_bus_that_does_not_exist(aws):
    with pytest.raises(ClientError, match="Event bus nowhere does not exist") as caught:
        aws.events.put_events(
            Entries=[{"Source": "s", "DetailType": "t", "Detail": "{}", "EventBusName": "nowhere"}]
        )
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_event_pattern_is_answered_by_the_matcher_of_the_delivery(aws):
    event = {
        "id": "1", "account": "123456789012", "source": "lab", "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1", "resources": [], "detail-type": "t", "detail": {"status": "Rejected"},
    }  # fmt: skip

    def test(pattern, **changes):
        return aws.events.test_event_pattern(
            EventPattern=json.dumps(pattern), Event=json.dumps({**event, **changes})
        )["Result"]

    assert test({"detail": {"status": ["Approved", "Rejected"]}})
    assert not test({"detail": {"status": ["Approved"]}})
    assert not test({"source": [{"prefix": "aws."}]})
    with pytest.raises(ClientError) as caught:
        test({"source": "lab"})
    assert caught.value.response["Error"]["Code"] == "InvalidEventPatternException"


@pytest.mark.slow
def test_another_bus_of_the_account(rules, aws):
    bus = aws.events.create_event_bus(Name=f"{rules.name}-bus")["EventBusArn"]
    url, arn = rules.queue()
    rules.rule({"source": [rules.source]}, {"Arn": bus})
    rules.rule({"source": [rules.source]}, {"Arn": arn}, bus=f"{rules.name}-bus", name=f"{rules.name}-2")
    event_id = rules.put({"n": 1})
    assert json.loads(rules.received(url, 1)[0]["Body"])["id"] == event_id


class TestModelPackages:
    @pytest.fixture
    def group(self, rules, aws):
        aws.sagemaker.create_model_package_group(ModelPackageGroupName=rules.name)
        return rules.name

    def package(self, aws, group, **more):
        container = {"Image": IMAGE, "ModelDataUrl": "s3://lab-bucket/model.tar.gz"}
        return aws.sagemaker.create_model_package(
            ModelPackageGroupName=group,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            **more,
        )["ModelPackageArn"]

    def test_each_change_of_approval_is_an_event_and_no_other_update_is(self, rules, aws, group):
        url, queue_arn = rules.queue()
        pattern = {
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker Model Package State Change"],
            "detail": {"ModelPackageGroupName": [group]},
        }
        rules.rule(pattern, {"Arn": queue_arn})
        arn = self.package(aws, group)
        update = aws.sagemaker.update_model_package
        update(ModelPackageArn=arn, CustomerMetadataProperties={"a": "b"})
        update(ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="good")
        update(ModelPackageArn=arn, ModelApprovalStatus="Approved")
        update(ModelPackageArn=arn, ModelApprovalStatus="Rejected")
        found = [json.loads(m["Body"]) for m in rules.received(url, 3)]
        states = [event["detail"]["ModelApprovalStatus"] for event in found]
        assert states == ["PendingManualApproval", "Approved", "Rejected"]
        detail = found[1]["detail"]
        assert found[1]["resources"] == [arn]
        assert detail["ModelPackageArn"] == arn
        assert detail["ModelPackageVersion"] == 1
        assert detail["ModelPackageStatus"] == "Completed"
        assert detail["InferenceSpecification"]["Containers"][0]["Image"] == IMAGE
        assert detail["UpdatedModelPackageFields"] == ["ModelApprovalStatus", "ApprovalDescription"]
        described = aws.sagemaker.describe_model_package(ModelPackageName=arn)
        assert described["CustomerMetadataProperties"] == {"a": "b"}
        assert described["ApprovalDescription"] == "good"

    def test_an_update_of_something_else_leaves_the_approval(self, aws, group):
        arn = self.package(aws, group, ModelApprovalStatus="Approved")
        aws.sagemaker.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"a": "b"})
        assert aws.sagemaker.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"] == "Approved"


@pytest.mark.slow
def test_what_is_no_target_or_no_schedule_is_refused(rules, aws):
    rules.rule({"source": [rules.source]})
    for target, said in (
        (
            {"Arn": "arn:aws:codepipeline:us-east-1:123456789012:x"},
            "RoleArn is required for target arn:aws:codep",
        ),
        (
            {"Arn": "arn:aws:sqs:us-east-1:123456789012:x", "Input": "1", "InputPath": "$"},
            "Only one of Input",
        ),
    ):
        with pytest.raises(ClientError, match=said) as caught:
            aws.events.put_targets(Rule=rules.name, Targets=[{"Id": "1", **target}])
        assert caught.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="Parameter ScheduleExpression is not valid"):
        aws.events.put_rule(Name=rules.name, ScheduleExpression="cron(0 8 * * * *)")


@pytest.mark.slow
def test_an_object_of_a_bucket_with_eventbridge_is_an_event(rules, aws):
    url, arn = rules.queue()
    aws.s3.create_bucket(Bucket=rules.name)
    aws.s3.put_bucket_notification_configuration(
        Bucket=rules.name, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [rules.name]}}}
    rules.rule(pattern, {"Arn": arn})
    aws.s3.put_object(Bucket=rules.name, Key="a/b.txt", Body=b"hello")
    aws.s3.delete_object(Bucket=rules.name, Key="a/b.txt")
    made, gone = (json.loads(m["Body"]) for m in rules.received(url, 2))
    assert made["detail-type"] == "Object Created"
    assert made["resources"] == [f"arn:aws:s3:::{rules.name}"]
    assert made["detail"]["object"]["key"] == "a/b.txt"
    assert made["detail"]["object"]["size"] == 5
    assert made["detail"]["reason"] == "PutObject"
    assert gone["detail-type"] == "Object Deleted"
    assert gone["detail"]["deletion-type"] == "Permanently Deleted"


def test_a_rule_with_a_schedule_invokes_its_targets_when_it_is_due(tmp_path):
    """In this process, for nobody waits for a full minute: the ticks are given."""
    app = LocalAwsApp(tmp_path)
    sent = []
    app.events = SimpleNamespace(invoke=lambda event, rule: sent.append((event, rule.name)))
    backend = app.backend("events", "999999999999", "eu-west-1")
    backend.put_rule(name="often", scheduled_expression="rate(2 minutes)")
    backend.put_rule(name="daily", scheduled_expression="cron(2 0 * * ? *)")
    backend.put_rule(name="off", scheduled_expression="rate(1 minute)", state="DISABLED")
    backend.put_rule(name="never", event_pattern='{"source": ["aws.events"]}')
    scheduler, start = Scheduler(app), datetime(2026, 11, 25, tzinfo=UTC)
    assert [scheduler.tick(start + timedelta(minutes=n)) for n in range(6)] == [0, 0, 2, 0, 1, 0]
    assert [name for _, name in sent] == ["often", "daily", "often"]
    event = sent[1][0]
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})
    assert event["resources"] == ["arn:aws:events:eu-west-1:999999999999:rule/daily"]
    assert event["time"] == "2026-11-25T00:02:00Z"


class TestStartedTargets:
    """What a rule starts with values out of its event."""

    pytestmark = pytest.mark.slow

    def test_a_sagemaker_pipeline_with_its_parameters(self, rules, aws):
        definition = {
            "Version": "2020-12-01",
            "Parameters": [{"Name": "Why", "Type": "String", "DefaultValue": "?"}],
            "Steps": [
                {"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": {"Get": "Parameters.Why"}}}
            ],
        }
        arn = aws.sagemaker.create_pipeline(
            PipelineName=rules.name, PipelineDefinition=json.dumps(definition), RoleArn=ROLE
        )["PipelineArn"]
        parameters = {"PipelineParameterList": [{"Name": "Why", "Value": "an event"}]}
        target = {"Arn": arn, "RoleArn": ROLE, "SageMakerPipelineParameters": parameters}
        rules.rule({"source": [rules.source]}, target)
        rules.put({})

        def failed():
            found = aws.sagemaker.list_pipeline_executions(PipelineName=rules.name)[
                "PipelineExecutionSummaries"
            ]
            return found and found[0]["PipelineExecutionStatus"] == "Failed" and found[0]

        reason = until(failed)["PipelineExecutionFailureReason"]
        steps = aws.sagemaker.list_pipeline_execution_steps(
            PipelineExecutionArn=failed()["PipelineExecutionArn"]
        )
        assert "an event" in reason + json.dumps(steps["PipelineExecutionSteps"], default=str)

    def test_a_build_with_a_variable_out_of_the_event(self, rules, aws):
        spec = {"version": "0.2", "phases": {"build": {"commands": ["echo word is $WORD"]}}}
        arn = aws.codebuild.create_project(
            name=rules.name,
            source={"type": "NO_SOURCE", "buildspec": json.dumps(spec)},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_SMALL",
            },
            serviceRole=ROLE,
        )["project"]["arn"]
        transformer = {
            "InputPathsMap": {"word": "$.detail.word"},
            "InputTemplate": '{"environmentVariablesOverride": [{"name": "WORD", "value": <word>}]}',
        }
        rules.rule({"source": [rules.source]}, {"Arn": arn, "RoleArn": ROLE, "InputTransformer": transformer})
        rules.put({"word": "hello"})
        ids = until(lambda: aws.codebuild.list_builds_for_project(projectName=rules.name)["ids"])

        def done():
            build = aws.codebuild.batch_get_builds(ids=ids)["builds"][0]
            return build["buildComplete"] and build

        build = until(done, 40)
        assert build["buildStatus"] == "SUCCEEDED"
        events = aws.logs.get_log_events(
            logGroupName=build["logs"]["groupName"], logStreamName=build["logs"]["streamName"]
        )["events"]
        assert "word is hello" in [event["message"].strip() for event in events]

    def test_a_function_gets_the_event(self, rules, aws):
        code = "import json\ndef handler(event, context):\n    print(json.dumps(event))\n"
        role = make_role(aws, rules.name, {"Service": "lambda.amazonaws.com"})
        arn = getattr(aws, "lambda").create_function(
            FunctionName=rules.name, Runtime="python3.11", Role=role, Handler="code.handler",
            Code={"ZipFile": zipped(**{"code.py": code})},
        )["FunctionArn"]  # fmt: skip
        rules.rule({"source": [rules.source]}, {"Arn": arn})
        event_id = rules.put({"n": 5})

        def printed():
            try:
                found = aws.logs.filter_log_events(logGroupName=f"/aws/lambda/{rules.name}")["events"]
            except ClientError:
                return None
            return [e["message"] for e in found if event_id in e["message"]]

        assert json.loads(until(printed, 30)[0])["detail"] == {"n": 5}


@pytest.mark.slow
def test_an_archive_keeps_what_matches_its_pattern(rules, aws):
    bus = "arn:aws:events:us-east-1:123456789012:event-bus/default"
    pattern = json.dumps({"source": [rules.source], "detail": {"keep": [True]}})
    aws.events.create_archive(ArchiveName=rules.name, EventSourceArn=bus, EventPattern=pattern)
    for keep in (True, False, True):
        rules.put({"keep": keep})
    until(lambda: aws.events.describe_archive(ArchiveName=rules.name)["EventCount"] == 2)


@pytest.mark.slow
def test_an_acknowledged_event_survives_a_kill(tmp_path):
    with running_server(tmp_path / "home") as local:
        aws = clients_of(local.endpoint_url)
        rules = Rules(aws)
        url, arn = rules.queue()
        rules.rule({"source": [rules.source]}, {"Arn": arn})
        for n in range(40):
            rules.put({"n": n})
        os.kill(local.pid, signal.SIGKILL)
    with running_server(tmp_path / "home") as local:
        rules.aws = clients_of(local.endpoint_url)
        url = url.replace(url.split("/")[2], local.endpoint_url.split("/")[2])
        seen = set()  # an event may come twice, as on AWS

        def all_there():
            seen.update(json.loads(m["Body"])["detail"]["n"] for m in rules.received(url, 1))
            return seen == set(range(40))

        until(all_there)
