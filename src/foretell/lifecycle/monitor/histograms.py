"""Features of many windows as histograms: what two windows differ by is then a matter of a few counts.

The first bin holds missing values. Numbers lie between quantiles of the past; of categories the commonest of
the past have a bin each, and the last bin has all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from foretell.features.matrix import Floats, Matrix, Numeric, Values

Windows: TypeAlias = npt.NDArray[np.int64]  # (rows,): the number of each row's window, 0 the earliest

BINS = 22
"""Of each feature: one for missing values, twenty for the quantiles of the past and one beyond them."""


@dataclass(frozen=True)
class Histograms:
    """Counts of each feature in each window. `ordered` says which features are numbers, so that bins lie in a
    row; `unseen` is the share of rows whose category no earlier window had, nan for numbers.
    """

    names: tuple[str, ...]
    counts: Floats  # (features, windows, BINS)
    ordered: npt.NDArray[np.bool_]  # (features,)
    unseen: Floats  # (features, windows)

    @property
    def windows(self) -> int:
        return int(self.counts.shape[1])

    @property
    def missing(self) -> Floats:
        """The share of rows without a value. (features, windows)"""
        return np.asarray(self.counts[..., 0] / np.maximum(self.counts.sum(axis=-1), 1))


def histograms(matrix: Matrix, window: Windows) -> Histograms:
    """The features of rows in windows; all windows but the last settle where the bins lie.

    >>> made = histograms(Matrix(("x",), (Numeric(np.array([1.0, 2.0, np.nan, 2.0])),), 4),
    ...                   np.array([0, 0, 1, 1]))
    >>> made.counts[0].sum(axis=1).tolist(), made.missing.tolist()
    ([2.0, 2.0], [[0.0, 0.5]])
    """
    size = int(window.max()) + 1
    past = window < size - 1
    counts = np.zeros((len(matrix.names), size, BINS))
    unseen = np.full((len(matrix.names), size), np.nan)
    ordered = np.zeros(len(matrix.names), dtype=np.bool_)
    for i, column in enumerate(matrix.columns):
        place = _places(column, past)
        counts[i] = np.bincount(window * BINS + place, minlength=size * BINS).reshape(size, BINS)
        ordered[i] = isinstance(column, Numeric)
        if not isinstance(column, Numeric):
            unseen[i] = _unseen(column.codes, window, size)
    return Histograms(matrix.names, counts, ordered, unseen)


def _places(column: Values, past: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The bin of each row. (rows,)"""
    if isinstance(column, Numeric):
        values = column.values.astype(np.float64)
        known = ~np.isnan(values)
        held = values[past & known]
        edges = np.unique(np.quantile(held, np.linspace(0, 1, BINS - 1))) if len(held) else np.empty(0)
        # A value that many rows share, such as 0, has a bin to itself: it is an edge, and bins end at edges.
        return np.where(known, 1 + np.searchsorted(edges[: BINS - 2], values, side="left"), 0)
    codes = column.codes.astype(np.int64)
    seen = np.bincount(codes[past & (codes >= 0)], minlength=len(column.categories) + 1)
    common = [c for c in np.argsort(-seen, kind="stable")[: BINS - 2].tolist() if seen[c]]
    place = np.full(len(seen) + 1, BINS - 1, dtype=np.int64)
    place[common] = np.arange(1, len(common) + 1)
    return np.where(codes >= 0, place[np.maximum(codes, 0)], 0)


def _unseen(codes: npt.NDArray[np.int32], window: Windows, size: int) -> Floats:
    """The share of each window's rows whose category no earlier window has; nan for the first. (windows,)"""
    first = np.full(int(codes.max(initial=0)) + 1, size, dtype=np.int64)
    known = codes >= 0
    np.minimum.at(first, codes[known], window[known])
    new = known & (first[np.maximum(codes, 0)] == window)
    rows = np.bincount(window, minlength=size)
    share = np.bincount(window[new], minlength=size) / np.maximum(rows, 1)
    share[0] = np.nan
    return np.asarray(share)


def joined(parts: Sequence[Histograms]) -> Histograms:
    """Features of the same windows side by side."""
    return Histograms(
        tuple(n for p in parts for n in p.names),
        np.concatenate([p.counts for p in parts]),
        np.concatenate([p.ordered for p in parts]),
        np.concatenate([p.unseen for p in parts]),
    )
