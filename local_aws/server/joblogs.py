"""Append lines to CloudWatch Logs from inside the server."""

import time
from typing import Any


class LogStreamWriter:
    """One log stream. `write` is safe from any thread; the stream and its group are made at the first line."""

    def __init__(self, app: Any, group: str, stream: str, region: str, account: str):
        self._app, self.group, self.stream = app, group, stream
        self.region, self.account = region, account
        self._target: Any = None

    def _open(self) -> Any:
        backend = self._app.backend("logs", self.account, self.region)
        if self.group not in backend.groups:
            backend.create_log_group(self.group, {})
        streams = backend.groups[self.group].streams
        if self.stream not in streams:
            backend.create_log_stream(self.group, self.stream)
        return streams[self.stream]

    def write(self, lines: list[str]) -> None:
        """Append lines (without line ends), stamped with the present time in milliseconds."""
        now = int(time.time() * 1000)
        with self._app.lock:
            if self._target is None:
                self._target = self._open()
            self._target.put_log_events([{"timestamp": now, "message": line or " "} for line in lines])

    def flush(self) -> None:
        """Put what was written on disk."""
        self._app.changed("logs", self.account, self.region)
