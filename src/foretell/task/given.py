"""Tasks whose labels somebody brings along: rows of (entity key, cutoff, label) instead of a target."""

from __future__ import annotations

from foretell.core.errors import QueryError, UsageError
from foretell.core.text import did_you_mean
from foretell.core.time import Offset
from foretell.query import ast
from foretell.schema.model import DType, Schema
from foretell.task.model import BoundExpr, Task, TaskKind

LEARNABLE = (TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS)
_DTYPES = {TaskKind.BINARY: DType.BOOLEAN, TaskKind.REGRESSION: DType.FLOAT, TaskKind.MULTICLASS: DType.TEXT}


def given_task(schema: Schema, entity: str, kind: TaskKind, horizon: Offset | None = None) -> Task:
    """A task for given labels about `entity`, written 'table.column' or 'table'.

    `horizon` is how far after its cutoff a label is settled; folds keep that distance. Without it a label
    counts as settled at its cutoff.
    """
    if kind not in LEARNABLE:
        raise UsageError(f"found labels of kind {kind.value!r}, expected {', '.join(LEARNABLE)}")
    table_name, _, column = entity.partition(".")
    if not schema.has(table_name):
        raise QueryError(
            f"no table {table_name!r}", mend=did_you_mean(table_name, [t.name for t in schema.tables])
        )
    table = schema.table(table_name)
    if not table.primary_key and not column:
        raise UsageError(f"table {table_name!r} has no key", mend=f"name one: {table_name}.<column>")
    name = column or table.primary_key[0]
    table.column(name)
    return Task(
        query=ast.Query(target=ast.Literal(None), entity=ast.Column(table_name, name)),
        schema=schema,
        kind=kind,
        entity=table,
        target=BoundExpr(ast.Literal(None), (), _DTYPES[kind]),
        horizon=horizon or Offset(0),
    )


def is_given(task: Task) -> bool:
    """Whether a task's labels are given rather than computed."""
    return task.query.target == ast.Literal(None)
