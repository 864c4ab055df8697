"""A dataset: a matrix with its labels, the cutoff and the entity of every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.core.errors import DataError
from foretell.core.random import generator
from foretell.core.time import Offset
from foretell.features.matrix import Categorical, Floats, Instants, Matrix, Neighbours, Numeric, Values

Groups = npt.NDArray[np.int64]
Index = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Dataset:
    """Rows to learn from or to be judged on.

    `y` is 0 or 1 for a binary task, the class's index for a multiclass one, the value for a regression.
    `cutoffs` are microseconds; `groups` name each row's entity by a number. A label is known once its window
    has closed, the `horizon` after its cutoff; without one, right after it. `margin` says of a condition by
    how much it holds (NaN: not known).
    """

    X: Matrix
    y: Floats  # (rows,)
    cutoffs: Instants  # (rows,)
    groups: Groups  # (rows,)
    horizon: Offset | None = None
    margin: Floats | None = None  # (rows,)
    shared: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What learners made of `X` alone: a copy with other labels (`replace(data, y=…)`) has it too."""

    def __post_init__(self) -> None:
        for name, held in (("y", self.y), ("cutoffs", self.cutoffs), ("groups", self.groups)):
            assert held.shape == (self.X.rows,), f"{name}: {held.shape}, expected ({self.X.rows},)"
        bad = ~np.isfinite(self.y)
        if bad.any():
            raise DataError(
                f"{int(bad.sum()):,} of {self.rows:,} labels are not finite numbers",
                mend="drop these rows: a label without a value teaches nothing",
            )

    @property
    def rows(self) -> int:
        return self.X.rows

    @cached_property
    def occasions(self) -> Ints:
        """A number from 0 on for each (entity, cutoff): copies of a row share one. (rows,)"""
        _, entity = np.unique(self.groups, return_inverse=True)
        moments, moment = np.unique(self.cutoffs, return_inverse=True)
        _, found = np.unique(entity * len(moments) + moment, return_inverse=True)
        return np.asarray(found, dtype=np.int64)

    @property
    def distinct(self) -> int:
        """How many rows there are without their copies."""
        return int(self.occasions.max(initial=-1)) + 1

    def take(self, index: Index | npt.NDArray[np.bool_]) -> Dataset:
        """The rows at `index` (positions or a mask)."""
        cutoffs, groups = self.cutoffs[index], self.groups[index]
        margin = None if self.margin is None else self.margin[index]
        return Dataset(self.X.take(index), self.y[index], cutoffs, groups, self.horizon, margin)

    def select(self, names: Sequence[str]) -> Dataset:
        """The same rows with the named columns."""
        return replace(self, X=self.X.select(names), shared={})


def concat(first: Dataset, second: Dataset) -> Dataset:
    """The rows of both; categorical columns share one vocabulary, the first's in front."""
    if first.X.names != second.X.names:
        odd = sorted(set(first.X.names) ^ set(second.X.names))
        raise DataError("two datasets have different columns", examples=odd, mend="build both with one plan")
    columns = tuple(_join(n, a, b) for n, a, b in zip(first.X.names, first.X.columns, second.X.columns))
    return Dataset(
        Matrix(first.X.names, columns, first.rows + second.rows, _joined(first.X.around, second.X.around)),
        np.concatenate([first.y, second.y]),
        np.concatenate([first.cutoffs, second.cutoffs]),
        np.concatenate([first.groups, second.groups]),
        first.horizon,
        None
        if first.margin is None or second.margin is None
        else np.concatenate([first.margin, second.margin]),
    )


def _joined(a: Neighbours | None, b: Neighbours | None) -> Neighbours | None:
    if (a is None) != (b is None):
        raise DataError("one of two datasets has neighbourhoods, the other has none")
    return None if a is None or b is None else a.join(b)


def _join(name: str, a: Values, b: Values) -> Values:
    if isinstance(a, Numeric) and isinstance(b, Numeric):
        return Numeric(np.concatenate([a.values, b.values]))
    if isinstance(a, Categorical) and isinstance(b, Categorical):
        categories = tuple(dict.fromkeys(a.categories + b.categories))
        codes = recode(b, {c: i for i, c in enumerate(categories)})
        return replace(a, codes=np.concatenate([a.codes, codes]), categories=categories)
    raise DataError(f"column {name!r} is numeric in one dataset and categorical in the other")


def recode(column: Categorical, vocabulary: dict[str, int]) -> npt.NDArray[np.int32]:
    """The column's codes in another vocabulary; -1 where the value is missing or not in it."""
    table = np.full(len(column.categories) + 1, -1, dtype=np.int32)  # the last slot serves code -1
    for i, category in enumerate(column.categories):
        table[i] = vocabulary.get(category, -1)
    return table[column.codes]


def split_by_group(data: Dataset, fraction: float, seed: int) -> tuple[Index, Index]:
    """Positions of (kept, held-out) rows, whole entities on either side.

    With fewer than five entities the rows themselves are dealt out: there is nothing better to hold out.
    """
    units = data.groups if len(np.unique(data.groups)) >= 5 else np.arange(data.rows, dtype=np.int64)
    names, member = np.unique(units, return_inverse=True)
    chosen = generator(seed, "holdout").permutation(len(names)) < max(1, round(fraction * len(names)))
    held = chosen[member]
    return np.flatnonzero(~held), np.flatnonzero(held)
