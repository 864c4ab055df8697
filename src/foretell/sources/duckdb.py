"""A DuckDB file, opened read-only and read inside one transaction."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from foretell.core.errors import SourceError
from foretell.sources.arrow import duckdb_reader
from foretell.sources.base import Closing, RawColumn, RawKey, RawTable, Reading
from foretell.sources.naming import public_names, quote
from foretell.sources.own import own_places, remark
from foretell.sources.state import State

_COLUMNS = """
SELECT schema_name, table_name, column_name, data_type, is_nullable
FROM duckdb_columns() WHERE NOT internal AND database_name = current_database()
ORDER BY schema_name, table_name, column_index"""
_CONSTRAINTS = """
SELECT schema_name, table_name, constraint_type, constraint_column_names,
       referenced_table, referenced_column_names
FROM duckdb_constraints() WHERE database_name = current_database()
  AND constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'FOREIGN KEY')
ORDER BY schema_name, table_name, constraint_index"""
_SIZES = """
SELECT schema_name, table_name, estimated_size FROM duckdb_tables()
WHERE NOT internal AND database_name = current_database()"""
_VIEWS = """
SELECT schema_name, view_name FROM duckdb_views()
WHERE NOT internal AND database_name = current_database()"""
_RISKY = """
SELECT DISTINCT lower(function_name) FROM duckdb_functions()
WHERE stability IS DISTINCT FROM 'CONSISTENT' AND function_type <> 'aggregate'
   OR NOT internal OR function_type LIKE 'table%'"""
_CLOCKS = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "tablesample"}


@dataclass(frozen=True)
class DuckDBSource:
    """A DuckDB database file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def snapshot(self) -> DuckDBSnapshot:
        return DuckDBSnapshot(self.path)

    def state(self) -> State | None:
        log = self.path.with_name(self.path.name + ".wal")
        return State.of("duckdb", self.path, [self.path, *([log] if log.exists() else [])])

    def resumed(
        self, earlier: Mapping[str, Reading], at: Mapping[str, Sequence[int]]
    ) -> DuckDBSnapshot | None:
        snapshot = DuckDBSnapshot(self.path)
        try:
            if snapshot.go_on_after(earlier):
                return snapshot
        except duckdb.Error as error:
            snapshot.close()
            raise SourceError(f"cannot read {str(self.path)!r}: {error}") from None
        snapshot.close()
        return None


_settings: dict[str, str] = {}


def confine() -> None:
    """From now on, in this process, no view of a DuckDB file reads any other file: for servers."""
    _settings.update(enable_external_access="false", lock_configuration="true")


def open_read_only(path: Path) -> Any:
    """A connection to a DuckDB file that only reads; a file that is locked is a SourceError."""
    try:
        return duckdb.connect(str(path), read_only=True, config=dict(_settings))
    except duckdb.ConnectionException:
        # This very process holds it open for writing: DuckDB then shares the instance, and we only read.
        return duckdb.connect(str(path))
    except duckdb.IOException as error:
        text = str(error)
        holder = re.search(r"lock is held in (.+? \(PID \d+\))", text)
        if holder:
            raise SourceError(
                f"the database {str(path)!r} is locked by {holder[1]}",
                mend="close it there, or read a copy of the file",
                holder=holder[1],
            ) from None
        raise SourceError(f"cannot open {str(path)!r}: {text.split(': ', 1)[-1]}") from None
    except duckdb.Error as error:
        raise SourceError(f"cannot open {str(path)!r} as a DuckDB database: {error}") from None


@dataclass
class DuckDBSnapshot(Closing):
    """One transaction on a DuckDB file."""

    path: Path
    tables: Sequence[RawTable] = ()
    notes: list[str] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    _after: dict[str, int] = field(default_factory=dict)
    _places: dict[str, tuple[str, str]] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)
    _own: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._connection = open_read_only(self.path)
        try:
            self._connection.execute("BEGIN TRANSACTION READ ONLY")
            self.tables = self._declared()
        except duckdb.Error as error:
            self.close()
            raise SourceError(f"cannot read {str(self.path)!r}: {error}") from None

    @property
    def places(self) -> dict[str, str]:
        """Where each table is, as SQL writes it."""
        return {name: f"{quote(schema)}.{quote(inner)}" for name, (schema, inner) in self._places.items()}

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
        return rows

    def _declared(self) -> tuple[RawTable, ...]:
        columns: dict[tuple[str, str], list[RawColumn]] = {}
        for schema, table, column, native, nullable in self._rows(_COLUMNS):
            columns.setdefault((schema, table), []).append(RawColumn(column, native, bool(nullable)))
        views = {place: c for place in self._rows(_VIEWS) if (c := self._view_columns(*place)) is not None}
        columns = {p: c for p, c in columns.items() if p not in views} | views
        sizes = self._rows(_SIZES)
        real = {(s, t) for s, t, _ in sizes} | set(views)
        self._own = own_places({p: [c.name for c in columns[p]] for p in columns if p in real})
        self.notes += remark(table for _, table in self._own)
        names = public_names([p for p in columns if p in real - self._own], {"main"})
        self._places = {name: place for place, name in names.items()}
        self._sizes = {names[s, t]: int(n) for s, t, n in sizes if (s, t) in names}
        tables = {p: RawTable(name, tuple(columns[p]), is_view=p in views) for p, name in names.items()}
        for schema, table, kind, own, parent, parent_columns in self._rows(_CONSTRAINTS):
            if (schema, table) in self._own:
                continue
            raw, own = tables[schema, table], tuple(own)
            if kind == "PRIMARY KEY":
                raw = replace(raw, primary_key=own)
            elif kind == "UNIQUE":
                raw = replace(raw, unique=(*raw.unique, own))
            else:
                key = RawKey(own, names[schema, parent], tuple(parent_columns))
                raw = replace(raw, foreign_keys=(*raw.foreign_keys, key))
            tables[schema, table] = raw
        return tuple(tables.values())

    def _view_columns(self, schema: str, view: str) -> list[RawColumn] | None:
        """A view's columns; None, with a note, where the view does not work any more."""
        try:
            # Outside the transaction, which a failing statement would abort.
            place = f"{quote(schema)}.{quote(view)}"
            rows = self._connection.cursor().execute(f"DESCRIBE SELECT * FROM {place}").fetchall()
        except duckdb.Error as error:
            self.notes.append(f"view {view!r} cannot be read and is left out: {str(error).splitlines()[0]}")
            return None
        return [RawColumn(r[0], r[1]) for r in rows]

    @property
    def self_contained(self) -> bool:
        views = self._rows(_VIEWS.replace("view_name FROM", "view_name, sql FROM"))
        if not views:
            return True
        risky = {name for (name,) in self._rows(_RISKY)} | _CLOCKS
        own = str(self._rows("SELECT current_database()")[0][0]).casefold()
        known = {inner.casefold() for _, inner in self._places.values()}
        return all(_is_closed(sql, known, own, risky) for s, v, sql in views if (s, v) not in self._own)

    def complete(self, table: str) -> bool:
        if table not in self.kept:
            return False
        schema, inner = self._places[table]
        last = self._rows(f"SELECT max(rowid) FROM {quote(schema)}.{quote(inner)}")[0][0]
        return last is not None and int(last) == self._after[table]

    def mark(self, table: str) -> str | None:
        return self._mark(table, "")

    def _mark(self, table: str, where: str) -> str | None:
        """The last row's id, the count and a checksum, in the rows' order; None for what has no such ids."""
        raw = next(t for t in self.tables if t.name == table)
        if raw.is_view or any(c.name.casefold() == "rowid" for c in raw.columns):
            return None
        schema, inner = self._places[table]
        names = ", ".join(["rowid", *(quote(c.name) for c in raw.columns)])
        last, rows, total = self._rows(
            f"SELECT max(rowid), count(*), sum(hash({names})) FROM {quote(schema)}.{quote(inner)}{where}"
        )[0]
        return None if last is None else f"{last}:{rows}:{total}"

    def go_on_after(self, earlier: Mapping[str, Reading]) -> bool:
        """Leave out the rows that an earlier reading holds; False where there are none."""
        for raw in self.tables:
            held = earlier.get(raw.name)
            if held is None or held.mark is None or held.raw.columns != raw.columns:
                continue
            last = int(held.mark.partition(":")[0])
            if self._mark(raw.name, f" WHERE rowid <= {last}") == held.mark:
                self._after[raw.name] = last
                self.kept[raw.name] = held.rows
        return bool(self.kept)

    def estimate(self, table: str) -> int | None:
        return self._sizes.get(table)

    def read(self, table: str) -> pa.RecordBatchReader:
        schema, inner = self._places[table]
        raw = next(t for t in self.tables if t.name == table)
        chosen = ", ".join(portable(c) for c in raw.columns)
        try:
            rest = f" WHERE rowid > {self._after[table]}" if table in self._after else ""
            return duckdb_reader(
                self._connection, f"SELECT {chosen} FROM {quote(schema)}.{quote(inner)}{rest}"
            )
        except duckdb.Error as error:
            raise SourceError(f"cannot read table {table!r} of {str(self.path)!r}: {error}") from None

    def close(self) -> None:
        self._connection.close()


def _is_closed(sql: str, known: set[str], own: str, risky: set[str]) -> bool:
    """Whether a view reads only tables of its own file, and calls nothing that may answer differently."""
    if risky & set(re.findall(r"\w+", sql.lower())):
        return False
    try:
        tree = parse_one(sql, dialect="duckdb")
    except SqlglotError:
        return False
    names = known | {cte.alias.casefold() for cte in tree.find_all(exp.CTE)}
    return all(
        isinstance(t.this, exp.Identifier)
        and t.name.casefold() in names
        and t.catalog.casefold() in ("", own)
        for t in tree.find_all(exp.Table)
        if t.parent is not tree
    )


def portable(column: RawColumn) -> str:
    """The column as a type that Arrow knows; the store does the rest."""
    name, native = quote(column.name), column.native.upper()
    if native in ("HUGEINT", "UHUGEINT", "BIGNUM", "VARINT"):
        return (
            f"CAST({name} AS DECIMAL(38, 0)) AS {name}"
            if native == "HUGEINT"
            else f"CAST({name} AS DOUBLE) AS {name}"
        )
    if native.startswith(("ENUM", "UUID", "JSON", "TIME", "BIT")) and not native.startswith("TIMESTAMP"):
        return f"CAST({name} AS VARCHAR) AS {name}"
    if native == "INTERVAL":
        return f"epoch({name}) AS {name}"
    if native.endswith("]") or native.startswith(("BLOB", "STRUCT", "MAP", "UNION", "VARIANT", "GEOMETRY")):
        return f"CAST(NULL AS BLOB) AS {name}"
    return name
