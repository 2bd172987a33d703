"""What a Lambda function's Invoke takes on local_aws: every one starts a process.

`python benchmarks/functions.py` prints and returns a JSON report; `--count N` sets how many invocations (20).
"""

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import boto3
from botocore.config import Config

from local_aws import client
from local_aws.config import DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY

FUNCTIONS = {
    "returns its event": "def handler(event, context):\n    return event\n",
    "makes a boto3 client": "import boto3\ndef handler(event, context):\n    boto3.client('s3')\n    return event\n",
}


def package(code):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("index.py", code)
    return data.getvalue()


def measure(aws, name, count):
    """Milliseconds from call to answer, after a first one that unpacks the code."""
    seconds = []
    for _ in range(count + 1):
        began = time.perf_counter()
        answer = aws["lambda"].invoke(FunctionName=name, Payload=b'{"n": 1}')
        assert json.load(answer["Payload"]) == {"n": 1}
        seconds.append(time.perf_counter() - began)
    milliseconds = sorted(1000 * s for s in seconds[1:])
    return {
        "p50_ms": round(statistics.median(milliseconds), 1),
        "p95_ms": round(milliseconds[int(0.95 * (count - 1))], 1),
        "first_ms": round(1000 * seconds[0], 1),
    }


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        local = client.ensure_started(Path(folder), 0, quiet=True)
        try:
            session = boto3.session.Session(DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY, region_name="us-east-1")
            config = Config(retries={"max_attempts": 0}, proxies={})
            aws = {
                name: session.client(name, endpoint_url=local.endpoint_url, config=config)
                for name in ("iam", "lambda")
            }
            role = aws["iam"].create_role(RoleName="bench", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
            report = {}
            for index, (what, code) in enumerate(FUNCTIONS.items()):
                name = f"bench-{index}"
                aws["lambda"].create_function(
                    FunctionName=name,
                    Role=role,
                    Runtime="python3.12",
                    Handler="index.handler",
                    Timeout=30,
                    Code={"ZipFile": package(code)},
                )
                report[what] = measure(aws, name, options.count)
        finally:
            client.stop(local.home)
    print(json.dumps(report, indent=1))
    return report


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
