"""What nothing here would really do is refused, in the protocol of its service."""

import socket

import pytest
from botocore.exceptions import ClientError


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "name"),
    [
        (
            "sagemaker",
            "describe_compilation_job",
            {"CompilationJobName": "a"},
            "sagemaker:DescribeCompilationJob",
        ),
        (
            "sagemaker",
            "describe_auto_ml_job",
            {"AutoMLJobName": "a"},
            "sagemaker:DescribeAutoMLJob",
        ),
        (
            "sagemaker",
            "create_notebook_instance",
            {
                "NotebookInstanceName": "n",
                "InstanceType": "ml.t3.medium",
                "RoleArn": "arn:aws:iam::123456789012:role/r",
            },
            "sagemaker:CreateNotebookInstance",
        ),
        ("sagemaker", "list_lineage_groups", {}, "sagemaker:ListLineageGroups"),  # moto has none of it
        (
            "lambda",
            "invoke_async",
            {"FunctionName": "f", "InvokeArgs": b"{}"},
            "lambda:InvokeAsync",
        ),  # rest-json
        ("ec2", "run_instances", {"MinCount": 1, "MaxCount": 1}, "ec2:RunInstances"),  # ec2
        ("codebuild", "start_build_batch", {"projectName": "p"}, "codebuild:StartBuildBatch"),  # json
        ("autoscaling", "describe_auto_scaling_groups", {}, "autoscaling:DescribeAutoScalingGroups"),  # query
        ("batch", "list_jobs", {"jobQueue": "q"}, "batch:ListJobs"),
        ("stepfunctions", "list_state_machines", {}, "states:ListStateMachines"),
        ("glue", "start_job_run", {"JobName": "j"}, "glue:StartJobRun"),
    ],
)
def test_it_is_refused_by_name(aws, service, operation, arguments, name):
    with pytest.raises(ClientError) as error:
        getattr(getattr(aws, service), operation)(**arguments)
    assert error.value.response["Error"]["Code"] == "UnsupportedOperation"
    assert error.value.response["Error"]["Message"].startswith(f"{name} is not emulated by local_aws")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_simulate_principal_policy(aws):
    role = aws.iam.create_role(RoleName="simulated", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    answer = aws.iam.simulate_principal_policy(
        PolicySourceArn=role, ActionNames=["s3:GetObject", "s3:PutObject"]
    )
    assert [(r["EvalActionName"], r["EvalDecision"]) for r in answer["EvaluationResults"]] == [
        ("s3:GetObject", "allowed"),
        ("s3:PutObject", "allowed"),
    ]
    with pytest.raises(ClientError) as error:
        aws.iam.simulate_principal_policy(PolicySourceArn=role + "x", ActionNames=["s3:GetObject"])
    assert error.value.response["Error"]["Code"] == "NoSuchEntity"
    assert error.value.response["Error"]["Message"] == "Role simulatedx not found"
    root = "arn:aws:iam::123456789012:root"
    with pytest.raises(ClientError) as error:
        aws.iam.simulate_principal_policy(PolicySourceArn=root, ActionNames=["s3:GetObject"])
    assert error.value.response["Error"]["Code"] == "InvalidInput"
    assert "does not clearly define entity type and name" in error.value.response["Error"]["Message"]


def test_keys_with_any_characters(aws, bucket):
    for key in ("ü +%2F=&?#.txt", "a//b", "x/"):
        aws.s3.put_object(Bucket=bucket, Key=f"odd/{key}", Body=key.encode())
        assert aws.s3.get_object(Bucket=bucket, Key=f"odd/{key}")["Body"].read() == key.encode()
    listed = [o["Key"] for o in aws.s3.list_objects_v2(Bucket=bucket, Prefix="odd/")["Contents"]]
    assert sorted(listed) == sorted(f"odd/{k}" for k in ("ü +%2F=&?#.txt", "a//b", "x/"))


def test_a_refused_head_request_has_no_body(server):
    """Bytes after the header would be read as the answer to the connection's next request."""
    host, port = server.endpoint_url.removeprefix("http://").split(":")
    signed = "AWS4-HMAC-SHA256 Credential=K/20261125/us-east-1/transcribe/aws4_request"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: {signed}\r\n\r\n"
        connection.sendall(head.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 501 ")
    assert answer.endswith(b"\r\n\r\n")
