"""What the endpoint tests share: a local AWS with clients, and model artifacts with tiny handlers."""

import io
import json
import tarfile
import textwrap
import time
import uuid
from contextlib import contextmanager

import boto3
from botocore.config import Config
from waiting import until

from local_aws.client import LocalAws, ensure_started, stop

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/lab"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3"
PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312"
TENSORFLOW = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.20.0-cpu"

# answers with what it was asked, the model's name (from the environment) and a mark of its process
ECHO = """
    import json, os, time, uuid
    from sagemaker_inference import errors

    def model_fn(model_dir):
        print("loading", os.environ.get("NAME"))
        return {"name": os.environ.get("NAME", ""), "process": uuid.uuid4().hex}

    def input_fn(data, content_type):
        if content_type == "text/csv":
            return data.strip()
        if content_type != "application/json":
            raise errors.GenericInferenceToolkitError(415, f"content type {content_type} is not served")
        return json.loads(data)

    def predict_fn(data, model):
        if data == "raise":
            raise ValueError("no such thing")
        if data == "die":
            os._exit(3)
        if isinstance(data, dict) and "sleep" in data:
            time.sleep(data["sleep"])
        return {"echo": data, "name": model["name"], "process": model["process"]}

    def output_fn(prediction, accept):
        return json.dumps(prediction)
"""


def archive(files: dict[str, str | bytes]) -> bytes:
    """A model.tar.gz with these files; text is dedented."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            data = textwrap.dedent(content).encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


SESSION = boto3.Session("LOCALAWSACCESSKEYID0", "x", region_name="us-east-1")


class Lab:
    """A local AWS under a folder of its own, with boto3 clients that never retry."""

    def __init__(self, home):
        self.home = home
        self.local: LocalAws | None = None
        self.bucket = "lab"
        self.names = 0
        self.mark = uuid.uuid4().hex[:6]

    def start(self) -> "Lab":
        return self.attach(ensure_started(home=self.home, port=0, quiet=True))

    def attach(self, local: LocalAws) -> "Lab":
        self.local = local
        config = Config(retries={"total_max_attempts": 1}, read_timeout=70)

        def client(name):
            return SESSION.client(name, endpoint_url=self.local.endpoint_url, config=config)

        self.sagemaker, self.runtime = client("sagemaker"), client("sagemaker-runtime")
        self.s3, self.logs, self.cloudwatch = client("s3"), client("logs"), client("cloudwatch")
        return self

    def stop(self) -> None:
        stop(self.home)

    def name(self, kind: str) -> str:
        self.names += 1
        return f"{kind}-{self.mark}-{self.names}"

    def upload(self, files: dict) -> str:
        key = f"{self.name('artifact')}/model.tar.gz"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=archive(files))
        return f"s3://{self.bucket}/{key}"

    def model(self, code: str | None = ECHO, image=SKLEARN, files: dict | None = None, **environment) -> str:
        name = self.name("model")
        content = dict(files or {}) | ({"code/inference.py": code} if code else {})
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": image,
                "ModelDataUrl": self.upload(content),
                "Environment": {key: str(value) for key, value in environment.items()},
            },
        )
        return name

    def config(self, *models: str, weights=(), count: int = 1, **more) -> str:
        name = self.name("config")
        variants = [
            {
                "VariantName": f"v{index}" if len(models) > 1 else "AllTraffic",
                "ModelName": model,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": count,
                "InitialVariantWeight": weights[index] if weights else 1.0,
            }
            for index, model in enumerate(models)
        ]
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants, **more)
        return name

    def endpoint(self, config: str, wait: bool = True) -> str:
        name = self.name("endpoint")
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        if wait:
            description = self.settle(name)
            assert description["EndpointStatus"] == "InService", description
        return name

    def settle(self, name: str, seconds: float = 60) -> dict:
        """The endpoint's description once nothing is under way."""
        end = time.monotonic() + seconds
        while True:
            description = self.sagemaker.describe_endpoint(EndpointName=name)
            if description["EndpointStatus"] in ("InService", "Failed", "Deleting"):
                return description
            assert time.monotonic() < end, description
            time.sleep(0.05)

    def ask(self, endpoint: str, data, content_type: str = "application/json", **more):
        body = json.dumps(data) if content_type == "application/json" else data
        answer = self.runtime.invoke_endpoint(
            EndpointName=endpoint, Body=body, ContentType=content_type, **more
        )
        return json.loads(answer["Body"].read())


@contextmanager
def attached(server: LocalAws):
    """A `Lab` on a running server; its endpoints are deleted afterwards."""
    lab = Lab(server.home).attach(server)
    if lab.bucket not in [bucket["Name"] for bucket in lab.s3.list_buckets()["Buckets"]]:
        lab.s3.create_bucket(Bucket=lab.bucket)
    yield lab
    for item in lab.sagemaker.list_endpoints(NameContains=lab.mark)["Endpoints"]:
        lab.settle(item["EndpointName"])
        lab.sagemaker.delete_endpoint(EndpointName=item["EndpointName"])
    until(lambda: not lab.sagemaker.list_endpoints(NameContains=lab.mark)["Endpoints"])
