"""Predictions into a PostgreSQL database, by COPY."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from foretell.core.errors import WriteError
from foretell.core.lazy import require
from foretell.core.time import Instant, to_datetime
from foretell.sinks.base import Column, Names, Run
from foretell.sinks.tables import Dialect, Held, write_through
from foretell.sources.naming import mask, quote, without_secrets
from foretell.sources.postgres import asked_timeout

WAIT = "60s"
"""How long another writer of the same tables is waited for."""
_DIALECT = Dialect(
    {
        "id": "text",
        "key": "text",
        "text": "text",
        "integer": "bigint",
        "number": "double precision",
        "truth": "boolean",
        "moment": "timestamp",
    },
    value="%s",
)
_THERE = """
SELECT c.relname, c.relkind IN ('v', 'm'), a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_class c
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND (c.relname = ANY(%s) OR lower(c.relname) = ANY(%s))
ORDER BY c.relname, a.attnum"""


@dataclass(frozen=True)
class PostgresSink:
    """A PostgreSQL database, by URL; tables go into the first schema of its search path."""

    url: str = field(repr=False)
    kind = "postgres"

    @property
    def name(self) -> str:
        return mask(self.url)

    def latest(self, to: str, model: str) -> str:
        return Names.of(to).latest

    def write(self, to: str, run: Run, columns: Sequence[Column], table: pa.Table) -> bool:
        Names.of(to)
        return write_through(lambda: _Session(self.url), to, run, columns, table)


class _Session:
    """A connection, in one transaction, which alone writes to the destination."""

    dialect = _DIALECT

    def __init__(self, url: str) -> None:
        self._url = url
        self._driver = require("psycopg", extra="postgres")
        try:
            self._connection = self._driver.connect(
                url,
                connect_timeout=asked_timeout(url),
                application_name="foretell",
                client_encoding="UTF8",
                keepalives_idle=30,
                tcp_user_timeout=60_000,
                prepare_threshold=None,
            )
        except self._driver.Error as error:
            raise WriteError(
                f"cannot connect to {mask(url)}: {self._say(error)}",
                mend="check the host, the user, the password and the database's name",
                unreached=True,
            ) from None
        self._schema = ""

    def place(self, name: str) -> str:
        return f"{self.quote(self._schema)}.{self.quote(name)}"

    def quote(self, name: str) -> str:
        return quote(name).replace("%", "%%")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            cursor = self._connection.execute(sql, tuple(values))
            return list(cursor.fetchall()) if cursor.description else []
        except self._driver.Error as error:
            raise self._failed(error) from None

    def moment(self, instant: Instant) -> datetime:
        return to_datetime(instant)

    def native(self, column: Column) -> str | None:
        return None if column.native is None else column.native.replace("%", "%%")

    def begin(self, to: str) -> None:
        self.rows("SET LOCAL TIME ZONE 'UTC'")
        self.rows(f"SET LOCAL lock_timeout = '{WAIT}'")
        self._schema = self.rows("SELECT current_schema()")[0][0] or ""
        if not self._schema:
            raise WriteError(
                f"{mask(self._url)} has no schema that tables can be made in",
                mend="name one in the URL: ?options=-csearch_path%3Dpublic",
            )
        self.rows("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"foretell {self._schema} {to}",))

    def there(self, names: Sequence[str]) -> dict[str, Held]:
        found: dict[str, Held] = {}
        asked = (list(names), [n.lower() for n in names])
        for table, is_view, column, native in self.rows(_THERE, asked):
            held = found.get(table, Held((), (), bool(is_view)))
            found[table] = Held((*held.columns, column or ""), (*held.types, native or ""), held.is_view)
        return found

    def start(self) -> None:
        pass

    def append(self, to: str, columns: Sequence[str], parts: Iterator[pa.Table]) -> None:
        fields = ", ".join(map(quote, columns))
        place = f"{quote(self._schema)}.{quote(to)}"
        try:
            with (
                self._connection.cursor() as cursor,
                cursor.copy(f"COPY {place} ({fields}) FROM STDIN (FORMAT csv)") as copy,
            ):
                for part in parts:
                    copy.write(_csv(part))
        except self._driver.Error as error:
            raise self._failed(error) from None

    def commit(self) -> None:
        try:
            self._connection.commit()
        except self._driver.Error as error:
            raise self._failed(error) from None

    def rollback(self) -> None:
        self._connection.rollback()

    def close(self) -> None:
        with suppress(self._driver.Error):
            self._connection.close()

    def _say(self, error: Exception) -> str:
        diagnosis = getattr(error, "diag", None)  # the server's sentence without our SQL around it
        said = getattr(diagnosis, "message_primary", None) or str(error)
        return " ".join(without_secrets(said, self._url).split())

    def _failed(self, error: Exception) -> WriteError:
        lost = bool(self._connection.closed)
        what = "lost the connection to" if lost else "could not write to"
        mend = "nothing of the run was written; mend it and write again"
        if isinstance(error, self._driver.errors.InsufficientPrivilege):
            mend = "nothing was written: grant CREATE on the schema, or write elsewhere with --into DATABASE"
        return WriteError(
            f"{what} {mask(self._url)}: {self._say(error)}",
            mend=None if lost else mend,
            uncertain=lost,
        )


def _csv(part: pa.Table) -> bytes:
    """Rows as PostgreSQL reads them: text in quotes, so that what is empty without them is NULL."""
    sink = io.BytesIO()
    pacsv.write_csv(part, sink, pacsv.WriteOptions(include_header=False, quoting_style="needed"))
    return sink.getvalue()
