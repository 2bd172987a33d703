"""The resource types of EventBridge, Lambda, SNS, SQS, CodeCommit, CodeBuild and CodePipeline."""

import json
import time

import pytest
from cfn_resources import Stack
from refusals import gone

pytestmark = pytest.mark.slow
ACCOUNT, REGION = "123456789012", "us-east-1"


@pytest.fixture
def stack(server):
    return Stack(server, tags={"Project": "lab"})


def trusted_role(stack, service, name="Role"):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return stack.create("AWS::IAM::Role", name, AssumeRolePolicyDocument={"Statement": [statement]})


def test_events(aws, stack):
    queue = stack.create("AWS::SQS::Queue", "Queue")
    pattern = {"source": ["aws.sagemaker"], "detail-type": ["SageMaker Model Package State Change"]}
    rule = stack.create(
        "AWS::Events::Rule",
        "Approved",
        Name="cfn-approved",
        Description="starts the deployment",
        EventPattern=pattern,
        Targets=[{"Id": "one", "Arn": queue["Arn"]}],
    )
    rule_arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/cfn-approved"
    assert (rule.ref, rule["Arn"]) == ("cfn-approved", rule_arn)
    found = aws.events.describe_rule(Name=rule.ref)
    assert json.loads(found["EventPattern"]) == pattern and found["State"] == "ENABLED"
    transformed = {"Id": "two", "Arn": queue["Arn"], "Input": '"approved"'}
    rule.update(State="DISABLED", Targets=[transformed], Description="off")
    found = aws.events.describe_rule(Name=rule.ref)
    assert (found["State"], found["Description"]) == ("DISABLED", "off")
    assert aws.events.list_targets_by_rule(Rule=rule.ref)["Targets"] == [transformed]
    assert aws.events.list_tags_for_resource(ResourceARN=rule_arn)["Tags"] == [
        {"Key": "Project", "Value": "lab"}
    ]
    stack.refuses("'cfn-approved' already exists", "AWS::Events::Rule", Name=rule.ref, EventPattern=pattern)
    stack.refuses("EventPattern or a ScheduleExpression", "AWS::Events::Rule")
    untrusted = {**transformed, "RoleArn": trusted_role(stack, "sagemaker.amazonaws.com")["Arn"]}
    words = "cannot be assumed by principal 'events.amazonaws.com'"
    stack.refuses(words, "AWS::Events::Rule", EventPattern=pattern, Targets=[untrusted])
    bus = stack.create("AWS::Events::EventBus", "Bus", Name="cfn-bus")
    assert bus["Arn"].endswith(":event-bus/cfn-bus") and bus.ref == "cfn-bus"
    other = stack.create("AWS::Events::Rule", "Other", EventBusName=bus.ref, EventPattern=pattern)
    assert other.ref.startswith("cfn-bus|lab-Other-")
    stack.delete_all()
    gone(aws.events.describe_rule, Name="cfn-approved")
    gone(aws.events.describe_event_bus, Name="cfn-bus")


def test_event_bus_policy(aws, stack):
    def statement(account):
        return {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            "Action": "events:PutEvents",
            "Resource": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default",
        }

    def sids():
        text = aws.events.describe_event_bus(Name="default").get("Policy", '{"Statement": []}')
        return {s["Sid"]: s["Principal"]["AWS"] for s in json.loads(text)["Statement"]}

    first, second = (
        stack.create(
            "AWS::Events::EventBusPolicy", f"P{i}", StatementId=f"dev{i}", Statement=statement(account)
        )
        for i, account in enumerate(("210987654321", "310987654321"))
    )
    assert first.ref == "default|dev0"
    assert sids() == {"dev0": "arn:aws:iam::210987654321:root", "dev1": "arn:aws:iam::310987654321:root"}
    second.update(Statement=statement("410987654321"))
    assert sids()["dev1"] == "arn:aws:iam::410987654321:root"
    first.delete()
    assert set(sids()) == {"dev1"}
    stack.delete_all()
    assert sids() == {}


def test_lambda(aws, stack):
    role = trusted_role(stack, "lambda.amazonaws.com")
    group = stack.create("AWS::Logs::LogGroup", "Logs", LogGroupName="/cfn/functions")
    function = stack.create(
        "AWS::Lambda::Function",
        "Greet",
        Handler="index.handler",
        Runtime="python3.13",
        Role=role["Arn"],
        Code={
            "ZipFile": "import os\n\ndef handler(event, context):\n    return os.environ['WORD'] + event['name']\n"
        },
        Environment={"Variables": {"WORD": "hello "}},
        LoggingConfig={"LogGroup": group.ref},
        Timeout=20,
    )
    assert function["Arn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function.ref}"

    def call():
        answer = aws["lambda"].invoke(FunctionName=function.ref, Payload=b'{"name": "you"}')
        return json.loads(answer["Payload"].read())

    aws = {"lambda": getattr(aws, "lambda"), "logs": aws.logs}
    assert call() == "hello you"
    deadline = time.monotonic() + 10
    while not aws["logs"].describe_log_streams(logGroupName="/cfn/functions")["logStreams"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    function.update(
        Environment=None,
        Code={"ZipFile": "def handler(event, context):\n    return 'bye ' + event['name']\n"},
        Description="changed",
    )
    assert call() == "bye you"
    found = aws["lambda"].get_function(FunctionName=function.ref)
    assert found["Configuration"]["Description"] == "changed" and found["Tags"] == {"Project": "lab"}
    assert found["Configuration"]["LoggingConfig"]["LogGroup"] == "/cfn/functions"
    permission = stack.create(
        "AWS::Lambda::Permission",
        "Events",
        FunctionName=function.ref,
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=f"arn:aws:events:{REGION}:{ACCOUNT}:rule/x",
    )
    policy = json.loads(aws["lambda"].get_policy(FunctionName=function.ref)["Policy"])
    assert [s["Sid"] for s in policy["Statement"]] == [permission["Id"]]
    node = {
        "Handler": "index.handler",
        "Runtime": "nodejs22.x",
        "Role": role["Arn"],
        "Code": {"ZipFile": "1"},
    }
    stack.refuses("Python functions only", "AWS::Lambda::Function", **node)
    untrusted = trusted_role(stack, "sagemaker.amazonaws.com", "Untrusted")["Arn"]
    for role_arn in (untrusted, f"arn:aws:iam::{ACCOUNT}:role/no-such"):
        wrong = {**node, "Runtime": "python3.13", "Role": role_arn}
        stack.refuses("cannot be assumed by Lambda", "AWS::Lambda::Function", **wrong)
    bucket = {**node, "Runtime": "python3.13", "Code": {"S3Bucket": "no-such", "S3Key": "x.zip"}}
    stack.refuses("NoSuchBucket", "AWS::Lambda::Function", **bucket)
    stack.delete_all()
    gone(aws["lambda"].get_function, FunctionName=function.ref)


def test_messages(aws, stack):
    queue = stack.create("AWS::SQS::Queue", "Queue", QueueName="cfn-queue", VisibilityTimeout=60)
    assert queue.ref == queue["QueueUrl"] and queue["Arn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:cfn-queue"
    topic = stack.create("AWS::SNS::Topic", "Topic", TopicName="cfn-topic", DisplayName="lab")
    assert topic.ref == topic["TopicArn"] == f"arn:aws:sns:{REGION}:{ACCOUNT}:cfn-topic"
    subscription = stack.create(
        "AWS::SNS::Subscription",
        "Subscription",
        TopicArn=topic.ref,
        Protocol="sqs",
        Endpoint=queue["Arn"],
        RawMessageDelivery=True,
    )
    assert subscription["Arn"] == subscription.ref
    aws.sns.publish(TopicArn=topic.ref, Message="approved")
    assert aws.sqs.receive_message(QueueUrl=queue.ref)["Messages"][0]["Body"] == "approved"
    subscription.update(RawMessageDelivery=False)
    settings = aws.sns.get_subscription_attributes(SubscriptionArn=subscription.ref)["Attributes"]
    assert settings["RawMessageDelivery"].lower() == "false"
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": queue["Arn"]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    stack.create("AWS::SQS::QueuePolicy", "QueuePolicy", Queues=[queue.ref], PolicyDocument=policy)
    got = aws.sqs.get_queue_attributes(QueueUrl=queue.ref, AttributeNames=["Policy"])["Attributes"]
    assert json.loads(got["Policy"]) == policy
    publish = {**statement, "Action": "sns:Publish", "Resource": topic.ref, "Sid": "publish"}
    policy = {"Version": "2012-10-17", "Statement": [publish]}
    made = stack.create("AWS::SNS::TopicPolicy", "TopicPolicy", Topics=[topic.ref], PolicyDocument=policy)

    def sids():
        text = aws.sns.get_topic_attributes(TopicArn=topic.ref)["Attributes"]["Policy"]
        return [s.get("Sid") for s in json.loads(text)["Statement"]]

    assert sids() == ["publish"]
    made.delete()
    assert sids() == [None]
    queue.update(VisibilityTimeout=None, DelaySeconds=5)
    names = ["VisibilityTimeout", "DelaySeconds"]
    got = aws.sqs.get_queue_attributes(QueueUrl=queue.ref, AttributeNames=names)["Attributes"]
    assert got == {"VisibilityTimeout": "30", "DelaySeconds": "5"}
    topic.update(DisplayName=None, Tags=[{"Key": "a", "Value": "b"}])
    tags = {t["Key"]: t["Value"] for t in aws.sns.list_tags_for_resource(ResourceArn=topic.ref)["Tags"]}
    assert tags == {"Project": "lab", "a": "b"}
    stack.refuses("already exists", "AWS::SNS::Topic", TopicName="cfn-topic")
    stack.refuses("already exists", "AWS::SQS::Queue", QueueName="cfn-queue")
    stack.delete_all()
    gone(aws.sns.get_topic_attributes, TopicArn=topic.ref)
    gone(aws.sqs.get_queue_url, QueueName="cfn-queue")


def test_repository(aws, stack):
    repository = stack.create(
        "AWS::CodeCommit::Repository", "Code", RepositoryName="cfn-code", RepositoryDescription="d"
    )
    found = aws.codecommit.get_repository(repositoryName="cfn-code")["repositoryMetadata"]
    assert repository.ref == repository["RepositoryId"] == found["repositoryId"]
    assert repository["Arn"] == f"arn:aws:codecommit:{REGION}:{ACCOUNT}:cfn-code"
    assert (repository["Name"], repository["CloneUrlHttp"]) == ("cfn-code", found["cloneUrlHttp"])
    repository.update(RepositoryDescription="changed", RepositoryName="cfn-code-2")
    found = aws.codecommit.get_repository(repositoryName="cfn-code-2")["repositoryMetadata"]
    assert (found["repositoryDescription"], found["repositoryId"]) == ("changed", repository.ref)
    stack.refuses("RepositoryNameExists", "AWS::CodeCommit::Repository", RepositoryName="cfn-code-2")
    stack.delete_all()
    gone(aws.codecommit.get_repository, repositoryName="cfn-code-2")


def build_project(stack, **more):
    return stack.create(
        "AWS::CodeBuild::Project",
        "Build",
        ServiceRole=trusted_role(stack, "codebuild.amazonaws.com", "BuildRole")["Arn"],
        Source={"Type": "CODEPIPELINE", "BuildSpec": "buildspec.yml"},
        Artifacts={"Type": "CODEPIPELINE"},
        Environment={
            "Type": "LINUX_CONTAINER",
            "ComputeType": "BUILD_GENERAL1_SMALL",
            "Image": "aws/codebuild/amazonlinux2-x86_64-standard:5.0",
            "EnvironmentVariables": [{"Name": "LAB_BACKEND", "Value": "aws"}],
        },
        LogsConfig={"CloudWatchLogs": {"Status": "ENABLED", "GroupName": "builds"}},
        TimeoutInMinutes=30,
        **more,
    )


def test_build_project(aws, stack):
    project = build_project(stack)
    assert project["Arn"] == f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/{project.ref}"

    def found():
        return aws.codebuild.batch_get_projects(names=[project.ref])["projects"][0]

    assert found()["source"]["buildspec"] == "buildspec.yml"
    assert found()["environment"]["environmentVariables"][0]["name"] == "LAB_BACKEND"
    assert found()["logsConfig"]["cloudWatchLogs"] == {"status": "ENABLED", "groupName": "builds"}
    assert (found()["timeoutInMinutes"], found()["tags"]) == (30, [{"key": "Project", "value": "lab"}])
    project.update(TimeoutInMinutes=45, Description="builds")
    assert (found()["timeoutInMinutes"], found()["description"]) == (45, "builds")
    untrusted = trusted_role(stack, "lambda.amazonaws.com")["Arn"]
    stack.refuses(
        "CodeBuild is not authorized",
        "AWS::CodeBuild::Project",
        **{**project.properties, "Name": "untrusted", "ServiceRole": untrusted},
    )
    stack.delete_all()
    assert aws.codebuild.batch_get_projects(names=[project.ref])["projects"] == []


def pipeline_stages(repository, project):
    source = {
        "Name": "Source",
        "ActionTypeId": {"Category": "Source", "Owner": "AWS", "Provider": "CodeCommit", "Version": "1"},
        "Configuration": {
            "RepositoryName": repository,
            "BranchName": "main",
            "PollForSourceChanges": "false",
        },
        "OutputArtifacts": [{"Name": "Code"}],
    }
    build = {
        "Name": "Build",
        "ActionTypeId": {"Category": "Build", "Owner": "AWS", "Provider": "CodeBuild", "Version": "1"},
        "Configuration": {"ProjectName": project},
        "InputArtifacts": [{"Name": "Code"}],
    }
    return [{"Name": "Source", "Actions": [source]}, {"Name": "Build", "Actions": [build]}]


def test_code_pipeline(aws, stack):
    bucket = stack.create("AWS::S3::Bucket", "Artifacts")
    repository = stack.create("AWS::CodeCommit::Repository", "Code", RepositoryName="cfn-pipeline-code")
    project = build_project(stack)
    role = trusted_role(stack, "codepipeline.amazonaws.com")
    properties = {
        "RoleArn": role["Arn"],
        "PipelineType": "V2",
        "ExecutionMode": "SUPERSEDED",
        "ArtifactStore": {"Type": "S3", "Location": bucket.ref},
        "Stages": pipeline_stages(repository["Name"], project.ref),
    }
    pipeline = stack.create("AWS::CodePipeline::Pipeline", "Pipeline", **properties)
    assert pipeline["Version"] == "1"
    found = aws.codepipeline.get_pipeline(name=pipeline.ref)["pipeline"]
    source = found["stages"][0]["actions"][0]
    assert source["configuration"]["RepositoryName"] == "cfn-pipeline-code"
    assert found["artifactStore"]["location"] == bucket.ref and found["pipelineType"] == "V2"
    stages = pipeline_stages(repository["Name"], project.ref)
    stages[1]["Name"] = "Train"
    pipeline.update(Stages=stages)
    assert pipeline["Version"] == "2"
    found = aws.codepipeline.get_pipeline(name=pipeline.ref)["pipeline"]
    assert [stage["name"] for stage in found["stages"]] == ["Source", "Train"]
    elsewhere = {**properties, "ArtifactStore": {"Type": "S3", "Location": "no-such-artifact-bucket"}}
    stack.refuses("no-such-artifact-bucket", "AWS::CodePipeline::Pipeline", **elsewhere)
    untrusted = {**properties, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/no-such"}
    stack.refuses("CodePipeline is not authorized", "AWS::CodePipeline::Pipeline", **untrusted)
    pipeline.delete()
    gone(aws.codepipeline.get_pipeline, name=pipeline.ref)
    stack.delete_all()
