"""Changes: levels that moved at a date in the early part, confirmed where they have stayed away since.

Dates are found by optimal partitioning (Jackson et al. 2005; Killick, Fearnhead & Eckley 2012) with a
penalty in units of the series' own noise, its memory included. Only the last date is a candidate: the level
since then is what the later part can confirm.

The figure is the later level less the level before the date. The date was chosen to make the levels around
it differ, so the level before it is likely to look further off than it was. What chance could have made of
it is the figure's null: the distance from the level before the date to the mean over both sides of it, which
the choice of the date hardly touches, but at most three errors of that level. The later level must lie
beyond.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from foretell.features.matrix import Floats, Instants
from foretell.patterns.candidate import Mined, Sample
from foretell.patterns.finding import Kind, Measured
from foretell.patterns.mine.grid import choose
from foretell.patterns.mine.levels import (
    Early,
    Fit,
    Level,
    Read,
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
from foretell.patterns.mine.statement import statement
from foretell.patterns.sheet import Bools, Part, Sheet

LEAST_Z = 4.0  # the date was chosen among many
LEAST_MOVE = 0.05  # of the level before
PENALTY = 3.0  # times the noise's variance and the logarithm of the number of periods
LEAST_BLOCKS = 2  # on each side of the date
LEAST_PERIODS = 4
PLAINLY = 0.9  # of a line's loss: no more may be left by the steps
CHOSEN = 3.0  # errors that the choice of a date can put between a level and what is seen of it


@dataclass(frozen=True, eq=False)
class Change:
    """A level that moved at the start of period `at`, from what it was since period `since`."""

    level: Level
    season: Season
    before: float  # the early levels on either side of the date, their season taken out
    after: float
    since: int
    at: int
    block: int
    strength: float
    luck: float  # what the choice of the date may have put into the figure: its null
    kind: Kind = Kind.CHANGE

    @property
    def key(self) -> str:
        return f"change:{self.level.key}:{date(int(self.level.grid.starts(np.array([self.at]))[0]))}"

    @property
    def about(self) -> str:
        return f"change:{self.level.key}"

    def sample(self, part: Part) -> Sample:
        level = self.level
        later = (self.at, level.grid.stop) if part is Part.EARLY else level.span(Part.LATER)
        own, now = self._side(*later, place=0)
        old, then = self._side(self.since, self.at, place=2)
        columns = np.concatenate([own, old])
        entities = np.concatenate([now.entities, then.entities])
        periods = np.concatenate([now.periods, then.periods])
        if len(self.season.weights) and len(own) and len(old):
            sides = [self.season.lean(r, np.full(len(r.rows), 1 / r.rows.sum())) for r in (now, then)]
            error, of, dates = self.season.error(level, sides[0] - sides[1])
            columns = np.concatenate([columns, np.pad(error[:, None], ((0, 0), (4, 0)))])
            entities, periods = np.concatenate([entities, of]), np.concatenate([periods, dates])
        sums, entities, blocks = cells(columns, entities, periods // self.block)
        null = self.luck if part is Part.LATER else 0.0
        least = LEAST_MOVE * abs(self.before)
        return Sample(sums, _moved, entities, blocks, now.support, level.population(part), null, least)

    def _side(self, start: int, stop: int, place: int) -> tuple[Floats, Read]:
        """Rows and sums in columns `place` and `place` + 1 of five."""
        held = self.level.read(start, stop)
        columns = np.zeros((len(held.rows), 5))
        columns[:, place] = held.rows
        columns[:, place + 1] = self.season.remove(held.periods, held.rows, held.sums)
        return columns, held

    def rows(self) -> Bools | None:
        return None

    def series(self) -> tuple[Instants, Floats]:
        return self.season.series(self.level)

    def sentence(self, measured: Measured) -> str:
        level, share = self.level, self.level.is_share
        moved = "rose" if self.after > self.before else "fell"
        grid = level.grid
        text = (
            f"{level.title()} {moved} about {grid.about(self.at)}, from {figure(self.before, share)} to "
            f"{figure(self.after, share)}, and since {date(grid.split)} "
            f"{'are' if level.counts else 'is'} {figure(self.before + measured.value, share)}: "
            f"{step(measured.value, share)} {'more' if measured.value > 0 else 'less'} than before the date "
            f"{between(measured, share)}{adjustment(grid)}"
        )
        return first_upper(text)

    def sql(self) -> str:
        level = self.level
        ranges = {"before": (self.since, self.at), "later": level.span(Part.LATER)}
        steps = level.steps(ranges, self.season.sql("value", "period"))
        rows = "sum(value)" if level.counts or level.among else "count(*)"
        last = (
            "SELECT avg(level) FILTER (part = 'later') - avg(level) FILTER (part = 'before') AS value,\n"
            f"  CAST({rows} FILTER (part = 'later') AS BIGINT) AS support\nFROM levels"
        )
        return statement(level.sheet.source, level.sheet.preamble, steps, last)


def mine_changes(sheet: Sheet, *, seconds: float, seed: int) -> Mined:
    """Levels whose early periods are told better by steps than by a line; every date is a statement."""
    until = time.monotonic() + seconds
    grid = choose(sheet.times, sheet.split, sheet.gap)
    if grid is None:
        return Mined((), 0)
    found: list[Change] = []
    seen: set[int] = set()
    searched = 0
    whole: dict[str | None, Change] = {}
    for early in every_level(sheet, grid):
        if time.monotonic() > until:
            break
        searched += grid.early - 1
        change = _change(early)
        if change is None:
            continue
        level = early.level
        if level.attribute is None:
            whole[level.outcome] = change
        elif not level.among and level.outcome in whole and _alike(change, whole[level.outcome]):
            continue
        if early.mark not in seen:  # tables hold one series under two names
            found.append(change)
        seen.add(early.mark)
    return Mined(tuple(spread(found)), searched, unadjusted(grid))


def _change(early: Early) -> Change | None:
    """The level's last change, if there is one that its noise does not explain."""
    level, weights = early.level, early.rows
    grid, n = level.grid, early.level.grid.early
    if (weights > 0).sum() < max(16, n // 2):
        return None
    every = np.arange(grid.first, grid.stop)

    def without(taken: Season) -> Floats:
        return taken.remove(every, weights, early.sums) / np.maximum(weights, 1e-300)

    cuts: list[int] = []
    taken = learn(early, np.ones((n, 1)))
    for _ in range(3):  # the season, the dates and the noise depend on one another
        adjusted = without(taken)
        noise = _noise(adjusted, weights, cuts) * memory_of_steps(adjusted, weights, cuts)
        cuts = partition(adjusted, weights, PENALTY * noise * np.log(n), max(LEAST_PERIODS, n // 12))
        taken = learn(early, _segments(cuts, n))
    if not cuts:
        return None
    at, since = cuts[-1], cuts[-2] if len(cuts) > 1 else 0
    adjusted = without(taken)
    steps = fit(adjusted, weights, _segments(cuts, n))
    remembered = memory_of_steps(adjusted, weights, cuts)
    block = block_of(remembered)
    if min(at - since, n - at) < max(LEAST_PERIODS, LEAST_BLOCKS * block):
        return None
    inside = np.arange(n) >= since
    line = fit(
        adjusted[inside], weights[inside], np.column_stack([np.ones(inside.sum()), np.arange(inside.sum())])
    )
    if float((weights * steps.residuals**2)[inside].sum()) > PLAINLY * line.loss:
        return None
    before, after = (float(c) for c in steps.coefficients[-2:])
    noise = _noise(adjusted, weights, cuts)
    w_before, w_after = weights[since:at].sum(), weights[at:].sum()
    sides = [max(noise, _around(steps, part)) for part in (slice(since, at), slice(at, n))]
    error = np.sqrt(max(remembered * (sides[0] / w_before + sides[1] / w_after), 1e-300))
    z = as_z((after - before) / error, round((n - since) / remembered) - 2)
    if abs(z) < LEAST_Z or abs(after - before) < LEAST_MOVE * max(abs(before), 1e-300):
        return None
    most = CHOSEN * float(np.sqrt(sides[0] * remembered / w_before))
    luck = float(np.clip((after - before) * w_after / (w_before + w_after), -most, most))
    return Change(level, taken, before, after, grid.first + since, grid.first + at, block, abs(z), luck)


def partition(values: Floats, weights: Floats, penalty: float, least: int) -> list[int]:
    """Where segments of constant level begin (0 left out): the least weighted squared error, plus `penalty`
    for each segment, of at least `least` periods.

    >>> partition(np.repeat([1.0, 5.0, 2.0], 10), np.ones(30), 1.0, 3)
    [10, 20]
    """
    n = len(values)
    w, s, q = (np.concatenate([[0.0], np.cumsum(weights * values**k)]) for k in range(3))
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    last = np.zeros(n + 1, dtype=np.int64)
    for stop in range(least, n + 1):
        starts = np.arange(0, stop - least + 1)
        rows = w[stop] - w[starts]
        with np.errstate(invalid="ignore", divide="ignore"):
            loss = q[stop] - q[starts] - np.where(rows > 0, (s[stop] - s[starts]) ** 2 / rows, 0.0)
        total = best[starts] + loss + penalty
        last[stop] = int(np.argmin(total))
        best[stop] = total[last[stop]]
    cuts = []
    place = n
    while place > 0:
        place = int(last[place])
        cuts.append(place)
    return sorted(c for c in cuts if c > 0)


def memory_of_steps(values: Floats, weights: Floats, cuts: list[int]) -> float:
    """`memory` of what is left after the segments' levels; without any, what differences tell of it, which
    a few steps do not disturb (Chakar et al. 2017).
    """
    n = len(values)
    scaled = np.sqrt(weights / weights.mean())
    levels = fit(values, weights, _segments(cuts, n))
    left = memory(levels.residuals * scaled, steps=len(cuts))
    if cuts:
        return left
    one, two = (np.median(np.abs(values[k:] - values[:-k])) for k in (1, 2))
    first = min(max((two / one) ** 2 - 1 if one > 0 else 0.0, 0.0), 0.9)
    return min(left, max(1.0, (1 + first) / (1 - first)))


def _noise(values: Floats, weights: Floats, cuts: list[int]) -> float:
    """The variance of a value of weight 1 around its segment's level."""
    n = len(values)
    levels = fit(values, weights, _segments(cuts, n))
    within = levels.loss / max(1, n - len(cuts) - 1)
    if cuts:
        return within
    scaled = np.diff(values) * np.sqrt(weights[1:] * weights[:-1] / (weights[1:] + weights[:-1] + 1e-300))
    return min(within, float((1.4826 * np.median(np.abs(scaled))) ** 2) or within)


def _around(steps: Fit, part: slice) -> float:
    """The variance of a value of weight 1 within a part: seasons differ in noise too."""
    held = steps.weights[part] * steps.residuals[part] ** 2
    return float(held.sum() / max(1, len(held) - 1))


def _segments(cuts: list[int], n: int) -> Floats:
    """(n, segments) which segment each period lies in."""
    number = np.searchsorted(np.array(cuts, dtype=np.int64), np.arange(n), side="right")
    return np.asarray(number[:, None] == np.arange(len(cuts) + 1), dtype=np.float64)


def _alike(part: Change, whole: Change) -> bool:
    """Whether a category only moved when everything did, and about as far."""
    move, all_moved = part.after - part.before, whole.after - whole.before
    near = abs(part.at - whole.at) <= max(2, part.block)
    return near and move * all_moved > 0 and abs(move - all_moved) < 3 * abs(move) / part.strength


def _moved(sums: Floats) -> Floats:
    n, y, n_old, y_old, error = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(y / n - y_old / n_old + error)
