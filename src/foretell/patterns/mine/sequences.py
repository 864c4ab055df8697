"""Sequences: events after which another type of event comes more often than before them.

Entities differ in how busy they are, and are busy at times: whoever has many deliveries has many returns
too. So each event is its own control: the share of events followed within a window, less the share preceded
within a window as long (sequence symmetry, Hallas 1996). Bursts and busy entities raise both alike. Only
events count whose two windows lie within the part, of entities that were there before the first window.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from foretell.core.time import DAY, Offset, Unit
from foretell.features.matrix import Floats, Instants
from foretell.patterns.candidate import Candidate, Mined, Sample
from foretell.patterns.finding import Kind, Measured
from foretell.patterns.mine.grid import Grid, choose
from foretell.patterns.mine.inputs import Stream
from foretell.patterns.mine.levels import cells
from foretell.patterns.mine.phrases import between, date, figure, first_upper, step
from foretell.patterns.mine.statement import moment, statement, text
from foretell.patterns.sheet import Bools, Ints, Part
from foretell.plan.build import DIALECT, interval

WINDOWS = (DAY // 24, DAY // 4, DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 180 * DAY)
LEAST_EVENTS = 50  # early ones of the first type, with whole windows
LEAST_FOLLOWED = 20
LEAST_Z = 4.0
LEAST_MOVE = 0.02  # between the shares after and before
KEPT = 15
PER_THEN = 3  # things that one type of event follows
SPANS = 24  # windows in the early part, at least: errors of fewer cannot be told
SURE = 0.98  # what nearly always follows is how the events are defined
FAR = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Walk:
    """A stream's events by entity, then time; `first` and `last` event of one entity at one time."""

    order: Ints  # (events,) positions in the stream
    times: Instants  # (events,)
    entities: Ints  # (events,)
    tie_start: Ints  # (events,) place of the first event of the same entity and time
    tie_stop: Ints  # (events,) place after the last
    born: Instants  # (events,) the entity's first event

    @classmethod
    def of(cls, times: Instants, entities: Ints) -> Walk:
        order = np.argsort(entities, kind="stable")
        t, e = times[order], entities[order]
        fresh = np.ones(len(t), dtype=np.bool_)
        fresh[1:] = (e[1:] != e[:-1]) | (t[1:] != t[:-1])
        starts = np.flatnonzero(fresh)
        group = np.cumsum(fresh) - 1
        stops = np.append(starts[1:], len(t))
        newcomer = np.ones(len(t), dtype=np.bool_)
        newcomer[1:] = e[1:] != e[:-1]
        born = t[np.flatnonzero(newcomer)][np.cumsum(newcomer) - 1] if len(t) else t
        return cls(order, t, e, starts[group], stops[group], born)

    def distances(self, at: Ints, others: Ints) -> tuple[Instants, Instants]:
        """From events at places `at` to the next and to the last of events at places `others` (ascending)
        of the same entity at another time, in microseconds; FAR where there is none.
        """
        after = np.full(len(at), FAR)
        before = np.full(len(at), FAR)
        if not len(others):
            return after, before
        follows = np.searchsorted(others, self.tie_stop[at])
        known = follows < len(others)
        next_one = others[np.minimum(follows, len(others) - 1)]
        known &= self.entities[next_one] == self.entities[at]
        after[known] = (self.times[next_one] - self.times[at])[known]
        precedes = np.searchsorted(others, self.tie_start[at]) - 1
        known = precedes >= 0
        last_one = others[np.maximum(precedes, 0)]
        known &= self.entities[last_one] == self.entities[at]
        before[known] = (self.times[at] - self.times[last_one])[known]
        return after, before


@dataclass(frozen=True, eq=False)
class Sequence:
    """Events of type `first` are followed by one of type `then` within `window` microseconds."""

    stream: Stream
    grid: Grid | None
    first: int
    then: int
    window: int
    strength: float
    kind: Kind = Kind.SEQUENCE

    @property
    def key(self) -> str:
        types = self.stream.types
        return f"sequence:{self.stream.name}:{types[self.first]}>{types[self.then]}:{_span(self.window)}"

    @property
    def about(self) -> str:
        return self.key

    @cached_property
    def _all(self) -> tuple[Instants, Ints, Bools, Bools, Floats]:
        """Of every event of the first type with whole windows in either part: its time, its entity, whether
        it is followed and preceded, and how likely a window of the entity's is to have one at all.
        """
        early, later = (self._events(part) for part in Part)
        times, entities, after, before, usual = (np.concatenate(c) for c in zip(early, later))
        return times, entities, after, before, usual

    def _events(self, part: Part) -> tuple[Instants, Ints, Bools, Bools, Floats]:
        stream = self.stream
        start, stop = bounds(stream, part)
        known = slice(0, np.searchsorted(stream.times, stop, side="right" if part is Part.LATER else "left"))
        walk = Walk.of(stream.times[known], stream.entities[known])
        codes = stream.codes[known][walk.order]
        at = _whole(walk, np.flatnonzero(codes == self.first), start, stop, self.window)
        others = np.flatnonzero(codes == self.then)
        after, before = walk.distances(at, others)
        usual = _usual(walk, at, others, start, stop, self.window)
        return walk.times[at], walk.entities[at], after <= self.window, before <= self.window, usual

    def sample(self, part: Part) -> Sample:
        times, entities, after, before, _ = self._events(part)
        columns = np.stack([np.ones(len(times)), after, before], axis=1).astype(np.float64)
        length = max(self.window, self.grid.length if self.grid is not None else DAY)
        sums, entities, blocks = cells(columns, entities, (times - self.stream.split) // length)
        return Sample(sums, _more, entities, blocks, len(times), len(times), least=LEAST_MOVE)

    def rows(self) -> Bools | None:
        return None

    def series(self) -> tuple[Instants, Floats]:
        if self.grid is None:
            return np.zeros(0, np.int64), np.zeros(0)
        times, _, after, before, _ = self._all
        grid = self.grid
        width = max(1, grid.early // 20)
        numbers = np.arange(grid.first // width, max(1, grid.later(int(self.stream.times[-1])) // width))
        at = grid.of(times) // width - numbers[0]
        keep = (at >= 0) & (at < len(numbers))
        columns = (np.ones(len(at)), after, before)
        sums = [np.bincount(at[keep], weights=c[keep], minlength=len(numbers)) for c in columns]
        return grid.starts(numbers * width), _more(np.stack(sums, axis=1))

    def sentence(self, measured: Measured) -> str:
        stream = self.stream
        times, _, after, before, usual = self._events(Part.LATER)
        one, other = stream.labels[self.first], stream.labels[self.then]
        means = (float(np.mean(v)) if len(v) else float("nan") for v in (after, before, usual))
        rate = [figure(m, share=True) for m in means]
        text = (
            f"{one} is followed by {other} within {_span(self.window)} in {rate[0]} of {len(times):,} cases, "
            f"and preceded by one in {rate[1]}: {step(measured.value, share=True)} "
            f"{'more' if measured.value > 0 else 'less'} {between(measured, share=True)}; "
            f"at the same {stream.title}' usual rate it would be {rate[2]}; before {date(stream.split)} "
            f"{step(measured.early, share=True)} {'more' if measured.early > 0 else 'less'}"
        )
        return first_upper(text)

    def sql(self) -> str:
        stream = self.stream
        window = interval(Offset(self.window // 1_000_000, Unit.SECOND)).sql(dialect=DIALECT)
        start, stop = bounds(stream, Part.LATER)
        a, b = text(stream.types[self.first]), text(stream.types[self.then])
        steps = {
            "events": 'SELECT entity, CAST("time" AS TIMESTAMP) AS t, CAST(type AS VARCHAR) AS type\n'
            'FROM sheet WHERE "time" IS NOT NULL AND entity IS NOT NULL AND type IS NOT NULL',
            "born": "SELECT entity, min(t) AS t FROM events GROUP BY entity",
            "firsts": "SELECT e.entity, e.t FROM events AS e JOIN born AS b ON b.entity = e.entity\n"
            f"WHERE e.type = {a} AND e.t >= {moment(start + self.window)} AND e.t <= "
            f"{moment(stop - self.window)} AND b.t < e.t - {window}",
            "others": f"SELECT entity, t FROM events WHERE type = {b}",
            "met": "SELECT f.t, n.t AS next, p.t AS last FROM firsts AS f\n"
            "ASOF LEFT JOIN others AS n ON n.entity = f.entity AND f.t < n.t\n"
            "ASOF LEFT JOIN others AS p ON p.entity = f.entity AND f.t > p.t",
        }
        last = (
            f"SELECT avg(CASE WHEN next <= t + {window} THEN 1.0 ELSE 0.0 END)\n"
            f"  - avg(CASE WHEN last >= t - {window} THEN 1.0 ELSE 0.0 END) AS value,\n"
            "  count(*) AS support FROM met"
        )
        return statement(stream.source, stream.preamble, steps, last)


def mine_sequences(stream: Stream, *, seconds: float, seed: int) -> Mined:
    """Pairs of types of which the second comes after the first more often than before it."""
    until = time.monotonic() + seconds
    start, stop = bounds(stream, Part.EARLY)
    known = slice(0, np.searchsorted(stream.times, stop))
    walk = Walk.of(stream.times[known], stream.entities[known])
    codes = stream.codes[known][walk.order]
    grid = choose(stream.times, stream.split, stream.gap)
    step_of = DAY if not (stream.times[known] % DAY).any() else 1
    windows = [w for w in WINDOWS if w >= step_of and w * SPANS <= stop - start]
    places = [np.flatnonzero(codes == k) for k in range(len(stream.types))]
    found: list[Sequence] = []
    searched = 0
    for first, at in enumerate(places):
        if len(at) < LEAST_EVENTS:
            continue
        for then, others in enumerate(places):
            if then == first or len(others) < LEAST_FOLLOWED:
                continue
            if time.monotonic() > until:
                break
            after, before = walk.distances(at, others)
            best: Sequence | None = None
            for window in windows:
                searched += 1
                z = _strength(walk, at, others, after, before, start, stop, window)
                if z >= LEAST_Z and (best is None or z > best.strength):
                    best = Sequence(stream, grid, first, then, window, z)
            if best is not None:
                found.append(best)
    found.sort(key=lambda c: -c.strength)
    kept: list[Candidate] = []
    used: dict[int, int] = {}
    for candidate in found:
        used[candidate.then] = used.get(candidate.then, 0) + 1
        if used[candidate.then] <= PER_THEN:
            kept.append(candidate)
    return Mined(tuple(kept[:KEPT]), searched)


def _strength(
    walk: Walk,
    at: Ints,
    others: Ints,
    after: Instants,
    before: Instants,
    start: int,
    stop: int,
    window: int,
) -> float:
    """z of the difference of shares, by entity; 0 where it is no candidate."""
    keep = _is_whole(walk, at, start, stop, window)
    if keep.sum() < LEAST_EVENTS:
        return 0.0
    followed, preceded = after[keep] <= window, before[keep] <= window
    more = followed.astype(np.float64) - preceded
    share, difference = followed.mean(), more.mean()
    usual = _usual(walk, at[keep], others, start, stop, window).mean()
    if followed.sum() < LEAST_FOLLOWED or difference < LEAST_MOVE or share > SURE or share < 1.2 * usual:
        return 0.0
    if not preceded.any():  # the one cannot come before the other: a step of a process, and no news
        return 0.0
    centred = more - difference
    errors = []
    for of in (walk.entities[at[keep]], walk.times[at[keep]] // max(window, DAY)):
        number = np.unique(of, return_inverse=True)[1]
        errors.append(np.sqrt((np.bincount(number, weights=centred) ** 2).sum()) / len(more))
    return float(difference / max(*errors, 1e-300))


def bounds(stream: Stream, part: Part) -> tuple[int, int]:
    """The part's first and last instant."""
    if part is Part.EARLY:
        first = int(stream.times[0]) if len(stream.times) else stream.split
        return first, stream.split - stream.gap
    return stream.split, int(stream.times[-1])


def _is_whole(walk: Walk, at: Ints, start: int, stop: int, window: int) -> Bools:
    """Whether events have both windows within the part, and their entity was there before."""
    t = walk.times[at]
    return np.asarray((t >= start + window) & (t <= stop - window) & (walk.born[at] < t - window))


def _whole(walk: Walk, at: Ints, start: int, stop: int, window: int) -> Ints:
    return at[_is_whole(walk, at, start, stop, window)]


def _usual(walk: Walk, at: Ints, others: Ints, start: int, stop: int, window: int) -> Floats:
    """How likely a window of each event's entity has one of `others`, from its rate over the part."""
    inside = others[walk.times[others] >= start]
    size = int(walk.entities.max()) + 1 if len(walk.entities) else 0
    counts = np.bincount(walk.entities[inside], minlength=size)[walk.entities[at]]
    length = np.maximum(stop - np.maximum(walk.born[at], start), window)
    return np.asarray(1 - np.exp(-counts * (window / length)), np.float64)


def _more(sums: Floats) -> Floats:
    n, after, before = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((after - before) / n)


def _span(window: int) -> str:
    if window < DAY:
        hours = window * 24 // DAY
        return f"{hours} hour{'s' if hours > 1 else ''}"
    days = window // DAY
    return f"{days} day{'s' if days > 1 else ''}"
