"""Questions about single tables: the names of entities, spans of time, frequent values, links."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foretell import kernel
from foretell.core.time import DAY, Instant
from foretell.engines.base import Entities, Keys
from foretell.engines.past_labels import as_text
from foretell.kernel.model import Longs
from foretell.plan.begun import telling_links
from foretell.schema.model import DType, Link, Schema
from foretell.store.columns import FIRST_RANK, Tables
from foretell.store.words import Words


def keys(tables: Tables, table: str, columns: Sequence[str], entities: Entities) -> dict[str, list[Any]]:
    """The columns' values of entities; None for an entity that is not there."""
    places = entities - FIRST_RANK
    there = (places >= 0) & (places < tables.rows(table))
    index = pa.array(places, mask=~there)
    return {c: tables.arrow(table, c).take(index).to_pylist() for c in columns}


def find(tables: Tables, table: str, wanted: Keys) -> Entities:
    """The entities that keys name, the last of several, -1 where there is none. Values meet as text."""
    words = [tables.words(table, column) for column in wanted]
    asked = list(zip(*(_codes(wanted[c], w) for c, w in zip(wanted, words))))
    likely = np.ones(tables.rows(table), dtype=np.bool_)
    for i, held in enumerate(words):
        likely &= np.isin(held.codes, [codes[i] for codes in asked if codes[i] >= 0])
    rows = np.flatnonzero(likely)
    found = dict(zip(zip(*(w.codes[rows].tolist() for w in words)), (rows + FIRST_RANK).tolist()))
    return np.array([found.get(codes, -1) for codes in asked], dtype=np.int64)


def _codes(values: Sequence[Any], words: Words) -> list[int]:
    """The codes of a key's values, -1 where no row has it."""
    texts = pa.array([as_text(v) for v in values], words.array.type)
    found: list[int] = pc.index_in(texts, words.array).fill_null(-1).to_pylist()
    return found


def frequent(
    tables: Tables, schema: Schema, table: str, column: str, *, until: Instant | None, limit: int
) -> tuple[str, ...]:
    """The most frequent values as text among rows visible at `until` (None: all), ties by value."""
    held = schema.table(table).column(column)
    words = tables.words(table, column)
    codes = words.codes
    if until is not None:
        seen = np.ones(len(codes), dtype=np.bool_)
        times = tables.times(table)
        if times is not None:
            seen &= times <= until
        if held.known_at is not None:
            known = tables.instants(table, held.known_at)
            seen &= (known <= until) & (known != kernel.MISSING)
        codes = codes[seen]
    counts = np.bincount(codes[codes >= 0], minlength=words.size)
    order = np.argsort(-counts, kind="stable")
    found: list[str] = []
    for code in order[: np.count_nonzero(counts)]:
        word = words.array[int(code)].as_py()
        # SQL text ends at a NUL, so such a value cannot be asked for.
        if held.dtype is not DType.TEXT or "\x00" not in word:
            found.append(word)
        if len(found) == limit:
            break
    return tuple(found)


def span(tables: Tables, table: str, *, until: Instant | None, trim: float) -> tuple[Instant, Instant] | None:
    """The first and last instant of the visible rows, without a share of the earliest; None without any."""
    times = tables.times(table)
    if times is None:
        return None
    count = len(times) if until is None else int(np.searchsorted(times, until, side="right"))
    if not count:
        return None
    first = max(math.ceil(count * Fraction(repr(trim))), 1) - 1
    return int(times[first]), int(times[count - 1])


def later_share(tables: Tables, schema: Schema, table: str, column: str, until: Instant) -> float:
    """The share of a time column's values that were written after their row came to be."""
    moments, times = tables.instants(table, column), tables.times(table)
    known = moments != kernel.MISSING
    if not known.any():
        return 0.0
    if times is None:
        # A value dated by the day may be of any moment of that day.
        ends = moments[known] + DAY * (not np.any(moments[known] % DAY))
        return float(np.mean((moments[known] > until) & (ends >= begun(tables, schema, table)[known])))
    # A row dated by the day may name a moment of that day.
    daily = not np.any(times % DAY)
    return float(np.mean((moments > times + DAY * daily)[known]))


def begun(tables: Tables, schema: Schema, table: str) -> Longs:
    """When the first event that points at each row came; the smallest number where none does. (rows,)"""
    never = np.iinfo(np.int64)
    found = np.full(tables.rows(table), never.max, dtype=np.int64)
    for link in telling_links(schema, table):
        offsets, rows = tables.children(link)
        times = tables.times(link.child)
        assert times is not None
        some = np.flatnonzero(np.diff(offsets))  # a parent's rows are in order of time
        found[some] = np.minimum(found[some], times[rows[offsets[some]]])
    return np.where(found == never.max, never.min, found)


def fellows(tables: Tables, link: Link) -> float:
    """How many rows share a parent with a row, on average over the rows."""
    names = [f"k{i}" for i in range(len(link.child_columns))]
    held = pa.Table.from_arrays([tables.arrow(link.child, c) for c in link.child_columns], names=names)
    grouped = held.drop_null().group_by(names).aggregate([([], "count_all")])
    sizes = grouped["count_all"].to_numpy().astype(np.float64)
    return float(sizes @ sizes / sizes.sum()) if len(sizes) else 0.0
