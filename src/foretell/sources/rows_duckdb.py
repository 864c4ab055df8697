"""Rows by key through DuckDB: of a DuckDB file, of data files, of frames, or of a working copy."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from foretell.core.errors import SourceError
from foretell.schema.model import DType, Table
from foretell.sources.base import RawColumn, RawTable
from foretell.sources.duckdb import DuckDBSnapshot, DuckDBSource, open_read_only, portable
from foretell.sources.files import FilesSnapshot, FilesSource
from foretell.sources.frames import FramesSnapshot, FramesSource
from foretell.sources.naming import quote
from foretell.sources.rows import ARROW, Keys, fitted, known_columns, known_table

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
    known_columns(table.name, (*columns, *by), raw)
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


class _Placed:
    """Tables by where they are: what `DuckDBRows` and `FilesRows` share."""

    def __init__(self) -> None:
        self.connection: Any = None
        self.tables: Mapping[str, RawTable] = {}
        self.places: Mapping[str, str] = {}

    def rows(
        self, table: Table, columns: Sequence[str], by: Sequence[str], keys: Keys, most: int
    ) -> pa.Table:
        raw = {c.name: c for c in self._table(table).columns}
        return select(self.connection, self.places[table.name], raw, table, columns, by, keys, most)

    def ends(self, table: Table, column: str) -> pa.Table:
        raw = {c.name: c for c in self._table(table).columns}
        return ends(self.connection, self.places[table.name], raw, table, column)

    def _table(self, table: Table) -> RawTable:
        known_table(table.name, self.tables)
        return self.tables[table.name]

    def failed(self, name: str, error: Exception) -> SourceError:
        """What DuckDB says, in our words. Perhaps the tables have changed: they are looked at again."""
        self.tables = {}
        return SourceError(f"cannot read {name}: {str(error).splitlines()[0]}")


class DuckDBRows(_Placed):
    """Rows of a DuckDB file, a transaction for each reading.

    While a file is open no other process can write to it, and opening it takes longer than reading: it stays
    open for `linger` seconds after a reading, and at most for `longest` in all.
    """

    def __init__(self, source: DuckDBSource, *, linger: float = 0.25, longest: float = 2.0) -> None:
        super().__init__()
        self._source = source
        self._linger, self._longest = linger, longest
        self._lock = threading.RLock()
        self._opened = self._used = 0.0
        self._state: object = None
        self._timer: threading.Timer | None = None
        with self.reading():
            pass

    @property
    def name(self) -> str:
        return self._source.name

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._lock:
            try:
                self._open()
                self.connection.execute("BEGIN TRANSACTION READ ONLY")
                yield
            except duckdb.Error as error:
                self._shut()
                raise self.failed(self.name, error) from None
            except BaseException:
                self._shut()
                raise
            self.connection.execute("COMMIT")
            self._used = time.monotonic()
            if self._used + self._linger - self._opened > self._longest or not self._linger:
                self._shut()
            elif self._timer is None:
                self._wait(self._linger)

    def _open(self) -> None:
        """The file as it is now: one that was replaced meanwhile is opened anew."""
        if self.connection is not None and self._source.state() != self._state:
            self._shut()
        if self.connection is not None:
            return
        self._state = self._source.state()
        if not self.tables:
            with DuckDBSnapshot(self._source.path) as snapshot:
                self.tables, self.places = {t.name: t for t in snapshot.tables}, snapshot.places
        self.connection = open_read_only(self._source.path)
        self._opened = time.monotonic()

    def _wait(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._leave)
        self._timer.daemon = True
        self._timer.start()

    def _leave(self) -> None:
        """Close the file once nobody has read for a while."""
        with self._lock:
            self._timer = None
            left = self._used + self._linger - time.monotonic()
            if self.connection is not None and left > 0:
                self._wait(left)
            else:
                self._shut()

    def _shut(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def close(self) -> None:
        with self._lock:
            self._shut()


class FilesRows(_Placed):
    """Rows of a folder of data files, or of frames, as they are at each reading."""

    def __init__(self, source: FilesSource | FramesSource) -> None:
        super().__init__()
        self._source = source
        self._kept: FilesSnapshot | FramesSnapshot | None = None
        self._look()

    @property
    def name(self) -> str:
        return self._source.name

    @contextmanager
    def reading(self) -> Iterator[None]:
        self._look()
        try:
            yield
        except duckdb.Error as error:
            raise self.failed(self.name, error) from None

    def _look(self) -> None:
        """Files and frames as they are now."""
        if isinstance(self._source, FilesSource):
            if isinstance(self._kept, FilesSnapshot) and self.tables and self._kept.is_current():
                return
            self.close()
            files = FilesSnapshot(self._source.path)
            self._kept, self.connection = files, files.connection
            self.tables, self.places = {t.name: t for t in files.tables}, files.scans
            return
        frames = FramesSnapshot(self._source.frames)
        if self.connection is None:
            self.connection = duckdb.connect(config={"threads": 1})
            self.connection.execute("SET TimeZone = 'UTC'")
        tables: dict[str, RawTable] = {}
        for place, (name, frame) in enumerate(frames.arrow.items()):
            self.connection.register(f"frame{place}", frame)
            found = self.connection.execute(f"DESCRIBE frame{place}").fetchall()
            tables[name] = RawTable(name, tuple(RawColumn(r[0], r[1]) for r in found))
        self.tables, self.places = tables, {name: f"frame{i}" for i, name in enumerate(tables)}

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
        elif self.connection is not None:
            self.connection.close()
        self.connection, self._kept = None, None
