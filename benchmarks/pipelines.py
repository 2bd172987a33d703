"""What the pipeline executor itself costs: scheduling per step, state on disk, and the share of a pipeline's
wall time that is not its jobs'.

`python benchmarks/pipelines.py` prints and returns a JSON report. `--steps N` and `--parallel N` change the
graph (500 and 10), `--seconds N` the length of a real job (4).
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import boto3
from botocore.config import Config

from local_aws import client
from local_aws.config import DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY

ROLE = "arn:aws:iam::123456789012:role/lab-execution"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0"
TRUE = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}
FINAL = ("Succeeded", "Failed", "Stopped", "CompletedWithFailures")


def clients(endpoint_url, region="us-east-1"):
    session = boto3.session.Session(DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY, region_name=region)
    config = Config(retries={"max_attempts": 0}, proxies={}, read_timeout=300)
    return {
        name: session.client(name, endpoint_url=endpoint_url, config=config) for name in ("s3", "sagemaker")
    }


def random_graph(steps, seed=7):
    """{step: its upstream steps}: up to three of the twenty steps before it."""
    choose = random.Random(seed)
    graph = {}
    for index in range(steps):
        near = [f"s{i}" for i in range(max(0, index - 20), index)]
        graph[f"s{index}"] = choose.sample(near, min(len(near), choose.randint(0, 3)))
    return graph


def run(aws, name, steps, parallel):
    """Create, start and await a pipeline; (seconds from start to end as the records say, its steps)."""
    sagemaker = aws["sagemaker"]
    definition = json.dumps({"Version": "2020-12-01", "Steps": steps})
    sagemaker.create_pipeline(PipelineName=name, PipelineDefinition=definition, RoleArn=ROLE)
    arn = sagemaker.start_pipeline_execution(
        PipelineName=name, ParallelismConfiguration={"MaxParallelExecutionSteps": parallel}
    )["PipelineExecutionArn"]
    while (found := sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn))[
        "PipelineExecutionStatus"
    ] not in FINAL:
        time.sleep(0.5)
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(PipelineExecutionArn=arn)
    listed = [step for page in pages for step in page["PipelineExecutionSteps"]]
    assert found["PipelineExecutionStatus"] == "Succeeded", (found, listed[:2])
    return (found["LastModifiedTime"] - found["CreationTime"]).total_seconds(), listed


def trivial_steps(aws, kind, count, parallel, name=""):
    """Milliseconds a step of a random graph. `Condition`: evaluated in the executor, so that all of it is the
    executor's own work, its records and events on disk included; `Model`: two calls of the API."""
    steps = []
    for step, upstream in random_graph(count).items():
        arguments = (
            {"Conditions": [TRUE], "IfSteps": [], "ElseSteps": []}
            if kind == "Condition"
            else {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}}
        )
        steps.append({"Name": step, "Type": kind, "Arguments": arguments, "DependsOn": upstream})
    seconds, listed = run(aws, name or f"trivial-{kind}", steps, parallel)
    assert len(listed) == count
    return {"steps": count, "parallel": parallel, "seconds": seconds, "ms_a_step": 1000 * seconds / count}


def direct_calls(aws, count):
    """Milliseconds of the two calls that a Model step consists of, made by a caller one after the other."""
    begin = time.perf_counter()
    for index in range(count):
        name = f"direct-{index}"
        aws["sagemaker"].create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": IMAGE.replace("us-east-1", "eu-west-1")},
        )
        aws["sagemaker"].describe_model(ModelName=name)
    return {"models": count, "ms_a_model": 1000 * (time.perf_counter() - begin) / count}


def training(aws, seconds):
    """A training job's arguments: a script that sleeps."""
    aws["s3"].put_object(
        Bucket="bench", Key="code/script.py", Body=f"import time; time.sleep({seconds})".encode()
    )
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bench/code/"}}
    return {
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/script.py"],
        },
        "InputDataConfig": [{"ChannelName": "code", "DataSource": source}],
        "OutputDataConfig": {"S3OutputPath": "s3://bench/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def real_jobs(aws, name, seconds, chains):
    """Wall time over the critical path: three jobs in a row in each of `chains` chains, and a condition behind
    them. A job's time is from its creation to its end, as DescribeTrainingJob tells."""
    steps, last = [], []
    for chain in range(chains):
        for link in range(3):
            upstream = [f"j{chain}-{link - 1}"] if link else []
            step = {"Name": f"j{chain}-{link}", "Type": "Training", "Arguments": training(aws, seconds)}
            steps.append({**step, "DependsOn": upstream})
        last.append(f"j{chain}-2")
    check = {"Conditions": [TRUE], "IfSteps": [], "ElseSteps": []}
    steps.append({"Name": "check", "Type": "Condition", "Arguments": check, "DependsOn": last})
    wall, listed = run(aws, name, steps, 10)
    took = {}
    for step in listed:
        if "TrainingJob" in step.get("Metadata", {}):
            job = step["Metadata"]["TrainingJob"]["Arn"].rsplit("/", 1)[1]
            answer = aws["sagemaker"].describe_training_job(TrainingJobName=job)
            took[step["StepName"]] = (answer["TrainingEndTime"] - answer["CreationTime"]).total_seconds()
    path = max(sum(took[f"j{chain}-{link}"] for link in range(3)) for chain in range(chains))
    return {
        "chains": chains,
        "wall_s": wall,
        "critical_path_s": path,
        "ratio": wall / path,
        "median_job_s": statistics.median(took.values()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--parallel", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        local = client.ensure_started(Path(home), 0, quiet=True)
        try:
            aws = clients(local.endpoint_url)
            aws["s3"].create_bucket(Bucket="bench")
            conditions = [
                trivial_steps(aws, "Condition", options.steps, options.parallel, f"conditions-{number}")
                for number in range(5)
            ]
            report = {
                "conditions": conditions[0],
                "conditions_ms_a_step_of_five_executions": [found["ms_a_step"] for found in conditions],
                "direct_calls": direct_calls(clients(local.endpoint_url, "eu-west-1"), options.steps),
                "models": trivial_steps(aws, "Model", options.steps, options.parallel),
                "one_chain": real_jobs(aws, "one-chain", options.seconds, 1),
                "two_chains": real_jobs(aws, "two-chains", options.seconds, 2),
            }
        finally:
            client.stop(local.home)
    json.dump(report, sys.stdout, indent=1)
    print()
    return report


if __name__ == "__main__":
    main()
