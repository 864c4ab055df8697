"""Labels as SQL: the population at each cutoff, aggregates in their windows, and the formula over them."""

from __future__ import annotations

from sqlglot import exp

from foretell.core.time import Window
from foretell.plan import nodes
from foretell.plan.build import ROW, TIME, after, col, conjunction, table, template
from foretell.plan.nodes import Until
from foretell.plan.scalar import finite, to_sql
from foretell.query import ast
from foretell.query.ast import Function
from foretell.schema.model import DType, Schema

_EMPTY_ZERO = {
    Function.COUNT: exp.Literal.number(0),
    Function.COUNT_DISTINCT: exp.Literal.number(0),
    Function.SUM: exp.Literal.number(0),
    Function.EXISTS: exp.false(),
}

_FUNCTIONS = {
    Function.COUNT: "COUNT(v)",
    Function.COUNT_DISTINCT: "COUNT(DISTINCT v)",
    # Sums of doubles are taken in the events' order, whatever the number of threads.
    Function.SUM: "SUM(v ORDER BY k)",
    Function.AVG: "SUM(v ORDER BY k) / NULLIF(COUNT(v), 0)",
    Function.MIN: "MIN(v)",
    Function.MAX: "MAX(v)",
    Function.FIRST: "ARG_MIN(v, k)",
    Function.LAST: "ARG_MAX(v, k)",
    Function.EXISTS: "COUNT(*) > 0",
    Function.MEDIAN: "MEDIAN(v)",
    Function.STDDEV: "STDDEV_SAMP(v ORDER BY k)",
    Function.QUANTILE: "QUANTILE_CONT(v, q)",
    Function.MODE: "MODE(v)",
    Function.LIST_DISTINCT: "LIST(DISTINCT v ORDER BY v) FILTER (v IS NOT NULL)",
}


def population(target: nodes.Target, cutoffs: str, schema: Schema, entities: str | None = None) -> exp.Select:
    """SELECT entity, cutoff, asked: who exists at each cutoff of the table `cutoffs` (cutoff).

    `asked` is that cutoff; a static target's row has a cutoff of its own, before its own time. `entities` is
    the table of the entities' rows, where it is called otherwise than the table itself.
    """
    name = target.population.table
    rows = table(entities or name, "e")
    bounded = schema.is_timed(name) and target.population.until in (Until.CUTOFF, Until.OWN)
    if target.horizon is None:
        moment: exp.Expr = col("c", "cutoff")
        if bounded:
            moment = exp.Sub(
                this=col("e", TIME), expression=exp.Interval(this="1", unit=exp.Var(this="MICROSECOND"))
            )
        query = exp.select(col("e", ROW).as_("entity"), moment.as_("cutoff"), col("c", "cutoff").as_("asked"))
        query = query.from_(rows)
        query = query.join(table(cutoffs, "c"), join_type="cross")
        if bounded:
            query = query.where(exp.LTE(this=col("e", TIME), expression=col("c", "cutoff")))
        return query
    query = exp.select(col("e", ROW).as_("entity"), col("c", "cutoff"), col("c", "cutoff").as_("asked"))
    query = query.from_(rows)
    query = query.join(table(cutoffs, "c"), join_type="cross")
    tests: list[exp.Expr] = []
    if bounded:
        tests.append(exp.LTE(this=col("e", TIME), expression=col("c", "cutoff")))
    if target.end_time is not None:
        tests.append(
            template(
                "ended IS NULL OR ended > cutoff", ended=col("e", target.end_time), cutoff=col("c", "cutoff")
            )
        )
        tests[-1] = exp.paren(tests[-1])
    return query.where(conjunction(tests)) if tests else query


def aggregated(node: nodes.TargetAggregate, events: str, rows: str, *, grid: str | None) -> exp.Select:
    """SELECT entity, cutoff, value: one aggregate for each (entity, cutoff) that has an event in its window.

    With a `grid` table (cutoff) the events meet the few cutoffs first; otherwise each row's own.
    """
    value = "v0"
    names: dict[str, exp.Expr] = {"v": col("e", value), "k": col("e", "k")}
    if node.parameter is not None:
        names["q"] = exp.Literal.number(repr(node.parameter))
    text = _FUNCTIONS[node.function]
    if not node.events.inputs and node.function is Function.COUNT:
        text = "COUNT(*)"
    if node.function is Function.MODE:
        return _mode(node, events, rows, grid)
    query = exp.select(
        col("e", "anchor").as_("entity"), col("c", "cutoff"), template(text, **names).as_("value")
    )
    query = _met(query, node.window, events, rows, grid)
    return query.group_by(col("e", "anchor"), col("c", "cutoff"))


def _met(query: exp.Select, window: Window, events: str, rows: str, grid: str | None) -> exp.Select:
    """Events joined with the cutoffs in whose window they lie."""
    tests: list[exp.Expr] = []
    if window.start.finite:
        tests.append(exp.GT(this=col("e", "t"), expression=after(col("c", "cutoff"), window.start)))
    if window.end.finite:
        tests.append(exp.LTE(this=col("e", "t"), expression=after(col("c", "cutoff"), window.end)))
    if grid is None:
        tests.insert(0, exp.EQ(this=col("e", "anchor"), expression=col("c", "entity")))
    return query.from_(table(events, "e")).join(table(grid or rows, "c"), on=conjunction(tests))


def _mode(node: nodes.TargetAggregate, events: str, rows: str, grid: str | None) -> exp.Select:
    """The most frequent value, the smallest of equals: engines differ on ties, so it is spelled out."""
    keys = [col("e", "anchor"), col("c", "cutoff"), col("e", "v0")]
    counted = exp.select(
        keys[0].as_("entity"), keys[1].copy(), keys[2].as_("value"), exp.func("COUNT", exp.Star()).as_("n")
    )
    counted = _met(counted, node.window, events, rows, grid)
    counted = counted.where(exp.Not(this=exp.Is(this=col("e", "v0"), expression=exp.Null())))
    counted = counted.group_by(*(k.copy() for k in keys))
    order = exp.Order(expressions=[exp.Ordered(this=col("m", "n"), desc=True), col("m", "value")])
    place = exp.Window(
        this=exp.func("ROW_NUMBER"), partition_by=[col("m", "entity"), col("m", "cutoff")], order=order
    )
    ranked = exp.select(exp.Star(), place.as_("place")).from_(counted.subquery("m"))
    return (
        exp.select(col("p", "entity"), col("p", "cutoff"), col("p", "value"))
        .from_(ranked.subquery("p"))
        .where(exp.EQ(this=col("p", "place"), expression=exp.Literal.number(1)))
    )


def labelled(
    target: nodes.Target, rows: str, values: dict[int, str], schema: Schema, entities: str | None = None
) -> exp.Select:
    """SELECT entity, cutoff, label, chosen, assumed for the rows of the population, in a fixed order.

    `values` are the tables of the aggregates by index; a formula whose aggregates were not made is NULL.
    `chosen` is what WHERE says, `assumed` what ASSUMING says (TRUE where the query has none; NULL counts as
    FALSE). `entities` is as in `population`.
    """
    query = exp.select(col("r", "entity"), col("r", "cutoff")).from_(table(rows, "r"))
    query = query.join(
        table(entities or target.population.table, "e"),
        on=exp.EQ(this=col("e", ROW), expression=col("r", "entity")),
        join_type="left",
    )
    for i, name in values.items():
        on = conjunction(
            [
                exp.EQ(this=col(f"a{i}", "entity"), expression=col("r", "entity")),
                exp.EQ(this=col(f"a{i}", "cutoff"), expression=col("r", "cutoff")),
            ]
        )
        query = query.join(table(name, f"a{i}"), on=on, join_type="left")

    def resolve(column: ast.Column) -> exp.Expr:
        if not column.table:
            index = int(column.name[1:])
            if index not in values:
                return exp.Null()
            value = col(f"a{index}", "value")
            empty = _EMPTY_ZERO.get(target.aggregates[index].function)
            return exp.func("COALESCE", value, empty.copy()) if empty is not None else value
        return col("e", column.name)

    def known(column: ast.Column) -> exp.Expr:
        value = resolve(column)
        at = schema.table(column.table).column(column.name).known_at if column.table else None
        if at is None:
            return value
        return exp.Case().when(exp.LTE(this=col("e", at), expression=col("r", "asked")), value)

    def holds(formula: nodes.Formula | None, resolver: object) -> exp.Expr:
        if formula is None:
            return exp.true()
        return exp.func("COALESCE", to_sql(formula.expr, resolver), exp.false())  # type: ignore[arg-type]

    label = to_sql(target.target.expr, known)
    if target.target.dtype is DType.FLOAT:
        label = finite(label)
    return query.select(
        label.as_("label"),
        holds(target.where, known).as_("chosen"),
        holds(target.assuming, resolve).as_("assumed"),
    ).order_by(col("r", "cutoff"), col("r", "entity"))
