"""Schedule expressions of rules: `rate(5 minutes)` and `cron(0 10 * * ? *)`, in UTC, to the minute.

Source: EventBridge user guide, "Creating an Amazon EventBridge rule that runs on a schedule", "Setting a schedule
pattern for scheduled rules (legacy)".
"""

import calendar
import re
from collections.abc import Callable
from datetime import datetime, timedelta

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_YEARS = (1970, 2199)

Day = Callable[[datetime], bool]


def _numbers(field: str, low: int, high: int, names: list[str] | None = None) -> set[int]:
    """The values of a field of `*`, `,`, `-` and `/`. ValueError for anything else."""

    def number(text: str) -> int:
        value = names.index(text.upper()) + 1 if names and text.upper() in names else int(text)
        if not low <= value <= high:
            raise ValueError(f"{text} is not between {low} and {high}")
        return value

    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = map(number, span.split("-", 1))
        else:
            first = number(span)
            last = high if step else first
        if first > last or (step and int(step) < 1):
            raise ValueError(f"{part} is an empty range")
        found.update(range(first, last + 1, int(step or 1)))
    return found


def _last_day(when: datetime) -> int:
    return calendar.monthrange(when.year, when.month)[1]


def _nearest_weekday(day: int) -> Day:
    """Monday to Friday nearest to a day of the month, within the month."""

    def matches(when: datetime) -> bool:
        wanted = when.replace(day=min(day, _last_day(when)))
        if wanted.weekday() == 5:
            wanted += timedelta(days=-1 if wanted.day > 1 else 2)
        elif wanted.weekday() == 6:
            wanted += timedelta(days=1 if wanted.day < _last_day(when) else -2)
        return wanted.day == when.day

    return matches


def _day_of_month(field: str) -> Day:
    if field == "L":
        return lambda when: when.day == _last_day(when)
    if field.endswith("W"):
        return _nearest_weekday(*_numbers(field[:-1], 1, 31))
    days = _numbers(field, 1, 31)
    return lambda when: when.day in days


def _weekday(when: datetime) -> int:
    """1 is Sunday, as in the expressions."""
    return when.isoweekday() % 7 + 1


def _day_of_week(field: str) -> Day:
    if field == "L":
        return lambda when: _weekday(when) == 7
    if field.endswith("L"):
        (day,) = _numbers(field[:-1], 1, 7, _DAYS)
        return lambda when: _weekday(when) == day and when.day + 7 > _last_day(when)
    if "#" in field:
        name, _, count = field.partition("#")
        (day,), (nth,) = _numbers(name, 1, 7, _DAYS), _numbers(count, 1, 5)
        return lambda when: _weekday(when) == day and (when.day - 1) // 7 + 1 == nth
    days = _numbers(field, 1, 7, _DAYS)
    return lambda when: _weekday(when) in days


class Cron:
    """`cron(minutes hours day-of-month month day-of-week year)`."""

    def __init__(self, fields: list[str]):
        minutes, hours, day, month, weekday, year = fields
        if (day == "?") == (weekday == "?"):
            raise ValueError("one of day-of-month and day-of-week must be ?, and only one")
        self._minutes, self._hours = _numbers(minutes, 0, 59), _numbers(hours, 0, 23)
        self._months, self._years = _numbers(month, 1, 12, _MONTHS), _numbers(year, *_YEARS)
        self._day = _day_of_week(weekday) if day == "?" else _day_of_month(day)

    def due(self, last: datetime, now: datetime) -> bool:
        """Is `now`, a full minute, one of its times? `last` does not matter."""
        return (
            now.minute in self._minutes
            and now.hour in self._hours
            and now.month in self._months
            and now.year in self._years
            and self._day(now)
        )


class Rate:
    """`rate(n minutes)`, counted from the last time."""

    def __init__(self, period: timedelta):
        self._period = period

    def due(self, last: datetime, now: datetime) -> bool:
        return now - last >= self._period


def parse(expression: str) -> Cron | Rate:
    """The schedule. ValueError says what is wrong with it."""
    if rate := _RATE.fullmatch(expression):
        count, unit, plural = int(rate[1]), rate[2], rate[3]
        if count < 1 or (count == 1) == bool(plural):
            raise ValueError("a rate is 1 minute, hour or day, or more than one minutes, hours or days")
        return Rate(timedelta(**{f"{unit}s": count}))
    if expression.startswith("cron(") and expression.endswith(")"):
        fields = expression[5:-1].split()
        if len(fields) != 6:
            raise ValueError("a cron expression has six fields")
        return Cron(fields)
    raise ValueError("it is neither rate(…) nor cron(…)")
