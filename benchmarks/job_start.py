"""Job start: from CreateTrainingJob to the first line of the script, against the same script started bare,
in pairs.

Run from the repository: `python benchmarks/job_start.py [--pairs N]`. Both ways print the time at their
first line; the bare way is `python3 script.py` with the same interpreter. Also shows the whole round to
Completed, and the real entrypoint of the SageMaker SDK is not in it: this is what local_aws adds, nothing
else.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3

from local_aws import client
from local_aws.config import DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0"
SCRIPT = "import time\nprint('began', repr(time.time()), flush=True)\n"


def bare(script: Path) -> float:
    """Milliseconds from starting the interpreter to the script's first line."""
    begin = time.time()
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    return (float(done.stdout.split()[1]) - begin) * 1000


def job(aws: dict, name: str, code_uri: str) -> tuple[float, float]:
    """Milliseconds from CreateTrainingJob to the script's first line, and to Completed."""
    begin = time.time()
    aws["sagemaker"].create_training_job(
        TrainingJobName=name,
        RoleArn="arn:aws:iam::123456789012:role/benchmark",
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/script.py"],
        },
        InputDataConfig=[
            {
                "ChannelName": "code",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": code_uri}},
            }
        ],
        OutputDataConfig={"S3OutputPath": "s3://benchmark/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    while True:
        answer = aws["sagemaker"].describe_training_job(TrainingJobName=name)
        if answer["TrainingJobStatus"] != "InProgress":
            break
        time.sleep(0.005)
    end = time.time()
    assert answer["TrainingJobStatus"] == "Completed", answer
    group = "/aws/sagemaker/TrainingJobs"
    streams = aws["logs"].describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")[
        "logStreams"
    ]
    events = aws["logs"].get_log_events(logGroupName=group, logStreamName=streams[0]["logStreamName"])[
        "events"
    ]
    began = float(events[0]["message"].split()[1])
    return (began - begin) * 1000, (end - begin) * 1000


def row(label: str, values: list[float]) -> str:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return f"{label:<44} {statistics.median(values):8.1f} {p95:8.1f} {min(values):8.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.py")
        script.write_text(SCRIPT)
        local = client.ensure_started(Path(folder, "home"), 0, quiet=True)
        try:
            session = boto3.session.Session(DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY, region_name=local.region)
            aws = {n: session.client(n, endpoint_url=local.endpoint_url) for n in ("s3", "sagemaker", "logs")}
            aws["s3"].create_bucket(Bucket="benchmark")
            aws["s3"].upload_file(str(script), "benchmark", "code/script.py")
            job(aws, "warm-up", "s3://benchmark/code/")
            bares, firsts, wholes = [], [], []
            for i in range(pairs):
                bares.append(bare(script))
                first, whole = job(aws, f"pair-{i}", "s3://benchmark/code/")
                firsts.append(first)
                wholes.append(whole)
        finally:
            client.stop(local.home)
    print(f"{pairs} pairs, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; milliseconds")
    print(f"{'':<44} {'p50':>8} {'p95':>8} {'min':>8}")
    print(row("bare: start to first line", bares))
    print(row("job: CreateTrainingJob to first line", firsts))
    print(row("job minus bare, by pair", [f - b for f, b in zip(firsts, bares, strict=True)]))
    print(row("job: CreateTrainingJob to Completed", wholes))


if __name__ == "__main__":
    main()
