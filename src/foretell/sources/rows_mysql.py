"""Rows by key of a MySQL or MariaDB database, through one connection that is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from foretell.schema.model import DType, Table
from foretell.sources.arrow import text_array
from foretell.sources.mysql import MySQLSnapshot, MySQLSource
from foretell.sources.naming import quote
from foretell.sources.rows import Keys, escaped, fitted, known_columns, known_table


class MySQLRows:
    """One consistent, read-only snapshot for each reading; a lost connection is made anew."""

    def __init__(self, source: MySQLSource) -> None:
        self._source = source
        self._snapshot: MySQLSnapshot | None = None
        self._opened()

    @property
    def name(self) -> str:
        return self._source.name

    def _opened(self) -> MySQLSnapshot:
        if self._snapshot is None:
            self._snapshot = MySQLSnapshot(self._source.url)
            self._run("COMMIT")
        return self._snapshot

    @contextmanager
    def reading(self) -> Iterator[None]:
        snapshot = self._opened()
        try:
            self._run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            self._run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            yield
            self._run("COMMIT")
        except snapshot.driver.Error as error:
            self.close()
            raise snapshot.failed(error) from None
        except BaseException:
            self.close()
            raise

    def rows(
        self, table: Table, columns: Sequence[str], by: Sequence[str], keys: Keys, most: int
    ) -> pa.Table:
        self._known(table, [*columns, *by])
        values = [list(dict.fromkeys(k[i] for k in keys)) for i in range(len(by))]
        tests = [f"{escaped(quote(c, '`'))} IN ({', '.join(['%s'] * len(v))})" for c, v in zip(by, values)]
        bound = [_bound(v) for part in values for v in part]
        query = f"FROM {escaped(quote(table.name, '`'))} WHERE {' AND '.join(tests)} LIMIT {int(most)}"
        return self._read(table, columns, query, bound, "{}")

    def ends(self, table: Table, column: str) -> pa.Table:
        self._known(table, [column])
        place = f"FROM {escaped(quote(table.name, '`'))}"
        parts = [self._read(table, [column], place, [], f"{which}({{}})") for which in ("MIN", "MAX")]
        return pa.concat_tables(parts)

    def _read(
        self, table: Table, columns: Sequence[str], rest: str, values: Sequence[Any], form: str
    ) -> pa.Table:
        plans = {
            c: self._opened().column_plan(table.name, c, table.column(c).dtype is DType.BOOLEAN)
            for c in columns
        }
        chosen = ", ".join(escaped(form.replace("{}", plans[c].sql)) for c in columns) or "1"
        found = self._run(f"SELECT {chosen} {rest}", values)
        arrays = [plans[c].read(text_array([row[i] for row in found])[0]) for i, c in enumerate(columns)]
        return fitted(table, columns, pa.Table.from_arrays(arrays, names=list(columns)))

    def _run(self, sql: str, values: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        with self._opened().connection.cursor() as cursor:
            cursor.execute(sql, tuple(values) if values is not None else None)
            return list(cursor.fetchall())

    def _known(self, table: Table, columns: Sequence[str]) -> None:
        tables = {t.name: t for t in self._opened().tables}
        known_table(table.name, tables)
        known_columns(table.name, columns, [c.name for c in tables[table.name].columns])

    def close(self) -> None:
        if self._snapshot is not None:
            self._snapshot.close()
            self._snapshot = None


def _bound(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else str(value)
