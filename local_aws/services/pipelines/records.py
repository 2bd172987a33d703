"""What an execution and its steps are on record: plain data that JSON can hold. Times are seconds since 1970."""

import threading
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from local_aws.services.pipelines.scheduler import ENDED

FINAL = ("Succeeded", "Failed", "Stopped", "CompletedWithFailures")
REASON_LIMIT = 1024


def when(seconds: float | None) -> datetime | None:
    """As the answers' serializer wants it: UTC without a zone."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _present(**members: Any) -> dict[str, Any]:
    return {k: v for k, v in members.items() if v is not None and v != ""}


@dataclass
class StepRecord:
    """One step of one execution. `properties`: what its `Get` references find. `job`: (kind, name) of the job
    that it runs. `signature`: of its request, for caching. `cached_from`, `reused_from`: ARNs of the execution
    whose result it took (step caching, selective execution). `outcome`: of a condition."""

    name: str
    type: str
    display_name: str | None = None
    description: str | None = None
    status: str = "Starting"
    started: float | None = None
    ended: float | None = None
    attempts: int = 0
    reason: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    job: tuple[str, str] | None = None
    signature: str | None = None
    cached_from: str | None = None
    reused_from: str | None = None
    outcome: bool | None = None

    @property
    def final(self) -> bool:
        return self.status in ENDED

    def close(self, status: str, reason: str | None = None) -> None:
        self.status, self.ended = status, time.time()
        self.reason = reason[:REASON_LIMIT] if reason else None

    def describe(self) -> dict[str, Any]:
        """The entry in ListPipelineExecutionSteps."""
        return _present(
            StepName=self.name,
            StepDisplayName=self.display_name,
            StepDescription=self.description,
            StartTime=when(self.started),
            EndTime=when(self.ended),
            StepStatus=self.status,
            AttemptCount=self.attempts,
            FailureReason=self.reason,
            Metadata=self.metadata or None,
            CacheHitResult={"SourcePipelineExecutionArn": self.cached_from} if self.cached_from else None,
            SelectiveExecutionResult={"SourcePipelineExecutionArn": self.reused_from}
            if self.reused_from
            else None,
        )


@dataclass
class Execution:
    """One execution of a pipeline. `values`: the parameters' typed values. `steps`: in the order of their
    start. `guard`: held while the status is changed, so that a request to stop and the end never cross."""

    account: str
    region: str
    pipeline: str
    id: str
    role: str
    definition: str
    version: int
    values: dict[str, Any]
    limit: int
    created: float
    token: str | None = None
    display_name: str | None = None
    description: str | None = None
    status: str = "Executing"
    reason: str | None = None
    modified: float = 0.0
    selective: dict[str, Any] | None = None
    parallelism: dict[str, int] | None = None
    retry_token: str | None = None
    steps: dict[str, StepRecord] = field(default_factory=dict)
    guard: Any = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def pipeline_arn(self) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account}:pipeline/{self.pipeline}"

    @property
    def arn(self) -> str:
        return f"{self.pipeline_arn}/execution/{self.id}"

    @property
    def final(self) -> bool:
        return self.status in FINAL

    def touch(self) -> None:
        self.modified = time.time()

    def describe(self) -> dict[str, Any]:
        """The DescribePipelineExecution answer."""
        return _present(
            PipelineArn=self.pipeline_arn,
            PipelineExecutionArn=self.arn,
            PipelineExecutionDisplayName=self.display_name,
            PipelineExecutionStatus=self.status,
            PipelineExecutionDescription=self.description,
            FailureReason=self.reason,
            CreationTime=when(self.created),
            LastModifiedTime=when(self.modified or self.created),
            ParallelismConfiguration=self.parallelism,
            SelectiveExecutionConfig=self.selective,
            PipelineVersionId=self.version,
            RoleArn=self.role,
        )

    def summary(self) -> dict[str, Any]:
        """The entry in ListPipelineExecutions."""
        return _present(
            PipelineExecutionArn=self.arn,
            StartTime=when(self.created),
            PipelineExecutionStatus=self.status,
            PipelineExecutionDescription=self.description,
            PipelineExecutionDisplayName=self.display_name,
            PipelineExecutionFailureReason=self.reason,
        )

    def parameters(self) -> list[dict[str, str]]:
        """`PipelineParameters`, as texts."""
        shown = {True: "true", False: "false"}
        return [
            {"Name": k, "Value": shown[v] if isinstance(v, bool) else str(v)} for k, v in self.values.items()
        ]

    def head(self) -> dict[str, Any]:
        """What goes on disk: all but the steps, which have documents of their own, and the definition, which
        is that of the pipeline's version."""
        left_out = ("steps", "guard", "definition")
        return {k: getattr(self, k) for k in self.__dataclass_fields__ if k not in left_out}


def step_to_json(record: StepRecord) -> dict[str, Any]:
    return asdict(record)


def step_from_json(data: dict[str, Any]) -> StepRecord:
    record = StepRecord(**data)
    record.job = tuple(record.job) if record.job else None
    return record
