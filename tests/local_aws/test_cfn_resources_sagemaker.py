"""The AWS::SageMaker resource types."""

import base64
import io
import json
import tarfile

import pytest
from botocore.exceptions import ClientError
from cfn_resources import Stack
from refusals import gone
from servers import IMAGE, ROLE

pytestmark = pytest.mark.slow
ACCOUNT, REGION = "123456789012", "us-east-1"


@pytest.fixture
def stack(server):
    return Stack(server, tags={"Project": "lab"})


def arn(kind, name):
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"


def tags_of(aws, resource):
    return {t["Key"]: t["Value"] for t in aws.sagemaker.list_tags(ResourceArn=resource)["Tags"]}


def test_studio(aws, stack):
    sm = aws.sagemaker
    vpc = stack.create("AWS::EC2::VPC", "Vpc", CidrBlock="10.70.0.0/16")
    subnet = stack.create("AWS::EC2::Subnet", "Subnet", VpcId=vpc.ref, CidrBlock="10.70.0.0/24")
    group = stack.create("AWS::EC2::SecurityGroup", "Group", GroupDescription="studio", VpcId=vpc.ref)
    script = base64.b64encode(b"#!/bin/bash\n").decode()
    config = stack.create(
        "AWS::SageMaker::StudioLifecycleConfig",
        "Clone",
        StudioLifecycleConfigName="cfn-clone",
        StudioLifecycleConfigAppType="JupyterLab",
        StudioLifecycleConfigContent=script,
    )
    assert (config.ref, config["StudioLifecycleConfigArn"]) == (
        "cfn-clone",
        arn("studio-lifecycle-config", "cfn-clone"),
    )
    lab = {"LifecycleConfigArns": [config["StudioLifecycleConfigArn"]]}
    settings = {"ExecutionRole": ROLE, "SecurityGroups": [group.ref], "JupyterLabAppSettings": lab}
    domain = stack.create(
        "AWS::SageMaker::Domain",
        "Domain",
        DomainName="cfn-lab",
        AuthMode="IAM",
        AppNetworkAccessType="VpcOnly",
        VpcId=vpc.ref,
        SubnetIds=[subnet.ref],
        DefaultUserSettings=settings,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    assert domain.ref == domain["DomainId"] and domain["DomainArn"] == arn("domain", domain.ref)
    assert domain["Url"].startswith(f"https://{domain.ref}.studio.")
    files = domain["HomeEfsFileSystemId"]
    assert aws.efs.describe_file_systems(FileSystemId=files)["FileSystems"][0]["NumberOfMountTargets"] == 1
    assert tags_of(aws, domain["DomainArn"]) == {"Project": "lab", "a": "b"}
    domain.update(DefaultUserSettings={**settings, "DefaultLandingUri": "studio::"}, Tags=None)
    found = sm.describe_domain(DomainId=domain.ref)
    assert found["DefaultUserSettings"]["DefaultLandingUri"] == "studio::" and found["Status"] == "InService"
    assert tags_of(aws, domain["DomainArn"]) == {"Project": "lab"}
    assert domain.replaced_by(DomainName="other") == {"DomainName"}

    user = stack.create(
        "AWS::SageMaker::UserProfile",
        "User",
        DomainId=domain.ref,
        UserProfileName="learner",
        UserSettings={"ExecutionRole": ROLE},
    )
    assert user.ref == f"learner|{domain.ref}"
    assert user["UserProfileArn"] == arn("user-profile", f"{domain.ref}/learner")
    user.update(UserSettings={"ExecutionRole": ROLE.replace("lab", "other")})
    profile = {"DomainId": domain.ref, "UserProfileName": "learner"}
    assert sm.describe_user_profile(**profile)["UserSettings"]["ExecutionRole"].endswith("other-execution")
    volume = {"SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": 10}}}
    space = stack.create(
        "AWS::SageMaker::Space",
        "Space",
        DomainId=domain.ref,
        SpaceName="workshop",
        OwnershipSettings={"OwnerUserProfileName": "learner"},
        SpaceSharingSettings={"SharingType": "Private"},
        SpaceSettings={"AppType": "JupyterLab", **volume},
    )
    assert space.ref == f"{domain.ref}|workshop" and space["SpaceArn"] == arn(
        "space", f"{domain.ref}/workshop"
    )
    assert space["Url"].endswith("/workshop")
    space.update(SpaceDisplayName="The workshop")
    assert sm.describe_space(DomainId=domain.ref, SpaceName="workshop")["SpaceDisplayName"] == "The workshop"
    with pytest.raises(ClientError, match=r"Space\(s\) are associated"):
        user.delete()
    missing = {"DomainId": "d-nothing", "UserProfileName": "x"}
    stack.refuses("[d-nothing] does not exist", "AWS::SageMaker::UserProfile", **missing)
    kept = [vpc, subnet, group]
    for resource in (space, user, domain, config):
        resource.delete()
    gone(sm.describe_domain, DomainId=domain.ref)
    with pytest.raises(ClientError, match="DependencyViolation"):  # the domain leaves its files, as on AWS
        subnet.delete()
    for target in aws.efs.describe_mount_targets(FileSystemId=files)["MountTargets"]:
        aws.efs.delete_mount_target(MountTargetId=target["MountTargetId"])
    aws.efs.delete_file_system(FileSystemId=files)
    subnet.delete()
    assert kept[0].ref == vpc.ref


def test_model_package_group(aws, stack):
    sm = aws.sagemaker
    group = stack.create(
        "AWS::SageMaker::ModelPackageGroup",
        "Group",
        ModelPackageGroupName="cfn-group",
        ModelPackageGroupDescription="models",
    )
    assert group.ref == group["ModelPackageGroupArn"] == arn("model-package-group", "cfn-group")
    assert group["ModelPackageGroupStatus"] == "Completed"
    allow = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
        "Action": "sagemaker:DescribeModelPackage",
        "Resource": f"{group.ref}/*",
    }
    group.update(ModelPackageGroupPolicy={"Statement": [allow]}, Tags=[{"Key": "a", "Value": "b"}])
    name = {"ModelPackageGroupName": "cfn-group"}
    assert json.loads(sm.get_model_package_group_policy(**name)["ResourcePolicy"]) == {"Statement": [allow]}
    assert tags_of(aws, group.ref) == {"Project": "lab", "a": "b"}
    stack.refuses("already exists", "AWS::SageMaker::ModelPackageGroup", **name)
    container = {"Image": IMAGE, "ModelDataUrl": "s3://lab/model.tar.gz"}
    types = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
    package = sm.create_model_package(
        **name, InferenceSpecification={"Containers": [container], **types}
    )["ModelPackageArn"]  # fmt: skip
    with pytest.raises(ClientError, match="because it is not empty"):
        group.delete()
    sm.delete_model_package(ModelPackageName=package)
    stack.delete_all()
    gone(sm.describe_model_package_group, **name)


def model_data(aws, bucket):
    """An empty archive: it can be named, and serves nothing."""
    with io.BytesIO() as data, tarfile.open(fileobj=data, mode="w:gz") as archive:
        archive.close()
        aws.s3.put_object(Bucket=bucket, Key="cfn/model.tar.gz", Body=data.getvalue())
    return f"s3://{bucket}/cfn/model.tar.gz"


def test_model_and_endpoint_config(aws, bucket, stack):
    container = {"Image": IMAGE, "ModelDataUrl": model_data(aws, bucket), "Environment": {"A": "1"}}
    model = stack.create("AWS::SageMaker::Model", "Model", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    assert model.ref == arn("model", model["ModelName"])
    got = aws.sagemaker.describe_model(ModelName=model["ModelName"])["PrimaryContainer"]
    assert got["Environment"] == {"A": "1"}
    variant = {
        "ModelName": model["ModelName"],
        "VariantName": "all",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
        "InitialVariantWeight": 1,
    }
    config = stack.create("AWS::SageMaker::EndpointConfig", "Config", ProductionVariants=[variant])
    assert config.ref == arn("endpoint-config", config["EndpointConfigName"])
    found = aws.sagemaker.describe_endpoint_config(EndpointConfigName=config["EndpointConfigName"])
    assert found["ProductionVariants"][0]["ModelName"] == model["ModelName"]
    assert tags_of(aws, config.ref) == {"Project": "lab"}
    stack.refuses(
        "Could not find",
        "AWS::SageMaker::EndpointConfig",
        ProductionVariants=[{**variant, "ModelName": "none"}],
    )
    stack.delete_all()
    gone(aws.sagemaker.describe_model, ModelName=model["ModelName"])


def test_an_endpoint_that_does_not_come_up_says_why(aws, bucket, stack):
    container = {"Image": IMAGE, "ModelDataUrl": model_data(aws, bucket)}
    model = stack.create("AWS::SageMaker::Model", "Model", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {
        "ModelName": model["ModelName"],
        "VariantName": "all",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }
    config = stack.create("AWS::SageMaker::EndpointConfig", "Config", ProductionVariants=[variant])
    stack.refuses("Failed: ", "AWS::SageMaker::Endpoint", EndpointName="cfn-broken",
        EndpointConfigName=config["EndpointConfigName"])  # fmt: skip
    aws.sagemaker.delete_endpoint(EndpointName="cfn-broken")
    stack.delete_all()


def test_pipeline(aws, stack):
    def definition(message):
        step = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": message}}
        return json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": [step]})

    pipeline = stack.create(
        "AWS::SageMaker::Pipeline",
        "Pipeline",
        PipelineName="cfn-pipeline",
        RoleArn=ROLE,
        PipelineDefinition={"PipelineDefinitionBody": definition("one")},
    )
    assert pipeline.ref == "cfn-pipeline"
    pipeline.update(PipelineDefinition={"PipelineDefinitionBody": definition("two")}, PipelineDescription="d")
    found = aws.sagemaker.describe_pipeline(PipelineName="cfn-pipeline")
    assert json.loads(found["PipelineDefinition"]) == json.loads(definition("two"))
    assert found["PipelineDescription"] == "d"
    stack.delete_all()
    gone(aws.sagemaker.describe_pipeline, PipelineName="cfn-pipeline")
