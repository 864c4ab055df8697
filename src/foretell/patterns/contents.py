"""What came with a row: the lines of an order, the balls of a match, as numbers that the row amounts to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from foretell.core.time import Instant
from foretell.features.describe import words
from foretell.patterns.mine.statement import moment
from foretell.patterns.naming import free, is_number_of_a_thing
from foretell.patterns.planned import Planned
from foretell.patterns.positions import positions
from foretell.patterns.rows import RowsOf, text_of
from foretell.plan.build import col, joined_on, raw, template
from foretell.schema.model import Link, Schema, Semantic

CHILDREN = 3
NUMBERS = 3  # of each
AT_ONCE = 0.99  # of early rows below, that have the time of the row that they point at


def contents(cursor: Any, schema: Schema, made: RowsOf, split: Instant, taken: set[str]) -> Iterator[Planned]:
    """The number of rows below that came at the row's own time, and the totals of their numbers."""
    links = [k for k in schema.links_down(made.table) if k.child != made.table]
    for place, link in enumerate([k for k in links if came_with(cursor, schema, k, split)][:CHILDREN]):
        alias, child = f"c{place}", schema.table(link.child)
        keys = {c for k in schema.links if k.child == link.child for c in k.child_columns}
        keys |= positions(cursor, schema, link.child, split)
        numbers = [
            c.name
            for c in child.columns
            if c.semantic is Semantic.NUMERIC
            and not c.ignored
            and c.known_at is None
            and c.name not in keys
            and not is_number_of_a_thing(c.name)
        ][:NUMBERS]
        query = exp.select(*(col("e", c) for c in link.child_columns), exp.func("COUNT", exp.Star()).as_("n"))
        for i, number in enumerate(numbers):
            value = exp.TryCast(this=col("e", number), to=exp.DataType.build("DOUBLE"))
            query = query.select(exp.func("SUM", value).as_(f"s{i}"))
        query = query.from_(raw(link.child, "e")).group_by(*(col("e", c) for c in link.child_columns))
        made.join(query.subquery(alias), joined_on(link, alias, "t", schema))
        lines = words(link.child)
        count = template("CAST(COALESCE(v, 0) AS DOUBLE)", v=exp.column("n", table=alias))
        yield Planned(
            free(f"{link.child} count", taken),
            f"number of {lines}",
            link.child,
            count,
            False,
            outcome=True,
            attribute=False,
        )
        for i, number in enumerate(numbers):
            total = exp.column(f"s{i}", table=alias)
            name = free(f"{link.child} {number}", taken)
            title = f"total {words(number)} of {lines}"
            yield Planned(name, title, link.child, total, False, outcome=True, attribute=False)


def is_first_seen(cursor: Any, schema: Schema, table: str) -> bool:
    """Whether a table's time is that of the first row that points at it: a thing that was seen, no event."""
    source = schema.table(table)
    if source.time_column is None:
        return False
    for link in schema.links_down(table):
        if link.child == table or schema.table(link.child).time_column is None:
            continue
        rows = RowsOf(schema, link.child)
        asked = text_of(
            rows.select({"theirs": rows.value((link,), source.time_column), "k": rows.key((link,))})
        )
        firsts = (
            f'WITH sheet AS (\n{asked}\n), firsts AS (SELECT min("time") = any_value(theirs) AS same,\n'
            'count(*) FILTER ("time" <> theirs) AS after FROM sheet WHERE theirs IS NOT NULL GROUP BY k)\n'
            "SELECT count(*), count(*) FILTER (same), count(*) FILTER (after > 0) FROM firsts"
        )
        ((parents, same, later),) = cursor.execute(firsts).fetchall()
        if parents and same >= AT_ONCE * parents and later >= 0.1 * parents:
            return True
    return False


def came_with(cursor: Any, schema: Schema, link: Link, split: Instant) -> bool:
    """Whether rows that point at a parent come with it: their time is its, but for a few."""
    child, parent = schema.table(link.child), schema.table(link.parent)
    path = schema.time_path(link.child)
    if path is None or parent.time_column is None:
        return False
    if path[0] and path[0][0].link == link:
        return child.available_after is None
    rows = RowsOf(schema, link.child)
    if path[0]:
        return False
    source = text_of(rows.select({"theirs": rows.value((link,), parent.time_column)}))
    counted = (
        f'WITH sheet AS (\n{source}\n) SELECT count(*), count(*) FILTER ("time" = theirs) FROM sheet\n'
        f'WHERE CAST("time" AS TIMESTAMP) < {moment(split)}'
    )
    ((total, same),) = cursor.execute(counted).fetchall()
    return bool(total and same >= AT_ONCE * total)
