"""The working copy: every table of a snapshot in a private DuckDB, its columns brought to a few types.

A column becomes BIGINT, DOUBLE, VARCHAR, BOOLEAN or TIMESTAMP (microseconds, UTC). What cannot be carried
over (NaN, infinite times, blobs) becomes NULL, and a note says how often.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from foretell.sources.base import (
    InPlaceSnapshot,
    LocalSnapshot,
    RawTable,
    Snapshot,
    Source,
    WholeSnapshot,
)
from foretell.sources.naming import literal, quote
from foretell.store.memory import Memory
from foretell.store.staging import (
    SQL_TYPES,
    ColumnPlan,
    Tally,
    narrow,
    plan_columns,
    remarks,
    settle,
    stage,
    stage_in_place,
    take_whole,
)

IN_MEMORY_ROWS = 20_000_000
"""A snapshot with more rows is kept in a temporary file instead of in memory."""
HELD_ROWS = 50_000
"""A table of so many rows is held as Arrow where the copy is in memory and its source gives it so."""
HELD = "\u2205 held "
"""What begins the name of a table held as Arrow, of which the table itself is a view."""
THREADS_WHEN_SHORT = 2
"""Under a memory cap DuckDB works with so many threads: each holds buffers of its own."""
HOME = "\u2205 cached"
"""What an attached working copy is called: a name that no database has."""
MORE = "\u2205 more"
"""What rows are called that are still to be put behind a table's own."""


@dataclass(frozen=True)
class StoredTable:
    """One table of the working copy: what was declared, what each column is now, how many rows.

    `zoned` are the columns whose times came with a time zone: they are UTC whatever zone is declared.
    `tallies` holds what was counted of each column, and `notes` what was lost on the way.
    """

    name: str
    raw: RawTable
    dtypes: dict[str, DType]
    rows: int
    zoned: set[str] = field(default_factory=set)
    tallies: tuple[Tally, ...] = ()
    notes: tuple[str, ...] = ()


class Store:
    """A working copy in DuckDB. Close it, or use it in a `with` statement.

    >>> import pyarrow as pa
    >>> from foretell.sources.frames import FramesSource
    >>> with Store.load(FramesSource({"orders": pa.table({"id": [1, 2]})}).snapshot()) as store:
    ...     store.connection.execute('SELECT sum(id) FROM "orders"').fetchall()
    [(3,)]
    """

    def __init__(self, connection: Any, folder: Path, *, is_shared: bool = False) -> None:
        self.connection = connection
        self.tables: dict[str, StoredTable] = {}
        self.recasts: list[tuple[str, str, DType]] = []
        self.source_notes: tuple[str, ...] = ()
        self._folder = folder
        self._is_shared = is_shared
        self._values: dict[tuple[str, str], str] = {}
        self._homes: dict[str, tuple[str, Mapping[str, str]]] = {}
        self._held: dict[str, pa.Table] = {}
        self._may_hold = False

    @classmethod
    def load(
        cls,
        snapshot: Snapshot,
        *,
        progress: Progress = QUIET,
        memory: Memory | None = None,
        tables: Collection[str] | None = None,
        file: Path | None = None,
    ) -> Store:
        """Copy a snapshot (or only some of its tables) into a fresh working copy.

        It is kept in memory or in a temporary file, or in `file`, whose folder goes when it is closed.
        """
        chosen = _choose(snapshot.tables, tables)
        rows = sum(snapshot.estimate(t.name) or 0 for t in chosen)
        folder = file.parent if file is not None else Path(tempfile.mkdtemp(prefix="foretell-"))
        if file is None and (rows > IN_MEMORY_ROWS or memory is not None):
            file = folder / "working.duckdb"
        store = cls(_connect(str(file or ":memory:"), folder, memory), folder)
        store._may_hold = file is None
        try:
            progress.stage("reading", total=float(rows) or None)
            for raw in chosen:
                store._add(raw, snapshot, progress)
            store.source_notes = tuple(snapshot.notes)
            store.connection.execute("SET enable_external_access = false")
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def attach(
        cls,
        file: Path,
        tables: Iterable[StoredTable],
        source_notes: Iterable[str],
        *,
        fingerprint: str,
        memory: Memory | None = None,
    ) -> Store:
        """A store over a finished working copy, which is only read, and by any number of processes at once.

        Its tables appear as views; what an engine makes of them lies in memory or a temporary file.
        """
        folder = Path(tempfile.mkdtemp(prefix="foretell-"))
        work = ":memory:" if memory is None else str(folder / "work.duckdb")
        store = cls(_connect(work, folder, memory), folder, is_shared=True)
        try:
            store.connection.execute(f"ATTACH {literal(str(file))} AS {quote(HOME)} (READ_ONLY)")
            store.connection.execute("SET enable_external_access = false")
            for table in tables:
                store.tables[table.name] = table
                store._show(table.name)
                found = store.connection.execute(f"SELECT count(*) FROM {quote(table.name)}").fetchall()
                if found != [(table.rows,)]:
                    raise SourceError(f"the working copy {str(file)!r} lacks rows of {table.name!r}")
        except BaseException:
            store.close()
            raise
        store.source_notes = tuple(source_notes)
        store.__dict__["fingerprint"] = fingerprint
        return store

    @classmethod
    def grow(
        cls,
        file: Path,
        tables: Iterable[StoredTable],
        snapshot: LocalSnapshot,
        *,
        progress: Progress = QUIET,
        memory: Memory | None = None,
    ) -> Store | None:
        """A copy of an earlier working copy, `file`, with the rows that the snapshot has beside those kept.

        None where a later row changes how a column of earlier ones is read.
        """
        store = cls(_connect(str(file), file.parent, memory), file.parent)
        try:
            earlier = {t.name: t for t in tables}
            chosen = _choose(snapshot.tables, None)
            progress.stage("reading what is new")
            for name in earlier.keys() - snapshot.kept.keys():
                store.connection.execute(f"DROP TABLE {quote(name)}")
            for raw in chosen:
                if raw.name not in snapshot.kept:
                    store._add(raw, snapshot, progress)
                elif snapshot.complete(raw.name):
                    store.tables[raw.name] = replace(earlier[raw.name], raw=raw)
                elif not store._append(replace(earlier[raw.name], raw=raw), snapshot, progress):
                    store.close()
                    return None
            store.source_notes = tuple(snapshot.notes)
            store.connection.execute("SET enable_external_access = false")
        except BaseException:
            store.close()
            raise
        return store

    def shrink(self, memory: Memory) -> None:
        """All is read and settled: DuckDB makes room for arrays."""
        self.connection.execute(f"SET memory_limit = '{memory.duckdb}B'")

    @property
    def folder(self) -> Path:
        """A folder for what does not fit into memory; it goes when the store is closed."""
        return self._folder

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings found while loading."""
        return (*self.source_notes, *(n for t in self.tables.values() for n in t.notes))

    @property
    def rows(self) -> int:
        return sum(t.rows for t in self.tables.values())

    def table(self, name: str) -> StoredTable:
        if name not in self.tables:
            raise SchemaError(f"no table {name!r}", mend=did_you_mean(name, list(self.tables)))
        return self.tables[name]

    def cursor(self) -> Any:
        """Another DuckDB connection to the same working copy, for use in another thread."""
        connection = self.connection.cursor()
        for name, table in self._held.items():
            _view(connection, name, table)
        return connection

    def arrow(self, table: str) -> pa.Table | None:
        """The rows of a table that is held as Arrow, text perhaps as a dictionary; None for any other."""
        return self._held.get(table)

    def materialise(self, *tables: str) -> None:
        """Make tables of DuckDB's own of what is held as Arrow: of these tables, or of all."""
        for name in tables or tuple(self._held):
            if name in self._held:
                self.connection.execute(f"DROP VIEW {quote(name)}")
                self.connection.execute(f"CREATE TABLE {quote(name)} AS SELECT * FROM {quote(HELD + name)}")
                self.connection.unregister(HELD + name)
                del self._held[name]

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what was loaded: names, types and every value, whatever the rows' order."""
        return self.fingerprint_of({name: tuple(t.dtypes) for name, t in self.tables.items()})

    def fingerprint_of(self, columns: Mapping[str, Sequence[str]]) -> str:
        """A hash of these columns of these tables as they are now, whatever the rows' order."""
        digest = hashlib.sha256()
        for name, chosen in sorted(columns.items()):
            values = ", ".join(quote(c) for c in chosen) or "0"
            sums = self.connection.execute(
                f"SELECT count(*), sum(hash({values})) FROM {quote(name)}"
            ).fetchall()
            types = sorted((c, self.tables[name].dtypes[c]) for c in chosen)
            digest.update(repr((name, types, sums)).encode())
        return digest.hexdigest()[:32]

    def recast(self, table: str, column: str, dtype: DType) -> None:
        """Change a column's type in place; values that do not fit become NULL, so check them first."""
        _ = self.fingerprint  # it speaks of the data as loaded
        self.materialise(table)
        found, name = self.table(table), quote(column)
        before = self._values.get((table, column), name)
        value = f"TRY_CAST({before} AS {SQL_TYPES[dtype]})"
        if dtype is DType.TIMESTAMP and found.dtypes[column] is DType.TEXT:
            value = f"CAST(TRY_CAST({before} AS TIMESTAMPTZ) AS TIMESTAMP)"
            found.zoned.add(column)
        if self._is_shared:
            self._values[table, column] = value
            self._show(table)
        else:
            kind = SQL_TYPES[dtype]
            self.connection.execute(
                f"ALTER TABLE {quote(table)} ALTER COLUMN {name} SET DATA TYPE {kind} USING {value}"
            )
        found.dtypes[column] = dtype
        self.recasts.append((table, column, dtype))

    def rename(self, table: str, name: str, columns: Mapping[str, str]) -> None:
        """Call a table `name`, and its columns as `columns` says: from each one's name to another."""
        _ = self.fingerprint  # it speaks of the data as loaded
        found = self.tables.pop(table)
        if self._is_shared:
            self.connection.execute(f"DROP VIEW {quote(table)}")
            self._homes[name] = (table, columns)
            self._show(name)
        else:
            self.materialise(table)
            for now, then in columns.items():
                self.connection.execute(f"ALTER TABLE {quote(table)} RENAME {quote(now)} TO {quote(then)}")
            if name != table:
                self.connection.execute(f"ALTER TABLE {quote(table)} RENAME TO {quote(name)}")
        declared = tuple(replace(c, name=columns.get(c.name, c.name)) for c in found.raw.columns)
        self.tables[name] = replace(
            found,
            name=name,
            raw=replace(found.raw, name=name, columns=declared),
            dtypes={columns.get(c, c): dtype for c, dtype in found.dtypes.items()},
            zoned={columns.get(c, c) for c in found.zoned},
        )

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
        return f"Store of {plural(len(self.tables), 'table')}, {plural(self.rows, 'row')}"

    def _show(self, table: str) -> None:
        """The view of an attached table, its columns renamed and recast so far."""
        casts = [f"{v} AS {quote(c)}" for (t, c), v in self._values.items() if t == table]
        chosen = f"* REPLACE ({', '.join(casts)})" if casts else "*"
        stored, columns = self._homes.get(table, (table, {}))
        home = f"{quote(HOME)}.main.{quote(stored)}"
        if columns:
            names = ", ".join(f"{quote(now)} AS {quote(then)}" for now, then in columns.items())
            home = f"(SELECT * RENAME ({names}) FROM {home})"
        self.connection.execute(f"CREATE OR REPLACE VIEW {quote(table)} AS SELECT {chosen} FROM {home}")

    def _add(self, raw: RawTable, snapshot: Snapshot, progress: Progress) -> None:
        _no_twins(f"table {raw.name!r} has two columns", [c.name for c in raw.columns])
        taken = [c.name for c in raw.columns if c.name.casefold() in (ROW, TIME)]
        if taken:
            raise SchemaError(
                f"table {raw.name!r} has a column {taken[0]!r}, a name that foretell keeps for itself",
                mend="rename it, or read through a view that does",
            )
        place = quote(raw.name)
        plans, rows, tallies = self._stage(raw.name, place, snapshot, progress)
        dtypes = {p.name: settle(p, t) for p, t in zip(plans, tallies)}
        narrow(self.connection, place, plans, dtypes)
        self.tables[raw.name] = StoredTable(
            raw.name,
            raw,
            dtypes,
            rows,
            {p.name for p in plans if p.zoned},
            tuple(tallies),
            tuple(remarks(raw.name, plans, tallies, rows)),
        )

    def _stage(
        self, name: str, place: str, snapshot: Snapshot, progress: Progress
    ) -> tuple[list[ColumnPlan], int, list[Tally]]:
        """Make the staged table `place` of what the snapshot reads of a table."""
        if self._may_hold and isinstance(snapshot, WholeSnapshot):
            large = (snapshot.estimate(name) or 0) >= HELD_ROWS
            whole = snapshot.whole(name) if large else None
            if whole is not None:
                held, plans, tallies = take_whole(whole)
                self._held[name] = held
                _view(self.connection, name, held)
                progress.advance(float(held.num_rows))
                return plans, held.num_rows, tallies
        if not isinstance(snapshot, InPlaceSnapshot):
            reader = snapshot.read(name)
            plans = plan_columns(reader.schema)
            staged = stage(self.connection, place, plans, reader, source=name, advance=progress.advance)
            return plans, *staged

        def run(query: str) -> tuple[list[ColumnPlan], int, list[Tally]]:
            plans = plan_columns(self.connection.sql(f"{query} LIMIT 0").to_arrow_table().schema)
            return plans, *stage_in_place(self.connection, place, plans, query, source=name)

        found = snapshot.in_place(name, run)
        progress.advance(float(found[1]))
        return found

    def _append(self, table: StoredTable, snapshot: LocalSnapshot, progress: Progress) -> bool:
        """Put the rows that the snapshot reads behind the table's own; False where they do not fit in."""
        place = quote(MORE)
        plans, more, counted = self._stage(table.name, place, snapshot, progress)
        if [p.name for p in plans] != list(table.dtypes):
            return False
        tallies = [a + b for a, b in zip(table.tallies, counted)]
        dtypes = {p.name: settle(p, t) for p, t in zip(plans, tallies)}
        if dtypes != table.dtypes or {p.name for p in plans if p.zoned} != table.zoned:
            return False
        narrow(self.connection, place, plans, dtypes)
        self.connection.execute(f"INSERT INTO {quote(table.name)} SELECT * FROM {place}")
        self.connection.execute(f"DROP TABLE {place}")
        rows = table.rows + more
        notes = tuple(remarks(table.name, plans, tallies, rows))
        self.tables[table.name] = replace(table, rows=rows, tallies=tuple(tallies), notes=notes)
        return True


def load(
    source: Source,
    *,
    progress: Progress = QUIET,
    memory: Memory | None = None,
    tables: Collection[str] | None = None,
    attempts: int = 2,
) -> Store:
    """Open a source and copy it. If the connection is lost midway, the whole snapshot is read again."""
    for left in reversed(range(attempts)):
        try:
            with source.snapshot() as snapshot:
                return Store.load(snapshot, progress=progress, memory=memory, tables=tables)
        except SourceError as error:
            if not error.fields.get("connection_lost") or not left:
                raise
            progress.note(f"{error.message}; reading everything again")
    raise AssertionError("unreachable")


def _view(connection: Any, name: str, table: pa.Table) -> None:
    """Show a table held as Arrow to one connection."""
    connection.register(HELD + name, table)
    connection.execute(f"CREATE TEMP VIEW {quote(name)} AS SELECT * FROM {quote(HELD + name)}")


def _connect(where: str, folder: Path, memory: Memory | None) -> Any:
    connection = duckdb.connect(where)
    connection.execute(f"SET temp_directory = {literal(str(folder))}")
    connection.execute("SET TimeZone = 'UTC'")
    if memory is not None:
        connection.execute(f"SET memory_limit = '{memory.reading}B'")
        connection.execute(f"SET threads = {THREADS_WHEN_SHORT}")
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
