"""What happens in a bucket reaches EventBridge's rules, Lambda functions and queues."""

import json
import time

import pytest
from cfn_resources import Stack

pytestmark = pytest.mark.slow
NAME = {"Bucket": "lab-events-bucket"}


def messages(aws, queue, count):
    found, deadline = [], time.monotonic() + 15
    while len(found) < count:
        assert time.monotonic() < deadline, found
        answer = aws.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            found.append(json.loads(message["Body"]))
            aws.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_objects_are_events(server, aws):
    stack = Stack(server, name="bridge")
    queue = stack.create("AWS::SQS::Queue", "Queue")
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": ["lab-events-bucket"]}}}
    target = {"Id": "queue", "Arn": queue["Arn"]}
    stack.create("AWS::Events::Rule", "Rule", EventPattern=pattern, Targets=[target])
    bridge = {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    bucket = stack.create(
        "AWS::S3::Bucket", "Bucket", BucketName="lab-events-bucket", NotificationConfiguration=bridge
    )
    aws.s3.put_object(**NAME, Key="capture/one.jsonl", Body=b"123")
    aws.s3.delete_object(**NAME, Key="capture/one.jsonl")
    made, removed = messages(aws, queue.ref, 2)
    assert (made["detail-type"], removed["detail-type"]) == ("Object Created", "Object Deleted")
    assert made["resources"] == ["arn:aws:s3:::lab-events-bucket"]
    assert made["detail"]["reason"] == "PutObject" and removed["detail"]["reason"] == "DeleteObject"
    assert (made["detail"]["object"]["key"], made["detail"]["object"]["size"]) == ("capture/one.jsonl", 3)
    assert removed["detail"]["deletion-type"] == "Permanently Deleted"

    suffix = {"S3Key": {"Rules": [{"Name": "suffix", "Value": ".csv"}]}}
    direct = {"Event": "s3:ObjectCreated:*", "Queue": queue["Arn"], "Filter": suffix}
    bucket.update(NotificationConfiguration={"QueueConfigurations": [direct]})
    (test,) = messages(aws, queue.ref, 1)
    assert test["Event"] == "s3:TestEvent"
    aws.s3.put_object(**NAME, Key="a.txt", Body=b"1")
    aws.s3.put_object(**NAME, Key="a.csv", Body=b"1")
    (record,) = messages(aws, queue.ref, 1)[0]["Records"]
    assert record["s3"]["object"]["key"] == "a.csv"
    bucket.update(NotificationConfiguration=None)
    assert "QueueConfigurations" not in aws.s3.get_bucket_notification_configuration(**NAME)
    for key in ("a.txt", "a.csv"):
        aws.s3.delete_object(**NAME, Key=key)
    stack.delete_all()


def test_objects_start_functions(server, aws):
    stack = Stack(server, name="events")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = stack.create("AWS::IAM::Role", "Role", AssumeRolePolicyDocument={"Statement": [statement]})
    name, code = (
        {"Bucket": "lab-functions-bucket"},
        (
            "import boto3\nfrom urllib.parse import unquote_plus\n\ndef handler(event, context):\n"
            "    where = event['Records'][0]['s3']\n"
            "    boto3.client('s3').copy_object(Bucket=where['bucket']['name'], Key='copied',\n"
            "        CopySource={'Bucket': where['bucket']['name'], 'Key': unquote_plus(where['object']['key'])})\n"
        ),
    )
    function = stack.create(
        "AWS::Lambda::Function",
        "Copy",
        Handler="index.handler",
        Runtime="python3.13",
        Role=role["Arn"],
        Timeout=30,
        Code={"ZipFile": code},
    )
    prefix = {"S3Key": {"Rules": [{"Name": "prefix", "Value": "in/"}]}}
    wanted = {"Event": "s3:ObjectCreated:Put", "Function": function["Arn"], "Filter": prefix}
    stack.create(
        "AWS::S3::Bucket",
        "Bucket",
        BucketName="lab-functions-bucket",
        NotificationConfiguration={"LambdaConfigurations": [wanted]},
    )
    aws.s3.put_object(**name, Key="in/a", Body=b"text")
    deadline = time.monotonic() + 20
    while "copied" not in [i["Key"] for i in aws.s3.list_objects_v2(**name)["Contents"]]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert aws.s3.get_object(**name, Key="copied")["Body"].read() == b"text"
    for key in ("in/a", "copied"):
        aws.s3.delete_object(**name, Key=key)
    stack.delete_all()
