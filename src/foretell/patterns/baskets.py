"""Baskets of a database: what came together under one event, such as the products of an order.

A table of lines points at an event whose time it has, and at a thing. Things are told by their names, where
they have such, and otherwise by their keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from sqlglot import exp

from foretell.core.time import Instant
from foretell.features.describe import words
from foretell.features.matrix import Codes
from foretell.patterns.clusters import entity_of
from foretell.patterns.contents import came_with
from foretell.patterns.mine.inputs import Baskets
from foretell.patterns.mine.statement import moment
from foretell.patterns.naming import singular_of
from foretell.patterns.rows import Path, RowsOf, text_of
from foretell.patterns.settle import numbered
from foretell.patterns.sheet import Ints
from foretell.plan.build import template
from foretell.schema.model import DType, Link, Schema, Semantic, Table

LINES = 1_000_000  # of a larger table no baskets are made
LEAST = 300  # transactions
LINE_UP = 0.35  # of the mean size, its deviation: teams of eleven are no baskets that somebody filled
MOST_ALIKE = 0.5  # of a thing's lines that have one value of another column: then it is of that kind
NAMED = 0.8  # of things, that a column with their names tells apart


def baskets_of(
    cursor: Any, schema: Schema, table: str, split: Instant, end: Instant, paths: list[Path]
) -> Iterator[Baskets]:
    """The baskets that a table of lines makes; none where it is no such table."""
    if schema.table(table).rows > LINES or not schema.is_timed(table):
        return
    links = [p[0] for p in paths if len(p) == 1]
    for event in links:
        if schema.table(event.parent).rows < LEAST or not came_with(cursor, schema, event, split):
            continue
        for thing in links:
            if thing.parent == event.parent or schema.table(thing.parent).rows < 10:
                continue
            made = _baskets(cursor, schema, table, event, thing, split, end, paths)
            if made is not None:
                yield made


def _baskets(
    cursor: Any,
    schema: Schema,
    table: str,
    event: Link,
    thing: Link,
    split: Instant,
    end: Instant,
    paths: list[Path],
) -> Baskets | None:
    rows = RowsOf(schema, table)
    about = entity_of(cursor, schema, table, split, [p for p in paths if p[0] == event])
    item: exp.Expr = exp.cast(rows.key((thing,)), "VARCHAR")
    name = name_of(schema.table(thing.parent))
    if name is not None:
        item = exp.func("COALESCE", exp.cast(rows.value((thing,), name), "VARCHAR"), item)
    columns = {
        "entity": rows.key(about or (event,)),
        "transaction": rows.key((event,)),
        "item": item,
    }
    source = text_of(_until(rows.select(columns), rows, end))
    others = {
        f"kind {i}": rows.key(p)
        for i, p in enumerate(paths)
        if len(p) == 1 and p[0] not in (event, thing) and p[0].parent not in (event.parent, thing.parent)
    }
    asked = text_of(_until(rows.select({**columns, **others}), rows, end))
    known = (
        f"SELECT * FROM (\n{asked}\n) WHERE transaction IS NOT NULL AND item IS NOT NULL\n"
        'ORDER BY "time", transaction'
    )
    found = cursor.sql(known).to_arrow_table()
    if found.num_rows < 2 * LEAST:
        return None
    times = np.asarray(found["time"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy())
    transactions = numbered(found["transaction"])
    items = found["item"].combine_chunks().dictionary_encode()
    codes = np.asarray(items.indices.to_numpy(zero_copy_only=False), dtype=np.int32)
    chosen, first, place = np.unique(transactions, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    pairs = np.unique(np.stack([rank[place], codes.astype(np.int64)], axis=1), axis=0)
    sizes = np.bincount(pairs[:, 0], minlength=len(chosen))
    if len(chosen) < LEAST or sizes.mean() < 1.5 or sizes.std() < LINE_UP * sizes.mean():
        return None
    return Baskets(
        name=table,
        title=words(event.parent),
        item=singular_of(words(thing.parent)),
        times=times[first[order]],
        entities=numbered(found["entity"])[first[order]],
        transactions=pairs[:, 0],
        items=pairs[:, 1].astype(np.int32),
        labels=tuple(str(t) for t in items.dictionary.to_pylist()),
        split=split,
        source=source,
        kinds=tuple(_kind(numbered(found[n]), codes, times < split) for n in others),
    )


def name_of(table: Table) -> str | None:
    """The column that names the rows of a table of things, for people; None where there is none."""
    for column in table.columns:
        if column.ignored or column.dtype is not DType.TEXT or column.name in table.primary_key:
            continue
        if column.semantic is Semantic.TIME or column.distinct is None:
            continue
        if column.distinct >= NAMED * table.rows:
            return column.name
    return None


def _until(query: exp.Select, rows: RowsOf, end: Instant) -> exp.Select:
    until = template("CAST(v AS TIMESTAMP)", v=exp.maybe_parse(moment(end), dialect="duckdb"))
    return query.where(exp.LTE(this=rows.time.copy(), expression=until))


def _kind(values: Ints, items: Codes, early: np.ndarray[Any, np.dtype[np.bool_]]) -> Codes:
    """(items,) the value that most early lines of each item have; -1 where no value is of most."""
    size = int(items.max()) + 1
    kinds = np.full(size, -1, dtype=np.int32)
    pairs, counts = np.unique(np.stack([items[early], values[early]]), axis=1, return_counts=True)
    totals = np.bincount(items[early], minlength=size)
    order = np.argsort(counts, kind="stable")
    most = counts[order] >= MOST_ALIKE * totals[pairs[0][order]]
    kinds[pairs[0][order][most]] = pairs[1][order][most].astype(np.int32)
    return kinds
