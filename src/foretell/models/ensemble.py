"""The ensemble: members' weights, chosen greedily on validation (Caruana et al. 2004).

The bag starts with the models that are as good as the best within chance, equally weighted. Then the member
that helps most is added again and again, with replacement, and the shortest best prefix gives the weights.
Where one model is clearly best the bag starts with it alone: the best single model is among the choices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from foretell.features.matrix import Floats
from foretell.models.criteria import Metric, losses
from foretell.models.links import from_link, to_link
from foretell.task.model import TaskKind

STEPS = 30


def greedy_weights(
    kind: TaskKind,
    criterion: Metric,
    y: Floats,
    predictions: Mapping[str, Floats],
    *,
    start: Sequence[str] = (),
    steps: int = STEPS,
) -> dict[str, float]:
    """Weights per member, summing to 1; members of weight 0 are left out.

    Members are averaged in link space. Ties go to the member that comes first. `start` are members that the
    bag holds from the beginning.
    """
    names = list(predictions)
    links = [to_link(kind, predictions[n]) for n in names]
    chosen = [names.index(n) for n in start]
    total = np.zeros_like(links[0])
    for i in chosen:
        total = total + links[i]
    held = [len(chosen)] if chosen else []
    history = [criterion.gain(y, from_link(kind, total / len(chosen)))] if chosen else []
    for _ in range(steps):
        size = len(chosen) + 1
        gains = [criterion.gain(y, from_link(kind, (total + link) / size)) for link in links]
        best = int(np.argmax(np.nan_to_num(gains, nan=-np.inf)))
        chosen.append(best)
        held.append(size)
        history.append(gains[best])
        total = total + links[best]
    length = held[int(np.argmax(np.nan_to_num(history, nan=-np.inf)))]
    counts = np.bincount(chosen[:length], minlength=len(names))
    return {n: int(c) / length for n, c in zip(names, counts) if c > 0}


def tied_with_best(
    kind: TaskKind,
    criterion: Metric,
    y: Floats,
    predictions: Mapping[str, Floats],
    *,
    errors: float = 1.0,
) -> list[str]:
    """The best prediction, and those whose losses are above its own by at most so many standard errors.

    >>> from foretell.models.criteria import METRICS
    >>> y = np.arange(10.0)
    >>> tied_with_best(TaskKind.REGRESSION, METRICS["mae"], y, {"a": y, "b": y + 1, "c": y})
    ['a', 'c']
    """
    best = max(predictions, key=lambda n: criterion.gain(y, predictions[n]))
    own = losses(kind, criterion, y, predictions[best])
    out = []
    for name, prediction in predictions.items():
        behind = losses(kind, criterion, y, prediction) - own
        error = float(behind.std(ddof=1) / np.sqrt(len(behind))) if len(behind) > 1 else 0.0
        if name == best or float(behind.mean()) <= errors * error:
            out.append(name)
    return out


def blend(kind: TaskKind, predictions: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """The weighted average in link space, as a link-space score.

    >>> blend(TaskKind.REGRESSION, [np.array([1.0]), np.array([3.0])], [0.5, 0.5])
    array([2.])
    """
    out = weights[0] * to_link(kind, predictions[0])
    for prediction, weight in zip(predictions[1:], weights[1:]):
        out = out + weight * to_link(kind, prediction)
    return np.asarray(out)
