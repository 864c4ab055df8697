"""How much each member of the trees' family counts: an average that later rows have to argue against.

What is chosen greedily on one period overfits it, so half of the weight is shared equally by all models that
are nearly as good as the best (benchmarks/LOG.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from foretell.core.random import generator
from foretell.features.matrix import Floats
from foretell.models.criteria import Metric, losses
from foretell.models.ensemble import blend, greedy_weights, tied_with_best
from foretell.models.families import CLEARLY
from foretell.models.linear import LINEAR
from foretell.models.links import from_link
from foretell.task.model import TaskKind

GREEDY_ROWS = 20_000
LEAST = 0.05
"""A member of a smaller weight costs more time than it helps; where the median is 0 it only blurs the 0."""
NEARLY = 0.9
"""Models that gain this share of what the best gains over the constant share half of the weight equally."""
HALF = 0.5
"""One period far ahead has its own level, by which it favours one model: only the poor ones are left out."""


def weigh(
    kind: TaskKind,
    criterion: Metric,
    y: Floats,
    predictions: Mapping[str, Floats],
    baselines: Collection[str],
    *,
    few: bool = False,
    far: bool = False,
    seed: int = 0,
) -> dict[str, float]:
    """Weights by name, summing to 1, from predictions of rows whose labels `y` they have not seen.

    Half greedy and half equal. With `few` rows learned from: half for the linear models and half for the
    trees, unless one model or one baseline is better by more than `CLEARLY` standard errors of the paired
    difference. With `far`, rows that lie far from what the models knew: the average of those that gain at
    least `HALF` of the best; where there is none, the best baseline.
    """
    if far:
        good = _good_models(criterion, y, predictions, baselines, HALF)
        best = max(predictions, key=lambda n: criterion.gain(y, predictions[n]))
        return {n: 1 / len(good) for n in good} or {best: 1.0}
    if few:
        return _average_or_clearly_best(kind, criterion, y, predictions, baselines)
    rows = np.arange(len(y))
    if len(y) > GREEDY_ROWS:
        rows = np.sort(generator(seed, "greedy").permutation(len(y))[:GREEDY_ROWS])
    seen = {n: p[rows] for n, p in predictions.items()}
    start = tied_with_best(kind, criterion, y[rows], {n: seen[n] for n in seen if n not in baselines})
    chosen = greedy_weights(kind, criterion, y[rows], seen, start=start)
    return _pruned(_steadied(chosen, _good_models(criterion, y[rows], seen, baselines, NEARLY)))


def mixed(kind: TaskKind, predictions: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """The weighted average of some of the predictions, taken in link space."""
    return from_link(kind, blend(kind, [predictions[n] for n in weights], list(weights.values())))


def _average_or_clearly_best(
    kind: TaskKind,
    criterion: Metric,
    y: Floats,
    predictions: Mapping[str, Floats],
    baselines: Collection[str],
) -> dict[str, float]:
    equal = _halves([n for n in predictions if n not in baselines])
    average = mixed(kind, predictions, equal)
    best = max(predictions, key=lambda n: criterion.gain(y, predictions[n]))
    if criterion.gain(y, predictions[best]) <= criterion.gain(y, average) or len(y) < 2:
        return equal
    saved = losses(kind, criterion, y, average) - losses(kind, criterion, y, predictions[best])
    error = float(saved.std(ddof=1) / np.sqrt(len(saved)))
    return {best: 1.0} if float(saved.mean()) > CLEARLY * error else equal


def _halves(models: list[str]) -> dict[str, float]:
    """Half shared by the linear models, half by the trees; all of it where the others are missing.

    >>> _halves(["linear", "trees", "trees_1"])
    {'linear': 0.5, 'trees': 0.25, 'trees_1': 0.25}
    """
    linear = [n for n in models if n.startswith(LINEAR)]
    trees = [n for n in models if n not in linear]
    half = 0.5 if linear and trees else 1.0
    return {n: half / len(kin) for kin in (linear, trees) for n in kin}


def _good_models(
    criterion: Metric,
    y: Floats,
    predictions: Mapping[str, Floats],
    baselines: Collection[str],
    share: float,
) -> list[str]:
    """The models whose gain over the constant is at least that share of what the best candidate gains."""
    floor = criterion.gain(y, predictions["constant"])
    gains = {n: criterion.gain(y, p) - floor for n, p in predictions.items()}
    best = max(gains.values())
    return [n for n, g in gains.items() if n not in baselines and g >= share * best]


def _steadied(weights: dict[str, float], models: list[str]) -> dict[str, float]:
    """Half of the weights as they are, half equal over `models`; all as they are without any.

    >>> _steadied({"a": 1.0}, ["a", "b"])
    {'a': 0.75, 'b': 0.25}
    """
    if not models:
        return weights
    equal = {n: 0.5 / len(models) for n in models}
    names = dict.fromkeys((*weights, *models))
    return {n: 0.5 * weights.get(n, 0.0) + equal.get(n, 0.0) for n in names}


def _pruned(weights: dict[str, float]) -> dict[str, float]:
    """The weights that are at least `LEAST`, made to sum to 1 again.

    >>> _pruned({"constant": 0.96, "trees": 0.04})
    {'constant': 1.0}
    """
    kept = {n: w for n, w in weights.items() if w >= LEAST}
    total = sum(kept.values())
    return {n: w / total for n, w in kept.items()} if kept else weights
