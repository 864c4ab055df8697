"""The scope of synthesis: the task, what is known of its data, and how far candidates reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from foretell.core.time import Last, LookBack, Offset, Unit
from foretell.features.describe import aggregate_name, aggregate_words, owner, words
from foretell.features.model import Aggregated, Feature, Kind, Value
from foretell.plan.measures import MEASURES
from foretell.query import ast
from foretell.schema.breadth import Breadth
from foretell.schema.model import Column, DType, Hop, Link, Semantic
from foretell.task.model import Task, TaskKind

Candidate: TypeAlias = tuple[float, Feature]
"""(rank, feature): the lower the rank, the more is expected of it."""

Vocabulary = Callable[[str, str], tuple[str, ...]]
"""(table, column) → its most frequent values, taken from the training period alone."""

MAX_DISTINCT = 1000
FEW, MANY = Last(5), Last(20)
"""The last events of which a path's numbers are averaged, however long ago they were: seasons have gaps."""


@dataclass(frozen=True)
class Reach:
    """How far candidates go, and how many of them are kept: `budget`.

    `steps` are the look-back windows as multiples of the target's; `categories` how many values of a column
    get features of their own; `far_columns` how many columns are read of a table that is not a direct child,
    `company_columns` of the events around a parent last seen. `every_window`: each measure in each window.
    `deep`: events of grandparents, and events two links down from a parent. `quantiles`: medians and tenths
    of the entity's own events. `nested`: measures over its own rows of what each of them comes to. `spread`:
    how regularly events come. `shares`: of what other rows of a parent have at the same time.
    """

    budget: int = 600
    steps: tuple[int, ...] = (1, 3, 10)
    categories: int = 6
    far_columns: int = 6
    company_columns: int = 12
    every_window: bool = False
    deep: bool = False
    quantiles: bool = False
    nested: bool = False
    spread: bool = False
    shares: bool = False


REACH: Mapping[Breadth, Reach] = {
    Breadth.LESS: Reach(budget=120),
    Breadth.STANDARD: Reach(),
    Breadth.MORE: Reach(
        budget=1000,
        steps=(1, 3, 10, 30),
        categories=15,
        far_columns=18,
        company_columns=24,
        every_window=True,
        deep=True,
        quantiles=True,
        nested=True,
        spread=True,
        shares=True,
    ),
}


@dataclass(frozen=True)
class Profile:
    """What synthesis may know of the data: its span in days up to the last training cutoff, and
    vocabularies.

    `later` names time columns that were written after their rows came to be. `crowded` names links by which
    so many rows share a parent that they tell little of any one of them, and cost much.
    """

    span_days: float
    vocabulary: Vocabulary
    later: frozenset[str] = frozenset()
    crowded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Scope:
    """What every source of candidates is given. `windows` are the look-back windows, the shortest first;
    `asked` says that a person named them.
    """

    task: Task
    profile: Profile
    reach: Reach
    windows: tuple[Offset, ...]
    asked: bool = False

    def used(self, table: str) -> tuple[Offset | None, ...]:
        """The windows over a table's events; None is all history, and the only one without a time."""
        return (*self.windows, None) if self.task.schema.is_timed(table) else (None,)

    def links_up(self, table: str, *, own: bool = False) -> Iterator[Link]:
        """The links up from a table that may be followed; `own`: from the row that is asked about."""
        return (k for k in self.task.schema.links_up(table) if not self._tells(k, own))

    def links_down(self, table: str) -> Iterator[Link]:
        """The links down to a table that may be followed."""
        return (k for k in self.task.schema.links_down(table) if not self._tells(k, own=False))

    def _tells(self, link: Link, own: bool) -> bool:
        """Whether a link's key is being asked for: of one row, or without a time of any."""
        asked = link.child == self.task.entity.name and set(link.child_columns) & set(self.task.hidden)
        return bool(asked) and (own or not self.task.schema.is_timed(link.child))

    def unread(self, table: str) -> frozenset[str]:
        """Columns that events are not read for: those that are asked for, where any row may be the one asked
        about, or where the outcome of earlier rows is the column itself.
        """
        alone = isinstance(self.task.target.expr, ast.Column)
        told = table == self.task.entity.name and (alone or not self.task.schema.is_timed(table))
        return frozenset(self.task.hidden) if told else frozenset()

    def asked_for(self, table: str) -> frozenset[str]:
        """Columns that no path may lead to: without a time, any row may be the one that is asked about."""
        own = table == self.task.entity.name and not self.task.schema.is_timed(table)
        return frozenset(self.task.hidden) if own else frozenset()


def windows_for(task: Task, span_days: float, steps: tuple[int, ...] = Reach.steps) -> tuple[Offset, ...]:
    """Look-back windows: multiples of the horizon that the history can fill; a ladder where there is none.

    >>> from foretell.core.time import Offset
    >>> [str(w) for w in ladder(Offset(30), 700.0)]
    ['30 days', '90 days', '300 days']
    """
    if task.horizon is not None:
        width = Offset(task.horizon.amount - (task.gap.amount if task.gap else 0), task.horizon.unit)
        if width.amount:  # labels that are settled at their cutoff have no window
            return ladder(width, span_days, steps)
    rungs = [Offset(n, u) for n, u in ((6, Unit.HOUR), (1, Unit.DAY), (7, Unit.DAY), (30, Unit.DAY))]
    rungs += [Offset(n, Unit.DAY) for n in (90, 365, 1095, 3650)]
    fitting = [r for r in rungs if span_days / 200 <= r.days <= span_days * 0.6]
    return tuple(fitting[-4:][: len(steps)])


def ladder(width: Offset, span_days: float, steps: tuple[int, ...] = Reach.steps) -> tuple[Offset, ...]:
    """Multiples of the width of a target's window, as far as the history reaches."""
    rungs = [Offset(width.amount * k, width.unit) for k in steps]
    return tuple(w for w in rungs if w.days <= span_days * 0.75) or (rungs[0],)


@dataclass(frozen=True)
class Maker:
    """Features of one path: `up` from the entity to the anchor, `down` from there to the events."""

    task: Task
    up: tuple[Hop, ...]
    down: tuple[Hop, ...]

    def __call__(
        self, measure: str, value: Value | None, window: LookBack | None, ago: Offset | None = None
    ) -> Feature:
        schema, outcome = self.task.schema, outcome_words(self.task)
        kind = Kind.CATEGORICAL if MEASURES[measure].categorical else Kind.NUMERIC
        text = aggregate_words(measure, self.up, self.down, value, window, schema, outcome, ago)
        return Feature(
            aggregate_name(measure, (*self.up, *self.down), value, window, schema, ago),
            kind,
            Aggregated(measure, self.down, self.up, value, window, ago),
            text,
            self.down[-1].end + owner(self.up),
        )


def outcome_words(task: Task) -> str:
    """What a static target's earlier outcomes are called."""
    if task.kind is TaskKind.BINARY:
        return "outcome"
    names = [words(c.name) for c in task.target.columns]
    return names[0] if len(names) == 1 else "outcome"


def constant(column: Column) -> bool:
    """Whether a column has one value in every row."""
    return column.distinct is not None and column.distinct <= 1 and (column.null_fraction or 0) == 0


def use(column: Column) -> str:
    """How a column is used: 'number', 'category', 'time', or '' for none."""
    if column.dtype is DType.OTHER:
        return ""
    match column.semantic:
        case Semantic.NUMERIC if column.dtype in (DType.INTEGER, DType.FLOAT):
            return "number"
        case Semantic.BOOLEAN:
            return "number" if column.dtype in (DType.BOOLEAN, DType.INTEGER, DType.FLOAT) else "category"
        case Semantic.CATEGORICAL:
            return "category"
        case Semantic.TIME:
            return "time"
        case _:
            return ""
