"""From the lines of an input object to payloads, and from the model's answers to the lines of the output."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from local_aws.services.transform import formats
from local_aws.services.transform.formats import BadRecord
from local_aws.services.transform.jsonpath import NotFound, Path

MEGABYTE = 2**20
DEFAULT_PAYLOAD = 6  # MB


@dataclass
class Payload:
    """What one request sends. `records`: the input records in it, as values, when the output needs them."""

    body: bytes
    records: list[Any] | None
    count: int


class Processing:
    """`TransformInput`, `TransformOutput`, `BatchStrategy`, `MaxPayloadInMB` and `DataProcessing` of a request."""

    def __init__(self, request: dict[str, Any]):
        source, target = request["TransformInput"], request["TransformOutput"]
        filters = request.get("DataProcessing") or {}
        self.content_type = source.get("ContentType")
        self.accept = target.get("Accept")
        self.lines = source.get("SplitType") == "Line"
        self.gzip = source.get("CompressionType") == "Gzip"
        self.single = request.get("BatchStrategy") == "SingleRecord"
        self.assemble_lines = target.get("AssembleWith") == "Line"
        megabytes = request.get("MaxPayloadInMB")
        megabytes = DEFAULT_PAYLOAD if megabytes is None else int(megabytes)
        self.limit = megabytes * MEGABYTE or None
        self.input_filter = Path(filters.get("InputFilter") or "$")
        self.output_filter = Path(filters.get("OutputFilter") or "$")
        self.join = filters.get("JoinSource") == "Input"

    @property
    def reads_input(self) -> bool:
        return self.join or not self.input_filter.whole

    @property
    def reads_output(self) -> bool:
        return self.join or not self.output_filter.whole

    # -- input -----------------------------------------------------------------------------------------------
    def payloads(self, file: File | None) -> Iterator[Payload]:
        """The requests for one object's file (None: an empty object). `BadRecord` when one is too large."""
        if file is None:
            return
        with gzip.open(file) if self.gzip else file.open("rb") as data:
            if not self.lines:
                body = data.read(-1 if self.limit is None else self.limit + 1)
                yield self._payload([body])
                return
            waiting: list[bytes] = []
            size = 0
            for line in data:
                line = line.rstrip(b"\r\n")
                if not line:
                    continue
                if waiting and (self.single or (self.limit and size + len(line) + 1 > self.limit)):
                    yield self._payload(waiting)
                    waiting, size = [], 0
                waiting.append(line)
                size += len(line) + 1
            if waiting:
                yield self._payload(waiting)

    def _payload(self, lines: list[bytes]) -> Payload:
        records = None
        if self.reads_input:
            kind = formats.plain(self.content_type)
            records = [formats.parse(_text(line), kind) for line in lines]
            try:
                wanted = [self.input_filter.find(record) for record in records]
            except NotFound as error:
                raise BadRecord(f"InputFilter {error}.") from None
            lines = [formats.render(value, kind).encode("utf-8") for value in wanted]
        body = b"\n".join(lines)
        if self.lines and not self.single:
            body += b"\n"
        if self.limit and len(body) - self.lines > self.limit:
            raise BadRecord(f"Too much data for max payload size ({self.limit // MEGABYTE} MB)")
        return Payload(body, records if self.join else None, len(lines))

    # -- output ----------------------------------------------------------------------------------------------
    def result(self, payload: Payload, body: bytes, content_type: str | None) -> bytes:
        """The part of the output object that one answer gives."""
        if self.reads_output:
            body = self._filtered(payload, body, content_type)
        if self.assemble_lines and not body.endswith(b"\n"):
            body += b"\n"
        return body

    def _filtered(self, payload: Payload, body: bytes, content_type: str | None) -> bytes:
        kind = formats.plain(content_type or self.accept)
        if kind not in formats.TYPES:
            raise BadRecord(
                f"The model answered with {kind or 'no content type'}, which cannot be filtered or joined"
            )
        texts = formats.split_answer(_text(body), kind, payload.count)
        values = [formats.parse(text, kind) for text in texts]
        if self.join:
            if (formats.plain(self.content_type) == formats.CSV) != (kind == formats.CSV):
                raise BadRecord(
                    f"Input of type {self.content_type} cannot be joined with an inference of type {kind}"
                )
            values = [formats.join(*pair, kind) for pair in zip(payload.records, values, strict=True)]
        try:
            values = [self.output_filter.find(value) for value in values]
        except NotFound as error:
            raise BadRecord(f"OutputFilter {error}.") from None
        return "\n".join(formats.render(value, kind) for value in values).encode("utf-8")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRecord(f"A record is not UTF-8 text: {error}") from None
