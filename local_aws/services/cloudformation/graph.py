"""Which resource needs which, and in what order they are made.

Pure functions: `references` finds what a value refers to, `order` sorts, `cycle` names who waits for whom.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from local_aws.services.cloudformation.errors import ValidationError
from local_aws.services.cloudformation.intrinsics import function_of

_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")


@dataclass(frozen=True)
class Reference:
    """One mention of a name: by `Ref` (attribute None) or `Fn::GetAtt`, also inside of `Fn::Sub`."""

    name: str
    attribute: str | None = None


def references(value: Any, condition: Callable[[str], bool] | None = None) -> Iterator[Reference]:
    """All mentions inside of a value. `condition`: follow only the branch of `Fn::If` that is taken."""
    call = function_of(value)
    if call is None:
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for item in items:
            yield from references(item, condition)
        return
    name, argument = call
    if name == "Ref" and isinstance(argument, str):
        yield Reference(argument)
    elif name == "Fn::GetAtt" and isinstance(argument, list) and len(argument) == 2:
        attribute = argument[1] if isinstance(argument[1], str) else ""
        yield Reference(argument[0], attribute)
        yield from references(argument[1], condition)
    elif name == "Fn::Sub":
        yield from _sub_references(argument, condition)
    elif name == "Fn::If" and condition and isinstance(argument, list) and len(argument) == 3:
        yield from references(argument[1] if condition(argument[0]) else argument[2], condition)
    else:
        yield from references(argument, condition)


def _sub_references(argument: Any, condition: Callable[[str], bool] | None) -> Iterator[Reference]:
    text, variables = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})
    if not isinstance(text, str) or not isinstance(variables, dict):
        return
    for name in map(str.strip, _VARIABLE.findall(text)):
        if name not in variables:
            head, _, attribute = name.partition(".")
            yield Reference(head, attribute) if attribute else Reference(name)
    yield from references(variables, condition)


def order(needs: dict[str, Iterable[str]]) -> list[str]:
    """The names so that each comes after all that it needs; otherwise in the given order.

    Raises `ValidationError` naming the circle when there is one. Needs that are no names of their own are ignored.
    """
    waits = {name: {n for n in needed if n in needs} for name, needed in needs.items()}
    done: dict[str, None] = {}
    while len(done) < len(waits):
        ready = [name for name in waits if name not in done and waits[name] <= done.keys()]
        if not ready:
            raise ValidationError(f"Circular dependency between resources: [{', '.join(cycle(waits))}]")
        done.update(dict.fromkeys(ready))
    return list(done)


def cycle(waits: dict[str, set[str]]) -> list[str]:
    """The names that lie on a circle or between two: without those that merely lead to one or come from one."""
    left = {name: set(needed) for name, needed in waits.items()}
    while True:
        wanted = {needed for needs in left.values() for needed in needs}
        gone = {name for name, needs in left.items() if not needs & left.keys() or name not in wanted}
        if not gone:
            return list(left)
        left = {name: needs - gone for name, needs in left.items() if name not in gone}


def needed_by(names: Iterable[str], needs: dict[str, Iterable[str]]) -> set[str]:
    """All that `names` need, directly or through others."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        for needed in needs.get(waiting.pop(), ()):
            if needed in needs and needed not in found:
                found.add(needed)
                waiting.append(needed)
    return found
