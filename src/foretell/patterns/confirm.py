"""Confirmation: the list of candidates is frozen on the early part, then the later part judges it, once.

Entities that have rows in both parts bring their chance along, so that the later part alone would confirm
what the early part was searched for: tests are of the later figure given the early one (`given_early`).

`freeze` asks candidates for early rows and early figures alone, and `judge` takes a list that is frozen. All
that were frozen count as tests, whatever comes of them.

A headline is confirmed by Holm at 5%, on the side that it was frozen with, and matters: its figure is at
least as far from nothing as the sample says a reader cares for (`Sample.least`), and has kept a fifth of what
it was. What is smaller, or confirmed by Benjamini and Hochberg at 10% only, goes to the appendix. In both,
nothing lies outside of the interval. A statement has ended where even half of the early figure does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.stats import norm

from foretell.core.time import Instant
from foretell.features.matrix import Floats
from foretell.patterns.candidate import Candidate, Mined, Sample
from foretell.patterns.collapse import Kept
from foretell.patterns.finding import Finding, Kind, Measured, Status
from foretell.patterns.sheet import Part
from foretell.patterns.statistics import (
    Estimate,
    benjamini_hochberg,
    estimate,
    figure,
    given_early,
    holm,
    in_common,
    interval,
)
from foretell.patterns.trivial import whole

HEADLINE = 0.05
APPENDIX = 0.10
LEAST_STRENGTH = 3.0  # |z| in the early part
KEEPS = 0.2  # of the early figure, to be the same statement
GONE = 0.5  # of the early figure, beyond reach: it has ended
STANDS_FOR = 8  # statements that a finding names
SIDELESS = (Kind.TREND, Kind.CHANGE)  # their series are levels, which have no side


class Source(Protocol):
    """What candidates were mined from: a sheet, or baskets, a stream, durations."""

    @property
    def name(self) -> str: ...

    @property
    def split(self) -> Instant: ...


@dataclass(frozen=True)
class Early:
    """What candidates are ranked by. `candidate` is its number."""

    candidate: int
    source: str
    kind: Kind
    key: str
    about: str
    strength: float


@dataclass(frozen=True)
class Chosen:
    """A statement of the frozen list: its number, the early figure, and those that it stands for."""

    candidate: int
    early: float
    also: tuple[str, ...]


def confirm(
    mined: Sequence[tuple[Source, Mined]], *, most: int = 60, seed: int
) -> tuple[list[Finding], int, int]:
    """The findings, headlines first; how many statements were looked at, and how many were frozen.

    `most` limits the frozen list: kinds and sources take turns, so that none crowds out the others.
    """
    searched = sum(m.searched for _, m in mined)
    held = [(source, c) for source, m in mined for c in m.candidates]
    chosen = freeze(held, most=most)
    # from here on the list stands, and the later part may be read
    return judge([(*held[c.candidate], c) for c in chosen], seed=seed), searched, len(chosen)


def freeze(held: Sequence[tuple[Source, Candidate]], *, most: int) -> tuple[Chosen, ...]:
    """The list that goes to confirmation, from early rows alone."""
    early = [
        Early(n, source.name, c.kind, c.key, c.about, float(c.strength)) for n, (source, c) in enumerate(held)
    ]
    kept = Kept()
    figures: dict[int, float] = {}
    also: dict[int, list[str]] = {}
    for one in in_turns([e for e in early if np.isfinite(e.strength) and e.strength >= LEAST_STRENGTH]):
        candidate = held[one.candidate][1]
        rows = candidate.rows()
        if rows is not None and whole(rows):
            continue
        twin = kept.find(one.about, rows)
        if twin is not None:
            also[twin].append(one.key)
            continue
        if len(figures) >= most:
            continue
        sample = candidate.sample(Part.EARLY)
        value = figure(sample)
        if not np.isfinite(value) or value == sample.null:
            continue
        kept.add(one.candidate, one.about, rows)
        figures[one.candidate], also[one.candidate] = value, []
    return tuple(Chosen(n, v, tuple(also[n][:STANDS_FOR])) for n, v in figures.items())


def in_turns(early: Sequence[Early]) -> Iterator[Early]:
    """The strongest of each source and kind, then the second of each, and so on."""
    queues: dict[tuple[str, Kind], list[Early]] = {}
    for one in sorted(early, key=lambda e: (-e.strength, e.key)):
        queues.setdefault((one.source, one.kind), []).append(one)
    for turn in range(max(map(len, queues.values()), default=0)):
        yield from (queue[turn] for queue in queues.values() if turn < len(queue))


@dataclass(frozen=True)
class _Later:
    """A frozen statement with what the later part says; `common` is the chance that both parts share."""

    source: Source
    candidate: Candidate
    chosen: Chosen
    sample: Sample
    estimate: Estimate
    before: float  # z of the early figure
    common: float

    @property
    def side(self) -> float:
        """Of the early figure: 1 above `null`, -1 below."""
        return float(np.sign(self.chosen.early - self.sample.null))

    @property
    def distance(self) -> float:
        """How far the later figure lies from `null`, on the early side."""
        return self.side * (self.estimate.value - self.sample.null)

    @property
    def p(self) -> float:
        """One-sided, for the tests: the list was frozen with the side on which a figure lies."""
        half = self.estimate.p(self.sample.null) / 2
        plain = half if self.distance > 0 else 1.0 - half
        beyond = given_early(self.before, self.estimate.z(self.sample.null), self.common)
        return max(plain, float(norm.sf(self.side * beyond)))

    @property
    def matters(self) -> bool:
        kept = KEEPS * abs(self.chosen.early - self.sample.null)
        return self.distance >= max(self.sample.least, kept)


def judge(chosen: Sequence[tuple[Source, Candidate, Chosen]], *, seed: int) -> list[Finding]:
    """What the later part makes of a frozen list: headlines first, then the surest."""
    later = []
    for source, candidate, held in chosen:
        sample = candidate.sample(Part.LATER)
        known = estimate(sample)
        before, common = 0.0, 0.0
        if candidate.kind not in SIDELESS and known.freedom > 0:
            early = candidate.sample(Part.EARLY)
            told = estimate(early)
            before, common = told.z(early.null), in_common(early, sample, told, known)
        later.append(_Later(source, candidate, held, sample, known, before, common))
    p = np.array([x.p for x in later], dtype=np.float64)
    findings = [
        _finding(x, float(a), float(b), seed) for x, a, b in zip(later, holm(p), benjamini_hochberg(p))
    ]
    order = list(Status)
    return sorted(findings, key=lambda f: (order.index(f.status), f.measured.p, f.key))


def _finding(later: _Later, strict: float, mild: float, seed: int) -> Finding:
    candidate, sample, known = later.candidate, later.sample, later.estimate
    low, high = interval(sample, known, seed=seed, key=candidate.key)
    times, values = candidate.series()
    side = np.sign(known.value - sample.null)
    stable = float("nan")
    if candidate.kind not in SIDELESS:
        stable = stability(values[times >= later.source.split], sample.null, float(side))
    measured = Measured(
        value=known.value,
        low=low,
        high=high,
        p=known.p(sample.null),
        support=sample.support,
        population=sample.population,
        entities=known.entities,
        early=later.chosen.early,
        null=sample.null,
        adjusted=strict,
        stability=stable,
    )
    return Finding(
        kind=candidate.kind,
        status=_status(later, strict, mild, low, high),
        key=candidate.key,
        sheet=later.source.name,
        sentence=candidate.sentence(measured),
        measured=measured,
        series=tuple(zip(times.tolist(), values.tolist())),
        sql=candidate.sql(),
        also=later.chosen.also,
    )


def _status(later: _Later, strict: float, mild: float, low: float, high: float) -> Status:
    null = later.sample.null
    is_out = low > null or high < null
    if strict <= HEADLINE and later.matters and is_out:
        return Status.HEADLINE
    if mild <= APPENDIX and is_out:
        return Status.APPENDIX
    furthest = (high - null) if later.side > 0 else (null - low)
    if np.isfinite(furthest) and furthest < GONE * abs(later.chosen.early - null):
        return Status.ENDED
    return Status.UNCONFIRMED


def stability(values: Floats, null: float, side: float) -> float:
    """Share of the periods with a figure on the same side; NaN where there is none.

    >>> stability(np.array([0.2, -0.1, np.nan, 0.3, 0.1]), 0.0, 1.0)
    0.75
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan")
    return float(np.mean(np.sign(known - null) == side))
