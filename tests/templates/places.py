"""Where the stacks' tests deploy to: clients of a local AWS, and a copy of the checkout with one of its own."""

import subprocess
import sys
import time
from types import SimpleNamespace

import boto3
from botocore.config import Config
from checkout_copy import copy_checkout, environment

ACCOUNT = "123456789012"


def clients(endpoint_url, account=ACCOUNT, region="us-east-1"):
    """boto3 clients made on first use, acting as the administrator of `account`."""
    session = boto3.session.Session(account, "secret", region_name=region)
    settings = Config(retries={"max_attempts": 0}, proxies={})

    class Clients(SimpleNamespace):
        def __getattr__(self, name):
            made = session.client(name.replace("_", "-"), endpoint_url=endpoint_url, config=settings)
            setattr(self, name, made)
            return made

    return Clients(account=account, region=region)


def until(done, what, seconds=20):
    """Wait until `done()` is true; `what` is said when it does not become so."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def register(aws, group, bucket):
    """The ARN of a new version in `group`, which waits for its approval."""
    container = {
        "Image": f"{aws.account}.dkr.ecr.{aws.region}.amazonaws.com/image:1",
        "ModelDataUrl": f"s3://{bucket}/m.tar.gz",
    }
    return aws.sagemaker.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]


def started_by_events(aws, pipeline):
    """The executions of a pipeline of CodePipeline that a rule started."""
    found = aws.codepipeline.list_pipeline_executions(pipelineName=pipeline)["pipelineExecutionSummaries"]
    return [e for e in found if e["trigger"]["triggerType"] == "CloudWatchEvent"]


class Checkout:
    """A copy of the checkout with a local AWS of its own. `aws` are clients of it."""

    def __init__(self, folder):
        self.folder = copy_checkout(folder)
        self.environment = environment(self.folder, LAB_BACKEND="local")

    def run(self, *command, status=0):
        """What a command printed; it must end with `status`."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def stacks(self, *arguments, status=0):
        """What `tools.aws_stacks` printed."""
        return self.run("-m", "tools.aws_stacks", *arguments, status=status)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.environment['LOCAL_AWS_PORT']}"
