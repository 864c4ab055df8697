"""Target encoding: a category of very many becomes its mean label and how often it was seen.

A training row's mean uses only labels that were known at its cutoff: those of rows whose target window had
closed by then (Micci-Barreca 2001; ordered in time as in Prokhorenkova et al. 2018). So no row reads its own
answer, nor one that a prediction could not have read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from foretell.core.time import Offset
from foretell.features.matrix import Categorical, Floats, Instants
from foretell.models.dataset import Dataset, Ints, recode
from foretell.task.model import TaskKind

SMOOTHING = 20.0
"""A category's mean is shrunk to the overall mean as if it had been seen this often before."""
MOST_CLASSES = 10
"""Of a multiclass label, the shares of this many classes are told, the commonest ones."""
FOLDS = 5
LATE, RECURRING = 0.25, 0.5


@dataclass(frozen=True)
class TargetTable:
    """Each category's count and its shrunk mean label; for a multiclass label the shares of m classes.

    `means` are (categories, m).
    """

    column: str
    categories: tuple[str, ...]
    counts: tuple[float, ...]
    means: tuple[tuple[float, ...], ...]

    @property
    def width(self) -> int:
        """How many numbers a category becomes."""
        return len(self.means[0]) + 1 if self.means else 2

    def encode(self, column: Categorical) -> list[Floats]:
        """`width` columns of (rows,): the mean labels, nan where the category is unknown, and log1p of the
        count.
        """
        codes = recode(column, {c: i for i, c in enumerate(self.categories)})
        known = np.asarray(self.means).reshape(len(self.categories), self.width - 1)
        means = np.vstack([known, np.full((1, self.width - 1), np.nan)])[codes]  # (rows, m)
        counts = np.append(np.asarray(self.counts), 0.0)[codes]
        return [*means.T, np.log1p(counts)]


def table_from(held: dict[str, Any]) -> TargetTable:
    """A table from its JSON; in the first files a category has one mean, not in a list."""
    means = tuple(tuple(m) if isinstance(m, list) else (m,) for m in held["means"])
    return TargetTable(held["column"], tuple(held["categories"]), tuple(held["counts"]), means)


def fit_target_table(
    name: str, column: Categorical, data: Dataset, kind: TaskKind
) -> tuple[TargetTable, list[Floats]]:
    """The table, and what the training rows themselves get.

    Each row's prior is the mean of all labels known at its cutoff; rows before any get nan. Where all rows
    share one cutoff a row's mean is over the other four fifths of the entities. The count reads no label and
    so is the whole count for every row, as it will be in scoring.
    """
    codes, size = column.codes.astype(np.int64), len(column.categories)
    labels = _labels(data.y, kind)  # (rows, m)
    if len(np.unique(data.cutoffs)) > 1:
        means = means_known(codes, data.cutoffs, labels, data.horizon)
    else:
        means = _means_of_others(codes, np.unique(data.groups, return_inverse=True)[1] % FOLDS, labels)
    means[codes < 0] = np.nan
    seen = codes >= 0
    total = np.bincount(codes[seen], minlength=size).astype(np.float64)
    kept = np.flatnonzero(total > 0)
    whole = _shrunk(_sums(codes[seen], labels[seen], size), total, labels.mean(axis=0))
    table = TargetTable(
        name,
        tuple(column.categories[i] for i in kept),
        tuple(total[kept].tolist()),
        tuple(tuple(row) for row in whole[kept].tolist()),
    )
    return table, [*means.T, np.log1p(np.append(total, 0.0)[codes])]


def recurs(column: Categorical, data: Dataset) -> bool:
    """Whether half of the last quarter of the rows have categories with labels known at their cutoff.

    Where they have not (the last race, the last order), a mean tells in training what it cannot tell of later
    rows.
    """
    moments = np.unique(data.cutoffs)
    if len(moments) == 1:
        return True
    codes = column.codes.astype(np.int64)
    late = data.cutoffs >= np.quantile(data.cutoffs, 1 - LATE)
    _, counts = _known(codes, data.cutoffs, np.zeros((len(codes), 0)), data.horizon)
    has = late & (codes >= 0)
    return not has.any() or float((counts[has] > 0).mean()) >= RECURRING


def means_known(codes: Ints, cutoffs: Instants, labels: Floats, horizon: Offset | None) -> Floats:
    """For each row the shrunk mean labels (rows, m) of its category over the rows known at its cutoff.

    With a horizon a label is known once its window has closed; without, right after its own cutoff.
    """
    sums, counts = _known(codes, cutoffs, labels, horizon)
    all_sums, all_counts = _known(np.zeros_like(codes), cutoffs, labels, horizon)
    with np.errstate(invalid="ignore", divide="ignore"):
        prior = all_sums / all_counts[:, None]  # nan before any label is known
    return _shrunk(sums, counts, prior)


def _known(codes: Ints, cutoffs: Instants, labels: Floats, horizon: Offset | None) -> tuple[Floats, Floats]:
    """For each row, sums (rows, m) and number of its category's labels that are known at its cutoff."""
    moments = np.unique(cutoffs)
    at = np.searchsorted(moments, cutoffs)
    ends = moments if horizon is None else np.array([horizon.after(int(m)) for m in moments])
    # The first place among the moments at which a label is known.
    known = np.searchsorted(moments, ends, side="right" if horizon is None else "left")[at]
    steps = len(moments) + 1
    return _before(codes * steps + known, codes * steps, codes * steps + at, labels)


def _before(keys: Ints, first: Ints, last: Ints, labels: Floats) -> tuple[Floats, Floats]:
    """For each row, sums (rows, m) and number of the labels whose key lies in [first, last]."""
    order = np.argsort(keys, kind="stable")
    running = np.vstack([np.zeros((1, labels.shape[1])), np.cumsum(labels[order], axis=0)])
    begin = np.searchsorted(keys[order], first, side="left")
    end = np.searchsorted(keys[order], last, side="right")
    return running[end] - running[begin], (end - begin).astype(np.float64)


def _labels(y: Floats, kind: TaskKind) -> Floats:
    """The labels as (rows, m): as they are, or 1 for each of the commonest classes."""
    if kind is not TaskKind.MULTICLASS:
        return y[:, None]
    classes, counts = np.unique(y, return_counts=True)
    told = np.sort(classes[np.argsort(-counts, kind="stable")][:MOST_CLASSES])
    return np.asarray(y[:, None] == told, dtype=np.float64)


def _sums(codes: Ints, labels: Floats, size: int) -> Floats:
    columns = [np.bincount(codes, weights=each, minlength=size) for each in labels.T]
    return np.asarray(np.column_stack(columns), dtype=np.float64)


def _shrunk(sums: Floats, counts: Floats, prior: Floats) -> Floats:
    return np.asarray((sums + SMOOTHING * prior) / (counts + SMOOTHING)[:, None])


def _means_of_others(codes: Ints, fold: Ints, labels: Floats) -> Floats:
    """For each row the shrunk mean labels of its category over the rows of other folds."""
    means = np.empty(labels.shape)
    size = int(codes.max()) + 2
    for f in range(FOLDS):
        own, other = fold == f, fold != f
        if own.any():
            counts = np.bincount(codes[other] + 1, minlength=size).astype(np.float64)
            prior = labels[other].mean(axis=0) if other.any() else np.full(labels.shape[1], np.nan)
            means[own] = _shrunk(_sums(codes[other] + 1, labels[other], size), counts, prior)[codes[own] + 1]
    return means
