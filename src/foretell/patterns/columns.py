"""The columns of a table's rows, of their parents and of what came with them, that a sheet may have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from foretell.core.time import Instant
from foretell.features.describe import words
from foretell.patterns.contents import contents
from foretell.patterns.naming import free, of_parent, who_of
from foretell.patterns.planned import Planned, is_known, kinds_of, typed
from foretell.patterns.positions import positions
from foretell.patterns.rows import Path, RowsOf
from foretell.plan.build import template
from foretell.schema.model import DType, Schema, Semantic, Table

FEW = 100  # parents: so few are told by their own names, not by numbers that describe them


def columns_of(
    cursor: Any, schema: Schema, made: RowsOf, paths: list[Path], about: Path, split: Instant
) -> Iterator[Planned]:
    """Every column of the row, of its parents and of what came with it, with names of their own."""
    taken = {"time", "entity"}
    table = made.table
    source = schema.table(table)
    keys = {c for k in schema.links if k.child == table for c in k.child_columns}
    standing = positions(cursor, schema, table, split)
    for column in source.columns:
        if column.name in (*source.primary_key, *keys) or not is_known(column, source.time_column):
            continue
        for kind in kinds_of(column):
            value = typed(kind, made.value((), column.name))
            number = kind == "number" and column.name not in standing
            yield Planned(
                free(column.name, taken),
                words(column.name),
                table,
                value,
                kind != "number",
                outcome=column.name not in standing,
                attribute=not number,
            )
    yield from contents(cursor, schema, made, split, taken)
    yield from _calendar(made, source, taken)
    for path in paths:
        if not made.can_reach(path):
            continue
        link, parent = path[-1], schema.table(path[-1].parent)
        theirs = schema.table(link.child)
        named = theirs.column(link.child_columns[0]).distinct
        few = min(parent.rows, named or parent.rows) <= FEW
        if len(link.child_columns) == 1 and theirs.column(link.child_columns[0]).dtype is DType.TEXT:
            (key,) = link.child_columns
            if not theirs.column(key).ignored:
                title = words(key) if len(path) == 1 else of_parent(schema, path[:-1], key)
                yield Planned(
                    free(_column_name(path[:-1], key), taken),
                    title,
                    link.child,
                    typed("text", made.key(path)),
                    True,
                )
        for column in parent.columns:
            pointing = {c for k in schema.links if k.child == parent.name for c in k.child_columns}
            if column.name in (*parent.primary_key, *pointing) or not is_known(column, parent.time_column):
                continue
            if column.name in link.parent_columns:
                continue
            for kind in kinds_of(column):
                if kind == "number" and few:
                    continue
                yield Planned(
                    free(_column_name(path, column.name), taken),
                    of_parent(schema, path, column.name),
                    parent.name,
                    typed(kind, made.value(path, column.name)),
                    kind != "number",
                )
        if parent.time_column is not None and not few and link.name not in {k.name for k in made.time_links}:
            born = made.value(path, parent.time_column)
            age = template("(EPOCH_US(b) - EPOCH_US(a)) / 86400000000", a=born, b=made.time)
            title = f"days since the {who_of(schema, path)}'s {words(parent.time_column)}"
            yield Planned(
                free(_column_name(path, f"{parent.time_column} age"), taken), title, parent.name, age, False
            )


def _column_name(path: Path, column: str) -> str:
    return ".".join((*(k.parent if len(k.child_columns) > 1 else k.child_columns[0] for k in path), column))


def _calendar(made: RowsOf, source: Table, taken: set[str]) -> Iterator[Planned]:
    """Parts of the row's time; which of them there are is seen from the values."""
    parts = (
        ("month", "MONTHNAME(t)", True),
        ("weekday", "DAYNAME(t)", True),
        ("hour", "CAST(HOUR(t) AS DOUBLE)", False),
    )
    for title, text, is_text in parts:
        value = template(text, t=exp.cast(made.time, "TIMESTAMP"))
        yield Planned(free(title, taken), title, source.name, value, is_text, clock=True)
    for column in source.columns:
        if (
            column.semantic is Semantic.TIME
            and column.name not in (source.time_column, source.end_time)
            and is_known(column, source.time_column)
            and column.name not in (c.known_at for c in source.columns)
        ):
            value = template("CAST(HOUR(t) AS DOUBLE)", t=exp.cast(made.value((), column.name), "TIMESTAMP"))
            title = f"hour of {words(column.name)}"
            yield Planned(free(title, taken), title, source.name, value, False, clock=True)
