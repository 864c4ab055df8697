"""Rows of a live database by their keys: what scoring one entity reads, anew each time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Protocol, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

from foretell.core.errors import SchemaError, UsageError
from foretell.core.text import did_you_mean
from foretell.schema.model import DType, Table
from foretell.sources.base import Source

Keys: TypeAlias = Sequence[tuple[Any, ...]]
"""Values of key columns, as their types in the schema have them; none of them is missing."""

ARROW: dict[DType, pa.DataType] = {
    DType.INTEGER: pa.int64(),
    DType.FLOAT: pa.float64(),
    DType.TEXT: pa.string(),
    DType.BOOLEAN: pa.bool_(),
    DType.TIMESTAMP: pa.timestamp("us"),
    DType.OTHER: pa.string(),
}
"""How a column of each type is held."""

_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1..9999


class Reader(Protocol):
    """Reads rows by key. Everything read inside one `reading()` belongs to one state of the database."""

    @property
    def name(self) -> str:
        """The database, fit to show."""
        ...

    def reading(self) -> AbstractContextManager[object]:
        """One consistent, read-only look at the database, which begins when something is first read."""
        ...

    def rows(
        self, table: Table, columns: Sequence[str], by: Sequence[str], keys: Keys, most: int
    ) -> pa.Table:
        """At most `most` of the rows whose columns `by` have one of the keys, with these columns, each of its
        type in the schema.
        """
        ...

    def ends(self, table: Table, column: str) -> pa.Table:
        """Two rows: the least and the greatest value of a column, NULL without any."""
        ...

    def close(self) -> None: ...


def known_table(name: str, live: Iterable[str]) -> None:
    """Refuse a table of the model's that the database does not have any more."""
    if name not in (there := list(live)):
        raise SchemaError(
            f"table {name!r} is missing: it was there when the model was trained",
            mend=did_you_mean(name, there),
        )


def known_columns(table: str, names: Iterable[str], live: Iterable[str]) -> None:
    """Refuse columns of the model's that the table does not have any more."""
    there = list(live)
    for name in names:
        if name not in there:
            raise SchemaError(
                f"column {table}.{name} is missing: it was there when the model was trained",
                mend=did_you_mean(name, there),
            )


def escaped(sql: str) -> str:
    """SQL for a driver that fills in values at per cent signs, in which such a sign stands for itself.

    >>> escaped('"5% off"')
    '"5%% off"'
    """
    return sql.replace("%", "%%")


def fitted(table: Table, columns: Sequence[str], found: pa.Table) -> pa.Table:
    """Columns as they came, brought to their types in the schema; what cannot be carried over is NULL.

    A value that does not fit its column's type is a SchemaError, as it is where the whole is read.
    """
    arrays = []
    for place, name in enumerate(columns):
        column = found.column(place)
        held = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if isinstance(held, pa.ChunkedArray):
            held = pa.concat_arrays(held.chunks) if held.num_chunks else pa.array([], held.type)
        arrays.append(fit(held, table.column(name).dtype, f"{table.name}.{name}"))
    return pa.Table.from_arrays(arrays, names=list(columns))


def fit(values: Any, dtype: DType, here: str = "a column") -> Any:
    """Values as a type of the schema.

    >>> fit(pa.array([1.0, None]), DType.INTEGER).to_pylist(), fit(pa.array(["7"]), DType.INTEGER).to_pylist()
    ([1, None], [7])
    """
    is_, kind = pa.types, values.type
    wanted = ARROW[dtype]
    if is_.is_dictionary(kind):
        values = values.dictionary_decode()
        kind = values.type
    if is_.is_null(kind) or dtype is DType.OTHER:
        return pa.nulls(len(values), wanted)
    try:
        match dtype:
            case DType.FLOAT:
                found = values if kind == wanted else values.cast(wanted)
                sound = pc.is_finite(found)
                return found if pc.all(sound).as_py() in (True, None) else _where(sound, found)
            case DType.TIMESTAMP:
                return _moments(values)
            case DType.TEXT if not is_.is_string(kind):
                return _by_duckdb(values, "VARCHAR", here)
            case _ if kind == wanted:
                return values
            case DType.INTEGER | DType.BOOLEAN if not is_.is_string(kind):
                return values.cast(wanted)
            case _:
                return _by_duckdb(values, {DType.INTEGER: "BIGINT", DType.BOOLEAN: "BOOLEAN"}[dtype], here)
    except pa.ArrowInvalid as error:
        raise SchemaError(
            f"the type of {here} changed: it was {dtype} when the model was trained",
            examples=[str(error)],
            mend="train the model again, or restore the column's type",
        ) from None


def _where(sound: Any, values: Any) -> Any:
    return pc.if_else(sound, values, pa.scalar(None, values.type))


def _moments(values: Any) -> Any:
    """Times in UTC without a zone; NULL where they lie outside the years 1..9999."""
    is_, kind = pa.types, values.type
    if is_.is_string(kind) or is_.is_large_string(kind):
        return _by_duckdb(values, "TIMESTAMPTZ", "a time")
    if is_.is_date(kind):
        values = values.cast(pa.timestamp("us"), safe=False)
    elif not is_.is_timestamp(kind):
        raise pa.ArrowInvalid(f"found {kind}")
    elif kind.tz is not None or kind.unit != "us":
        values = values.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    counts = values.cast(pa.int64())
    sound = pc.and_(pc.greater_equal(counts, _FIRST), pc.less_equal(counts, _LAST))
    if pc.all(sound).as_py() not in (True, None):
        counts = _where(sound, counts)
    return counts.cast(pa.timestamp("us"))


def _by_duckdb(values: Any, kind: str, here: str) -> Any:
    """Values changed as DuckDB would where the whole column is read."""
    with _bench().cursor() as connection:
        connection.register("given", pa.table({"v": values}))
        last = "TIMESTAMP" if kind == "TIMESTAMPTZ" else kind
        made = connection.sql(
            f"SELECT CAST(TRY_CAST(v AS {kind}) AS {last}) AS v FROM given"
        ).to_arrow_table()
    found = made.column("v").combine_chunks()
    if found.null_count > values.null_count:
        raise pa.ArrowInvalid(f"{here} holds values that are no {kind}")
    return found


@cache
def _bench() -> Any:
    """A DuckDB that is kept: opening one takes longer than scoring an entity may."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def open_rows(source: Source) -> Reader:
    """A reader of the rows of a source; what it reads is what the database holds at that time."""
    kind = type(source).__module__.rpartition(".")[2]
    if kind == "sqlite":
        from foretell.sources.rows_sqlite import SQLiteRows

        return SQLiteRows(cast(Any, source))
    if kind == "postgres":
        from foretell.sources.rows_postgres import PostgresRows

        return PostgresRows(cast(Any, source))
    if kind == "mysql":
        from foretell.sources.rows_mysql import MySQLRows

        return MySQLRows(cast(Any, source))
    if kind in ("duckdb", "files", "frames"):
        from foretell.sources.rows_duckdb import DuckDBRows, FilesRows

        return DuckDBRows(cast(Any, source)) if kind == "duckdb" else FilesRows(cast(Any, source))
    raise UsageError(f"rows of a {type(source).__name__} cannot be read by their keys")


def as_key(value: Any, dtype: DType) -> Any:
    """A key's value as the type of the column that it is looked for in; None where that has no such value.

    Keys of different types meet as text.

    >>> as_key("7", DType.INTEGER), as_key("seven", DType.INTEGER), as_key(7, DType.TEXT)
    (7, None, '7')
    """
    if value is None or isinstance(value, bool) is not (dtype is DType.BOOLEAN):
        return None if value is None or dtype is DType.BOOLEAN else as_key(str(value).lower(), dtype)
    try:
        match dtype:
            case DType.INTEGER:
                number = int(value) if not isinstance(value, float) or value.is_integer() else None
                return number if number is not None and abs(number) < 2**63 else None
            case DType.FLOAT:
                return float(value)
            case DType.TEXT:
                whole = isinstance(value, float) and value.is_integer()
                return str(int(value)) if whole else str(value)
            case _:
                return value
    except (ValueError, OverflowError):
        return None
