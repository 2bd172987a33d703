"""Data capture: requests and responses of an endpoint as SageMaker's JSON Lines in S3.

Format and keys as in the SageMaker guide, "Capture data" and "View captured data":
`PREFIX/ENDPOINT/VARIANT/yyyy/mm/dd/hh/FILE.jsonl`. A record is appended to a file under the home before the
response goes out, and uploaded some seconds later: what was acknowledged is still there after a kill.
"""

import base64
import json
import logging
import random
import threading
import time
from datetime import datetime
from pathlib import Path
from uuid import uuid4

log = logging.getLogger("local_aws")

FLUSH_SECONDS = 2.0
RETRY_SECONDS = 30.0
FLUSH_BYTES = 4 * 1024 * 1024


class Capture:
    """Capture of one endpoint. `config`: the DataCaptureConfig; `spool`: folder for what waits for upload."""

    def __init__(self, app, endpoint: str, config: dict, spool: Path):
        self.app, self.endpoint, self.spool = app, endpoint, spool
        self.sampling = int(config.get("InitialSamplingPercentage", 100))
        self.bucket, _, prefix = config["DestinationS3Uri"].removeprefix("s3://").partition("/")
        self.prefix = prefix.strip("/")
        modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
        self.input = bool(modes & {"Input", "InputAndOutput"})
        self.output = bool(modes & {"Output", "InputAndOutput"})
        header = config.get("CaptureContentTypeHeader") or {}
        self._csv = {name.lower() for name in header.get("CsvContentTypes") or []}
        self._json = {name.lower() for name in header.get("JsonContentTypes") or []}
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._open: dict[str, tuple] = {}  # variant: (file object, path, since)
        spool.mkdir(parents=True, exist_ok=True)
        self._retry_at = (
            0.0 if any(spool.glob("*.jsonl")) else None
        )  # files of an earlier server, or not uploaded

    def sampled(self) -> bool:
        return self.sampling >= 100 or random.random() * 100 < self.sampling

    def add(self, variant: str, request: tuple, response: tuple, when: datetime, ids: dict) -> None:
        """Keep one call. `request`, `response`: body, content type. `ids`: inferenceId, customAttributes."""
        data = {}
        if self.input:
            data["endpointInput"] = self._side("INPUT", *request)
        if self.output:
            data["endpointOutput"] = self._side("OUTPUT", *response)
        record = {
            "captureData": data,
            "eventMetadata": {
                "eventId": str(uuid4()),
                **ids,
                "inferenceTime": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "eventVersion": "0",
        }
        line = json.dumps(record).encode("utf-8") + b"\n"
        with self._lock:
            if variant not in self._open:
                stamp = f"{when:%Y-%m-%d-%H}.{when:%M-%S}-{when.microsecond // 1000:03d}-{uuid4()}"
                path = self.spool / f"{variant}.{stamp}.jsonl"
                self._open[variant] = (path.open("ab", buffering=0), path, time.monotonic())
            file = self._open[variant][0]
            file.write(line)

    def _side(self, mode: str, body: bytes, content_type: str | None) -> dict:
        kind = (content_type or "").split(";")[0].strip().lower()
        encoding = "CSV" if kind in self._csv else "JSON" if kind in self._json else "BASE64"
        text = None
        if encoding != "BASE64":
            try:
                text = body.decode("utf-8")
            except UnicodeDecodeError:
                encoding = "BASE64"
        if text is None:
            text = base64.b64encode(body).decode("ascii")
        side = {"observedContentType": content_type} if content_type else {}
        return {**side, "mode": mode, "data": text, "encoding": encoding}

    def flush_due(self) -> None:
        """Upload what is old or large enough; called about once a second."""
        now = time.monotonic()
        with self._lock:
            due = any(
                now - since >= FLUSH_SECONDS or file.tell() >= FLUSH_BYTES
                for file, _, since in self._open.values()
            )
        if due or (self._retry_at is not None and now >= self._retry_at):
            self.flush()

    def flush(self) -> None:
        """Upload everything that is spooled, also what an earlier server left."""
        with self._flushing:
            with self._lock:
                for file, _, _ in self._open.values():
                    file.close()
                self._open.clear()
                files = sorted(self.spool.glob("*.jsonl"))
            uploaded = [self._upload(path) for path in files]
            self._retry_at = None if all(uploaded) else time.monotonic() + RETRY_SECONDS

    def _upload(self, path: Path) -> bool:
        variant, hour, rest = path.name.split(".", 2)
        folder = "/".join(hour.split("-"))
        key = "/".join(filter(None, [self.prefix, self.endpoint, variant, folder, rest]))
        try:
            self.app.s3_put(self.bucket, key, path.read_bytes())
        except Exception as error:
            log.warning(
                "captured data of %s cannot be written to s3://%s/%s: %r",
                self.endpoint,
                self.bucket,
                key,
                error,
            )
            return False
        path.unlink()
        return True
