"""When a row's own events begin: the earliest time among the timed rows that point at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from foretell.plan.build import TIME, col, joined_on
from foretell.schema.model import Link, Schema

BEGUN = "begun"


def telling_links(schema: Schema, table: str) -> tuple[Link, ...]:
    """The links by which timed rows point at rows of the table."""
    return tuple(k for k in schema.links_down(table) if k.child != table and schema.is_timed(k.child))


def with_begun(
    query: exp.Select, row: str, links: Sequence[Link], schema: Schema, child: Callable[[Link], exp.Expr]
) -> exp.Select:
    """The query, which selects from prepared rows `row`, with their first event in the column `begun` (NULL:
    none). `child` is what a link's events are read from: their keys and their time.
    """
    firsts: list[exp.Expr] = []
    for place, link in enumerate(links):
        alias = f"g{place}"
        keys = [col("c", c) for c in link.child_columns]
        first = exp.func("MIN", col("c", TIME)).as_(BEGUN)
        events = exp.select(*keys, first).from_(child(link)).group_by(*(k.copy() for k in keys))
        query = query.join(events.subquery(alias), on=joined_on(link, alias, row, schema), join_type="LEFT")
        firsts.append(col(alias, BEGUN))
    return query.select(exp.func("LEAST", *firsts).as_(BEGUN) if firsts else exp.Null().as_(BEGUN))
