"""Levels: a figure per period, such as orders per week or the share of returns, and what early periods tell
of it: its season, its noise, and how long its errors remember.

A level is a mean over rows within each period, or the number of rows, where each period counts as one row.
Its sums over rows are kept per entity and block of periods: errors of one block are alike, so blocks are as
long as the early part's errors are correlated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import stats

from foretell.features.matrix import Categorical, Codes, Floats
from foretell.patterns.mine.grid import Grid
from foretell.patterns.mine.statement import equals, moment, name
from foretell.patterns.sheet import Bools, Ints, Part, Sheet

CATEGORIES = 12  # of an attribute, the most frequent ones
LEAST_ROWS = 200  # early rows of a category
LEAST_SHARE = 0.01
FEW = 10  # entities
KEPT = 15  # candidates of a miner
PER_ATTRIBUTE = 4  # of them


@dataclass(frozen=True)
class Read:
    """Rows of a level, added up per period and entity where that is less to hold."""

    periods: Ints
    rows: Floats  # how many
    sums: Floats  # of their values
    entities: Ints
    support: int  # rows that the level speaks of


@dataclass(frozen=True)
class Level:
    """One figure per period of a sheet's rows.

    Of those whose `attribute` is `category`, where given: their number, their share among all rows
    (`among`), or the mean of `outcome`.
    """

    sheet: Sheet
    grid: Grid
    outcome: str | None = None
    attribute: str | None = None
    category: str | None = None
    among: bool = False

    @property
    def counts(self) -> bool:
        """Whether it is a number of rows."""
        return self.outcome is None and not self.among

    @property
    def is_share(self) -> bool:
        return self.among or (self.outcome is not None and self.sheet.outcome(self.outcome).share)

    @property
    def key(self) -> str:
        where = f"{self.attribute}={self.category}" if self.attribute is not None else ""
        what = "share" if self.among else self.outcome or "count"
        return ":".join(w for w in (self.sheet.name, what, where) if w)

    @cached_property
    def member(self) -> Bools | None:
        """(rows,) of the sheet whose attribute is the category; None for all."""
        if self.attribute is None:
            return None
        values = self.sheet.attribute(self.attribute).values
        assert isinstance(values, Categorical) and self.category is not None
        return np.asarray(values.codes == values.categories.index(self.category))

    def span(self, part: Part) -> tuple[int, int]:
        """The part's whole periods: the first, and the one after the last."""
        if part is Part.EARLY:
            return self.grid.first, self.grid.stop
        return 0, self.grid.later(int(self.sheet.times[-1]))

    def read(self, start: int, stop: int) -> Read:
        """The rows of periods `start` to `stop`, added up where they are alike.

        A number of rows has one row per period, which is its own entity. A level of a few entities speaks
        of these alone, so that it is only time whose chance is judged: there too, periods take their place.
        """
        sheet = self.sheet
        edges = np.array([start, stop]) * self.grid.length + self.grid.split
        a, b = np.searchsorted(sheet.times, edges)
        periods = self.grid.of(sheet.times[a:b])
        member = None if self.member is None else self.member[a:b]
        if self.counts:
            held = periods if member is None else periods[member]
            counts = np.bincount(held - start, minlength=max(0, stop - start)).astype(np.float64)
            every = np.arange(start, stop)
            return Read(every, np.ones(len(every)), counts, every, len(held))
        entities = sheet.entities[a:b]
        if self.among:
            assert member is not None
            return _added_up(periods, member.astype(np.float64), entities, start, stop, int(member.sum()))
        assert self.outcome is not None
        values = sheet.outcome(self.outcome).values[a:b]
        keep = np.isfinite(values) if member is None else np.isfinite(values) & member
        return _added_up(periods[keep], values[keep], entities[keep], start, stop, int(keep.sum()))

    def population(self, part: Part) -> int:
        return int(self.sheet.part(part).sum())

    def per_period(self, start: int, stop: int) -> tuple[Floats, Floats]:
        """Rows and sums of values per period from `start` to `stop`."""
        held = self.read(start, stop)
        size = max(0, stop - start)
        rows, sums = (
            np.bincount(held.periods - start, weights=w, minlength=size) for w in (held.rows, held.sums)
        )
        return rows.astype(np.float64), sums.astype(np.float64)

    def title(self) -> str:
        """The level in English: "orders per week", "the share of returned among orders with carrier DHL"."""
        sheet = self.sheet
        of = ""
        if self.attribute is not None:
            of = f" with {sheet.attribute(self.attribute).title} {self.category}"
        if self.counts:
            return f"{sheet.title}{of} per {self.grid.word}"
        if self.among:
            return f"the share of {sheet.title}{of}"
        assert self.outcome is not None
        outcome = sheet.outcome(self.outcome)
        if outcome.share:
            return f"the share of {outcome.title} among {sheet.title}{of}"
        return f"the mean {outcome.title} of {sheet.title}{of}"

    def steps(self, ranges: dict[str, tuple[int, int]], level: str) -> dict[str, str]:
        """Queries whose last, `levels`, has the rows that `read` gives: "part" (one per range), "period",
        "value", and "level", an expression of "value" and "period".
        """
        grid = self.grid
        start, end = min(a for a, _ in ranges.values()), max(b for _, b in ranges.values())
        edges = [moment(grid.split + p * grid.length) for p in (start, end)]
        tests = [f'CAST("time" AS TIMESTAMP) >= {edges[0]} AND CAST("time" AS TIMESTAMP) < {edges[1]}']
        mine = equals(self.attribute, self.category or "") if self.attribute is not None else "TRUE"
        if self.attribute is not None and not self.among:
            tests.append(mine)
        value = "1.0"
        if self.among:
            value = f"CASE WHEN {mine} THEN 1.0 ELSE 0.0 END"
        elif self.outcome is not None:
            value = f"CAST({name(self.outcome)} AS DOUBLE)"
            tests.append(f"isfinite({value})")
        since = f'(epoch_us(CAST("time" AS TIMESTAMP)) - {grid.split})'
        rows = (
            f"SELECT CAST(floor({since} / {float(grid.length)!r}) AS BIGINT) AS period, {value} AS value\n"
            f"FROM sheet WHERE {' AND '.join(tests)}"
        )
        part = " ".join(f"WHEN period >= {a} AND period < {b} THEN '{key}'" for key, (a, b) in ranges.items())
        held = {"read": rows}
        if self.counts:
            held["filled"] = (
                f"SELECT p.period, count(r.period) AS value FROM range({start}, {end}) AS p(period)\n"
                "LEFT JOIN read AS r ON r.period = p.period GROUP BY p.period"
            )
        held["levels"] = (
            f"SELECT *, CASE {part} END AS part,\n  {level} AS level\n"
            f"FROM {'filled' if self.counts else 'read'}"
        )
        return held


def _added_up(periods: Ints, values: Floats, entities: Ints, start: int, stop: int, support: int) -> Read:
    """One entry per period and entity, or per row where these are as many."""
    rows = np.ones(len(values))
    if len(values):
        low, width = int(entities.min()), stop - start
        people = int(entities.max()) - low + 1
        if people * width <= max(1_000_000, len(values) // 2):
            codes = (entities - low) * width + (periods - start)
            counts = np.bincount(codes)
            there = np.flatnonzero(counts)
            values = np.bincount(codes, weights=values)[there].astype(np.float64)
            rows = counts[there].astype(np.float64)
            periods, entities = there % width + start, there // width + low
    if len(np.unique(entities)) < FEW:
        entities = periods - start
    return Read(periods, rows, values, entities, support)


@dataclass(frozen=True)
class Fit:
    """Weighted least squares of early periods' levels on a design whose first columns are the season's."""

    design: Floats  # (periods, k)
    weights: Floats  # (periods,)
    coefficients: Floats  # (k,)
    residuals: Floats  # (periods,)
    inverse: Floats  # (k, k) of the normal equations

    @property
    def loss(self) -> float:
        return float((self.weights * self.residuals**2).sum())


def fit(levels: Floats, weights: Floats, design: Floats) -> Fit:
    """`levels` may be NaN where a weight is 0."""
    y = np.where(weights > 0, levels, 0.0)
    normal = design.T @ (weights[:, None] * design)
    inverse = np.asarray(np.linalg.pinv(normal, hermitian=True), np.float64)
    coefficients = inverse @ (design.T @ (weights * y))
    return Fit(design, weights, coefficients, np.where(weights > 0, y - design @ coefficients, 0.0), inverse)


def memory(noise: Floats, steps: int = 1) -> float:
    """How many periods errors of a series remember, at least 1: their variance over long spans against that
    of independent ones.

    The larger of what AR(1) gives, corrected for the shortness of the series (Kendall 1954), and of a
    Bartlett sum of autocorrelations (Newey & West 1987). `steps` parameters were taken out of the series.

    >>> rng = np.random.default_rng(0)
    >>> memory(rng.normal(size=300)) < 2 < memory(np.cumsum(rng.normal(size=300)))
    True
    """
    n = len(noise)
    centred = noise - noise.mean()
    variance = float(centred @ centred)
    if n < 8 or variance <= 0:
        return 1.0
    lags = max(2, round(1.5 * n ** (1 / 3)))
    correlations = np.array([centred[k:] @ centred[:-k] for k in range(1, lags + 1)]) / variance
    first = correlations[0] + (1 + steps + (1 + 3 * steps) * correlations[0]) / n
    first = min(max(first, 0.0), 0.98)
    bartlett = 1 + 2 * float(((1 - np.arange(1, lags + 1) / (lags + 1)) * correlations).sum())
    return float(max(1.0, (1 + first) / (1 - first), bartlett))


def block_of(remembered: float) -> int:
    """Periods in a block, so that blocks' errors are nearly independent."""
    return 1 if remembered < 1.3 else int(np.ceil(1.5 * remembered))


def cells(columns: Floats, entities: Ints, blocks: Ints) -> tuple[Floats, Ints, Ints]:
    """Sums of `columns` (rows, k) per entity and block, with their entities and blocks."""
    if not len(columns):
        return columns, entities, blocks
    low = int(blocks.min())
    width = int(blocks.max()) - low + 1
    people = int(entities.max()) + 1
    codes = entities * width + (blocks - low)
    if people * width <= 20_000_000 and int(entities.min()) >= 0:
        there = np.flatnonzero(np.bincount(codes, minlength=1))
        sums = [np.bincount(codes, weights=c)[there] for c in columns.T]
    else:
        there, inverse = np.unique(codes, return_inverse=True)
        sums = [np.bincount(inverse, weights=c) for c in columns.T]
    return np.stack(sums, axis=1), there // width, there % width + low


@dataclass(frozen=True)
class Early:
    """A level with its early periods: rows and sums of values of each."""

    level: Level
    rows: Floats  # (periods,)
    sums: Floats  # (periods,)

    @cached_property
    def values(self) -> Floats:
        """(periods,), NaN where there are no rows."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.sums / self.rows

    @property
    def mark(self) -> int:
        """Alike for levels with the same early values."""
        return hash((self.rows.tobytes(), self.sums.tobytes()))


def every_level(sheet: Sheet, grid: Grid) -> Iterator[Early]:
    """The levels of a sheet that are looked at, the plain ones first, each read from early rows alone."""
    whole = Level(sheet, grid)
    size = grid.early
    edges = np.array([grid.first, grid.stop]) * grid.length + grid.split
    a, b = np.searchsorted(sheet.times, edges)
    periods = grid.of(sheet.times[a:b]) - grid.first
    everything = np.bincount(periods, minlength=size).astype(np.float64)
    known = [np.isfinite(o.values[a:b]) for o in sheet.outcomes]
    amounts = [np.where(k, o.values[a:b], 0.0) for k, o in zip(known, sheet.outcomes)]
    yield Early(whole, np.ones(size), everything)
    for outcome, there, amount in zip(sheet.outcomes, known, amounts):
        rows = np.bincount(periods, weights=there, minlength=size)
        sums = np.bincount(periods, weights=amount, minlength=size)
        yield Early(replace(whole, outcome=outcome.name), _floats(rows), _floats(sums))
    for attribute in sheet.attributes:
        values = attribute.values
        if attribute.clock or not isinstance(values, Categorical):
            continue
        codes = values.codes[a:b]
        chosen = _frequent(codes, values.categories)
        if not chosen:
            continue
        number = np.full(len(values.categories) + 1, len(chosen))  # the last is "none of them", and NULL
        number[chosen] = np.arange(len(chosen))
        places = number[codes] * size + periods
        shape = (len(chosen) + 1, size)
        length = shape[0] * size
        counts = np.bincount(places, minlength=length).reshape(shape).astype(np.float64)
        tables = [
            (
                o.name,
                np.bincount(places, weights=k, minlength=length).reshape(shape),
                np.bincount(places, weights=v, minlength=length).reshape(shape),
            )
            for o, k, v in zip(sheet.outcomes, known, amounts)
        ]
        mirrored = len(chosen) == 2 and not counts[2].any()  # one share says what the other does
        for i, code in enumerate(chosen):
            of = replace(whole, attribute=attribute.name, category=values.categories[code])
            if not (mirrored and i):
                yield Early(replace(of, among=True), everything, counts[i])
            for outcome_name, rows_of, sums_of in tables:
                yield Early(replace(of, outcome=outcome_name), _floats(rows_of[i]), _floats(sums_of[i]))


def _floats(counts: npt.NDArray[Any]) -> Floats:
    return counts.astype(np.float64, copy=False)


def _frequent(codes: Codes, categories: tuple[str, ...]) -> list[int]:
    """The most frequent categories, of those that are neither rare nor nearly all."""
    counts = np.bincount(codes[codes >= 0], minlength=len(categories))
    least = max(LEAST_ROWS, LEAST_SHARE * len(codes))
    order = sorted(range(len(counts)), key=lambda k: (-int(counts[k]), categories[k]))
    return [k for k in order[:CATEGORIES] if least <= counts[k] <= len(codes) - least]


class OfLevel(Protocol):
    """A candidate that tells of one level."""

    @property
    def strength(self) -> float: ...

    @property
    def level(self) -> Level: ...


Told = TypeVar("Told", bound=OfLevel)


def spread(found: Sequence[Told]) -> list[Told]:
    """The strongest, of each attribute only a few."""
    kept: list[Told] = []
    used: dict[str, int] = {}
    for candidate in sorted(found, key=lambda c: (-c.strength, c.level.key)):
        attribute = candidate.level.attribute
        if attribute is not None:
            if used.get(attribute, 0) >= PER_ATTRIBUTE:
                continue
            used[attribute] = used.get(attribute, 0) + 1
        kept.append(candidate)
    return kept[:KEPT]


def as_z(t: float, freedom: int) -> float:
    """The z as unlikely as a t of so many degrees of freedom.

    >>> round(as_z(3.0, 10), 2), as_z(0.0, 30)
    (2.47, 0.0)
    """
    p = max(float(stats.t.sf(abs(t), max(1, freedom))), 1e-300)
    return float(np.sign(t) * min(38.0, stats.norm.isf(p)))
