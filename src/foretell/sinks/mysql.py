"""Predictions into a MySQL or MariaDB database."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from foretell.core.errors import UsageError, WriteError
from foretell.core.lazy import require
from foretell.core.time import Instant, to_datetime
from foretell.sinks.base import Column, Names, Run, relabelled
from foretell.sinks.tables import Dialect, Held, write_through
from foretell.sources.mysql import LOST, settings
from foretell.sources.naming import mask, quote, without_secrets

WAIT = 60
"""Seconds that another writer of the same tables is waited for."""
KEY_BYTES = 3072 - 4 * 64
"""What the text columns of a key may take together, beside the run's id."""
TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_TYPES = {
    "id": f"VARCHAR(64) {TEXT}",
    "text": f"LONGTEXT {TEXT}",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "truth": "BOOLEAN",
    "moment": "DATETIME(6)",
}
_SHORT_TEXT = re.compile(r"(?:var)?char\((\d+)\)", re.IGNORECASE)
_LONG = re.compile(r"text|blob|char|binary|json|geom|point|polygon|linestring", re.IGNORECASE)
_THERE = """
SELECT c.table_name, t.table_type = 'VIEW', c.column_name, c.column_type
FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = DATABASE() AND (c.table_name IN %s OR lower(c.table_name) IN %s)
ORDER BY c.table_name, c.ordinal_position"""


@dataclass(frozen=True)
class MySQLSink:
    """A MySQL or MariaDB database, by URL."""

    url: str = field(repr=False)
    kind = "mysql"

    @property
    def name(self) -> str:
        return mask(self.url)

    def latest(self, to: str, model: str) -> str:
        return Names.of(to).latest

    def write(self, to: str, run: Run, columns: Sequence[Column], table: pa.Table) -> bool:
        Names.of(to)
        if label(to) != to:
            raise UsageError(
                f"{to!r} cannot be a table's name here: MySQL's names hold no characters beyond U+FFFF",
                mend="choose another: --to predictions",
            )
        named = relabelled(columns, label)
        texts = sum(c.key and pa.types.is_string(c.type) for c in columns)
        return write_through(lambda: _Session(self.url, texts), to, run, named, table)


class _Session:
    """A connection that holds the destination's lock. Making tables commits by itself, so they come first."""

    def __init__(self, url: str, texts: int) -> None:
        self._url = url
        self._driver = require("pymysql", extra="mysql")
        self._widest = min(255, KEY_BYTES // (4 * max(1, texts)))
        self.dialect = Dialect(
            {**_TYPES, "key": f"VARCHAR({self._widest}) {TEXT}"}, value="%s", after=" ENGINE = InnoDB"
        )
        try:
            self._connection = self._driver.connect(**settings(url), write_timeout=600, autocommit=True)
        except (self._driver.Error, OSError) as error:
            raise WriteError(
                f"cannot connect to {mask(url)}: {self._say(error)}",
                mend="check the host, the user, the password and the database's name",
                unreached=True,
            ) from None

    def place(self, name: str) -> str:
        return self.quote(name)

    def quote(self, name: str) -> str:
        return quote(name, "`").replace("%", "%%")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, tuple(values))
                return list(cursor.fetchall())
        except (self._driver.Error, OSError) as error:
            raise self._failed(error) from None

    def moment(self, instant: Instant) -> datetime:
        return to_datetime(instant)

    def native(self, column: Column) -> str | None:
        if column.native is None:
            return None
        short = _SHORT_TEXT.fullmatch(column.native)
        if short is not None and int(short[1]) <= self._widest:
            return f"{column.native} {TEXT}"
        return None if _LONG.search(column.native) else column.native.replace("%", "%%")

    def begin(self, to: str) -> None:
        self.rows("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")
        self.rows("SET SESSION time_zone = '+00:00'")
        # A lock's name holds 64 characters at most, and is the server's, not the database's.
        text = f"{self.rows('SELECT DATABASE()')[0][0]}\x1f{to.casefold()}"
        lock = "foretell " + hashlib.sha256(text.encode()).hexdigest()[:32]
        if self.rows("SELECT GET_LOCK(%s, %s)", (lock, WAIT))[0][0] != 1:
            raise WriteError(
                f"another process writes to {to!r} in {mask(self._url)}",
                mend="let it finish, and write again",
            )

    def there(self, names: Sequence[str]) -> dict[str, Held]:
        found: dict[str, Held] = {}
        asked = (tuple(names), tuple(n.lower() for n in names))
        for table, is_view, column, native in self.rows(_THERE, asked):
            held = found.get(table, Held((), (), bool(is_view)))
            found[table] = Held((*held.columns, column), (*held.types, native), held.is_view)
        return found

    def start(self) -> None:
        self.rows("START TRANSACTION")

    def append(self, to: str, columns: Sequence[str], parts: Iterator[pa.Table]) -> None:
        fields, marks = ", ".join(map(self.quote, columns)), ", ".join(["%s"] * len(columns))
        for part in parts:
            try:
                with self._connection.cursor() as cursor:
                    cursor.executemany(
                        f"INSERT INTO {self.place(to)} ({fields}) VALUES ({marks})",
                        list(zip(*(c.to_pylist() for c in part.columns))),
                    )
            except (self._driver.Error, OSError) as error:
                raise self._failed(error) from None

    def commit(self) -> None:
        self.rows("COMMIT")

    def rollback(self) -> None:
        self.rows("ROLLBACK")

    def close(self) -> None:
        with suppress(self._driver.Error, OSError):
            self._connection.close()

    def _say(self, error: Exception) -> str:
        detail = error.args[1] if len(error.args) > 1 else error
        return " ".join(without_secrets(str(detail), self._url).split())

    def _failed(self, error: Exception) -> WriteError:
        code = error.args[0] if error.args else 0
        lost = isinstance(error, OSError) or (
            isinstance(error, self._driver.OperationalError | self._driver.InterfaceError) and code in LOST
        )
        what = "lost the connection to" if lost else "could not write to"
        return WriteError(
            f"{what} {mask(self._url)}: {self._say(error)}",
            mend=None if lost else "nothing of the run was written; mend it and write again",
            uncertain=lost,
        )


def label(name: str) -> str:
    """A column's name as MySQL can hold it: characters beyond U+FFFF by their number.

    >>> label("p(🍺)")
    'p(U+1F37A)'
    """
    return "".join(c if ord(c) < 0x10000 else f"U+{ord(c):X}" for c in name)
