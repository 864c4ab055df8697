"""Trends: levels that rose or fell throughout the early part, confirmed where they go on doing so.

The figure is the slope of a line through the level's periods, its season taken out. The season is the early
part's; its own error is part of the figure's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from foretell.features.matrix import Floats, Instants
from foretell.patterns.candidate import Mined, Sample
from foretell.patterns.finding import Kind, Measured
from foretell.patterns.mine.grid import YEAR, Grid, choose
from foretell.patterns.mine.levels import (
    Early,
    Level,
    as_z,
    block_of,
    cells,
    every_level,
    fit,
    memory,
    spread,
)
from foretell.patterns.mine.phrases import between, date, figure, first_upper, step
from foretell.patterns.mine.season import Season, adjustment, learn, unadjusted
from foretell.patterns.mine.statement import number, statement
from foretell.patterns.sheet import Bools, Ints, Part, Sheet

LEAST_Z = 3.0
LEAST_MOVE = 0.05  # of the level, over the early part
LEAST_BLOCKS = 12


@dataclass(frozen=True, eq=False)
class Trend:
    """A level that goes on rising or falling."""

    level: Level
    season: Season
    slope: float  # of the early part, per unit of time
    block: int  # periods
    strength: float
    kind: Kind = Kind.TREND

    @property
    def key(self) -> str:
        return f"trend:{self.level.key}"

    @property
    def about(self) -> str:
        return self.key

    def sample(self, part: Part) -> Sample:
        level, grid = self.level, self.level.grid
        start, stop = level.span(part)
        held = level.read(start, stop)
        periods, entities, n = held.periods, held.entities, held.rows
        every = np.arange(start, stop)
        t = _clock(every, start, stop, grid)
        x = t[periods - start]
        adjusted = self.season.remove(periods, n, held.sums)
        columns = np.stack([n, n * x, n * x * x, adjusted, x * adjusted, np.zeros(len(x))], axis=1)
        if len(self.season.weights) and len(x) > 2:
            centred = x - (n @ x) / n.sum()
            lean = self.season.lean(held, centred / (n @ centred**2))
            error, of, dates = self.season.error(level, lean)
            columns = np.concatenate([columns, np.pad(error[:, None], ((0, 0), (5, 0)))])
            entities, periods = np.concatenate([entities, of]), np.concatenate([periods, dates])
        sums, entities, blocks = cells(columns, entities, periods // self.block)
        return Sample(sums, _slope, entities, blocks, held.support, level.population(part))

    def rows(self) -> Bools | None:
        return None

    def series(self) -> tuple[Instants, Floats]:
        return self.season.series(self.level)

    def sentence(self, measured: Measured) -> str:
        level, share = self.level, self.level.is_share
        goes = "rising" if self.slope > 0 else "falling"
        _, values = self.series()
        known = values[np.isfinite(values)]
        width = max(1, len(known) // 10)
        first, last = float(known[:width].mean()), float(known[-width:].mean())
        if share:  # a season taken out can lead a little beyond
            first, last = min(max(first, 0.0), 1.0), min(max(last, 0.0), 1.0)
        unit = _unit(level.grid)[1]
        split = date(level.grid.split)
        held = f"{level.title()} {'keep' if level.counts else 'keeps'} {goes}"
        sure = measured.low * measured.high > 0
        if not sure or measured.value * self.slope <= 0:
            held = f"{level.title()} {'were' if level.counts else 'was'} {goes} until {split}"
        since = step(measured.value, share)
        way = "up" if measured.value > 0 else "down"
        text = (
            f"{held}: {way} {since} {unit} since {split} {between(measured, share)}, "
            f"after {step(self.slope, share)} {unit} before; from {figure(first, share)} at first "
            f"to {figure(last, share)} at last{adjustment(level.grid)}"
        )
        return first_upper(text)

    def sql(self) -> str:
        level, grid = self.level, self.level.grid
        start, stop = level.span(Part.LATER)
        steps = level.steps({"later": (start, stop)}, self.season.sql("value", "period"))
        scale = grid.length / _unit(grid)[0]
        x = f"(period - {(start + stop - 1) / 2!r}) * {number(scale)}"
        support = "CAST(sum(value) AS BIGINT)" if level.counts or level.among else "count(*)"
        last = (
            f"SELECT regr_slope(level, {x}) AS value, {support} AS support\nFROM levels WHERE part = 'later'"
        )
        return statement(level.sheet.source, level.sheet.preamble, steps, last)


def mine_trends(sheet: Sheet, *, seconds: float, seed: int) -> Mined:
    """Levels whose early periods rise or fall beyond their noise, better told by a line than by a step."""
    until = time.monotonic() + seconds
    grid = choose(sheet.times, sheet.split, sheet.gap)
    if grid is None:
        return Mined((), 0)
    found: list[Trend] = []
    seen: set[int] = set()
    searched = 0
    whole: dict[str, Trend] = {}
    for early in every_level(sheet, grid):
        if time.monotonic() > until:
            break
        searched += 1
        trend = _trend(early)
        if trend is None:
            continue
        level = early.level
        if level.attribute is None and level.outcome is not None:
            whole[level.outcome] = trend
        if level.attribute is not None and level.outcome in whole and _alike(trend, whole[level.outcome]):
            continue
        if early.mark not in seen:  # tables hold one series under two names
            found.append(trend)
        seen.add(early.mark)
    return Mined(tuple(spread(found)), searched, unadjusted(grid))


def _trend(early: Early) -> Trend | None:
    level, grid, weights = early.level, early.level.grid, early.rows
    if (weights > 0).sum() < max(12, grid.early // 2):
        return None
    every = np.arange(grid.first, grid.stop)
    season = grid.design(every)
    t = _clock(every, grid.first, grid.stop, grid)
    base = np.column_stack([np.ones(len(t)), t])
    taken = learn(early, base)
    adjusted = taken.remove(every, weights, early.sums) / np.maximum(weights, 1e-300)
    line = fit(adjusted, weights, np.column_stack([season, base]))
    remembered = memory(line.residuals * np.sqrt(weights), steps=2)
    block = block_of(remembered)
    if grid.early < LEAST_BLOCKS * block or _stepped(adjusted, weights, line.loss):
        return None
    slope = float(line.coefficients[-1])
    pull = weights * (line.design @ line.inverse[:, -1]) * line.residuals  # (periods,)
    blocks = (every // block) - grid.first // block
    error = np.sqrt((np.bincount(blocks, weights=pull) ** 2).sum())
    independent = np.sqrt(
        line.inverse[-1, -1] * line.loss / max(1, len(t) - line.design.shape[1]) * remembered
    )
    z = as_z(slope / max(error, independent, 1e-300), int(blocks[-1]))
    level_now = abs(np.average(np.nan_to_num(early.values), weights=weights))
    if abs(z) < LEAST_Z or abs(slope) * np.ptp(t) < LEAST_MOVE * max(level_now, 1e-300):
        return None
    return Trend(level, taken, slope, block, abs(z))


def _stepped(values: Floats, weights: Floats, loss: float) -> bool:
    """Whether one step tells the early part better than the line that has lost `loss`."""
    n = len(values)
    least = max(3, n // 12)
    w, s, q = (np.cumsum(weights * values**k) for k in range(3))
    cut = np.arange(least, n - least)
    before, after = (
        s[cut] ** 2 / np.maximum(w[cut], 1e-12),
        (s[-1] - s[cut]) ** 2 / np.maximum(w[-1] - w[cut], 1e-12),
    )
    dated = np.exp(-2 * np.log(n) / n)  # what choosing a date gains by chance (Schwarz's criterion)
    return bool((q[-1] - before - after).min() < dated * loss)


def _alike(part: Trend, whole: Trend) -> bool:
    """Whether a category only does what everything does."""
    error = abs(part.slope) / part.strength
    return part.slope * whole.slope > 0 and abs(part.slope - whole.slope) < 3 * error


def _slope(sums: Floats) -> Floats:
    n, t, tt, y, ty, error = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((n * ty - t * y) / (n * tt - t * t) + error)


def _clock(periods: Ints, start: int, stop: int, grid: Grid) -> Floats:
    """The time of each period in units, from the middle of the range."""
    return np.asarray((periods - (start + stop - 1) / 2) * (grid.length / _unit(grid)[0]), np.float64)


def _unit(grid: Grid) -> tuple[int, str]:
    """The time that slopes are told by: microseconds, English."""
    if grid.length >= YEAR:
        return 10 * YEAR, "a decade"
    if grid.early * grid.length >= 2 * YEAR:
        return YEAR, "a year"
    return YEAR // 12, "a month"
