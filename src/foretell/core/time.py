"""Instants, offsets and windows: time cut once, at the cutoff.

An instant is a whole number of microseconds since 1970-01-01T00:00:00 UTC. A window is read from a cutoff t
as the half-open range (t + start, t + end]: a row at exactly t is past, so it is never part of a target.
"""

from __future__ import annotations

import calendar
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from foretell.core.errors import UsageError
from foretell.core.text import nearest

Instant: TypeAlias = int
"""Microseconds since 1970-01-01T00:00:00 UTC."""

EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)


class Unit(StrEnum):
    """A unit of time. Months, quarters and years are calendar units; the others have a fixed length."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    @property
    def microseconds(self) -> int | None:
        """The fixed length, or None for a calendar unit."""
        return _FIXED.get(self)

    @property
    def months(self) -> int | None:
        """The length in calendar months, or None for a fixed unit."""
        return _MONTHS.get(self)


_FIXED = {
    Unit.SECOND: 1_000_000,
    Unit.MINUTE: 60_000_000,
    Unit.HOUR: 3_600_000_000,
    Unit.DAY: 86_400_000_000,
    Unit.WEEK: 604_800_000_000,
}
_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}
ABBREVIATIONS = {
    Unit.SECOND: "s",
    Unit.MINUTE: "min",
    Unit.HOUR: "h",
    Unit.DAY: "d",
    Unit.WEEK: "w",
    Unit.MONTH: "mo",
    Unit.QUARTER: "q",
    Unit.YEAR: "y",
}
"""Units as they are written in the names of features and in spans such as 30d."""
_SPELT = {text: u for u in Unit for text in (ABBREVIATIONS[u], u.value, f"{u.value}s")}
_SPAN = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)\s*([A-Za-z]+)\s*")
DAY = _FIXED[Unit.DAY]
_MEAN_MONTH = 2_629_746_000_000  # a year of 365.2425 days / 12


@dataclass(frozen=True)
class Offset:
    """A signed distance in time; ±inf is allowed. Calendar units take whole amounts only.

    >>> print(Offset(30, Unit.DAY))
    30 days
    >>> format_instant(Offset(1, Unit.MONTH).after(parse_instant("2024-01-31")))
    '2024-02-29'
    """

    amount: float
    unit: Unit = Unit.DAY

    def __post_init__(self) -> None:
        if math.isnan(self.amount):
            raise UsageError("an offset in time cannot be NaN")
        if self.unit.months and math.isfinite(self.amount) and self.amount != int(self.amount):
            raise UsageError(
                f"{self.amount:g} {self.unit}s is not a whole number of {self.unit}s",
                mend="use days, or a whole number",
            )

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}{'' if abs(self.amount) == 1 else 's'}"

    def __neg__(self) -> Offset:
        return Offset(-self.amount, self.unit)

    @property
    def finite(self) -> bool:
        return math.isfinite(self.amount)

    @property
    def microseconds(self) -> float:
        """The length in microseconds: exact for fixed units, the mean Gregorian length for calendar ones."""
        return self.amount * (self.unit.microseconds or _MEAN_MONTH * (self.unit.months or 1))

    @property
    def days(self) -> float:
        return self.microseconds / DAY

    @property
    def exact(self) -> tuple[int, int] | None:
        """(calendar months, microseconds), one of them 0; None when infinite. What SQL intervals are made
        of.
        """
        if not self.finite:
            return None
        if self.unit.months:
            return int(self.amount) * self.unit.months, 0
        return 0, round(self.amount * (self.unit.microseconds or 0))

    def after(self, instant: Instant) -> Instant:
        """The instant this far after `instant`; a day past the month's end becomes the month's last day."""
        if not self.finite:
            raise UsageError("an infinite offset has no instant")
        if self.unit.months:
            return add_months(instant, int(self.amount) * self.unit.months)
        return instant + round(self.amount * (self.unit.microseconds or 0))


@dataclass(frozen=True)
class Last:
    """A look-back by count: the last so many events before the cutoff, however long ago they were.

    >>> print(Last(10))
    last 10
    """

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"the last {self.count} events are none")

    def __str__(self) -> str:
        return f"last {self.count}"


LookBack: TypeAlias = Offset | Last
"""How far back events are looked at: a length of time, or a number of them."""


def parse_span(text: str) -> Offset:
    """A length of time from a number and a unit, in full or short: s, min, h, d, w, mo, q, y.

    >>> print(parse_span("30d"), parse_span("2 weeks"), sep=", ")
    30 days, 2 weeks
    >>> parse_span("30m")
    Traceback (most recent call last):
    foretell.core.errors.UsageError: found '30m', expected a span of time such as 30d
    m is not a unit: write 30min or 30mo
    """
    expected = f"found {text!r}, expected a span of time such as 30d"
    found = _SPAN.fullmatch(text)
    if found is None:
        raise UsageError(expected, mend="write a number and a unit: 12h, 7d, 4w, 6mo, 1y")
    number, word = found.groups()
    if number.startswith("-"):
        raise UsageError(f"found {text!r}, expected a span of time that is not negative")
    if word == "m":
        raise UsageError(expected, mend=f"m is not a unit: write {number}min or {number}mo")
    unit = _SPELT.get(word.lower())
    if unit is None:
        best = nearest(word, _SPELT)
        units = f"the units are {', '.join(ABBREVIATIONS.values())}"
        raise UsageError(expected, mend=f"did you mean {number}{best}? {units}" if best else units)
    return Offset(float(number), unit)


@dataclass(frozen=True)
class Window:
    """The range (t + start, t + end] around a cutoff t."""

    start: Offset
    end: Offset

    def __post_init__(self) -> None:
        if not self.start.microseconds < self.end.microseconds:
            raise UsageError(f"the window from {self.start} to {self.end} is empty or reversed")

    def __str__(self) -> str:
        return f"({self.start}, {self.end}]"

    @property
    def is_future(self) -> bool:
        return self.start.amount >= 0

    @property
    def is_past(self) -> bool:
        return self.end.amount <= 0


def add_months(instant: Instant, months: int) -> Instant:
    """Calendar arithmetic as SQL's `+ INTERVAL n MONTH` does it: the day is clamped to the month's length."""
    moment = to_datetime(instant)
    index = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(index, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return from_datetime(moment.replace(year=year, month=month + 1, day=day))


def to_datetime(instant: Instant) -> datetime:
    """A naive datetime in UTC."""
    return EPOCH + timedelta(microseconds=instant)


def from_datetime(moment: datetime) -> Instant:
    """An instant from a datetime; a naive one is taken as UTC."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return (moment - EPOCH) // MICROSECOND


def parse_instant(text: str) -> Instant:
    """An instant from ISO 8601 text; without a zone it is UTC.

    >>> parse_instant("1970-01-02")
    86400000000
    """
    try:
        return from_datetime(datetime.fromisoformat(text.strip()))
    except ValueError:
        raise UsageError(
            f"found {text!r}, expected a date or a timestamp",
            mend="write it as 2026-03-01 or '2026-03-01 12:00:00'",
        ) from None


def format_instant(instant: Instant) -> str:
    """ISO text, as short as it can be: the date alone at midnight.

    >>> format_instant(86400000000), format_instant(86400000000 + 1)
    ('1970-01-02', '1970-01-02 00:00:00.000001')
    """
    moment = to_datetime(instant)
    if moment.time() == datetime.min.time():
        return moment.date().isoformat()
    return moment.isoformat(sep=" ")
