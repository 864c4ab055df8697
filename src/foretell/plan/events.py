"""The events of one path: rows of a table that reach an anchor, each with its time, its rank and its
values.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from foretell.plan import nodes
from foretell.plan.build import ROW, TIME, col, conjunction, greatest, joined_on, table, template
from foretell.plan.nodes import Following, Standing, Until
from foretell.plan.scalar import to_sql
from foretell.schema.model import DType, Hop, Schema


def events(node: nodes.Events, schema: Schema) -> exp.Select:
    """SELECT anchor, t, k, v0, v1, … : one row per event, in the order of k."""
    path = nodes.hops(node.rows)
    aliases = [f"e{i}" for i in range(len(path) + 1)]
    query = exp.select().from_(table(node.table, "e0"))
    for i, follow in enumerate(path):
        on = joined_on(follow.hop.link, aliases[i], aliases[i + 1], schema)
        query = query.join(table(follow.end, aliases[i + 1]), on=on)

    # The anchor's own time bounds nothing here: whoever asks for the anchor has seen it at the cutoff.
    # A step without a bound adds no time: its rows would be read whenever they are from.
    walked: list[nodes.Scan | nodes.Follow | nodes.Latest] = [nodes.base(node.rows), *path[:-1]]
    moments: list[exp.Expr] = [
        col(alias, TIME)
        for alias, step in zip(aliases, walked)
        if schema.is_timed(step.end) and step.until in (Until.CUTOFF, Until.WINDOW)
    ]
    moments += [col("e0", c) for c in node.delays]
    time = greatest(moments)
    plain = moments == [col("e0", TIME)]
    rank: exp.Expr = col("e0", ROW)
    if not plain and moments:
        order = exp.Order(expressions=[time.copy(), col("e0", ROW)])
        rank = exp.Window(this=exp.func("ROW_NUMBER"), order=order)

    query = query.select(
        col(aliases[-1], ROW).as_("anchor"), time.copy().as_("t"), rank.as_("k"), append=False
    )
    joined: dict[tuple[Hop, ...], str] = {(): "e0"}
    for i, read in enumerate(node.inputs):
        if read.following is Following.GAP:
            continue
        if read.within is not None:
            group = standing(read, read.within, node.table, schema).subquery(f"w{i}")
            on = exp.EQ(this=col(f"w{i}", ROW), expression=col("e0", ROW))
            query = query.join(group, on=on, join_type="left").select(col(f"w{i}", "v").as_(f"v{i}"))
            continue
        query, alias = _follow(query, read, joined, time, schema)
        query = query.select(_value(read, alias, time).as_(f"v{i}"), copy=False)
    tests: list[exp.Expr] = [
        exp.Not(this=exp.Is(this=col("e0", c), expression=exp.Null())) for c in node.delays
    ]
    if node.where is not None:
        tests.append(to_sql(node.where, lambda c: col("e0", c.name)))
    made = query.where(conjunction(tests)) if tests else query
    # In time order: sums of doubles are then taken in an order that later rows do not change.
    return followed(made, node.inputs).order_by(exp.column("k"))


def followed(made: exp.Select, inputs: Sequence[nodes.Input]) -> exp.Select:
    """SELECT anchor, t, k, v0, v1, … from events of the same columns: with gaps, which need no column of
    their own there, and with runs in place of the values that they are of.
    """
    if not any(read.following for read in inputs):
        return made
    kept = tuple(col("s", c) for c in ("anchor", "t", "k"))
    numbered, query = exp.select(*kept), exp.select(*(k.copy() for k in kept))
    for i, read in enumerate(inputs):
        v, n, before = (col("s", f"{c}{i}") for c in ("v", "n", "b"))
        found: exp.Expr = v
        if read.following is Following.GAP:
            found = _over(_GAP, t=kept[1])
        else:
            numbered = numbered.select(v, copy=False)
        if read.following is Following.RUN:
            text = read.dtype is DType.TEXT
            kind = v if text else exp.paren(exp.GT(this=v, expression=exp.Literal.number(0)))
            numbered = numbered.select(_over(_COUNT, v=v).as_(f"n{i}"), copy=False)
            numbered = numbered.select(_over(_BEFORE, kind=kind).as_(f"b{i}"), copy=False)
            found = _over(_RUN if text else _SIGNED, v=v, n=n, b=before, kind=kind)
        query = query.select(found.as_(f"v{i}"), copy=False)
    return query.from_(numbered.from_(made.subquery("s")).subquery("s"))


_GAP = "(EPOCH_US(t) - EPOCH_US(LAG(t) OVER (PARTITION BY anchor ORDER BY k))) / 86400000000.0"
_COUNT = "COUNT(v) OVER (PARTITION BY anchor ORDER BY k)"
_BEFORE = "LAG(kind IGNORE NULLS) OVER (PARTITION BY anchor ORDER BY k)"
_BEGINS = "CASE WHEN v IS NOT NULL AND kind IS DISTINCT FROM b THEN n END"
_BEGUN = f"MAX({_BEGINS}) OVER (PARTITION BY anchor ORDER BY k)"
_RUN = f"CASE WHEN v IS NOT NULL THEN CAST(n + 1 - {_BEGUN} AS DOUBLE) END"
_SIGNED = f"CASE WHEN v > 0 THEN 1 WHEN v IS NOT NULL THEN -1 END * {_RUN}"


def _over(text: str, **parts: exp.Expr) -> exp.Expr:
    """A template over the events of one anchor in their order."""
    return template(text, anchor=col("s", "anchor"), k=col("s", "k"), **parts)


def _follow(
    query: exp.Select,
    read: nodes.Input,
    joined: dict[tuple[Hop, ...], str],
    time: exp.Expr,
    schema: Schema,
) -> tuple[exp.Select, str]:
    """Join the parents that an input is read from, each bounded by the event's time."""
    for depth in range(1, len(read.up) + 1):
        path = read.up[:depth]
        if path in joined:
            continue
        alias = f"p{len(joined)}"
        tests = [joined_on(path[-1].link, joined[path[:-1]], alias, schema)]
        if read.until is Until.ROW and schema.is_timed(path[-1].end):
            tests.append(exp.LTE(this=col(alias, TIME), expression=time.copy()))
        query = query.join(table(path[-1].end, alias), on=conjunction(tests), join_type="left")
        joined[path] = alias
    return query, joined[read.up]


_STANDINGS = {
    Standing.EXCESS: "v - total / n",
    Standing.SHARE: "CASE WHEN total > 0 THEN v / total END",
}


def standing(read: nodes.Input, within: nodes.Within, name: str, schema: Schema) -> exp.Select:
    """SELECT __row, v: how each row's number stands in its group, which is of all rows, whatever their
    anchor. Totals are added up in the order of rows.
    """
    tests = [joined_on(within.hop.link, "e", "p", schema)]
    if schema.is_timed(within.hop.end):
        tests.append(exp.LTE(this=col("p", TIME), expression=col("e", TIME)))
    rows = exp.select(col("e", ROW), col("p", ROW).as_("g"), col("e", TIME).as_("t"))
    rows = rows.select(_value(read, "e", col("e", TIME)).as_("v")).from_(table(name, "e"))
    rows = rows.join(table(within.hop.end, "p"), on=conjunction(tests))
    total = template("SUM(v ORDER BY k)", v=exp.column("v"), k=col("m", ROW)).as_("total")
    groups = exp.select("g", "t", exp.func("COUNT", exp.column("v")).as_("n"), total)
    groups = groups.from_(rows.subquery("m")).group_by("g", "t")
    found = template(_STANDINGS[within.how], v=col("m", "v"), total=col("s", "total"), n=col("s", "n"))
    on = exp.and_(*(exp.EQ(this=col("m", c), expression=col("s", c)) for c in ("g", "t")))
    query = exp.select(col("m", ROW), found.as_("v")).from_(rows.copy().subquery("m"))
    return query.join(groups.subquery("s"), on=on)


def _value(read: nodes.Input, alias: str, time: exp.Expr) -> exp.Expr:
    value = to_sql(read.expr, lambda c: col(alias, c.name))
    match read.dtype:
        case DType.BOOLEAN:
            value = template("CAST(CAST(v AS INT) AS DOUBLE)", v=value)
        case DType.INTEGER | DType.FLOAT:
            # Squares of larger values overflow.
            value = template("CASE WHEN ABS(CAST(v AS DOUBLE)) < 1e150 THEN CAST(v AS DOUBLE) END", v=value)
        case DType.TEXT:
            value = exp.cast(value, "VARCHAR")
    if read.known_at is not None:
        known = exp.LTE(this=col(alias, read.known_at), expression=time.copy())
        value = exp.Case().when(known, value)
    return value
