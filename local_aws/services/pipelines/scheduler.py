"""Which step may begin when: a pure state machine over a pipeline's steps, without jobs, threads or time.

A step begins once every step that it needs has ended the way it wants, and at most `limit` steps run at a
time. A step that can no longer begin is skipped, and with it what needs it. After a failure, steps that do
not depend on it go on; after `halt` nothing begins any more.
"""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

WAITING, RUNNING, SKIPPED = "Waiting", "Running", "Skipped"
SUCCEEDED, FAILED, STOPPED = "Succeeded", "Failed", "Stopped"
ENDED = (SUCCEEDED, FAILED, STOPPED)


@dataclass(frozen=True)
class Node:
    """A step as the scheduler sees it: `needs` is {upstream step: Completed|Failed|Stopped|Any}, `branch`
    (condition step, outcome) for a step of a condition's branch."""

    name: str
    needs: Mapping[str, str] = field(default_factory=dict)
    branch: tuple[str, bool] | None = None


def _wanted(trigger: str, status: str) -> bool:
    return trigger == "Any" or status == {"Completed": SUCCEEDED}.get(trigger, trigger)


class Scheduler:
    """`begin()` gives a step to start now; `end(...)` tells how one ended. `ended` (for a retry or a
    selective execution): steps whose end is known from before, as {name: (status, outcome)}."""

    def __init__(
        self,
        nodes: Iterable[Node],
        limit: int,
        ended: Mapping[str, tuple[str, bool | None]] | None = None,
    ):
        self.limit, self.halted = limit, False
        self._nodes = {node.name: node for node in nodes}
        self.status = dict.fromkeys(self._nodes, WAITING)
        self.handled: set[str] = set()  # failed or stopped steps whose end another step was waiting for
        self._order = {name: index for index, name in enumerate(self._nodes)}
        self._open: dict[str, int] = {}
        self._downstream: dict[str, list[str]] = {name: [] for name in self._nodes}
        self._ready: list[tuple[int, str]] = []
        self._running = 0
        for node in self._nodes.values():
            upstream = {*node.needs, *([node.branch[0]] if node.branch else [])}
            self._open[node.name] = len(upstream)
            for name in upstream:
                self._downstream[name].append(node.name)
        for name in self._nodes:
            if self._open[name] == 0:
                heapq.heappush(self._ready, (self._order[name], name))
        known = {name: how for name, how in (ended or {}).items() if name in self._nodes}
        self.status.update({name: status for name, (status, _) in known.items()})
        for name, (status, outcome) in known.items():
            self._announce(name, status, outcome)

    @property
    def running(self) -> list[str]:
        return [name for name, status in self.status.items() if status == RUNNING]

    @property
    def done(self) -> bool:
        """True when nothing runs and nothing will."""
        return self._running == 0 and (self.halted or not self._next())

    def _next(self) -> bool:
        while self._ready and self.status[self._ready[0][1]] != WAITING:
            heapq.heappop(self._ready)
        return bool(self._ready)

    def begin(self) -> str | None:
        """Take the next step that may begin now, in the definition's order; it counts as running from here.
        None when there is none at the moment."""
        if self.halted or self._running >= self.limit or not self._next():
            return None
        name = heapq.heappop(self._ready)[1]
        self.status[name] = RUNNING
        self._running += 1
        for upstream, trigger in self._nodes[name].needs.items():
            if trigger != "Completed" and self.status[upstream] != SUCCEEDED:
                self.handled.add(upstream)
        return name

    def end(self, name: str, status: str, outcome: bool | None = None) -> None:
        """A running step has ended with a status of `ENDED`; `outcome` of a condition step."""
        if self.status[name] != RUNNING or status not in ENDED:
            raise ValueError(f"{name} is {self.status[name]} and cannot become {status}")
        self.status[name] = status
        self._running -= 1
        self._announce(name, status, outcome)

    def halt(self) -> None:
        """Begin nothing any more."""
        self.halted = True
        for name, status in self.status.items():
            if status == WAITING:
                self.status[name] = SKIPPED

    def _announce(self, name: str, status: str, outcome: bool | None) -> None:
        """Tell the steps behind it, and skip those that can no longer begin."""
        todo = [(name, status, outcome)]
        while todo:
            source, how, taken = todo.pop()
            for waiting in self._downstream[source]:
                if self.status[waiting] != WAITING:
                    continue
                node = self._nodes[waiting]
                met = how in ENDED
                if met and source in node.needs:
                    met = _wanted(node.needs[source], how)
                if met and node.branch and node.branch[0] == source:
                    met = how == SUCCEEDED and taken is node.branch[1]
                if not met:
                    self.status[waiting] = SKIPPED
                    todo.append((waiting, SKIPPED, None))
                    continue
                self._open[waiting] -= 1
                if self._open[waiting] == 0:
                    heapq.heappush(self._ready, (self._order[waiting], waiting))


def execution_status(status: Mapping[str, str], handled: Iterable[str], stopping: bool) -> str:
    """The execution's final status from its steps': AWS's Succeeded, Failed, Stopped, or
    CompletedWithFailures when another step took care of every failure."""
    known = set(handled)
    unhandled = {how for name, how in status.items() if how in (FAILED, STOPPED) and name not in known}
    if stopping:
        return "Stopped"
    if FAILED in unhandled:
        return "Failed"
    if STOPPED in unhandled:
        return "Stopped"
    return "CompletedWithFailures" if known & set(status) else "Succeeded"
