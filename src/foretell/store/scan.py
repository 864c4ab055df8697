"""Columns of the working copy as Arrow, rows as they were loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlglot import exp

from foretell.kernel import MISSING
from foretell.plan.build import DIALECT, ROW, col, raw
from foretell.plan.prepare import read, used
from foretell.plan.scalar import to_sql
from foretell.query import ast
from foretell.schema.model import Schema
from foretell.store.refusals import told
from foretell.store.working import StoredTable

GIVEN = "\u2205 given \u2205"
"""What values handed to DuckDB are called meanwhile: a name that no table has."""
_SMALL = 50_000
"""Rows of a table that is read in one go: a query costs more than its columns."""


class Loaded(Protocol):
    """Loaded tables: a working copy, or a part of one."""

    def table(self, name: str) -> StoredTable: ...

    def arrow(self, table: str) -> pa.Table | None:
        """A table's columns as loaded, where they are held as Arrow."""
        ...

    def cursor(self) -> Any:
        """A DuckDB connection of one's own, in which the tables go under their names."""
        ...


class Scan:
    """Reads columns and expressions over them; several threads may."""

    def __init__(self, store: Loaded, schema: Schema, threads: int) -> None:
        self._store = store
        self._schema = schema
        self._threads = threads
        self._small: dict[str, dict[str, pa.ChunkedArray]] = {}

    def rows(self, table: str) -> int:
        """How many rows were loaded."""
        return self._store.table(table).rows

    def value(self, table: str, expr: ast.Expr | str) -> exp.Expr:
        """A column or an expression as SQL over a raw row `r`, its times in UTC: not to be changed."""
        key = ("value", table, expr)
        if key not in self._schema.memo:
            source = self._schema.table(table)
            if isinstance(expr, str):
                made = read(source.column(expr), self._schema)
            else:
                made = to_sql(expr, lambda c: read(source.column(c.name), self._schema))
            self._schema.memo[key] = made
        found: exp.Expr = self._schema.memo[key]
        return found

    def key(self, table: str, expr: ast.Expr | str) -> str:
        """The same as text."""
        key = ("text", table, expr)
        if key not in self._schema.memo:
            self._schema.memo[key] = self.value(table, expr).sql()
        found: str = self._schema.memo[key]
        return found

    def column(self, table: str, value: exp.Expr) -> pa.ChunkedArray:
        """The values of an expression over a raw row `r`; text of a column itself may be a dictionary."""
        held = self._store.arrow(table) if isinstance(value, exp.Column) and value.table == "r" else None
        if held is not None:
            return held[value.name]
        if self.rows(table) <= _SMALL and self._store.arrow(table) is None:
            small = self._whole(table).get(value.sql())
            if small is not None:
                return small
        query = exp.select(value.as_("value")).from_(raw(table, "r"))
        return self.query(query, rows=self.rows(table))["value"]

    def _whole(self, table: str) -> dict[str, pa.ChunkedArray]:
        """Every column of a small table, by its SQL."""
        if table not in self._small:
            source = self._schema.table(table)
            values = [read(c, self._schema) for c in source.columns if used(c, source)]
            named = [v.as_(f"v{i}") for i, v in enumerate(values)]
            query = exp.select(*named or [exp.true()]).from_(raw(table, "r"))
            found = self.query(query)
            self._small[table] = {v.sql(): found[i] for i, v in enumerate(values)}
        return self._small[table]

    def numbered(self, table: str, columns: Sequence[str]) -> exp.Select:
        """The columns, and each row's place as it was loaded, from 1, as `__row`."""
        read_as = [self.value(table, c).as_(c, quoted=True) for c in columns]
        place = exp.Window(this=exp.func("ROW_NUMBER")).as_(ROW, quoted=True)
        return exp.select(*read_as, place).from_(raw(table, "r"))

    def change(self, values: pa.Array, made: Callable[[exp.Expr], exp.Expr]) -> pa.ChunkedArray:
        """The values of an expression over given ones."""
        query = exp.select(made(col("g", "value")).as_("value")).from_(given().as_("g"))
        return self.query(query, values)["value"]

    def query(self, query: exp.Expr, values: pa.Array | None = None, *, rows: int = 0) -> pa.Table:
        """What a query over so many `rows` gives; `values` are the column `value` of the table `given()`."""
        connection = self.connect(values)
        if rows > _SMALL:
            connection.execute(f"SET threads = {self._threads}")
        with told(query):
            return connection.sql(query.sql(dialect=DIALECT)).to_arrow_table()

    def connect(self, values: pa.Array | None = None) -> Any:
        """A connection of one's own to the working copy, in which `given()` holds the values."""
        connection = self._store.cursor()
        if values is not None:
            connection.register(GIVEN, pa.table({"value": values}))
        return connection


def given() -> exp.Table:
    """The table of values handed to DuckDB."""
    return exp.Table(this=exp.to_identifier(GIVEN, quoted=True))


def longs(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Whole numbers, or instants in microseconds; MISSING for NULL."""
    whole = column.cast(pa.int64())
    found: NDArray[np.int64] = (whole.fill_null(MISSING) if whole.null_count else whole).to_numpy()
    return found


def doubles(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Numbers; NaN for NULL."""
    found: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return found


def absent(column: pa.ChunkedArray) -> NDArray[Any] | None:
    """Where a column is NULL; None if it is so nowhere."""
    return column.is_null().to_numpy() if column.null_count else None
