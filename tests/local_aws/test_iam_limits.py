"""IAM's quotas and its check of principals."""

import json

import pytest
from refusals import refused

ACCOUNT = "123456789012"


def trust(**principal):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def policy(length):
    """A policy of `length` characters without white space."""
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
    statement["Resource"] += "b" * (length - len(text))
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def role(aws):
    name = {"RoleName": "limits"}
    aws.iam.create_role(**name, AssumeRolePolicyDocument=trust(Service="sagemaker.amazonaws.com"))
    yield name
    aws.iam.delete_role(**name)


def test_length_of_a_managed_policy(aws):
    create, name = aws.iam.create_policy, {"PolicyName": "long"}
    refused(create, "LimitExceeded", "PolicySize: 6144", **name, PolicyDocument=policy(6145))
    arn = create(**name, PolicyDocument=policy(6144))["Policy"]["Arn"]
    version = {"PolicyArn": arn, "SetAsDefault": True}
    refused(aws.iam.create_policy_version, "LimitExceeded", "6144", **version, PolicyDocument=policy(6145))
    aws.iam.delete_policy(PolicyArn=arn)


def test_length_of_inline_policies(aws, role):
    put = aws.iam.put_role_policy
    put(**role, PolicyName="one", PolicyDocument=policy(6000))
    words = "Maximum policy size of 10240 bytes exceeded for role limits"
    refused(put, "LimitExceeded", words, **role, PolicyName="two", PolicyDocument=policy(4241))
    put(**role, PolicyName="two", PolicyDocument=policy(4240))
    put(**role, PolicyName="one", PolicyDocument=policy(5000))
    for name in ("one", "two"):
        aws.iam.delete_role_policy(**role, PolicyName=name)


def test_number_of_attached_policies(aws, role):
    arns = [
        aws.iam.create_policy(PolicyName=f"many-{i}", PolicyDocument=policy(200))["Policy"]["Arn"]
        for i in range(11)
    ]
    for arn in arns[:10]:
        aws.iam.attach_role_policy(**role, PolicyArn=arn)
    aws.iam.attach_role_policy(**role, PolicyArn=arns[0])  # it is there already
    attach = aws.iam.attach_role_policy
    refused(attach, "LimitExceeded", "PoliciesPerRole: 10", **role, PolicyArn=arns[10])
    for arn in arns[:10]:
        aws.iam.detach_role_policy(**role, PolicyArn=arn)
    for arn in arns:
        aws.iam.delete_policy(PolicyArn=arn)


def test_principals_of_a_trust_policy(aws, role):
    update, name = aws.iam.update_assume_role_policy, {"RoleName": "limits"}
    for arn in (f"arn:aws:iam::{ACCOUNT}:role/no-such", "arn:aws:iam::998877665544:user/nobody"):
        words = f'Invalid principal in policy: "AWS":"{arn}"'
        refused(update, "MalformedPolicyDocument", words, **name, PolicyDocument=trust(AWS=[arn]))
    for arn in (f"arn:aws:iam::{ACCOUNT}:role/limits", "arn:aws:iam::998877665544:root", "998877665544", "*"):
        update(**name, PolicyDocument=trust(AWS=arn))
    long = trust(AWS=["998877665544"] * 150)
    refused(update, "LimitExceeded", "ACLSizePerRole: 2048", **name, PolicyDocument=long)
