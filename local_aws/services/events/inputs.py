"""What a target gets of an event: all of it, a part (InputPath), a constant (Input) or a template.

Source: EventBridge user guide, "Amazon EventBridge input transformation".
"""

import json
import re
from typing import Any

_STEP = re.compile(r"""\.([A-Za-z0-9_-]+)|\[['"]([^'"]+)['"]\]|\[(\d+|\*)\]""")
_PLACE = re.compile(r"<([A-Za-z0-9_.-]+)>")
_ABSENT = "\x00absent\x00"  # takes the place of a variable whose path names nothing


def find(path: str, event: Any) -> Any:
    """The value at a JSON path (`$.detail.name`, `$.resources[0]`, `$.list[*]`). LookupError for none,
    ValueError for a path that is none."""
    if not path.startswith("$"):
        raise ValueError(f"{path!r} is no JSON path: it must begin with $")
    position, value = 1, event
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise ValueError(f"{path!r} is no JSON path that EventBridge knows")
        name, quoted, index = step.groups()
        if index == "*":
            if not isinstance(value, list):
                raise LookupError(path)
            rest = "$" + path[step.end() :]
            return [find(rest, item) for item in value]
        if index is not None:
            if not isinstance(value, list):
                raise LookupError(path)
            value = value[int(index)]
        elif not isinstance(value, dict):
            raise LookupError(path)
        else:
            value = value[name or quoted]
        position = step.end()
    return value


def _without_absent(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_absent(v) for k, v in value.items() if v != _ABSENT}
    if isinstance(value, list):
        return [_without_absent(v) for v in value if v != _ABSENT]
    return value


def _transform(transformer: dict, event: dict, rule_arn: str) -> Any:
    values: dict[str, Any] = {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rsplit("/", 1)[-1],
        "aws.events.event": {k: v for k, v in event.items() if k != "detail"},
        "aws.events.event.json": event,
        "aws.events.event.ingestion-time": event["time"],
    }
    for name, path in (transformer.get("InputPathsMap") or {}).items():
        try:
            values[name] = find(path, event)
        except LookupError:
            values[name] = _ABSENT
    template, out, position, quoted = transformer["InputTemplate"], [], 0, False
    while position < len(template):
        place = _PLACE.match(template, position)
        if place and place.group(1) in values:
            value = values[place.group(1)]
            if not quoted:
                out.append(json.dumps(value))
            elif value != _ABSENT:
                text = value if isinstance(value, str) else json.dumps(value)
                out.append(json.dumps(text)[1:-1])
            position = place.end()
            continue
        if template[position] == "\\" and quoted:
            out.append(template[position : position + 2])
            position += 2
            continue
        quoted ^= template[position] == '"'
        out.append(template[position])
        position += 1
    text = "".join(out)
    try:
        return _without_absent(json.loads(text))
    except ValueError:
        return text


def payload(target: dict, event: dict, rule_arn: str) -> Any:
    """What goes to the target: a JSON value, or text when a template makes something that is not JSON.

    LookupError or ValueError when the target's InputPath names nothing."""
    if target.get("InputTransformer"):
        return _transform(target["InputTransformer"], event, rule_arn)
    if target.get("Input") is not None:
        return json.loads(target["Input"])
    if target.get("InputPath"):
        return find(target["InputPath"], event)
    return event


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
