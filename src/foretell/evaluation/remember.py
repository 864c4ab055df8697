"""Row hashes: what a database held at one time, in a small file, so that a later audit sees what was changed.

A change in place leaves no trace in the database itself. Remembered is a hash of every cell under a hash of
its row's key; of a large table only the rows whose keys hash lowest, which are the same rows every time.
Cells are hashed with keyed BLAKE2b over a canonical text, so the hashes mean the same in every release.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from foretell.core.errors import DataError
from foretell.core.time import Instant, from_datetime
from foretell.plan.build import DIALECT, col, raw
from foretell.plan.prepare import read, visible_from
from foretell.schema.model import DType, Schema, Table
from foretell.store.working import Store

MOST_ROWS = 50_000
"""Of a table; each cell takes 8 bytes."""
_FORMAT = "foretell row hashes 1"
_MARK = b"foretell"
_HASH, _AT = "hash\u2205", "at\u2205"  # names that no column has

Hashes: TypeAlias = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Remembered:
    """One table's rows: a hash of each key, ascending, and of each cell by column.

    `whole` is False where only the rows with the lowest hashes are held.
    """

    keys: Hashes  # (rows,)
    cells: Mapping[str, Hashes]  # column: (rows,)
    whole: bool


@dataclass(frozen=True)
class Memory:
    """What was remembered of a database, and the last instant that it knew of."""

    at: Instant
    tables: Mapping[str, Remembered]

    @property
    def rows(self) -> int:
        return sum(len(t.keys) for t in self.tables.values())


@dataclass(frozen=True)
class Changes:
    """What became of a table's rows: `columns` counts the cells that changed without saying so.

    `gone` rows are not there any more; `late` ones are new, but dated before what was remembered: by up to
    `lateness` microseconds.
    """

    table: str
    rows: int
    columns: Mapping[str, int]
    gone: int
    late: int
    lateness: int = 0


def remember(store: Store, schema: Schema, at: Instant, *, most: int = MOST_ROWS) -> Memory:
    """Hash the rows of every table with a key; those dated after `at` are left out."""
    return Memory(at, {t.name: _remembered(store, schema, t, at, most) for t in _keyed(schema)})


def changes(memory: Memory, store: Store, schema: Schema) -> tuple[Changes, ...]:
    """What became of the remembered rows, table by table.

    A value that was not known yet is no change: its `known_at` lies after what was remembered.
    """
    return tuple(
        _compared(memory.tables[t.name], memory.at, store, schema, t)
        for t in _keyed(schema)
        if t.name in memory.tables
    )


def save(memory: Memory, path: Path) -> None:
    """Write a memory as a Parquet file."""
    said = {n: {"columns": list(t.cells), "whole": t.whole} for n, t in memory.tables.items()}
    head = {"format": _FORMAT, "at": memory.at, "tables": said}
    names, keys, cells = [], [], []
    for name, table in memory.tables.items():
        names += [name] * len(table.keys)
        keys.append(table.keys)
        held = np.stack(list(table.cells.values()), axis=1) if table.cells else np.empty((len(table.keys), 0))
        cells += [row.tolist() for row in held.astype(np.uint64)]
    made = pa.table(
        {
            "table": pa.array(names, pa.string()).dictionary_encode(),
            "key": np.concatenate(keys) if keys else np.empty(0, dtype=np.uint64),
            "cells": pa.array(cells, pa.list_(pa.uint64())),
        }
    )
    pq.write_table(made.replace_schema_metadata({_MARK: json.dumps(head).encode()}), path, compression="zstd")


def is_memory(path: Path) -> bool:
    """Whether a file holds row hashes."""
    return _head(path) is not None


def load(path: Path) -> Memory:
    """A memory from its file."""
    head = _head(path)
    if head is None or head.get("format") != _FORMAT:
        raise DataError(f"{str(path)!r} holds no row hashes that this release can read",
                        mend="write them with: foretell audit DATABASE QUERY --remember FILE")  # fmt: skip
    table = pq.read_table(path)
    names = np.array(table["table"].to_pylist(), dtype=object)
    keys, cells = table["key"].to_numpy(), table["cells"].to_pylist()
    tables = {}
    for name, said in head["tables"].items():
        rows = np.flatnonzero(names == name)
        held = np.array([cells[i] for i in rows], dtype=np.uint64).reshape(len(rows), len(said["columns"]))
        columns = {c: held[:, i] for i, c in enumerate(said["columns"])}
        tables[name] = Remembered(np.asarray(keys[rows], dtype=np.uint64), columns, said["whole"])
    return Memory(head["at"], tables)


def _head(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        held = pq.read_schema(path).metadata or {}
    except (pa.ArrowInvalid, OSError):
        return None
    return dict(json.loads(held[_MARK])) if _MARK in held else None


def _keyed(schema: Schema) -> list[Table]:
    return [t for t in schema.tables if t.primary_key and not t.ignored]


def _remembered(store: Store, schema: Schema, table: Table, at: Instant, most: int) -> Remembered:
    names = [c.name for c in table.columns if not c.ignored and c.dtype is not DType.OTHER]
    here = _past(table, schema, at) if table.time_column is not None else None
    query = _hashed(table, names)
    query = query.where(here) if here is not None else query
    frame = _fetch(store, query.order_by(exp.column(_HASH, quoted=True)).limit(most + 1))
    whole = frame.num_rows <= most
    frame = frame.slice(0, most)
    return Remembered(_numbers(frame), {n: _cells(frame[n], table.name, n) for n in names}, whole)


def _compared(was: Remembered, at: Instant, store: Store, schema: Schema, table: Table) -> Changes:
    names = [n for n in was.cells if table.has(n)]
    tellers = {n: _teller(table, n) for n in names}
    query = _hashed(table, names)
    for column in sorted({t for t in tellers.values() if t is not None}):
        moment = exp.func("EPOCH_US", read(table.column(column), schema))
        query = query.select(moment.as_(f"{_AT}{column}", quoted=True))
    if table.time_column is not None:
        query = query.select(_moment(table, schema).as_(_AT, quoted=True))
    if not was.whole:
        last = int(was.keys.max(initial=0))
        query = query.where(exp.LTE(this=_key_hash(table), expression=exp.Literal.string(f"{last:016x}")))
    frame = _fetch(store, query.order_by(exp.column(_HASH, quoted=True)))
    now = _numbers(frame)
    _, left, right = np.intersect1d(was.keys, now, return_indices=True)
    found = {}
    for name in names:
        moved = was.cells[name][left] != _cells(frame[name], table.name, name)[right]
        teller = tellers[name]
        if teller is not None:
            known = frame[f"{_AT}{teller}"].fill_null(at + 1).to_numpy()[right]
            moved &= known <= at
        found[name] = int(moved.sum())
    late = np.empty(0, dtype=np.int64)
    if table.time_column is not None:
        moments = frame[_AT].fill_null(at + 1).to_numpy()
        late = moments[(moments <= at) & ~np.isin(now, was.keys)]
    gone = len(was.keys) - len(left)
    lateness = at - int(late.min()) if len(late) else 0
    return Changes(table.name, len(left), {n: c for n, c in found.items() if c}, gone, len(late), lateness)


def _teller(table: Table, name: str) -> str | None:
    """The time column that says when a value was known; the ones that say so tell of themselves."""
    tells = {c.known_at for c in table.columns} | {table.end_time}
    return name if name in tells else table.column(name).known_at


def _hashed(table: Table, names: Sequence[str]) -> exp.Select:
    """SELECT the hash of the key, and the columns."""
    columns = [col("r", n) for n in names]
    return exp.select(_key_hash(table).as_(_HASH, quoted=True), *columns).from_(raw(table.name, "r"))


def _key_hash(table: Table) -> exp.Expr:
    """The first 16 digits of the MD5 of the key as text."""
    parts = [exp.cast(col("r", c), "VARCHAR") for c in table.primary_key]
    text = exp.func("CONCAT_WS", exp.Literal.string("\x1f"), *parts)
    return exp.func("LEFT", exp.func("MD5", text), exp.Literal.number(16))


def _past(table: Table, schema: Schema, at: Instant) -> exp.Expr:
    """Whether a row was visible at an instant."""
    return exp.LTE(this=_moment(table, schema), expression=exp.Literal.number(at))


def _moment(table: Table, schema: Schema) -> exp.Expr:
    """The instant from which a row with a time of its own is visible."""
    assert table.time_column is not None
    return exp.func("EPOCH_US", visible_from(table, read(table.column(table.time_column), schema)))


def _fetch(store: Store, query: exp.Select) -> pa.Table:
    fetched: pa.Table = store.connection.sql(query.sql(dialect=DIALECT)).to_arrow_table()
    return fetched


def _numbers(frame: pa.Table) -> Hashes:
    return np.array([int(h, 16) for h in frame[_HASH].to_pylist()], dtype=np.uint64)


def _cells(column: pa.ChunkedArray, table: str, name: str) -> Hashes:
    """A hash of each value; each different one is hashed once."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    salt = hashlib.blake2b(f"{table}\x1f{name}".encode(), digest_size=16).digest()
    made = [_hash(_canonical(v), salt) for v in (*encoded.dictionary.to_pylist(), None)]
    index = encoded.indices.fill_null(len(made) - 1).to_numpy(zero_copy_only=False)
    hashes: Hashes = np.array(made, dtype=np.uint64)[index]
    return hashes


def _hash(text: str, salt: bytes) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=_FORMAT.encode(), salt=salt).digest()
    return int.from_bytes(digest, "big")


def _canonical(value: Any) -> str:
    """A value as text, whatever it is stored as: 1 and 1.0 are the same.

    >>> _canonical(1.0), _canonical(1), _canonical(0.5), _canonical(True), _canonical(None)
    ('1', '1', '0.5', 'true', '\\x00')
    """
    if value is None:
        return "\x00"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime):
        return f"{from_datetime(value)} us"
    if isinstance(value, date):
        return f"{from_datetime(datetime(value.year, value.month, value.day))} us"
    return str(value)
