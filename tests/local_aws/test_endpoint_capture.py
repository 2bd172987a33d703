"""Data capture: SageMaker's JSON Lines in S3."""

import base64
import json
import os
import re
import signal
from datetime import UTC, datetime

import pytest
from endpoint_helpers import Lab, attached
from waiting import until

JSON_TYPE = "application/json"


@pytest.fixture(scope="module")
def lab(server):
    with attached(server) as lab:
        yield lab


def capture_config(prefix: str, *modes: str, sampling: int = 100, types=(JSON_TYPE,)) -> dict:
    config = {
        "EnableCapture": True,
        "InitialSamplingPercentage": sampling,
        "DestinationS3Uri": f"s3://lab/{prefix}",
        "CaptureOptions": [{"CaptureMode": mode} for mode in modes],
    }
    if types:
        config["CaptureContentTypeHeader"] = {
            "JsonContentTypes": list(types),
            "CsvContentTypes": ["text/csv"],
        }
    return config


def captured(lab, prefix: str) -> dict[str, list[dict]]:
    """{key: records} of everything captured below a prefix."""
    listed = lab.s3.list_objects_v2(Bucket="lab", Prefix=prefix).get("Contents", [])
    return {
        item["Key"]: [
            json.loads(line)
            for line in lab.s3.get_object(Bucket="lab", Key=item["Key"])["Body"].read().splitlines()
        ]
        for item in listed
    }


def records(lab, prefix: str) -> list[dict]:
    return [record for lines in captured(lab, prefix).values() for record in lines]


def test_input_and_output_are_captured(lab):
    endpoint = lab.endpoint(
        lab.config(lab.model(), DataCaptureConfig=capture_config("both", "Input", "Output"))
    )
    described = lab.sagemaker.describe_endpoint(EndpointName=endpoint)["DataCaptureConfig"]
    assert described == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 100,
        "DestinationS3Uri": "s3://lab/both",
        "KmsKeyId": "",
    }
    answer = lab.ask(endpoint, {"text": "good"}, InferenceId="id-7")
    lab.ask(endpoint, "a,b\n", "text/csv")
    (key, lines), *others = until(lambda: captured(lab, "both/")).items()
    assert others == []
    assert re.fullmatch(
        rf"both/{endpoint}/AllTraffic/\d{{4}}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{{3}}-[0-9a-f-]{{36}}\.jsonl", key
    )
    first, second = lines
    assert first["eventVersion"] == "0"
    assert first["captureData"]["endpointInput"] == {
        "observedContentType": JSON_TYPE,
        "mode": "INPUT",
        "data": '{"text": "good"}',
        "encoding": "JSON",
    }
    output = first["captureData"]["endpointOutput"]
    assert (output["mode"], output["encoding"], output["observedContentType"]) == (
        "OUTPUT",
        "JSON",
        JSON_TYPE,
    )
    assert json.loads(output["data"]) == answer
    metadata = first["eventMetadata"]
    assert metadata["inferenceId"] == "id-7"
    when = datetime.strptime(metadata["inferenceTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - when).total_seconds()) < 30
    assert len({first["eventMetadata"]["eventId"], second["eventMetadata"]["eventId"]}) == 2
    assert second["captureData"]["endpointInput"]["encoding"] == "CSV"
    assert "inferenceId" not in second["eventMetadata"]


def test_content_types_without_a_header_are_base64(lab):
    config = capture_config("base64", "Input", types=())
    del config["EnableCapture"]  # captured is the default
    endpoint = lab.endpoint(lab.config(lab.model(), DataCaptureConfig=config))
    lab.ask(endpoint, "x")
    (record,) = until(lambda: records(lab, "base64/"))
    assert record["captureData"].keys() == {"endpointInput"}
    assert record["captureData"]["endpointInput"]["encoding"] == "BASE64"
    assert base64.b64decode(record["captureData"]["endpointInput"]["data"]) == b'"x"'


def test_deleting_the_endpoint_writes_what_is_captured(lab):
    config = capture_config("deleted", "Output")
    endpoint = lab.endpoint(lab.config(lab.model(), DataCaptureConfig=config))
    for number in range(25):
        lab.ask(endpoint, number)
    lab.sagemaker.delete_endpoint(EndpointName=endpoint)
    until(lambda: not lab.sagemaker.list_endpoints(NameContains=endpoint)["Endpoints"])
    echoes = [
        json.loads(r["captureData"]["endpointOutput"]["data"])["echo"] for r in records(lab, "deleted/")
    ]
    assert echoes == list(range(25))


def test_sampling_and_disabled_capture(lab):
    off = {**capture_config("off", "Input"), "EnableCapture": False}
    endpoint = lab.endpoint(lab.config(lab.model(), DataCaptureConfig=off))
    status = lab.sagemaker.describe_endpoint(EndpointName=endpoint)["DataCaptureConfig"]["CaptureStatus"]
    assert status == "Stopped"
    lab.ask(endpoint, "x")
    some = capture_config("some", "Input", sampling=20)
    sampled = lab.endpoint(lab.config(lab.model(), DataCaptureConfig=some))
    for number in range(300):
        lab.ask(sampled, number)
    lab.sagemaker.delete_endpoint(EndpointName=sampled)
    until(lambda: not lab.sagemaker.list_endpoints(NameContains=sampled)["Endpoints"])
    # binomial, p = 0.2: 60 expected, standard deviation 6.9; five of them either way
    assert 25 <= len(records(lab, "some/")) <= 95
    assert records(lab, "off/") == []


def test_failed_requests_are_not_captured(lab):
    config = capture_config("failed", "Input")
    endpoint = lab.endpoint(lab.config(lab.model(), DataCaptureConfig=config))
    with pytest.raises(Exception, match="no such thing"):
        lab.ask(endpoint, "raise")
    lab.ask(endpoint, "fine")
    (record,) = until(lambda: records(lab, "failed/"))
    assert record["captureData"]["endpointInput"]["data"] == '"fine"'


def test_a_killed_server_loses_no_captured_record(tmp_path):
    lab = Lab(tmp_path / "home").start()
    try:
        lab.s3.create_bucket(Bucket=lab.bucket)
        config = capture_config("killed", "Input")
        endpoint = lab.endpoint(lab.config(lab.model(), DataCaptureConfig=config))
        for number in range(40):
            lab.ask(endpoint, number)
        os.kill(lab.local.pid, signal.SIGKILL)
        until(lambda: not os.path.exists(f"/proc/{lab.local.pid}") or _zombie(lab.local.pid))
        lab.start()
        lab.settle(endpoint)
        found = until(lambda: records(lab, "killed/"))
        inputs = sorted(int(record["captureData"]["endpointInput"]["data"]) for record in found)
        assert inputs == list(range(40))
    finally:
        lab.stop()


def _zombie(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "Z"
