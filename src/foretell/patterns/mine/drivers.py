"""Drivers: attributes along which an outcome rises or falls, and categories between which it differs.

Of a number the highest quarter of its values is held against the lowest, if the ranges between them are in
order too; of a category the value with the highest mean against that with the lowest. Which these are, and
where the quarters end, is settled by early rows. A driver goes along with the outcome; it need not cause it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from foretell.core.random import generator
from foretell.features.matrix import Categorical, Floats, Instants
from foretell.patterns.candidate import Candidate, Mined, Sample
from foretell.patterns.finding import Kind, Measured
from foretell.patterns.mine.conditions import Condition, near, plain
from foretell.patterns.mine.contrasts import Contrasts
from foretell.patterns.mine.groups import Ground, ground
from foretell.patterns.mine.phrases import value
from foretell.patterns.mine.subgroups import ROWS, compared, contrasts_of, rows_of
from foretell.patterns.sheet import Attribute, Bools, Ints, Part, Sheet
from foretell.patterns.statistics import estimate
from foretell.patterns.trivial import defining, settled, unusable

LEAST_ROWS = 50
LEAST_SHARE = 0.01  # of the early rows, of each category
LEAST_Z = 3.5
IN_ORDER = 0.7  # rank correlation of the means of ranges with their order
KEPT = 10  # of an outcome
ENDS = 1.5  # of z: that two ends were picked must be worth more than a group against all others


@dataclass(frozen=True, eq=False)
class Driver:
    """An attribute's one end against its other."""

    ground: Ground
    top: Condition
    bottom: Condition
    strength: float
    kind: Kind = Kind.DRIVER

    @property
    def attribute(self) -> Attribute:
        return self.ground.sheet.attribute(self.top.attribute)

    @property
    def key(self) -> str:
        held = self.ground
        return f"driver:{held.sheet.name}:{held.outcome.name}:{self.top.key} against {self.bottom.key}"

    @property
    def about(self) -> str:
        return f"group:{self.ground.sheet.name}:{self.ground.outcome.name}"

    @cached_property
    def _ends(self) -> tuple[Bools, Bools]:
        return self.top.holds(self.attribute), self.bottom.holds(self.attribute)

    def sample(self, part: Part) -> Sample:
        return self.ground.sample(part, *self._ends)

    def rows(self) -> Bools | None:
        return np.asarray(self._ends[0][self.ground.sheet.part(Part.EARLY)])

    def series(self) -> tuple[Instants, Floats]:
        return self.ground.series(*self._ends)

    def sentence(self, measured: Measured) -> str:
        sheet = self.ground.sheet
        title = self.attribute.title
        one, other = self.ground.means(Part.LATER, *self._ends)
        if self.attribute.is_numeric:
            quarter = f"about the highest quarter of {rows_of(sheet)}"
            where = f"where {title} is {plain(self.top.low)} or more, {quarter}"
            others = f"{title} below {plain(self.bottom.high)}, about the lowest quarter"
        else:
            where = f"among {rows_of(sheet)} with {title} {value(self.top.category or '')}"
            others = f"{title} {value(self.bottom.category or '')}, the furthest apart"
        return compared(self.ground, where, others, one, other, measured)

    def sql(self) -> str:
        numeric = self.attribute.is_numeric
        return self.ground.sql(self.top.sql(numeric), self.bottom.sql(numeric))


def mine_drivers(sheet: Sheet, *, seconds: float, seed: int) -> Mined:
    """Attributes whose two ends differ in an outcome, of each outcome the surest."""
    until = time.monotonic() + seconds
    early = sheet.part(Part.EARLY)
    useless = unusable(sheet.attributes, sheet.times, early, seed=seed)
    found: list[Candidate] = []
    searched = 0
    for outcome in sheet.outcomes:
        if time.monotonic() > until:
            break
        defined = defining(sheet.attributes, outcome, early, seed=seed)
        about = ground(sheet, outcome)
        rows = np.flatnonzero(early & about.known)
        if len(rows) > ROWS:
            rows = np.sort(generator(seed, "drivers", outcome.name).choice(rows, ROWS, replace=False))
        if len(rows) < 4 * LEAST_ROWS:
            continue
        contrasts = contrasts_of(about, rows)
        held: list[Driver] = []
        for attribute in sheet.attributes:
            if attribute.name in useless or attribute.name in defined or time.monotonic() > until:
                continue
            searched += 1
            driver = _driver(about, attribute, rows, contrasts)
            if driver is not None:
                held.append(driver)
        found += sorted(held, key=lambda d: (-d.strength, d.key))[:KEPT]
    return Mined(tuple(found), searched)


def _driver(about: Ground, attribute: Attribute, rows: Ints, contrasts: Contrasts) -> Driver | None:
    ends = _ends(attribute, rows, contrasts)
    if ends is None:
        return None
    taken = attribute.take(rows)
    top, bottom = (c.holds(taken) for c in ends)
    difference, z = contrasts.between(top, top | bottom)
    if abs(z) < LEAST_Z or abs(difference) < about.least:
        return None
    if not (contrasts.has_clusters(top) and contrasts.has_clusters(bottom)):
        return None
    if about.outcome.share and (settled(top, contrasts.y) or settled(bottom, contrasts.y)):
        return None
    plain_one = Driver(about, *ends, 0.0)
    strength = abs(estimate(plain_one.sample(Part.EARLY)).z()) - ENDS
    return replace(plain_one, strength=strength) if strength >= LEAST_Z else None


def _ends(attribute: Attribute, rows: Ints, contrasts: Contrasts) -> tuple[Condition, Condition] | None:
    """The two ends that are held against each other, the first that is named in the sentence."""
    values = attribute.values
    if isinstance(values, Categorical):
        codes = values.codes[rows]
        there = codes >= 0
        counts = np.bincount(codes[there], minlength=len(values.categories))
        frequent = np.flatnonzero(counts >= max(LEAST_ROWS, LEAST_SHARE * len(rows)))
        enough = np.array([c for c in frequent if contrasts.has_clusters(codes == c)], dtype=np.int64)
        if len(enough) < 3:  # of two, a subgroup tells the same
            return None
        sums = np.bincount(codes[there], weights=contrasts.y[there], minlength=len(values.categories))
        means = sums[enough] / counts[enough]
        top, bottom = (values.categories[enough[k]] for k in (int(means.argmax()), int(means.argmin())))
        return Condition(attribute.name, category=top), Condition(attribute.name, category=bottom)
    numbers = values.values[rows].astype(np.float64)
    known = np.sort(numbers[np.isfinite(numbers)])
    if len(known) < 4 * LEAST_ROWS or len(known) < LEAST_SHARE * len(rows):
        return None
    bottom_end, top_end = (near(known, len(known) * k // 4) for k in (1, 3))
    if bottom_end is None or top_end is None or bottom_end > top_end:
        return None
    sizes = np.searchsorted(known, bottom_end), len(known) - np.searchsorted(known, top_end)
    if (
        min(sizes) < len(known) / 10
        or max(sizes) > len(known) / 2
        or not _in_order(numbers, known, contrasts.y)
    ):
        return None
    return Condition(attribute.name, low=top_end), Condition(attribute.name, high=bottom_end)


def _in_order(numbers: Floats, known: Floats, y: Floats) -> bool:
    """Whether the means of eight ranges go with their order."""
    edges = np.unique(known[[len(known) * k // 8 for k in range(1, 8)]])
    there = np.isfinite(numbers)
    at = np.searchsorted(edges, numbers[there], side="right")
    counts = np.bincount(at, minlength=len(edges) + 1)
    used = counts > 0
    if used.sum() < 3:
        return False
    means = np.bincount(at, weights=y[there], minlength=len(edges) + 1)[used] / counts[used]
    ranks = means.argsort().argsort()
    return bool(abs(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) >= IN_ORDER)
