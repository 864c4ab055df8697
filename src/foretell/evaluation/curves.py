"""The curves of a backtest, small enough to keep: what each threshold finds, how far probabilities hold, and
how numbers miss.

Every curve has at most about a hundred places. Intervals come from drawing whole entities again, as those of
the scores do (see `bootstrap`), at the places of the full rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from foretell.core.jsonable import jsonable
from foretell.core.random import generator
from foretell.evaluation.bootstrap import interval
from foretell.evaluation.metrics import BINS
from foretell.features.matrix import Floats
from foretell.models.dataset import Groups, Ints
from foretell.task.model import TaskKind

Curves: TypeAlias = dict[str, Any]

CUTS = 90
HEAD = 30  # of them within the highest tenth of the scores: there it is decided who is called
DRAWS, BLOCK = 100, 20  # in blocks: of many entities all draws at once would fill the memory
BARS = 20
GROUPS = 20
CLASSES = 12
SAMPLE = 100
OTHERS = "(others)"


def curves(
    kind: TaskKind,
    y: Floats,
    model: Floats,
    baseline: Floats,
    groups: Groups,
    *,
    classes: Sequence[str] = (),
    seed: int = 0,
) -> Curves:
    """The curves of a kind of task, ready for JSON.

    `y` (rows,) are labels; `model` and `baseline` scores: probabilities (rows,) or (rows, classes), or
    numbers (rows,). `groups` (rows,) tell the entities. Of classes, `classes` are the names.
    """
    if not len(y):
        return {}
    draws = _Draws(groups, seed)
    made: Curves
    match kind:
        case TaskKind.BINARY:
            made = _binary(y, model, baseline, draws)
        case TaskKind.MULTICLASS:
            right = (model.argmax(axis=1) == y).astype(np.float64)
            made = {
                "confusion": confusion(y.astype(np.int64), model.argmax(axis=1), classes),
                "calibration": calibration(right, model.max(axis=1), draws),
            }
        case _:
            made = {
                "levels": levels(y, model, draws),
                "residuals": residuals(y - model),
                "sample": sample(y, model),
            }
    told: Curves = jsonable(_short(made))
    return told


def _binary(y: Floats, model: Floats, baseline: Floats, draws: _Draws) -> Curves:
    made: Curves = {
        "rows": len(y),
        "positives": int(y.sum()),
        "cuts": cuts(y, model, draws),
        "baseline_cuts": cuts(y, baseline),
        "calibration": calibration(y, model, draws),
    }
    low, high = float(model.min()), float(model.max())
    edges = np.linspace(low, high if high > low else low + 1e-9, BARS + 1)
    made["scores"] = {
        "edges": edges.tolist(),
        "yes": np.histogram(model[y == 1], edges)[0].tolist(),
        "no": np.histogram(model[y == 0], edges)[0].tolist(),
    }
    return made


class _Draws:
    """How often each entity is drawn, the same each time; `member` (rows,) tells the entity of a row."""

    def __init__(self, groups: Groups, seed: int) -> None:
        names, self.member = np.unique(groups, return_inverse=True)
        rng = generator(seed, "curves")
        size = len(names)
        counts = [np.bincount(rng.integers(0, size, size), minlength=size) for _ in range(DRAWS)]
        self.drawn = np.stack(counts).astype(np.uint16)  # (DRAWS, entities)

    def sums(self, place: Ints, size: int, values: Floats) -> tuple[Floats, Floats]:
        """(DRAWS, size) rows drawn at each place, and the sums of their values."""
        from scipy.sparse import csr_matrix  # where it is used: reading a model's file needs no SciPy

        shape = (self.drawn.shape[1], size)
        each = (np.ones(len(place)), values)
        rows, held = (csr_matrix((v, (self.member, place)), shape) for v in each)  # (entities, size), summed
        found: list[tuple[Floats, Floats]] = []
        for start in range(0, DRAWS, BLOCK):
            drawn = self.drawn[start : start + BLOCK].T.astype(np.float64)
            found.append(((rows.T @ drawn).T, (held.T @ drawn).T))
        many, total = (np.concatenate(parts) for parts in zip(*found))
        return many, total


def cuts(y: Floats, scores: Floats, draws: _Draws | None = None) -> Curves:
    """What is found from each threshold on: how many rows score at least as high, and how many of them are
    positive; with `draws` the 95% intervals of recall and precision there.

    From these come ROC, precision and recall, and the cumulative gain.

    >>> cuts(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.6, 0.6, 0.1]))
    {'threshold': [0.9, 0.6, 0.1], 'rows': [1, 3, 4], 'hits': [1, 2, 2]}
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # ends of ties: only there can be cut
    if len(last) > CUTS:
        wanted = np.append(np.linspace(0, 0.1, HEAD), np.linspace(0.1, 1, CUTS - HEAD)) * (len(y) - 1)
        last = np.unique(last[np.searchsorted(last, wanted)])
    found = np.cumsum(y[order])
    told = {
        "threshold": ranked[last].tolist(),
        "rows": (last + 1).tolist(),
        "hits": found[last].astype(np.int64).tolist(),
    }
    if draws is None:
        return told
    place = np.empty(len(y), dtype=np.int64)
    place[order] = np.searchsorted(last, np.arange(len(y)))
    rows, hits = (np.cumsum(s, axis=1) for s in draws.sums(place, len(last), y))
    with np.errstate(divide="ignore", invalid="ignore"):
        told |= _spans("recall", hits / hits[:, -1:]) | _spans("precision", hits / rows)
    return told


def calibration(y: Floats, said: Floats, draws: _Draws) -> Curves:
    """Bands of what was said: its mean, how often it came true with the interval of that, and the rows."""
    place = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    rows = np.bincount(place, minlength=BINS)
    held = np.flatnonzero(rows)
    many, true = draws.sums(place, BINS, y)
    with np.errstate(divide="ignore", invalid="ignore"):
        spans = _spans("", (true / many)[:, held])
    return {
        "said": (np.bincount(place, weights=said, minlength=BINS)[held] / rows[held]).tolist(),
        "happened": (np.bincount(place, weights=y, minlength=BINS)[held] / rows[held]).tolist(),
        "rows": rows[held].tolist(),
        **spans,
    }


def levels(y: Floats, said: Floats, draws: _Draws) -> Curves:
    """Groups of about equal size, from the lowest predictions to the highest: the mean of what was said, that
    of what happened with its interval, the middle outcome (a model that is judged by its mean absolute error
    says that one), and between which values the middle 80% of outcomes lay.
    """
    edges = np.unique(np.quantile(said, np.linspace(0, 1, GROUPS + 1)[1:-1]))
    place = np.searchsorted(edges, said, side="right")
    size = len(edges) + 1
    rows = np.bincount(place, minlength=size)
    held = np.flatnonzero(rows)
    many, total = draws.sums(place, size, y)
    with np.errstate(divide="ignore", invalid="ignore"):
        spans = _spans("", (total / many)[:, held])
    parts = [y[place == i] for i in held]
    return {
        "said": [float(said[place == i].mean()) for i in held],
        "happened": [float(part.mean()) for part in parts],
        "middle": [float(np.median(part)) for part in parts],
        "tenth": [float(np.quantile(part, 0.1)) for part in parts],
        "ninetieth": [float(np.quantile(part, 0.9)) for part in parts],
        "rows": rows[held].tolist(),
        **spans,
    }


def residuals(missed: Floats) -> Curves:
    """How far outcomes lay above what was said (rows,): a histogram of the middle 98%, and how many lay
    beyond it.
    """
    low, high = np.quantile(missed, [0.01, 0.99])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BARS + 1)
    return {
        "edges": edges.tolist(),
        "rows": np.histogram(missed, edges)[0].tolist(),
        "below": int((missed < low).sum()),
        "above": int((missed > high).sum()),
        "mean": float(missed.mean()),
        "middle": float(np.median(missed)),
    }


def sample(y: Floats, said: Floats) -> Curves:
    """At most a hundred rows, evenly spread over the order of predictions: said and happened."""
    order = np.argsort(said, kind="stable")
    taken = order[np.unique(np.linspace(0, len(y) - 1, min(SAMPLE, len(y))).round().astype(np.int64))]
    return {"said": said[taken].tolist(), "happened": y[taken].tolist()}


def confusion(true: Ints, said: Ints, names: Sequence[str]) -> Curves:
    """How often each class was taken for each: rows are the truth. The commonest classes, the rest as one.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), ("a", "b"))
    {'classes': ['a', 'b'], 'rows': [[1, 1], [0, 1]]}
    """
    size = max(len(names), int(true.max()) + 1, int(said.max()) + 1)
    named = [names[i] if i < len(names) else str(i) for i in range(size)]
    counts = np.bincount(true * size + said, minlength=size * size).reshape(size, size)
    if size > CLASSES:
        order = np.argsort(-counts.sum(axis=1), kind="stable")
        kept = np.sort(order[: CLASSES - 1])
        to = np.full(size, CLASSES - 1)
        to[kept] = np.arange(CLASSES - 1)
        counts = np.bincount(to[true] * CLASSES + to[said], minlength=CLASSES**2).reshape(CLASSES, CLASSES)
        named = [*(named[i] for i in kept), OTHERS]
    return {"classes": named, "rows": counts.tolist()}


def _spans(name: str, drawn: Floats) -> Curves:
    """The interval at each place of (draws, places)."""
    each = [interval(column) for column in drawn.T]
    mark = f"{name}_" if name else ""
    return {f"{mark}low": [a for a, _ in each], f"{mark}high": [b for _, b in each]}


def _short(value: Any) -> Any:
    """Numbers in five significant digits: nobody sees more in a picture."""
    if isinstance(value, dict):
        return {k: _short(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_short(v) for v in value]
    return float(f"{value:.5g}") if isinstance(value, float) and np.isfinite(value) else value
