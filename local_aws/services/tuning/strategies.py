"""Which hyperparameters to try next.

Random and Grid are what their names say. Bayesian fits a Gaussian process (`gaussian`) to the results and takes
the candidate with the greatest expected improvement, after some random ones; it is this module's own method, not
AWS's, whose model is not published.
"""

import itertools
import math
import random
from dataclasses import dataclass

from local_aws.services.tuning.ranges import Categorical, Parameter

CANDIDATES = 400  # random ones, and a quarter as many near the best
DRAWS = 100  # attempts to find a combination that was not tried


@dataclass(frozen=True)
class Trial:
    """A combination that was tried. `value`: the objective, None while it runs or when it gave none; `pending`:
    it runs still."""

    values: dict[str, str]
    value: float | None = None
    pending: bool = False


class RandomSearch:
    """Draws each parameter on its scale. The same seed gives the same combinations."""

    def __init__(self, parameters: list[Parameter], seed: int | None = None):
        self.parameters = parameters
        self.random = random.Random(seed)

    @property
    def combinations(self) -> int | None:
        """How many there are, if the strategy tries them all."""
        return None

    def propose(self, trials: list[Trial]) -> dict[str, str]:
        """The next combination, another one than those tried, as far as there are any."""
        tried = [trial.values for trial in trials]
        for _ in range(DRAWS):
            found = {parameter.name: parameter.draw(self.random) for parameter in self.parameters}
            if found not in tried:
                break
        return found


class GridSearch(RandomSearch):
    """Every combination of categories, once each."""

    @property
    def combinations(self) -> int:
        return math.prod(len(parameter.values) for parameter in self.parameters)

    def propose(self, trials: list[Trial]) -> dict[str, str]:
        names = [parameter.name for parameter in self.parameters]
        grid = itertools.product(*(parameter.values for parameter in self.parameters))
        return dict(zip(names, next(itertools.islice(grid, len(trials), None)), strict=True))


class BayesianSearch(RandomSearch):
    """`maximize`: whether a greater objective is better."""

    def __init__(self, parameters: list[Parameter], seed: int | None = None, maximize: bool = True):
        super().__init__(parameters, seed)
        self.sign = 1.0 if maximize else -1.0
        self.first = min(10, 3 + len(parameters))  # so many results before the model is asked

    def propose(self, trials: list[Trial]) -> dict[str, str]:
        import numpy as np

        from local_aws.services.tuning.gaussian import GaussianProcess

        known = [trial for trial in trials if trial.value is not None]
        if len(known) < self.first:
            return super().propose(trials)
        values = [self.sign * trial.value for trial in known]
        best = known[max(range(len(known)), key=values.__getitem__)]
        tried = [trial.values for trial in trials]
        candidates = [
            {parameter.name: parameter.draw(self.random) for parameter in self.parameters}
            for _ in range(CANDIDATES)
        ] + [
            {p.name: p.near(best.values[p.name], self.random) for p in self.parameters}
            for _ in range(CANDIDATES // 4)
        ]
        candidates = [candidate for candidate in candidates if candidate not in tried]
        if not candidates:
            return super().propose(trials)
        # what still runs is taken for average, so that parallel jobs do not all try the same place
        running = [trial for trial in trials if trial.pending]
        points = np.array([self._encode(trial.values) for trial in known + running])
        average = sum(values) / len(values)
        process = GaussianProcess(points, np.array([*values, *(average for _ in running)]))
        gain = process.expected_improvement(np.array([self._encode(c) for c in candidates]), max(values))
        return candidates[int(gain.argmax())]

    def _encode(self, values: dict[str, str]) -> list[float]:
        return [place for p in self.parameters for place in p.encode(values[p.name])]


def make(strategy: str, parameters: list[Parameter], seed: int | None, maximize: bool) -> RandomSearch:
    """The search of a `Strategy`. ValueError for one that is not known, or a grid over numbers."""
    if strategy == "Random":
        return RandomSearch(parameters, seed)
    if strategy == "Bayesian":
        return BayesianSearch(parameters, seed, maximize)
    if strategy != "Grid":
        raise ValueError(f"Strategy {strategy} is not emulated by local_aws. Use Random, Grid or Bayesian.")
    numeric = [p.name for p in parameters if not isinstance(p, Categorical)]
    if numeric:
        raise ValueError(f"Grid search takes only categorical parameters, not {', '.join(numeric)}.")
    return GridSearch(parameters, seed)
