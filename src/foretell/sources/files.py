"""A folder of Parquet or CSV files, one table each, or a single such file; read in place by DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from foretell.core.errors import SchemaError, SourceError
from foretell.core.text import listing
from foretell.sources.arrow import duckdb_reader, stream
from foretell.sources.base import Closing, RawColumn, RawTable, Reading, T
from foretell.sources.naming import literal, quote
from foretell.sources.own import FOLDER_MARK, remark
from foretell.sources.parquet import read_plain
from foretell.sources.state import State, digest, inside

READERS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "csv",
    ".tsv.gz": "csv",
}
"""File endings and how each is read."""


def ending(path: Path) -> str | None:
    """The data file's ending, or None for a file that holds no table.

    >>> ending(Path("orders.csv.gz")), ending(Path("README.md"))
    ('.csv.gz', None)
    """
    name = path.name.lower()
    found = [e for e in READERS if name.endswith(e) and name != e]
    return max(found, key=len) if found and not name.startswith(("_", ".")) else None


def find_tables(path: Path) -> dict[str, tuple[Path, ...]]:
    """The files of each table: a file is a table by its stem, a sub folder of data files by its name."""
    if path.is_file():
        kind = ending(path)
        return {path.name[: -len(kind)]: (path,)} if kind else {}
    found: dict[str, tuple[Path, ...]] = {}
    for entry in sorted(path.iterdir()):
        if entry.name.startswith(("_", ".")):
            continue
        if entry.is_dir():
            if (entry / FOLDER_MARK).exists():
                continue
            inside = sorted(f for f in entry.iterdir() if f.is_file() and ending(f))
            if not inside and any("=" in d.name for d in entry.iterdir() if d.is_dir()):
                inside = sorted(f for f in entry.rglob("*") if f.is_file() and ending(f))
            name, files = entry.name, tuple(inside)
        else:
            kind = ending(entry)
            name, files = (entry.name[: -len(kind)], (entry,)) if kind else ("", ())
        if not files:
            continue
        if name in found:
            raise SchemaError(
                f"two tables are called {name!r}: {found[name][0].name} and {files[0].name}",
                mend="keep one of them, or rename one",
            )
        found[name] = files
    return found


@dataclass(frozen=True)
class FilesSource:
    """A folder of data files, or one data file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def snapshot(self) -> FilesSnapshot:
        return FilesSnapshot(self.path)

    def state(self) -> State | None:
        files = [f for table in find_tables(self.path).values() for f in table]
        return State.of("files", self.path, files)

    def resumed(
        self, earlier: Mapping[str, Reading], at: Mapping[str, Sequence[int]]
    ) -> FilesSnapshot | None:
        now = self.state()
        if now is None or not now.grew_from({name: tuple(stamp) for name, stamp in at.items()}):
            return None
        snapshot = FilesSnapshot(self.path, earlier=earlier)
        if snapshot.kept:
            return snapshot
        snapshot.close()
        return None


@dataclass
class FilesSnapshot(Closing):
    """The files as they are now; one that changes before it is read is an error, never half a table."""

    path: Path
    tables: Sequence[RawTable] = ()
    notes: list[str] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    earlier: Mapping[str, Reading] = field(default_factory=dict)
    self_contained = True

    def __post_init__(self) -> None:
        self._files = find_tables(self.path)
        self.notes += remark(m.parent.name for m in self.path.glob(f"*/{FOLDER_MARK}"))
        if not self._files:
            raise SourceError(
                f"found no data file in {str(self.path)!r}, expected {listing(list(READERS), last='or')}",
                mend="name the folder that holds the tables themselves",
            )
        self._stamps = {f: _stamp(f) for files in self._files.values() for f in files}
        self._connection = duckdb.connect()
        self._new = {name: self._rest(name) for name in self._files}
        self._scans: dict[str, str] = {}
        self.tables = tuple(map(self._table, self._files))

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB that reads the files."""
        return self._connection

    @property
    def scans(self) -> Mapping[str, str]:
        """How DuckDB reads each table's files, as SQL."""
        return self._scans

    def is_current(self) -> bool:
        """Whether there are no other files, and these are as they were."""
        return find_tables(self.path) == self._files and all(
            _stamp(file) == stamp for file, stamp in self._stamps.items()
        )

    def _rest(self, table: str) -> tuple[Path, ...]:
        """The files that an earlier reading did not have, where those it had come first; else all."""
        files, held = self._files[table], self.earlier.get(table)
        if held is not None and held.mark is not None:
            count = int(held.mark.partition(":")[0])
            if self._mark(files[:count]) == held.mark:
                return files[count:]
        return files

    def _table(self, name: str) -> RawTable:
        """A table's shape. Where new files alone show another than before, all of them are read."""
        if self._new[name] != self._files[name]:
            held = self.earlier[name]
            if self._new[name]:
                self._scans[name] = self._scan(name, self._new[name])
            if not self._new[name] or self._declared(name).columns == held.raw.columns:
                self.kept[name] = held.rows
                return held.raw
            self._new[name] = self._files[name]
        self._scans[name] = self._scan(name, self._files[name])
        return self._declared(name)

    def complete(self, table: str) -> bool:
        return table in self.kept and not self._new[table]

    def mark(self, table: str) -> str | None:
        return self._mark(self._files[table])

    def _mark(self, files: Sequence[Path]) -> str:
        return f"{len(files)}:{digest([inside(self.path, f) for f in files])}"

    def _scan(self, name: str, files: tuple[Path, ...]) -> str:
        kinds = {READERS[ending(f) or ""] for f in files}
        if len(kinds) > 1:
            raise SourceError(f"the folder of table {name!r} mixes Parquet and CSV files")
        paths = "[" + ", ".join(literal(_no_glob(f)) for f in files) + "]"
        if kinds == {"parquet"}:
            for file in files[:1]:
                _unique_names(name, _parquet_names(file))
            return f"read_parquet({paths}, union_by_name = true)"
        plain = f"read_csv({paths}, sample_size = -1, union_by_name = true"
        try:
            self._connection.execute(f"SELECT * FROM {plain}) LIMIT 0").fetchall()
            self._connection.execute(f"SELECT count(*) FROM {plain}, all_varchar = true)").fetchall()
        except duckdb.Error as error:
            if "utf" not in str(error).lower() and "unicode" not in str(error).lower():
                raise SourceError(f"cannot read {str(files[0])!r}: {_first(error)}") from None
            self.notes.append(f"{files[0].name} is not UTF-8: it is read as Latin-1")
            return f"{plain}, encoding = 'latin-1')"
        return plain + ")"

    def _declared(self, name: str) -> RawTable:
        try:
            rows = self._connection.execute(f"DESCRIBE SELECT * FROM {self._scans[name]}").fetchall()
        except duckdb.Error as error:
            raise SourceError(f"cannot read {str(self._files[name][0])!r}: {_first(error)}") from None
        return RawTable(name, tuple(RawColumn(r[0], r[1]) for r in rows))

    def estimate(self, table: str) -> int | None:
        files = self._new[table]
        if not files:
            return 0
        if READERS[ending(files[0]) or ""] == "parquet":
            return int(sum(pq.ParquetFile(f).metadata.num_rows for f in files))
        return None

    def read(self, table: str) -> pa.RecordBatchReader:
        inner = self.in_place(table, lambda sql: duckdb_reader(self._connection.cursor(), sql))

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                yield from inner
            finally:
                self._unchanged(table)

        return stream(inner.schema, batches(), lambda error: self._unreadable(table, error))

    def in_place(self, table: str, run: Callable[[str], T]) -> T:
        raw = next(t for t in self.tables if t.name == table)
        names = ", ".join(_portable(c) for c in raw.columns)
        try:
            found = run(f"SELECT {names} FROM {self._scans[table]}")
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            self._unchanged(table)
            raise self._unreadable(table, error) from None
        self._unchanged(table)
        return found

    def whole(self, table: str) -> pa.Table | None:
        files, raw = self._new[table], next(t for t in self.tables if t.name == table)
        if {READERS[ending(f) or ""] for f in files} != {"parquet"}:
            return None
        found = read_plain(files, raw.columns)
        self._unchanged(table)
        return found

    def _unreadable(self, table: str, error: Exception) -> SourceError:
        return SourceError(f"cannot read {str(self._files[table][0])!r}: {_first(error)}")

    def _unchanged(self, table: str) -> None:
        for file in self._files[table]:
            if _stamp(file) != self._stamps[file]:
                raise SourceError(
                    f"{str(file)!r} changed while it was being read",
                    mend="try again when nothing writes to it, or read a copy",
                )

    def close(self) -> None:
        self._connection.close()


def _first(error: Exception) -> str:
    return str(error).split("\n")[0]


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _no_glob(file: Path) -> str:
    """The path as a pattern that matches itself alone."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(file))


def _parquet_names(file: Path) -> list[str]:
    try:
        return list(pq.read_schema(file).names)
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(f"cannot read {str(file)!r} as Parquet: {_first(error)}") from None


def _unique_names(table: str, names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if name.casefold() in seen:
            raise SchemaError(
                f"table {table!r} has two columns of one name after case folding: "
                f"{seen[name.casefold()]!r} and {name!r}",
                mend="rename one of them",
            )
        seen[name.casefold()] = name


def _portable(column: RawColumn) -> str:
    """The column as a type that Arrow knows; the store does the rest."""
    name, native = quote(column.name), column.native.upper()
    if native.startswith(("ENUM", "UUID", "JSON", "TIME", "BIT")) and not native.startswith("TIMESTAMP"):
        return f"CAST({name} AS VARCHAR) AS {name}"
    if native.endswith("]") or native.startswith(("BLOB", "STRUCT", "MAP", "UNION", "VARIANT", "GEOMETRY")):
        return f"CAST(NULL AS BLOB) AS {name}"
    return name
