"""Segments: kinds of entities by how they behaved in the early part, who go on behaving unlike the others.

Entities are grouped by k-means over standardised early behaviour (how often, how lately, how long, and the
outcomes' means); k is the largest whose groups come out alike on halves of the entities (Ben-Hur, Elisseeff
& Guyon 2002). Each group is then put into plain words: one or two limits on early figures that pick nearly
the same entities. It is those that the statement is about, so that it can be read and run by anybody.

An entity picked for an extreme figure is less extreme afterwards (regression to the mean). The claim is
only that a difference remains; its size is the later part's alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from foretell.core.random import generator
from foretell.core.time import DAY
from foretell.features.matrix import Floats, Instants
from foretell.patterns.candidate import Candidate, Mined, Sample
from foretell.patterns.finding import Kind, Measured
from foretell.patterns.mine.grid import Grid, choose
from foretell.patterns.mine.phrases import between, date, figure, first_upper, step
from foretell.patterns.mine.statement import moment, name, number, statement
from foretell.patterns.sheet import Bools, Ints, Part, Sheet

LEAST_ENTITIES = 60
LEAST_MEMBERS = 20
LEAST_EVENTS = 3  # early rows of an entity that is grouped at all
LEAST_STABLE = 0.7  # adjusted Rand index between halves
LEAST_LIKE = 0.7  # F1 of the plain words against the group
LEAST_Z = 4.0
LEAST_LASTING = 3.0  # in rows that did not pick the entities
LEAST_MOVE = 0.05  # of the others' figure
OUTCOMES = 3
MOST_GROUPS = 6
DIGITS = 9  # that figures are compared to: the last ones hang on the order in which rows are added up
PER_GROUP = 2  # figures in which a group is told apart
MOST_ENTITIES = 20_000  # that groups are made of
BLOCKS = 12  # of the later part


@dataclass(frozen=True)
class Limit:
    """One early figure, and the side of a value that is meant: at least, or less."""

    figure: str  # "rows", "lately", "since", or an outcome's name
    value: float
    least: bool

    def holds(self, of: Floats) -> Bools:
        with np.errstate(invalid="ignore"):
            held = np.round(of, DIGITS)
            return np.asarray(held >= self.value if self.least else held < self.value)


@dataclass(frozen=True)
class Behaviour:
    """Early figures of the entities that have enough early rows."""

    sheet: Sheet
    entities: Ints  # (people,) ascending
    figures: dict[str, Floats]  # each (people,)

    def member(self, limits: tuple[Limit, ...]) -> Bools:
        """(people,)"""
        inside = np.ones(len(self.entities), dtype=np.bool_)
        for limit in limits:
            inside &= limit.holds(self.figures[limit.figure])
        return inside


@dataclass(frozen=True, eq=False)
class Segment:
    """Entities within `limits` in the early part, whose `measured` figure differs from the others' later."""

    behaviour: Behaviour
    grid: Grid | None
    limits: tuple[Limit, ...]
    measured: str | None  # an outcome, or None for rows per month
    strength: float
    least: float = 0.0  # difference that a reader cares for, by the early part
    kind: Kind = Kind.SEGMENT

    @property
    def sheet(self) -> Sheet:
        return self.behaviour.sheet

    @property
    def key(self) -> str:
        held = "&".join(f"{x.figure}{'>=' if x.least else '<'}{x.value!r}" for x in self.limits)
        return f"segment:{self.sheet.name}:{held}:{self.measured or 'count'}"

    @property
    def about(self) -> str:
        return f"segment:{self.sheet.name}:{self.measured or 'count'}"

    @cached_property
    def _side(self) -> npt.NDArray[np.int8]:
        """(entities + 1,) 1 within the limits, 0 for the others, -1 for those with too few early rows."""
        top = int(self.sheet.entities.max()) + 1
        side = np.full(top + 1, -1, dtype=np.int8)
        side[self.behaviour.entities] = self.behaviour.member(self.limits)
        return side

    def sample(self, part: Part) -> Sample:
        sheet = self.sheet
        rows = sheet.part(part)
        side = self._side[sheet.entities]
        rows &= side >= 0
        start, stop = _bounds(sheet, part)
        entities, times = sheet.entities[rows], sheet.times[rows]
        block = np.minimum((times - start) * BLOCKS // max(1, stop - start), BLOCKS - 1)
        inside = side[rows] == 1
        if self.measured is None:
            return self._counted(part, entities, block, inside)
        values = sheet.outcome(self.measured).values[rows]
        known = np.isfinite(values)
        y, member = np.where(known, values, 0.0), inside & known
        other = known & ~inside
        columns = (member.astype(np.float64), y * member, other.astype(np.float64), y * other)
        top = int(entities.max()) + 1 if len(entities) else 1
        codes = entities * BLOCKS + block
        tables = [np.bincount(codes, weights=c, minlength=top * BLOCKS) for c in columns]
        sums = np.stack(tables, axis=1).astype(np.float64)
        there = np.flatnonzero(sums[:, [0, 2]].any(axis=1))
        return Sample(
            sums[there],
            _apart,
            there // BLOCKS,
            there % BLOCKS,
            int(member.sum()),
            int(known.sum()),
            least=self.least,
        )

    def _counted(self, part: Part, entities: Ints, block: Ints, inside: Bools) -> Sample:
        """Rows per entity and month: every entity counts, those without rows too."""
        people = self.behaviour.entities
        member = self.behaviour.member(self.limits)
        start, stop = _bounds(self.sheet, part)
        months = _months(start, stop)
        place = np.searchsorted(people, entities)
        counts = np.bincount(place * BLOCKS + block, minlength=len(people) * BLOCKS).astype(np.float64)
        of = np.repeat(member, BLOCKS)
        each = np.full(len(of), 1.0 / BLOCKS)
        columns = (each * of, counts * of / months, each * ~of, counts * ~of / months)
        numbers = np.arange(len(of))
        return Sample(
            np.stack(columns, axis=1).astype(np.float64),
            _apart,
            people[numbers // BLOCKS],
            numbers % BLOCKS,
            int(member.sum()),
            len(people),
            least=self.least,
        )

    def rows(self) -> Bools | None:
        early = self.sheet.part(Part.EARLY)
        return np.asarray(self._side[self.sheet.entities[early]] == 1)

    def series(self) -> tuple[Instants, Floats]:
        if self.grid is None:
            return np.zeros(0, np.int64), np.zeros(0)
        sheet, grid = self.sheet, self.grid
        width = max(1, grid.early // 20)
        numbers = np.arange(grid.first // width, max(1, grid.later(int(sheet.times[-1])) // width))
        at = grid.of(sheet.times) // width - numbers[0]
        side = self._side[sheet.entities]
        keep = (at >= 0) & (at < len(numbers)) & (side >= 0)
        inside = (side == 1).astype(np.float64)
        if self.measured is None:
            sizes = [int((self._side == k).sum()) for k in (1, 0)]
            months = width * grid.length / (365.2425 / 12 * DAY)
            y = np.ones(len(at))
            n = [np.full(len(numbers), float(s)) for s in sizes]
        else:
            months = 1.0
            values = sheet.outcome(self.measured).values
            keep &= np.isfinite(values)
            y = np.where(np.isfinite(values), values, 0.0)
            n = [np.bincount(at[keep], weights=w[keep], minlength=len(numbers)) for w in (inside, 1 - inside)]
        s = [
            np.bincount(at[keep], weights=(w * y)[keep], minlength=len(numbers)) for w in (inside, 1 - inside)
        ]
        sums = np.stack([n[0], s[0] / months, n[1], s[1] / months], axis=1)
        return grid.starts(numbers * width), _apart(sums)

    def sentence(self, measured: Measured) -> str:
        sheet = self.sheet
        n, y, m, z = self.sample(Part.LATER).sums.sum(axis=0)
        outcome = sheet.outcome(self.measured) if self.measured is not None else None
        share = outcome is not None and outcome.share
        inside, outside = figure(y / max(n, 1e-300), share), figure(z / max(m, 1e-300), share)
        if outcome is None:
            tell = f"have {inside} {sheet.title} a month each since then, the others {outside}"
        elif share:
            tell = (
                f"since then have {outcome.title} in {inside} of their {sheet.title}, the others in {outside}"
            )
        else:
            tell = f"since then have a mean {outcome.title} of {inside}, the others of {outside}"
        members = int(self.behaviour.member(self.limits).sum())
        who = " and ".join(_words(limit, sheet) for limit in self.limits)
        of = f"{members:,} of {len(self.behaviour.entities):,}"
        return (
            f"{first_upper(sheet.who or 'those')} with {who} until {date(sheet.split)} ({of}) {tell}: "
            f"{step(measured.value, share)} {'more' if measured.value > 0 else 'less'} "
            f"{between(measured, share)}; before, it was {step(measured.early, share)} "
            f"{'more' if measured.early > 0 else 'less'}"
        )

    def sql(self) -> str:
        sheet = self.sheet
        start, stop = _bounds(sheet, Part.LATER)
        known = moment(sheet.split - sheet.gap)
        moments = 'CAST("time" AS TIMESTAMP)'
        columns = {
            "rows": "count(*)",
            "lately": f"(epoch_us({known}) - epoch_us(max({moments}))) / {float(DAY)!r}",
            "since": f"(epoch_us({known}) - epoch_us(min({moments}))) / {float(DAY)!r}",
        }
        tests = []
        for limit in self.limits:
            of = columns.get(limit.figure)
            if of is None:
                read = f"CAST({name(limit.figure)} AS DOUBLE)"
                of = f"avg({read}) FILTER (isfinite({read}))"
            bound = f"round({of}, {DIGITS}) {'>=' if limit.least else '<'} {number(limit.value)}"
            tests.append(f"coalesce({bound}, FALSE)")
        steps = {
            "people": f"SELECT entity, {' AND '.join(tests)} AS inside FROM sheet\n"
            f"WHERE {moments} < {known} AND entity IS NOT NULL GROUP BY entity\n"
            f"HAVING count(*) >= {LEAST_EVENTS}",
        }
        since = f"{moments} >= {moment(sheet.split)}"
        if self.measured is None:
            steps["later"] = f"SELECT entity, count(*) AS n FROM sheet WHERE {since} GROUP BY entity"
            mean = f"avg(coalesce(n, 0)) FILTER ({{}}) / {number(_months(start, stop))}"
            source = "people LEFT JOIN later ON later.entity = people.entity"
        else:
            value = f"CAST({name(self.measured)} AS DOUBLE)"
            steps["later"] = f"SELECT entity, {value} AS y FROM sheet WHERE {since} AND isfinite({value})"
            mean = "avg(y) FILTER ({})"
            source = "people JOIN later ON later.entity = people.entity"
        last = (
            f"SELECT {mean.format('inside')} - {mean.format('NOT inside')} AS value,\n"
            f"  count(*) FILTER (inside) AS support\nFROM {source}"
        )
        return statement(sheet.source, sheet.preamble, steps, last)


def mine_segments(sheet: Sheet, *, seconds: float, seed: int) -> Mined:
    """Kinds of entities by early behaviour, each with the figures in which it stands apart."""
    until = time.monotonic() + seconds
    behaviour = behaviour_of(sheet)
    if behaviour is None:
        return Mined((), 0)
    names = list(behaviour.figures)
    table = np.stack([_standard(f, behaviour.figures[f]) for f in names], axis=1)
    groups, tried = _groups(table, until, seed)
    grid = choose(sheet.times, sheet.split, sheet.gap)
    found: list[Candidate] = []
    searched = 0
    seen: set[tuple[Limit, ...]] = set()
    for k in range(tried):
        limits = _plain_words(behaviour, groups == k)
        searched += 1 + min(OUTCOMES, len(sheet.outcomes))
        if not limits or limits in seen:
            continue
        seen.add(limits)
        apart: list[Segment] = []
        for measured in (None, *(o.name for o in sheet.outcomes[:OUTCOMES])):
            if measured is None and any(x.figure == "lately" and x.least for x in limits):
                continue  # whoever has been away for long comes rarely: no news
            candidate = Segment(behaviour, grid, limits, measured, 0.0)
            sample = candidate.sample(Part.EARLY)
            z = _strength(sample)
            if z >= LEAST_Z:
                z = min(z, _lasting(candidate, float(_apart(sample.sums.sum(axis=0)))))
            if z >= LEAST_LASTING:
                others = float(sample.sums[:, 3].sum() / sample.sums[:, 2].sum())
                apart.append(replace(candidate, strength=z, least=LEAST_MOVE * abs(others)))
        apart.sort(key=lambda c: -c.strength)
        found.extend(apart[:PER_GROUP])
    found.sort(key=lambda c: -c.strength)
    return Mined(tuple(found), searched)


def _lasting(segment: Segment, early: float) -> float:
    """|z| of the difference in the second half of the early part, between those whom the first half puts into
    the segment and the others; 0 where it lies on the other side.

    Who is picked for a figure has it extreme in the same rows, by chance alone.
    """
    sheet = segment.sheet
    start, known = _bounds(sheet, Part.EARLY)
    middle = (start + known) // 2
    half = replace(sheet.take(sheet.part(Part.EARLY)), split=middle, gap=0)
    behaviour = behaviour_of(half)
    if behaviour is None:
        return 0.0
    shorter = (middle - start) / max(1, known - start)
    limits = []
    for limit in segment.limits:
        if limit.figure == "rows":
            limit = replace(limit, value=limit.value * shorter)
        elif limit.figure == "since":
            limit = replace(limit, value=limit.value - (known - middle) / DAY)
        if limit.figure not in behaviour.figures:
            return 0.0
        limits.append(limit)
    sample = replace(segment, behaviour=behaviour, limits=tuple(limits)).sample(Part.LATER)
    later = float(_apart(sample.sums.sum(axis=0)))
    return _strength(sample) if later * early > 0 else 0.0


def behaviour_of(sheet: Sheet) -> Behaviour | None:
    """Early figures of entities with several early rows; None where there are too few of them."""
    early = sheet.part(Part.EARLY) & (sheet.entities >= 0)
    entities, times = sheet.entities[early], sheet.times[early]
    if not len(entities):
        return None
    counts = np.bincount(entities)
    people = np.flatnonzero(counts >= LEAST_EVENTS)
    if len(people) < LEAST_ENTITIES:
        return None
    known = sheet.split - sheet.gap
    last = np.full(len(counts), -1)
    last[entities] = times  # in the order of time: the last one stays
    first = np.full(len(counts), -1)
    first[entities[::-1]] = times[::-1]
    figures = {
        "rows": counts[people].astype(np.float64),
        "lately": (known - last[people]) / DAY,
        "since": (known - first[people]) / DAY,
    }
    for outcome in sheet.outcomes[:OUTCOMES]:
        values = outcome.values[early]
        there = np.isfinite(values)
        n = np.bincount(entities[there], minlength=len(counts))[people]
        s = np.bincount(entities[there], weights=values[there], minlength=len(counts))[people]
        with np.errstate(invalid="ignore", divide="ignore"):
            figures[outcome.name] = s / n
    varied = {k: v for k, v in figures.items() if len(np.unique(v[np.isfinite(v)])) > 2}
    return Behaviour(sheet, people, varied) if varied else None


def _standard(of: str, values: Floats) -> Floats:
    """Standardised, on the scale of logarithms where values are never negative and mostly small."""
    held = values[np.isfinite(values)]
    skewed = held.min() >= 0 and held.mean() > 1.3 * np.median(held)
    shown = np.log1p(values) if skewed or of in ("rows", "lately", "since") else values
    held = shown[np.isfinite(shown)]
    spread = held.std()
    z = (shown - held.mean()) / (spread if spread > 0 else 1.0)
    return np.asarray(np.clip(np.nan_to_num(z), -3, 3), np.float64)


def _groups(table: Floats, until: float, seed: int) -> tuple[Ints, int]:
    """(people,) group of each, and how many groups there are; 0 where none is stable."""
    rng = generator(seed, "segments")
    rows = np.arange(len(table))
    if len(table) > MOST_ENTITIES:
        rows = np.sort(rng.choice(len(table), MOST_ENTITIES, replace=False))
    best: tuple[Ints, int] = (np.zeros(len(table), np.int64), 0)
    for k in range(2, MOST_GROUPS + 1):
        if time.monotonic() > until:
            break
        agreed = []
        for _ in range(3):
            half = rng.permutation(rows)
            sides = half[: len(half) // 2], half[len(half) // 2 :]
            one, other = (nearest(table[rows], means(table[side], k, rng)) for side in sides)
            agreed.append(agreement(one, other))
        if float(np.median(agreed)) >= LEAST_STABLE:
            best = nearest(table, means(table[rows], k, rng)), k
    return best


def means(table: Floats, k: int, rng: np.random.Generator, *, starts: int = 4, rounds: int = 30) -> Floats:
    """(k, columns) centres of k groups: Lloyd's algorithm from the best of some starts by k-means++ (Arthur
    & Vassilvitskii 2007).
    """
    best: tuple[float, Floats] = (np.inf, table[:k])
    for _ in range(starts):
        centres = table[rng.integers(len(table))][None, :]
        for _ in range(k - 1):
            near = _distances(table, centres).min(axis=1)
            total = near.sum()
            chance = near / total if total > 0 else None
            centres = np.vstack([centres, table[rng.choice(len(table), p=chance)]])
        group = nearest(table, centres)
        for _ in range(rounds):
            sizes = np.bincount(group, minlength=k)
            sums = np.stack([np.bincount(group, weights=c, minlength=k) for c in table.T], axis=1)
            centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres)
            again = nearest(table, centres)
            if np.array_equal(again, group):
                break
            group = again
        loss = float(_distances(table, centres).min(axis=1).sum())
        if loss < best[0]:
            best = loss, centres
    return best[1]


def nearest(table: Floats, centres: Floats) -> Ints:
    """(rows,) the centre next to each."""
    return np.asarray(_distances(table, centres).argmin(axis=1), np.int64)


def _distances(table: Floats, centres: Floats) -> Floats:
    return np.stack([((table - c) ** 2).sum(axis=1) for c in centres], axis=1)


def agreement(one: Ints, other: Ints) -> float:
    """The adjusted Rand index of two groupings (Hubert & Arabie 1985): 1 where they are alike, 0 by chance.

    >>> agreement(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0
    """

    def pairs(counts: Ints) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both = np.bincount(one * (int(other.max()) + 1) + other)
    a, b, together = pairs(np.bincount(one)), pairs(np.bincount(other)), pairs(both)
    chance = a * b / max(1.0, len(one) * (len(one) - 1) / 2)
    most = (a + b) / 2
    return 1.0 if most == chance else (together - chance) / (most - chance)


def _plain_words(behaviour: Behaviour, group: Bools) -> tuple[Limit, ...]:
    """One or two limits that pick nearly the group; none where words do not tell it."""
    size = int(group.sum())
    if size < LEAST_MEMBERS or size > len(group) - LEAST_MEMBERS:
        return ()
    single: list[tuple[float, Limit]] = []
    for of, values in behaviour.figures.items():
        held = values[np.isfinite(values)]
        cuts = {_plain(float(c)) for c in np.quantile(held, np.linspace(0.05, 0.95, 19))}
        for cut in sorted(cuts):
            for least in (True, False):
                limit = Limit(of, cut, least)
                single.append((_f1(limit.holds(values), group), limit))
    single.sort(key=lambda s: (-s[0], s[1].figure, s[1].value, s[1].least))
    best: tuple[float, tuple[Limit, ...]] = (single[0][0], (single[0][1],))
    for i, (_, one) in enumerate(single[:60]):
        for _, other in single[i + 1 : 60]:
            if other.figure == one.figure and other.least == one.least:
                continue
            both = one.holds(behaviour.figures[one.figure]) & other.holds(behaviour.figures[other.figure])
            score = _f1(both, group)
            if score > best[0] + 0.03:
                best = (
                    score,
                    tuple(sorted((one, other), key=lambda x: (x.figure != "rows", x.figure, x.value))),
                )
    inside = int(behaviour.member(best[1]).sum())
    few = min(inside, len(group) - inside) < LEAST_MEMBERS
    return () if best[0] < LEAST_LIKE or few else best[1]


def _f1(picked: Bools, group: Bools) -> float:
    return 2 * float((picked & group).sum()) / max(1.0, float(picked.sum() + group.sum()))


def _plain(cut: float) -> float:
    """A value of two digits."""
    return float(f"{cut:.2g}")


def _strength(sample: Sample) -> float:
    """|z| of the difference, by entity."""
    total = sample.sums.sum(axis=0)
    n, s, m, t = total
    if n <= 0 or m <= 0:
        return 0.0
    columns = sample.sums
    pull = (columns[:, 1] - columns[:, 0] * s / n) / n - (columns[:, 3] - columns[:, 2] * t / m) / m
    error = np.sqrt(
        (np.bincount(np.unique(sample.entities, return_inverse=True)[1], weights=pull) ** 2).sum()
    )
    return float(abs(s / n - t / m) / max(error, 1e-300))


def _bounds(sheet: Sheet, part: Part) -> tuple[int, int]:
    """The part's first instant, and its last."""
    if part is Part.EARLY:
        return int(sheet.times[0]), sheet.split - sheet.gap
    return sheet.split, int(sheet.times[-1])


def _months(start: int, stop: int) -> float:
    return max(stop - start, 1) / (365.2425 / 12 * DAY)


def _words(limit: Limit, sheet: Sheet) -> str:
    """A limit in English."""
    days = f"{figure(limit.value)} days"
    match limit.figure, limit.least:
        case "rows", True:
            return f"at least {figure(np.ceil(limit.value))} {sheet.title}"
        case "rows", False:
            return f"fewer than {figure(np.ceil(limit.value))} {sheet.title}"
        case "lately", True:
            return f"no {sheet.title} for the last {days}"
        case "lately", False:
            return f"{sheet.title} in the last {days}"
        case "since", True:
            return f"the first of their {sheet.title} at least {days} before"
        case "since", False:
            return f"the first of their {sheet.title} less than {days} before"
    outcome = sheet.outcome(limit.figure)
    held = figure(limit.value, outcome.share)
    what = f"a share of {outcome.title}" if outcome.share else f"a mean {outcome.title}"
    return f"{what} of {held} or more" if limit.least else f"{what} below {held}"


def _apart(sums: Floats) -> Floats:
    n, s, m, t = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(s / n - t / m)
