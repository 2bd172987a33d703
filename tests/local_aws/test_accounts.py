"""Two accounts in one local AWS: a tooling account with the pipeline, a development account that it deploys to."""

import json
import os
import signal
import uuid

import boto3
import pytest
from botocore.exceptions import ClientError
from codepipeline_helpers import Pipelines, action, make_role
from endpoint_helpers import ECHO, SKLEARN, archive
from servers import IMAGE, clients_of, running_server
from waiting import until

from local_aws.config import ACCOUNT_ID

pytestmark = pytest.mark.slow  # the first request of an account loads all managed policies of IAM

DEV = "210987654321"


def clients_with(endpoint_url, key, secret="any", token=None):
    """Clients that sign with these credentials. A key id that is an account's number acts as that account."""
    made = clients_of(endpoint_url)

    class Clients:
        def __getattr__(self, name):
            client = boto3.client(
                name.replace("_", "-"), endpoint_url=made.url, region_name="us-east-1",
                aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token,
            )  # fmt: skip
            setattr(self, name, client)
            return client

    return Clients()


def assumed(aws, endpoint_url, role, session="test"):
    given = aws.sts.assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
    return clients_with(endpoint_url, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


@pytest.fixture(scope="module")
def dev(server):
    return clients_with(server.endpoint_url, DEV)


@pytest.fixture
def name():
    return f"acc-{uuid.uuid4().hex[:10]}"


def root(account):
    return {"AWS": f"arn:aws:iam::{account}:root"}


def test_records_of_one_account_are_not_those_of_another(aws, dev, name):
    dev.sagemaker.create_model_package_group(ModelPackageGroupName=name)
    aws.ssm.put_parameter(Name=f"/{name}", Value="tooling", Type="String")
    dev.ssm.put_parameter(Name=f"/{name}", Value="dev", Type="String")
    assert dev.sts.get_caller_identity()["Account"] == DEV
    assert aws.sts.get_caller_identity()["Account"] == ACCOUNT_ID
    with pytest.raises(ClientError, match="does not exist"):
        aws.sagemaker.describe_model_package_group(ModelPackageGroupName=name)
    assert aws.ssm.get_parameter(Name=f"/{name}")["Parameter"]["Value"] == "tooling"
    assert dev.ssm.get_parameter(Name=f"/{name}")["Parameter"]["Value"] == "dev"


def test_an_assumed_role_acts_in_its_own_account(aws, dev, server, name):
    role = make_role(dev, name, root(ACCOUNT_ID))
    as_dev = assumed(aws, server.endpoint_url, role)
    identity = as_dev.sts.get_caller_identity()
    assert identity["Account"] == DEV
    assert identity["Arn"] == f"arn:aws:sts::{DEV}:assumed-role/{name}/test"
    as_dev.sagemaker.create_model_package_group(ModelPackageGroupName=name)
    assert dev.sagemaker.describe_model_package_group(ModelPackageGroupName=name)


@pytest.mark.parametrize("principal", [root("999999999999"), {"Service": "codebuild.amazonaws.com"}])
def test_a_role_that_does_not_trust_the_caller_cannot_be_assumed(aws, dev, name, principal):
    role = make_role(dev, name, principal)
    with pytest.raises(ClientError) as caught:
        aws.sts.assume_role(RoleArn=role, RoleSessionName="test")
    assert caught.value.response["Error"] == {
        "Type": "Sender",
        "Code": "AccessDenied",
        "Message": f"User: arn:aws:iam::{ACCOUNT_ID}:root is not authorized to perform: sts:AssumeRole on "
        f"resource: {role}",
    }


def test_a_role_that_trusts_another_role_only_knows_that_one(aws, dev, server, name):
    trusted = make_role(aws, f"{name}-trusted", root(ACCOUNT_ID))
    other = make_role(aws, f"{name}-other", root(ACCOUNT_ID))
    role = make_role(dev, name, {"AWS": trusted})
    assert assumed(assumed(aws, server.endpoint_url, trusted), server.endpoint_url, role)
    with pytest.raises(ClientError, match=f"assumed-role/{name}-other/test is not authorized"):
        assumed(assumed(aws, server.endpoint_url, other), server.endpoint_url, role)


def test_a_role_that_does_not_exist_cannot_be_assumed(aws, name):
    with pytest.raises(ClientError, match="is not authorized to perform: sts:AssumeRole"):
        aws.sts.assume_role(RoleArn=f"arn:aws:iam::{DEV}:role/{name}", RoleSessionName="test")


def queue_of(clients, account, name):
    url = clients.sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, f"arn:aws:sqs:us-east-1:{account}:{name}"


def rule(clients, name, pattern, target):
    clients.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    clients.events.put_targets(Rule=name, Targets=[{"Id": "1", **target}])


class TestEventBuses:
    """A model is approved in the development account; the tooling account hears of it."""

    def put(self, dev, name):
        entry = {"Source": f"lab.{name}", "DetailType": "Approved", "Detail": "{}"}
        return dev.events.put_events(Entries=[entry])["Entries"][0]["EventId"]

    def test_an_event_reaches_the_bus_of_another_account_that_permits_it(self, aws, dev, name):
        url, queue = queue_of(aws, ACCOUNT_ID, name)
        rule(aws, name, {"source": [f"lab.{name}"], "account": [DEV]}, {"Arn": queue})
        bus = f"arn:aws:events:us-east-1:{ACCOUNT_ID}:event-bus/default"
        rule(dev, name, {"source": [f"lab.{name}"]}, {"Arn": bus})
        aws.events.put_permission(
            EventBusName="default", Action="events:PutEvents", Principal=DEV, StatementId=name
        )
        event_id = self.put(dev, name)
        message = until(lambda: aws.sqs.receive_message(QueueUrl=url).get("Messages"))[0]
        event = json.loads(message["Body"])
        assert (event["id"], event["account"]) == (event_id, DEV)
        aws.events.remove_permission(StatementId=name, EventBusName="default")

    def test_without_permission_the_event_is_in_the_dead_letter_queue(self, aws, dev, name):
        bus = aws.events.create_event_bus(Name=name)["EventBusArn"]
        url, queue = queue_of(dev, DEV, name)
        rule(dev, name, {"source": [f"lab.{name}"]}, {"Arn": bus, "DeadLetterConfig": {"Arn": queue}})
        self.put(dev, name)
        message = until(
            lambda: dev.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages")
        )[0]
        assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"

    def test_put_events_to_the_bus_of_another_account(self, aws, dev, name):
        bus = aws.events.create_event_bus(Name=name)["EventBusArn"]
        entry = {"Source": "lab", "DetailType": "t", "Detail": "{}", "EventBusName": bus}
        with pytest.raises(ClientError, match="not authorized to perform: events:PutEvents") as caught:
            dev.events.put_events(Entries=[entry])
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
        statement = {
            "Sid": "dev",
            "Effect": "Allow",
            "Principal": root(DEV),
            "Action": "events:PutEvents",
            "Resource": bus,
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        aws.events.put_permission(EventBusName=name, Policy=json.dumps(policy))
        assert dev.events.put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_an_endpoint_and_a_job_in_the_second_account(aws, dev, jobs, server, name):
    dev.s3.create_bucket(Bucket=name)
    dev.s3.put_object(Bucket=name, Key="model.tar.gz", Body=archive({"code/inference.py": ECHO}))
    dev.s3.put_object(
        Bucket=name,
        Key="code/script.py",
        Body=b"import boto3; print('account', boto3.client('sts').get_caller_identity()['Account'])",
    )
    request = jobs.training_request()
    request["InputDataConfig"] = [jobs.channel("code", f"s3://{name}/code")]
    request["OutputDataConfig"] = {"S3OutputPath": f"s3://{name}/out"}
    dev.sagemaker.create_training_job(**request)

    container = {
        "Image": SKLEARN,
        "ModelDataUrl": f"s3://{name}/model.tar.gz",
        "Environment": {"NAME": "dev"},
    }
    role = f"arn:aws:iam::{DEV}:role/lab"
    dev.sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer=container)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    dev.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    dev.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def status():
        return dev.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Creating"

    until(status, 60)
    ask = {"EndpointName": name, "Body": b'{"a": 1}', "ContentType": "application/json"}
    answer = json.loads(dev.sagemaker_runtime.invoke_endpoint(**ask)["Body"].read())
    assert answer["name"] == "dev"
    with pytest.raises(ClientError, match=f"Endpoint {name} of account {ACCOUNT_ID} not found"):
        aws.sagemaker_runtime.invoke_endpoint(**ask)
    dev.sagemaker.delete_endpoint(EndpointName=name)

    job = {"TrainingJobName": request["TrainingJobName"]}
    until(
        lambda: (
            dev.sagemaker.describe_training_job(**job)["TrainingJobStatus"] not in ("InProgress", "Stopping")
        ),
        60,
    )
    assert dev.sagemaker.describe_training_job(**job)["TrainingJobStatus"] == "Completed"
    lines = dev.logs.filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs")["events"]
    assert f"account {DEV}" in [line["message"] for line in lines]
    assert dev.s3.list_objects_v2(Bucket=name, Prefix="out/")["KeyCount"] == 1


class TestPipeline:
    """The pipeline of the tooling account deploys with a role of the development account."""

    @pytest.fixture
    def pipes(self, aws):
        pipes = Pipelines(aws)
        pipes.put_source(**{"a.txt": "hello"})
        return pipes

    def test_an_action_with_a_role_of_another_account_acts_there(self, pipes, aws, dev, name):
        dev.s3.create_bucket(Bucket=name)
        role = make_role(dev, name, {"AWS": pipes.role})
        deploy = pipes.deploy(roleArn=role)
        deploy["configuration"]["BucketName"] = name
        wanted = pipes.create([pipes.source()], [deploy])
        assert pipes.wait(wanted)["status"] == "Succeeded"
        assert dev.s3.get_object(Bucket=name, Key="out/Deploy/a.txt")["Body"].read() == b"hello"
        assert pipes.runs(wanted)[0]["input"]["roleArn"] == role

    def test_the_role_must_trust_the_pipeline(self, pipes, dev, name):
        role = make_role(dev, name, root("999999999999"))
        found = pipes.wait(pipes.create([pipes.source()], [pipes.deploy(roleArn=role)]))
        assert found["status"] == "Failed"
        assert f"is not authorized to perform: sts:AssumeRole on resource: {role}" in found["statusSummary"]
        assert pipes.action_state("Stage1", "Deploy")["errorDetails"]["code"] == "PermissionError"


DEPLOY = """
version: 0.2
phases:
  build:
    commands:
      - |
        python - <<'END'
        import os, boto3
        given = boto3.client("sts").assume_role(RoleArn=os.environ["DEV_ROLE_ARN"], RoleSessionName="deploy")
        keys = given["Credentials"]
        dev = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        group = os.environ["MODEL_PACKAGE_GROUP_NAME"]
        found = dev.client("sagemaker").list_model_packages(
            ModelPackageGroupName=group, ModelApprovalStatus="Approved"
        )["ModelPackageSummaryList"][0]["ModelPackageArn"]
        dev.client("ssm").put_parameter(Name=f"/{group}/deployed", Value=found, Type="String")
        END
"""


def test_an_approval_in_one_account_starts_the_deployment_from_the_other(aws, dev, name):
    """The chain of the workshop: approved in dev, the event goes to tooling, whose build deploys to dev."""
    pipes = Pipelines(aws)
    pipes.put_source()
    build_role = make_role(aws, f"{name}-build", {"Service": "codebuild.amazonaws.com"})
    dev_role = make_role(dev, name, {"AWS": build_role})
    aws.codebuild.create_project(
        name=name,
        source={"type": "CODEPIPELINE", "buildspec": DEPLOY},
        artifacts={"type": "CODEPIPELINE"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [
                {"name": "DEV_ROLE_ARN", "value": dev_role},
                {"name": "MODEL_PACKAGE_GROUP_NAME", "value": name},
            ],
        },
        serviceRole=build_role,
    )
    given = {"ProjectName": name}
    first = pipes.create(
        [pipes.source()], [action("Deploy", "Build", "CodeBuild", configuration=given, inputs=["Src"])]
    )
    assert pipes.wait(first, seconds=60)["status"] == "Failed"  # nothing is approved yet

    aws.events.put_permission(Action="events:PutEvents", Principal=DEV, StatementId=name)
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {"ModelPackageGroupName": [name], "ModelApprovalStatus": ["Approved"]},
    }
    sender = make_role(dev, f"{name}-events", {"Service": "events.amazonaws.com"})
    bus = f"arn:aws:events:us-east-1:{ACCOUNT_ID}:event-bus/default"
    rule(dev, name, pattern, {"Arn": bus, "RoleArn": sender})
    pipeline = f"arn:aws:codepipeline:us-east-1:{ACCOUNT_ID}:{pipes.name}"
    rule(aws, name, {**pattern, "account": [DEV]}, {"Arn": pipeline, "RoleArn": pipes.role})

    dev.sagemaker.create_model_package_group(ModelPackageGroupName=name)
    package = dev.sagemaker.create_model_package(
        ModelPackageGroupName=name,
        InferenceSpecification={
            "Containers": [{"Image": IMAGE, "ModelDataUrl": f"s3://{name}/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    dev.sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")
    until(lambda: len(pipes.executions()) == 2)
    newest = pipes.executions()[0]
    assert newest["trigger"]["triggerType"] == "CloudWatchEvent"
    assert pipes.wait(newest["pipelineExecutionId"], seconds=60)["status"] == "Succeeded"
    assert dev.ssm.get_parameter(Name=f"/{name}/deployed")["Parameter"]["Value"] == package
    aws.events.remove_permission(StatementId=name, EventBusName="default")


def test_credentials_of_an_assumed_role_outlive_a_kill(tmp_path):
    with running_server(tmp_path / "home") as local:
        aws, dev = clients_of(local.endpoint_url), clients_with(local.endpoint_url, DEV)
        role = make_role(dev, "deploy", root(ACCOUNT_ID))
        given = aws.sts.assume_role(RoleArn=role, RoleSessionName="before")["Credentials"]
        dev.ssm.put_parameter(Name="/where", Value="dev", Type="String")
        os.kill(local.pid, signal.SIGKILL)
    with running_server(tmp_path / "home") as local:
        again = clients_with(
            local.endpoint_url, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
        )
        assert again.sts.get_caller_identity()["Arn"].endswith("assumed-role/deploy/before")
        assert again.ssm.get_parameter(Name="/where")["Parameter"]["Value"] == "dev"
