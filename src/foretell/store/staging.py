"""How a column is loaded: staged as it comes, counted, and settled as one of a few types.

What is counted adds up, so that rows that come later settle a table as if all had been read at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from foretell.core.errors import SourceError
from foretell.core.text import plural
from foretell.core.time import parse_instant
from foretell.schema.model import DType
from foretell.sources.naming import quote

CHUNK_ROWS = 500_000
CHUNK = "\u2205 chunk \u2205"
"""What the rows being loaded are called meanwhile: a name that no table has."""
EXACT_FLOAT = 2**53
"""Whole numbers beyond this are rounded when read as float64."""

SQL_TYPES = {
    DType.INTEGER: "BIGINT",
    DType.FLOAT: "DOUBLE",
    DType.TEXT: "VARCHAR",
    DType.BOOLEAN: "BOOLEAN",
    DType.TIMESTAMP: "TIMESTAMP",
    DType.OTHER: "VARCHAR",
}
_WIDE = ("UBIGINT", "HUGEINT")
_FIRST, _LAST = "TIMESTAMP '0001-01-01 00:00:00'", "TIMESTAMP '9999-12-31 23:59:59.999999'"
_FIRST_INSTANT, _LAST_INSTANT = parse_instant("0001-01-01"), parse_instant("9999-12-31T23:59:59.999999")


@dataclass(frozen=True)
class ColumnPlan:
    """How one column is loaded: the SQL type it is staged as, its value, and what it is in the end."""

    name: str
    dtype: DType
    staged: str
    value: str
    dropped: str = ""
    exact: bool = False
    zoned: bool = False

    @property
    def is_wide(self) -> bool:
        """Staged in a type that is narrowed at the end."""
        return self.staged in _WIDE


@dataclass(frozen=True)
class Tally:
    """What was counted of one column: NULLs as they came, values kept, and the largest in size."""

    nulls: int = 0
    kept: int = 0
    largest: float | None = None

    def __add__(self, other: Tally) -> Tally:
        sizes = [t.largest for t in (self, other) if t.largest is not None]
        return Tally(self.nulls + other.nulls, self.kept + other.kept, max(sizes, default=None))


def plan_columns(schema: pa.Schema) -> list[ColumnPlan]:
    """How each column of an Arrow schema is loaded."""
    return [_plan(field) for field in schema]


def stage(
    connection: Any,
    table: str,
    plans: Sequence[ColumnPlan],
    reader: pa.RecordBatchReader,
    *,
    source: str,
    chunk_rows: int = CHUNK_ROWS,
    advance: Callable[[float], None] = lambda _: None,
) -> tuple[int, list[Tally]]:
    """Make `table` (as SQL writes it) of the reader's rows, which errors call `source`; how many rows there
    are, and each column's tally.
    """
    fields = ", ".join(f"{quote(p.name)} {p.staged}" for p in plans)
    connection.execute(f"CREATE TABLE {table} ({fields})")
    nulls = dict.fromkeys((p.name for p in plans), 0)
    values = ", ".join(p.value for p in plans)
    for chunk in chunks(reader, chunk_rows):
        for name in nulls:
            nulls[name] += chunk.column(name).null_count
        connection.register(CHUNK, chunk)
        try:
            connection.execute(f"INSERT INTO {table} SELECT {values} FROM {quote(CHUNK)}")
        except duckdb.OutOfMemoryException as error:
            raise _out_of_memory(source, error) from None
        except duckdb.Error as error:
            raise SourceError(f"cannot load table {source!r}: {error}") from None
        finally:
            connection.unregister(CHUNK)
        advance(float(chunk.num_rows))
    rows, tallies = _count(connection, table, plans)
    return rows, [Tally(nulls[p.name], t.kept, t.largest) for p, t in zip(plans, tallies)]


def stage_in_place(
    connection: Any, table: str, plans: Sequence[ColumnPlan], query: str, *, source: str
) -> tuple[int, list[Tally]]:
    """As `stage`, of the rows of a SELECT that the connection can run itself."""
    values = ", ".join(f"CAST({p.value} AS {p.staged}) AS {quote(p.name)}" for p in plans)
    try:
        connection.execute(f"CREATE TABLE {table} AS SELECT {values} FROM ({query})")
    except duckdb.OutOfMemoryException as error:
        raise _out_of_memory(source, error) from None
    rows, tallies = _count(connection, table, plans)
    # Where all values were kept none was NULL; the others are looked at where they come from.
    short = [p for p, t in zip(plans, tallies) if t.kept < rows]
    nulls = dict.fromkeys((p.name for p in plans), 0)
    if short:
        asked = ", ".join(f"count(*) - count({quote(p.name)})" for p in short)
        found = connection.execute(f"SELECT {asked} FROM ({query})").fetchall()[0]
        nulls |= {p.name: int(n) for p, n in zip(short, found)}
    return rows, [Tally(nulls[p.name], t.kept, t.largest) for p, t in zip(plans, tallies)]


def take_whole(table: pa.Table) -> tuple[pa.Table, list[ColumnPlan], list[Tally]]:
    """As `stage`, of a table whose columns have their types already; what cannot be carried over is NULL."""
    plain = [pa.field(f.name, _value_type(f.type)) for f in table.schema]
    plans = plan_columns(pa.schema(plain))
    columns = [_carried(c) for c in table.columns]
    tallies = [Tally(old.null_count, len(new) - new.null_count) for old, new in zip(table.columns, columns)]
    return pa.Table.from_arrays(columns, names=table.column_names), plans, tallies


def _carried(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column; NULL where it is infinite, NaN, or a time outside the years 1..9999."""
    if pa.types.is_floating(column.type):
        sound = pc.is_finite(column)
    elif pa.types.is_timestamp(column.type):
        first, last = (pa.scalar(m, pa.int64()).cast(column.type) for m in (_FIRST_INSTANT, _LAST_INSTANT))
        sound = pc.and_(pc.greater_equal(column, first), pc.less_equal(column, last))
    else:
        return column
    if pc.all(sound).as_py() in (True, None):  # NULLs are left out, and None says that there is nothing else
        return column
    return pc.if_else(sound, column, pa.scalar(None, column.type))


def _count(connection: Any, table: str, plans: Sequence[ColumnPlan]) -> tuple[int, list[Tally]]:
    """How many rows a staged table has, and its columns' tallies but for the NULLs that came."""
    asked = ["count(*)"]
    for plan in plans:
        name = quote(plan.name)
        sized = plan.is_wide or (plan.dtype is DType.FLOAT and plan.exact)
        asked += [f"count({name})", f"max(abs(CAST({name} AS DOUBLE)))" if sized else "NULL"]
    rows, *found = connection.execute(f"SELECT {', '.join(asked)} FROM {table}").fetchall()[0]
    return int(rows), [Tally(0, kept, largest) for kept, largest in zip(found[::2], found[1::2])]


def _out_of_memory(source: str, error: Exception) -> SourceError:
    return SourceError(
        f"table {source!r} does not fit into the memory limit: {str(error).splitlines()[0]}",
        mend="raise the memory limit, or read fewer tables",
    )


def settle(plan: ColumnPlan, tally: Tally) -> DType:
    """What a staged column is in the end, now that its values are known."""
    if plan.is_wide:
        return DType.INTEGER if tally.largest is None or tally.largest < 2.0**63 else DType.FLOAT
    return plan.dtype


def narrow(connection: Any, table: str, plans: Sequence[ColumnPlan], dtypes: Mapping[str, DType]) -> None:
    """Bring the columns that were staged wide to their type."""
    for plan in plans:
        if plan.is_wide:
            kind = SQL_TYPES[dtypes[plan.name]]
            connection.execute(f"ALTER TABLE {table} ALTER COLUMN {quote(plan.name)} SET DATA TYPE {kind}")


def remarks(table: str, plans: Sequence[ColumnPlan], tallies: Sequence[Tally], rows: int) -> list[str]:
    """A note on each column of whose values some became NULL or were rounded."""
    notes = []
    for plan, tally in zip(plans, tallies):
        here, dtype = f"{table}.{plan.name}", settle(plan, tally)
        if dtype is DType.FLOAT and tally.largest is not None and tally.largest > EXACT_FLOAT:
            notes.append(
                f"{here} holds numbers beyond 2^53 (up to {tally.largest:.3g}): as float64 they are rounded"
            )
        lost = rows - tally.kept - tally.nulls
        if dtype is DType.OTHER:
            if plan.dropped and (tally.nulls < rows or not rows):
                notes.append(f"{here} is {plan.dropped} and is not used")
        elif lost > 0:
            times = dtype is DType.TIMESTAMP
            what = "outside the years 1..9999 or infinite" if times else "NaN or infinite"
            notes.append(f"{here}: {plural(lost, 'value')} {what}, read as NULL")
    return notes


def _plan(field: pa.Field[Any]) -> ColumnPlan:
    name, kind = field.name, _value_type(field.type)
    here = quote(name)
    is_ = pa.types
    if is_.is_boolean(kind):
        return ColumnPlan(name, DType.BOOLEAN, "BOOLEAN", here)
    if is_.is_uint64(kind):
        return ColumnPlan(name, DType.INTEGER, "UBIGINT", here)
    if is_.is_integer(kind):
        return ColumnPlan(name, DType.INTEGER, "BIGINT", f"CAST({here} AS BIGINT)")
    if is_.is_decimal(kind):
        if kind.scale <= 0:
            wide = "BIGINT" if kind.precision <= 18 else "HUGEINT"
            return ColumnPlan(name, DType.INTEGER, wide, f"CAST({here} AS {wide})")
        return ColumnPlan(name, DType.FLOAT, "DOUBLE", f"CAST({here} AS DOUBLE)", exact=True)
    if is_.is_floating(kind):
        number = f"CAST({here} AS DOUBLE)"
        return ColumnPlan(name, DType.FLOAT, "DOUBLE", f"CASE WHEN isfinite({number}) THEN {number} END")
    if is_.is_timestamp(kind) or is_.is_date(kind):
        # With the session's zone at UTC the cast from TIMESTAMPTZ gives the UTC wall clock.
        moment = f"TRY_CAST({here} AS TIMESTAMP)"
        sound = f"CASE WHEN {moment} BETWEEN {_FIRST} AND {_LAST} THEN {moment} END"
        zoned = pa.types.is_timestamp(kind) and kind.tz is not None
        return ColumnPlan(name, DType.TIMESTAMP, "TIMESTAMP", sound, zoned=zoned)
    if is_.is_duration(kind):
        return ColumnPlan(name, DType.FLOAT, "DOUBLE", f"epoch({here})")
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind) or is_.is_time(kind):
        return ColumnPlan(name, DType.TEXT, "VARCHAR", f"CAST({here} AS VARCHAR)")
    dropped = "" if is_.is_null(kind) else f"of type {kind}" if not is_.is_binary(kind) else "binary"
    return ColumnPlan(name, DType.OTHER, "VARCHAR", "CAST(NULL AS VARCHAR)", dropped=dropped)


def _value_type(kind: Any) -> Any:
    while pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind


def chunks(reader: pa.RecordBatchReader, chunk_rows: int) -> Iterator[pa.Table]:
    """The reader's batches, put together until they are worth a statement."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in reader:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= chunk_rows:
            yield pa.Table.from_batches(waiting)
            waiting, rows = [], 0
    if rows:
        yield pa.Table.from_batches(waiting)
