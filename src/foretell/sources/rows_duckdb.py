"""Rows by key through DuckDB: of a DuckDB file, of data files, of frames, or of a working copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from foretell.core.errors import SchemaError, SourceError
from foretell.core.text import did_you_mean
from foretell.schema.model import DType, Table
from foretell.sources.base import RawColumn, RawTable
from foretell.sources.duckdb import DuckDBSnapshot, DuckDBSource, open_read_only, portable
from foretell.sources.files import FilesSnapshot, FilesSource
from foretell.sources.frames import FramesSnapshot, FramesSource
from foretell.sources.naming import quote
from foretell.sources.rows import ARROW, Keys, fitted

FEW = 50
"""So many keys are written into a statement; more are joined with."""
KEYS = "\u2205 keys"
"""What the keys that are looked for are called: a name that no table has."""
_SQL = {
    DType.INTEGER: "BIGINT",
    DType.FLOAT: "DOUBLE",
    DType.TEXT: "VARCHAR",
    DType.BOOLEAN: "BOOLEAN",
    DType.TIMESTAMP: "TIMESTAMP",
}
_PLAIN = {
    DType.INTEGER: ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"),
    DType.FLOAT: ("DOUBLE", "FLOAT"),
    DType.TEXT: ("VARCHAR",),
    DType.BOOLEAN: ("BOOLEAN",),
    DType.TIMESTAMP: ("TIMESTAMP",),
}
"""Types whose values compare with keys as they are."""


def select(
    connection: Any,
    place: str,
    raw: Mapping[str, RawColumn],
    table: Table,
    columns: Sequence[str],
    by: Sequence[str],
    keys: Keys,
    most: int,
) -> pa.Table:
    """The rows of `place`, as SQL writes it, that have one of the keys, and with the types of the schema."""
    for name in (*columns, *by):
        if name not in raw:
            raise SchemaError(
                f"column {table.name}.{name} is missing: it was there when the model was trained",
                mend=did_you_mean(name, list(raw)),
            )
    chosen = ", ".join(portable(raw[c]) for c in columns) or "1"
    sides = [_compared(raw[c], table.column(c).dtype) for c in by]
    left = sides[0] if len(sides) == 1 else f"({', '.join(sides)})"
    values: list[Any] = []
    if len(keys) <= FEW and len(by) == 1:
        values = [k[0] for k in keys]
        where = f"{left} IN ({', '.join('?' for _ in values)})" if len(values) > 1 else f"{left} = ?"
    else:
        types = [ARROW[table.column(c).dtype] for c in by]
        arrays = [pa.array([k[i] for k in keys], t) for i, t in enumerate(types)]
        names = [f"k{i}" for i in range(len(by))]
        connection.register(KEYS, pa.Table.from_arrays(arrays, names=names))
        where = f"{left} IN (SELECT {', '.join(names)} FROM {quote(KEYS)})"
        if len(by) > 1:
            where = f"{left} IN (SELECT ({', '.join(names)}) FROM {quote(KEYS)})"
    query = f"SELECT {chosen} FROM {place} WHERE {where} LIMIT {int(most)}"
    found = connection.sql(query, params=values).to_arrow_table()
    return fitted(table, columns, found)


def ends(connection: Any, place: str, raw: Mapping[str, RawColumn], table: Table, column: str) -> pa.Table:
    """The least and the greatest value of a column of `place`."""
    value, name = portable(raw[column]), quote(column)
    sides = (f"SELECT {which}({name}) AS {name} FROM {place}" for which in ("min", "max"))
    query = f"SELECT {value} FROM ({' UNION ALL '.join(sides)})"
    return fitted(table, [column], connection.sql(query).to_arrow_table())


def _compared(column: RawColumn, dtype: DType) -> str:
    name = quote(column.name)
    if column.native.upper() in _PLAIN.get(dtype, ()):
        return name
    return f"TRY_CAST({name} AS {_SQL[dtype]})"


class DuckDBRows:
    """Rows of a DuckDB file, of a folder of data files, or of frames.

    A DuckDB file is opened for each reading and let go after it, so that others may write meanwhile.
    """

    def __init__(self, source: DuckDBSource | FilesSource | FramesSource) -> None:
        self._source = source
        self._raw: dict[str, RawTable] = {}
        self._places: Mapping[str, str] = {}
        self._connection: Any = None
        self._kept: FilesSnapshot | FramesSnapshot | None = None
        with self.reading():
            pass

    @property
    def name(self) -> str:
        return self._source.name

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One transaction; files that change meanwhile are told apart by what is found in them."""
        if isinstance(self._source, DuckDBSource):
            if not self._raw:
                with DuckDBSnapshot(self._source.path) as snapshot:
                    self._raw = {t.name: t for t in snapshot.tables}
                    self._places = snapshot.places
            self._connection = open_read_only(self._source.path)
            self._connection.execute("BEGIN TRANSACTION READ ONLY")
        else:
            self._look_again()
        try:
            yield
        except duckdb.Error as error:
            self._raw = {}  # perhaps the tables have changed: they are looked at again
            raise SourceError(f"cannot read {self.name}: {str(error).splitlines()[0]}") from None
        finally:
            if isinstance(self._source, DuckDBSource):
                self._connection.close()
                self._connection = None

    def _look_again(self) -> None:
        """Files and frames as they are now."""
        if isinstance(self._source, FilesSource):
            if self._kept is not None and isinstance(self._kept, FilesSnapshot) and self._kept.is_current():
                return
            self._let_go()
            files = FilesSnapshot(self._source.path)
            self._kept, self._connection = files, files.connection
            self._raw, self._places = {t.name: t for t in files.tables}, files.scans
        elif isinstance(self._source, FramesSource):
            self._let_go()
            frames = FramesSnapshot(self._source.frames)
            self._kept, self._connection = frames, duckdb.connect(config={"threads": 1})
            self._connection.execute("SET TimeZone = 'UTC'")
            self._raw, places = {}, {}
            for place, (name, frame) in enumerate(frames.arrow.items()):
                self._connection.register(f"frame{place}", frame)
                found = self._connection.execute(f"DESCRIBE frame{place}").fetchall()
                self._raw[name] = RawTable(name, tuple(RawColumn(r[0], r[1]) for r in found))
                places[name] = f"frame{place}"
            self._places = places

    def rows(
        self, table: Table, columns: Sequence[str], by: Sequence[str], keys: Keys, most: int
    ) -> pa.Table:
        raw = {c.name: c for c in self._table(table).columns}
        return select(self._connection, self._places[table.name], raw, table, columns, by, keys, most)

    def ends(self, table: Table, column: str) -> pa.Table:
        raw = {c.name: c for c in self._table(table).columns}
        return ends(self._connection, self._places[table.name], raw, table, column)

    def _table(self, table: Table) -> RawTable:
        if table.name not in self._raw:
            raise SchemaError(
                f"table {table.name!r} is missing: it was there when the model was trained",
                mend=did_you_mean(table.name, list(self._raw)),
            )
        return self._raw[table.name]

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._kept is not None:
            self._kept.close()
        self._connection, self._kept = None, None

    def close(self) -> None:
        self._let_go()
