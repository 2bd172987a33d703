"""What tests do with a local AWS: run one, make clients of it, and run jobs on it."""

import contextlib
import time
import uuid
from types import SimpleNamespace

import boto3
from botocore.config import Config

from local_aws import client
from local_aws.config import DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY

ROLE = "arn:aws:iam::123456789012:role/lab-execution"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0"


def clients_of(endpoint_url, region="us-east-1", access_key=DUMMY_ACCESS_KEY, **config):
    """boto3 clients made on first use: `aws.s3`, `aws.sagemaker` … They do not touch the process's
    environment."""
    session = boto3.session.Session(
        aws_access_key_id=access_key, aws_secret_access_key=DUMMY_SECRET_KEY, region_name=region
    )
    settings = Config(retries={"max_attempts": 0}, proxies={}, **config)

    class Clients(SimpleNamespace):
        def __getattr__(self, name):
            made = session.client(name.replace("_", "-"), endpoint_url=endpoint_url, config=settings)
            setattr(self, name, made)
            return made

    return Clients(url=endpoint_url)


@contextlib.contextmanager
def running_server(home, port=0):
    local = client.ensure_started(home, port, quiet=True)
    try:
        yield local
    finally:
        client.stop(local.home)


class Jobs:
    """Makes training and processing jobs out of a few lines of Python, and waits for their end."""

    def __init__(self, aws, bucket):
        self.aws, self.bucket = aws, bucket

    def put_script(self, code, name="script.py"):
        prefix = f"code/{uuid.uuid4().hex}"
        self.aws.s3.put_object(Bucket=self.bucket, Key=f"{prefix}/{name}", Body=code.encode())
        return f"s3://{self.bucket}/{prefix}"

    def channel(self, name, uri, **source):
        data = {"S3DataType": "S3Prefix", "S3Uri": uri, **source}
        return {"ChannelName": name, "DataSource": {"S3DataSource": data}}

    def training_request(
        self, code="", *, arguments=(), channels=(), count=1, seconds=60, metrics=(), **more
    ):
        spec = {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/script.py"],
        }
        if arguments:
            spec["ContainerArguments"] = list(arguments)
        if metrics:
            spec["MetricDefinitions"] = list(metrics)
        return {
            "TrainingJobName": f"train-{uuid.uuid4().hex[:12]}",
            "RoleArn": ROLE,
            "AlgorithmSpecification": spec,
            "InputDataConfig": [self.channel("code", self.put_script(code)), *channels],
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
            **more,
        }

    def train(self, code, **options):
        """Run it to its end; the Describe answer."""
        request = self.training_request(code, **options)
        self.aws.sagemaker.create_training_job(**request)
        return self.wait_training(request["TrainingJobName"])

    def wait_training(self, name, until=None, seconds=40):
        return self._wait(
            lambda: self.aws.sagemaker.describe_training_job(TrainingJobName=name),
            "TrainingJobStatus",
            until,
            seconds,
        )

    def processing_request(
        self, code="", *, arguments=(), inputs=(), outputs=(), count=1, seconds=60, **more
    ):
        code_uri = self.put_script(code)
        script = self.s3_input("code", code_uri, "/opt/ml/processing/input/code")
        spec = {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/script.py"],
        }
        if arguments:
            spec["ContainerArguments"] = list(arguments)
        cluster = {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1}
        return {
            "ProcessingJobName": f"proc-{uuid.uuid4().hex[:12]}",
            "RoleArn": ROLE,
            "AppSpecification": spec,
            "ProcessingInputs": [script, *inputs],
            "ProcessingOutputConfig": {"Outputs": list(outputs)},
            "ProcessingResources": {"ClusterConfig": cluster},
            "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
            **more,
        }

    def s3_input(self, name, uri, path, **more):
        data = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File", **more}
        return {"InputName": name, "S3Input": data}

    def s3_output(self, name, uri, path, mode="EndOfJob"):
        return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}}

    def process(self, code, **options):
        request = self.processing_request(code, **options)
        self.aws.sagemaker.create_processing_job(**request)
        return self.wait_processing(request["ProcessingJobName"])

    def wait_processing(self, name, until=None, seconds=40):
        describe = self.aws.sagemaker.describe_processing_job
        return self._wait(lambda: describe(ProcessingJobName=name), "ProcessingJobStatus", until, seconds)

    @staticmethod
    def _wait(describe, field, until, seconds):
        until = until or (lambda answer: answer[field] in ("Completed", "Failed", "Stopped"))
        deadline = time.monotonic() + seconds
        while not until(answer := describe()):
            assert time.monotonic() < deadline, f"still {answer[field]}: {answer}"
            time.sleep(0.03)
        return answer

    def log(self, kind, name):
        """{host: lines} of a job. `kind`: TrainingJobs or ProcessingJobs."""
        group = f"/aws/sagemaker/{kind}"
        logs = self.aws.logs
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")[
                "logStreams"
            ]
        except logs.exceptions.ResourceNotFoundException:  # the account's first job has not said a word yet
            return {}
        found = {}
        for stream in streams:
            answer = logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )
            host = stream["logStreamName"].split("/")[1].rsplit("-", 1)[0]
            found[host] = [event["message"] for event in answer["events"]]
        return found
