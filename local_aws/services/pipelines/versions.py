"""The versions of a pipeline: every definition that it has had, numbered from 1."""

import time
from typing import Any

from local_aws.services.pipelines.records import when
from local_aws.state.documents import Document

_KIND = "pipeline-version"


class Versions:
    """On disk as one document a version; `attach` reads them."""

    def __init__(self) -> None:
        self._documents: Any = None
        self._versions: dict[str, list[dict[str, Any]]] = {}  # by the pipeline's ARN

    def attach(self, documents: Any) -> None:
        """Keep them in `documents` from now on, beginning with those that are there."""
        self._documents = documents
        for document in documents.all(_KIND):
            arn = document.name.rpartition("#")[0]
            self._versions.setdefault(arn, []).append(document.value)

    @staticmethod
    def _document(arn: str, number: int, value: Any = None) -> Document:
        _, _, _, region, account, _ = arn.split(":", 5)
        return Document(_KIND, account, region, f"{arn}#{number}", value)

    def add(self, arn: str, definition: str) -> int:
        """A new version's number."""
        known = self._versions.setdefault(arn, [])
        value = {"number": len(known) + 1, "definition": definition, "created": time.time()}
        if self._documents is not None:
            self._documents.write([self._document(arn, value["number"], value)])
        known.append(value)
        return value["number"]

    def latest(self, arn: str) -> int:
        return len(self._versions.get(arn, ())) or 1

    def get(self, arn: str, number: int) -> dict[str, Any] | None:
        known = self._versions.get(arn, [])
        return known[number - 1] if 0 < number <= len(known) else None

    def forget(self, arn: str) -> None:
        gone = self._versions.pop(arn, [])
        if self._documents is not None and gone:
            self._documents.write(remove=[self._document(arn, v["number"]) for v in gone])

    def summaries(self, arn: str, last_run: dict[int, str]) -> list[dict[str, Any]]:
        """Entries of ListPipelineVersions; `last_run`: {version: ARN of its last execution}."""
        return [
            {
                "PipelineArn": arn,
                "PipelineVersionId": v["number"],
                "CreationTime": when(v["created"]),
                **(
                    {"LastExecutionPipelineExecutionArn": last_run[v["number"]]}
                    if v["number"] in last_run
                    else {}
                ),
            }
            for v in self._versions.get(arn, [])
        ]
