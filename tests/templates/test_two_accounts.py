"""02 in a tooling account, 00, 01 and 03 in the ML account: policies, roles and events across the two."""

import json

import boto3
import pytest
from botocore.exceptions import ClientError
from places import clients, register, started_by_events, until
from presence import inventory

from lab_lib.settings import read_settings
from tools.labs import ROOT
from tools.stack_events import Stacks
from tools.stack_parameters import parameters
from tools.templates import STACKS, path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PROJECT, REGION = "sagemaker-e2e-lab", "eu-north-1"
TOOLING, ML = "123456789012", "210987654321"
BUCKET = "the-ml-accounts-bucket"
NETWORK, STUDIO, CICD, ENVIRONMENT = STACKS
GIVEN = {
    NETWORK: {"AccountIdTooling": TOOLING, "NatGateway": "false", "InterfaceEndpoints": "none"},
    STUDIO: {},
    CICD: {"AccountIdDev": ML, "S3BucketArtifacts": BUCKET},
    ENVIRONMENT: {"S3BucketName": BUCKET},
}


@pytest.fixture(scope="module")
def accounts(server):
    """{account: (clients, stacks)} with the four stacks deployed."""

    made = {}
    for account in (TOOLING, ML):
        aws = clients(server.endpoint_url, account, REGION)
        made[account] = aws, Stacks(aws.cloudformation, pause_seconds=0.1)
    settings = read_settings(ROOT / "settings.ini")
    for stack in STACKS:
        account = TOOLING if stack == CICD else ML
        values = parameters(stack, settings, account, given=GIVEN[stack])
        made[account][1].deploy(f"{PROJECT}-{stack}", path(stack).read_text(encoding="utf-8"), values, {})
    return made


@pytest.fixture
def tooling(accounts):
    return accounts[TOOLING][0]


@pytest.fixture
def ml(accounts):
    return accounts[ML][0]


def test_builds_know_the_role_that_they_take_on(tooling, ml):
    role = ml.iam.get_role(RoleName=f"{PROJECT}-cicd")["Role"]
    names = [f"{PROJECT}-training-dev", f"{PROJECT}-deployment-dev"]
    for project in tooling.codebuild.batch_get_projects(names=names)["projects"]:
        variables = {v["name"]: v["value"] for v in project["environment"]["environmentVariables"]}
        assert variables["DEV_ROLE_ARN"] == role["Arn"] == f"arn:aws:iam::{ML}:role/{PROJECT}-cicd"
        assert variables["ARTIFACTS_BUCKET"] == BUCKET
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{TOOLING}:root"}
    pattern = statement["Condition"]["ArnLike"]["aws:PrincipalArn"]
    assert pattern == f"arn:aws:iam::{TOOLING}:role/{PROJECT}-codebuild-*"


def test_the_role_acts_in_the_ml_account_and_only_the_tooling_account_may_take_it_on(tooling, ml, server):
    role = f"arn:aws:iam::{ML}:role/{PROJECT}-cicd"
    given = tooling.sts.assume_role(RoleArn=role, RoleSessionName="build")["Credentials"]
    acting = boto3.client(
        "ssm",
        endpoint_url=server.endpoint_url,
        region_name=REGION,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    name = f"/{PROJECT}/bucket-name"
    assert acting.get_parameter(Name=name)["Parameter"]["Value"] == BUCKET
    with pytest.raises(ClientError, match="ParameterNotFound"):
        tooling.ssm.get_parameter(Name=name)
    stranger = boto3.client(
        "sts",
        endpoint_url=server.endpoint_url,
        region_name=REGION,
        aws_access_key_id="999999999999",
        aws_secret_access_key="any",
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        stranger.assume_role(RoleArn=role, RoleSessionName="build")


def principals(policy):
    return {s["Sid"]: s["Principal"] for s in json.loads(policy)["Statement"] if s["Effect"] == "Allow"}


def test_bucket_key_and_bus_admit_the_other_account_and_nobody_else(tooling, ml):
    other = {"AWS": f"arn:aws:iam::{TOOLING}:root"}
    bucket = principals(ml.s3.get_bucket_policy(Bucket=BUCKET)["Policy"])
    assert bucket == {"ToolingAccountLists": other, "ToolingAccountReadsAndWrites": other}
    key = ml.ssm.get_parameter(Name=f"/{PROJECT}/kms-key-id")["Parameter"]["Value"]
    assert principals(ml.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]) == {
        "ThisAccountsPoliciesDecide": {"AWS": f"arn:aws:iam::{ML}:root"},
        "ToolingAccountUsesIt": other,
    }
    bus = principals(tooling.events.describe_event_bus()["Policy"])
    assert list(bus.values()) == [{"AWS": f"arn:aws:iam::{ML}:root"}]


def test_an_approval_there_starts_the_deployment_here(tooling, ml):
    pipeline = f"{PROJECT}-deployment-dev"
    package = register(ml, f"{PROJECT}-tweet-sentiment", BUCKET)
    for status in ("Rejected", "Approved"):
        ml.sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus=status)
    until(lambda: started_by_events(tooling, pipeline), "no execution after the approval")
    assert len(started_by_events(tooling, pipeline)) == 1
    ml.sagemaker.delete_model_package(ModelPackageName=package)


def test_both_accounts_are_left_empty(accounts):
    for stack in reversed(STACKS):
        accounts[TOOLING if stack == CICD else ML][1].delete(f"{PROJECT}-{stack}")
    assert {account: inventory(aws, PROJECT) for account, (aws, _) in accounts.items()} == {
        TOOLING: {},
        ML: {},
    }
