"""The records of builds: plain data as BatchGetBuilds answers it, each a document on disk."""

import copy
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from local_aws.server.app import LocalAwsApp
from local_aws.state.documents import Document

IN_PROGRESS = "IN_PROGRESS"
_PRIVATE = "_local"  # what a restarted build needs and the API does not show


class Build:
    """One build. `record` changes under the store's lock, through the methods here."""

    def __init__(self, account: str, region: str, record: dict[str, Any]):
        self.account, self.region, self.record = account, region, record

    @property
    def id(self) -> str:
        return self.record["id"]

    @property
    def arn(self) -> str:
        return self.record["arn"]

    @property
    def project(self) -> str:
        return self.record["projectName"]

    @property
    def done(self) -> bool:
        return self.record["buildComplete"]

    @property
    def private(self) -> dict[str, Any]:
        return self.record.setdefault(_PRIVATE, {})

    def enter(self, phase: str) -> None:
        """Begin a phase."""
        self.record["currentPhase"] = phase
        self.record["phases"].append({"phaseType": phase, "startTime": time.time()})

    def leave(self, status: str = "SUCCEEDED", code: str = "", message: str = "") -> None:
        """End the present phase, if it has not ended."""
        phase = self.record["phases"][-1]
        if "endTime" in phase:
            return
        phase["endTime"] = time.time()
        phase["durationInSeconds"] = round(phase["endTime"] - phase["startTime"])
        phase["phaseStatus"] = status
        phase["contexts"] = [{"statusCode": code, "message": message}]

    def complete(self, status: str) -> None:
        self.record["phases"].append({"phaseType": "COMPLETED", "startTime": time.time()})
        self.record.update(
            buildStatus=status, buildComplete=True, currentPhase="COMPLETED", endTime=time.time()
        )

    def answer(self) -> dict[str, Any]:
        """What the API shows: of the artifacts, where they are as soon as they are there."""
        answer = {k: v for k, v in copy.deepcopy(self.record).items() if k != _PRIVATE and v is not None}
        made = self.record.get(_PRIVATE, {})
        answer["artifacts"] = made.get("artifacts") or {"location": ""}
        answer["secondaryArtifacts"] = made.get("secondaryArtifacts") or []
        return answer


def _place_log(record: dict[str, Any], account: str, region: str) -> None:
    """Name the build's log stream: after the build, below the prefix that the project may give."""
    logs, own = record["logs"], record["id"].partition(":")[2]
    logs["streamName"] = f"{logs['streamName']}/{own}" if logs.get("streamName") else own
    place = f"log-group:{logs['groupName']}:log-stream:{logs['streamName']}"
    logs["cloudWatchLogsArn"] = f"arn:aws:logs:{region}:{account}:{place}"


class Builds:
    """All builds, in memory and on disk."""

    def __init__(self, app: LocalAwsApp):
        self._app = app
        self.lock = threading.RLock()
        self._builds: dict[tuple[str, str], dict[str, Build]] = defaultdict(dict)
        self._numbers: dict[tuple[str, str, str], int] = defaultdict(int)

    def load(self) -> None:
        for document in self._app.documents.all("build"):
            self._keep(Build(document.account, document.region, document.value))

    def _keep(self, build: Build) -> None:
        self._builds[build.account, build.region][build.id] = build
        key = (build.account, build.region, build.project)
        self._numbers[key] = max(self._numbers[key], build.record["buildNumber"])

    def new(self, account: str, region: str, project: str, fields: dict[str, Any]) -> Build:
        """A build in SUBMITTED and QUEUED, saved."""
        with self.lock:
            identifier = f"{project}:{uuid.uuid4()}"
            now = time.time()
            record = {
                "id": identifier,
                "arn": f"arn:aws:codebuild:{region}:{account}:build/{identifier}",
                "buildNumber": self._numbers[account, region, project] + 1,
                "startTime": now,
                "currentPhase": "SUBMITTED",
                "buildStatus": IN_PROGRESS,
                "buildComplete": False,
                "projectName": project,
                "phases": [],
                **fields,
            }
            build = Build(account, region, record)
            if record["logs"].get("groupName"):
                _place_log(record, account, region)
            build.enter("SUBMITTED")
            build.leave()
            build.enter("QUEUED")
            self._keep(build)
        self.save(build)
        return build

    def save(self, build: Build) -> None:
        with self.lock:
            value = copy.deepcopy(build.record)
        self._app.documents.write(put=[Document("build", build.account, build.region, build.id, value)])

    def forget(self, build: Build) -> None:
        with self.lock:
            self._builds[build.account, build.region].pop(build.id, None)
        self._app.documents.write(remove=[Document("build", build.account, build.region, build.id)])

    def find(self, identifier: str, account: str, region: str) -> Build | None:
        """By id or ARN."""
        with self.lock:
            return self._builds[account, region].get(identifier.split(":build/", 1)[-1])

    def of(self, account: str, region: str, project: str | None = None) -> list[Build]:
        """An account's builds in a region, oldest first."""
        with self.lock:
            return [
                b for b in self._builds[account, region].values() if project is None or b.project == project
            ]

    def all(self) -> Iterator[Build]:
        with self.lock:
            return iter([b for group in self._builds.values() for b in group.values()])
