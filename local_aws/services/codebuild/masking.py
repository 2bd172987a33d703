"""No secret in a build's log: their values become `***`, as in CodeBuild's own logs."""

import contextlib
import json
import re
from collections.abc import Iterable
from typing import Any

SHORTEST = 3  # characters; a shorter value would blank out half of the log, and is no secret


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value


class Masker:
    """Replaces secrets. Of a secret of several lines each line counts, of a JSON secret each of its texts."""

    def __init__(self, secrets: Iterable[str] = ()):
        self._known: set[str] = set()
        self._pattern: re.Pattern | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        for secret in secrets:
            parts = [secret, *secret.splitlines()]
            if secret.lstrip().startswith(("{", "[")):
                with contextlib.suppress(ValueError):
                    parts += _strings(json.loads(secret))
            self._known.update(p.strip() for p in parts if len(p.strip()) >= SHORTEST)
        longest_first = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub("***", text) if self._pattern else text
