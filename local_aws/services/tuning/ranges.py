"""Ranges of hyperparameters: the values that they hold, and their place in [0, 1] on the range's scale.

Scales are those of the API reference, "ParameterRanges", and of the guide, "Hyperparameter scaling". For `Auto`
AWS only says that it chooses; here it is logarithmic for positive ranges that span two orders of magnitude or
more, else linear.
"""

import math
from dataclasses import dataclass
from typing import Any

AUTO_LOGARITHMIC = 100.0  # max / min from which Auto is logarithmic


class BadRange(ValueError):
    """A range that CreateHyperParameterTuningJob refuses."""


@dataclass(frozen=True)
class Numeric:
    """An integer or continuous range, both ends included. `scale`: Linear, Logarithmic, ReverseLogarithmic."""

    name: str
    low: float
    high: float
    scale: str
    integer: bool

    dimensions = 1

    def _ends(self) -> tuple[float, float]:
        """The scaled ends. Integers own the unit up to the next one, so that all have their share."""
        high = self.high + 1 if self.integer else self.high
        return self._scaled(self.low), self._scaled(high)

    def _scaled(self, value: float) -> float:
        if self.scale == "Logarithmic":
            return math.log(value)
        if self.scale == "ReverseLogarithmic":
            return -math.log1p(-value)
        return value

    def at(self, position: float) -> str:
        """The value at `position` in [0, 1], as the training job gets it."""
        low, high = self._ends()
        scaled = low + position * (high - low)
        if self.scale == "Logarithmic":
            value = math.exp(scaled)
        elif self.scale == "ReverseLogarithmic":
            value = -math.expm1(-scaled)
        else:
            value = scaled
        if self.integer:
            return str(int(min(max(math.floor(value), self.low), self.high)))
        return repr(float(min(max(value, self.low), self.high)))

    def draw(self, random: Any) -> str:
        return self.at(random.random())

    def near(self, text: str, random: Any) -> str:
        """A value in the neighborhood of another one."""
        (position,) = self.encode(text)
        return self.at(min(1.0, max(0.0, position + random.gauss(0.0, 0.1))))

    def encode(self, text: str) -> list[float]:
        """The place of a value in [0, 1]."""
        low, high = self._ends()
        value = float(text) + (0.5 if self.integer else 0.0)
        return [(self._scaled(value) - low) / (high - low) if high > low else 0.0]


@dataclass(frozen=True)
class Categorical:
    name: str
    values: tuple[str, ...]

    @property
    def dimensions(self) -> int:
        return len(self.values)

    def draw(self, random: Any) -> str:
        return random.choice(self.values)

    def near(self, text: str, random: Any) -> str:
        return self.draw(random) if random.random() < 0.2 else text

    def encode(self, text: str) -> list[float]:
        """One of as many corners: every two values are equally far apart, 1."""
        return [math.sqrt(0.5) * (value == text) for value in self.values]


Parameter = Numeric | Categorical


def _number(item: dict[str, Any], member: str, integer: bool) -> float:
    text = item.get(member, "")
    try:
        value = int(text) if integer else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        kind = "an integer" if integer else "a number"
        raise BadRange(f"{member} of the hyperparameter {item['Name']} is {text!r}, which is not {kind}.")
    return value


def _numeric(item: dict[str, Any], integer: bool) -> Numeric:
    name, scale = item["Name"], item.get("ScalingType") or "Auto"
    low, high = _number(item, "MinValue", integer), _number(item, "MaxValue", integer)
    if low > high:
        raise BadRange(
            f"The hyperparameter {name} has MinValue {item['MinValue']}, which is greater than its MaxValue "
            f"{item['MaxValue']}."
        )
    if scale == "Auto":
        scale = "Logarithmic" if low > 0 and high / low >= AUTO_LOGARITHMIC else "Linear"
    if scale == "Logarithmic" and low <= 0:
        raise BadRange(f"Logarithmic scaling needs values greater than 0, but {name} begins at {low:g}.")
    if scale == "ReverseLogarithmic":
        if integer:
            raise BadRange(f"ReverseLogarithmic scaling is for continuous parameters; {name} is an integer.")
        if not 0 <= low <= high < 1:
            raise BadRange(
                f"ReverseLogarithmic scaling needs 0 <= values < 1, but {name} does not keep to it."
            )
    if scale not in ("Linear", "Logarithmic", "ReverseLogarithmic"):
        raise BadRange(f"ScalingType {scale!r} of {name} is not known.")
    return Numeric(name, low, high, scale, integer)


def parse(ranges: dict[str, Any]) -> list[Parameter]:
    """The `ParameterRanges` of a request, in order of their names. Raises `BadRange`."""
    found: list[Parameter] = []
    for item in ranges.get("IntegerParameterRanges") or []:
        found.append(_numeric(item, True))
    for item in ranges.get("ContinuousParameterRanges") or []:
        found.append(_numeric(item, False))
    for item in ranges.get("CategoricalParameterRanges") or []:
        values = tuple(str(v) for v in item["Values"])
        if not 1 <= len(set(values)) == len(values) <= 30:
            raise BadRange(f"The hyperparameter {item['Name']} needs 1 to 30 different values.")
        found.append(Categorical(item["Name"], values))
    names = [parameter.name for parameter in found]
    for name in names:
        if names.count(name) > 1:
            raise BadRange(f"The hyperparameter {name} has more than one range.")
    if not 1 <= len(found) <= 30:
        raise BadRange(f"A tuning job needs 1 to 30 hyperparameter ranges, not {len(found)}.")
    return sorted(found, key=lambda parameter: parameter.name)
