"""The scheduler of pipeline steps over random graphs: who runs, when, and how often."""

from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.services.pipelines.scheduler import (
    FAILED,
    SKIPPED,
    STOPPED,
    SUCCEEDED,
    Node,
    Scheduler,
    execution_status,
)

MATCHES = {
    "Completed": {SUCCEEDED},
    "Failed": {FAILED},
    "Stopped": {STOPPED},
    "Any": {SUCCEEDED, FAILED, STOPPED},
}


@st.composite
def graphs(draw, triggers=("Completed",), conditions=True):
    """A random graph of up to 12 steps, some of them in a branch of an earlier step."""
    nodes = []
    for index in range(draw(st.integers(1, 12))):
        earlier = [node.name for node in nodes]
        needs = draw(st.lists(st.sampled_from(earlier), max_size=4, unique=True)) if earlier else []
        branch = None
        if conditions and earlier and draw(st.integers(0, 3)) == 0:
            branch = (draw(st.sampled_from(earlier)), draw(st.booleans()))
        nodes.append(Node(f"s{index}", {n: draw(st.sampled_from(triggers)) for n in needs}, branch))
    return draw(st.permutations(nodes))


def play(scheduler, outcomes, choose):
    """Run to the end, letting `choose(running)` say which step ends next. The order of beginnings, of ends,
    and the most that ran at a time."""
    began, ended, running, most = [], [], [], 0
    while True:
        while name := scheduler.begin():
            began.append((name, tuple(ended)))
            running.append(name)
        most = max(most, len(running))
        if not running:
            assert scheduler.done
            return began, ended, most
        name = running.pop(choose(len(running)))
        scheduler.end(name, *outcomes[name])
        ended.append(name)


def outcomes_of(draw_from, nodes, statuses):
    pairs = st.tuples(st.sampled_from(statuses), st.booleans())
    return {node.name: draw_from.draw(pairs) for node in nodes}


@settings(max_examples=30, deadline=None)
@given(st.data(), graphs(), st.integers(1, 8))
def test_every_step_runs_once_after_its_dependencies(data, nodes, limit):
    outcomes = {n.name: (SUCCEEDED, True) for n in nodes}
    plain = [Node(n.name, n.needs, (n.branch[0], True) if n.branch else None) for n in nodes]
    began, ended, most = play(Scheduler(plain, limit), outcomes, lambda n: data.draw(st.integers(0, n - 1)))
    assert sorted(name for name, _ in began) == sorted(n.name for n in nodes)
    assert most <= limit
    before = dict(began)
    for node in plain:
        upstream = {*node.needs, *([node.branch[0]] if node.branch else [])}
        assert upstream <= set(before[node.name])
    assert len(ended) == len(nodes)


@settings(max_examples=50, deadline=None)
@given(st.data(), graphs(triggers=tuple(MATCHES)), st.integers(1, 8))
def test_a_step_runs_if_and_only_if_all_it_waits_for_ended_as_it_wants(data, nodes, limit):
    outcomes = outcomes_of(data, nodes, (SUCCEEDED, SUCCEEDED, FAILED, STOPPED))
    scheduler = Scheduler(nodes, limit)
    began, ended, most = play(scheduler, outcomes, lambda n: data.draw(st.integers(0, n - 1)))
    ran = {name for name, _ in began}
    assert len(began) == len(ran) == len(ended) and most <= limit
    for node in nodes:
        wanted = all(n in ran and outcomes[n][0] in MATCHES[how] for n, how in node.needs.items())
        if node.branch:
            name, side = node.branch
            wanted = wanted and name in ran and outcomes[name] == (SUCCEEDED, side)
        assert (node.name in ran) == wanted
        assert scheduler.status[node.name] == (outcomes[node.name][0] if wanted else SKIPPED)
    for name, done in began:
        assert set(next(n for n in nodes if n.name == name).needs) <= set(done)


@settings(max_examples=20, deadline=None)
@given(st.data(), graphs(), st.integers(1, 8))
def test_none_runs_after_a_failure_it_depends_on_and_all_others_do(data, nodes, limit):
    failing = data.draw(st.sampled_from([n.name for n in nodes]))
    plain = [Node(n.name, n.needs) for n in nodes]
    outcomes = {n.name: (FAILED if n.name == failing else SUCCEEDED, None) for n in plain}
    began, _, _ = play(Scheduler(plain, limit), outcomes, lambda n: data.draw(st.integers(0, n - 1)))
    behind, grown = {failing}, True
    while grown:
        more = {n.name for n in plain if set(n.needs) & behind} | behind
        grown, behind = more != behind, more
    assert {name for name, _ in began} == {n.name for n in plain} - (behind - {failing})


@settings(max_examples=30, deadline=None)
@given(st.data(), graphs(), st.integers(1, 8))
def test_a_retry_runs_exactly_what_did_not_succeed(data, nodes, limit):
    outcomes = outcomes_of(data, nodes, (SUCCEEDED, FAILED))
    first = Scheduler(nodes, limit)
    play(first, outcomes, lambda n: 0)
    known = {name: outcomes[name] for name, how in first.status.items() if how == SUCCEEDED}
    again = {name: (SUCCEEDED, outcome) for name, (_, outcome) in outcomes.items()}
    began, _, _ = play(Scheduler(nodes, limit, known), again, lambda n: 0)
    fresh, _, _ = play(Scheduler(nodes, limit), again, lambda n: 0)
    assert {name for name, _ in began} == {name for name, _ in fresh} - set(known)


def test_halt_begins_nothing_more_and_lets_the_running_end():
    scheduler = Scheduler([Node("a"), Node("b"), Node("c", {"a": "Completed"})], 2)
    assert [scheduler.begin(), scheduler.begin(), scheduler.begin()] == ["a", "b", None]
    scheduler.halt()
    scheduler.end("a", SUCCEEDED)
    assert scheduler.begin() is None and not scheduler.done
    scheduler.end("b", SUCCEEDED)
    assert scheduler.done and scheduler.status["c"] == SKIPPED


def test_final_status():
    assert execution_status({"a": SUCCEEDED, "b": SKIPPED}, [], False) == "Succeeded"
    assert execution_status({"a": FAILED, "b": SUCCEEDED}, [], False) == "Failed"
    assert execution_status({"a": FAILED, "b": SUCCEEDED}, ["a"], False) == "CompletedWithFailures"
    assert execution_status({"a": STOPPED}, [], False) == "Stopped"
    assert execution_status({"a": SUCCEEDED}, [], True) == "Stopped"
