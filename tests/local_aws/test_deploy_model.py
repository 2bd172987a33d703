"""The deployment script (lab_lib.mlpipelines.deployment) against endpoints that really serve tiny models."""

import json
import os
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError
from endpoint_helpers import PYTORCH, ROLE, archive
from waiting import until

from lab_lib.deployment import Traffic, predict
from lab_lib.mlpipelines import deployment
from lab_lib.mlpipelines.deployment import DeploymentConfig, DeploymentError, deploy
from local_aws.config import DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY

pytestmark = pytest.mark.slow

# knows two words; VERSION shows in the score which model answers
MODEL = """
    import json

    def model_fn(model_dir):
        return SCORE

    def input_fn(data, content_type):
        return json.loads(data)["inputs"]

    def predict_fn(texts, model):
        texts = [texts] if isinstance(texts, str) else texts
        label = lambda text: "Positive" if "love" in text else "Negative" if "hate" in text else "Neutral"
        return [{"label": label(text), "score": model} for text in texts]

    def output_fn(predictions, accept):
        return json.dumps({"predictions": predictions})
"""
REFUSES = MODEL.replace('return json.loads(data)["inputs"]', 'raise ValueError("the schema has changed")')
SWAPPED = MODEL.replace("Positive", "?").replace("Negative", "Positive").replace("?", "Negative")
DOES_NOT_START = "raise RuntimeError('there is no such library')\n" + MODEL


@pytest.fixture
def lab(aws, bucket, server):
    """What `get_lab` returns, with a group and an endpoint of the test's own."""
    session = boto3.Session(DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY, region_name="us-east-1")
    mark = uuid.uuid4().hex[:8]
    group = f"tweets-{mark}"
    aws.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    lab = SimpleNamespace(
        client=lambda service: session.client(service, endpoint_url=server.endpoint_url),
        model_package_group=group,
        endpoint_name=f"tweets-dev-{mark}",
        role_arn=ROLE,
        kms_key_id=None,
        volume_kms_key_id=lambda instance_type: None,
        subnet_ids=[],
        security_group_ids=[],
        s3_uri=lambda *parts: "/".join((f"s3://{bucket}/demo", *parts)),
    )
    yield lab
    try:
        aws.sagemaker.delete_endpoint(EndpointName=lab.endpoint_name)
    except ClientError:
        return
    until(lambda: endpoint_of(aws, lab) is None)


@pytest.fixture
def config(lab):
    return DeploymentConfig.model_validate(
        {
            "environment": "dev",
            "endpoint": {"name": lab.endpoint_name},
            "smoke_test": {"texts": {"I love it": "Positive", "I hate it": "Negative"}, "minimum_correct": 2},
        }
    )


def endpoint_of(aws, lab):
    try:
        return aws.sagemaker.describe_endpoint(EndpointName=lab.endpoint_name)
    except ClientError as error:
        assert "Could not find" in str(error)
        return None


def register(aws, lab, bucket, code, score=1, status="Approved"):
    key = f"{lab.model_package_group}/{score}/model.tar.gz"
    aws.s3.put_object(
        Bucket=bucket, Key=key, Body=archive({"code/inference.py": code.replace("SCORE", str(score))})
    )
    container = {"Image": PYTORCH, "ModelDataUrl": f"s3://{bucket}/{key}", "Environment": {}}
    return aws.sagemaker.create_model_package(
        ModelPackageGroupName=lab.model_package_group,
        ModelApprovalStatus=status,
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]


def score(lab):
    (prediction,) = predict(lab, ["I love it"])
    return prediction["score"]


def configurations(aws, lab):
    pages = aws.sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=lab.endpoint_name)
    return {c["EndpointConfigName"] for page in pages for c in page["EndpointConfigs"]}


def distinct_names(monkeypatch):
    """Configurations made within one second get names of their own, as they would a second later."""
    seconds = iter(range(60))
    clock = SimpleNamespace(**vars(time))
    clock.strftime = lambda *_: f"20261125-1200{next(seconds):02d}"
    monkeypatch.setattr(deployment, "time", clock)


def test_created_then_unchanged_then_updated_without_a_failed_request(aws, lab, bucket, config, monkeypatch):
    distinct_names(monkeypatch)
    first = register(aws, lab, bucket, MODEL, 1)
    lines = []
    done = deploy(lab, config, say=lines.append)
    assert done["action"] == "created" and done["model_package_arn"] == first
    assert done["smoke_test"] == "2 of 2 texts right, 2 asked for"
    assert any(": InService after" in line for line in lines)
    capture = aws.sagemaker.describe_endpoint_config(EndpointConfigName=done["endpoint_config_name"])
    assert capture["DataCaptureConfig"]["InitialSamplingPercentage"] == 100
    assert capture["DataCaptureConfig"]["DestinationS3Uri"].endswith(f"/data-capture/{lab.endpoint_name}")
    assert deploy(lab, config)["action"] == "unchanged"

    second = register(aws, lab, bucket, MODEL, 2)
    register(aws, lab, bucket, MODEL, 3, status="Rejected")
    register(aws, lab, bucket, MODEL, 4, status="PendingManualApproval")
    with Traffic(lambda: predict(lab, "I love it")) as traffic:
        done = deploy(lab, config)
    assert done["action"] == "updated" and done["model_package_arn"] == second
    assert traffic.succeeded and not traffic.failures, traffic.failures
    assert score(lab) == 2
    # a third deployment keeps what serves and what served before
    served = done["endpoint_config_name"]
    done = deploy(lab, config, force=True)
    assert configurations(aws, lab) == {served, done["endpoint_config_name"]}


@pytest.mark.parametrize(
    "code, reason",
    [
        (REFUSES, "the schema has changed"),
        (SWAPPED, "got 0 of 2 plain texts right"),
        (DOES_NOT_START, "did not come up"),
    ],
)
def test_what_does_not_serve_is_rolled_back(aws, lab, bucket, config, monkeypatch, code, reason):
    distinct_names(monkeypatch)
    register(aws, lab, bucket, MODEL, 1)
    old = deploy(lab, config)["endpoint_config_name"]
    register(aws, lab, bucket, code, 2)
    with (
        Traffic(lambda: aws.sagemaker_runtime.invoke_endpoint(**ask(lab))) as traffic,
        pytest.raises(DeploymentError, match=reason),
    ):
        deploy(lab, config)
    endpoint = endpoint_of(aws, lab)
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", old)
    assert score(lab) == 1
    assert configurations(aws, lab) == {old}
    assert traffic.succeeded
    if code is not REFUSES:  # that one answered each request with an error until it was found out
        assert not traffic.failures, traffic.failures


def ask(lab):
    body = json.dumps({"inputs": "I love it"})
    return {"EndpointName": lab.endpoint_name, "ContentType": "application/json", "Body": body}


@pytest.mark.parametrize("code, reason", [(REFUSES, "was deleted"), (DOES_NOT_START, "was deleted")])
def test_a_broken_first_version_leaves_no_endpoint(aws, lab, bucket, config, code, reason):
    register(aws, lab, bucket, code)
    with pytest.raises(DeploymentError, match=reason):
        deploy(lab, config)
    until(lambda: endpoint_of(aws, lab) is None)
    assert not configurations(aws, lab)


def test_a_handler_of_the_repository_replaces_the_models(aws, lab, bucket, config, tmp_path, monkeypatch):
    distinct_names(monkeypatch)
    register(aws, lab, bucket, REFUSES)
    (tmp_path / "inference.py").write_text(textwrap.dedent(MODEL.replace("SCORE", "7")))
    mended = config.model_copy(update={"handler": "inference.py"})
    assert deploy(lab, mended, folder=tmp_path)["action"] == "created"
    assert score(lab) == 7
    assert deploy(lab, mended, folder=tmp_path)["action"] == "unchanged"
    (tmp_path / "inference.py").write_text(textwrap.dedent(MODEL.replace("SCORE", "8")))
    assert deploy(lab, mended, folder=tmp_path)["action"] == "updated"
    assert score(lab) == 8


def test_an_approved_version_without_its_artifact_touches_nothing(aws, lab, bucket, config, monkeypatch):
    distinct_names(monkeypatch)
    register(aws, lab, bucket, MODEL, 1)
    old = deploy(lab, config)["endpoint_config_name"]
    register(aws, lab, bucket, MODEL, 2)
    aws.s3.delete_object(Bucket=bucket, Key=f"{lab.model_package_group}/2/model.tar.gz")
    with pytest.raises(DeploymentError, match="cannot be read .404."):
        deploy(lab, config)
    assert endpoint_of(aws, lab)["EndpointConfigName"] == old and score(lab) == 1
    assert configurations(aws, lab) == {old}


@pytest.mark.parametrize("status", ["Rejected", "PendingManualApproval"])
def test_only_approved_versions_are_deployed(aws, lab, bucket, config, status):
    arn = register(aws, lab, bucket, MODEL, status=status)
    with pytest.raises(LookupError, match="No Approved model"):
        deploy(lab, config)
    package = aws.sagemaker.describe_model_package(ModelPackageName=arn)
    with pytest.raises(DeploymentError, match=f"is {status}, not Approved"):
        deploy(lab, config, package=package)
    assert endpoint_of(aws, lab) is None


def test_the_command_as_a_build_calls_it(server, lab, config, tmp_path):
    """No settings.ini: the environment names the project. Nothing is approved: exit code 1."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "dev.yml").write_text(json.dumps(config.model_dump()))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(Path(deployment.__file__).parents[2]),
        "LAB_BACKEND": "aws",
        "LAB_PROJECT": "demo",
        "MODEL_PACKAGE_GROUP_NAME": lab.model_package_group,
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": DUMMY_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": DUMMY_SECRET_KEY,
    }
    lab.client("ssm").put_parameter(
        Name="/demo/execution-role-arn", Value=ROLE, Type="String", Overwrite=True
    )
    run = "import sys; from lab_lib.mlpipelines.deployment import main; sys.exit(main())"
    command = [sys.executable, "-c", run, "--config", "configs/dev.yml"]
    ran = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 1, ran.stderr
    assert f"No Approved model in Model Package Group '{lab.model_package_group}'" in ran.stderr
    assert "Traceback" not in ran.stderr and DUMMY_SECRET_KEY not in ran.stdout + ran.stderr


def test_a_build_of_a_tooling_account_works_with_the_dev_accounts_role(aws, server, monkeypatch):
    from lab_lib import settings

    tooling, dev = "123456789012", "333333333333"
    administrator = boto3.Session(dev, "x", region_name="us-east-1")  # an account's number acts for it
    iam = administrator.client("iam", endpoint_url=server.endpoint_url)
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{tooling}:root"},
        "Action": "sts:AssumeRole",
    }
    role = iam.create_role(
        RoleName="demo-cicd",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", DUMMY_ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", DUMMY_SECRET_KEY)
    _, account = settings._log_in("us-east-1")
    assert account == tooling
    monkeypatch.setenv("DEV_ROLE_ARN", role)
    session, account = settings._log_in("us-east-1")
    assert account == dev
    session.client("sagemaker").create_model_package_group(ModelPackageGroupName="of-dev")
    found = administrator.client("sagemaker", endpoint_url=server.endpoint_url)
    assert found.describe_model_package_group(ModelPackageGroupName="of-dev")
    monkeypatch.setenv("DEV_ROLE_ARN", role + "-gone")
    with pytest.raises(settings.LabError, match="AccessDenied"):
        settings._log_in("us-east-1")
