"""A sheet: rows that patterns are looked for in, with what describes them, what happened to them, and when.

A sheet's rows are those of one table (an order, a flight), or entities at cutoffs with the features that
were known then. Every attribute and outcome is a column of `source`, a SELECT with one row per row of the
sheet, so that a finding can be stated in SQL and run by anybody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from foretell.core.time import Instant
from foretell.features.matrix import Categorical, Floats, Instants, Numeric, Selection, Values

Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]


class Part(StrEnum):
    """Which part of history: patterns are mined in the early one and confirmed in the later one."""

    EARLY = "early"
    LATER = "later"


@dataclass(frozen=True)
class Attribute:
    """A column that may tell groups of rows apart; `title` is its English, `table` where it is read."""

    name: str  # of the column in the sheet's SELECT
    title: str
    table: str
    values: Values  # (rows,)
    clock: bool = False  # whether it is a part of the row's time: no level of it can rise or fall

    def take(self, rows: Selection) -> Attribute:
        values = self.values
        if isinstance(values, Numeric):
            return replace(self, values=Numeric(values.values[rows]))
        return replace(self, values=replace(values, codes=values.codes[rows]))

    @property
    def is_numeric(self) -> bool:
        return not isinstance(self.values, Categorical)


@dataclass(frozen=True)
class Outcome:
    """A number per row that patterns speak of: an amount, or 0 and 1 where it is a `share`. NaN: unknown."""

    name: str
    title: str
    values: Floats  # (rows,)
    share: bool

    def take(self, rows: Selection) -> Outcome:
        return replace(self, values=self.values[rows])


@dataclass(frozen=True)
class Sheet:
    """Rows with their attributes and outcomes, in the order of time.

    `entities` number whom each row is about: rows of one entity are resampled together. `split` is the first
    instant of the later part; `gap` rows before it belong to neither (their outcome is known only after it).
    `source` is the SELECT: columns "time", "entity" and those of attributes and outcomes by name. `preamble`
    are statements to run before it.
    """

    name: str  # of the table, or "target"
    title: str  # what the rows are, in the plural: "orders", "customers, each at 12 cutoffs"
    times: Instants  # (rows,), ascending
    entities: Ints  # (rows,)
    attributes: tuple[Attribute, ...]
    outcomes: tuple[Outcome, ...]
    split: Instant
    source: str
    preamble: str = ""
    gap: int = 0  # microseconds before the split
    who: str = ""  # the entities, in the plural: "customers"
    others: tuple[Ints, ...] = ()  # each (rows,): other things that rows share, such as products

    def __post_init__(self) -> None:
        assert self.times.shape == self.entities.shape
        assert len(self.times) < 2 or (np.diff(self.times) >= 0).all(), "rows are not in the order of time"

    def __len__(self) -> int:
        return len(self.times)

    def part(self, part: Part) -> Bools:
        """(rows,) whether each row lies in the part."""
        return self.times < self.split - self.gap if part is Part.EARLY else self.times >= self.split

    def take(self, rows: Selection) -> Sheet:
        """The sheet of some of its rows."""
        return replace(
            self,
            times=self.times[rows],
            entities=self.entities[rows],
            others=tuple(o[rows] for o in self.others),
            attributes=tuple(a.take(rows) for a in self.attributes),
            outcomes=tuple(o.take(rows) for o in self.outcomes),
        )

    def attribute(self, name: str) -> Attribute:
        return next(a for a in self.attributes if a.name == name)

    def outcome(self, name: str) -> Outcome:
        return next(o for o in self.outcomes if o.name == name)
