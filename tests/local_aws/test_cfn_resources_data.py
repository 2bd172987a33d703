"""The resource types of S3, IAM, KMS, Secrets Manager, CloudWatch and its logs."""

import json
import re

import pytest
from botocore.exceptions import ClientError
from cfn_resources import Stack
from refusals import gone

pytestmark = pytest.mark.slow
ACCOUNT = "123456789012"


@pytest.fixture
def stack(server):
    return Stack(server, tags={"Project": "lab"})


def trust(service="sagemaker.amazonaws.com"):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def allow(action, resource="*"):
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}],
    }


def test_bucket(aws, stack):
    key = stack.create("AWS::KMS::Key", "Key")
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["Arn"]}
    rules = [{"ServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": True}]
    lifecycle = [
        {
            "Id": "old-versions",
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
        {
            "Id": "logs",
            "Status": "Enabled",
            "Prefix": "capture/",
            "ExpirationInDays": 90,
            "Transitions": [{"StorageClass": "STANDARD_IA", "TransitionInDays": 30}],
        },
    ]
    bucket = stack.create(
        "AWS::S3::Bucket",
        "Data",
        BucketName="cfn-lab-data",
        BucketEncryption={"ServerSideEncryptionConfiguration": rules},
        VersioningConfiguration={"Status": "Enabled"},
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        LifecycleConfiguration={"Rules": lifecycle},
    )
    name, s3 = {"Bucket": "cfn-lab-data"}, aws.s3
    assert (bucket.ref, bucket["Arn"]) == ("cfn-lab-data", "arn:aws:s3:::cfn-lab-data")
    assert bucket["RegionalDomainName"] == "cfn-lab-data.s3.us-east-1.amazonaws.com"
    got = s3.get_bucket_encryption(**name)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert got == {"ApplyServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": True}
    assert s3.get_bucket_versioning(**name)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(**name)["PublicAccessBlockConfiguration"].values())
    owner = s3.get_bucket_ownership_controls(**name)["OwnershipControls"]["Rules"]
    assert owner == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    versions, logs = s3.get_bucket_lifecycle_configuration(**name)["Rules"]
    assert versions["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert versions["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert (logs["Filter"], logs["Expiration"]) == ({"Prefix": "capture/"}, {"Days": 90})
    assert logs["Transitions"] == [{"StorageClass": "STANDARD_IA", "Days": 30}]

    bucket.update(
        LifecycleConfiguration=None, VersioningConfiguration=None, Tags=[{"Key": "a", "Value": "b"}]
    )
    gone(s3.get_bucket_lifecycle_configuration, **name)
    assert s3.get_bucket_versioning(**name)["Status"] == "Suspended"
    tags = {t["Key"]: t["Value"] for t in s3.get_bucket_tagging(**name)["TagSet"]}
    assert tags == {"Project": "lab", "a": "b"}
    assert bucket.replaced_by(BucketName="other") == {"BucketName"}

    policy = {"Version": "2012-10-17", "Statement": []}
    stack.create("AWS::S3::BucketPolicy", "Policy", Bucket=bucket.ref, PolicyDocument=policy)
    assert json.loads(s3.get_bucket_policy(**name)["Policy"]) == policy
    stack.refuses(
        "already exists on bucket", "AWS::S3::BucketPolicy", Bucket=bucket.ref, PolicyDocument=policy
    )

    s3.put_object(**name, Key="kept", Body=b"1")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        bucket.delete()
    s3.delete_object(**name, Key="kept")
    for version in s3.list_object_versions(**name).get("Versions", []):
        s3.delete_object(**name, Key="kept", VersionId=version["VersionId"])
    for marker in s3.list_object_versions(**name).get("DeleteMarkers", []):
        s3.delete_object(**name, Key="kept", VersionId=marker["VersionId"])
    stack.delete_all()
    gone(s3.head_bucket, **name)


def test_bucket_names(server, aws, stack):
    first = stack.create("AWS::S3::Bucket", "Artifacts")
    assert re.fullmatch("lab-artifacts-[0-9a-f]{12}", first.ref)
    stack.refuses(f"'{first.ref}' already exists", "AWS::S3::Bucket", BucketName=first.ref)
    other = Stack(server, account="210987654321")
    other.refuses("already exists", "AWS::S3::Bucket", BucketName=first.ref)
    there = Stack(server, name="there", region="eu-west-1").create("AWS::S3::Bucket", "Artifacts")
    assert aws.s3.get_bucket_location(Bucket=there.ref)["LocationConstraint"] == "eu-west-1"
    stack.refuses("does not honor LifecycleConfiguration.Rules.ObjectSizeLessThan", "AWS::S3::Bucket",
        LifecycleConfiguration={"Rules": [{"Status": "Enabled", "ObjectSizeLessThan": "5"}]})  # fmt: skip
    there.delete()
    stack.delete_all()


def test_role(aws, stack):
    boundary = stack.create("AWS::IAM::ManagedPolicy", "Bound", PolicyDocument=allow("s3:*"))
    role = stack.create(
        "AWS::IAM::Role",
        "Execution",
        RoleName="cfn-lab-execution",
        AssumeRolePolicyDocument=trust(),
        Path="/lab/",
        Policies=[{"PolicyName": "read", "PolicyDocument": allow("s3:GetObject")}],
        ManagedPolicyArns=[boundary.ref],
        Description="jobs",
    )
    assert (role.ref, role["Arn"]) == (
        "cfn-lab-execution",
        f"arn:aws:iam::{ACCOUNT}:role/lab/cfn-lab-execution",
    )
    assert role["RoleId"].startswith("AROA")
    name, iam = {"RoleName": role.ref}, aws.iam
    role.update(
        AssumeRolePolicyDocument=trust("lambda.amazonaws.com"),
        Policies=[{"PolicyName": "write", "PolicyDocument": allow("s3:PutObject")}],
        ManagedPolicyArns=None,
        PermissionsBoundary=boundary.ref,
        MaxSessionDuration=7200,
    )
    assert iam.list_role_policies(**name)["PolicyNames"] == ["write"]
    assert iam.list_attached_role_policies(**name)["AttachedPolicies"] == []
    got = iam.get_role(**name)["Role"]
    assert got["AssumeRolePolicyDocument"] == trust("lambda.amazonaws.com")
    assert (got["MaxSessionDuration"], got["PermissionsBoundary"]["PermissionsBoundaryArn"]) == (
        7200,
        boundary.ref,
    )
    assert got["Tags"] == [{"Key": "Project", "Value": "lab"}]
    assert role.replaced_by(Path="/") == {"Path"}
    stack.refuses(
        "EntityAlreadyExists", "AWS::IAM::Role", RoleName=role.ref, AssumeRolePolicyDocument=trust()
    )
    missing = {
        "AssumeRolePolicyDocument": trust(),
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/NoSuchPolicy"],
    }
    stack.refuses("NoSuchEntity", "AWS::IAM::Role", RoleName="half-made", **missing)
    iam.delete_role(RoleName="half-made")
    profile = stack.create("AWS::IAM::InstanceProfile", "Profile", Roles=[role.ref])
    assert profile["Arn"] == f"arn:aws:iam::{ACCOUNT}:instance-profile/{profile.ref}"
    found = iam.get_instance_profile(InstanceProfileName=profile.ref)["InstanceProfile"]["Roles"]
    assert [r["RoleName"] for r in found] == [role.ref]
    stack.delete_all()
    gone(iam.get_role, **name)
    gone(iam.get_instance_profile, InstanceProfileName=profile.ref)


def test_policies(aws, stack):
    roles = [
        stack.create("AWS::IAM::Role", f"Role{i}", AssumeRolePolicyDocument=trust()).ref for i in range(2)
    ]
    managed = stack.create(
        "AWS::IAM::ManagedPolicy",
        "Jobs",
        PolicyDocument=allow("s3:GetObject"),
        Roles=roles[:1],
        Description="x",
    )
    assert managed.ref == managed["PolicyArn"]
    assert re.fullmatch(rf"arn:aws:iam::{ACCOUNT}:policy/lab-Jobs-[0-9A-F]+", managed.ref)

    def attached(role):
        found = aws.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return [p["PolicyArn"] for p in found]

    for number in range(6):  # more versions than AWS keeps
        managed.update(PolicyDocument=allow(f"s3:Get{number}"), Roles=roles[1:])
    version = managed["DefaultVersionId"]
    got = aws.iam.get_policy_version(PolicyArn=managed.ref, VersionId=version)["PolicyVersion"]["Document"]
    assert got == allow("s3:Get5")
    assert (attached(roles[0]), attached(roles[1])) == ([], [managed.ref])
    inline = stack.create(
        "AWS::IAM::Policy", "In", PolicyName="in", PolicyDocument=allow("s3:Put"), Roles=roles
    )
    assert inline["Id"] == inline.ref
    inline.update(PolicyName="in2", Roles=roles[:1])
    assert aws.iam.list_role_policies(RoleName=roles[0])["PolicyNames"] == ["in2"]
    assert aws.iam.list_role_policies(RoleName=roles[1])["PolicyNames"] == []
    broken = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*"}]}
    stack.refuses("MalformedPolicyDocument", "AWS::IAM::ManagedPolicy", PolicyDocument=broken)
    stack.delete_all()
    gone(aws.iam.get_policy, PolicyArn=managed.ref)


def test_keys(aws, stack):
    root = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    policy = {"Version": "2012-10-17", "Statement": [root]}
    key = stack.create(
        "AWS::KMS::Key",
        "Key",
        Description="lab",
        KeyPolicy=policy,
        EnableKeyRotation=True,
        PendingWindowInDays=7,
    )
    assert key["KeyId"] == key.ref and key["Arn"] == f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key.ref}"
    kms, by_id = aws.kms, {"KeyId": key.ref}
    assert kms.get_key_rotation_status(**by_id)["KeyRotationEnabled"]
    assert json.loads(kms.get_key_policy(**by_id, PolicyName="default")["Policy"]) == policy
    alias = stack.create("AWS::KMS::Alias", "Alias", AliasName="alias/cfn-lab", TargetKeyId=key.ref)
    assert alias.ref == "alias/cfn-lab"
    assert kms.describe_key(KeyId=alias.ref)["KeyMetadata"]["Arn"] == key["Arn"]
    refused = {"AliasName": "alias/cfn-lab", "TargetKeyId": key.ref}
    stack.refuses("AlreadyExists", "AWS::KMS::Alias", **refused)
    second = stack.create("AWS::KMS::Key", "Second")
    alias.update(TargetKeyId=second.ref)
    assert kms.describe_key(KeyId=alias.ref)["KeyMetadata"]["KeyId"] == second.ref
    key.update(EnableKeyRotation=False, Enabled=False, Description="changed", KeyPolicy={**policy, "Id": "x"})
    metadata = kms.describe_key(**by_id)["KeyMetadata"]
    assert (metadata["KeyState"], metadata["Description"]) == ("Disabled", "changed")
    key.update(Enabled=True)
    assert not kms.get_key_rotation_status(**by_id)["KeyRotationEnabled"]
    assert json.loads(kms.get_key_policy(**by_id, PolicyName="default")["Policy"])["Id"] == "x"
    assert key.replaced_by(KeySpec="RSA_2048") == {"KeySpec"}
    assert kms.list_resource_tags(**by_id)["Tags"] == [{"TagKey": "Project", "TagValue": "lab"}]
    stack.delete_all()
    assert kms.describe_key(**by_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    gone(kms.describe_key, KeyId="alias/cfn-lab")


def test_secret(aws, stack):
    generated = {
        "SecretStringTemplate": '{"user": "git"}',
        "GenerateStringKey": "password",
        "PasswordLength": 20,
    }
    secret = stack.create(
        "AWS::SecretsManager::Secret", "Git", Name="cfn-git", GenerateSecretString=generated
    )
    assert secret["Id"] == secret.ref and ":secret:cfn-git-" in secret.ref
    value = json.loads(aws.secretsmanager.get_secret_value(SecretId=secret.ref)["SecretString"])
    assert value["user"] == "git" and len(value["password"]) == 20
    plain = stack.create("AWS::SecretsManager::Secret", "Plain", SecretString="one", Description="d")
    plain.update(SecretString="two", Tags=[{"Key": "a", "Value": "b"}])
    assert aws.secretsmanager.get_secret_value(SecretId=plain.ref)["SecretString"] == "two"
    stack.delete_all()
    gone(aws.secretsmanager.describe_secret, SecretId=secret.ref)


def test_log_group(aws, stack):
    group = stack.create("AWS::Logs::LogGroup", "Flows", LogGroupName="/cfn/flows", RetentionInDays=30)
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/cfn/flows:*"
    assert (group.ref, group["Arn"]) == ("/cfn/flows", arn)

    def found():
        return aws.logs.describe_log_groups(logGroupNamePrefix="/cfn/flows")["logGroups"]

    assert found()[0]["retentionInDays"] == 30
    group.update(RetentionInDays=None, Tags=[{"Key": "a", "Value": "b"}])
    assert "retentionInDays" not in found()[0]
    assert aws.logs.list_tags_log_group(logGroupName=group.ref)["tags"] == {"Project": "lab", "a": "b"}
    stack.refuses("'/cfn/flows' already exists", "AWS::Logs::LogGroup", LogGroupName="/cfn/flows")
    stack.delete_all()
    assert found() == []


def test_alarm(aws, stack):
    topic = stack.create("AWS::SNS::Topic", "Alarms")
    alarm = stack.create(
        "AWS::CloudWatch::Alarm",
        "Errors",
        MetricName="Invocation5XXErrors",
        Namespace="AWS/SageMaker",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Dimensions=[{"Name": "EndpointName", "Value": "lab"}],
        AlarmActions=[topic.ref],
        TreatMissingData="notBreaching",
    )
    assert alarm["Arn"] == f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{alarm.ref}"
    alarm.update(Threshold=5)
    found = aws.cloudwatch.describe_alarms(AlarmNames=[alarm.ref])["MetricAlarms"][0]
    assert (found["Threshold"], found["AlarmActions"]) == (5, [topic.ref])
    stack.delete_all()
    assert aws.cloudwatch.describe_alarms(AlarmNames=[alarm.ref])["MetricAlarms"] == []
