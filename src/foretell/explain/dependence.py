"""How the prediction goes with one feature: accumulated local effects for numbers, partial dependence for
categories.

Features of one history go together: who ordered much in 30 days did so in 90. Partial dependence (Friedman
2001) would ask the model about people who cannot exist, so numbers are moved only within the bin that they
lie in, and the differences are added up (ALE: Apley & Zhu 2020). Categories have no order to move along:
every row is asked with each of the most frequent values. Intervals are of entities drawn again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foretell.core.random import generator
from foretell.explain.asked import settled, with_column
from foretell.explain.explanation import Dependence, Point
from foretell.features.matrix import Categorical, Floats, Matrix, Numeric, Text
from foretell.models.dataset import Dataset, Groups, Ints
from foretell.models.fitted import FittedModel
from foretell.task.model import TaskKind

BINS = 8
VALUES = 6
"""So many of the most frequent values of a category are asked about."""
REPETITIONS = 200
LEVEL = 0.95


def dependence(
    fitted: FittedModel,
    test: Dataset,
    feature: str,
    *,
    text: str = "",
    story: str = "",
    of: str = "",
    output: int = 0,
    seed: int = 0,
) -> Dependence | None:
    """The curve of one feature over unseen rows; None where it does not vary, or is free text.

    `output` is the class that is looked at, where there are classes; `of` says what is predicted.
    """
    model, X = settled(fitted, test.X), test.X
    place = X.names.index(feature)
    column = X.columns[place]

    def predicted(changed: Matrix) -> Floats:
        told = model.predict(changed)
        return told[:, output] if fitted.kind is TaskKind.MULTICLASS else told

    own = predicted(X)
    if isinstance(column, Text):
        return None
    if isinstance(column, Categorical):
        found = _shares(column)
        if len(found) < 2:
            return None
        moved = [
            predicted(with_column(X, place, replace(column, codes=np.full_like(column.codes, code)))) - own
            for code in found
        ]
        points = _of_categories(column, found, np.stack(moved, axis=1), own, test.groups, seed)
        return Dependence(
            feature, text or feature, story, "pd", of, float(own.mean()), _possible(fitted, points)
        )
    values = np.asarray(column.values, dtype=np.float64)
    edges = bin_edges(values)
    if len(edges) < 2:
        return None
    place_of = np.clip(np.searchsorted(edges, values, side="left") - 1, 0, len(edges) - 2)
    known = np.isfinite(values)

    def at(ends: Floats) -> Floats:
        held = np.where(known, ends[place_of], values)
        return predicted(with_column(X, place, Numeric.of(held, column.values.dtype.type)))

    moved_by = at(edges[1:]) - at(edges[:-1])
    points = _of_edges(edges, place_of[known], moved_by[known], own, test.groups[known], seed)
    return Dependence(
        feature, text or feature, story, "ale", of, float(own.mean()), _possible(fitted, points)
    )


def _possible(fitted: FittedModel, points: tuple[Point, ...]) -> tuple[Point, ...]:
    """The points within what can be predicted: effects that are added up may lead beyond it."""
    low, high = (0.0, 1.0) if fitted.kind is not TaskKind.REGRESSION else (fitted.floor, None)

    def within(value: float) -> float:
        value = value if low is None else max(value, low)
        return value if high is None else min(value, high)

    return tuple(replace(p, value=within(p.value), low=within(p.low), high=within(p.high)) for p in points)


def bin_edges(values: Floats, most: int = BINS) -> Floats:
    """The ends of bins of about as many rows each; values of few kinds are ends themselves.

    >>> bin_edges(np.array([0.0, 0.0, 0.0, 1.0, 2.0, np.nan])).tolist()
    [0.0, 1.0, 2.0]
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return np.empty(0)
    kinds = np.unique(known)
    if len(kinds) <= most + 1:
        return kinds
    return np.unique(np.quantile(known, np.linspace(0, 1, most + 1), method="nearest"))


def _of_edges(
    edges: Floats, place: Ints, moved: Floats, own: Floats, groups: Groups, seed: int
) -> tuple[Point, ...]:
    bins, average = len(edges) - 1, float(own.mean())
    names, member = np.unique(groups, return_inverse=True)
    cell = member * bins + place
    sums = np.bincount(cell, weights=moved, minlength=len(names) * bins).reshape(len(names), bins)
    counts = np.bincount(cell, minlength=len(names) * bins).reshape(len(names), bins).astype(np.float64)

    def curve(total: Floats, rows: Floats) -> Floats:
        """(…, edges): effects added up, their mean over the rows 0."""
        steps = np.divide(total, rows, out=np.zeros_like(total), where=rows > 0)
        up = np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)
        middle = (up[..., 1:] + up[..., :-1]) / 2
        mean = (middle * rows).sum(axis=-1) / np.maximum(rows.sum(axis=-1), 1)
        return np.asarray(up - mean[..., None])

    drawn = _draws(len(names), seed)
    central = curve(sums.sum(axis=0), counts.sum(axis=0)) + average
    low, high = _ends(curve(drawn @ sums, drawn @ counts) + average)
    rows = counts.sum(axis=0)
    beside = [int(rows[max(i - 1, 0) : i + 1].sum()) for i in range(bins + 1)]
    return tuple(
        Point(float(edges[i]), float(central[i]), float(low[i]), float(high[i]), beside[i])
        for i in range(bins + 1)
    )


def _of_categories(
    column: Categorical, codes: list[int], moved: Floats, own: Floats, groups: Groups, seed: int
) -> tuple[Point, ...]:
    names, member = np.unique(groups, return_inverse=True)
    sums = np.stack([np.bincount(member, weights=m, minlength=len(names)) for m in moved.T], axis=1)
    rows = np.bincount(member, minlength=len(names)).astype(np.float64)
    drawn, average = _draws(len(names), seed), float(own.mean())
    low, high = _ends((drawn @ sums) / (drawn @ rows)[:, None] + average)
    central = moved.mean(axis=0) + average
    return tuple(
        Point(
            column.categories[code] if code >= 0 else None,
            float(central[i]),
            float(low[i]),
            float(high[i]),
            int((column.codes == code).sum()),
        )
        for i, code in enumerate(codes)
    )


def _shares(column: Categorical) -> list[int]:
    """The codes of the most frequent values, that of none among them."""
    codes, counts = np.unique(column.codes, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:VALUES]
    return [int(c) for c in codes[order]]


def _draws(size: int, seed: int) -> Floats:
    """(repetitions, entities): how often each entity is drawn."""
    rng = generator(seed, "dependence")
    return np.stack(
        [np.bincount(rng.integers(0, size, size), minlength=size) for _ in range(REPETITIONS)]
    ).astype(np.float64)


def _ends(draws: Floats) -> tuple[Floats, Floats]:
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return np.asarray(low), np.asarray(high)
