"""Timing: how soon something happens, in one group against all others.

The figure is a difference of shares: those for which it happened within so many days. Only moments count
that lie so many days before the part's end, so nothing is censored and nothing need be assumed of what is.
Curves for the eye use every moment: they are Kaplan & Meier's (1958), which let the unfinished count for as
long as they were seen.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from foretell.core.time import DAY
from foretell.features.matrix import Categorical, Floats, Instants
from foretell.patterns.candidate import Candidate, Mined, Sample
from foretell.patterns.finding import Curve, Kind, Measured
from foretell.patterns.mine.grid import Grid, choose
from foretell.patterns.mine.inputs import Durations
from foretell.patterns.mine.levels import cells
from foretell.patterns.mine.phrases import between, date, figure, step, value
from foretell.patterns.mine.statement import equals, moment, name, number, statement
from foretell.patterns.sheet import Attribute, Bools, Part

HORIZONS = (1 / 24, 0.25, 1, 2, 3, 7, 14, 30, 60, 90, 180, 365)  # days
LEAST_ROWS = 50  # early ones in a group, and outside of it
LEAST_ENTITIES = 10  # errors of fewer cannot be told
CATEGORIES = 12
KEPT = 15
PER_ATTRIBUTE = 2  # categories; of values one limit
SPANS = 24  # of the days asked about in the early part: errors of fewer cannot be told
LEAST_Z = 4.0
LEAST_MOVE = 0.02
POINTS = 40  # of a curve
GROUPS = 5  # of a curve's attribute


@dataclass(frozen=True)
class Group:
    """Rows by one attribute: those of a category, or those from a value on."""

    attribute: str
    category: str | None = None
    least: float = 0.0

    def member(self, of: Attribute) -> Bools:
        """(rows,)"""
        if isinstance(of.values, Categorical):
            assert self.category is not None
            return np.asarray(of.values.codes == of.values.categories.index(self.category))
        return np.asarray(of.values.values.astype(np.float64) >= self.least)

    def title(self, of: Attribute) -> str:
        if self.category is not None:
            return f"with {of.title} {value(self.category)}"
        return f"with {of.title} of {figure(self.least)} or more"

    def sql(self) -> str:
        if self.category is not None:
            return equals(self.attribute, self.category)
        return f"coalesce(CAST({name(self.attribute)} AS DOUBLE) >= {number(self.least)}, FALSE)"


@dataclass(frozen=True, eq=False)
class Sooner:
    """In a group it happens within `days` more often than elsewhere, or less."""

    durations: Durations
    grid: Grid | None
    group: Group
    days: float
    strength: float
    kind: Kind = Kind.TIMING

    @property
    def key(self) -> str:
        held = self.group.category if self.group.category is not None else f">={self.group.least!r}"
        return f"timing:{self.durations.name}:{self.durations.event}:{self.group.attribute}:{held}"

    @property
    def about(self) -> str:
        return f"timing:{self.durations.name}:{self.durations.event}"

    def _member(self) -> Bools:
        held = self.durations.attributes
        return self.group.member(next(a for a in held if a.name == self.group.attribute))

    def sample(self, part: Part) -> Sample:
        durations = self.durations
        within = whole(durations, part, self.days)
        columns = _columns(self._member()[within], _happened(durations.days[within], self.days))
        length = max(int(self.days * DAY), self.grid.length if self.grid is not None else DAY)
        blocks = (durations.times[within] - durations.split) // length
        sums, entities, blocks = cells(columns, durations.entities[within], blocks)
        count = int(within.sum())
        support = int(columns[:, 0].sum())
        return Sample(sums, _difference, entities, blocks, support, count, least=LEAST_MOVE)

    def rows(self) -> Bools | None:
        times, split = self.durations.times, self.durations.split - self.durations.gap
        return self._member()[times < split]

    def series(self) -> tuple[Instants, Floats]:
        if self.grid is None:
            return np.zeros(0, np.int64), np.zeros(0)
        durations, grid = self.durations, self.grid
        width = max(1, grid.early // 20)
        last = durations.end - int(self.days * DAY)
        numbers = np.arange(grid.first // width, max(1, grid.later(last) // width))
        at = grid.of(durations.times) // width - numbers[0]
        keep = (at >= 0) & (at < len(numbers)) & (durations.times <= last)
        columns = _columns(self._member()[keep], _happened(durations.days[keep], self.days))
        sums = [np.bincount(at[keep], weights=c, minlength=len(numbers)) for c in columns.T]
        return grid.starts(numbers * width), _difference(np.stack(sums, axis=1))

    def sentence(self, measured: Measured) -> str:
        durations = self.durations
        sums = self.sample(Part.LATER).sums.sum(axis=0)
        of = next(a for a in durations.attributes if a.name == self.group.attribute)
        inside, outside = sums[1] / max(sums[0], 1.0), sums[3] / max(sums[2], 1.0)
        more = "more" if measured.value > 0 else "less"
        before = "more" if measured.early > 0 else "less"
        return (
            f"Of {durations.title} {self.group.title(of)}, {figure(inside, share=True)} see "
            f"{durations.event} within {days_text(self.days)}, of the others {figure(outside, share=True)}: "
            f"{step(measured.value, share=True)} {more} "
            f"{between(measured, share=True)}; before {date(durations.split)} "
            f"{step(measured.early, share=True)} {before}"
        )

    def sql(self) -> str:
        durations = self.durations
        last = durations.end - round(self.days * DAY)
        rows = (
            f"SELECT {self.group.sql()} AS inside,\n"
            f"  CASE WHEN days <= {number(self.days)} THEN 1.0 ELSE 0.0 END AS happened\n"
            f'FROM sheet WHERE CAST("time" AS TIMESTAMP) >= {moment(durations.split)} '
            f'AND CAST("time" AS TIMESTAMP) <= {moment(last)}'
        )
        asked = (
            "SELECT avg(happened) FILTER (inside) - avg(happened) FILTER (NOT inside) AS value,\n"
            "  count(*) FILTER (inside) AS support FROM rows_"
        )
        return statement(durations.source, durations.preamble, {"rows_": rows}, asked)


def mine_timing(durations: Durations, *, seconds: float, seed: int) -> Mined:
    """Groups in which the share by some day differs from that of all others."""
    until = time.monotonic() + seconds
    times = durations.times
    grid = choose(times, durations.split, durations.gap)
    if not len(times):
        return Mined((), 0)
    span = (durations.split - durations.gap - int(times[0])) / DAY
    early = [(d, whole(durations, Part.EARLY, d)) for d in HORIZONS if d * SPANS <= span]
    known = [(d, rows, _happened(durations.days[rows], d)) for d, rows in early]
    known = [(d, rows, y) for d, rows, y in known if len(y) and 0.05 <= y.mean() <= 0.95]
    found: list[Sooner] = []
    searched = 0
    for group, member in _groups(durations):
        if time.monotonic() > until:
            break
        best: Sooner | None = None
        for days, rows, happened in known:
            searched += 1
            inside = member[rows]
            z = _strength(durations, inside, happened, rows, days)
            if abs(z) >= LEAST_Z and (best is None or abs(z) > best.strength):
                best = Sooner(durations, grid, group, days, abs(z))
        if best is not None:
            found.append(best)
    found.sort(key=lambda c: -c.strength)
    kept: list[Candidate] = []
    used: dict[str, int] = {}
    for candidate in found:
        name_of = candidate.group.attribute
        if used.get(name_of, 0) < (1 if candidate.group.category is None else PER_ATTRIBUTE):
            used[name_of] = used.get(name_of, 0) + 1
            kept.append(candidate)
    return Mined(tuple(kept[:KEPT]), searched)


def curves(
    durations: Durations, *, attributes: Sequence[str] = (), groups: int = GROUPS
) -> tuple[Curve, ...]:
    """How soon it happens overall, and by the most frequent groups of each attribute named, for the eye.

    All of history is used: what has not happened yet counts as long as it was seen.
    """
    seen = np.maximum((durations.end - durations.times) / DAY, 0.0)
    happened = np.isfinite(durations.days) & (durations.days <= seen)
    lasted = np.where(happened, durations.days, seen)
    if not happened.any():
        return ()
    top = float(np.quantile(lasted[happened], 0.98))
    grid = np.linspace(0.0, top, POINTS + 1)
    title = f"{durations.event} after {durations.title}"
    every = {f"all {durations.title}": np.ones(len(lasted), dtype=np.bool_)}
    drawn = [("", every)]
    for attribute in durations.attributes:
        if attribute.name in attributes:
            drawn.append((f" by {attribute.title}", _curve_groups(attribute, groups)))
    found = []
    for by, members in drawn:
        shares = {k: tuple(kaplan_meier(lasted[m], happened[m], grid).tolist()) for k, m in members.items()}
        counts = {k: int(m.sum()) for k, m in members.items()}
        found.append(Curve(durations.name, title + by, tuple(grid.tolist()), shares, counts))
    return tuple(found)


def kaplan_meier(lasted: Floats, happened: Bools, days: Floats) -> Floats:
    """The share for which it has happened by each day.

    `lasted` (rows,) are the days until it did, or until it was last seen not to have.

    >>> seen = np.array([1.0, 2.0, 2.0, 3.0])
    >>> kaplan_meier(seen, np.array([True, True, False, True]), np.array([0.0, 1.0, 2.5, 3.0])).tolist()
    [0.0, 0.25, 0.5, 1.0]
    """
    if not len(lasted):
        return np.full(len(days), np.nan)
    at, place = np.unique(lasted, return_inverse=True)
    events = np.bincount(place, weights=happened)
    left = np.bincount(place)
    risk = len(lasted) - np.concatenate([[0], np.cumsum(left)[:-1]])
    share = 1 - np.cumprod(1 - events / risk)
    return np.asarray(np.concatenate([[0.0], share])[np.searchsorted(at, days, side="right")])


def whole(durations: Durations, part: Part, days: float) -> Bools:
    """(rows,) those of the part that were watched for so many days within it."""
    times, length = durations.times, round(days * DAY)
    if part is Part.EARLY:
        return np.asarray(times < durations.split - durations.gap - length)
    return np.asarray((times >= durations.split) & (times <= durations.end - length))


def days_text(days: float) -> str:
    """A number of days in English.

    >>> days_text(0.25), days_text(1), days_text(30)
    ('6 hours', '1 day', '30 days')
    """
    if days < 1:
        hours = round(days * 24)
        return f"{hours} hour{'s' if hours > 1 else ''}"
    return f"{days:g} day{'s' if days > 1 else ''}"


def _groups(durations: Durations) -> Iterator[tuple[Group, Bools]]:
    """Groups that early rows suggest: frequent categories, and values from the median or upper quarter on."""
    early = durations.times < durations.split - durations.gap
    for attribute in durations.attributes:
        values = attribute.values
        if isinstance(values, Categorical):
            codes = values.codes[early]
            counts = np.bincount(codes[codes >= 0], minlength=len(values.categories))
            order = sorted(range(len(counts)), key=lambda k: (-int(counts[k]), values.categories[k]))
            groups = [Group(attribute.name, values.categories[k]) for k in order[:CATEGORIES] if counts[k]]
        else:
            held = values.values[early].astype(np.float64)
            held = held[np.isfinite(held)]
            cuts = np.unique(np.quantile(held, [0.5, 0.75])) if len(held) else held
            groups = [Group(attribute.name, least=c) for c in _plain(cuts) if c > held.min()]
        others: list[Bools] = []
        for group in groups:
            member = group.member(attribute)
            if any(np.array_equal(member[early], o) for o in others):
                continue  # all but one group: its statement is that group's, turned round
            others.append(~member[early])
            yield group, member


def _plain(cuts: Floats) -> list[float]:
    """Values of three digits, each once."""
    return sorted({float(f"{c:.3g}") for c in cuts})


def _strength(durations: Durations, inside: Bools, happened: Floats, rows: Bools, days: float) -> float:
    """z of the difference of early shares, by entity and by period; 0 where it is no candidate."""
    n, m = int(inside.sum()), int((~inside).sum())
    if n < LEAST_ROWS or m < LEAST_ROWS:
        return 0.0
    entities = durations.entities[rows]
    if min(len(np.unique(entities[side])) for side in (inside, ~inside)) < LEAST_ENTITIES:
        return 0.0
    a, b = happened[inside].mean(), happened[~inside].mean()
    naive = np.sqrt(a * (1 - a) / n + b * (1 - b) / m)
    if abs(a - b) < max(LEAST_MOVE, LEAST_Z * naive):
        return 0.0
    pull = np.where(inside, (happened - a) / n, (b - happened) / m)
    errors = [naive]
    for of in (entities, durations.times[rows] // round(max(days, 1.0) * DAY)):
        place = np.unique(of, return_inverse=True)[1]
        errors.append(np.sqrt((np.bincount(place, weights=pull) ** 2).sum()))
    return float((a - b) / max(*errors, 1e-300))


def _curve_groups(attribute: Attribute, groups: int) -> dict[str, Bools]:
    values = attribute.values
    if isinstance(values, Categorical):
        counts = np.bincount(values.codes[values.codes >= 0], minlength=len(values.categories))
        order = sorted(range(len(counts)), key=lambda k: (-int(counts[k]), values.categories[k]))
        return {value(values.categories[k]): values.codes == k for k in order[:groups] if counts[k]}
    held = values.values.astype(np.float64)
    known = np.isfinite(held)
    if not known.any():
        return {}
    middle = float(np.median(held[known]))
    return {f"below {figure(middle)}": held < middle, f"{figure(middle)} or more": held >= middle}


def _happened(days: Floats, within: float) -> Floats:
    with np.errstate(invalid="ignore"):
        return (days <= within).astype(np.float64)


def _columns(inside: Bools, happened: Floats) -> Floats:
    member = inside.astype(np.float64)
    return np.stack([member, member * happened, 1 - member, (1 - member) * happened], axis=1)


def _difference(sums: Floats) -> Floats:
    n, y, m, z = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(y / n - z / m)
