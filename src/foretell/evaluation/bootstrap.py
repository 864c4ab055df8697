"""Intervals by resampling whole entities: rows of one entity are alike, so they are drawn together.

All predictions are scored on the same draws, so that the difference of two has an interval of its own,
narrower than the two intervals suggest (Efron & Tibshirani 1993; the cluster bootstrap of Field & Welsh
2007).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from foretell.core.random import generator
from foretell.features.matrix import Floats
from foretell.models.criteria import Metric
from foretell.models.dataset import Groups

REPETITIONS = 500
LEVEL = 0.95


@dataclass(frozen=True)
class Score:
    """A number with the interval that resampling gives it. nan where it is not defined."""

    metric: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


def resample(
    metric: Metric,
    y: Floats,
    predictions: Mapping[str, Floats],
    groups: Groups,
    *,
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> dict[str, Floats]:
    """(repetitions,) scores of every prediction, on the same draws of entities with replacement."""
    names, member = np.unique(groups, return_inverse=True)
    size = len(names)
    rng = generator(seed, "bootstrap", metric.name)
    if metric.ranked is not None:
        judges = {n: metric.ranked(y, p) for n, p in predictions.items()}
        out = {n: np.empty(repetitions) for n in predictions}
        for i in range(repetitions):
            weights = _draw(rng, size)[member]
            for n, judge in judges.items():
                out[n][i] = judge(weights)
        return out
    assert metric.stats is not None and metric.finish is not None
    draws = [_draw(rng, size) for _ in range(repetitions)] if size * repetitions <= 5_000_000 else None
    if draws is None:  # too many to keep: 50 at a time, every prediction on each block
        return _in_blocks(metric, y, predictions, member, size, rng, repetitions)
    drawn = np.stack(draws)  # (repetitions, entities)
    return {n: metric.finish(drawn @ _sums(metric, y, p, member, size)) for n, p in predictions.items()}


def _in_blocks(
    metric: Metric,
    y: Floats,
    predictions: Mapping[str, Floats],
    member: Groups,
    size: int,
    rng: np.random.Generator,
    repetitions: int,
    block: int = 50,
) -> dict[str, Floats]:
    assert metric.finish is not None
    sums = {n: _sums(metric, y, p, member, size) for n, p in predictions.items()}
    parts: dict[str, list[Floats]] = {n: [] for n in predictions}
    for start in range(0, repetitions, block):
        drawn = np.stack([_draw(rng, size) for _ in range(min(block, repetitions - start))])
        for n, held in sums.items():
            parts[n].append(metric.finish(drawn @ held))
    return {n: np.concatenate(p) for n, p in parts.items()}


def _draw(rng: np.random.Generator, size: int) -> Floats:
    """How often each entity is drawn."""
    return np.bincount(rng.integers(0, size, size), minlength=size).astype(np.float64)


def _sums(metric: Metric, y: Floats, prediction: Floats, member: Groups, size: int) -> Floats:
    """(entities, m) sums of the metric's per-row statistics."""
    assert metric.stats is not None
    rows = metric.stats(y, prediction)
    columns = [np.bincount(member, weights=rows[:, j], minlength=size) for j in range(rows.shape[1])]
    return np.stack(columns, axis=1)


def interval(draws: Floats, *, level: float = LEVEL) -> tuple[float, float]:
    """The central share of the draws; nan where fewer than half of them are defined."""
    held = draws[np.isfinite(draws)]
    if len(held) * 2 < len(draws) or not len(held):
        return float("nan"), float("nan")
    low, high = np.quantile(held, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def lift(metric: Metric, value: float, against: float, draws: Floats, against_draws: Floats) -> Score:
    """How much better `value` is than `against` (positive is better, whichever way the metric runs)."""
    sign = 1.0 if metric.higher_is_better else -1.0
    low, high = interval(sign * (draws - against_draws))
    return Score(metric.name, sign * (value - against), low, high)
