"""A folder of Parquet or CSV files, one table each, or a single such file; read in place by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from foretell.core.errors import SchemaError, SourceError
from foretell.core.text import listing
from foretell.sources.arrow import duckdb_reader, stream
from foretell.sources.base import Closing, RawColumn, RawTable
from foretell.sources.naming import literal, quote

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


@dataclass
class FilesSnapshot(Closing):
    """The files as they are now; one that changes before it is read is an error, never half a table."""

    path: Path
    tables: Sequence[RawTable] = ()
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._files = find_tables(self.path)
        if not self._files:
            raise SourceError(
                f"found no data file in {str(self.path)!r}, expected {listing(list(READERS), last='or')}",
                mend="name the folder that holds the tables themselves",
            )
        self._stamps = {f: _stamp(f) for files in self._files.values() for f in files}
        self._connection = duckdb.connect()
        self._scans = {name: self._scan(name, files) for name, files in self._files.items()}
        self.tables = tuple(self._declared(name) for name in self._files)

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
        files = self._files[table]
        if READERS[ending(files[0]) or ""] == "parquet":
            return int(sum(pq.ParquetFile(f).metadata.num_rows for f in files))
        return None

    def read(self, table: str) -> pa.RecordBatchReader:
        raw = next(t for t in self.tables if t.name == table)
        names = ", ".join(_portable(c) for c in raw.columns)

        def describe(error: Exception) -> SourceError:
            return SourceError(f"cannot read {str(self._files[table][0])!r}: {_first(error)}")

        try:
            inner = duckdb_reader(self._connection.cursor(), f"SELECT {names} FROM {self._scans[table]}")
        except duckdb.Error as error:
            self._unchanged(table)
            raise describe(error) from None

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                yield from inner
            finally:
                self._unchanged(table)

        return stream(inner.schema, batches(), describe)

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
