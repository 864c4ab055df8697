"""What entities go through: events of several types in a stream, and how long until the next row of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from sqlglot import exp

from foretell.core.time import Instant
from foretell.features.describe import words
from foretell.patterns.clusters import has_repeats
from foretell.patterns.contents import came_with
from foretell.patterns.mine.inputs import Durations, Stream
from foretell.patterns.mine.statement import equals, moment
from foretell.patterns.naming import singular_of
from foretell.patterns.rows import RowsOf, text_of
from foretell.patterns.settle import numbered
from foretell.patterns.sheet import Sheet
from foretell.schema.model import Link, Schema, Semantic

EVENTS = 1_000_000
STATUSES = 4  # of a column that tells types of events apart
TYPES = 12
LEAST_ENTITIES = 30
LEAST_EVENTS = 100  # of a type, before the split
NEXT = (
    '(min("time") OVER (PARTITION BY entity ORDER BY "time"\n'
    "RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING EXCLUDE GROUP))"
)


def stream_of(cursor: Any, schema: Schema, entity: str, split: Instant, end: Instant) -> Stream | None:
    """The events of all timed tables that point at an entity; None where they are of one type."""
    links: dict[str, Link] = {}
    for link in schema.links_down(entity):
        child = schema.table(link.child)
        if schema.is_timed(link.child) and link.child not in links and child.rows <= EVENTS:
            links[link.child] = link
    if not links or any(has_repeats(cursor, schema, entity, k.parent_columns) for k in links.values()):
        return None
    links = {name: k for name, k in links.items() if not _told_by_others(cursor, schema, name, links, split)}
    parts = [_events(cursor, schema, link, split, end) for link in links.values()]
    source = "\nUNION ALL\n".join(part for part, _ in parts)
    labels = {type_: label for _, told in parts for type_, label in told.items()}
    if not 2 <= len(labels) <= TYPES:
        return None
    known = (
        f'SELECT * FROM (\n{source}\n) WHERE entity IS NOT NULL AND type IS NOT NULL ORDER BY "time", type'
    )
    found = cursor.sql(known).to_arrow_table()
    entities = numbered(found["entity"])
    if found.num_rows > EVENTS or len(np.unique(entities)) < LEAST_ENTITIES:
        return None
    types = tuple(labels)
    place = {t: i for i, t in enumerate(types)}
    codes = np.array([place[t] for t in found["type"].to_pylist()], dtype=np.int32)
    times = np.asarray(found["time"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy())
    return Stream(entity, words(entity), times, entities, codes, types, tuple(labels.values()), split, source)


def _told_by_others(
    cursor: Any, schema: Schema, name: str, among: Mapping[str, Link], split: Instant
) -> bool:
    """Whether a table's events come with those of another, or are themselves what others point at."""
    with_another = any(
        k.parent in among and came_with(cursor, schema, k, split) for k in schema.links_up(name)
    )
    pointing = (k for k in schema.links_down(name) if k.child in among and k.child != name)
    return with_another or any(not came_with(cursor, schema, k, split) for k in pointing)


def _events(
    cursor: Any, schema: Schema, link: Link, split: Instant, end: Instant
) -> tuple[str, dict[str, str]]:
    """The SELECT of one table's events, and its types with their English."""
    table = schema.table(link.child)
    rows = RowsOf(schema, link.child)
    key: dict[str, exp.Expr] = {"entity": exp.cast(rows.key((link,)), "VARCHAR")}
    what = singular_of(words(link.child))
    until = exp.LTE(this=rows.time.copy(), expression=exp.maybe_parse(moment(end), dialect="duckdb"))
    telling = [
        c
        for c in table.columns
        if c.semantic is Semantic.CATEGORICAL
        and not c.ignored
        and c.known_at in (None, table.time_column)
        and c.distinct is not None
        and 2 <= c.distinct <= STATUSES
    ]
    for column in telling:
        read = {**key, "held": exp.cast(rows.value((), column.name), "VARCHAR")}
        source = text_of(rows.select(read).where(until.copy()))
        counted = (
            f"WITH sheet AS (\n{source}\n) SELECT held, count(*) FROM sheet WHERE held IS NOT NULL AND\n"
            f'CAST("time" AS TIMESTAMP) < {moment(split)} GROUP BY held ORDER BY held'
        )
        values = [value for value, n in cursor.execute(counted).fetchall() if n >= LEAST_EVENTS]
        if len(values) < 2:
            continue
        types = {f"{link.child}: {v}": f"{_article(what)} with {words(column.name)} {v}" for v in values}
        cases = " ".join(
            f"WHEN {equals('held', v)} THEN {exp.Literal.string(t).sql(dialect='duckdb')}"
            for v, t in zip(values, types)
        )
        return f'SELECT "time", entity, CASE {cases} END AS type\nFROM (\n{source}\n)', types
    type_ = exp.Literal.string(link.child)
    return text_of(rows.select({**key, "type": type_}).where(until)), {link.child: _article(what)}


def _article(what: str) -> str:
    """
    >>> _article("order"), _article("late delivery")
    ('an order', 'a late delivery')
    """
    return f"{'an' if what[:1] in 'aeiou' else 'a'} {what}"


def durations_of(
    sheet: Sheet, cursor: Any, who: str, what: str, end: Instant, busy: frozenset[str] = frozenset()
) -> Durations | None:
    """How long until the next row of the same entity, from each row on; None where that says little.

    `who` and `what` are an entity and a row in English. The sheet must have all rows of its table. `busy` are
    attributes that tell how often an entity comes: that those who come often come again soon is no news.
    """
    wait = f'(epoch_us({NEXT}) - epoch_us("time")) / 86400000000'
    asked = f'SELECT "time", entity, {wait} AS "days"\nFROM (\n{sheet.source}\n)'
    found = cursor.sql(f'SELECT * FROM (\n{asked}\n) ORDER BY "time", entity').to_arrow_table()
    has_entity = np.asarray(found["entity"].is_valid().to_numpy(), dtype=np.bool_)
    days = np.asarray(found["days"].cast(pa.float64()).fill_null(np.nan).to_numpy(), dtype=np.float64)
    days = days[has_entity]
    known = days[np.isfinite(days)]
    if len(known) < 500 or np.median(known) < 1 or len(known) < 0.2 * len(days):
        return None
    return Durations(
        name=sheet.name,
        title=sheet.title,
        event=f"the same {who}'s next {what}",
        times=sheet.times[has_entity],
        entities=sheet.entities[has_entity],
        days=days,
        attributes=tuple(a.take(has_entity) for a in sheet.attributes if a.name not in busy),
        split=sheet.split,
        end=end,
        source=f'SELECT *, {wait} AS "days"\nFROM (\n{sheet.source}\n)\nWHERE entity IS NOT NULL',
        preamble=sheet.preamble,
    )
