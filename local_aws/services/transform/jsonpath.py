"""The JSONPath of `DataProcessing`: the operators that the guide, "Associate Prediction Results with Input
Records", lists: `$`, `.name`, `['name', …]`, `*`, `[number, …]`, `[start:end]`."""

import re
from typing import Any

_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z_][\w-]*)
      | \.(?P<all>\*)
      | \[\s*(?P<star>\*)\s*\]
      | \[\s*(?P<names>'[^']*'(?:\s*,\s*'[^']*')*)\s*\]
      | \[\s*(?P<numbers>-?\d+(?:\s*,\s*-?\d+)*)\s*\]
      | \[\s*(?P<start>-?\d+)?\s*:\s*(?P<end>-?\d+)?\s*\]
    """,
    re.X,
)


class BadPath(ValueError):
    """An expression that the guide's operators do not make."""


class NotFound(LookupError):
    """The value has no such part."""


class Path:
    """A compiled expression; `find(value)` is the part of a JSON value that it selects.

    Steps that may select several parts (`*`, a list or a slice of indexes, several names) give a list of them.
    """

    def __init__(self, text: str):
        self.text = text
        self._steps: list[tuple[str, Any]] = []
        if not text.startswith("$") or len(text) > 63:
            raise BadPath(f"{text!r} is no JSONPath of at most 63 characters that begins with $.")
        place = 1
        while place < len(text):
            match = _STEP.match(text, place)
            if not match:
                raise BadPath(
                    f"{text!r} is not understood at {text[place:]!r}. Supported are $, .name, ['name'], *, [number] "
                    "and [start:end]."
                )
            self._steps.append(self._step(match))
            place = match.end()

    @staticmethod
    def _step(match: re.Match) -> tuple[str, Any]:
        if match["name"]:
            return "names", [match["name"]]
        if match["names"]:
            return "names", re.findall(r"'([^']*)'", match["names"])
        if match["numbers"]:
            return "numbers", [int(n) for n in match["numbers"].split(",")]
        if match["all"] or match["star"]:
            return "all", None
        ends = [int(match[end]) if match[end] else None for end in ("start", "end")]
        return "slice", slice(*ends)

    @property
    def whole(self) -> bool:
        return not self._steps

    @property
    def indexes_only(self) -> bool:
        """True when it makes sense for a row of CSV, which has no names."""
        return all(kind != "names" for kind, _ in self._steps)

    def find(self, value: Any) -> Any:
        """Raises `NotFound`."""
        found, several = [value], False
        for kind, what in self._steps:
            found = [part for item in found for part in self._parts(item, kind, what)]
            several = several or kind in ("all", "slice") or len(what) > 1
        return found if several else found[0]

    def _parts(self, item: Any, kind: str, what: Any) -> list[Any]:
        try:
            if kind == "names":
                if not isinstance(item, dict):
                    raise KeyError(what[0])
                return [item[name] for name in what]
            if kind == "all" and isinstance(item, dict):
                return list(item.values())
            if not isinstance(item, list):
                raise IndexError
            if kind == "all":
                return item
            return item[what] if kind == "slice" else [item[number] for number in what]
        except (KeyError, IndexError):
            raise NotFound(f"{self.text} selects nothing in a record") from None
