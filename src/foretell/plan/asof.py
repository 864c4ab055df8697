"""What is known of an entity and its parents at a cutoff, and the cutoff's own calendar, as SQL."""

from __future__ import annotations

from sqlglot import exp

from foretell.core.time import Offset
from foretell.plan import nodes
from foretell.plan.build import ROW, TIME, after, col, conjunction, joined_on, table, template
from foretell.plan.nodes import Until
from foretell.schema.model import DType, Schema


def from_rows(relation: nodes.Relation, rows: str, schema: Schema) -> tuple[exp.Select, str]:
    """FROM the rows (row, entity, cutoff) to the relation's end; each step bounded as it says."""
    scan = nodes.base(relation)
    query: exp.Select = exp.select().from_(table(rows, "r"))
    tests: list[exp.Expr] = [exp.EQ(this=col("r", "entity"), expression=col("a0", ROW))]
    query = query.join(table(scan.table, "a0"), on=_bounded(tests, scan, "a0", schema), join_type="left")
    alias = "a0"
    for i, follow in enumerate(nodes.hops(relation), start=1):
        if isinstance(follow, nodes.Latest):
            query = _latest(query, follow, alias, i, schema)
            alias = f"a{i}"
            continue
        tests = [joined_on(follow.hop.link, alias, f"a{i}", schema)]
        alias = f"a{i}"
        query = query.join(
            table(follow.end, alias), on=_bounded(tests, follow, alias, schema), join_type="left"
        )
    return query, alias


def _latest(query: exp.Select, step: nodes.Latest, parent: str, i: int, schema: Schema) -> exp.Select:
    """Join the latest visible row that points at `parent`'s. Rows of one instant are first thinned to their
    last by rank, so that the as-of join, which knows no ties, has none.
    """
    link = step.hop.link
    keys = [col("e", c) for c in link.child_columns]
    thinned = exp.select(*keys, col("e", TIME), exp.func("MAX", col("e", ROW)).as_(ROW, quoted=True))
    thinned = thinned.from_(table(step.end, "e")).group_by(*(k.copy() for k in keys), col("e", TIME))
    tests: list[exp.Expr] = [joined_on(link, f"l{i}", parent, schema)]
    join = exp.Join(this=thinned.subquery(f"l{i}"), method="ASOF", side="LEFT")
    join.set("on", _bounded(tests, step, f"l{i}", schema))
    query.append("joins", join)
    on = exp.EQ(this=col(f"a{i}", ROW), expression=col(f"l{i}", ROW))
    return query.join(table(step.end, f"a{i}"), on=on, join_type="left")


def _bounded(
    tests: list[exp.Expr], step: nodes.Scan | nodes.Follow | nodes.Latest, alias: str, schema: Schema
) -> exp.Expr:
    if step.until is Until.CUTOFF and schema.is_timed(step.end):
        tests = [*tests, exp.LTE(this=col(alias, TIME), expression=col("r", "cutoff"))]
    return conjunction(tests)


def anchors(relation: nodes.Relation, rows: str, schema: Schema, ago: Offset | None = None) -> exp.Select:
    """SELECT row, anchor, cutoff: the anchor row that each row's events point at, where it is visible.

    The cutoffs given are those until which events are read: `ago` before the rows' own.
    """
    cutoff = col("r", "cutoff")
    until = (cutoff if ago is None else after(cutoff, -ago)).as_("cutoff")
    if isinstance(relation, nodes.Scan):
        return exp.select(col("r", "row"), col("r", "entity").as_("anchor"), until).from_(table(rows, "r"))
    query, alias = from_rows(relation, rows, schema)
    anchor = col(alias, ROW)
    return query.select(col("r", "row"), anchor.as_("anchor"), until).where(
        exp.Not(this=exp.Is(this=anchor.copy(), expression=exp.Null()))
    )


def asof(node: nodes.AsOf, rows: str, schema: Schema) -> exp.Select:
    """SELECT row, outputs."""
    query, alias = from_rows(node.source, rows, schema)
    query = query.select(col("r", "row"))
    for read in node.outputs:
        value: exp.Expr = col(alias, read.column)
        known = read.known_at
        if read.age:
            value = template(
                "CASE WHEN v <= cutoff THEN (EPOCH(cutoff) - EPOCH(v)) / 86400.0 END",
                v=value,
                cutoff=col("r", "cutoff"),
            )
        elif read.dtype is DType.BOOLEAN:
            value = template("CAST(CAST(v AS INT) AS DOUBLE)", v=value)
        elif read.dtype in (DType.INTEGER, DType.FLOAT):
            value = exp.cast(value, "DOUBLE")
        else:
            value = exp.cast(value, "VARCHAR")
        if known is not None:
            value = exp.Case().when(exp.LTE(this=col(alias, known), expression=col("r", "cutoff")), value)
        query = query.select(value.as_(read.name, quoted=True), copy=False)
    return query


_PARTS = {
    "month": "CAST(EXTRACT(MONTH FROM cutoff) AS DOUBLE)",
    "weekday": "CAST(EXTRACT(ISODOW FROM cutoff) AS DOUBLE)",
    "day": "CAST(EXTRACT(DAY FROM cutoff) AS DOUBLE)",
    "hour": "CAST(EXTRACT(HOUR FROM cutoff) AS DOUBLE)",
    "year_day": "CAST(EXTRACT(DOY FROM cutoff) AS DOUBLE)",
}
CALENDAR_PARTS = tuple(_PARTS)


def calendar(node: nodes.Calendar, rows: str) -> exp.Select:
    """SELECT row, parts of the cutoff."""
    query = exp.select(col("r", "row")).from_(table(rows, "r"))
    for name, part in node.outputs:
        query = query.select(template(_PARTS[part], cutoff=col("r", "cutoff")).as_(name, quoted=True))
    return query
