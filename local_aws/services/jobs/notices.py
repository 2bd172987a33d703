"""EventBridge events of jobs whose state changed.

Shape: SageMaker developer guide, "Events that Amazon SageMaker AI sends to Amazon EventBridge": the members of
the job's description, times in milliseconds since 1970, tags as an object.
"""

from datetime import UTC, datetime
from typing import Any

from local_aws.services.jobs.model import Job

DETAIL_TYPES = {
    "Training": "SageMaker Training Job State Change",
    "Processing": "SageMaker Processing Job State Change",
    "Transform": "SageMaker Transform Job State Change",
    "HyperParameterTuning": "SageMaker HyperParameter Tuning Job State Change",
}


def _plain(value: Any) -> Any:
    """A copy fit for JSON, without what is not set."""
    if isinstance(value, datetime):
        return int(value.replace(tzinfo=value.tzinfo or UTC).timestamp() * 1000)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def announce(app: Any, job: Job) -> None:
    """Send the event of the job's present state; with or without the app's lock."""
    if app.events is None:
        return
    tags = {tag["Key"]: tag["Value"] for tag in job.tags}
    detail = {**_plain(job.describe()), "Tags": tags}
    app.events.send("aws.sagemaker", DETAIL_TYPES[job.kind], detail, [job.arn], job.account, job.region)
