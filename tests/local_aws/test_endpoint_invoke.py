"""InvokeEndpoint against real server processes: what comes back, and what goes wrong how."""

import json
import threading

import pytest
from botocore.exceptions import ClientError
from endpoint_helpers import ECHO, PYTORCH, attached
from waiting import until


@pytest.fixture(scope="module")
def lab(server):
    with attached(server) as lab:
        yield lab


@pytest.fixture(scope="module")
def echo(lab):
    return lab.endpoint(lab.config(lab.model(NAME="echo")))


@pytest.fixture(scope="module")
def pair(lab):
    """Two variants, weights 1 and 3."""
    return lab.endpoint(lab.config(lab.model(NAME="a"), lab.model(NAME="b"), weights=(1, 3)))


def refusal(lab, endpoint, **request) -> ClientError:
    with pytest.raises(ClientError) as caught:
        lab.runtime.invoke_endpoint(EndpointName=endpoint, **request)
    return caught.value


def test_invoke_answers_with_body_content_type_and_variant(lab, echo):
    answer = lab.runtime.invoke_endpoint(
        EndpointName=echo, Body=b'{"text": "caf\xc3\xa9"}', ContentType="application/json", Accept="text/csv"
    )
    assert json.loads(answer["Body"].read())["echo"] == {"text": "café"}
    assert answer["ContentType"] == "text/csv"
    assert answer["InvokedProductionVariant"] == "AllTraffic"


def test_invoke_forwards_and_returns_custom_attributes(lab):
    code = """
        import json
        def model_fn(model_dir): return None
        def transform_fn(model, data, content_type, accept, context):
            seen = context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes")
            context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "answered")
            return json.dumps([seen, context.get_request_header(0, "X-Amzn-SageMaker-Inference-Id")])
    """
    endpoint = lab.endpoint(lab.config(lab.model(code)))
    answer = lab.runtime.invoke_endpoint(
        EndpointName=endpoint, Body=b"x", CustomAttributes="trace=7", InferenceId="id-1"
    )
    assert json.loads(answer["Body"].read()) == ["trace=7", "id-1"]
    assert answer["CustomAttributes"] == "answered"


def test_invoke_unknown_endpoint(lab):
    error = refusal(lab, "nobody", Body=b"x")
    assert error.response["Error"]["Code"] == "ValidationError"
    assert error.response["Error"]["Message"] == "Endpoint nobody of account 123456789012 not found."
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_invoke_in_another_region_is_not_found(lab, echo):
    import boto3

    other = boto3.client(
        "sagemaker-runtime",
        region_name="eu-west-1",
        endpoint_url=lab.local.endpoint_url,
        aws_access_key_id="LOCALAWSACCESSKEYID0",
        aws_secret_access_key="x",
    )
    with pytest.raises(ClientError) as caught:
        other.invoke_endpoint(EndpointName=echo, Body=b"x")
    assert caught.value.response["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"),
    [
        (b"{bad", "application/json", 500, "Expecting property name enclosed in double quotes"),
        (b"[1]", "text/markdown", 415, "content type text/markdown is not served"),
        (b'"raise"', "application/json", 500, "no such thing"),
        (b"", "application/json", 500, "Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_invoke_model_error_keeps_status_and_message(lab, echo, body, content_type, status, message):
    error = refusal(lab, echo, Body=body, ContentType=content_type)
    assert error.response["Error"]["Code"] == "ModelError"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error.response["OriginalStatusCode"] == status
    assert error.response["OriginalMessage"].startswith(message)
    side = "client" if status < 500 else "server"
    assert error.response["Error"]["Message"].startswith(
        f'Received {side} error ({status}) from primary with message "{message}'
    )
    logs = f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/{echo}"
    assert error.response["LogStreamArn"].startswith(f"{logs}:log-stream:AllTraffic/i-")
    assert lab.ask(echo, "still there")["echo"] == "still there"


def test_invoke_limit_is_six_megabytes(lab, echo):
    limit = 6 * 1024 * 1024
    assert lab.ask(echo, b"x" * limit, "text/csv")["echo"] == "x" * limit
    error = refusal(lab, echo, Body=b"x" * (limit + 1), ContentType="text/csv")
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert error.response["Error"]["Code"] == "413"
    assert error.response["Error"]["Message"] == "HTTP content length exceeded 6291456 bytes."


def test_weights_share_the_traffic(lab, pair):
    names = [lab.ask(pair, "x")["name"] for _ in range(400)]
    # binomial, p = 1/4: 100 expected, standard deviation 8.7; five of them either way
    assert 56 <= names.count("a") <= 144
    assert set(names) == {"a", "b"}


def test_target_variant_overrides_the_weights(lab, pair):
    answers = [
        lab.runtime.invoke_endpoint(
            EndpointName=pair, Body=b'"x"', ContentType="application/json", TargetVariant="v0"
        )
        for _ in range(12)
    ]
    assert {json.loads(answer["Body"].read())["name"] for answer in answers} == {"a"}
    assert {answer["InvokedProductionVariant"] for answer in answers} == {"v0"}


def test_unknown_target_variant(lab, pair):
    error = refusal(lab, pair, Body=b"x", TargetVariant="v9")
    assert error.response["Error"]["Code"] == "ValidationError"
    assert error.response["Error"]["Message"] == f"Variant v9 of endpoint {pair} not found; it has: v0, v1."


def test_several_instances_take_turns(lab):
    endpoint = lab.endpoint(lab.config(lab.model(), count=2))
    seen = [lab.ask(endpoint, "x")["process"] for _ in range(6)]
    assert len(set(seen)) == 2
    assert seen[0::2] == [seen[0]] * 3


def test_weights_and_capacities_can_be_changed(lab):
    endpoint = lab.endpoint(lab.config(lab.model(NAME="a"), lab.model(NAME="b")))
    lab.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[
            {"VariantName": "v0", "DesiredWeight": 0.0},
            {"VariantName": "v1", "DesiredWeight": 2.0, "DesiredInstanceCount": 2},
        ],
    )
    first, second = lab.settle(endpoint)["ProductionVariants"]
    assert (first["CurrentWeight"], first["CurrentInstanceCount"]) == (0.0, 1)
    assert (second["CurrentWeight"], second["DesiredWeight"], second["CurrentInstanceCount"]) == (2.0, 2.0, 2)
    answers = [lab.ask(endpoint, "x") for _ in range(6)]
    assert {answer["name"] for answer in answers} == {"b"}
    assert len({answer["process"] for answer in answers}) == 2
    with pytest.raises(ClientError) as caught:
        lab.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=endpoint,
            DesiredWeightsAndCapacities=[{"VariantName": "v7", "DesiredWeight": 1.0}],
        )
    config = lab.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    assert caught.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": f'The variant name(s) "v7" is/are not present within endpoint configuration "{config}".',
    }


def test_a_container_that_ends_is_started_again(lab):
    endpoint = lab.endpoint(lab.config(lab.model()))
    before = lab.ask(endpoint, "x")["process"]
    error = refusal(lab, endpoint, Body=b'"die"', ContentType="application/json")
    assert error.response["Error"]["Code"] == "ModelError"
    assert error.response["OriginalStatusCode"] == 500
    assert error.response["OriginalMessage"] == (
        "The container ended, or closed the connection, before it answered. It is started again."
    )
    during = refusal(lab, endpoint, Body=b'"x"', ContentType="application/json")
    assert during.response["Error"] == {
        "Code": "ServiceUnavailable",
        "Message": f"Variant AllTraffic of endpoint {endpoint} has no healthy instance: its container ended "
        f"and is started again. Its log is /aws/sagemaker/Endpoints/{endpoint}. Try again in a moment.",
    }

    def answer():
        try:
            return lab.ask(endpoint, "x")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ServiceUnavailable"

    assert until(answer)["process"] != before
    assert lab.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"


def test_a_request_that_never_ends_restarts_the_container(lab):
    endpoint = lab.endpoint(lab.config(lab.model(SAGEMAKER_MODEL_SERVER_TIMEOUT=1)))
    error = refusal(lab, endpoint, Body=b'{"sleep": 30}', ContentType="application/json")
    assert error.response["Error"]["Code"] == "ModelError"
    lines = log_lines(lab, endpoint)
    assert any("has been in the model for more than 1 s" in line for line in lines)


def test_requests_run_side_by_side_with_two_workers(lab):
    import time

    endpoint = lab.endpoint(lab.config(lab.model(image=PYTORCH, SAGEMAKER_MODEL_SERVER_WORKERS=2)))
    lab.ask(endpoint, "warm")
    began = time.monotonic()
    threads = [threading.Thread(target=lab.ask, args=(endpoint, {"sleep": 0.5})) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 0.9


def log_lines(lab, endpoint: str) -> list[str]:
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    return [
        event["message"]
        for stream in lab.logs.describe_log_streams(logGroupName=group)["logStreams"]
        for event in lab.logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])[
            "events"
        ]
    ]


def test_output_goes_to_cloudwatch_logs(lab, echo):
    group = f"/aws/sagemaker/Endpoints/{echo}"
    (stream,) = lab.logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert stream["logStreamName"].startswith("AllTraffic/i-")
    assert "loading echo" in log_lines(lab, echo)


@pytest.mark.parametrize(
    ("method", "request_", "action"),
    [
        ("invoke_endpoint_async", {"InputLocation": "s3://lab/x"}, "InvokeEndpointAsync"),
        ("invoke_endpoint_with_response_stream", {"Body": b"x"}, "InvokeEndpointWithResponseStream"),
    ],
)
def test_other_ways_to_invoke_are_refused(lab, echo, method, request_, action):
    with pytest.raises(ClientError) as caught:
        getattr(lab.runtime, method)(EndpointName=echo, **request_)
    assert caught.value.response["Error"]["Code"] == "UnsupportedOperation"
    message = caught.value.response["Error"]["Message"]
    assert message == f"sagemaker:{action} is not emulated by local_aws. Use InvokeEndpoint."


def test_metrics_reach_cloudwatch(lab):
    from datetime import UTC, datetime, timedelta

    endpoint = lab.endpoint(lab.config(lab.model(ECHO)))
    for _ in range(3):
        lab.ask(endpoint, "x")
    refusal(lab, endpoint, Body=b"x", ContentType="text/markdown")

    def statistics(name, *kinds):
        now = datetime.now(UTC)
        points = lab.cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=[
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=3600,
            Statistics=list(kinds),
        )["Datapoints"]
        return {kind: sum(point[kind] for point in points) for kind in kinds} if points else None

    assert until(lambda: statistics("Invocations", "Sum"))["Sum"] == 4
    assert statistics("Invocation4XXErrors", "Sum")["Sum"] == 1
    latency = statistics("ModelLatency", "Average")["Average"]
    assert 10 < latency < 5_000_000  # microseconds
