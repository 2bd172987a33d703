"""Batch transform jobs over real serving processes."""

import gzip
import json
import time

import pytest
from botocore.exceptions import ClientError
from endpoint_helpers import attached
from waiting import until

# doubles the first number of each line of CSV, or of each JSON line's "x"; tells apart how it was called
MODEL = """
    import json, os
    from sagemaker_inference import errors

    def model_fn(model_dir):
        return os.environ.get("FACTOR", "2")

    def input_fn(data, content_type):
        if content_type not in ("text/csv", "application/jsonlines", "application/json"):
            raise errors.GenericInferenceToolkitError(415, f"content type {content_type} is not served")
        text = data if isinstance(data, str) else data.decode("utf-8")
        return content_type, [line for line in text.splitlines() if line]

    def predict_fn(data, factor):
        kind, lines = data
        if any("bad" in line for line in lines):
            raise errors.GenericInferenceToolkitError(400, "a bad line")
        if any("slow" in line for line in lines):
            import time
            time.sleep(60)
        if kind == "text/csv":
            numbers = [float(line.split(",")[0]) for line in lines]
        else:
            numbers = [json.loads(line)["x"] for line in lines]
        return kind, [number * float(factor) for number in numbers]

    def output_fn(prediction, accept):
        kind, numbers = prediction
        if accept == "application/json":
            return json.dumps({"count": len(numbers), "numbers": numbers})
        return "\\n".join(json.dumps({"y": n}) if kind != "text/csv" else str(n) for n in numbers)
"""


@pytest.fixture(scope="module")
def lab(server):
    with attached(server) as made:
        yield made


@pytest.fixture(scope="module")
def model(lab):
    return lab.model(MODEL)


class Batch:
    def __init__(self, lab):
        self.lab = lab

    def put(self, **files):
        """Objects below a prefix of their own; the prefix."""
        prefix = f"{self.lab.name('data')}/"
        for name, body in files.items():
            body = body.encode() if isinstance(body, str) else body
            self.lab.s3.put_object(Bucket=self.lab.bucket, Key=prefix + name.replace("__", "/"), Body=body)
        return prefix

    def request(self, model, prefix, content="text/csv", split="Line", accept="text/csv", **more):
        name = self.lab.name("transform")
        data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.lab.bucket}/{prefix}"}}
        path = f"s3://{self.lab.bucket}/results/{name}"
        output = {"S3OutputPath": path, "AssembleWith": "Line", "Accept": accept}
        return {
            "TransformJobName": name,
            "ModelName": model,
            "TransformInput": {"DataSource": data, "ContentType": content, "SplitType": split},
            "TransformOutput": output,
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            **more,
        }

    def start(self, *arguments, change=lambda request: None, **options):
        request = self.request(*arguments, **options)
        change(request)
        self.lab.sagemaker.create_transform_job(**request)
        return request["TransformJobName"]

    def wait(self, name, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            job = self.lab.sagemaker.describe_transform_job(TransformJobName=name)
            if job["TransformJobStatus"] in ("Completed", "Failed", "Stopped"):
                return job
            assert time.monotonic() < deadline, job
            time.sleep(0.05)

    def run(self, *arguments, **options):
        """The job's end, and {name: text} of its output objects."""
        name = self.start(*arguments, **options)
        job = self.wait(name)
        prefix = f"results/{name}/"
        found = self.lab.s3.list_objects_v2(Bucket=self.lab.bucket, Prefix=prefix).get("Contents", [])
        return job, {item["Key"][len(prefix) :]: self.read(item["Key"]) for item in found}

    def read(self, key):
        return self.lab.s3.get_object(Bucket=self.lab.bucket, Key=key)["Body"].read().decode()

    def data_log(self, name):
        group = "/aws/sagemaker/TransformJobs"
        streams = self.lab.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")
        streams = [s for s in streams["logStreams"] if s["logStreamName"].endswith("/data-log")]
        if not streams:
            return []
        (stream,) = streams
        events = self.lab.logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )
        return [event["message"] for event in events["events"]]


@pytest.fixture(scope="module")
def batch(lab):
    return Batch(lab)


def test_every_object_of_a_prefix_gets_its_output(batch, lab, model):
    prefix = batch.put(**{"a.csv": "1,x\n2,y\n3,z\n", "deep__b.csv": "10\n", "empty.csv": b""})
    job, outputs = batch.run(model, prefix, Environment={"FACTOR": "3"}, BatchStrategy="MultiRecord")
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert outputs == {"a.csv.out": "3.0\n6.0\n9.0\n", "deep/b.csv.out": "30.0\n", "empty.csv.out": ""}
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
    assert job["TransformJobArn"].endswith(f":transform-job/{job['TransformJobName']}")
    assert job["Environment"] == {"FACTOR": "3"}
    (line,) = batch.data_log(job["TransformJobName"])
    assert line.endswith(
        "[sagemaker logs]: MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"
    )
    (summary,) = lab.sagemaker.list_transform_jobs(NameContains=job["TransformJobName"])[
        "TransformJobSummaries"
    ]
    assert summary["TransformJobStatus"] == "Completed"


@pytest.mark.slow
def test_records_are_sent_singly_or_together(batch, model):
    prefix = batch.put(**{"a.jsonl": "".join(f'{{"x": {n}}}\n' for n in range(40))})
    arguments = (model, prefix, "application/jsonlines")
    _, single = batch.run(
        *arguments, accept="application/json", BatchStrategy="SingleRecord", MaxConcurrentTransforms=4
    )
    answers = [json.loads(line) for line in single["a.jsonl.out"].splitlines()]
    assert answers == [{"count": 1, "numbers": [2.0 * n]} for n in range(40)]
    _, many = batch.run(*arguments, accept="application/json")
    (answer,) = [json.loads(line) for line in many["a.jsonl.out"].splitlines()]
    assert answer["count"] == 40
    _, whole = batch.run(*arguments, accept="application/json", split="None")
    assert json.loads(whole["a.jsonl.out"]) == answer


@pytest.mark.slow
def test_objects_are_shared_between_instances(batch, lab, model):
    prefix = batch.put(**{f"{n}.csv": f"{n}\n" for n in range(6)})
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2}
    job, outputs = batch.run(model, prefix, TransformResources=resources)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert outputs == {f"{n}.csv.out": f"{2.0 * n}\n" for n in range(6)}
    group = "/aws/sagemaker/TransformJobs"
    streams = lab.logs.describe_log_streams(
        logGroupName=group, logStreamNamePrefix=f"{job['TransformJobName']}/"
    )
    names = [stream["logStreamName"].split("/") for stream in streams["logStreams"]]
    assert len([name for name in names if len(name) == 2]) == 2
    assert [name[2] for name in names if len(name) == 3] == ["data-log"]


@pytest.mark.slow
def test_payloads_keep_to_the_limit(batch, model):
    lines = "".join(f"{n},{'x' * 1000}\n" for n in range(2500))  # 2.5 MB
    prefix = batch.put(**{"a.csv": lines})
    _, outputs = batch.run(model, prefix, accept="application/json", MaxPayloadInMB=1)
    counts = [json.loads(line)["count"] for line in outputs["a.csv.out"].splitlines()]
    assert sum(counts) == 2500
    assert len(counts) == 3
    job, outputs = batch.run(model, prefix, split="None", MaxPayloadInMB=1)
    assert (job["TransformJobStatus"], outputs) == ("Failed", {})
    assert "Too much data for max payload size (1 MB)" in job["FailureReason"]


@pytest.mark.slow
def test_join_and_filters_of_csv(batch, model):
    prefix = batch.put(**{"a.csv": '7,1,"a, b"\n8,2,c\n'})
    processing = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,2,-1]"}
    job, outputs = batch.run(model, prefix, DataProcessing=processing)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert outputs["a.csv.out"] == '7,"a, b",2.0\n8,c,4.0\n'


@pytest.mark.slow
def test_join_and_filters_of_json_lines(batch, model):
    prefix = batch.put(
        **{"a.jsonl": '{"id": "ü", "features": {"x": 1}}\n{"id": "b", "features": {"x": 2}}\n'}
    )
    processing = {
        "InputFilter": "$.features",
        "JoinSource": "Input",
        "OutputFilter": "$['id','SageMakerOutput']",
    }
    arguments = (model, prefix, "application/jsonlines")
    job, outputs = batch.run(*arguments, accept="application/jsonlines", DataProcessing=processing)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert [json.loads(line) for line in outputs["a.jsonl.out"].splitlines()] == [
        ["ü", {"y": 2.0}],
        ["b", {"y": 4.0}],
    ]


@pytest.mark.slow
def test_manifest_and_gzip(batch, lab, model):
    prefix = batch.put(
        **{"a.csv.gz": gzip.compress(b"5\n"), "b.csv.gz": gzip.compress(b"6\n"), "c.csv.gz": b"no"}
    )
    manifest = [{"prefix": f"s3://{lab.bucket}/{prefix}"}, "a.csv.gz"]
    other = batch.put(manifest=json.dumps(manifest))

    def change(request):
        source = request["TransformInput"]["DataSource"]["S3DataSource"]
        source.update(S3DataType="ManifestFile", S3Uri=f"s3://{lab.bucket}/{other}manifest")
        request["TransformInput"]["CompressionType"] = "Gzip"

    job, outputs = batch.run(model, other, change=change)
    assert outputs == {"a.csv.gz.out": "10.0\n"}, job

    def zipped(request):
        request["TransformInput"]["CompressionType"] = "Gzip"

    job, outputs = batch.run(model, prefix, change=zipped)
    assert job["TransformJobStatus"] == "Failed"
    assert "c.csv.gz is no gzip data" in job["FailureReason"]
    assert sorted(outputs) == ["a.csv.gz.out", "b.csv.gz.out"]


@pytest.mark.slow
def test_a_bad_record_fails_the_job_and_leaves_the_other_objects(batch, model):
    prefix = batch.put(**{"a.csv": "1\n", "b.csv": "bad\n", "c.csv": "3\n"})
    job, outputs = batch.run(model, prefix)
    assert job["TransformJobStatus"] == "Failed"
    reason = job["FailureReason"]
    assert reason.startswith("AlgorithmError: See job logs for more information.")
    assert "b.csv: Bad HTTP status received from algorithm: 400. " in reason
    assert "GenericInferenceToolkitError: (400, 'a bad line', 'a bad line')" in reason
    assert reason.endswith("(1 of 3 objects failed)")
    assert sorted(outputs) == ["a.csv.out", "c.csv.out"]
    assert any("b.csv: Bad HTTP status" in line for line in batch.data_log(job["TransformJobName"]))


def test_no_data_and_no_model(batch, lab, model):
    job, outputs = batch.run(model, "nothing/here")
    assert (job["TransformJobStatus"], outputs) == ("Failed", {})
    assert "No S3 objects found under S3 URL" in job["FailureReason"]
    with pytest.raises(ClientError) as error:
        batch.start("no-such-model", "nothing/")
    assert error.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": 'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/no-such-model".',
    }


@pytest.mark.slow
def test_a_model_that_does_not_load(batch, lab):
    broken = lab.model("def model_fn(model_dir):\n    raise RuntimeError('no weights')\n")
    job, _ = batch.run(broken, batch.put(**{"a.csv": "1\n"}))
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        "AlgorithmError: The model's container did not pass the ping health"
    )
    assert "no weights" in job["FailureReason"]


@pytest.mark.slow
def test_stop_transform_job(batch, lab, model):
    name = batch.start(model, batch.put(**{"a.csv": "1,slow\n"}))
    until(lambda: batch.data_log(name), 30)  # its instance is up
    lab.sagemaker.stop_transform_job(TransformJobName=name)
    assert batch.wait(name, 20)["TransformJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="the transform job is in status Stopped"):
        lab.sagemaker.stop_transform_job(TransformJobName=name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r: r["TransformResources"].update(InstanceType="ml.m5.tiny"),
            "Value 'ml.m5.tiny' at 'transformResources.instanceType' failed to satisfy",
        ),
        (lambda r: r["TransformInput"].update(SplitType="RecordIO"), "SplitType RecordIO is not emulated"),
        (
            lambda r: r.update(MaxPayloadInMB=60, MaxConcurrentTransforms=2),
            "The product of MaxConcurrentTransforms (2) and MaxPayloadInMB (60) must not exceed 100 MB.",
        ),
        (
            lambda r: r.update(DataCaptureConfig={"DestinationS3Uri": "s3://b/c"}),
            "DataCaptureConfig of transform jobs is not emulated",
        ),
        (
            lambda r: r.update(DataProcessing={"InputFilter": "$..x"}),
            "DataProcessing: '$..x' is not understood at '..x'",
        ),
        (
            lambda r: r.update(DataProcessing={"InputFilter": "$.x"}),
            "a filter over CSV selects by position, such as $[1:].",
        ),
        (
            lambda r: r.update(
                DataProcessing={"JoinSource": "Input"}, TransformOutput={"S3OutputPath": "s3://b/c"}
            ),
            "DataProcessing needs SplitType and AssembleWith to be the same, Line or None.",
        ),
        (lambda r: r.update(TransformOutput={"S3OutputPath": "b/c"}), "at 's3OutputPath' failed"),
    ],
)
def test_create_refuses(batch, model, change, message):
    with pytest.raises(ClientError) as error:
        batch.start(model, "data/", change=change)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert message in error.value.response["Error"]["Message"]
