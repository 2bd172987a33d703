"""What is kept of a pipeline's executions. Each is one document on disk; times are seconds since 1970."""

import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

from local_aws.state.documents import Document

KIND = "codepipeline-execution"
ENDED = ("Succeeded", "Failed", "Superseded", "Stopped", "Cancelled")


@dataclass
class ActionRun:
    """One run of one action. `artifacts`: those it made, name -> {bucket, key, revision}."""

    stage: str
    action: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "InProgress"
    started: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    configuration: dict[str, str] = field(default_factory=dict)  # with its variables resolved
    inputs: dict[str, dict] = field(default_factory=dict)
    artifacts: dict[str, dict] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    updated_by: str = ""
    external_id: str = ""
    external_url: str = ""
    error: dict[str, str] | None = None  # code and message
    token: str = ""  # of an approval that waits
    decision: dict[str, str] | None = None  # of an approval: status, summary, by


@dataclass
class Execution:
    """One execution of a pipeline. `structure`: the declaration with which it began."""

    account: str
    region: str
    pipeline: str
    number: int
    structure: dict[str, Any]
    trigger: dict[str, str]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "InProgress"
    summary: str = ""
    started: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    variables: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, dict] = field(default_factory=dict)  # source revisions asked for, by action
    request_token: str | None = None
    in_stage: int | None = None
    waiting_for: int | None = None
    stages: dict[str, str] = field(default_factory=dict)  # stage -> status
    attempts: dict[str, int] = field(default_factory=dict)
    runs: list[ActionRun] = field(default_factory=list)
    current: dict[str, list[str]] = field(default_factory=dict)  # stage -> ids of this attempt's runs
    stop: dict[str, Any] | None = None  # reason and abandon of a stop that was asked for

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def version(self) -> int:
        return self.structure["version"]

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(stage["name"] for stage in self.structure["stages"])

    @property
    def arn(self) -> str:
        return f"arn:aws:codepipeline:{self.region}:{self.account}:{self.pipeline}"

    def run_of(self, run_id: str) -> ActionRun:
        return next(run for run in self.runs if run.id == run_id)

    def runs_now(self, stage: str) -> list[ActionRun]:
        """The runs that count for the stage's present attempt."""
        return [self.run_of(run_id) for run_id in self.current.get(stage, [])]

    @property
    def artifacts(self) -> dict[str, dict]:
        """Every artifact that succeeded actions made, the newest of a name."""
        return {
            name: place
            for run in self.runs
            if run.status == "Succeeded"
            for name, place in run.artifacts.items()
        }

    @property
    def namespaces(self) -> dict[str, dict[str, str]]:
        """Output variables by namespace, the pipeline's own included."""
        declared = {
            (stage["name"], action["name"]): action.get("namespace")
            for stage in self.structure["stages"]
            for action in stage["actions"]
        }
        found = {
            "codepipeline": {"PipelineExecutionId": self.id, "PipelineName": self.pipeline},
            "variables": self.variables,
        }
        for run in self.runs:
            namespace = declared.get((run.stage, run.action))
            if namespace and run.status == "Succeeded":
                found[namespace] = run.variables
        return found

    @property
    def revisions(self) -> list[ActionRun]:
        """The runs of source actions that have a revision."""
        return [run for run in self.runs if run.status == "Succeeded" and "revision" in _first(run.artifacts)]

    def document(self) -> Document:
        return Document(KIND, self.account, self.region, f"{self.pipeline}/{self.id}", asdict(self))

    @classmethod
    def of(cls, document: Document) -> "Execution":
        value = dict(document.value)
        value["runs"] = [ActionRun(**run) for run in value["runs"]]
        return cls(**value)


def _first(artifacts: dict[str, dict]) -> dict:
    return next(iter(artifacts.values()), {})
