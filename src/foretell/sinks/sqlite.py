"""Predictions into a SQLite file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote as url_quote

import pyarrow as pa
import pyarrow.compute as pc

from foretell.core.errors import WriteError
from foretell.core.time import Instant, to_datetime
from foretell.sinks.base import Column, Names, Run
from foretell.sinks.tables import Dialect, Held, write_through
from foretell.sources.naming import quote

PATIENCE = 60.0
"""Seconds to wait for another writer."""
_DIALECT = Dialect(
    {
        "id": "TEXT",
        "key": "TEXT",
        "text": "TEXT",
        "integer": "INTEGER",
        "number": "REAL",
        "truth": "BOOLEAN",
        "moment": "TIMESTAMP",
    },
    view="CREATE VIEW IF NOT EXISTS",
)
_PLAIN_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*(\([0-9, ]+\))?")


@dataclass(frozen=True)
class SQLiteSink:
    """A SQLite file, made where it is not there."""

    path: Path
    patience: float = PATIENCE
    kind = "sqlite"

    @property
    def name(self) -> str:
        return str(self.path)

    def latest(self, to: str, model: str) -> str:
        return Names.of(to).latest

    def write(self, to: str, run: Run, columns: Sequence[Column], table: pa.Table) -> bool:
        Names.of(to)
        return write_through(lambda: _Session(self.path, self.patience), to, run, columns, table)


class _Session:
    """The file, open for writing, in one transaction."""

    dialect = _DIALECT

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        location = f"file:{url_quote(str(path.absolute()))}?mode=rwc"
        try:
            self._connection = sqlite3.connect(location, uri=True, isolation_level=None, timeout=patience)
        except sqlite3.Error as error:
            raise self._failed(error) from None
        self.rows("PRAGMA synchronous = FULL")

    def place(self, name: str) -> str:
        return quote(name)

    def quote(self, name: str) -> str:
        return quote(name)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def moment(self, instant: Instant) -> str:
        return to_datetime(instant).isoformat(sep=" ", timespec="microseconds")

    def native(self, column: Column) -> str | None:
        plain = column.native is not None and _PLAIN_TYPE.fullmatch(column.native)
        return column.native if plain else None

    def begin(self, to: str) -> None:
        self.rows("BEGIN IMMEDIATE")

    def there(self, names: Sequence[str]) -> dict[str, Held]:
        wanted = {n.casefold() for n in names}
        listed = self.rows("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')")
        found: dict[str, Held] = {}
        for name, kind in listed:
            if name.casefold() in wanted:
                info = self.rows(f"PRAGMA table_info({quote(name)})")
                found[name] = Held(tuple(r[1] for r in info), tuple(r[2] for r in info), kind == "view")
        return found

    def start(self) -> None:
        pass

    def append(self, to: str, columns: Sequence[str], parts: Iterator[pa.Table]) -> None:
        fields, marks = ", ".join(map(quote, columns)), ", ".join("?" * len(columns))
        for part in parts:
            values = [_values(c) for c in part.columns]
            try:
                self._connection.executemany(
                    f"INSERT INTO {self.place(to)} ({fields}) VALUES ({marks})", zip(*values)
                )
            except sqlite3.Error as error:
                raise self._failed(error) from None

    def commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error, uncertain=True) from None

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()

    def _failed(self, error: Exception, *, uncertain: bool = False) -> WriteError:
        text = str(error)
        if "locked" in text or "busy" in text:
            return WriteError(
                f"{str(self._path)!r} is locked by another process: nothing was written",
                mend="let it finish, and write again",
            )
        return WriteError(
            f"could not write to {str(self._path)!r}: {text}",
            mend="nothing of the run was written; mend it and write again",
            uncertain=uncertain,
        )


def _values(column: pa.ChunkedArray) -> list[Any]:
    """A column as SQLite keeps it: times as text that sorts."""
    if pa.types.is_timestamp(column.type):
        column = pc.strftime(column.cast(pa.timestamp("us")), format="%Y-%m-%d %H:%M:%S")
    values: list[Any] = column.to_pylist()
    return values
