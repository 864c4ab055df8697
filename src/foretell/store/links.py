"""Which parent each row points at, and keys that must name one row each."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from sqlglot import exp

from foretell import kernel
from foretell.kernel.model import Ints
from foretell.plan.build import ROW, col, joined_on
from foretell.schema.model import Link, Schema
from foretell.store.order import ascending
from foretell.store.refusals import refuse_repeats
from foretell.store.scan import Scan, absent, given, longs


def find_parents(scan: Scan, link: Link, schema: Schema, order: Ints | None, threads: int) -> Ints:
    """The parent's place in `order` for each row of the child as it was loaded; -1 where there is none.

    `order` are the parent's rows in their order (None: as they were loaded).
    """
    if len(link.child_columns) == 1:
        (ours,), (theirs,) = link.child_columns, link.parent_columns
        if schema.table(link.child).column(ours).dtype == schema.table(link.parent).column(theirs).dtype:
            child = scan.column(link.child, scan.value(link.child, ours))
            parent = scan.column(link.parent, scan.value(link.parent, theirs))
            if pa.types.is_int64(child.type) and pa.types.is_int64(parent.type):
                return _by_number(child, parent, order, threads)
    return _by_join(scan, link, schema, order)


def one_row_each(scan: Scan, name: str, key: tuple[str, ...], order: Ints | None) -> None:
    """Refuse a key that repeats among the rows of `order` (None: all)."""
    column = _told_apart(scan, name, key)
    values = column.to_numpy() if not column.null_count else column.fill_null(0).to_numpy()
    known = absent(column)
    if known is None and ascending(values, strictly=True):
        return
    if order is not None:
        values, known = values[order], None if known is None else known[order]
    if known is not None:
        values = values[~known]
    if ascending(values, strictly=True) or ascending(np.sort(values), strictly=True):
        return
    rows, seen = scan.numbered(name, key), None
    if order is not None:
        seen = pa.array(order.astype(np.int64) + 1)
        among = col("n", ROW).isin(query=exp.select("value").from_(given()))
        rows = exp.select(exp.Star()).from_(rows.subquery("n")).where(among)
    refuse_repeats(scan.connect(seen), name, key, rows.subquery("e"))


def _told_apart(scan: Scan, name: str, key: tuple[str, ...]) -> pa.ChunkedArray:
    """Whole numbers that are equal wherever the key is, and NULL where part of it is."""
    columns = [scan.value(name, c) for c in key]
    if len(columns) == 1:
        found = scan.column(name, columns[0])
        if pa.types.is_int64(found.type):
            return found
    known = exp.and_(*(exp.Not(this=exp.Is(this=c, expression=exp.Null())) for c in columns))
    hashed = exp.Anonymous(this="HASH", expressions=columns)
    return scan.column(name, exp.Case().when(known, hashed))


def _by_number(child: pa.ChunkedArray, parent: pa.ChunkedArray, order: Ints | None, threads: int) -> Ints:
    table, unknown = longs(parent), absent(parent)
    if order is not None:
        table, unknown = kernel.gather(table, order, threads), None if unknown is None else unknown[order]
    if unknown is None:
        found = kernel.lookup(longs(child), table, threads)
    else:
        known = np.flatnonzero(~unknown).astype(np.int32)
        found = kernel.gather(known, kernel.lookup(longs(child), table[known], threads), threads)
    orphans = absent(child)
    if orphans is not None:
        found[orphans] = -1
    return found


def _by_join(scan: Scan, link: Link, schema: Schema, order: Ints | None) -> Ints:
    child = scan.numbered(link.child, link.child_columns)
    parent = scan.numbered(link.parent, link.parent_columns)
    pairs = (
        exp.select(col("c", ROW).as_("child"), col("p", ROW).as_("parent"))
        .from_(child.subquery("c"))
        .join(parent.subquery("p"), on=joined_on(link, "c", "p", schema))
    )
    met = scan.query(pairs, rows=scan.rows(link.child))
    ours, theirs = met["child"].to_numpy() - 1, met["parent"].to_numpy() - 1
    if order is not None:
        places = np.full(scan.rows(link.parent), -1, dtype=np.int32)
        places[order] = np.arange(len(order), dtype=np.int32)
        theirs = places[theirs]
        ours, theirs = ours[theirs >= 0], theirs[theirs >= 0]
    found = np.full(scan.rows(link.child), -1, dtype=np.int32)
    found[ours] = theirs
    return found
