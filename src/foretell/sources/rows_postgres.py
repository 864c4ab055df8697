"""Rows by key of a PostgreSQL database, through one connection that is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pyarrow as pa

from foretell.schema.model import DType, Table
from foretell.sources.naming import quote
from foretell.sources.postgres import PostgresSnapshot, PostgresSource
from foretell.sources.rows import Keys, escaped, fitted, known_table

_WHOLE = ("int2", "int4", "int8", "oid", "numeric")
_COMPARED = {
    DType.INTEGER: _WHOLE,
    DType.FLOAT: ("float4", "float8", "numeric"),
    DType.TEXT: ("text", "varchar", "bpchar", "uuid"),
    DType.BOOLEAN: ("bool",),
    DType.TIMESTAMP: ("timestamp", "timestamptz", "date"),
}
"""Types that keys are brought to, so that an index serves; others are compared as text."""


class PostgresRows:
    """One repeatable-read, read-only transaction for each reading; a lost connection is made anew."""

    def __init__(self, source: PostgresSource) -> None:
        self._source = source
        self._snapshot: PostgresSnapshot | None = None
        self._opened()

    @property
    def name(self) -> str:
        return self._source.name

    def _opened(self) -> PostgresSnapshot:
        if self._snapshot is None:
            made = PostgresSnapshot(self._source.url)
            made.connection.rollback()
            made.connection.execute("SET TIME ZONE 'UTC'")
            made.connection.commit()
            self._snapshot = made
        return self._snapshot

    @contextmanager
    def reading(self) -> Iterator[None]:
        snapshot = self._opened()
        try:
            yield
        except snapshot.driver.Error as error:
            self.close()
            raise snapshot.failed(error) from None
        finally:
            if self._snapshot is not None:
                self._snapshot.connection.rollback()

    def rows(
        self, table: Table, columns: Sequence[str], by: Sequence[str], keys: Keys, most: int
    ) -> pa.Table:
        place, types = self._place(table)
        sides, values = [], []
        for i, name in enumerate(by):
            kind, dtype = types[name][0], table.column(name).dtype
            own = kind if kind in _COMPARED.get(dtype, ()) else "text"
            side = escaped(quote(name))
            sides.append((side if own == kind else f"{side}::text", own))
            values.append([_spelt(k[i]) for k in keys])
        if any(own == "uuid" for _, own in sides):
            kept = [
                i
                for i in range(len(keys))
                if all(o != "uuid" or _is_uuid(v[i]) for (_, o), v in zip(sides, values))
            ]
            values = [[v[i] for i in kept] for v in values]
        if len(by) == 1:
            where = f"{sides[0][0]} = ANY(%s::text[]::{sides[0][1]}[])"
        else:
            listed = ", ".join(f"%s::text[]::{own}[]" for _, own in sides)
            where = f"({', '.join(s for s, _ in sides)}) IN (SELECT * FROM unnest({listed}))"
        chosen = ", ".join(escaped(types[c][1].sql.replace("{c}", quote(c))) for c in columns) or "1"
        return self._read(
            table, columns, f"SELECT {chosen} FROM {place} WHERE {where} LIMIT %s", [*values, most]
        )

    def ends(self, table: Table, column: str) -> pa.Table:
        place, types = self._place(table)
        end = [types[column][1].sql.replace("{c}", f"{which}({quote(column)})") for which in ("min", "max")]
        query = " UNION ALL ".join(f"SELECT {escaped(e)} FROM {place}" for e in end)
        return self._read(table, [column], query, [])

    def _read(self, table: Table, columns: Sequence[str], query: str, values: Sequence[Any]) -> pa.Table:
        _, types = self._place(table)
        found = self._opened().connection.execute(query, values).fetchall()
        arrays = []
        for i, name in enumerate(columns):
            how = types[name][1]
            held = pa.array([row[i] for row in found], how.parsed)
            arrays.append(held if how.final is None else held.cast(how.final))
        return fitted(table, columns, pa.Table.from_arrays(arrays, names=list(columns)))

    def _place(self, table: Table) -> tuple[str, dict[str, Any]]:
        places, types = self._opened().places, self._opened().types
        known_table(table.name, places)
        schema, inner = places[table.name]
        place = escaped(f"{quote(schema)}.{quote(inner)}")
        return place, {name: (kind, how) for name, kind, how in types[table.name]}

    def close(self) -> None:
        if self._snapshot is not None:
            self._snapshot.close()
            self._snapshot = None


def _spelt(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
