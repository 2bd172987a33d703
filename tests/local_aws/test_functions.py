"""Lambda functions: created on moto's records, run as processes."""

import base64
import io
import json
import re
import time
import uuid
import zipfile

import pytest
from botocore.exceptions import ClientError
from servers import clients_of, running_server

from local_aws.services.functions import inline_zip


def zip_of(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.py", text)
    return data.getvalue()


@pytest.fixture(scope="module")
def role(aws):
    return aws.iam.create_role(RoleName="lambda-role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]


@pytest.fixture
def create(aws, role):
    """Makes a function of a module's text; its name."""

    def make(code, handler="index.handler", client=None, **more):
        name = f"function-{uuid.uuid4().hex[:10]}"
        spec = {"Runtime": "python3.12", "Code": {"ZipFile": zip_of(index=code)}, **more}
        (client or aws.awslambda).create_function(FunctionName=name, Role=role, Handler=handler, **spec)
        return name

    aws.awslambda = getattr(aws, "lambda")
    return make


def invoke(aws, name, event=None, **more):
    """The answer, and its payload as a value."""
    body = {} if event is None else {"Payload": json.dumps(event)}
    answer = aws.awslambda.invoke(FunctionName=name, **body, **more)
    text = answer["Payload"].read()
    return answer, json.loads(text) if text else None


def log_of(aws, name, until="REPORT", seconds=20):
    """The lines of the function's log, once one of them begins with `until`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            events = aws.logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except aws.logs.exceptions.ResourceNotFoundException:
            events = []
        lines = [event["message"] for event in events]
        if any(line.startswith(until) for line in lines):
            return lines
        assert time.monotonic() < deadline, lines
        time.sleep(0.05)


CONTEXT = """
import logging, os, sys

def handler(event, context):
    print("hello", event["who"])
    logging.getLogger().warning("careful")
    return {
        "event": event, "name": context.function_name, "request": context.aws_request_id,
        "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb,
        "left": context.get_remaining_time_in_millis(), "group": context.log_group_name,
        "colour": os.environ["COLOUR"], "region": os.environ["AWS_REGION"],
        "version": context.function_version, "path": sys.path[0], "file": __file__, "cwd": os.getcwd(),
    }
"""


def test_invoke_runs_the_handler(aws, create):
    name = create(CONTEXT, MemorySize=256, Timeout=30, Environment={"Variables": {"COLOUR": "green"}})
    answer, result = invoke(aws, name, {"who": "Ünal"}, LogType="Tail")
    assert (answer["StatusCode"], answer.get("FunctionError")) == (200, None)
    assert answer["ExecutedVersion"] == "$LATEST"
    assert result["event"] == {"who": "Ünal"}
    assert 25_000 < result.pop("left") <= 30_000
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert result == {
        "event": {"who": "Ünal"},
        "name": name,
        "request": request_id,
        "arn": f"arn:aws:lambda:us-east-1:123456789012:function:{name}",
        "memory": "256",
        "group": f"/aws/lambda/{name}",
        "colour": "green",
        "region": "us-east-1",
        "version": "$LATEST",
        "path": "/var/task",
        "file": "/var/task/index.py",
        "cwd": "/var/task",
    }
    lines = log_of(aws, name)
    assert lines[0] == f"START RequestId: {request_id} Version: $LATEST"
    assert lines[1] == "hello Ünal"
    assert re.fullmatch(rf"\[WARNING\]\t[\d-]+T[\d:.]+Z\t{request_id}\tcareful", lines[2])
    assert lines[3] == f"END RequestId: {request_id}"
    assert re.fullmatch(
        rf"REPORT RequestId: {request_id}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\t"
        r"Memory Size: 256 MB\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms",
        lines[4],
    )
    assert base64.b64decode(answer["LogResult"]).decode().splitlines() == lines


def test_a_raised_error_is_the_payload(aws, create):
    name = create("def handler(event, context):\n    raise KeyError('label')\n")
    answer, error = invoke(aws, name)
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert error["errorMessage"] == "'label'"
    assert error["errorType"] == "KeyError"
    assert error["stackTrace"] == [
        "  File \"/var/task/index.py\", line 2, in handler\n    raise KeyError('label')\n"
    ]
    assert any(line.startswith("[ERROR] KeyError: 'label'\nTraceback") for line in log_of(aws, name))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "handler", "kind", "message"),
    [
        (
            "import numpy",
            "index.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'index': No module named 'numpy'",
        ),
        ("x = 1", "index.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'index'"),
        ("x = 1", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler'"),
        ("def (", "index.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'index'"),
        ("def handler(e, c): return {1, 2}", "index.handler", "Runtime.MarshalError", "Unable to marshal"),
        ("import os\ndef handler(e, c): os._exit(3)", "index.handler", "Runtime.ExitError", "exit status 3"),
        ("def handler(e, c): raise SystemExit(4)", "index.handler", "Runtime.ExitError", "exit status 4"),
        (
            "def handler(e, c): return 'x' * 7_000_000",
            "index.handler",
            "Function.ResponseSizeTooLarge",
            "Response payload size exceeded",
        ),
    ],
)
def test_what_goes_wrong_is_named(aws, create, code, handler, kind, message):
    answer, error = invoke(aws, create(code, handler))
    assert answer["FunctionError"] == "Unhandled"
    assert error["errorType"] == kind
    assert message in error["errorMessage"]


@pytest.mark.slow
def test_the_timeout_is_real(aws, create):
    name = create("import time\ndef handler(event, context):\n    time.sleep(60)\n", Timeout=1)
    began = time.monotonic()
    answer, error = invoke(aws, name)
    assert 1 <= time.monotonic() - began < 10
    assert answer["FunctionError"] == "Unhandled"
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert log_of(aws, name)[-1].endswith("Status: timeout")


@pytest.mark.slow
def test_a_function_calls_aws_and_another_function(aws, create, bucket):
    inner = create("def handler(event, context):\n    return event['n'] + 1\n")
    outer = create(
        "import boto3, json\n"
        "def handler(event, context):\n"
        "    boto3.client('s3').put_object(Bucket=event['bucket'], Key='from-lambda', Body=b'1')\n"
        "    answer = boto3.client('lambda').invoke(FunctionName=event['inner'], Payload=json.dumps({'n': 1}))\n"
        "    return json.load(answer['Payload'])\n",
        Timeout=30,
    )
    answer, result = invoke(aws, outer, {"bucket": bucket, "inner": inner})
    assert (answer.get("FunctionError"), result) == (None, 2)
    assert aws.s3.get_object(Bucket=bucket, Key="from-lambda")["Body"].read() == b"1"


def test_event_is_accepted_and_run_later(aws, create):
    name = create("def handler(event, context):\n    print('got', event)\n")
    answer, payload = invoke(aws, name, {"n": 7}, InvocationType="Event")
    assert (answer["StatusCode"], payload) == (202, None)
    assert "got {'n': 7}" in log_of(aws, name)


def test_dry_run_runs_nothing(aws, create):
    name = create("def handler(event, context):\n    print('ran')\n")
    answer, payload = invoke(aws, name, InvocationType="DryRun")
    assert (answer["StatusCode"], payload) == (204, None)
    with pytest.raises(aws.logs.exceptions.ResourceNotFoundException):
        aws.logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")


@pytest.mark.slow
def test_update_function_code_and_configuration(aws, create, bucket):
    name = create("def handler(event, context):\n    return 1\n")
    assert invoke(aws, name)[1] == 1
    code = zip_of(other="import os\ndef run(event, context):\n    return os.environ['N']\n")
    aws.s3.put_object(Bucket=bucket, Key="code.zip", Body=code)
    aws.awslambda.update_function_code(FunctionName=name, S3Bucket=bucket, S3Key="code.zip")
    aws.awslambda.update_function_configuration(
        FunctionName=name, Handler="other.run", Environment={"Variables": {"N": "2"}}
    )
    assert invoke(aws, name)[1] == "2"
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [
        aws.s3.put_object(
            Bucket=bucket,
            Key="versioned.zip",
            Body=zip_of(other=f"def run(event, context):\n    return {n}\n"),
        )["VersionId"]
        for n in (3, 4)
    ]
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    source = {"S3Bucket": bucket, "S3Key": "versioned.zip"}
    aws.awslambda.update_function_code(FunctionName=name, **source, S3ObjectVersion=versions[0])
    assert invoke(aws, name)[1] == 3
    aws.awslambda.update_function_code(FunctionName=name, **source)
    assert invoke(aws, name)[1] == 4


@pytest.mark.slow
def test_versions_and_aliases(aws, create):
    name = create("def handler(event, context):\n    return [1, context.function_version]\n")
    version = aws.awslambda.publish_version(FunctionName=name)["Version"]
    aws.awslambda.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    aws.awslambda.update_function_code(
        FunctionName=name, ZipFile=zip_of(index="def handler(event, context):\n    return 2\n")
    )
    assert invoke(aws, name)[1] == 2
    assert invoke(aws, name, Qualifier="live")[1] == [1, "1"]
    assert invoke(aws, f"123456789012:function:{name}:1")[1] == [1, "1"]


def test_inline_code_has_cfnresponse(aws, create, bucket):
    code = (
        "import cfnresponse\n"
        "def handler(event, context):\n"
        "    cfnresponse.send(event, context, cfnresponse.SUCCESS, {'Id': 'i-1'}, 'mine')\n"
    )
    name = create(code, Code={"ZipFile": inline_zip(code)})
    url = aws.s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "answer.json"})
    event = {"ResponseURL": url, "StackId": "s", "RequestId": "r", "LogicalResourceId": "l"}
    answer, error = invoke(aws, name, event)
    assert answer.get("FunctionError") is None, error
    assert json.loads(aws.s3.get_object(Bucket=bucket, Key="answer.json")["Body"].read()) == {
        "Status": "SUCCESS",
        "Reason": f"See the details in CloudWatch Log Stream: {stream_of(aws, name)}",
        "PhysicalResourceId": "mine",
        "StackId": "s",
        "RequestId": "r",
        "LogicalResourceId": "l",
        "NoEcho": False,
        "Data": {"Id": "i-1"},
    }


def stream_of(aws, name):
    (stream,) = aws.logs.describe_log_streams(logGroupName=f"/aws/lambda/{name}")["logStreams"]
    return stream["logStreamName"]


def refusal(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    answer = error.value.response
    return (
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["Error"]["Code"],
        answer["Error"]["Message"],
    )


def test_refusals(aws, create, role, bucket):
    name = create("def handler(event, context): pass")
    call = aws.awslambda.invoke
    arn = "arn:aws:lambda:us-east-1:123456789012:function:nobody"
    assert refusal(call, FunctionName="nobody") == (
        404,
        "ResourceNotFoundException",
        f"Function not found: {arn}",
    )
    status, code, message = refusal(call, FunctionName=name, Payload=b"{no json")
    assert (status, code) == (400, "InvalidRequestContentException")
    assert message.startswith("Could not parse request body into json")
    status, code, _ = refusal(call, FunctionName=name, Payload=b'"' + b"x" * (6 * 2**20) + b'"')
    assert (status, code) == (413, "RequestTooLargeException")
    other = create("", Runtime="nodejs22.x")
    status, code, message = refusal(call, FunctionName=other)
    assert (status, code) == (501, "UnsupportedOperation")
    assert "it runs Python zip functions, not nodejs22.x" in message
    new = {"FunctionName": "new", "Runtime": "python3.12", "Role": role, "Handler": "index.handler"}
    make = aws.awslambda.create_function
    assert refusal(make, **new, Code={"ZipFile": b"no zip"}) == (
        400,
        "InvalidParameterValueException",
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    )
    outside = io.BytesIO()
    with zipfile.ZipFile(outside, "w") as archive:
        archive.writestr("../index.py", "")
    status, code, message = refusal(make, **new, Code={"ZipFile": outside.getvalue()})
    assert (status, code) == (400, "InvalidParameterValueException")
    assert message == "The zip's entry '../index.py' would leave the function's folder."
    assert refusal(make, **new, Code={"S3Bucket": bucket, "S3Key": "not/there"}) == (
        400,
        "InvalidParameterValueException",
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not "
        "exist.",
    )
    layer = "arn:aws:lambda:us-east-1:123456789012:layer:pandas:1"
    status, code, message = refusal(make, **new, Code={"ZipFile": zip_of(index="")}, Layers=[layer])
    assert code == "InvalidParameterValueException"
    assert message.startswith("Layers are not emulated by local_aws")
    assert refusal(make, **{**new, "FunctionName": name}, Code={"ZipFile": zip_of(index="")}) == (
        409,
        "ResourceConflictException",
        f"Function already exist: {name}",
    )


@pytest.mark.slow
def test_a_restart_keeps_functions_and_accepted_events(tmp_path):
    code = (
        "import time\n"
        "def handler(event, context):\n"
        "    print('begun')\n"
        "    time.sleep(event['seconds'])\n"
        "    return event['seconds']\n"
    )
    home = tmp_path / "home"
    with running_server(home) as local:
        aws = clients_of(local.endpoint_url)
        aws.awslambda = getattr(aws, "lambda")
        role = aws.iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        aws.awslambda.create_function(
            FunctionName="f",
            Role=role,
            Handler="index.handler",
            Runtime="python3.12",
            Timeout=30,
            Code={"ZipFile": zip_of(index=code)},
        )
        invoke(aws, "f", {"seconds": 5}, InvocationType="Event")
        log_of(aws, "f", "begun")
    with running_server(home) as local:
        aws = clients_of(local.endpoint_url)
        aws.awslambda = getattr(aws, "lambda")
        assert invoke(aws, "f", {"seconds": 0})[1] == 0
        deadline = time.monotonic() + 30
        while sum(line == "begun" for line in log_of(aws, "f")) < 3:  # the event's two runs and the one above
            assert time.monotonic() < deadline
            time.sleep(0.1)
