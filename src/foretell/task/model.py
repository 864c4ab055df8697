"""The task: a query whose names, paths, types and windows are settled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from foretell.core.time import Instant, Offset
from foretell.query import ast
from foretell.schema.model import DType, Hop, Schema, Table


class TaskKind(StrEnum):
    """What the target is, and so how it is learned and scored."""

    BINARY = "binary"
    REGRESSION = "regression"
    MULTICLASS = "multiclass"
    RANKING = "ranking"
    MULTILABEL = "multilabel"
    FORECAST = "forecast"


@dataclass(frozen=True)
class BoundAggregate:
    """An aggregate whose table reaches the entity by a settled path.

    `path` runs from the entity's table to the aggregated one (all hops down); () is the entity's own row.
    Every Column in `value` and `where` is one of `table`'s. `start`/`end` bound (t + start, t + end].
    """

    function: ast.Function
    table: str
    path: tuple[Hop, ...]
    value: ast.Expr | None  # None: every row (COUNT(t.*), EXISTS)
    where: ast.Expr | None
    start: Offset
    end: Offset
    dtype: DType  # of the aggregate's result
    parameter: float | None = None

    @property
    def is_future(self) -> bool:
        return self.start.amount >= 0


@dataclass(frozen=True)
class BoundExpr:
    """An expression over the entity's columns and over aggregates.

    `expr` is the query's tree with every Aggregate replaced by `Column("", "a<i>")`, i indexing `aggregates`;
    the remaining Columns are the entity table's own. `dtype` is the type of the result.
    """

    expr: ast.Expr
    aggregates: tuple[BoundAggregate, ...]
    dtype: DType

    @property
    def columns(self) -> tuple[ast.Column, ...]:
        """The entity table's own columns that the expression reads."""
        return tuple(c for c in ast.columns(self.expr) if c.table)


@dataclass(frozen=True)
class Task:
    """A query bound to a schema.

    `horizon` is the far end of the target's window (None for a static target); `gap` its near end.
    `step` is the distance between learning cutoffs. `hidden` are the entity table's columns that no feature
    of the same row may read (a static target's own).
    """

    query: ast.Query
    schema: Schema
    kind: TaskKind
    entity: Table
    target: BoundExpr
    where: BoundExpr | None = None
    assuming: BoundExpr | None = None
    horizon: Offset | None = None
    gap: Offset | None = None
    step: Offset | None = None
    as_of: Instant | None = None
    hidden: tuple[str, ...] = ()

    @property
    def is_static(self) -> bool:
        return self.horizon is None

    @property
    def entity_key(self) -> tuple[str, ...]:
        """The columns that name an entity: the table's primary key, or the FOR EACH column where it has
        none.
        """
        return self.entity.primary_key or (self.query.entity.name,)
