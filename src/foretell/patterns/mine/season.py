"""The season of a level: what the hour, the weekday or the time of year adds to it, learnt in the early part.

Counts and amounts are multiplied by their season, as a busy December is busier in a busy year; shares are
added to. Its weights are estimates: `error` gives what their errors do to a figure that was adjusted by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from foretell.features.matrix import Floats, Instants
from foretell.patterns.mine.grid import Grid
from foretell.patterns.mine.levels import Early, Fit, Level, Read, fit
from foretell.patterns.sheet import Ints, Part

LEAST_COUNT = 5.0  # a period's rows, on average, for their logarithm to be told


@dataclass(frozen=True, eq=False)
class Season:
    """What is taken out of a level; `fitted` is the early part's, the season's columns first.

    Where it `scales`, what is fitted are logarithms.
    """

    grid: Grid
    fitted: Fit
    scales: bool

    @cached_property
    def weights(self) -> Floats:
        return self.fitted.coefficients[: self.grid.width]

    def at(self, periods: Ints) -> Floats:
        return np.asarray(self.grid.design(periods) @ self.weights, np.float64)

    def remove(self, periods: Ints, rows: Floats, sums: Floats) -> Floats:
        """Sums of values over rows of one period each, their season taken out."""
        if not len(self.weights):
            return sums
        own, place = np.unique(periods, return_inverse=True)
        season = self.at(own)[place]
        return sums * np.exp(-season) if self.scales else sums - rows * season

    def sql(self, value: str, period: str) -> str:
        """A value of a period, its season taken out, as an expression in DuckDB."""
        if not len(self.weights):
            return value
        season = self.grid.season_sql(self.weights, period)
        return f"{value} / exp({season})" if self.scales else f"{value} - ({season})"

    def lean(self, held: Read, pull: Floats) -> Floats:
        """(k,) how the weights move a figure that is the sum of `pull` (entries,) times adjusted values."""
        of = self.remove(held.periods, held.rows, held.sums) if self.scales else held.rows
        own, place = np.unique(held.periods, return_inverse=True)
        moved = np.bincount(place, weights=pull * of, minlength=len(own))
        return np.asarray(-(moved @ self.grid.design(own)), np.float64)

    def error(self, level: Level, lean: Floats) -> tuple[Floats, Ints, Ints]:
        """What early rows' errors do to a figure that moves by `lean` (k,) with the weights.

        Gives each early entry's part, its entity and its period. The parts sum to zero: they are there for
        the figure's error alone.
        """
        start, stop = level.span(Part.EARLY)
        held = level.read(start, stop)
        pull = self.fitted.design @ (self.fitted.inverse[:, : len(lean)] @ lean)  # (periods,)
        at = held.periods - start
        expected = (self.fitted.design @ self.fitted.coefficients)[at]
        off = held.sums / np.exp(expected) - held.rows if self.scales else held.sums - held.rows * expected
        parts = pull[at] * off
        if len(parts):
            parts = parts - held.rows * (parts.sum() / held.rows.sum())
        return parts, held.entities, held.periods

    def series(self, level: Level) -> tuple[Instants, Floats]:
        """The level per period over all of history, its season taken out."""
        start, stop = self.grid.first, level.span(Part.LATER)[1]
        rows, sums = level.per_period(start, stop)
        every = np.arange(start, stop)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.grid.starts(every), self.remove(every, rows, sums) / rows


def learn(early: Early, base: Floats) -> Season:
    """The season of an early level beside `base` (periods, columns), such as a line or steps."""
    level, rows = early.level, early.rows
    grid = level.grid
    known = rows > 0
    values = np.where(known, early.values, 0.0)
    held = values[known]
    scales = bool(grid.width and not level.is_share and len(held) and held.min() > 0)
    if level.counts and scales:
        scales = float(held.mean()) >= LEAST_COUNT
    if scales:
        values = np.log(np.where(known, values, 1.0))
    design = np.column_stack([grid.design(np.arange(grid.first, grid.stop)), base])
    return Season(grid, fit(values, rows, design), scales)


def adjustment(grid: Grid) -> str:
    """What levels are adjusted for, as the end of a sentence."""
    if grid.adjusted:
        return f" (adjusted for {grid.adjusted})"
    return " (the time of year is not taken out)" if grid.blind else ""


def unadjusted(grid: Grid) -> tuple[str, ...]:
    """A caution where the time of year could not be told from a trend."""
    if not grid.blind:
        return ()
    return (
        "trends and changes are not adjusted for the time of year: the early part has less than two years",
    )
