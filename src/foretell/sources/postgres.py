"""A PostgreSQL database, read by COPY inside one repeatable-read, read-only transaction."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pyarrow as pa
import pyarrow.csv as pacsv

from foretell.core.errors import SourceError
from foretell.core.lazy import require
from foretell.core.text import plural
from foretell.sources.arrow import stream
from foretell.sources.base import Closing, RawColumn, RawKey, RawTable
from foretell.sources.naming import mask, public_names, quote, without_secrets
from foretell.sources.own import own_places, remark
from foretell.sources.remote import Mark, Measured, RemoteSnapshot, place_of

CONNECT_SECONDS = 10
BLOCK = 32 * 2**20
"""Bytes of CSV parsed at a time; a row must fit into one block."""

_COLUMNS = """
SELECT n.nspname, c.relname, c.relkind IN ('v', 'm'), a.attname, format_type(a.atttypid, a.atttypmod),
       NOT a.attnotnull, coalesce(b.typname, t.typname), coalesce(b.typcategory, t.typcategory)::text,
       CASE WHEN t.typbasetype <> 0 THEN t.typtypmod ELSE a.atttypmod END, c.reltuples::bigint
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type b ON b.oid = t.typbasetype
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
  AND has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname, a.attnum"""
_KEYS = """
SELECT n.nspname, c.relname, k.contype::text,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, i)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.i),
       pn.nspname, pc.relname,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(num, i)
             JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.i)
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class pc ON pc.oid = k.confrelid LEFT JOIN pg_namespace pn ON pn.oid = pc.relnamespace
WHERE k.contype IN ('p', 'u', 'f') AND NOT c.relispartition
  AND (k.contype <> 'f' OR k.conparentid = 0)
ORDER BY n.nspname, c.relname, k.contype, k.conname"""

_ROW = "\u2205 row"
_HASHES = ("hashint8extended(hash_record_extended({row}, 0), 1)", "hashtextextended({row}::text, 0)")
"""A row's hash: of its values (from version 14 on), or of its text. A record's own hash is linear in those of
its columns, so sums of it would not see two rows exchange a value: it is hashed again.
"""
_MICROS = "CASE WHEN isfinite({c}) THEN (extract(epoch FROM {c}) * 1000000)::bigint END"
_NATURAL = pa.timestamp("us")


@dataclass(frozen=True)
class _Type:
    """How a PostgreSQL type travels: the SQL that sends it, what it is parsed as and what it becomes."""

    sql: str
    parsed: pa.DataType
    final: pa.DataType | None = None


_TYPES = {
    "int2": _Type("{c}", pa.int64()),
    "int4": _Type("{c}", pa.int64()),
    "int8": _Type("{c}", pa.int64()),
    "oid": _Type("{c}", pa.int64()),
    "float4": _Type("{c}", pa.float64()),
    "float8": _Type("{c}", pa.float64()),
    "numeric": _Type("{c}::float8", pa.float64()),
    "money": _Type("{c}::numeric::float8", pa.float64()),
    "bool": _Type("{c}", pa.bool_()),
    "date": _Type(_MICROS, pa.int64(), _NATURAL),
    "timestamp": _Type(_MICROS, pa.int64(), _NATURAL),
    "timestamptz": _Type(_MICROS, pa.int64(), pa.timestamp("us", tz="UTC")),
    "interval": _Type("extract(epoch FROM {c})::float8", pa.float64()),
    "bytea": _Type("NULL::text", pa.string(), pa.binary()),
}
_TIMES = ("date", "timestamp", "timestamptz")
_TEXT = _Type("{c}::text", pa.string())
_WHOLE_NUMERIC = _Type("{c}::bigint", pa.int64())
_DROPPED_CATEGORIES = ("A", "G")  # arrays, geometry


@dataclass(frozen=True)
class PostgresSource:
    """A PostgreSQL database, by URL."""

    url: str = field(repr=False)

    @property
    def name(self) -> str:
        return mask(self.url)

    @property
    def place(self) -> str:
        return place_of(self.url)

    def snapshot(self) -> PostgresSnapshot:
        return PostgresSnapshot(self.url)


@dataclass
class PostgresSnapshot(RemoteSnapshot, Closing):
    """One transaction on a PostgreSQL server."""

    url: str = field(repr=False)
    tables: Sequence[RawTable] = ()
    notes: list[str] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._driver = require("psycopg", extra="postgres")
        self._places: dict[str, tuple[str, str]] = {}
        self._types: dict[str, list[tuple[str, str, _Type]]] = {}
        self._sizes: dict[str, int] = {}
        try:
            self._connection = self._driver.connect(
                self.url,
                connect_timeout=asked_timeout(self.url),
                application_name="foretell",
                client_encoding="UTF8",
                keepalives_idle=30,
                tcp_user_timeout=60_000,
            )
        except self._driver.Error as error:
            raise SourceError(
                f"cannot connect to {mask(self.url)}: {self._say(error)}",
                mend="check the host, the user, the password and the database's name",
            ) from None
        try:
            self._connection.isolation_level = self._driver.IsolationLevel.REPEATABLE_READ
            self._connection.read_only = True
            self._encoding = self._connection.execute("SHOW server_encoding").fetchone()[0]
            self._connection.execute("SET LOCAL TIME ZONE 'UTC'")
            self.tables = self._declared()
        except self._driver.Error as error:
            self.close()
            raise self.failed(error) from None

    def _say(self, error: Exception) -> str:
        return " ".join(without_secrets(str(error), self.url).split())

    @property
    def connection(self) -> Any:
        """The connection, in whose transaction all is read."""
        return self._connection

    @property
    def driver(self) -> Any:
        """The driver's module, for its errors."""
        return self._driver

    @property
    def places(self) -> Mapping[str, tuple[str, str]]:
        """The schema and the name of each table."""
        return self._places

    @property
    def types(self) -> Mapping[str, list[tuple[str, str, _Type]]]:
        """Each table's columns: the name, the type, and how it travels."""
        return self._types

    def failed(self, error: Exception) -> SourceError:
        """What the driver says, in our words."""
        lost = isinstance(error, self._driver.OperationalError) and self._connection.closed
        timeout = isinstance(error, self._driver.errors.QueryCanceled)
        what = "lost the connection to" if lost else "ran out of time reading" if timeout else "cannot read"
        return SourceError(
            f"{what} {mask(self.url)}: {self._say(error)}",
            mend="try again; nothing of a half-read database is kept" if lost else None,
            connection_lost=lost,
        )

    def _declared(self) -> tuple[RawTable, ...]:
        run = self._connection.execute
        home = set(run("SELECT unnest(current_schemas(false))::text").fetchall())
        rows = run(_COLUMNS).fetchall()
        columns: dict[tuple[str, str], list[str]] = {}
        for schema, table, _, column, *_ in rows:
            columns.setdefault((schema, table), []).append(column)
        own_ones = own_places(columns)
        self.notes += remark(table for _, table in own_ones)
        rows = [r for r in rows if (r[0], r[1]) not in own_ones]
        places = list(dict.fromkeys((r[0], r[1]) for r in rows))
        names = public_names(places, {h[0] for h in home})
        self._places = {name: place for place, name in names.items()}
        tables: dict[tuple[str, str], RawTable] = {}
        for schema, table, is_view, column, native, nullable, kind, category, modifier, size in rows:
            name = names[schema, table]
            tables.setdefault((schema, table), RawTable(name, (), is_view=is_view))
            raw = tables[schema, table]
            how = _type_of(kind, category, modifier)
            if how is None:
                self.notes.append(f"{name}.{column} is of type {native} and is not used")
                how = _TYPES["bytea"]
            tables[schema, table] = replace(raw, columns=(*raw.columns, RawColumn(column, native, nullable)))
            self._types.setdefault(name, []).append((column, kind, how))
            self._sizes[name] = max(0, size)
        for schema, table, kind, own, parent_schema, parent, theirs in run(_KEYS).fetchall():
            if (schema, table) not in tables:
                continue
            raw, own = tables[schema, table], tuple(own)
            if kind == "p":
                raw = replace(raw, primary_key=own)
            elif kind == "u":
                raw = replace(raw, unique=(*raw.unique, own))
            elif (parent_schema, parent) in names:
                key = RawKey(own, names[parent_schema, parent], tuple(theirs))
                raw = replace(raw, foreign_keys=(*raw.foreign_keys, key))
            tables[schema, table] = raw
        return tuple(t for t in tables.values() if not t.is_view or self._works(t.name))

    def _works(self, view: str) -> bool:
        """A view may be broken; it must not take the transaction with it."""
        schema, table = self._places[view]
        try:
            with self._connection.transaction():
                self._connection.execute(f"SELECT * FROM {quote(schema)}.{quote(table)} LIMIT 0")
        except self._driver.Error as error:
            if self._connection.broken:
                raise
            self.notes.append(f"view {view!r} cannot be read and is left out: {self._say(error)}")
            return False
        return True

    def estimate(self, table: str) -> int | None:
        return self._sizes.get(table) or None

    def measure(self, raw: RawTable, key: str | None, last: int | None) -> Measured | None:
        schema, inner = self._places[raw.name]
        head = f"FILTER (WHERE k <= {last})" if last is not None else "FILTER (WHERE false)"
        for hashed in _HASHES:
            asked = (
                f"SELECT count(*), coalesce(sum(h), 0), max(k), count(*) {head}, coalesce(sum(h) {head}, 0) "
                f"FROM (SELECT {hashed.replace('{row}', quote(_ROW))}::numeric AS h, "
                f"{quote(key) if key is not None else 'NULL::bigint'} AS k "
                f"FROM {quote(schema)}.{quote(inner)} AS {quote(_ROW)}) AS rows"
            )
            try:
                with self._connection.transaction():
                    found = self._connection.execute(asked).fetchone()
            except self._driver.Error as error:
                if self._connection.broken:
                    raise self.failed(error) from None
                continue  # a type without a hash, or an older server
            rows, total, highest, few, some = found
            return Measured(Mark(rows, int(total), highest), Mark(few, int(some), last))
        return None

    def read(self, table: str) -> pa.RecordBatchReader:
        schema, inner = self._places[table]
        columns = self._types[table]
        place = f"{quote(schema)}.{quote(inner)}"
        later = self.after(next(t for t in self.tables if t.name == table))
        if later is not None:
            place += f" WHERE {quote(later[0])} > {later[1]}"
        self._count_infinite(table, place, columns)
        chosen = ", ".join(how.sql.replace("{c}", quote(name)) for name, _, how in columns)
        final = pa.schema([(name, how.final or how.parsed) for name, _, how in columns])
        copied = f"COPY (SELECT {chosen or '1'} FROM {place}) TO STDOUT (FORMAT csv)"

        def batches() -> Iterator[pa.RecordBatch]:
            with self._connection.cursor() as cursor, cursor.copy(copied) as copy:
                source = _Stream(copy, repair=self._encoding == "SQL_ASCII")
                if not source.fill(1):
                    return
                reader = pacsv.open_csv(
                    cast(Any, pa.PythonFile(source, "r")),
                    read_options=pacsv.ReadOptions(
                        column_names=[str(i) for i in range(len(columns))],
                        block_size=BLOCK,
                        use_threads=False,
                    ),
                    parse_options=pacsv.ParseOptions(newlines_in_values=True),
                    convert_options=pacsv.ConvertOptions(
                        column_types={str(i): how.parsed for i, (_, _, how) in enumerate(columns)},
                        null_values=[""],
                        true_values=["t"],
                        false_values=["f"],
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=False,
                    ),
                )
                for batch in reader:
                    arrays = [a if a.type == f.type else a.cast(f.type) for a, f in zip(batch.columns, final)]
                    yield pa.RecordBatch.from_arrays(arrays, schema=final)

        def describe(error: Exception) -> SourceError:
            if isinstance(error, self._driver.Error):
                return self.failed(error)
            return SourceError(f"cannot read table {table!r}: {self._say(error)}")

        return stream(final, batches(), describe)

    def _count_infinite(self, table: str, place: str, columns: list[tuple[str, str, _Type]]) -> None:
        times = [name for name, kind, _ in columns if kind in _TIMES]
        if not times:
            return
        asked = ", ".join(f"count(*) FILTER (WHERE NOT isfinite({quote(t)}))" for t in times)
        try:
            counts = self._connection.execute(f"SELECT {asked} FROM {place}").fetchone()
        except self._driver.Error as error:
            raise self.failed(error) from None
        for name, found in zip(times, counts):
            if found:
                self.notes.append(f"{table}.{name}: {plural(found, 'infinite time')} read as NULL")

    def close(self) -> None:
        self._connection.close()


def asked_timeout(url: str) -> int:
    """The URL's own connect_timeout wins over ours."""
    marker = "connect_timeout="
    value = url.partition(marker)[2].partition("&")[0] if marker in url else ""
    return int(value) if value.isdigit() else CONNECT_SECONDS


def _type_of(kind: str, category: str, modifier: int) -> _Type | None:
    """How a column travels, or None for one that no feature reads."""
    if kind == "numeric" and modifier >= 4:
        precision, scale = ((modifier - 4) >> 16) & 0xFFFF, (modifier - 4) & 0x7FF
        if scale == 0 and precision <= 18:
            return _WHOLE_NUMERIC
    if kind in _TYPES:
        return None if kind == "bytea" else _TYPES[kind]
    return None if category in _DROPPED_CATEGORIES else _TEXT


class _Stream(io.RawIOBase):
    """psycopg's COPY as a file that Arrow can read from."""

    def __init__(self, copy: Any, *, repair: bool) -> None:
        self._blocks = iter(copy)
        self._waiting = b""
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._mend: Callable[[bytes], bytes] = (
            (lambda block: decode(block).encode()) if repair else (lambda block: block)
        )

    def readable(self) -> bool:
        return True

    def fill(self, size: int) -> bool:
        """Wait for at least `size` bytes; False when the table has ended without any."""
        parts, total = [self._waiting], len(self._waiting)
        while total < size:
            block = next(self._blocks, None)
            if block is None:
                break
            parts.append(self._mend(bytes(block)))
            total += len(parts[-1])
        self._waiting = b"".join(parts)
        return total > 0

    def read(self, size: int = -1) -> bytes:
        self.fill(2**62 if size < 0 else size)
        out = self._waiting if size < 0 else self._waiting[:size]
        self._waiting = self._waiting[len(out) :]
        return out
