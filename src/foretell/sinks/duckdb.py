"""Predictions into a DuckDB file."""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from foretell.core.errors import WriteError
from foretell.core.time import Instant, to_datetime
from foretell.sinks.base import Column, Names, Run
from foretell.sinks.tables import Dialect, Held, write_through
from foretell.sources.naming import quote

PATIENCE = 10.0
"""Seconds to wait for a process that holds the file."""
_ONE = threading.Lock()
"""Threads that write at once would share one open file, and their transactions collide."""
PART = "\u2205 part"
"""What the rows being added are called meanwhile: a name that no table has."""
_DIALECT = Dialect(
    {
        "id": "VARCHAR",
        "key": "VARCHAR",
        "text": "VARCHAR",
        "integer": "BIGINT",
        "number": "DOUBLE",
        "truth": "BOOLEAN",
        "moment": "TIMESTAMP",
    }
)
_THERE = """
SELECT c.table_name, c.column_name, c.data_type,
       c.table_name IN (SELECT view_name FROM duckdb_views() WHERE database_name = current_database()
                        AND schema_name = 'main')
FROM duckdb_columns() c WHERE c.database_name = current_database() AND c.schema_name = 'main'
ORDER BY c.table_name, c.column_index"""


@dataclass(frozen=True)
class DuckDBSink:
    """A DuckDB file, made where it is not there. It is open for writing only while `write` writes."""

    path: Path
    patience: float = PATIENCE
    kind = "duckdb"

    @property
    def name(self) -> str:
        return str(self.path)

    def latest(self, to: str, model: str) -> str:
        return Names.of(to).latest

    def write(self, to: str, run: Run, columns: Sequence[Column], table: pa.Table) -> bool:
        Names.of(to)
        with _ONE:
            return write_through(lambda: _Session(self.path, self.patience), to, run, columns, table)


class _Session:
    """The file, open for writing, in one transaction."""

    dialect = _DIALECT

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._connection = self._open(patience)
        self.rows("SET TimeZone = 'UTC'")

    def place(self, name: str) -> str:
        return f"main.{quote(name)}"

    def quote(self, name: str) -> str:
        return quote(name)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            found: list[tuple[Any, ...]] = self._connection.execute(sql, list(values)).fetchall()
        except duckdb.Error as error:
            raise self._failed(error) from None
        return found

    def moment(self, instant: Instant) -> datetime:
        return to_datetime(instant)

    def native(self, column: Column) -> str | None:
        return column.native

    def begin(self, to: str) -> None:
        self.rows("BEGIN")

    def there(self, names: Sequence[str]) -> dict[str, Held]:
        wanted = {n.casefold() for n in names}
        found: dict[str, Held] = {}
        for table, column, native, is_view in self.rows(_THERE):
            if table.casefold() in wanted:
                held = found.get(table, Held((), (), bool(is_view)))
                found[table] = Held((*held.columns, column), (*held.types, native), held.is_view)
        return found

    def start(self) -> None:
        pass

    def append(self, to: str, columns: Sequence[str], parts: Iterator[pa.Table]) -> None:
        fields = ", ".join(map(quote, columns))
        for part in parts:
            self._connection.register(PART, part)
            try:
                self.rows(f"INSERT INTO {self.place(to)} ({fields}) SELECT * FROM {quote(PART)}")
            finally:
                self._connection.unregister(PART)

    def commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except duckdb.Error as error:
            raise self._failed(error, uncertain=True) from None

    def rollback(self) -> None:
        self._connection.execute("ROLLBACK")

    def close(self) -> None:
        with suppress(duckdb.Error):
            self._connection.close()

    def _open(self, patience: float) -> Any:
        ends = time.monotonic() + patience
        while True:
            try:
                if not self._path.exists():
                    _make(self._path)
                return duckdb.connect(str(self._path))
            except duckdb.ConnectionException as error:
                raise WriteError(
                    f"{str(self._path)!r} is open for reading in this process: {error}",
                    mend="close it first: DuckDB has a file open in one way at a time",
                ) from None
            except duckdb.Error as error:
                holder = re.search(r"lock is held in (.+? \(PID \d+\))", str(error))
                if holder and time.monotonic() < ends:
                    time.sleep(0.05)
                    continue
                if holder:
                    raise WriteError(
                        f"{str(self._path)!r} is locked by {holder[1]}: nothing was written",
                        mend="close it there, and write again",
                        holder=holder[1],
                    ) from None
                raise WriteError(f"cannot open {str(self._path)!r} to write: {_first(error)}") from None

    def _failed(self, error: Exception, *, uncertain: bool = False) -> WriteError:
        return WriteError(
            f"could not write to {str(self._path)!r}: {_first(error)}",
            mend="nothing of the run was written; mend it and write again",
            uncertain=uncertain,
        )


def _make(path: Path) -> None:
    """An empty database, which appears whole: a file that DuckDB was stopped in making cannot be opened."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        duckdb.connect(str(draft)).close()
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first
        except OSError:  # a file system without links
            draft.rename(path)
    except OSError as error:
        raise WriteError(f"cannot make {str(path)!r}: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)


def _first(error: Exception) -> str:
    return str(error).splitlines()[0]
