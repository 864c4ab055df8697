"""A DuckDB file, opened read-only and read inside one transaction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from foretell.core.errors import SourceError
from foretell.sources.arrow import duckdb_reader
from foretell.sources.base import Closing, RawColumn, RawKey, RawTable
from foretell.sources.naming import public_names, quote

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


@dataclass(frozen=True)
class DuckDBSource:
    """A DuckDB database file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def snapshot(self) -> DuckDBSnapshot:
        return DuckDBSnapshot(self.path)


def _open(path: Path) -> Any:
    try:
        return duckdb.connect(str(path), read_only=True)
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
    _places: dict[str, tuple[str, str]] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._connection = _open(self.path)
        try:
            self._connection.execute("BEGIN TRANSACTION READ ONLY")
            self.tables = self._declared()
        except duckdb.Error as error:
            self.close()
            raise SourceError(f"cannot read {str(self.path)!r}: {error}") from None

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
        names = public_names([p for p in columns if p in real], {"main"})
        self._places = {name: place for place, name in names.items()}
        self._sizes = {names[s, t]: int(n) for s, t, n in sizes if (s, t) in names}
        tables = {p: RawTable(name, tuple(columns[p]), is_view=p in views) for p, name in names.items()}
        for schema, table, kind, own, parent, parent_columns in self._rows(_CONSTRAINTS):
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

    def estimate(self, table: str) -> int | None:
        return self._sizes.get(table)

    def read(self, table: str) -> pa.RecordBatchReader:
        schema, inner = self._places[table]
        raw = next(t for t in self.tables if t.name == table)
        chosen = ", ".join(_portable(c) for c in raw.columns)
        try:
            return duckdb_reader(self._connection, f"SELECT {chosen} FROM {quote(schema)}.{quote(inner)}")
        except duckdb.Error as error:
            raise SourceError(f"cannot read table {table!r} of {str(self.path)!r}: {error}") from None

    def close(self) -> None:
        self._connection.close()


def _portable(column: RawColumn) -> str:
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
