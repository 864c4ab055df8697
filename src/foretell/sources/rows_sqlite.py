"""Rows by key of a SQLite file, whose values are read as the types that the schema says."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from foretell.core.errors import SchemaError, SourceError
from foretell.schema.model import DType, Table
from foretell.sources.arrow import text_array
from foretell.sources.naming import quote
from foretell.sources.rows import ARROW, Keys, fit
from foretell.sources.sqlite import SQLiteSnapshot, SQLiteSource

AT_ONCE = 400
"""So many keys are bound to one statement."""


class SQLiteRows:
    """Rows of a SQLite file through one connection that is kept, a read transaction for each reading."""

    def __init__(self, source: SQLiteSource) -> None:
        self._source = source
        self._snapshot = SQLiteSnapshot(source.path)
        self._connection = self._snapshot.connection
        self._connection.execute("COMMIT")

    @property
    def name(self) -> str:
        return self._source.name

    @contextmanager
    def reading(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN")
            yield
        except sqlite3.Error as error:
            raise SourceError(f"cannot read {self.name}: {error}") from None
        finally:
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")

    def rows(
        self, table: Table, columns: Sequence[str], by: Sequence[str], keys: Keys, most: int
    ) -> pa.Table:
        chosen = ", ".join(quote(c) for c in columns) or "1"
        found: list[tuple[Any, ...]] = []
        for first in range(0, len(keys), AT_ONCE):
            some = keys[first : first + AT_ONCE]
            values = [list({v for k in some for v in _spellings(k[i])}) for i in range(len(by))]
            tests = [f"{quote(c)} IN ({', '.join('?' for _ in v)})" for c, v in zip(by, values)]
            query = f"SELECT {chosen} FROM {quote(table.name)} WHERE {' AND '.join(tests)} LIMIT ?"
            bound = [v for part in values for v in part]
            found += self._connection.execute(query, [*bound, most - len(found)]).fetchall()
        return self._table(table, columns, found)

    def ends(self, table: Table, column: str) -> pa.Table:
        name = quote(column)
        found = self._connection.execute(f"SELECT min({name}) FROM {quote(table.name)}").fetchall()
        found += self._connection.execute(f"SELECT max({name}) FROM {quote(table.name)}").fetchall()
        return self._table(table, [column], found)

    def _table(self, table: Table, columns: Sequence[str], found: Sequence[tuple[Any, ...]]) -> pa.Table:
        arrays = [_read(table, c, [row[i] for row in found]) for i, c in enumerate(columns)]
        return pa.Table.from_arrays(arrays, names=list(columns))

    def close(self) -> None:
        self._snapshot.close()


def _spellings(value: Any) -> set[Any]:
    """The ways in which SQLite may hold a key: a column takes numbers and texts alike."""
    found = {value, str(value)}
    if isinstance(value, float) and value.is_integer():
        found.add(int(value))
    if isinstance(value, str):
        with suppress(ValueError):
            found.add(int(value))
    return {v for v in found if not isinstance(v, int) or abs(v) < 2**63}


def _read(table: Table, name: str, values: list[Any]) -> Any:
    """A column's values as the schema's type; an empty text among numbers or times is NULL."""
    dtype = table.column(name).dtype
    here = f"{table.name}.{name}"
    try:
        match dtype:
            case DType.INTEGER:
                return pa.array([_whole(v) for v in values], pa.int64())
            case DType.FLOAT:
                return fit(pa.array([_float(v) for v in values], pa.float64()), dtype, here)
            case DType.BOOLEAN:
                if any(isinstance(v, bytes) and v for v in values):
                    return fit(text_array([_text(v) or None for v in values])[0], dtype, here)
                return pa.array([None if isinstance(v, bytes) else v for v in values]).cast(pa.bool_())
            case DType.TIMESTAMP:
                return _times(values, here)
            case DType.TEXT:
                return text_array([_text(v) for v in values])[0]
            case _:
                return pa.nulls(len(values), ARROW[dtype])
    except (ValueError, pa.ArrowInvalid) as error:
        raise SchemaError(
            f"the type of {here} changed: it was {dtype} when the model was trained",
            examples=[str(error)],
            mend="train the model again, or restore the column's type",
        ) from None


def _text(value: Any) -> bytes | None:
    return value if isinstance(value, bytes | None) else str(value).encode()


def _whole(value: Any) -> int | None:
    if value is None or value == b"":
        return None
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value} is no whole number")
    return int(value)


def _float(value: Any) -> float | None:
    return None if value is None or value == b"" else float(value)


def _times(values: list[Any], here: str) -> Any:
    texts = text_array([_text(v) or None for v in values])[0]
    try:
        return texts.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        pass
    try:
        spelt = pc.replace_substring_regex(texts, pattern="^([^ T]+)[ T]([0-9:]{5})", replacement=r"\1T\2")
        return fit(spelt.cast(pa.timestamp("us", tz="UTC")), DType.TIMESTAMP, here)
    except pa.ArrowInvalid:
        return fit(texts, DType.TIMESTAMP, here)
