"""Relational plans that carry time: every scan and every hop says until when its rows are read.

A plan is what the proof walks and what an engine executes. Nothing else decides which rows are visible: an
engine turns each `Until` into a filter, so a plan that the proof accepts cannot read past its cutoff.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from foretell.core.time import LookBack, Offset, Window
from foretell.query import ast
from foretell.schema.model import DType, Hop


class Until(StrEnum):
    """Until when the rows of a scan or a hop are read."""

    CUTOFF = "cutoff"  # the row's time is at or before the cutoff
    ROW = "row"  # a parent, visible at the time of the row that points at it
    NOW = "now"  # the table has no time: as of the snapshot, and flagged so
    WINDOW = "window"  # labels alone: the row's time is inside the target's window
    OWN = "own"  # a static target's own row: it is the row being asked about
    END = "end"  # no bound. The proof refuses it wherever the table has a time


@dataclass(frozen=True)
class Scan:
    """The rows of a table."""

    table: str
    until: Until

    @property
    def end(self) -> str:
        return self.table


@dataclass(frozen=True)
class Follow:
    """Each row of `source` joined with the row (or rows) at the other end of a hop."""

    source: Relation
    hop: Hop
    until: Until

    @property
    def end(self) -> str:
        return self.hop.end


@dataclass(frozen=True)
class Latest:
    """Each row of `source` joined with the one latest row, in (time, key) order, that points at it.

    `hop` leads down; only the rows at its far end that are visible by `until` are looked at.
    """

    source: Relation
    hop: Hop
    until: Until

    @property
    def end(self) -> str:
        return self.hop.end


Relation: TypeAlias = Scan | Follow | Latest


class Following(StrEnum):
    """What an event comes to after those before it of the same anchor, in (time, rank) order."""

    GAP = "gap"  # the days since the event before it; no value for the first
    RUN = "run"  # how many values in a row have been as its own; of numbers: above 0, or (negative) not


class Standing(StrEnum):
    """How a row's number stands among those of its group."""

    EXCESS = "excess"  # how far it lies above the group's mean
    SHARE = "share"  # of the group's total; no value where that is not above 0


@dataclass(frozen=True)
class Within:
    """A number read as it stands within a group: the rows that one parent has at one time.

    `hop` leads from the row to that parent, which must be visible at the row's time. Rows of other times are
    of other groups: those of earlier times would tell little, those of later times too much.
    """

    hop: Hop
    how: Standing


@dataclass(frozen=True)
class Input:
    """One value read of each event: an expression over the columns of the table that `up` leads to.

    `up` are hops from the event's table to a parent, each bounded by `until`; () is the event itself.
    `known_at` names the column of that table before whose time the value is not known. With `following` what
    is read tells how the event follows on earlier ones; a run passes over events without a value. With
    `within` it is how the event's own number stands in a group.
    """

    expr: ast.Expr
    dtype: DType
    up: tuple[Hop, ...] = ()
    until: Until = Until.ROW
    known_at: str | None = None
    following: Following | None = None
    within: Within | None = None

    @property
    def hops(self) -> tuple[Hop, ...]:
        """Every hop that is followed from an event to what is read of it."""
        return self.up if self.within is None else (*self.up, self.within.hop)


@dataclass(frozen=True)
class Events:
    """Timed rows that reach an anchor row, with the values read of them.

    `rows` starts at the event table and follows links up to the anchor's table. The time of an event is the
    latest time along that path, and of the `delays`: columns of the event table that tell when it was known.
    """

    rows: Relation
    inputs: tuple[Input, ...] = ()
    where: ast.Expr | None = None
    delays: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        return base(self.rows).table


LookBacks: TypeAlias = tuple[LookBack, ...]
"""The windows of an aggregate, ascending: all are lengths of time, or all are numbers of events."""


@dataclass(frozen=True)
class Measured:
    """One output column of an aggregate: `input` indexes the events' inputs (None: the rows themselves);
    `window` indexes the windows (None: all history). A decayed measure takes all history, its window's length
    as the half-life."""

    name: str
    measure: str
    input: int | None = None
    window: int | None = None


@dataclass(frozen=True)
class Aggregate:
    """Measures of the events before each row's cutoff, over several look-back windows.

    `anchor` leads from the entity to the row that the events point at. With `ago` the measures are as of that
    long before the cutoff, which windows and days count back from.
    """

    anchor: Relation
    events: Events | PastLabels
    windows: LookBacks
    outputs: tuple[Measured, ...]
    ago: Offset | None = None


@dataclass(frozen=True)
class Nested:
    """Measures, over the rows that point at an anchor, of what each of them comes to at the row's cutoff.

    `members` are those rows, of which nothing but the time is read; windows look at it. `inner` starts at
    their table and is taken of each member at each cutoff. Input i of `outputs` is its output i, always a
    number.
    """

    anchor: Relation
    members: Events
    inner: Aggregate
    windows: tuple[Offset, ...]
    outputs: tuple[Measured, ...]


@dataclass(frozen=True)
class Read:
    """One output column of an as-of lookup; `age` gives the days from a time column to the cutoff."""

    name: str
    column: str
    dtype: DType
    known_at: str | None = None
    age: bool = False


@dataclass(frozen=True)
class AsOf:
    """Columns of the entity's row, or of a parent's, as they are known at the cutoff."""

    source: Relation
    outputs: tuple[Read, ...]


@dataclass(frozen=True)
class Calendar:
    """Parts of the cutoff itself: (output name, part) with part month, weekday, day, hour or year_day."""

    outputs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TargetAggregate:
    """One aggregate of a target or a condition, over a window around the cutoff."""

    events: Events
    function: ast.Function
    window: Window
    dtype: DType
    parameter: float | None = None


@dataclass(frozen=True)
class Formula:
    """An expression over the entity's columns and `Column("", "a<i>")`, i indexing the aggregates."""

    expr: ast.Expr
    dtype: DType


@dataclass(frozen=True)
class Target:
    """Labels: the population at each cutoff, and what is computed for it.

    `population` scans the entity's table; with `end_time` a row leaves once that time has passed.
    A static target (`horizon` None) has one row per entity, at the instant before the row's own time.
    """

    population: Scan
    key: tuple[str, ...]
    aggregates: tuple[TargetAggregate, ...]
    target: Formula
    where: Formula | None
    assuming: Formula | None
    horizon: Offset | None
    end_time: str | None = None


@dataclass(frozen=True)
class PastLabels:
    """The entity's own labels at earlier cutoffs, as events whose time is the close of their window.

    A row looks back from its own cutoff in whole steps; the last `steps` that have closed are seen. With
    `everyone` it sees those of the whole population. `following` is what is read of a label, see `Input`.
    """

    target: Target
    step: Offset
    steps: int
    until: Until
    everyone: bool = False
    following: Following | None = None


Block: TypeAlias = Aggregate | Nested | AsOf | Calendar


class Comparison(StrEnum):
    """How two numbers are held against each other."""

    DIFFERENCE = "difference"  # the left less the right
    RATIO = "ratio"  # the left as a multiple of the right; no value where the right is not above 0


@dataclass(frozen=True)
class Contrast:
    """One numeric output held against another, both of blocks; no value where either has none."""

    name: str
    left: str
    right: str
    how: Comparison


@dataclass(frozen=True)
class FeaturePlan:
    """Everything that is computed for rows of (entity, cutoff). `entity` is the table of the entities.

    `hidden` are columns of the entity's own row that are being asked for: a static target's. `passing` are
    outputs of blocks that contrasts alone read.
    """

    entity: str
    key: tuple[str, ...]
    blocks: tuple[Block, ...]
    hidden: tuple[str, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    passing: frozenset[str] = frozenset()

    @property
    def made(self) -> tuple[str, ...]:
        """The names of what the blocks make, in their order."""
        return tuple(name for block in self.blocks for name in output_names(block))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The output columns' names: of the blocks in their order, then the contrasts."""
        kept = (name for name in self.made if name not in self.passing)
        return (*kept, *(c.name for c in self.contrasts))


def output_names(block: Block) -> tuple[str, ...]:
    if isinstance(block, Calendar):
        return tuple(name for name, _ in block.outputs)
    return tuple(o.name for o in block.outputs)


def base(relation: Relation) -> Scan:
    """The scan that a relation starts from."""
    while not isinstance(relation, Scan):
        relation = relation.source
    return relation


def hops(relation: Relation) -> tuple[Follow | Latest, ...]:
    """The hops of a relation, in the order they are walked."""
    found: list[Follow | Latest] = []
    while not isinstance(relation, Scan):
        found.append(relation)
        relation = relation.source
    return tuple(reversed(found))


def steps(relation: Relation) -> Iterator[Scan | Follow | Latest]:
    """The scan and then each hop."""
    yield base(relation)
    yield from hops(relation)
