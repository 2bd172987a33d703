"""Where Studio's records are kept, and how their statuses move.

A record goes Pending → InService, Updating → InService, Deleting → gone by the clock alone, so nothing runs in between
and a server that was killed continues where it was.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from moto.core.utils import utcnow
from moto.sagemaker.exceptions import ResourceInUseException, ResourceNotFound, ValidationError
from moto.sagemaker.models import SageMakerModelBackend

SETTLES = timedelta(seconds=0.2)  # minutes on AWS
_NAME = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"


@dataclass
class Record:
    """One domain, profile, space, app or lifecycle configuration.

    `sent`: what Describe echoes of the request; `facts`: what AWS adds; `next`: the status after `since` + SETTLES,
    None for gone.
    """

    arn: str
    sent: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)
    tags: list[dict[str, str]] = field(default_factory=list)
    moving: str = "Pending"
    next: str | None = "InService"
    since: datetime = field(default_factory=utcnow)
    created: datetime = field(default_factory=utcnow)
    reason: str = ""

    @property
    def status(self) -> str | None:
        """The status now; None when the record is gone."""
        return self.moving if utcnow() < self.since + SETTLES else self.next

    def move(self, moving: str, following: str | None) -> None:
        self.moving, self.next, self.since = moving, following, utcnow()

    def describe(self) -> dict[str, Any]:
        public = {k: v for k, v in self.facts.items() if not k.startswith("_")}
        answer = {**self.sent, **public, "Status": self.status}
        answer |= {"CreationTime": self.created, "LastModifiedTime": self.since}
        return answer | ({"FailureReason": self.reason} if self.reason else {})


@dataclass
class Studio:
    """All records of an account in a region. Keys: domain id; (domain, name); (domain, owner, type, name); name."""

    domains: dict[str, Record] = field(default_factory=dict)
    users: dict[tuple[str, str], Record] = field(default_factory=dict)
    spaces: dict[tuple[str, str], Record] = field(default_factory=dict)
    apps: dict[tuple[str, str, str, str], Record] = field(default_factory=dict)
    configs: dict[str, Record] = field(default_factory=dict)


def studio(backend: SageMakerModelBackend) -> Studio:
    """The backend's Studio records, without those that are gone."""
    if "studio" not in backend.__dict__:
        backend.studio = Studio()
    found: Studio = backend.studio
    for records in (found.domains, found.users, found.spaces, found.apps):
        for key in [k for k, record in records.items() if record.status is None]:
            del records[key]
    return found


def find(records: dict[Any, Record], key: Any, kind: str) -> Record:
    """The record, or ResourceNotFound in the words that AWS has for it."""
    if key not in records:
        name = key if isinstance(key, str) else key[-1]
        raise ResourceNotFound(message=f"{kind} [{name}] does not exist.")
    return records[key]


def in_service(record: Record, kind: str, name: str, doing: str) -> None:
    """Refuse `doing` (create, update, delete …) while the record still moves."""
    if record.status in ("Pending", "Updating", "Deleting"):
        raise ResourceInUseException(message=f"Unable to {doing} {kind} [{name}]: it is {record.status}.")


def at_rest(
    records: dict[tuple[str, str], Record], request: dict[str, Any], kind: str, doing: str
) -> tuple[str, str, Record]:
    """(domain id, name, record) of the UserProfile or Space that a request names; refuses `doing` while it moves."""
    domain_id, name = request["DomainId"], request[f"{kind}Name"]
    record = find(records, (domain_id, name), kind)
    in_service(record, kind, name, doing)
    return domain_id, name, record


def taken(kind: str, name: str) -> ResourceInUseException:
    return ResourceInUseException(
        message=f"Resource Already Exists: {kind} with name {name} already exists. Choose a different name."
    )


def still_used(kind: str, name: str, by: str) -> ResourceInUseException:
    return ResourceInUseException(
        message=f"Unable to delete {kind} [{name}] because {by}(s) are associated with it."
    )


def refuse_with_apps(records: Studio, domain_id: str, owner: str, kind: str, name: str) -> None:
    """Refuse to delete a UserProfile or Space as long as it has apps. `owner`: `user/NAME` or `space/NAME`."""
    apps = (app for key, app in records.apps.items() if key[:2] == (domain_id, owner))
    if any(app.status != "Deleted" for app in apps):
        raise still_used(kind, name, "App")


def check_name(name: str, member: str) -> None:
    if not re.fullmatch(_NAME, name or ""):
        raise ValidationError(
            message=f"1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {_NAME}"
        )


def check_choice(value: str | None, member: str, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise ValidationError(
            message=f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(choices)}]"
        )


def merged(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
    """Settings after an update: a setting that the request names is replaced, the others stay."""
    return {**(old or {}), **(new or {})}


def page(summaries: list[dict[str, Any]], request: dict[str, Any], key: str) -> dict[str, Any]:
    """A List answer: sorted (`SortBy`, `SortOrder`), cut at `MaxResults` (10), with `NextToken`."""
    by = request.get("SortBy") or "CreationTime"
    summaries = sorted(summaries, key=lambda item: item.get(by) or item["CreationTime"])
    if request.get("SortOrder", "Ascending") == "Descending":
        summaries.reverse()
    token, size = request.get("NextToken") or "0", int(request.get("MaxResults") or 10)
    if not token.isdecimal():
        raise ValidationError(message="Invalid pagination token.")
    begin = int(token)
    answer: dict[str, Any] = {key: summaries[begin : begin + size]}
    if begin + size < len(summaries):
        answer["NextToken"] = str(begin + size)
    return answer


def chosen(record: Record, *names: str) -> dict[str, Any]:
    """A summary: these members of the Describe answer, where they are there."""
    answer = record.describe()
    return {name: answer[name] for name in names if answer.get(name) is not None}
