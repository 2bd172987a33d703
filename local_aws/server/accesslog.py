"""One JSON line for each request in `logs/access.jsonl`: proves what was called, and with whose key id."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

from local_aws.server.identify import Call


class AccessLog:
    """Appends lines; `max_bytes` bounds the file: it is renamed once to `.1` when full."""

    def __init__(self, file: Path, max_bytes: int = 64 * 2**20):
        self._file, self._max = file, max_bytes
        self._lock = threading.Lock()
        self._out = file.open("a", encoding="utf-8", buffering=1)

    def write(self, call: Call, status: int, seconds: float) -> None:
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "service": call.service,
            "action": call.action,
            "region": call.region,
            "status": status,
            "access_key_id": call.access_key,
            "method": call.method,
            "path": call.path,
            "ms": round(seconds * 1000, 2),
        }
        with self._lock:
            try:
                self._out.write(json.dumps(line) + "\n")
                if self._out.tell() > self._max:
                    self._out.close()
                    self._file.replace(self._file.with_suffix(".jsonl.1"))
                    self._out = self._file.open("a", encoding="utf-8", buffering=1)
            except OSError:  # a full disk must not turn a good answer into an error
                pass
