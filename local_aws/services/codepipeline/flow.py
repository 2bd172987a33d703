"""Which execution is in which stage of one pipeline: the rules, without threads and without AWS.

Source: CodePipeline user guide, "How executions are processed in SUPERSEDED mode" and "... in QUEUED mode".
A stage holds one execution at a time. An execution that finds the next stage held, or its inbound transition
disabled, waits in front of it. In SUPERSEDED mode a newer one that comes to the same place supersedes the one
that waits there; in QUEUED mode they line up. No execution overtakes another.
"""

from dataclasses import dataclass, field

SUPERSEDED, QUEUED = "SUPERSEDED", "QUEUED"


@dataclass
class Change:
    """What a step did: `entered` are (execution, stage number) to run now, `superseded` are at their end."""

    entered: list[tuple[str, int]] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)

    def __add__(self, other: "Change") -> "Change":
        return Change(self.entered + other.entered, self.superseded + other.superseded)


@dataclass
class Place:
    """One stage: who is in it, who waits in front of it (oldest first), and whether the way in is open."""

    holder: str | None = None
    waiting: list[str] = field(default_factory=list)
    open: bool = True


class Flow:
    """The places of one pipeline. Executions are named by their ids; a stage by its number from 0."""

    def __init__(self, stages: int, mode: str = SUPERSEDED):
        self.mode = mode
        self.places = [Place() for _ in range(stages)]

    def arrive(self, execution: str, stage: int) -> Change:
        """`execution` comes to the way into `stage`: it enters, or waits and may supersede who waited."""
        place, change = self.places[stage], Change()
        if self.mode == SUPERSEDED:
            change.superseded, place.waiting = place.waiting, []
        place.waiting.append(execution)
        return change + self._admit(stage)

    def advance(self, execution: str, stage: int) -> Change:
        """`execution` succeeded in `stage`: it goes on to the next one, and makes room. After the last stage it
        only makes room."""
        self._check(execution, stage)
        change = Change()
        if stage + 1 < len(self.places):
            change += self.arrive(execution, stage + 1)
        return change + self.release(execution, stage)

    def release(self, execution: str, stage: int) -> Change:
        """`execution` leaves `stage` for good (it failed, or was stopped)."""
        self._check(execution, stage)
        self.places[stage].holder = None
        return self._admit(stage)

    def drop(self, execution: str) -> bool:
        """Take an execution that waits out of the way; False when it does not wait."""
        for place in self.places:
            if execution in place.waiting:
                place.waiting.remove(execution)
                return True
        return False

    def enter_again(self, execution: str, stage: int) -> bool:
        """A failed execution is tried again in `stage`. False when another one is there."""
        place = self.places[stage]
        if place.holder is not None:
            return False
        place.holder = execution
        return True

    def set_open(self, stage: int, is_open: bool) -> Change:
        """Enable or disable the transition into `stage`."""
        self.places[stage].open = is_open
        return self._admit(stage)

    @property
    def idle(self) -> bool:
        return all(place.holder is None and not place.waiting for place in self.places)

    def _admit(self, stage: int) -> Change:
        place = self.places[stage]
        if place.holder is None and place.open and place.waiting:
            place.holder = place.waiting.pop(0)
            return Change(entered=[(place.holder, stage)])
        return Change()

    def _check(self, execution: str, stage: int) -> None:
        if self.places[stage].holder != execution:
            raise ValueError(f"{execution} is not in stage {stage}")
