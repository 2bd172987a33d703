"""A build's log in CloudWatch Logs, in the form of CodeBuild's own, without secrets."""

import logging
import threading
import time
from datetime import UTC, datetime

from local_aws.server.joblogs import LogStreamWriter
from local_aws.services.codebuild.masking import Masker

log = logging.getLogger("local_aws")
MAX_EVENT = 256 * 1024  # CloudWatch's limit for one event


class BuildLog:
    """`writer` is None when the project's logs are disabled."""

    def __init__(self, writer: LogStreamWriter | None, masker: Masker):
        self._writer, self.mask = writer, masker
        self._flushed = time.monotonic()
        self._lock = threading.Lock()

    def say(self, *texts: str) -> None:
        """Lines of CodeBuild itself: `[Container] 2026/11/25 10:15:00.123456 Entering phase BUILD`."""
        now = datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S.%f")
        self.lines([f"[Container] {now} {line}" for text in texts for line in text.splitlines() or [""]])

    def lines(self, lines: list[str]) -> None:
        """Lines of the build's commands. On disk within a second or so; a long one is several events."""
        if self._writer is None:
            return
        with self._lock:
            # before they are cut, so that no secret is cut in two
            masked = [self.mask(line) for line in lines]
            self._writer.write(
                [line[at : at + MAX_EVENT] for line in masked for at in range(0, len(line) or 1, MAX_EVENT)]
            )
            if time.monotonic() - self._flushed > 1:
                self.flush()

    def flush(self) -> None:
        if self._writer is None:
            return
        try:
            self._writer.flush()
        except Exception:  # a full disk: the build's pipe must be read on, and its end be seen
            log.exception("the log of a build cannot be put on disk")
        self._flushed = time.monotonic()
