"""The rules of CodePipeline's stages, as properties of any history."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.services.codepipeline.flow import QUEUED, SUPERSEDED, Flow

STAGES = 3


class History:
    """Runs steps on a flow and keeps what a pipeline would know of each execution."""

    def __init__(self, mode):
        self.flow, self.count = Flow(STAGES, mode), 0
        self.status, self.entries, self.started = {}, [[] for _ in range(STAGES)], []

    def take(self, change):
        for name in change.superseded:
            assert self.status[name] == "InProgress"
            self.status[name] = "Superseded"
        for name, stage in change.entered:
            assert self.status[name] == "InProgress"
            self.entries[stage].append(int(name))

    def step(self, what, stage):
        holder = self.flow.places[stage].holder
        if what == "start":
            self.count += 1
            self.status[str(self.count)] = "InProgress"
            self.take(self.flow.arrive(str(self.count), 0))
        elif what == "succeed" and holder:
            if stage == STAGES - 1:
                self.status[holder] = "Succeeded"
            self.take(self.flow.advance(holder, stage))
        elif what == "fail" and holder:
            self.status[holder] = "Failed"
            self.take(self.flow.release(holder, stage))
        elif what == "stop" and self.flow.places[stage].waiting:
            name = self.flow.places[stage].waiting[0]
            assert self.flow.drop(name)
            self.status[name] = "Stopped"
        elif what in ("enable", "disable"):
            self.take(self.flow.set_open(stage, what == "enable"))

    def check(self):
        held = [p.holder for p in self.flow.places if p.holder]
        waiting = [name for p in self.flow.places for name in p.waiting]
        # nobody is lost, and nobody is in two places
        assert sorted(held + waiting) == sorted(n for n, s in self.status.items() if s == "InProgress")
        for place, entries in zip(self.flow.places, self.entries, strict=True):
            assert entries == sorted(set(entries))  # in order, each once
            assert place.waiting == sorted(place.waiting, key=int)
            assert not (place.open and place.waiting and place.holder is None)  # nobody waits for nothing
            if self.flow.mode == SUPERSEDED:
                assert len(place.waiting) <= 1


STEPS = st.tuples(
    st.sampled_from(["start", "start", "succeed", "succeed", "fail", "stop", "enable", "disable"]),
    st.integers(0, STAGES - 1),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([SUPERSEDED, QUEUED]), st.lists(STEPS, max_size=60))
def test_no_execution_is_lost_and_none_overtakes(mode, steps):
    history = History(mode)
    for what, stage in steps:
        history.step(what, stage)
        history.check()
    if mode == QUEUED:
        assert "Superseded" not in history.status.values()
    # let everything run to its end: what was started is at an end, each in one way
    for stage in range(STAGES):
        history.step("enable", stage)
    while not history.flow.idle:
        for stage in reversed(range(STAGES)):
            history.step("succeed", stage)
        history.check()
    assert "InProgress" not in history.status.values()
    if history.count and history.status[str(history.count)] not in ("Failed", "Stopped"):
        assert history.status[str(history.count)] == "Succeeded"  # the newest is never superseded


def test_a_newer_execution_supersedes_the_one_that_waits():
    flow = Flow(2)
    assert flow.arrive("1", 0).entered == [("1", 0)]
    assert flow.arrive("2", 0).superseded == []
    assert flow.arrive("3", 0).superseded == ["2"]
    change = flow.advance("1", 0)
    assert change.entered == [("1", 1), ("3", 0)]
    assert flow.advance("3", 0).entered == []
    assert flow.places[1].waiting == ["3"]


def test_leaving_a_stage_without_being_in_it_is_an_error():
    with pytest.raises(ValueError, match="1 is not in stage 0"):
        Flow(2).release("1", 0)
