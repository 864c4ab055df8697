"""Aggregates of aggregates as SQL: what each member comes to by rings, and then, with each member an event of
the row that sees it, the outer measures by rings again.
"""

from __future__ import annotations

from sqlglot import exp

from foretell.plan import nodes, rings
from foretell.plan.build import col, create, table, template
from foretell.plan.measures import MEASURES


def nested(
    node: nodes.Nested, name: str, members: str, events: str, rows: str, stretches: str | None
) -> rings.Script:
    """The SQL of a nested aggregate, for the table `rows` (row, anchor, cutoff).

    `members` and `events` are tables of the events of the node's own and of its inner aggregate. `name`
    prefixes the tables that are created; `stretches` divides time for the inner aggregate, as in
    `rings.aggregate`.
    """
    pairs, values, own = f"{name}_pairs", f"{name}_valued", f"{name}_own"
    inner = rings.aggregate(node.inner, f"{name}_inner", events, pairs, stretches)
    outer = rings.aggregate(node, f"{name}_outer", values, own, None)
    found = {f"{name}_of{i}": query for i, query in enumerate(inner.queries)}
    statements = (
        create(pairs, _pairs(members, rows)),
        *inner.statements,
        *(create(made, query) for made, query in found.items()),
        create(values, _valued(node.inner, pairs, found)),
        create(own, rings.own(rows)),
        *outer.statements,
    )
    return rings.Script(statements, outer.queries)


def _pairs(members: str, rows: str) -> exp.Select:
    """SELECT row, anchor, cutoff, owner, t: each member that a row sees, as a row with the member as anchor.

    A member is its table's row of rank k: nothing but its own time orders it.
    """
    order = exp.Order(expressions=[col("r", "row"), col("m", "k")])
    return (
        exp.select(
            exp.Window(this=exp.func("ROW_NUMBER"), order=order).as_("row"),
            col("m", "k").as_("anchor"),
            col("r", "cutoff"),
            col("r", "row").as_("owner"),
            col("m", "t"),
        )
        .from_(table(members, "m"))
        .join(table(rows, "r"), on=rings.visible("m", "t"))
        .order_by(exp.column("row"))
    )


def _valued(node: nodes.Aggregate, pairs: str, found: dict[str, exp.Select]) -> exp.Select:
    """SELECT anchor, t, k, v0, v1, ...: each pair as an event of its row, with the inner outputs."""
    query = exp.select(col("p", "owner").as_("anchor"), col("p", "t"), col("p", "row").as_("k"))
    query = query.from_(table(pairs, "p"))
    place: dict[str, exp.Expr] = {}
    for i, (made, outputs) in enumerate(found.items()):
        alias = f"f{i}"
        on = exp.EQ(this=col(alias, "row"), expression=col("p", "row"))
        query = query.join(table(made, alias), on=on, join_type="left")
        place |= {s.alias_or_name: col(alias, s.alias_or_name) for s in outputs.selects}
    for i, output in enumerate(node.outputs):
        value = place[output.name]
        if MEASURES[output.measure].empty is not None:
            value = exp.func("COALESCE", value, exp.Literal.number(0))
        # As of values that are read: squares of larger ones overflow.
        value = template("CASE WHEN ABS(v) < 1e150 THEN CAST(v AS DOUBLE) END", v=value)
        query = query.select(value.as_(f"v{i}"), copy=False)
    return query.order_by(exp.column("k"))
