"""What may be read of a row: its columns by their use, and from when each value is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from foretell.features.candidates.scope import constant, use
from foretell.query import ast
from foretell.schema.model import Column, DType, Schema, Semantic, Table
from foretell.task.model import Task, TaskKind

LABEL = "(label)"
"""The name of a static target, as it is read of other rows of the entity's table."""


class Use(StrEnum):
    """How a field is read: as a number, as one of some words, as the days since a moment, or as text."""

    NUMBER = "number"
    CATEGORY = "category"
    TIME = "time"
    TEXT = "text"


@dataclass(frozen=True)
class Field:
    """One value of a row: a column, or an expression over the table's columns.

    `columns` are those that are read, and `known_at` for each the column that tells from when it is known,
    None where it is from the row's own time on. Before that the value is missing.
    """

    table: str
    name: str
    use: Use
    expr: ast.Expr
    columns: tuple[str, ...]
    known_at: tuple[str | None, ...]


def fields_by_table(task: Task, later: Collection[str] = ()) -> Mapping[str, tuple[Field, ...]]:
    """What is read of each table's rows, keys and links apart.

    `later` are time columns ('table.column') written after their row came to be: they are not read, nor is
    any other column of such a timed table whose moment is not declared (`known_at`). Earlier rows of a static
    target's own table tell their outcome.
    """
    schema = task.schema
    changing = {name.rpartition(".")[0] for name in later}
    found = {}
    for table in schema.tables:
        if table.ignored:
            continue
        fields = list(_columns(table, task, later, changing=table.name in changing))
        if table.name == task.entity.name and _tells_outcomes(task):
            fields.append(_outcome(task))
        found[table.name] = tuple(fields)
    return found


def own_fields(task: Task, fields: Mapping[str, tuple[Field, ...]]) -> tuple[Field, ...]:
    """What is read of the entity's own row: nothing that is asked for, nor the time that its cutoff is."""
    unread = {*task.hidden}
    if task.is_static and task.entity.time_column is not None:
        unread.add(task.entity.time_column)
    return tuple(f for f in fields[task.entity.name] if not unread & set(f.columns))


def _columns(table: Table, task: Task, later: Collection[str], *, changing: bool) -> list[Field]:
    schema = task.schema
    links = {c for k in schema.links_up(table.name) for c in k.child_columns}
    skipped = {*table.primary_key, *links}
    if table.name == task.entity.name and not schema.is_timed(table.name):
        skipped |= set(task.hidden)
    moment = table.time_column
    found = []
    for column in table.columns:
        chosen = _use(column)
        if chosen is None or column.ignored or constant(column) or column.name in skipped:
            continue
        if column.name == moment or f"{table.name}.{column.name}" in later:
            continue  # a row's age is read of every row of a timed table
        if changing and schema.is_timed(table.name) and column.known_at is None:
            continue
        read = ast.Column(table.name, column.name)
        found.append(Field(table.name, column.name, chosen, read, (column.name,), (column.known_at,)))
    return found


def _use(column: Column) -> Use | None:
    if column.semantic is Semantic.TEXT and column.dtype is DType.TEXT:
        return Use.TEXT
    found = use(column)
    return Use(found) if found else None


def _tells_outcomes(task: Task) -> bool:
    """Whether earlier rows of the entity's table tell what is asked of later ones."""
    return task.is_static and task.schema.is_timed(task.entity.name) and not task.target.aggregates


def _outcome(task: Task) -> Field:
    names = tuple(c.name for c in task.target.columns)
    known = tuple(task.entity.column(n).known_at for n in names)
    chosen = Use.CATEGORY if task.kind is TaskKind.MULTICLASS else Use.NUMBER
    return Field(task.entity.name, LABEL, chosen, task.target.expr, names, known)


def is_followed(schema: Schema, task: Task, columns: Collection[str], table: str) -> bool:
    """Whether a link over these columns of a table may be followed.

    Of a table without a time any row may be the one that is asked about, so no link over what is asked for.
    """
    own = table == task.entity.name and not schema.is_timed(table)
    return not (own and set(columns) & set(task.hidden))
