"""A MySQL or MariaDB database, streamed inside one consistent, read-only snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from foretell.core.errors import SourceError, UsageError
from foretell.core.lazy import require
from foretell.core.text import did_you_mean, plural
from foretell.sources.arrow import stream, text_array
from foretell.sources.base import Closing, RawColumn, RawKey, RawTable
from foretell.sources.naming import mask, quote, without_secrets
from foretell.sources.own import own_places, remark
from foretell.sources.remote import Mark, Measured, RemoteSnapshot, place_of

ROWS = 50_000
_TIMEOUTS = {"connect_timeout": 10, "read_timeout": 600}
_OPTIONS = (*_TIMEOUTS, "charset", "unix_socket", "ssl_ca", "ssl_cert", "ssl_key")
_WHOLE = ("tinyint", "smallint", "mediumint", "int", "bigint", "year")
_DROPPED = (
    *("blob", "tinyblob", "mediumblob", "longblob", "binary", "varbinary", "vector"),
    *("geometry", "point", "linestring", "polygon", "geometrycollection"),
    *("multipoint", "multilinestring", "multipolygon"),
)
LOST = (2006, 2013, 2055, 0)
_COLUMNS = """
SELECT c.table_name, t.table_type, c.column_name, c.data_type, c.column_type, c.is_nullable,
       c.numeric_precision, c.numeric_scale, t.table_rows
FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = DATABASE() AND t.table_type IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED')
ORDER BY c.table_name, c.ordinal_position"""
_KEYS = """
SELECT k.table_name, c.constraint_type, k.constraint_name, k.column_name,
       k.referenced_table_schema = DATABASE(), k.referenced_table_name, k.referenced_column_name
FROM information_schema.key_column_usage k
JOIN information_schema.table_constraints c
  ON c.constraint_schema = k.constraint_schema AND c.constraint_name = k.constraint_name
 AND c.table_name = k.table_name
WHERE k.table_schema = DATABASE()
ORDER BY k.table_name, c.constraint_type, k.constraint_name, k.ordinal_position"""


@dataclass(frozen=True)
class MySQLSource:
    """A MySQL or MariaDB database, by URL."""

    url: str = field(repr=False)

    @property
    def name(self) -> str:
        return mask(self.url)

    @property
    def place(self) -> str:
        return place_of(self.url)

    def snapshot(self) -> MySQLSnapshot:
        return MySQLSnapshot(self.url)


@dataclass(frozen=True)
class _Column:
    """How one column travels: the SQL that asks for it, its Arrow type, and how text becomes that."""

    sql: str
    type: pa.DataType
    read: Callable[[pa.StringArray], Any]


@dataclass
class MySQLSnapshot(RemoteSnapshot, Closing):
    """One transaction on a MySQL or MariaDB server."""

    url: str = field(repr=False)
    tables: Sequence[RawTable] = ()
    notes: list[str] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._driver = require("pymysql", extra="mysql")
        self._cursors = require("pymysql.cursors", extra="mysql")
        self._natives: dict[str, list[tuple[str, str, int, int]]] = {}
        self._sizes: dict[str, int] = {}
        told = settings(self.url)
        try:
            # Without decoders every value stays as the server wrote it, and Arrow parses whole columns.
            self._connection = self._driver.connect(**told, conv=_encoders(), autocommit=False)
        except self._driver.Error as error:
            raise SourceError(
                f"cannot connect to {mask(self.url)}: {self._say(error)}",
                mend="check the host, the user, the password and the database's name",
            ) from None
        try:
            for statement in (
                "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'",
                "SET time_zone = '+00:00'",
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ):
                self._rows(statement)
            self.tables = self._declared()
        except self._driver.Error as error:
            self.close()
            raise self.failed(error) from None

    def _say(self, error: Exception) -> str:
        detail = error.args[1] if len(error.args) > 1 else error
        return " ".join(without_secrets(str(detail), self.url).split())

    @property
    def connection(self) -> Any:
        """The connection, in whose transaction all is read."""
        return self._connection

    @property
    def driver(self) -> Any:
        """The driver's module, for its errors."""
        return self._driver

    def column_plan(self, table: str, column: str, flag: bool) -> _Column:
        """How one column travels; a `flag` is one that has been found to hold 0 and 1 alone."""
        raw = next(t for t in self.tables if t.name == table)
        native = self._natives[table][[c.name for c in raw.columns].index(column)]
        return self._plan(table, column, native, flag and native[1].startswith("tinyint(1)"))

    def failed(self, error: Exception) -> SourceError:
        """What the driver says, in our words."""
        code = error.args[0] if error.args else 0
        lost = isinstance(error, self._driver.OperationalError | self._driver.InterfaceError) and code in LOST
        timeout = lost and "timed out" in str(error)
        what = "ran out of time reading" if timeout else "lost the connection to" if lost else "cannot read"
        return SourceError(
            f"{what} {mask(self.url)}: {self._say(error)}",
            mend="try again; nothing of a half-read database is kept" if lost else None,
            connection_lost=lost and not timeout,
        )

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def _declared(self) -> tuple[RawTable, ...]:
        tables: dict[str, RawTable] = {}
        for table, kind, column, data_type, native, nullable, precision, scale, size in self._rows(_COLUMNS):
            raw = tables.get(table, RawTable(table, (), is_view=kind == "VIEW"))
            if data_type in _DROPPED:
                self.notes.append(f"{table}.{column} is of type {native} and is not used")
            tables[table] = replace(raw, columns=(*raw.columns, RawColumn(column, native, nullable == "YES")))
            self._natives.setdefault(table, []).append(
                (data_type, native, int(precision or 0), int(scale or 0))
            )
            self._sizes[table] = int(size or 0)
        own_ones = own_places({("", t): [c.name for c in raw.columns] for t, raw in tables.items()})
        self.notes += remark(table for _, table in own_ones)
        tables = {t: raw for t, raw in tables.items() if ("", t) not in own_ones}
        grouped: dict[tuple[str, str, str], list[tuple[Any, ...]]] = {}
        for table, kind, name, column, here, parent, theirs in self._rows(_KEYS):
            grouped.setdefault((table, kind, name), []).append((column, here, parent, theirs))
        for (table, kind, _), rows in grouped.items():
            if table not in tables:
                continue
            raw, own = tables[table], tuple(r[0] for r in rows)
            if kind == "PRIMARY KEY":
                raw = replace(raw, primary_key=own)
            elif kind == "UNIQUE":
                raw = replace(raw, unique=(*raw.unique, own))
            elif kind == "FOREIGN KEY" and str(rows[0][1]) == "1" and rows[0][2] in tables:
                key = RawKey(own, rows[0][2], tuple(r[3] for r in rows))
                raw = replace(raw, foreign_keys=(*raw.foreign_keys, key))
            tables[table] = raw
        return tuple(t for t in tables.values() if not t.is_view or self._works(t.name))

    def _works(self, view: str) -> bool:
        try:
            self._rows(f"SELECT * FROM {quote(view, '`')} LIMIT 0")
        except self._driver.Error as error:
            if error.args and error.args[0] in LOST:
                raise
            self.notes.append(f"view {view!r} cannot be read and is left out: {self._say(error)}")
            return False
        return True

    def estimate(self, table: str) -> int | None:
        return self._sizes.get(table) or None

    def measure(self, raw: RawTable, key: str | None, last: int | None) -> Measured | None:
        values = ", ".join(f"QUOTE({quote(c.name, '`')})" for c in raw.columns)
        hashed = f"CAST(CONV(LEFT(MD5(CONCAT_WS(',', {values})), 15), 16, 10) AS DECIMAL(20))"
        inside = f"{quote(key, '`')} <= {last}" if key is not None and last is not None else "FALSE"
        highest = f"MAX({quote(key, '`')})" if key is not None else "NULL"
        asked = (
            f"SELECT COUNT(*), SUM({hashed}), {highest}, "
            f"COUNT(IF({inside}, 1, NULL)), SUM(IF({inside}, {hashed}, 0)) FROM {quote(raw.name, '`')}"
        )
        try:
            found = self._rows(asked)[0]
        except self._driver.Error as error:
            if error.args and error.args[0] in LOST:
                raise self.failed(error) from None
            return None
        rows, total, last_key, few, some = (None if v is None else int(v) for v in found)
        return Measured(Mark(rows or 0, total or 0, last_key), Mark(few or 0, some or 0, last))

    def read(self, table: str) -> pa.RecordBatchReader:
        raw = next(t for t in self.tables if t.name == table)
        later = self.after(raw)
        place = quote(table, "`") + (f" WHERE {quote(later[0], '`')} > {later[1]}" if later else "")
        try:
            plans = self._plans(raw)
        except self._driver.Error as error:
            raise self.failed(error) from None
        schema = pa.schema([(c.name, p.type) for c, p in zip(raw.columns, plans)])
        chosen = ", ".join(p.sql for p in plans)

        def batches() -> Iterator[pa.RecordBatch]:
            with self._connection.cursor(self._cursors.SSCursor) as cursor:
                cursor.execute(f"SELECT {chosen} FROM {place}")
                while rows := cursor.fetchmany(ROWS):
                    arrays = [p.read(text_array(values)[0]) for p, values in zip(plans, zip(*rows))]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)

        return stream(schema, batches(), self.failed)

    def _plans(self, raw: RawTable) -> list[_Column]:
        natives = self._natives[raw.name]
        flags = [
            c.name for c, (kind, native, _, _) in zip(raw.columns, natives) if native.startswith("tinyint(1)")
        ]
        beyond: set[str] = set()
        if flags:
            asked = ", ".join(f"SUM({quote(c, '`')} NOT IN (0, 1))" for c in flags)
            found = self._rows(f"SELECT {asked} FROM {quote(raw.name, '`')}")[0]
            beyond = {c for c, n in zip(flags, found) if n is not None and float(n) > 0}
        for column in sorted(beyond):
            self.notes.append(
                f"{raw.name}.{column} is tinyint(1) but holds more than 0 and 1: read as numbers"
            )
        return [
            self._plan(raw.name, c.name, native, c.name in flags and c.name not in beyond)
            for c, native in zip(raw.columns, natives)
        ]

    def _plan(self, table: str, column: str, native: tuple[str, str, int, int], is_flag: bool) -> _Column:
        kind, full, precision, scale = native
        name, here = quote(column, "`"), f"{table}.{column}"
        if is_flag:
            return _Column(name, pa.bool_(), lambda a: a.cast(pa.int64()).cast(pa.bool_()))
        if kind == "bit":
            bits = pa.bool_() if precision == 1 else pa.uint64()
            return _Column(f"{name} + 0", bits, lambda a: a.cast(pa.uint64()).cast(bits))
        if kind in _WHOLE:
            number = pa.uint64() if "unsigned" in full and kind == "bigint" else pa.int64()
            return _Column(name, number, lambda a: a.cast(number))
        if kind == "decimal" and scale == 0 and precision <= 18:
            return _Column(name, pa.int64(), lambda a: a.cast(pa.int64()))
        if kind in ("decimal", "float", "double"):
            return _Column(name, pa.float64(), lambda a: a.cast(pa.float64()))
        if kind in ("date", "datetime", "timestamp"):
            target = pa.timestamp("us", tz="UTC" if kind == "timestamp" else None)
            return _Column(name, target, lambda a: self._times(here, a).cast(target))
        if kind in _DROPPED:
            return _Column("NULL", pa.binary(), lambda a: pa.nulls(len(a), pa.binary()))
        return _Column(name, pa.string(), lambda a: a)

    def _times(self, here: str, texts: pa.StringArray) -> Any:
        """MySQL's zero dates, whole or in part, are no times: NULL, with a note."""
        compute: Any = pc
        zero = compute.match_substring_regex(texts, pattern="^0000|^....-00|^....-..-00").fill_null(False)
        if count := int(compute.sum(zero).as_py() or 0):
            self.notes.append(f"{here}: {plural(count, 'zero date')} read as NULL")
            texts = compute.if_else(zero, None, texts)
        return texts.cast(pa.timestamp("us"))

    def close(self) -> None:
        # Closing politely would first read what is left of an unfinished stream.
        self._connection._force_close()


def _encoders() -> dict[Any, Any]:
    """pymysql's table of conversions, without those that turn what the server sends into Python values."""
    converters = require("pymysql.converters", extra="mysql")
    return dict(converters.encoders)


def settings(url: str) -> dict[str, Any]:
    """What the driver is told, from mysql://user:password@host:port/database?option=value."""
    try:
        parts = urlsplit(url)
        port = parts.port or 3306
    except ValueError as error:
        raise UsageError(f"found the URL {mask(url)}: {error}") from None
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise UsageError(f"{mask(url)} names no database", mend="write it as mysql://user@host/database")
    found: dict[str, Any] = {
        "host": parts.hostname or "127.0.0.1",
        "port": port,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": database,
        "charset": "utf8mb4",
        **_TIMEOUTS,
    }
    for key, value in parse_qsl(parts.query):
        if key not in _OPTIONS:
            raise UsageError(f"found the option {key!r} in the URL", mend=did_you_mean(key, list(_OPTIONS)))
        found[key] = int(value) if key in _TIMEOUTS and value.isdigit() else value
    return found
