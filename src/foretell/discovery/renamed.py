"""Tables and columns that a later database calls otherwise: taken by their old names, or guessed at."""

from __future__ import annotations

import json
from collections.abc import Mapping

from foretell.core.text import did_you_mean, plural
from foretell.schema.model import Column, Schema, Table
from foretell.store import Store

ALIKE = 0.8
"""A table is perhaps the missing one under another name where it has so much of its columns."""


def rename(store: Store, schema: Schema, renamed: Mapping[str, str]) -> tuple[str, ...]:
    """Give tables and columns the names by which `schema` knows them, as `renamed` (now → was) says.

    What the schema knows by its present name stays as it is. Returns what was done, as notes.
    """
    notes = [
        f"foretell.toml says what {now!r} was called, but the database has no such table or column"
        for now in renamed
        if not _is_there(now, store)
    ]
    tables = {was: now for now, was in renamed.items() if now in store.tables}
    for table in schema.tables:
        if table.ignored:
            continue
        now = table.name if table.name in store.tables else tables.get(table.name)
        if now is None:
            continue
        live = store.tables[now].dtypes
        columns = {
            column: was
            for column in live
            if (was := renamed.get(f"{now}.{column}")) is not None
            and table.has(was)
            and was not in live
            and not table.has(column)
        }
        if now != table.name or columns:
            store.rename(now, table.name, columns)
        if now != table.name:
            notes.append(f"table {now!r} is read as {table.name!r}, which it was called at training")
        notes += [
            f"{now}.{column} is read as {was!r}, which it was called" for column, was in columns.items()
        ]
    return tuple(notes)


def _is_there(name: str, store: Store) -> bool:
    """Whether the store has a table of that name, or a column by the name of 'table.column'."""
    table, _, column = name.rpartition(".")
    return name in store.tables or (table in store.tables and column in store.tables[table].dtypes)


def missing_table(table: Table, store: Store, schema: Schema) -> str:
    """What to do about a table that is gone: a new one that looks like it may be it."""
    for name, found in store.tables.items():
        if schema.has(name):
            continue
        same = sum(c.name in found.dtypes for c in table.columns)
        if same >= ALIKE * len(table.columns):
            return (
                f"{name!r} has {plural(same, 'column')} of its {len(table.columns)}: if it is the same, "
                f"say so in foretell.toml: [renamed] {_quoted(name)} = {_quoted(table.name)}"
            )
    return did_you_mean(table.name, list(store.tables))


def missing_column(table: Table, column: Column, store: Store) -> str:
    """What to do about a column that is gone: the only new one of its type may be it."""
    live = store.tables[table.name].dtypes
    new = [name for name, dtype in live.items() if not table.has(name) and dtype is column.dtype]
    if len(new) == 1:
        return (
            f"{new[0]!r} is new and of the same type: if it is the same column, say so in foretell.toml: "
            f"[renamed] {_quoted(f'{table.name}.{new[0]}')} = {_quoted(column.name)}"
        )
    return did_you_mean(column.name, list(live))


def _quoted(name: str) -> str:
    """A name as TOML's text."""
    return json.dumps(name, ensure_ascii=False)
