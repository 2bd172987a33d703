"""Stacks, their resources and change sets, as they are kept."""

import datetime
import time
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

from local_aws.services.cloudformation.parameters import Value

# A stack's states in which nothing runs and an update may begin.
UPDATABLE = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
)
GONE = "DELETE_COMPLETE"


def moment(timestamp: float | None) -> datetime.datetime | None:
    """Seconds since 1970 as the API's time."""
    return None if timestamp is None else datetime.datetime.fromtimestamp(timestamp, datetime.UTC)


@dataclass
class Resource:
    """One resource of a stack.

    `declared`: its properties with dynamic references as written (what changes are compared by); `properties`: those
    that were given to the handler. `needs`: logical ids that it depends on. `generation` counts replacements.
    `before`: while an update runs, what to go back to (a dict of this class, or None for a new resource), and `touched`
    how: "" | "added" | "updated" | "replaced" | "removed".
    """

    logical_id: str
    type: str
    physical_id: str = ""
    status: str = ""
    reason: str = ""
    time: float = 0.0
    declared: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    needs: list[str] = field(default_factory=list)
    deletion_policy: str = "Delete"
    replace_policy: str = "Delete"
    description: str = ""
    metadata: Any = None
    generation: int = 0
    touched: str = ""
    before: dict[str, Any] | None = None

    to_dict = asdict

    @property
    def exists(self) -> bool:
        """Whether there is, or may be, something to delete."""
        return bool(self.physical_id) and self.status not in ("DELETE_COMPLETE", "DELETE_SKIPPED")


@dataclass
class Stack:
    """`id` is the ARN. `leftovers`: resources (dicts) that an update replaced or removed, to be deleted when it is
    complete. `previous`: template, parameters and the like of before the update, while one runs or has failed."""

    id: str
    name: str
    account: str
    region: str
    status: str = ""
    reason: str = ""
    created: float = field(default_factory=time.time)
    updated: float | None = None
    deleted: float | None = None
    template: str = ""
    description: str = ""
    values: dict[str, dict] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    capabilities: list[str] = field(default_factory=list)
    notification_arns: list[str] = field(default_factory=list)
    role_arn: str = ""
    on_failure: str = "ROLLBACK"
    timeout_minutes: int | None = None
    protected: bool = False
    outputs: dict[str, dict] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)
    change_set_id: str = ""
    parent_id: str = ""
    root_id: str = ""
    token: str = ""
    leftovers: list[dict] = field(default_factory=list)
    previous: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        return self.id.rsplit("/", 1)[-1]

    @property
    def busy(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def exports(self) -> dict[str, str]:
        return {item["Export"]: item["Value"] for item in self.outputs.values() if "Export" in item}

    def parameter_values(self) -> dict[str, Value]:
        return {key: Value(**value) for key, value in self.values.items()}

    def record(self) -> dict[str, Any]:
        """Everything but the resources, which are documents of their own."""
        return {key: value for key, value in vars(self).items() if key != "resources"}


@dataclass
class ChangeSet:
    """A proposed update. `stack_id`: its stack's; `request`: what is to be applied (fields of `Stack`)."""

    id: str
    name: str
    stack_id: str
    stack_name: str
    account: str
    region: str
    kind: str
    status: str = "CREATE_COMPLETE"
    execution: str = "AVAILABLE"
    reason: str = ""
    description: str = ""
    created: float = field(default_factory=time.time)
    changes: list[dict] = field(default_factory=list)
    request: dict[str, Any] = field(default_factory=dict)

    to_dict = asdict


def new_arn(kind: str, name: str, account: str, region: str) -> str:
    """A new ARN; `kind`: stack or changeSet."""
    from moto.utilities.utils import get_partition

    return f"arn:{get_partition(region)}:cloudformation:{region}:{account}:{kind}/{name}/{uuid4()}"
