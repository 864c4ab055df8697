"""What every engine offers: proven plans become labels and matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from foretell.core.time import Instant
from foretell.features.matrix import Floats, Instants, Matrix, Numeric, Precision, Values
from foretell.plan import nodes
from foretell.schema.model import Link
from foretell.store.columns import Tables

Entities: TypeAlias = npt.NDArray[np.int64]
Keys: TypeAlias = Mapping[str, Sequence[Any]]


GRID = 512
"""At most this many different cutoffs are a grid that rows share; beyond, each row has its own."""


@dataclass(frozen=True)
class Rows:
    """Rows of (entity, cutoff). An entity is the rank of its row in its table; `Engine.keys` names it."""

    entities: Entities  # (rows,)
    cutoffs: Instants  # (rows,)

    def __len__(self) -> int:
        return len(self.entities)

    def take(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Rows:
        return Rows(self.entities[index], self.cutoffs[index])


@dataclass(frozen=True)
class Labels:
    """What was true of each row, ordered by cutoff and then by entity.

    `values` holds float64 for numbers and conditions (NaN: no value), and objects (str, lists, None)
    otherwise. `dropped` counts the (entity, cutoff) pairs that made no label, by reason.
    """

    rows: Rows
    values: npt.NDArray[Any]  # (rows,)
    dropped: Mapping[str, int]


def matrix_of(
    plan: nodes.FeaturePlan, found: Mapping[str, Values], rows: int, precision: Precision
) -> Matrix:
    """The matrix of a plan from what its blocks have made: each output by its name."""
    columns = dict(found)
    for contrast in plan.contrasts:
        left, right = found[contrast.left], found[contrast.right]
        assert isinstance(left, Numeric) and isinstance(right, Numeric), f"{contrast.name}: of no numbers"
        sides = left.values.astype(np.float64), right.values.astype(np.float64)
        columns[contrast.name] = Numeric.of(_held_against(*sides, contrast.how), precision)
    names = plan.outputs
    return Matrix(names, tuple(columns[n] for n in names), rows)


def _held_against(left: Floats, right: Floats, how: nodes.Comparison) -> Floats:
    if how is nodes.Comparison.DIFFERENCE:
        return left - right
    above = right > 0
    return np.where(above, left / np.where(above, right, 1.0), np.nan)


def begun(span: tuple[Instant, Instant] | None, begin: Instant | None) -> tuple[Instant, Instant] | None:
    """A span that begins where the whole table does, of which a part is held.

    >>> begun((5, 9), 2), begun(None, 2), begun((5, 9), None)
    ((2, 9), (2, 2), (5, 9))
    """
    if begin is None:
        return span
    return (begin, begin) if span is None else (min(span[0], begin), span[1])


class Engine(Protocol):
    """Runs proven plans on one snapshot. Every method refuses a plan that the proof refuses (LeakError).

    `begins` are the first instants of tables of which only a part is held: `span` starts there.
    """

    begins: Mapping[str, Instant]

    @property
    def sweeps(self) -> bool:
        """Whether it passes over the events once, however many rows, cutoffs and features there are."""
        ...

    @property
    def tables(self) -> Tables | None:
        """The tables as arrays; None where it does not hold all of them so."""
        ...

    def labels(self, target: nodes.Target, cutoffs: Sequence[Instant]) -> Labels:
        """Labels of the population at the cutoffs; rows without a value are dropped and counted.

        A static target ignores rows after the last cutoff; its own rows without a value are dropped.
        """
        ...

    def population(self, target: nodes.Target, cutoffs: Sequence[Instant]) -> Rows:
        """Who is to be scored at the cutoffs: those that WHERE chooses (static: that have no value yet)."""
        ...

    def features(self, plan: nodes.FeaturePlan, rows: Rows) -> Matrix:
        """One matrix row for each of the rows, in their order."""
        ...

    def keys(self, table: str, columns: Sequence[str], entities: Entities) -> dict[str, list[Any]]:
        """The key columns' values of entities."""
        ...

    def find(self, table: str, keys: Keys) -> Entities:
        """The entities that keys name, -1 where there is none."""
        ...

    def frequent(self, table: str, column: str, *, until: Instant | None, limit: int) -> tuple[str, ...]:
        """The most frequent values of a column as text, among rows visible at `until` (None: all), ties by
        value.
        """
        ...

    def span(
        self, table: str, *, until: Instant | None = None, trim: float = 0.0
    ) -> tuple[Instant, Instant] | None:
        """The first and last instant of a timed table's visible rows; None without any.

        Rows after `until` are not looked at, nor with `trim` that share of the earliest.
        """
        ...

    def later_share(self, table: str, column: str, until: Instant) -> float:
        """The share of a time column's values that were written after their row came to be.

        Those after the row's own time; where rows have none, those after `until`, but for values from before
        the first event that points at the row: a birth date came before, an `updated_at` did not.
        """
        ...

    def fellows(self, link: Link) -> float:
        """How many rows share a parent with a row of the link's child, on average over those rows."""
        ...
