"""Periods of equal length, counted from the split (negative ones are early), and the seasons they go through.

The length and the seasons are settled by the early part alone. Only whole periods count: none straddles the
split, and the unfinished one at the end is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.core.time import DAY, Instant
from foretell.features.matrix import Floats, Instants
from foretell.patterns.mine.phrases import date
from foretell.patterns.mine.statement import number
from foretell.patterns.sheet import Ints

YEAR = 31_556_952_000_000  # microseconds: 365.2425 days
HOUR = DAY // 24
_LENGTHS = (
    (YEAR, "year", 40),
    (28 * DAY, "four weeks", 40),
    (7 * DAY, "week", 16),
    (DAY, "day", 16),
    (HOUR, "hour", 48),
)
"""Lengths with their English, and how many of them the early part must have: the longest is taken."""
_WAVES = 2  # of a year, with their halves


@dataclass(frozen=True)
class Grid:
    """Early periods are `first` to `stop` (negative, whole), later ones 0 to `later(last instant)`."""

    split: Instant
    length: int  # microseconds
    word: str
    first: int
    stop: int
    tick: int  # microseconds between the instants that times are written in: a day, or 1
    yearly: bool  # whether the early part tells the time of year apart

    def of(self, times: Instants) -> Ints:
        """The period of each instant."""
        return (times - self.split) // self.length

    def starts(self, periods: Ints) -> Instants:
        return self.split + periods * self.length

    def later(self, last: Instant) -> int:
        """How many whole periods there are from the split to the last instant."""
        return int(max(0, (last + self.tick - self.split) // self.length))

    def about(self, period: int) -> str:
        """When a period begins, as exactly as it is known: a day, a month or a year."""
        held = date(self.split + period * self.length + (DAY if self.length >= YEAR else 0))
        return held[:4] if self.length >= YEAR else held[:7] if self.length > 7 * DAY else held

    @property
    def early(self) -> int:
        return self.stop - self.first

    @property
    def adjusted(self) -> str:
        """What levels are adjusted for, in English; empty for nothing."""
        words = (["the hour"] if self._phases == 24 else ["the day of the week"]) if self._phases else []
        return " and ".join(words + (["the time of year"] if self.yearly else []))

    @property
    def blind(self) -> bool:
        """Whether a season of the year could pass for a trend: there are too few years to tell."""
        return not self.yearly and self.length < YEAR

    @property
    def _phases(self) -> int:
        return {DAY: 7, HOUR: 24}.get(self.length, 0)

    @property
    def width(self) -> int:
        """How many weights a season has."""
        return max(0, self._phases - 1) + (2 * _WAVES if self.yearly else 0)

    def design(self, periods: Ints) -> Floats:
        """(periods, k) what the season is a sum of: phases of the week or day, and waves of the year."""
        columns: list[npt.NDArray[Any]] = []
        if self._phases:
            phase = np.mod(periods, self._phases)
            columns += [(phase == j).astype(np.float64) - 1.0 / self._phases for j in range(self._phases - 1)]
        if self.yearly:
            angle = self._angle(periods)
            for k in range(1, _WAVES + 1):
                columns += [np.sin(k * angle), np.cos(k * angle)]
        return np.stack(columns, axis=1) if columns else np.zeros((len(periods), 0))

    def _angle(self, periods: Ints) -> Floats:
        middle = self.starts(periods) + self.length / 2
        return np.asarray(2 * np.pi * (middle / YEAR), np.float64)

    def season_sql(self, weights: Floats, period: str) -> str:
        """The season of a period as an expression in DuckDB; `weights` (k,) are those of `design`."""
        terms: list[str] = []
        used = 0
        if self._phases:
            used = self._phases - 1
            levels = self.design(np.arange(self._phases))[:, :used] @ weights[:used]
            listed = ", ".join(repr(float(v)) for v in levels)
            n = self._phases
            terms.append(
                f"list_extract([{listed}]::DOUBLE[], CAST((({period} % {n}) + {n}) % {n} + 1 AS INT))"
            )
        if self.yearly:
            years = f"(({self.split} + {period} * {self.length} + {self.length / 2!r}) / {float(YEAR)!r})"
            for k in range(1, _WAVES + 1):
                sine, cosine = weights[used], weights[used + 1]
                terms.append(f"{number(sine)} * sin({2 * k} * pi() * {years})")
                terms.append(f"{number(cosine)} * cos({2 * k} * pi() * {years})")
                used += 2
        return "\n    + ".join(terms) if terms else "0"


def choose(times: Instants, split: Instant, gap: int) -> Grid | None:
    """The periods for rows at `times` (ascending), or None where the early part is too short.

    >>> days = np.arange(0, 400) * DAY
    >>> grid = choose(days, 300 * DAY, 0)
    >>> grid.word, grid.first, grid.stop, grid.later(399 * DAY)
    ('week', -42, 0, 14)
    """
    known = times[: np.searchsorted(times, split - gap)]
    if len(known) < 2:
        return None
    tick = DAY if not (known % DAY).any() and split % DAY == 0 else 1
    for length, word, least in _LENGTHS:
        first = -int((split - known[0]) // length)
        stop = -int(-(-gap // length))
        if stop - first < least:
            continue
        if length < DAY and tick == DAY:
            break
        yearly = HOUR < length < YEAR and (stop - first) * length >= 2 * YEAR
        return Grid(split, length, word, first, stop, tick, yearly)
    return None
