"""Ranges and strategies of hyperparameter tuning, without a server."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.services.tuning import ranges
from local_aws.services.tuning.stopping import is_behind
from local_aws.services.tuning.strategies import Trial, make


def integer(low, high, scale="Auto", name="n"):
    return {"Name": name, "MinValue": str(low), "MaxValue": str(high), "ScalingType": scale}


def parsed(integers=(), continuous=(), categorical=()):
    return ranges.parse(
        {
            "IntegerParameterRanges": list(integers),
            "ContinuousParameterRanges": list(continuous),
            "CategoricalParameterRanges": list(categorical),
        }
    )


scales = st.sampled_from(["Linear", "Logarithmic", "ReverseLogarithmic", "Auto"])


@settings(max_examples=100, deadline=None)
@given(st.data(), scales, st.floats(0, 1))
def test_a_continuous_value_is_in_its_range_and_finds_its_place_again(data, scale, position):
    low, high = {
        "Linear": (-1e6, 1e6),
        "Logarithmic": (1e-8, 1e6),
        "ReverseLogarithmic": (0.0, 0.9999),
        "Auto": (-10.0, 1e6),
    }[scale]
    ends = sorted(data.draw(st.tuples(*[st.floats(low, high)] * 2)))
    (parameter,) = parsed(continuous=[integer(*ends, scale)])
    value = float(parameter.at(position))
    assert ends[0] <= value <= ends[1]
    assert parameter.at(position) == repr(value)
    if ends[1] - ends[0] > 1e-3 * max(1.0, abs(ends[0])):
        assert parameter.encode(repr(value))[0] == pytest.approx(position, abs=1e-3)


@settings(max_examples=100, deadline=None)
@given(st.integers(-1000, 1000), st.integers(0, 500), st.floats(0, 1))
def test_an_integer_is_in_its_range(low, width, position):
    (parameter,) = parsed([integer(low, low + width, "Linear")])
    assert low <= int(parameter.at(position)) <= low + width
    assert parameter.at(0.0) == str(low)
    assert parameter.at(1.0) == str(low + width)


def test_every_integer_has_its_share():
    (parameter,) = parsed([integer(1, 4, "Linear")])
    drawn = [parameter.at((i + 0.5) / 400) for i in range(400)]
    assert {value: drawn.count(value) for value in drawn} == {"1": 100, "2": 100, "3": 100, "4": 100}


def test_scales():
    (logarithmic,) = parsed(continuous=[integer("1e-6", "1e-2", "Logarithmic")])
    assert float(logarithmic.at(0.5)) == pytest.approx(1e-4)
    (reverse,) = parsed(continuous=[integer("0.9", "0.999", "ReverseLogarithmic")])
    assert float(reverse.at(0.5)) == pytest.approx(0.99)
    (linear,) = parsed(continuous=[integer("0", "10", "Linear")])
    assert float(linear.at(0.5)) == 5.0
    assert [parsed(continuous=[integer(*ends)])[0].scale for ends in ((1, 99), (1, 100), (0, 1000))] == [
        "Linear",
        "Logarithmic",
        "Linear",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"integers": [integer(5, 1)]}, "greater than its MaxValue"),
        ({"integers": [integer("x", 1)]}, "which is not an integer"),
        ({"continuous": [integer("nan", 1)]}, "which is not a number"),
        ({"continuous": [integer(0, 1, "Logarithmic")]}, "needs values greater than 0"),
        ({"continuous": [integer(0, 1, "ReverseLogarithmic")]}, "needs 0 <= values < 1"),
        ({"integers": [integer(0, 1, "ReverseLogarithmic")]}, "for continuous parameters"),
        ({"integers": [integer(0, 1)] * 2}, "more than one range"),
        ({"categorical": [{"Name": "c", "Values": ["a", "a"]}]}, "1 to 30 different values"),
        ({}, "needs 1 to 30 hyperparameter ranges, not 0"),
    ],
)
def test_bad_ranges_are_refused(arguments, message):
    with pytest.raises(ranges.BadRange, match=message):
        parsed(**arguments)


def mixed():
    return parsed(
        [integer(1, 64, name="batch")],
        [integer("1e-5", "1e-1", "Logarithmic", "rate")],
        [{"Name": "optimizer", "Values": ["adam", "sgd"]}],
    )


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["Random", "Bayesian"]), st.integers(0, 2**31), st.integers(1, 25))
def test_the_same_seed_gives_the_same_search(strategy, seed, count):
    def search():
        made, trials = make(strategy, mixed(), seed, True), []
        for _ in range(count):
            values = made.propose(trials)
            trials.append(Trial(values, -abs(math.log10(float(values["rate"])) + 3)))
        return trials

    found = search()
    assert found == search()
    assert len({tuple(sorted(trial.values.items())) for trial in found}) == count


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_a_grid_tries_every_combination_once(sizes):
    categories = [{"Name": f"c{i}", "Values": [str(v) for v in range(size)]} for i, size in enumerate(sizes)]
    search, trials = make("Grid", parsed(categorical=categories), None, True), []
    assert search.combinations == math.prod(sizes)
    for _ in range(search.combinations):
        trials.append(Trial(search.propose(trials)))
    assert len({tuple(sorted(trial.values.items())) for trial in trials}) == math.prod(sizes)


def test_a_grid_over_numbers_and_an_unknown_strategy_are_refused():
    with pytest.raises(ValueError, match="only categorical parameters, not batch, rate"):
        make("Grid", mixed(), None, True)
    with pytest.raises(ValueError, match="Strategy Hyperband is not emulated"):
        make("Hyperband", mixed(), None, True)


@pytest.mark.parametrize("maximize", [True, False])
def test_bayesian_search_finds_more_than_chance(maximize):
    """A smooth valley in two dimensions: the model's best of 25 against the best of 25 random ones, over seeds."""
    parameters = parsed(continuous=[integer(0, 1, "Linear", "x"), integer("1e-4", "1e0", "Logarithmic", "y")])

    def objective(values):
        distance = (float(values["x"]) - 0.3) ** 2 + (math.log10(float(values["y"])) + 2.5) ** 2
        return -distance if maximize else distance

    def best(strategy, seed):
        search, trials = make(strategy, parameters, seed, maximize), []
        for _ in range(25):
            values = search.propose(trials)
            trials.append(Trial(values, objective(values)))
        return min(abs(trial.value) for trial in trials)

    seeds = range(6)
    bayesian = [best("Bayesian", seed) for seed in seeds]
    chance = [best("Random", seed) for seed in seeds]
    assert sorted(bayesian)[len(seeds) // 2] < sorted(chance)[len(seeds) // 2] / 5


def test_parallel_jobs_do_not_all_try_the_same_place():
    search = make("Bayesian", parsed(continuous=[integer(0, 1, "Linear", "x")]), 1, True)
    trials = [Trial({"x": repr(x)}, -abs(x - 0.5)) for x in (0.0, 0.2, 0.4, 0.7, 0.9)]
    first = search.propose(trials)
    second = search.propose([*trials, Trial(first, None, pending=True)])
    assert abs(float(first["x"]) - float(second["x"])) > 0.02


def test_the_median_rule():
    others = [[0.5, 0.6, 0.7], [0.4, 0.6], [0.2, 0.2, 0.2]]  # means: 0.5 0.4 0.2, then 0.55 0.5 0.2
    assert is_behind([0.39], others, maximize=True)
    assert not is_behind([0.4], others, maximize=True)
    assert is_behind([0.9, 0.49], others, maximize=True)
    assert is_behind([0.41], others, maximize=False)
    assert not is_behind([0.4, 0.4, 0.0], others, maximize=True)  # only two have come as far
    assert not is_behind([], others, maximize=True)


def test_near_stays_in_the_range():
    (parameter,) = parsed([integer(1, 10, "Linear")])
    drawn = {parameter.near("10", random.Random(seed)) for seed in range(200)}
    assert drawn <= {str(n) for n in range(1, 11)}
    assert "10" in drawn
