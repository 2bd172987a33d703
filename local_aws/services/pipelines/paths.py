"""Paths into JSON-like data: step properties, and the `Path` of `Std:JsonGet`."""

import re
from typing import Any

_TOKEN = re.compile(
    r"""\.?(?P<name>[^.\[\]'"]+)|\[(?P<index>\d+)\]|\['(?P<single>[^']*)'\]|\["(?P<double>[^"]*)"\]"""
)


class PathError(ValueError):
    """A path that cannot be read, or that leads to nothing; the message says where it ends."""


def parse(path: str) -> list[str | int]:
    """`A.B[0].C['x']`, with or without a leading `$`, as `["A", "B", 0, "C", "x"]`."""
    rest = path[1:] if path.startswith("$") else path
    found: list[str | int] = []
    position = 0
    while position < len(rest):
        match = _TOKEN.match(rest, position)
        if not match:
            raise PathError(f"the path {path!r} cannot be read at {rest[position:]!r}")
        position = match.end()
        if match["index"] is not None:
            found.append(int(match["index"]))
        else:
            found.append(next(t for t in (match["name"], match["single"], match["double"]) if t is not None))
    return found


def _by_name(items: list[Any], name: str) -> Any:
    """The item of a described list whose name is `name`, as `FinalMetricDataList['f1']` or
    `Outputs['train']` want it: the member that names an item ends in `Name`."""
    for item in items:
        if isinstance(item, dict) and any(k.endswith("Name") and v == name for k, v in item.items()):
            return item
    raise KeyError(name)


def look_up(data: Any, path: str) -> Any:
    """The value at `path`. Raises `PathError` naming the part that is not there."""
    walked = ""
    for token in parse(path):
        step = f"[{token}]" if isinstance(token, int) else f".{token}" if walked else str(token)
        try:
            if isinstance(token, int):
                if not isinstance(data, list):
                    raise KeyError(token)
                data = data[token]
            elif isinstance(data, list):
                data = _by_name(data, token)
            else:
                data = data[token]
        except (KeyError, IndexError, TypeError):
            raise PathError(f"{path!r} has no value: {walked + step!r} is not there") from None
        walked += step
    return data
