"""Print the log of a job, a build, an endpoint or the server, and go on while it grows."""

import time
from pathlib import Path
from typing import Any

from local_aws.activation import environment
from local_aws.client import LocalAws
from local_aws.config import DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY, LocalAwsError

_GROUPS = ("/aws/sagemaker/TrainingJobs", "/aws/sagemaker/ProcessingJobs")
_PAUSE = 0.3


def follow_file(file: Path, follow: bool) -> int:
    """The server's own log."""
    if not file.is_file():
        raise LocalAwsError(f"There is no log at {file}: the local AWS has not run there.")
    with file.open("r", encoding="utf-8", errors="replace") as text:
        while True:
            for line in text:
                print(line, end="", flush=True)
            if not follow:
                return 0
            time.sleep(_PAUSE)


def _client(local: LocalAws, service: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.session.Session(
        aws_access_key_id=DUMMY_ACCESS_KEY, aws_secret_access_key=DUMMY_SECRET_KEY, region_name=local.region
    ).client(service, endpoint_url=environment(local)["AWS_ENDPOINT_URL"], config=Config(proxies={}))


def _build(local: LocalAws, name: str) -> dict[str, Any]:
    """The build with this id, `PROJECT:NUMBER`; empty when there is none."""
    if ":" not in name:
        return {}
    return next(iter(_client(local, "codebuild").batch_get_builds(ids=[name])["builds"]), {})


def _streams(logs: Any, name: str, build: dict[str, Any]) -> list[tuple[str, str]]:
    """(group, stream) of every stream that belongs to a job or an endpoint of this name, or to the build."""
    job = {"logStreamNamePrefix": f"{name}/"}
    places = [*((group, job) for group in _GROUPS), (f"/aws/sagemaker/Endpoints/{name}", {})]
    if build:
        logged = build["logs"]  # names no stream while the build is in the queue
        stream = {"logStreamNamePrefix": logged.get("streamName", "")}
        places = [(logged["groupName"], stream)] if logged.get("streamName") else []
    found = []
    for group, prefix in places:
        try:
            pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group, **prefix)
            found += [(group, s["logStreamName"]) for page in pages for s in page["logStreams"]]
        except logs.exceptions.ResourceNotFoundException:
            continue
    return found


def _ended(sagemaker: Any, name: str) -> bool | None:
    """Whether the job of this name has ended; None when there is no such job."""
    for kind, describe in (("Training", "describe_training_job"), ("Processing", "describe_processing_job")):
        try:
            answer = getattr(sagemaker, describe)(**{f"{kind}JobName": name})
        except sagemaker.exceptions.ClientError:
            continue
        return answer[f"{kind}JobStatus"] in ("Completed", "Failed", "Stopped")
    return None


def follow_streams(local: LocalAws, name: str, follow: bool) -> int:
    """All streams of a job, a build or an endpoint; with several, each line begins with its stream's host."""
    logs, sagemaker = _client(local, "logs"), _client(local, "sagemaker")
    tokens: dict[tuple[str, str], str] = {}
    while True:
        build = _build(local, name)  # before the read: no line is missed between both
        ended = build["buildComplete"] if build else _ended(sagemaker, name)
        streams = _streams(logs, name, build)
        if not streams and (ended is None or not follow):
            raise LocalAwsError(f"There is no log of a job, build or endpoint named {name}.")
        for group, stream in streams:
            while True:
                token = {"nextToken": tokens[group, stream]} if (group, stream) in tokens else {}
                page = logs.get_log_events(
                    logGroupName=group, logStreamName=stream, startFromHead=True, **token
                )
                tokens[group, stream] = page["nextForwardToken"]
                head = f"{stream.split('/')[-1]} " if len(streams) > 1 else ""
                for event in page["events"]:
                    print(head + event["message"], flush=True)
                if not page["events"]:
                    break
        if not follow or ended:
            return 0
        time.sleep(_PAUSE)
