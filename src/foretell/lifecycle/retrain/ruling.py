"""Whether a challenger may replace the champion: what both said of the same rows goes in, a ruling comes out.

The challenger's advantage is measured on rows that neither has seen, with the error that resampling whole
entities gives it (and whole cutoffs, where there are three or more: days have effects that all rows share).
Each look at a champion's challengers spends a part of one allowance for errors, so that looking often does
not promote by chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from foretell.evaluation.bootstrap import REPETITIONS, Score, interval, resample
from foretell.evaluation.metrics import ece, metric_for
from foretell.features.matrix import Floats, Instants
from foretell.models.dataset import Groups
from foretell.task.model import TaskKind

ALLOWANCE = 0.025
"""How often, over all looks at one champion, an equal challenger may be promoted by chance."""
SURE = 0.025
"""The error at which something is called surely worse."""
POWER = 0.8
FEWEST_CUTOFFS, MANY_CUTOFFS = 3, 8
"""From the first on, what the rows of a cutoff have in common counts; from the second on also that there are
so few cutoffs to tell it by. Fewer could hardly ever show anything.
"""
CALIBRATION_MARGIN = 0.02
"""By how much the challenger's probabilities may be further off than the champion's."""
COVERAGE_MARGIN = 0.05
"""The same of the share of truths that lie in a regression's intervals."""

Bands = tuple[Floats, Floats]


@dataclass(frozen=True)
class Ruling:
    """What a look found. `lift` is the challenger's advantage (positive is better) with the interval whose
    ends are each wrong with the chance `error`; `upper` is the end of one at `SURE`. `least` is the least
    advantage that so many rows show in 80% of cases. `off` is by how much the stated probabilities, or the
    coverage of the intervals, are off: the champion's and the challenger's; None where neither is stated.
    """

    metric: str
    champion: Score
    challenger: Score
    lift: Score
    upper: float
    look: int
    error: float
    least: float
    rows: int
    entities: int
    off: tuple[float, float] | None
    margin: float

    @property
    def is_better(self) -> bool:
        """Whether the lift's whole interval is above zero."""
        return self.lift.low > 0

    @property
    def is_worse(self) -> bool:
        """Whether the challenger is surely worse."""
        return self.upper < 0

    @property
    def is_calibrated(self) -> bool:
        """Whether the challenger is no further off than the champion, but for a margin."""
        return self.off is None or not self.off[1] > self.off[0] + self.margin

    @property
    def passes(self) -> bool:
        return self.is_better and self.is_calibrated

    def to_dict(self) -> dict[str, Any]:
        """The ruling, ready for JSON; what is not defined is None."""

        def known(value: float) -> float | None:
            return value if math.isfinite(value) else None

        def told(score: Score) -> dict[str, float | None]:
            return {"value": known(score.value), "low": known(score.low), "high": known(score.high)}

        return {
            "metric": self.metric,
            "champion": told(self.champion),
            "challenger": told(self.challenger),
            "lift": told(self.lift),
            "look": self.look,
            "error": self.error,
            "least": known(self.least),
            "rows": self.rows,
            "entities": self.entities,
            "off": None if self.off is None else [known(v) for v in self.off],
            "better": self.is_better,
            "worse": self.is_worse,
            "calibrated": self.is_calibrated,
            "passes": self.passes,
        }


def spent(look: int) -> float:
    """The error that the so-many-th look may spend; all looks together spend `ALLOWANCE`.

    >>> round(spent(1), 4), round(sum(spent(k) for k in range(1, 10_000)), 4)
    (0.0152, 0.025)
    """
    return ALLOWANCE * 6 / (math.pi * look) ** 2


def rule(
    y: Floats,
    champion: Floats,
    challenger: Floats,
    *,
    groups: Groups,
    cutoffs: Instants,
    kind: TaskKind,
    metric: str | None = None,
    look: int = 1,
    bands: tuple[Bands, Bands] | None = None,
    level: float = 0.8,
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> Ruling:
    """Judge what a champion and a challenger said of the same rows: (n,) values or (n, k) probabilities.

    `bands` are both regressions' (low, high) at `level`. Where the metric is not defined on the rows, the
    lift is nan, and the challenger does not pass.

    >>> y = np.tile([0.0, 1.0], 50)
    >>> rows = np.arange(100)
    >>> found = rule(y, 0.4 + 0.1 * (rows % 3), 0.01 + 0.98 * y, groups=rows, cutoffs=rows * 0,
    ...              kind=TaskKind.BINARY)
    >>> found.passes, found.is_worse
    (True, False)
    """
    judge = metric_for(kind, metric)
    sign = 1.0 if judge.higher_is_better else -1.0
    said = {"champion": champion, "challenger": challenger}
    values = {n: judge.score(y, p) for n, p in said.items()}
    error = spent(look)
    by_entity = resample(judge, y, said, groups, repetitions=repetitions, seed=seed)
    spread, clusters = _spread(by_entity, len(np.unique(groups)))
    if (moments := len(np.unique(cutoffs))) >= FEWEST_CUTOFFS:
        apart = [
            _spread(resample(judge, y, said, by, repetitions=repetitions, seed=seed), n)[0]
            for by, n in ((cutoffs, moments), (np.arange(len(y)), len(y)))
        ]
        spread = _both_ways(spread, *apart)
        if moments >= MANY_CUTOFFS:
            clusters = min(clusters, moments)
    lift = sign * (values["challenger"] - values["champion"])
    half, sure = (spread * _t(1 - e, clusters - 1) for e in (error, SURE))
    scores = {n: Score(judge.name, values[n], *interval(by_entity[n])) for n in said}
    return Ruling(
        judge.name,
        scores["champion"],
        scores["challenger"],
        Score(judge.name, lift, lift - half, lift + half),
        lift + sure,
        look,
        error,
        half + NormalDist().inv_cdf(POWER) * spread,
        len(y),
        len(np.unique(groups)),
        _off(y, champion, challenger, kind, bands, level),
        COVERAGE_MARGIN if kind is TaskKind.REGRESSION else CALIBRATION_MARGIN,
    )


def _spread(draws: dict[str, Floats], clusters: int) -> tuple[float, int]:
    """The standard error of the difference, nan where most draws are not defined; and of how many clusters,
    two at the least.
    """
    gaps = draws["challenger"] - draws["champion"]
    held = gaps[np.isfinite(gaps)]
    if clusters < 2 or len(held) * 2 < len(gaps):
        return float("nan"), 2
    return float(held.std(ddof=1) * math.sqrt(clusters / (clusters - 1))), clusters


def _both_ways(entities: float, cutoffs: float, rows: float) -> float:
    """The error where rows of an entity are alike and those of a cutoff too (Cameron, Gelbach & Miller 2011):
    what either adds to that of single rows, at least the larger.
    """
    return math.sqrt(max(entities**2 + cutoffs**2 - rows**2, entities**2, cutoffs**2))


def _t(share: float, df: int) -> float:
    """A quantile of Student's t by its expansion around the normal one (Abramowitz & Stegun 26.7.5)."""
    z = NormalDist().inv_cdf(share)
    return (
        z
        + (z**3 + z) / (4 * df)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * df**3)
    )


def _off(
    y: Floats,
    champion: Floats,
    challenger: Floats,
    kind: TaskKind,
    bands: tuple[Bands, Bands] | None,
    level: float,
) -> tuple[float, float] | None:
    if kind is not TaskKind.REGRESSION:
        return ece(y, champion), ece(y, challenger)
    if bands is None:
        return None
    old, new = (abs(float(((y >= low) & (y <= high)).mean()) - level) for low, high in bands)
    return old, new
