"""What goes wrong on a first day: each ends in a sentence that says it, and leaves nothing behind."""

import pytest
from presence import inventory

from lab_lib.settings import LabError, read_settings
from tools.labs import ROOT
from tools.stack_parameters import parameters
from tools.templates import STACKS, path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PROJECT = "sagemaker-e2e-lab"
NETWORK, STUDIO, CICD, ENVIRONMENT = STACKS
SMALL = {"NatGateway": "false", "InterfaceEndpoints": "none"}


@pytest.fixture(scope="module")
def settings():
    return read_settings(ROOT / "settings.ini")


def attempt(stacks, stack, **values):
    """Deploy with these parameters alone; the error's text, or "" when it went well."""
    try:
        stacks.deploy(f"{PROJECT}-{stack}", path(stack).read_text(encoding="utf-8"), values, {})
    except LabError as error:
        return str(error)
    return ""


def reasons(stacks, stack):
    events = stacks.events(f"{PROJECT}-{stack}")
    return [e["ResourceStatusReason"] for e in events if e["ResourceStatus"].endswith("FAILED")]


def left(aws):
    return {kind: things for kind, things in inventory(aws, PROJECT).items() if kind != "stacks"}


@pytest.mark.parametrize(
    "stack, name",
    [(STUDIO, "SageMakerDomainName"), (CICD, "S3BucketArtifacts"), (ENVIRONMENT, "S3BucketName")],
)
def test_a_mandatory_parameter_is_missing(region_of, stack, name):
    aws, stacks = region_of("eu-west-1")
    if stack == ENVIRONMENT:
        aws.ssm.put_parameter(Name=f"/{PROJECT}/account-id-tooling", Value="123456789012", Type="String")
    said = attempt(stacks, stack)
    aws.ssm.delete_parameters(Names=[f"/{PROJECT}/account-id-tooling"])
    assert f"Parameters: [{name}] must have values" in said
    assert inventory(aws, PROJECT) == {}


@pytest.mark.parametrize("cidr", ["10.0.0.0/8", "10.0.0.0", "10.0.0.0/33", "ten", "10.0.0.0/16 "])
def test_a_range_that_is_none_is_refused_with_an_example(region_of, cidr):
    aws, stacks = region_of("eu-west-1")
    said = attempt(stacks, NETWORK, VpcCidr=cidr)
    assert "VpcCidr" in said and "for example 10.20.0.0/20" in said
    assert inventory(aws, PROJECT) == {}


def test_an_invalid_range_that_looks_right_is_rolled_back_and_can_be_put_right(region_of):
    aws, stacks = region_of("eu-west-2")
    said = attempt(stacks, NETWORK, VpcCidr="300.20.0.0/20", **SMALL)
    assert "Vpc (AWS::EC2::VPC)" in said and "300.20.0.0/20" in said and "is ROLLBACK_COMPLETE" in said
    assert any("300.20.0.0/20" in reason for reason in reasons(stacks, NETWORK))
    assert left(aws) == {}
    assert attempt(stacks, NETWORK, VpcCidr="10.20.0.0/20", **SMALL) == ""
    stacks.delete(f"{PROJECT}-{NETWORK}")
    assert inventory(aws, PROJECT) == {}


def test_zones_are_those_that_were_named_for_a_region_whose_first_lacks_something(region_of):
    aws, stacks = region_of("eu-west-2")
    assert "the name of a zone" in attempt(stacks, NETWORK, AvailabilityZone1="euw2-az3", **SMALL)
    zones = {"AvailabilityZone1": "eu-west-2c", "AvailabilityZone2": "eu-west-2a"}
    assert attempt(stacks, NETWORK, **zones, InterfaceEndpoints="one-zone", NatGateway="true") == ""
    (stack,) = aws.cloudformation.describe_stacks(StackName=f"{PROJECT}-{NETWORK}")["Stacks"]
    own = [
        {
            "Name": "vpc-id",
            "Values": [o["OutputValue"] for o in stack["Outputs"] if o["OutputKey"] == "VpcId"],
        }
    ]
    subnets = aws.ec2.describe_subnets(Filters=own)["Subnets"]
    assert sorted(subnet["AvailabilityZone"] for subnet in subnets) == [
        "eu-west-2a",
        "eu-west-2c",
        "eu-west-2c",
    ]
    stacks.delete(f"{PROJECT}-{NETWORK}")
    assert inventory(aws, PROJECT) == {}


def test_01_before_00(region_of, settings):
    aws, stacks = region_of("eu-west-3")
    said = attempt(stacks, STUDIO, **parameters(STUDIO, settings, aws.account))
    assert f"/{PROJECT}/vpc-id" in said and "ROLLBACK_COMPLETE" in said
    assert any(f"/{PROJECT}/vpc-id" in reason for reason in reasons(stacks, STUDIO))
    assert left(aws) == {}
    stacks.delete(f"{PROJECT}-{STUDIO}")
    assert inventory(aws, PROJECT) == {}


def test_a_bucket_name_that_is_taken(region_of, settings):
    aws, stacks = region_of("eu-central-1")
    others, _ = region_of("eu-central-1", account="999999999999")
    others.s3.create_bucket(
        Bucket="taken-by-somebody", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    role = aws.iam.create_role(RoleName="a-role-of-jobs", AssumeRolePolicyDocument="{}")["Role"]["RoleName"]
    pipeline = "arn:aws:codepipeline:eu-central-1:123456789012:deployment"
    aws.ssm.put_parameter(Name=f"/{PROJECT}/account-id-tooling", Value=aws.account, Type="String")
    said = attempt(
        stacks,
        ENVIRONMENT,
        S3BucketName="taken-by-somebody",
        ExecutionRoleName=role,
        CodePipelineDeploymentArn=pipeline,
    )
    aws.ssm.delete_parameter(Name=f"/{PROJECT}/account-id-tooling")
    assert "Bucket (AWS::S3::Bucket)" in said and "taken-by-somebody" in said and "exist" in said
    assert "ROLLBACK_COMPLETE" in said
    assert any("taken-by-somebody" in reason for reason in reasons(stacks, ENVIRONMENT))
    assert left(aws) == {}
    aws.iam.delete_role(RoleName=role)


def test_a_name_that_no_template_has(checkout):
    said = checkout.stacks("up", NETWORK, "--parameters", "VpcRange=10.0.0.0/16", status=1)
    assert "No parameter VpcRange in 00-networking" in said
    assert "NAME=VALUE" in checkout.stacks("up", NETWORK, "--parameters", "VpcCidr", status=1)


def test_an_unknown_stack_or_environment(checkout):
    assert "there are: 00-networking" in checkout.stacks("up", "04-more", status=2)
    assert "there are: dev" in checkout.stacks("up", NETWORK, "--environment", "live", status=1)
