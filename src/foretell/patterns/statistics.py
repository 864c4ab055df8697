"""Errors and tests of figures that are made of sums over rows which are not independent.

Rows of one entity are alike, and so are rows of one period. The error of a figure is clustered by both
(Cameron, Gelbach & Miller 2011), each by leaving one cluster out at a time (the jackknife CV3, which stays
honest where few clusters carry a figure: MacKinnon, Nielsen & Webb 2023), and is never below the larger of
the two. Many tests are adjusted by Holm (1979) and by Benjamini & Hochberg (1995).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from foretell.core.random import generator
from foretell.features.matrix import Floats
from foretell.patterns.candidate import Sample
from foretell.patterns.sheet import Ints

LEAST_CLUSTERS = 10
"""Fewer clusters carry no claim. `python benchmarks/patterns/errors.py` shows how often chance alone passes
for a finding by their number."""
REPETITIONS = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure with its error: `freedom` are the degrees of freedom of its t, 0 where nothing can be said.

    `by_entity` and `by_period` are the errors clustered one way; `entities` and `periods` the clusters.
    """

    value: float
    error: float
    freedom: float
    by_entity: float
    by_period: float
    entities: int
    periods: int

    def p(self, null: float = 0.0) -> float:
        """Two-sided, 1 where nothing can be said."""
        if self.freedom <= 0 or not np.isfinite(self.value) or not np.isfinite(self.error):
            return 1.0
        if self.error <= 0:
            return 1.0
        return float(2 * stats.t.sf(abs(self.value - null) / self.error, self.freedom))

    def z(self, null: float = 0.0) -> float:
        """The z that is as unlikely as its t, 0 where nothing can be said."""
        p = self.p(null)
        if p >= 1.0:
            return 0.0
        return float(np.sign(self.value - null) * min(38.0, stats.norm.isf(max(p, 1e-300) / 2)))

    @property
    def reach(self) -> float:
        """Half of the 95% interval that the error alone gives."""
        if self.freedom <= 0 or not np.isfinite(self.error):
            return float("inf")
        return float(stats.t.isf((1 - LEVEL) / 2, self.freedom) * self.error)


def figure(sample: Sample) -> float:
    """A sample's figure, NaN where it is not defined."""
    if not len(sample.sums):
        return float("nan")
    with np.errstate(all="ignore"):
        return float(sample.finish(sample.sums.sum(axis=0)))


def clustered(sums: Floats, clusters: Ints) -> Floats:
    """(clusters, k) sums per cluster, empty ones left out.

    >>> clustered(np.array([[1.0], [2.0], [4.0]]), np.array([5, 0, 5])).tolist()
    [[2.0], [5.0]]
    """
    return by_cluster(sums, clusters)[1]


def by_cluster(sums: Floats, clusters: Ints) -> tuple[Ints, Floats]:
    """The clusters that are there, ascending, and their sums."""
    if not len(sums):
        return clusters, sums
    low = int(clusters.min())
    if int(clusters.max()) - low > 4 * len(clusters) + 1000:
        names, codes = np.unique(clusters, return_inverse=True)
    else:
        there = np.bincount(clusters - low) > 0
        names = np.flatnonzero(there) + low
        codes = (np.cumsum(there) - 1)[clusters - low]
    return names, np.stack([np.bincount(codes, weights=c) for c in sums.T], axis=1)


def left_out(sample: Sample, groups: Floats) -> tuple[float, float]:
    """The figure's variance from leaving out each of `groups` (clusters, k), and its degrees of freedom.

    NaN where one cluster decides whether the figure is defined at all. A variance that a few clusters carry
    has about as many degrees of freedom as they are: three times (Σ d²)² / Σ d⁴, which is the number of
    clusters where all weigh alike (d normal).
    """
    count = len(groups)
    if count < 2:
        return float("nan"), 0.0
    total = groups.sum(axis=0)
    with np.errstate(all="ignore"):
        squares = (sample.finish(total - groups) - sample.finish(total)) ** 2
        moved = float(squares.sum())
        alike = 3 * moved**2 / float((squares**2).sum()) if moved > 0 else 0.0
    return (count - 1) / count * moved, max(1.0, min(count, alike) - 1.0)


def estimate(sample: Sample) -> Estimate:
    """The figure with its error by entities and periods.

    With V = V(entities) + V(periods) - V(both), never below either; where rows share other things too, each
    adds what it has beyond V(both). Degrees of freedom are Satterthwaite's (1946) from those of each. A
    figure that rests on fewer than `LEAST_CLUSTERS` of a kind says nothing.
    """
    value = figure(sample)
    if not np.isfinite(value):
        return Estimate(value, float("inf"), 0.0, float("inf"), float("inf"), 0, 0)
    entities, periods = sample.entities, sample.periods
    width = int(periods.max()) - int(periods.min()) + 1
    cells = sample.sums if sample.others else None
    if cells is None:
        cells = clustered(sample.sums, entities * width + (periods - periods.min()))
    both, _ = left_out(sample, cells)
    groups = [clustered(sample.sums, of) for of in (entities, periods, *sample.others)]
    parts = [left_out(sample, held) for held in groups]
    variances = np.array([v for v, _ in parts])
    variance = float(max(variances.max(), both + np.maximum(variances - both, 0.0).sum(), sample.floor**2))
    sizes = [len(held) for held in groups]
    by_entity, by_period = (float(np.sqrt(v)) for v in variances[:2])
    few = min(sizes) < LEAST_CLUSTERS or not sample.enough
    if few or not np.isfinite(variance) or not np.isfinite(variances).all() or not variance > 0:
        return Estimate(value, float("inf"), 0.0, by_entity, by_period, sizes[0], sizes[1])
    shares = sum(v**2 / f for v, f in parts)
    least = min(f for _, f in parts)
    freedom = max(variance**2 / shares, least) if shares > 0 else least
    error = float(np.sqrt(variance))
    return Estimate(value, error, min(freedom, max(sizes) - 1.0), by_entity, by_period, sizes[0], sizes[1])


def in_common(early: Sample, later: Sample, before: Estimate, after: Estimate) -> float:
    """The correlation of two parts' errors that comes from entities, and other things, with rows in both.

    A customer's ways do not change at the split: what chance did to the early part through them it does to
    the later part again. 0 where nothing is shared, or clusters are no more alike than rows; at most 0.95.
    """
    scale = before.error * after.error
    if not np.isfinite(scale) or scale <= 0:
        return 0.0
    covariance = 0.0
    for one, other in zip((early.entities, *early.others), (later.entities, *later.others)):
        (ids, pull), (others, push) = _pulls(early, one), _pulls(later, other)
        _, left, right = np.intersect1d(ids, others, assume_unique=True, return_indices=True)
        most = _beyond_rows(early, pull) * _beyond_rows(later, push)
        covariance += min(max(0.0, float(pull[left] @ push[right])), float(np.sqrt(most)))
    return min(0.95, covariance / scale)


def _beyond_rows(sample: Sample, pulls: Floats) -> float:
    """The variance that clusters have beyond that of their rows: only this can come again."""
    return max(0.0, float(pulls @ pulls) - left_out(sample, sample.sums)[0])


def _pulls(sample: Sample, clusters: Ints) -> tuple[Ints, Floats]:
    """Clusters, and how much the figure moves without each."""
    ids, groups = by_cluster(sample.sums, clusters)
    total = groups.sum(axis=0)
    with np.errstate(all="ignore"):
        return ids, np.nan_to_num(sample.finish(total) - sample.finish(total - groups))


def given_early(before: float, after: float, common: float) -> float:
    """The z of a later figure beyond what an early one lets expect by chance they have in common.

    Under no effect both are normal with that correlation, and this is normal whatever the early one was:
    choosing by it does no harm.

    >>> given_early(4.0, 3.0, 0.0), round(given_early(4.0, 3.0, 0.6), 2)
    (3.0, 0.75)
    """
    return (after - common * before) / float(np.sqrt(1 - common**2))


def interval(sample: Sample, known: Estimate, *, seed: int, key: str) -> tuple[float, float]:
    """The figure's 95% interval: by drawing entities anew, and no narrower than the clustered error gives.

    The bootstrap gives its lean (which side is longer), the error by entities and periods its least width.
    """
    if known.freedom <= 0:
        return float("nan"), float("nan")
    groups = clustered(sample.sums, sample.entities)
    draws = _drawn(sample, groups, generator(seed, "bootstrap", key))
    held = draws[np.isfinite(draws)]
    low = high = known.value
    if 2 * len(held) >= REPETITIONS:
        low, high = np.quantile(held, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    reach = known.reach
    return float(min(low, known.value - reach)), float(max(high, known.value + reach))


def _drawn(sample: Sample, groups: Floats, rng: np.random.Generator) -> Floats:
    """(repetitions,) figures of entities drawn with replacement; of very many, by Poisson weights' sums."""
    size = len(groups)
    if size > 20_000:  # sums of so many are normal: draw them from their covariance
        centre = groups.sum(axis=0)
        apart = groups - groups.mean(axis=0)
        cover = apart.T @ apart
        sums = rng.multivariate_normal(centre, cover, REPETITIONS, method="svd")
    else:
        step = max(1, 4_000_000 // size)
        parts = []
        for start in range(0, REPETITIONS, step):
            count = min(step, REPETITIONS - start)
            weights = rng.multinomial(size, np.full(size, 1 / size), size=count).astype(np.float64)
            parts.append(weights @ groups)
        sums = np.concatenate(parts)
    with np.errstate(all="ignore"):
        return np.asarray(sample.finish(sums), np.float64)


def holm(p: Floats) -> Floats:
    """Adjusted p-values: at 5%, the chance of any false one among all is at most 5%.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(1.0, steps)
    return out


def benjamini_hochberg(p: Floats) -> Floats:
    """Adjusted p-values: at 10%, a tenth of those below are expected to be false.

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    count = len(p)
    order = np.argsort(p, kind="stable")
    steps = p[order] * count / np.arange(1, count + 1)
    out = np.empty(count)
    out[order] = np.minimum(1.0, np.minimum.accumulate(steps[::-1])[::-1])
    return out
