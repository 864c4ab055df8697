"""The ensemble: members' weights, chosen greedily on validation (Caruana et al. 2004).

Starting from the best single member, the member that helps most is added again and again, with replacement;
the shortest best prefix gives the weights. The best single member is thus always among the choices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from foretell.features.matrix import Floats
from foretell.models.criteria import Metric
from foretell.models.links import from_link, to_link
from foretell.task.model import TaskKind

STEPS = 30


def greedy_weights(
    kind: TaskKind, criterion: Metric, y: Floats, predictions: Mapping[str, Floats], *, steps: int = STEPS
) -> dict[str, float]:
    """Weights per member, summing to 1; members of weight 0 are left out.

    Members are averaged in link space. Ties go to the member that comes first.
    """
    names = list(predictions)
    links = [to_link(kind, predictions[n]) for n in names]
    chosen: list[int] = []
    history: list[float] = []
    total = np.zeros_like(links[0])
    for _ in range(steps):
        size = len(chosen) + 1
        gains = [criterion.gain(y, from_link(kind, (total + link) / size)) for link in links]
        best = int(np.argmax(np.nan_to_num(gains, nan=-np.inf)))
        chosen.append(best)
        history.append(gains[best])
        total = total + links[best]
    length = int(np.argmax(np.nan_to_num(history, nan=-np.inf))) + 1
    counts = np.bincount(chosen[:length], minlength=len(names))
    return {n: int(c) / length for n, c in zip(names, counts) if c > 0}


def blend(kind: TaskKind, predictions: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """The weighted average in link space, as a link-space score.

    >>> blend(TaskKind.REGRESSION, [np.array([1.0]), np.array([3.0])], [0.5, 0.5])
    array([2.])
    """
    out = weights[0] * to_link(kind, predictions[0])
    for prediction, weight in zip(predictions[1:], weights[1:]):
        out = out + weight * to_link(kind, prediction)
    return np.asarray(out)
