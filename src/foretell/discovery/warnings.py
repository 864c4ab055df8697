"""Warnings: what a person should know about the data before trusting a prediction from it."""

from __future__ import annotations

from collections.abc import Iterator

from foretell.core.text import listing, plural
from foretell.core.time import Instant, format_instant, from_datetime
from foretell.discovery.names import words
from foretell.discovery.profile import ColumnFacts, TableFacts
from foretell.discovery.times import as_timestamp
from foretell.schema.model import DType, Schema, Semantic, Table
from foretell.sources.naming import quote
from foretell.store import Store
from foretell.store.quantile import quantile

MANY_COLUMNS = 1000
BIG_CELL = 10_000_000
RECORDING = {"recorded", "inserted", "loaded", "ingested", "received", "imported", "entered", "synced"}
"""Words of a second time column that tells when a row was written down."""
LATE_SHARE = 0.05
SPARSE = 0.1
"""The earliest tenth of a table's rows is no history where it takes up most of the time."""
SOFT_DELETE = ({"deleted"}, {"archived"}, {"deactivated"}, {"tombstone"}, {"geloescht"}, {"gelöscht"})


def table_warnings(store: Store, facts: TableFacts, table: Table, now: Instant | None) -> Iterator[str]:
    """Everything worth saying about one table's rows."""
    name = table.name
    if not table.rows:
        yield f"{name} is empty"
        return
    if len(table.columns) > MANY_COLUMNS:
        yield f"{name} has {len(table.columns):,} columns: consider ignoring most of them in foretell.toml"
    if not table.primary_key:
        yield from _duplicates(store, facts)
    used = [facts.columns[c.name] for c in table.columns if not c.ignored]
    yield from _flat_columns(name, used)
    for column in used:
        if column.longest > BIG_CELL:
            yield f"{name}.{column.name} holds a text of {column.longest / 1e6:.0f} MB"
        if column.dtype is DType.TEXT and column.filled and _has_nul(store, name, column.name):
            yield f"{name}.{column.name} holds text with NUL characters"
        if column.dtype is DType.TIMESTAMP and column.high is not None and column.high.year >= 9000:
            yield f"{name}.{column.name} holds dates such as {column.high.date()}: 'never' written as a date?"
    deleted = [c.name for c in used if _is_soft_delete(c)]
    if deleted:
        yield (
            f"{name} marks deleted rows in {listing(deleted)}: past predictions cannot see rows as they were "
            "before; set end_time, or ignore the column"
        )
    if table.time_column is not None:
        yield from _about_time(store, facts, table, now)


def steady_span(store: Store, schema: Schema, now: Instant) -> tuple[Instant | None, Instant | None]:
    """From which present on and before which one the warnings would be the same as now; None: no bound."""
    last: list[Instant] = []
    following: list[Instant] = []
    for table in schema.tables:
        if table.ignored or table.time_column is None or not table.rows:
            continue
        moment = as_timestamp(table.time_column, table.column(table.time_column).time_format)
        present = f"make_timestamp({int(now)})"
        before, ahead = store.connection.execute(
            f"SELECT max({moment}) FILTER (WHERE {moment} <= {present}), "
            f"min({moment}) FILTER (WHERE {moment} > {present}) FROM {quote(table.name)}"
        ).fetchall()[0]
        last += [] if before is None else [from_datetime(before)]
        following += [] if ahead is None else [from_datetime(ahead)]
    return max(last, default=None), min(following, default=None)


def _duplicates(store: Store, facts: TableFacts) -> Iterator[str]:
    names = ", ".join(quote(c) for c in facts.columns)
    different = store.connection.execute(
        f"SELECT count(DISTINCT hash({names})) FROM {quote(facts.name)}"
    ).fetchall()[0][0]
    yield f"{facts.name} has no primary key"
    if different < facts.rows:
        again = plural(facts.rows - different, "row")
        yield f"{facts.name}: {again} of {facts.rows:,} repeat another row exactly"


def _flat_columns(table: str, columns: list[ColumnFacts]) -> Iterator[str]:
    empty = [c.name for c in columns if not c.filled and c.dtype is not DType.OTHER]
    constant = [c.name for c in columns if c.filled and c.distinct == 1 and c.rows > 1 and not c.nulls]
    for names, what in ((empty, "only NULL"), (constant, "one value only")):
        if names:
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            yield f"{table}: {listing(names[:8])}{more} {'holds' if len(names) == 1 else 'hold'} {what}"


def _has_nul(store: Store, table: str, column: str) -> bool:
    found = store.connection.execute(
        f"SELECT 1 FROM {quote(table)} WHERE contains({quote(column)}, chr(0)) LIMIT 1"
    ).fetchall()
    return bool(found)


def _is_soft_delete(column: ColumnFacts) -> bool:
    said = set(words(column.name))
    return any(group <= said for group in SOFT_DELETE) and bool(column.filled)


def _about_time(store: Store, facts: TableFacts, table: Table, now: Instant | None) -> Iterator[str]:
    assert table.time_column is not None
    column = facts.columns[table.time_column]
    moment = as_timestamp(column.name, table.column(column.name).time_format)
    here = f"{table.name}.{column.name}"
    if now is not None:
        ahead, last = store.connection.execute(
            f"SELECT count(*), max({moment}) FROM {quote(table.name)} "
            f"WHERE {moment} > make_timestamp({int(now)})"
        ).fetchall()[0]
        if ahead:
            until = format_instant(from_datetime(last))
            yield f"{here}: {plural(ahead, 'row')} lie in the future (up to {until})"
    yield from _long_before(store, table, moment)
    yield from _recorded_late(store, facts, table, moment)
    zero = store.connection.execute(
        f"SELECT count(*) FROM {quote(table.name)} WHERE {moment} = TIMESTAMP '1970-01-01 00:00:00'"
    ).fetchall()[0][0]
    if zero:
        yield f"{here}: {plural(zero, 'row')} at 1970-01-01 00:00:00: a missing time written as 0?"


def _long_before(store: Store, table: Table, moment: str) -> Iterator[str]:
    """A few rows that take up most of the table's time: 1900-01-01 for "unknown"."""
    sound = f"FROM {quote(table.name)} WHERE year({moment}) < 9000"
    first, last = store.connection.execute(
        f"SELECT epoch_us(min({moment})), epoch_us(max({moment})) {sound}"
    ).fetchall()[0]
    dense = quantile(store.connection, f"SELECT epoch_us({moment}) AS v {sound}", SPARSE)
    if dense is None or 2 * (dense - first) <= last - first:
        return
    before = store.connection.execute(
        f"SELECT count(*) FROM {quote(table.name)} WHERE {moment} < make_timestamp({dense})"
    ).fetchall()[0][0]
    yield (
        f"{table.name}.{table.time_column}: {plural(before, 'row')} lie long before the rest, from "
        f"{format_instant(first)} on; history is taken to begin at {format_instant(dense)}"
    )


def _recorded_late(store: Store, facts: TableFacts, table: Table, moment: str) -> Iterator[str]:
    for column in table.columns:
        second = column.semantic is Semantic.TIME and column.name != table.time_column
        if not second or column.ignored or not set(words(facts.bare(column.name))) & RECORDING:
            continue
        recorded = as_timestamp(column.name, column.time_format)
        late, rows, days = store.connection.execute(
            f"SELECT count(*) FILTER (WHERE late > 0), count(*), max(late) FROM (SELECT "
            f"date_diff('day', {moment}, {recorded}) AS late FROM {quote(table.name)}) WHERE late IS NOT NULL"
        ).fetchall()[0]
        if rows and late > LATE_SHARE * rows and table.available_after is None:
            yield (
                f"{table.name}: {plural(late, 'row')} of {rows:,} are recorded later than "
                f"{table.time_column} says, by up to {plural(days, 'day')} ({column.name}): "
                f"set available_after in foretell.toml, or take {column.name} as the time"
            )
