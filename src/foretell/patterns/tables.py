"""A sheet of a table: its rows with what was known of each, and with what happened to them.

Attributes are words and yes/no columns of the row and of its parents up to two links away, numbers of
parents, parts of the calendar, and how often and how lately the row's entity had been there before. Outcomes
are the row's own numbers, the shares of its yes/no columns and of its statuses, and what the rows that came
with it amount to (the lines of an order). Keys, identifiers, free text, ignored columns and those that are
known only later are left out. Which values are frequent is settled by rows before the split.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from sqlglot import exp

from foretell.core.time import Instant
from foretell.features.describe import words
from foretell.patterns.clusters import ENOUGH, entity_of, has_repeats, paths_up
from foretell.patterns.columns import columns_of
from foretell.patterns.mine.statement import moment
from foretell.patterns.naming import free, plural_of, singular_of, who_of
from foretell.patterns.planned import Planned
from foretell.patterns.rows import Path, RowsOf, text_of
from foretell.patterns.settle import are_properties, numbered, outcomes_of, settled, told_once
from foretell.patterns.sheet import Bools, Ints, Sheet
from foretell.schema.model import Schema
from foretell.store import Store

ROWS = 600_000  # of a larger table one in so many is read
ANONYMOUS = 0.01  # of rows, that are of nobody known
OUTCOMES = 14
OFTEN, SINCE = "earlier", "days since last"  # columns of facts about the row's entity
ATTRIBUTES = 24
SHARED = "shared with others by "  # columns that are read for errors alone


def table_sheet(
    store: Store, schema: Schema, table: str, split: Instant, *, end: Instant | None = None, rows: int = ROWS
) -> Sheet | None:
    """The sheet of a timed table with rows on both sides of the split, up to `end`; None where it has none.

    Of a table with more than `rows` rows, one in so many is read, chosen by its key.
    """
    cursor = store.cursor()
    paths = paths_to_one(cursor, schema, table)
    made = RowsOf(schema, table)
    about = entity_of(cursor, schema, table, split, paths)
    one_in = -(-schema.table(table).rows // rows)
    query = {"entity": made.key(about)} if about else {"entity": exp.Null()}
    direct = [p for p in paths if len(p) == 1 and p != about[:1] and made.can_reach(p)]
    shared = {f"{SHARED}{k}": made.key(p) for k, p in enumerate(direct)}
    planned = list(columns_of(cursor, schema, made, paths, about, split))
    inner = _select(made, {**query, **{p.name: p.value for p in planned}}, end, one_in)
    beside = _select(made, {**query, **shared, **{p.name: p.value for p in planned}}, end, one_in)
    often = ""
    if about and one_in == 1:
        inner, facts = _with_facts(inner, schema, table, about)
        beside, _ = _with_facts(beside, schema, table, about)
        planned += facts
        often = facts[0].name
    found = cursor.sql(f"SELECT * FROM (\n{text_of(beside)}\n) ORDER BY ALL").to_arrow_table()
    times = np.asarray(found["time"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy())
    early = times < split
    if not early.any() or early.all():
        return None
    if found["entity"].null_count > ANONYMOUS * len(times):  # no row before would mean two things
        planned = [p for p in planned if p.name != often]
    shown = [settled(p, found[p.name], early) for p in planned]
    properties = are_properties(planned, shown, early)
    attributes = [
        a for p, (a, _) in zip(planned, shown) if a is not None and (p.attribute or p.name in properties)
    ]
    attributes = told_once(attributes, times, early)[:ATTRIBUTES]
    entities = numbered(found["entity"])
    outcomes = list(outcomes_of(planned, shown, attributes, entities, early))[:OUTCOMES]
    kept = {a.name for a in attributes}
    named = {a.name: v for a, v in shown if a is not None and v is not None and a.name in kept}
    final = {o.name: v for o, v in outcomes}
    outer = exp.select('"time"', "entity", dialect="duckdb").from_(inner.subquery("s"))
    for name, value in {**named, **final}.items():
        outer = outer.select(value.as_(name, quoted=True))
    titled = words(table)
    return Sheet(
        name=table,
        title=titled if one_in == 1 else f"sampled {titled}",
        times=times,
        entities=entities,
        attributes=tuple(attributes),
        outcomes=tuple(o for o, _ in outcomes),
        split=split,
        source=text_of(outer),
        preamble=utc(schema),
        who=plural_of(who_of(schema, about)) if about else "",
        others=shared_by(found, early),
    )


def shared_by(found: pa.Table, early: Bools) -> tuple[Ints, ...]:
    """Numbers of the other parents that rows repeat, where they are enough to resample from."""
    held = []
    for name in found.column_names:
        if not name.startswith(SHARED):
            continue
        codes = numbered(found[name])
        counts = np.bincount(codes[early])
        counts = counts[counts > 0].astype(np.float64)
        if counts.sum() > 1.5 * len(counts) and counts.sum() ** 2 / (counts @ counts) >= ENOUGH:
            held.append(codes)
    return tuple(held)


def utc(schema: Schema) -> str:
    """What makes times with a zone read as UTC; nothing where there are none."""
    zoned = any(
        "zone" in c.native.lower() or "tz" in c.native.lower() for t in schema.tables for c in t.columns
    )
    return "SET TimeZone = 'UTC';" if zoned else ""


def paths_to_one(cursor: Any, schema: Schema, table: str) -> list[Path]:
    """The ways up by which a row has one parent at most."""
    repeated = {
        k.name for k in schema.active_links if has_repeats(cursor, schema, k.parent, k.parent_columns)
    }
    return [p for p in paths_up(schema, table) if not any(k.name in repeated for k in p)]


def _select(made: RowsOf, columns: dict[str, exp.Expr], end: Instant | None, one_in: int) -> exp.Select:
    query = made.select(columns)
    if end is not None:
        until: exp.Expr = exp.maybe_parse(moment(end), dialect="duckdb")
        query = query.where(exp.LTE(this=made.time.copy(), expression=until))
    return made.sampled(query, one_in) if one_in > 1 else query


def _with_facts(
    inner: exp.Select, schema: Schema, table: str, about: Path
) -> tuple[exp.Select, list[Planned]]:
    """The rows with how often and how lately their entity had been there before."""
    taken = {s.alias_or_name.casefold() for s in inner.selects}
    who, many, what = who_of(schema, about), words(table), singular_of(words(table))
    often, since = free(OFTEN, taken), free(SINCE, taken)
    known = "CASE WHEN entity IS NOT NULL THEN {} END"
    window = 'OVER (PARTITION BY entity ORDER BY "time")'
    last = 'max("time") OVER (PARTITION BY entity ORDER BY "time" RANGE UNBOUNDED PRECEDING EXCLUDE GROUP)'
    facts = {
        often: known.format(f"CAST(rank() {window} - 1 AS DOUBLE)"),
        since: known.format(f'(epoch_us("time") - epoch_us({last})) / 86400000000'),
    }
    query = exp.select(exp.Star()).from_(inner.subquery("r"))
    for name, text in facts.items():
        query = query.select(exp.maybe_parse(text, dialect="duckdb").as_(name, quoted=True))
    titles = (f"earlier {many} of the same {who}", f"days since the same {who}'s last {what}")
    return query, [
        Planned(name, title, table, exp.Null(), False) for name, title in zip((often, since), titles)
    ]
