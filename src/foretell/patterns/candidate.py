"""A candidate: a statement that the early part of history suggests, and how the later part will judge it.

Miners make candidates from early rows alone. Then the list is frozen, and only then is a candidate's later
sample asked for. Every kind of pattern is judged alike: its figure is a function of sums over rows
(`Sample`), so one piece of code gives every kind its interval, its p-value and its stability.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from foretell.features.matrix import Floats, Instants
from foretell.patterns.finding import Kind, Measured
from foretell.patterns.sheet import Bools, Ints, Part, Sheet


@dataclass(frozen=True)
class Sample:
    """What a statement's figure is made of in one part of history.

    The figure is `finish(sums.sum(axis=0))`; `finish` takes (…, k) and gives (…), NaN where it is not
    defined. `null` is the figure where nothing is there; `least` is how far from it the figure must lie for a
    reader to care, settled by the early part. Rows of one entity are alike, and so are rows of one
    period (a day on which everybody orders), so the figure's error is clustered by both.
    """

    sums: Floats  # (rows, k)
    finish: Callable[[Floats], Floats]
    entities: Ints  # (rows,) cluster numbers
    periods: Ints  # (rows,) cluster numbers
    support: int  # rows that the statement speaks of
    population: int  # rows that it was looked for among
    null: float = 0.0
    least: float = 0.0
    others: tuple[Ints, ...] = ()  # each (rows,) clusters of other things that rows share
    floor: float = 0.0  # that the figure's error cannot be below
    enough: bool = True  # whether there is enough to say anything


class Candidate(Protocol):
    """A statement to be confirmed. Implementations are frozen dataclasses, one per kind of pattern."""

    @property
    def kind(self) -> Kind: ...

    @property
    def key(self) -> str:
        """Names the statement: the same in each run."""
        ...

    @property
    def strength(self) -> float:
        """How strongly the early part suggests it, as |z|: the strongest are taken to confirmation."""
        ...

    @property
    def about(self) -> str:
        """What rows `rows` numbers and which figure is meant: only candidates alike in this can overlap."""
        ...

    def sample(self, part: Part) -> Sample:
        """What its figure is made of."""
        ...

    def rows(self) -> Bools | None:
        """(early rows,) those that it speaks of; None where it does not choose among rows."""
        ...

    def series(self) -> tuple[Instants, Floats]:
        """The figure per period over all of history: the periods' first instants, and values (periods,)."""
        ...

    def sentence(self, measured: Measured) -> str:
        """What it says, in English, with the later part's figures."""
        ...

    def sql(self) -> str:
        """Statements of DuckDB that give `value` and `support` of the later part in their last row."""
        ...


@dataclass(frozen=True)
class Mined:
    """What a miner found: its candidates, and how many statements it had looked at for them."""

    candidates: tuple[Candidate, ...]
    searched: int
    notes: tuple[str, ...] = ()


class Miner(Protocol):
    """Looks at a sheet's early rows within `seconds`. `seed` is for draws. It may not look at later rows."""

    def __call__(self, sheet: Sheet, *, seconds: float, seed: int) -> Mined: ...
