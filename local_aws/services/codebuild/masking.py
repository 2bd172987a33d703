"""No secret in a build's log: their values become `***`, as in CodeBuild's own logs.

Hidden are AWS access key ids, and what comes out of Parameter Store and Secrets Manager (CodeBuild User Guide, "Data
protection").
"""

import contextlib
import json
import re
from collections.abc import Iterable
from typing import Any

SHORTEST = 3  # characters; a shorter value would blank out half of the log, and is no secret
_KEY_ID = r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value


def _forms(secret: str) -> Iterable[str]:
    """A text as it is, and as JSON, Python and a shell (`set`, `export -p`) write it."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield secret.replace("'", """'"'"'""")
    yield secret.replace("'", "'\\''")
    yield re.sub(r'([\\"$`])', r"\\\1", secret)


class Masker:
    """Replaces secrets. Of a secret of several lines each line counts, of a JSON secret each of its texts."""

    def __init__(self, secrets: Iterable[str] = ()):
        self._known: set[str] = set()
        self._pattern: re.Pattern = re.compile(_KEY_ID)
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        for secret in secrets:
            parts = [secret, *secret.splitlines()]
            if secret.lstrip().startswith(("{", "[")):
                with contextlib.suppress(ValueError):
                    parts += _strings(json.loads(secret))
            long = [part.strip() for part in parts if len(part.strip()) >= SHORTEST]
            self._known.update(form for part in long for form in _forms(part))
        longest_first = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join([*map(re.escape, longest_first), _KEY_ID]))

    def __call__(self, text: str) -> str:
        return self._pattern.sub("***", text)

    def cut(self, data: bytes, at: int) -> int:
        """Where to cut a line that is too long: at `at` bytes, or before it where a secret would be cut in two."""
        while True:
            starts = [
                found
                for secret in (text.encode() for text in self._known)
                if (found := data.find(secret, max(0, at - len(secret) + 1), at + len(secret) - 1)) >= 0
            ]
            if not starts:
                return at
            at = min(starts)
