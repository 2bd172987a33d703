"""KMS key policies: who may change them later."""

import json

import pytest
from botocore.exceptions import ClientError

from local_aws.services.key_policies import MalformedPolicyDocument, check

ACCOUNT = "123456789012"


def statement(action="kms:*", principal=f"arn:aws:iam::{ACCOUNT}:root", effect="Allow"):
    return {"Effect": effect, "Principal": {"AWS": principal}, "Action": action, "Resource": "*"}


@pytest.mark.parametrize(
    "good",
    [
        statement(),
        statement(["kms:Describe*", "kms:put*"]),
        statement(principal=[ACCOUNT]),
        [statement("kms:Decrypt", principal="arn:aws:iam::210987654321:root"), statement()],
        {**statement(), "Principal": "*"},
    ],
)
def test_allowed(good):
    check(json.dumps({"Statement": good}), ACCOUNT)


@pytest.mark.parametrize(
    "bad",
    [
        statement("kms:Encrypt"),
        statement(principal="arn:aws:iam::210987654321:root"),
        statement(effect="Deny"),
        {**statement(), "Principal": {"Service": "logs.amazonaws.com"}},
    ],
)
def test_locked_out(bad):
    with pytest.raises(MalformedPolicyDocument, match="update the key policy in the future"):
        check(json.dumps({"Statement": [bad]}), ACCOUNT)
    check(json.dumps({"Statement": [bad]}), ACCOUNT, bypass=True)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Statement": [{"Effect": "Allow", "Action": "kms:*"}]}'])
def test_malformed(text):
    with pytest.raises(MalformedPolicyDocument, match="policy|Policy"):
        check(text, ACCOUNT)


def test_a_role_that_does_not_exist():
    unknown = statement("kms:Decrypt", principal=f"arn:aws:iam::{ACCOUNT}:role/no-such")
    with pytest.raises(MalformedPolicyDocument, match="one or more invalid principals"):
        check(json.dumps({"Statement": [statement(), unknown]}), ACCOUNT)


def test_the_api_refuses_it(aws):
    locked = json.dumps({"Statement": [statement("kms:Decrypt")]})
    with pytest.raises(ClientError) as error:
        aws.kms.create_key(Policy=locked)
    assert error.value.response["Error"]["Code"] == "MalformedPolicyDocumentException"
    key = aws.kms.create_key(Policy=locked, BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["KeyId"]
    with pytest.raises(ClientError, match="will not allow you to update the key policy"):
        aws.kms.put_key_policy(KeyId=key, PolicyName="default", Policy=locked)
