"""The matrix: feature values for rows of (entity, cutoff), in named columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Reals: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Precision: TypeAlias = type[np.float32] | type[np.float64]
Codes: TypeAlias = npt.NDArray[np.int32]
Instants: TypeAlias = npt.NDArray[np.int64]
Selection: TypeAlias = npt.NDArray[np.intp] | npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Numeric:
    """A numeric column: float32 or float64, NaN where there is no value. Booleans are 0 and 1."""

    values: Reals  # (rows,)

    @classmethod
    def of(cls, values: Reals, precision: Precision) -> Numeric:
        """The values in a float type; one that is too large for it becomes the largest that it holds.

        >>> Numeric.of(np.array([0.5, -1e300]), np.float32).values.tolist()
        [0.5, -3.4028234663852886e+38]
        """
        most = np.finfo(precision).max
        with np.errstate(over="ignore"):
            return cls(np.clip(values.astype(precision, copy=False), -most, most))


@dataclass(frozen=True)
class Categorical:
    """A categorical column: codes into `categories`, -1 where there is no value."""

    codes: Codes  # (rows,)
    categories: tuple[str, ...]


@dataclass(frozen=True)
class Text(Categorical):
    """A column of free text: `categories` are the different texts, which learners read by their words."""


Values: TypeAlias = Numeric | Categorical


class Neighbours(Protocol):
    """Where each row of a matrix finds what is related to it: what a relational net reads beside the
    columns.
    """

    def __len__(self) -> int: ...

    def take(self, index: Selection) -> Self:
        """Those of the rows at `index` (positions or a mask)."""
        ...

    def join(self, other: Self) -> Self:
        """Those of these rows, then those of the other's."""
        ...


@dataclass(frozen=True)
class Matrix:
    """Feature values, one row per (entity, cutoff) in the order of the rows that were asked for.

    `around` is there where a learner wants to look beyond the columns.
    """

    names: tuple[str, ...]
    columns: tuple[Values, ...]
    rows: int
    around: Neighbours | None = None

    def __post_init__(self) -> None:
        assert len(self.names) == len(self.columns)
        for name, column in zip(self.names, self.columns):
            held = column.values if isinstance(column, Numeric) else column.codes
            assert held.shape == (self.rows,), f"{name}: {held.shape}, expected ({self.rows},)"
        if self.around is not None:
            assert len(self.around) == self.rows, f"{len(self.around)} neighbourhoods of {self.rows} rows"

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Values:
        return self.columns[self.names.index(name)]

    def take(self, index: Selection) -> Matrix:
        """The rows at `index` (positions or a mask)."""
        columns: list[Values] = []
        for column in self.columns:
            if isinstance(column, Numeric):
                columns.append(Numeric(column.values[index]))
            else:
                columns.append(replace(column, codes=column.codes[index]))
        rows = int(index.sum()) if index.dtype == np.bool_ else len(index)
        around = None if self.around is None else self.around.take(index)
        return Matrix(self.names, tuple(columns), rows, around)

    def select(self, names: Sequence[str]) -> Matrix:
        """The named columns, in that order."""
        return Matrix(tuple(names), tuple(self[n] for n in names), self.rows, self.around)
