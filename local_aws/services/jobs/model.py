"""The record of a job: what Describe answers. Plain data, so that it can be put on disk."""

import copy
from datetime import datetime
from typing import Any

from moto.core.utils import camelcase_to_underscores, utcnow

FINAL = ("Completed", "Failed", "Stopped")


class JobFailed(Exception):
    """Ends a job as Failed; the message is its FailureReason."""


class Job:
    """One job of `kind` Training, Processing, Transform or HyperParameterTuning. `fields` holds what Describe
    adds to the request."""

    def __init__(self, kind: str, name: str, arn: str, region: str, request: dict[str, Any]):
        self.kind, self.name, self.arn, self.region = kind, name, arn, region
        self.request = copy.deepcopy(request)
        self.tags: list[dict[str, str]] = self.request.pop("Tags", None) or []
        self.creation_time = self.last_modified_time = utcnow()
        self.status = "InProgress"
        self.fields: dict[str, Any] = {}

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    @property
    def final(self) -> bool:
        return self.status in FINAL

    def describe(self) -> dict[str, Any]:
        """The Describe answer; the serializer keeps what AWS's output shape has."""
        return {
            **{k: v for k, v in self.request.items() if v is not None},
            f"{self.kind}JobArn": self.arn,
            f"{self.kind}JobStatus": self.status,
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
            **self.fields,
        }

    def summary(self) -> dict[str, Any]:
        """The entry in a List answer."""
        wanted = ("EndTime", "SecondaryStatus", "FailureReason", "ExitMessage")
        extra = {k: v for k, v in self.fields.items() if k.endswith(wanted)}
        return {
            f"{self.kind}JobName": self.name,
            f"{self.kind}JobArn": self.arn,
            f"{self.kind}JobStatus": self.status,
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
            **extra,
        }

    def touch(self) -> datetime:
        self.last_modified_time = utcnow()
        return self.last_modified_time

    def __getattr__(self, name: str) -> Any:
        """moto's Search compares attributes by their names in snake case: `training_job_status`."""
        if not name.startswith("_") and "request" in self.__dict__:
            for key, value in self.describe().items():
                if camelcase_to_underscores(key) == name:
                    return value
        raise AttributeError(name)

    def gen_response_object(self) -> dict[str, Any]:
        """What moto's Search reads."""
        return {**self.describe(), "Tags": self.tags}


def list_jobs(jobs: list[Job], params: dict[str, Any]) -> dict[str, Any]:
    """A List answer's page: NameContains, StatusEquals, time bounds, SortBy, SortOrder, MaxResults,
    NextToken."""

    def bound(value: Any) -> datetime:
        return (
            value.replace(tzinfo=None)
            if isinstance(value, datetime)
            else datetime.utcfromtimestamp(float(value))
        )

    chosen = jobs
    if text := params.get("NameContains"):
        chosen = [j for j in chosen if text.lower() in j.name.lower()]
    if status := params.get("StatusEquals"):
        chosen = [j for j in chosen if j.status == status]
    for name, attribute in (("CreationTime", "creation_time"), ("LastModifiedTime", "last_modified_time")):
        if (after := params.get(f"{name}After")) is not None:
            chosen = [j for j in chosen if getattr(j, attribute) > bound(after)]
        if (before := params.get(f"{name}Before")) is not None:
            chosen = [j for j in chosen if getattr(j, attribute) < bound(before)]
    order = {"Name": lambda j: j.name, "Status": lambda j: j.status}
    chosen = sorted(chosen, key=order.get(params.get("SortBy", ""), lambda j: j.creation_time))
    if params.get("SortOrder", "Descending") == "Descending":
        chosen.reverse()
    start, size = int(params.get("NextToken") or 0), int(params.get("MaxResults") or 10)
    answer: dict[str, Any] = {"summaries": [j.summary() for j in chosen[start : start + size]]}
    if start + size < len(chosen):
        answer["NextToken"] = str(start + size)
    return answer
