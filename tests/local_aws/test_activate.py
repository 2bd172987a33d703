"""`activate`: this process uses the local AWS only, whatever credentials lie about."""

import json
import os
import subprocess
import sys

import pytest

REAL = {
    "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
    "AWS_SECRET_ACCESS_KEY": "real-secret",
    "AWS_SESSION_TOKEN": "real-token",
    "AWS_PROFILE": "production",
    "AWS_ROLE_ARN": "arn:aws:iam::999999999999:role/real",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.2/creds",
    "AWS_ENDPOINT_URL_S3": "https://s3.eu-west-1.amazonaws.com",
    "AWS_REGION": "eu-west-1",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "HTTP_PROXY": "http://127.0.0.1:9",
}
PROLOGUE = (
    "import sys, json; from local_aws import ensure_started, activate; local = ensure_started(sys.argv[1]); "
)


def run(server, code, tmp_path, **more):
    (tmp_path / ".aws").mkdir(exist_ok=True)
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = AKIAFILEFILEFILEFILE\naws_secret_access_key = file\n[production]\n"
        "aws_access_key_id = AKIAFILEFILEFILEFILE\naws_secret_access_key = file\n"
    )
    env = {**os.environ, **REAL, "HOME": str(tmp_path), **more}
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + code, str(server.home)],
        capture_output=True,
        text=True,
        timeout=120,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_real_credentials_are_out_of_reach(server, tmp_path):
    access = server.home / "logs" / "access.jsonl"
    before = len(access.read_text().splitlines())
    code = """
import boto3
early = boto3.DEFAULT_SESSION
boto3.setup_default_session(profile_name="production")
activate(local)
session = boto3.Session()
seen = [session.get_credentials().access_key, session.region_name, boto3.client("s3").meta.endpoint_url]
seen.append(boto3.client("sts").get_caller_identity()["Account"])
boto3.client("s3").list_buckets()
import subprocess
child = subprocess.run([sys.executable, "-c", "import boto3; print(boto3.client('s3').meta.endpoint_url)"],
                       capture_output=True, text=True)
print(json.dumps([*seen, child.stdout.strip()]))
"""
    seen = json.loads(run(server, "\n" + code, tmp_path))
    assert seen == [
        "LOCALAWSACCESSKEYID0",
        "us-east-1",
        server.endpoint_url,
        "123456789012",
        server.endpoint_url,
    ]
    keys = {json.loads(line)["access_key_id"] for line in access.read_text().splitlines()[before:]}
    assert keys == {"LOCALAWSACCESSKEYID0"}


def test_the_sdk_session_and_its_sts_call_stay_here(server, tmp_path):
    """`Session.default_bucket()` asks STS at an explicit address; telemetry would go to another."""
    code = """
import socket
allowed = {"127.0.0.1", "localhost"}
plain = socket.getaddrinfo
def watch(host, *a, **k):
    name = host.decode() if isinstance(host, bytes) else host
    if name not in allowed:
        raise RuntimeError(f"left the machine: {host}")
    return plain(host, *a, **k)
socket.getaddrinfo = watch
activate(local)
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.telemetry import telemetry_logging
session = Session()
print(json.dumps([session.default_bucket(), session.account_id(),
                  telemetry_logging._send_telemetry_request(1, [1], session, None, None, "")]))
"""
    out = run(server, "\n" + code, tmp_path)
    assert json.loads(out.splitlines()[-1]) == ["sagemaker-us-east-1-123456789012", "123456789012", None]


def test_activate_is_light(server, tmp_path):
    code = (
        "activate(local); print(sorted(set(sys.modules) & "
        "{'sagemaker', 'boto3', 'moto', 'torch', 'tensorflow'}))"
    )
    assert run(server, code, tmp_path).strip() == "[]"


@pytest.mark.parametrize("region", ["eu-central-1", "us-west-2"])
def test_another_region(server, tmp_path, region):
    code = f"activate(local, {region!r}); import boto3; print(boto3.client('sqs').meta.region_name)"
    assert run(server, code, tmp_path).strip() == region
