"""Bucket policies: conditions decide whether a statement applies."""

import json
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError
from moto.iam.access_control import PermissionResult

from local_aws.services.bucket_policies import MalformedPolicy, check, evaluate, request_values

ACCOUNT = "123456789012"
DENIED, PERMITTED, NEUTRAL = PermissionResult.DENIED, PermissionResult.PERMITTED, PermissionResult.NEUTRAL


def decide(statement, headers=None, action="s3:PutObject", key="a/b", account=ACCOUNT):
    whole = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", **statement}
    policy = {"Statement": {k: v for k, v in whole.items() if f"Not{k}" not in statement}}
    values = request_values(account, headers or {})
    return evaluate(json.dumps(policy), action, f"arn:aws:s3:::lab/{key}", account, values)


KMS = {"x-amz-server-side-encryption": "aws:kms"}
ENCRYPTION = "s3:x-amz-server-side-encryption"


@pytest.mark.parametrize(
    ("statement", "headers", "expected"),
    [
        ({}, {}, DENIED),
        ({"Effect": "Allow"}, {}, PERMITTED),
        ({"Action": ["s3:Get*", "s3:Delete?bject"]}, {}, NEUTRAL),
        ({"NotAction": "s3:Get*"}, {}, DENIED),
        ({"NotAction": "s3:Put*"}, {}, NEUTRAL),
        ({"Resource": "arn:aws:s3:::lab/a/*"}, {}, DENIED),
        ({"Resource": "arn:aws:s3:::lab/[a]/*"}, {}, NEUTRAL),
        ({"NotResource": "arn:aws:s3:::lab/a/*"}, {}, NEUTRAL),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}, {}, DENIED),
        ({"Principal": {"AWS": ["210987654321"]}}, {}, NEUTRAL),
        ({"Principal": {"Service": "logging.s3.amazonaws.com"}}, {}, NEUTRAL),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, {}, NEUTRAL),
        ({"Condition": {"Bool": {"aws:SecureTransport": True}}}, {}, DENIED),
        ({"Condition": {"StringNotEquals": {ENCRYPTION: "aws:kms"}}}, {}, DENIED),
        ({"Condition": {"StringNotEquals": {ENCRYPTION: "aws:kms"}}}, KMS, NEUTRAL),
        ({"Condition": {"StringNotEqualsIfExists": {ENCRYPTION: "aws:kms"}}}, KMS, NEUTRAL),
        ({"Condition": {"Null": {ENCRYPTION: "true"}}}, {}, DENIED),
        ({"Condition": {"Null": {ENCRYPTION: "true"}}}, KMS, NEUTRAL),
        ({"Condition": {"StringEquals": {ENCRYPTION: ["AES256", "aws:kms"]}}}, KMS, DENIED),
        (
            {"Condition": {"StringEquals": {ENCRYPTION: "AES256"}, "Null": {ENCRYPTION: "false"}}},
            KMS,
            NEUTRAL,
        ),
        ({"Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}}, {}, NEUTRAL),
        ({"Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}}, {}, DENIED),
    ],
)
def test_statement(statement, headers, expected):
    assert decide(statement, headers) == expected


def test_a_denial_wins():
    every = {"Principal": "*", "Action": "s3:*", "Resource": "*"}
    policy = json.dumps({"Statement": [{"Effect": "Deny", **every}, {"Effect": "Allow", **every}]})
    assert evaluate(policy, "s3:GetObject", "arn:aws:s3:::lab/a", ACCOUNT, {}) == DENIED


BUCKET = "arn:aws:s3:::lab"
GOOD = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ({"Action": "s3:GetObject", "Resource": f"{BUCKET}/*"}, None),
        ({"Action": ["s3:ListBucket", "s3:GetObject"], "Resource": [BUCKET, f"{BUCKET}/*"]}, None),
        ({"Action": "s3:GetBucketObjectLockConfiguration", "Resource": BUCKET}, None),
        ({"Action": "s3:*", "NotResource": f"{BUCKET}/public/*"}, None),
        ({"Action": "s3:GetObject", "Resource": BUCKET}, "Action does not apply to any resource"),
        ({"Action": "s3:ListBucket", "Resource": f"{BUCKET}/*"}, "Action does not apply to any resource"),
        ({"Action": "s3:AbortMultipartUpload", "Resource": BUCKET}, "Action does not apply"),
        ({"Action": "s3:*", "Resource": "arn:aws:s3:::another"}, "Policy has invalid resource"),
        ({"Action": "s3:*", "Resource": f"{BUCKET}-2/*"}, "Policy has invalid resource"),
        ({"Action": "sqs:SendMessage", "Resource": BUCKET}, "Policy has invalid action"),
        ({"Action": "s3:*"}, "Missing required field Resource"),
        (
            {"Action": "s3:*", "Resource": BUCKET, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/no"}},
            "principal",
        ),
    ],
)
def test_what_a_policy_may_say(statement, words):
    text = json.dumps({"Statement": [{**GOOD, **statement}]})
    if words is None:
        check(text, BUCKET)
    else:
        with pytest.raises(MalformedPolicy, match=words):
            check(text, BUCKET)


@pytest.mark.parametrize(
    ("text", "words"), [("x", "valid JSON"), ("{}", "field Statement"), ("[]", "valid JSON")]
)
def test_what_is_no_policy(text, words):
    with pytest.raises(MalformedPolicy, match=words):
        check(text, BUCKET)


def test_a_bucket_with_a_policy(aws):
    s3, name = aws.s3, "lab-policy-bucket"
    s3.create_bucket(Bucket=name)
    arn = f"arn:aws:s3:::{name}"
    tls = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    keys = {**tls, "Action": "s3:PutObject", "Condition": {"StringNotEquals": {ENCRYPTION: "aws:kms"}}}
    public = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{arn}/public/*"}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Statement": [tls, keys, public]}))
    for key in ("a", "public/a"):
        s3.put_object(Bucket=name, Key=key, Body=b"1", ServerSideEncryption="aws:kms")
    assert s3.get_object(Bucket=name, Key="a")["Body"].read() == b"1"
    with pytest.raises(ClientError, match="MalformedPolicy.*Action does not apply"):
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Statement": [{**public, "Resource": arn}]}))
    with pytest.raises(ClientError, match="Forbidden"):
        s3.put_object(Bucket=name, Key="a", Body=b"2")
    with urllib.request.urlopen(f"{aws.url}/{name}/public/a") as answer:
        assert answer.read() == b"1"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{aws.url}/{name}/a")
