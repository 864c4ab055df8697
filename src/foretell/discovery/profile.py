"""Facts about every column, measured once: NULLs, distinct values, ranges, lengths."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from foretell.core.progress import Progress
from foretell.discovery.names import shared_prefix
from foretell.schema.model import DType
from foretell.sources.arrow import duckdb_reader
from foretell.sources.naming import quote
from foretell.store import Store, StoredTable

BIG = 2_000_000
"""Tables beyond this are counted approximately where exactness is not needed."""
COLUMNS_AT_ONCE = 100
DENSE = 4
"""Whole numbers are ticked off where there are at most so many possible for each row."""


@dataclass
class ColumnFacts:
    """One column, measured. For text, `low` and `high` are the extremes of the values as text."""

    name: str
    dtype: DType
    rows: int
    filled: int
    distinct: int
    low: Any = None
    high: Any = None
    longest: int = 0
    mean_length: float = 0.0
    whole: bool = False  # every value is a whole number

    @property
    def nulls(self) -> int:
        return self.rows - self.filled

    @property
    def null_fraction(self) -> float:
        return self.nulls / self.rows if self.rows else 0.0


@dataclass
class TableFacts:
    """One table, measured. `prefix` is what all its columns' names begin with, if anything."""

    stored: StoredTable
    columns: dict[str, ColumnFacts] = field(default_factory=dict)
    prefix: str = ""

    @property
    def name(self) -> str:
        return self.stored.name

    @property
    def rows(self) -> int:
        return self.stored.rows

    def bare(self, column: str) -> str:
        """The column's name without the table's prefix."""
        return column[len(self.prefix) :] or column


def measure(store: Store, progress: Progress) -> dict[str, TableFacts]:
    """Measure every table of the store."""
    progress.stage("measuring columns", total=len(store.tables))
    facts = {}
    for name, stored in store.tables.items():
        facts[name] = measure_table(store, stored)
        progress.advance()
    return facts


def measure_table(store: Store, stored: StoredTable) -> TableFacts:
    """Measure one table."""
    table = TableFacts(stored, prefix=shared_prefix(tuple(stored.dtypes)))
    items = list(stored.dtypes.items())
    for start in range(0, len(items), COLUMNS_AT_ONCE):
        part = items[start : start + COLUMNS_AT_ONCE]
        asked = [e for name, dtype in part for e in _questions(quote(name), dtype, stored.rows)]
        answers = store.connection.execute(f"SELECT {', '.join(asked)} FROM {quote(stored.name)}").fetchall()[
            0
        ]
        for (name, dtype), at in zip(part, range(0, len(answers), _ASKED)):
            filled, distinct, low, high, longest, mean, whole = answers[at : at + _ASKED]
            table.columns[name] = ColumnFacts(
                name,
                dtype,
                stored.rows,
                filled,
                min(distinct, filled),
                low,
                high,
                int(longest or 0),
                float(mean or 0.0),
                dtype is DType.INTEGER or bool(whole),
            )
    return table


def unmeasured(stored: StoredTable) -> TableFacts:
    """One table of which only the columns' types and the number of rows are known: enough to check links."""
    columns = {n: ColumnFacts(n, dtype, stored.rows, 0, 0) for n, dtype in stored.dtypes.items()}
    return TableFacts(stored, columns, shared_prefix(tuple(stored.dtypes)))


def recast(store: Store, table: TableFacts, column: ColumnFacts, dtype: DType) -> None:
    """Change a column's type in the store and measure it again, in place."""
    store.recast(table.name, column.name, dtype)
    again = measure_table(store, StoredTable(table.name, table.stored.raw, {column.name: dtype}, table.rows))
    column.__dict__.update(again.columns[column.name].__dict__)


_ASKED = 7


def _questions(name: str, dtype: DType, rows: int) -> list[str]:
    if dtype is DType.OTHER:
        return ["0", "0", "NULL", "NULL", "0", "0", "false"]
    count = "approx_count_distinct" if rows > BIG else "count"
    distinct = f"{count}({name})" if rows > BIG else f"count(DISTINCT {name})"
    is_text, is_float = dtype is DType.TEXT, dtype is DType.FLOAT
    return [
        f"count({name})",
        distinct,
        f"min({name})" if not is_text else f"left(min({name}), 100)",
        f"max({name})" if not is_text else f"left(max({name}), 100)",
        f"max(strlen({name}))" if is_text else "0",
        f"avg(strlen({name}))" if is_text else "0",
        f"bool_and({name} = floor({name}) AND abs({name}) < 9007199254740992)" if is_float else "false",
    ]


def are_dense(store: Store, table: str, column: str) -> bool:
    """Whether whole numbers differ from row to row, without NULL, and lie as close as counted keys do.

    They are ticked off, which is several times as fast as grouping them.
    """
    name = quote(column)
    rows, filled, low, high = store.connection.execute(
        f"SELECT count(*), count({name}), min({name}), max({name}) FROM {quote(table)}"
    ).fetchall()[0]
    if filled < rows or not rows or high - low >= DENSE * rows:
        return False
    seen = np.zeros(high - low + 1, dtype=np.bool_)
    for batch in duckdb_reader(store.cursor(), f"SELECT {name} FROM {quote(table)}"):
        seen[batch.column(0).to_numpy() - low] = True
    return bool(np.count_nonzero(seen) == rows)


def is_unique(store: Store, table: str, columns: tuple[str, ...], rows: int) -> bool:
    """Exactly: no two rows agree in `columns` (which hold no NULL). A prefix of the rows is tried first."""
    dtypes = store.tables[table].dtypes
    if len(columns) == 1 and dtypes[columns[0]] is DType.INTEGER and are_dense(store, table, columns[0]):
        return True
    names = ", ".join(quote(c) for c in columns)
    value = names if len(columns) == 1 else f"({names})"
    for limit in (50_000, None):
        if limit is not None and rows <= 4 * limit:
            continue
        inside = f"SELECT {names} FROM {quote(table)}" + (f" LIMIT {limit}" if limit else "")
        if len(columns) == 1:
            found = f"SELECT count(DISTINCT {value}) FROM ({inside})"
        else:
            found = f"SELECT count(*) FROM (SELECT DISTINCT {names} FROM ({inside}))"
        if store.connection.execute(found).fetchall()[0][0] < (limit or rows):
            return False
    return True
