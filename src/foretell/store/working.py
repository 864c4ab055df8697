"""The working copy: every table of a snapshot in a private DuckDB, its columns brought to a few types.

A column becomes BIGINT, DOUBLE, VARCHAR, BOOLEAN or TIMESTAMP (microseconds, UTC). What cannot be carried
over (NaN, infinite times, blobs) becomes NULL, and a note says how often.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from foretell.core.errors import SchemaError, SourceError
from foretell.core.progress import QUIET, Progress
from foretell.core.text import did_you_mean, plural
from foretell.plan.build import ROW, TIME
from foretell.schema.model import DType
from foretell.sources.base import RawTable, Snapshot, Source
from foretell.sources.naming import literal, quote

IN_MEMORY_ROWS = 20_000_000
"""A snapshot with more rows is kept in a temporary file instead of in memory."""
CHUNK_ROWS = 500_000
CHUNK = "\u2205 chunk \u2205"
"""What the rows being loaded are called meanwhile: a name that no table has."""
EXACT_FLOAT = 2**53
"""Whole numbers beyond this are rounded when read as float64."""

SQL_TYPES = {
    DType.INTEGER: "BIGINT",
    DType.FLOAT: "DOUBLE",
    DType.TEXT: "VARCHAR",
    DType.BOOLEAN: "BOOLEAN",
    DType.TIMESTAMP: "TIMESTAMP",
    DType.OTHER: "VARCHAR",
}


@dataclass(frozen=True)
class StoredTable:
    """One table of the working copy: what was declared, what each column is now, how many rows.

    `zoned` are the columns whose times came with a time zone: they are UTC whatever zone is declared.
    """

    name: str
    raw: RawTable
    dtypes: dict[str, DType]
    rows: int
    zoned: set[str] = field(default_factory=set)


class Store:
    """A working copy in DuckDB. Close it, or use it in a `with` statement.

    >>> from foretell.sources.frames import FramesSource
    >>> with Store.load(FramesSource({"orders": pa.table({"id": [1, 2]})}).snapshot()) as store:
    ...     store.connection.execute('SELECT sum(id) FROM "orders"').fetchall()
    [(3,)]
    """

    def __init__(self, connection: Any, folder: Path) -> None:
        self.connection = connection
        self.tables: dict[str, StoredTable] = {}
        self._notes: list[str] = []
        self._folder = folder

    @classmethod
    def load(
        cls,
        snapshot: Snapshot,
        *,
        progress: Progress = QUIET,
        memory_limit: str | None = None,
        tables: Collection[str] | None = None,
    ) -> Store:
        """Copy a snapshot (or only some of its tables) into a fresh working copy."""
        chosen = _choose(snapshot.tables, tables)
        rows = sum(snapshot.estimate(t.name) or 0 for t in chosen)
        folder = Path(tempfile.mkdtemp(prefix="foretell-"))
        where = str(folder / "working.duckdb") if rows > IN_MEMORY_ROWS else ":memory:"
        store = cls(_connect(where, folder, memory_limit), folder)
        try:
            progress.stage("reading", total=float(rows) or None)
            for raw in chosen:
                store._add(raw, snapshot, progress)
            store._notes[:0] = snapshot.notes
            store.connection.execute("SET enable_external_access = false")
        except BaseException:
            store.close()
            raise
        return store

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings found while loading."""
        return tuple(self._notes)

    def table(self, name: str) -> StoredTable:
        if name not in self.tables:
            raise SchemaError(f"no table {name!r}", mend=did_you_mean(name, list(self.tables)))
        return self.tables[name]

    def cursor(self) -> Any:
        """Another DuckDB connection to the same working copy, for use in another thread."""
        return self.connection.cursor()

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what was loaded: names, types and every value, whatever the rows' order."""
        digest = hashlib.sha256()
        for name, table in sorted(self.tables.items()):
            columns = ", ".join(quote(c) for c in table.dtypes) or "0"
            sums = self.connection.execute(
                f"SELECT count(*), sum(hash({columns})) FROM {quote(name)}"
            ).fetchall()
            digest.update(repr((name, sorted(table.dtypes.items()), sums)).encode())
        return digest.hexdigest()[:32]

    def recast(self, table: str, column: str, dtype: DType) -> None:
        """Change a column's type in place; values that do not fit become NULL, so check them first."""
        _ = self.fingerprint  # it speaks of the data as loaded
        found, name = self.table(table), quote(column)
        value = f"TRY_CAST({name} AS {SQL_TYPES[dtype]})"
        if dtype is DType.TIMESTAMP and found.dtypes[column] is DType.TEXT:
            value = f"CAST(TRY_CAST({name} AS TIMESTAMPTZ) AS TIMESTAMP)"
            found.zoned.add(column)
        self.connection.execute(
            f"ALTER TABLE {quote(table)} ALTER COLUMN {name} SET DATA TYPE {SQL_TYPES[dtype]} USING {value}"
        )
        found.dtypes[column] = dtype

    def close(self) -> None:
        self.connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        rows = sum(t.rows for t in self.tables.values())
        return f"Store of {plural(len(self.tables), 'table')}, {plural(rows, 'row')}"

    def _add(self, raw: RawTable, snapshot: Snapshot, progress: Progress) -> None:
        _no_twins(f"table {raw.name!r} has two columns", [c.name for c in raw.columns])
        taken = [c.name for c in raw.columns if c.name.casefold() in (ROW, TIME)]
        if taken:
            raise SchemaError(
                f"table {raw.name!r} has a column {taken[0]!r}, a name that foretell keeps for itself",
                mend="rename it, or read through a view that does",
            )
        reader = snapshot.read(raw.name)
        plans = [_plan(field) for field in reader.schema]
        table = quote(raw.name)
        fields = ", ".join(f"{quote(p.name)} {p.staged}" for p in plans)
        self.connection.execute(f"CREATE TABLE {table} ({fields})")
        nulls = dict.fromkeys((p.name for p in plans), 0)
        values = ", ".join(p.value for p in plans)
        for chunk in _chunks(reader):
            for name in nulls:
                nulls[name] += chunk.column(name).null_count
            self.connection.register(CHUNK, chunk)
            try:
                self.connection.execute(f"INSERT INTO {table} SELECT {values} FROM {quote(CHUNK)}")
            except duckdb.OutOfMemoryException as error:
                raise _out_of_memory(raw.name, error) from None
            except duckdb.Error as error:
                raise SourceError(f"cannot load table {raw.name!r}: {error}") from None
            finally:
                self.connection.unregister(CHUNK)
            progress.advance(float(chunk.num_rows))
        self._settle(raw, plans, nulls)

    def _settle(self, raw: RawTable, plans: list[_Plan], nulls: dict[str, int]) -> None:
        """Narrow what was staged wide, and note each value that became NULL or was rounded."""
        table = quote(raw.name)
        asked = ["count(*)"]
        for plan in plans:
            name = quote(plan.name)
            wide = plan.staged in _WIDE or (plan.dtype is DType.FLOAT and plan.exact)
            asked += [f"count({name})", f"max(abs(CAST({name} AS DOUBLE)))" if wide else "NULL"]
        rows, *found = self.connection.execute(f"SELECT {', '.join(asked)} FROM {table}").fetchall()[0]
        dtypes: dict[str, DType] = {}
        for plan, kept, largest in zip(plans, found[::2], found[1::2]):
            dtype, here = plan.dtype, f"{raw.name}.{plan.name}"
            if plan.staged in _WIDE:
                dtype = DType.INTEGER if largest is None or largest < 2.0**63 else DType.FLOAT
                self.connection.execute(
                    f"ALTER TABLE {table} ALTER COLUMN {quote(plan.name)} SET DATA TYPE {SQL_TYPES[dtype]}"
                )
            if dtype is DType.FLOAT and largest is not None and largest > EXACT_FLOAT:
                self._notes.append(
                    f"{here} holds numbers beyond 2^53 (up to {largest:.3g}): as float64 they are rounded"
                )
            lost = rows - kept - nulls[plan.name]
            if dtype is DType.OTHER:
                if plan.dropped and (nulls[plan.name] < rows or not rows):
                    self._notes.append(f"{here} is {plan.dropped} and is not used")
            elif lost > 0:
                what = (
                    "outside the years 1..9999 or infinite" if dtype is DType.TIMESTAMP else "NaN or infinite"
                )
                self._notes.append(f"{here}: {plural(lost, 'value')} {what}, read as NULL")
            dtypes[plan.name] = dtype
        zoned = {p.name for p in plans if p.zoned}
        self.tables[raw.name] = StoredTable(raw.name, raw, dtypes, rows, zoned)


def load(
    source: Source,
    *,
    progress: Progress = QUIET,
    memory_limit: str | None = None,
    tables: Collection[str] | None = None,
    attempts: int = 2,
) -> Store:
    """Open a source and copy it. If the connection is lost midway, the whole snapshot is read again."""
    for left in reversed(range(attempts)):
        try:
            with source.snapshot() as snapshot:
                return Store.load(snapshot, progress=progress, memory_limit=memory_limit, tables=tables)
        except SourceError as error:
            if not error.fields.get("connection_lost") or not left:
                raise
            progress.note(f"{error.message}; reading everything again")
    raise AssertionError("unreachable")


@dataclass(frozen=True)
class _Plan:
    """How one column is loaded: the SQL type it is staged as, its value, and what it is in the end."""

    name: str
    dtype: DType
    staged: str
    value: str
    dropped: str = ""
    exact: bool = False
    zoned: bool = False


_WIDE = ("UBIGINT", "HUGEINT")
_FIRST, _LAST = "TIMESTAMP '0001-01-01 00:00:00'", "TIMESTAMP '9999-12-31 23:59:59.999999'"


def _plan(field: pa.Field[Any]) -> _Plan:
    name, kind = field.name, field.type
    here = quote(name)
    while pa.types.is_dictionary(kind):
        kind = kind.value_type
    is_ = pa.types
    if is_.is_boolean(kind):
        return _Plan(name, DType.BOOLEAN, "BOOLEAN", here)
    if is_.is_uint64(kind):
        return _Plan(name, DType.INTEGER, "UBIGINT", here)
    if is_.is_integer(kind):
        return _Plan(name, DType.INTEGER, "BIGINT", f"CAST({here} AS BIGINT)")
    if is_.is_decimal(kind):
        if kind.scale <= 0:
            wide = "BIGINT" if kind.precision <= 18 else "HUGEINT"
            return _Plan(name, DType.INTEGER, wide, f"CAST({here} AS {wide})")
        return _Plan(name, DType.FLOAT, "DOUBLE", f"CAST({here} AS DOUBLE)", exact=True)
    if is_.is_floating(kind):
        number = f"CAST({here} AS DOUBLE)"
        return _Plan(name, DType.FLOAT, "DOUBLE", f"CASE WHEN isfinite({number}) THEN {number} END")
    if is_.is_timestamp(kind) or is_.is_date(kind):
        # With the session's zone at UTC the cast from TIMESTAMPTZ gives the UTC wall clock.
        moment = f"TRY_CAST({here} AS TIMESTAMP)"
        sound = f"CASE WHEN {moment} BETWEEN {_FIRST} AND {_LAST} THEN {moment} END"
        zoned = pa.types.is_timestamp(kind) and kind.tz is not None
        return _Plan(name, DType.TIMESTAMP, "TIMESTAMP", sound, zoned=zoned)
    if is_.is_duration(kind):
        return _Plan(name, DType.FLOAT, "DOUBLE", f"epoch({here})")
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind) or is_.is_time(kind):
        return _Plan(name, DType.TEXT, "VARCHAR", f"CAST({here} AS VARCHAR)")
    dropped = "" if is_.is_null(kind) else f"of type {kind}" if not is_.is_binary(kind) else "binary"
    return _Plan(name, DType.OTHER, "VARCHAR", "CAST(NULL AS VARCHAR)", dropped=dropped)


def _chunks(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """The reader's batches, put together until they are worth a statement."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in reader:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= CHUNK_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting, rows = [], 0
    if rows:
        yield pa.Table.from_batches(waiting)


def _connect(where: str, folder: Path, memory_limit: str | None) -> Any:
    connection = duckdb.connect(where)
    connection.execute(f"SET temp_directory = {literal(str(folder))}")
    connection.execute("SET TimeZone = 'UTC'")
    if memory_limit is not None:
        try:
            connection.execute(f"SET memory_limit = {literal(memory_limit)}")
        except duckdb.Error as error:
            connection.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise SourceError(
                f"found the memory limit {memory_limit!r}: {error}", mend="write it as '4GB'"
            ) from None
    return connection


def _choose(found: Collection[RawTable], wanted: Collection[str] | None) -> list[RawTable]:
    names = [t.name for t in found]
    for name in wanted or ():
        if name not in names:
            raise SchemaError(f"no table {name!r}", mend=did_you_mean(name, names))
    chosen = [t for t in found if wanted is None or t.name in wanted]
    _no_twins("the database has two tables", [t.name for t in chosen])
    if not chosen:
        raise SourceError("found no table in the database, expected at least one")
    return chosen


def _no_twins(what: str, names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(name.casefold(), name)
        if twin != name or names.count(name) > 1:
            raise SchemaError(
                f"{what} of one name after case folding: {twin!r} and {name!r}",
                mend="rename one of them, or read through views that do",
            )


def _out_of_memory(table: str, error: Exception) -> SourceError:
    return SourceError(
        f"table {table!r} does not fit into the memory limit: {str(error).splitlines()[0]}",
        mend="raise the memory limit, or read fewer tables",
    )
