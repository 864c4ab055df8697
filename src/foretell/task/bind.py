"""A query and a schema made into a task: names, paths, types and windows settled, or an error that points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from foretell.core.errors import UsageError
from foretell.core.time import Offset, parse_instant
from foretell.query import ast
from foretell.query.ast import Function
from foretell.query.format import format_expr, format_name
from foretell.schema.model import Column, DType, Schema, Semantic, Table
from foretell.task.aggregates import AggregateBinder, Role
from foretell.task.functions import NUMBERS
from foretell.task.model import BoundAggregate, BoundExpr, Task, TaskKind
from foretell.task.names import Names
from foretell.task.typecheck import WORDS, Checker, Typed, column_type, is_number

MAX_STEPS = 1000


def bind(query: ast.Query, schema: Schema) -> Task:
    """The task that `query` means over `schema`; a QueryError points at what does not fit.

    FOR EACH names the entity table's primary key. Where that key has several columns, any one of them
    stands for the whole key: FOR EACH votes.rcid means each row of votes.
    """
    names = Names(schema, query.text)
    entity, key = _entity(query, names)
    scope = _Scope(names, entity, key)
    target = scope.bind(query.target, Role.TARGET)
    where = scope.condition(query.where, Role.WHERE)
    assuming = scope.condition(query.assuming, Role.ASSUMING)
    kind = _kind(query, names, entity, target)
    _fit_returns(query, names, kind)
    bound = replace(query, entity=key[0], entity_values=_values(query, names, entity, key[1]))
    if not target.aggregates:
        return _static(bound, names, entity, key[1], kind, target, where)
    horizon, gap = _reach(query, names, target, assuming)
    if query.every is not None and query.every.amount <= 0:
        raise names.error("EVERY needs a positive length of time", (0, 0))
    return Task(
        query=bound,
        schema=schema,
        kind=kind,
        entity=entity,
        target=target,
        where=where,
        assuming=assuming,
        horizon=horizon,
        gap=gap,
        step=query.every or horizon,
        as_of=query.as_of,
    )


# ── for whom ──


def _entity(query: ast.Query, names: Names) -> tuple[Table, tuple[ast.Column, tuple[str, ...]]]:
    """The entity table, the FOR EACH column with its names as the schema writes them, and the key columns."""
    written = query.entity
    if not written.table:
        fitting = [t for t in names.schema.tables if not t.ignored and t.primary_key == (written.name,)]
        mend = "write it as customers.customer_id"
        if fitting:
            mend = "write " + " or ".join(
                f"{format_name(t.name)}.{format_name(written.name)}" for t in fitting
            )
        raise names.error(f"found {written.name!r}, expected a table and its key", written.span, mend)
    table = names.table(written.table, written.span, written.schema)
    keys = [f"{format_name(table.name)}.{format_name(c)}" for c in table.primary_key]
    if written.name == "*":
        raise names.error(
            "found '*', expected the key of the table", written.span, f"write {keys[0]}" if keys else None
        )
    column = names.column(table, written.name, written.span)
    resolved = replace(written, table=table.name, name=column.name, schema="")
    if column.name in table.primary_key:
        return table, (resolved, table.primary_key)
    if table.primary_key:
        raise names.error(
            f"{format_expr(resolved)} is not the key of {table.name!r}",
            written.span,
            f"write FOR EACH {keys[0]}",
        )
    if not table.rows:
        raise names.error(
            f"table {table.name!r} is empty",
            written.span,
            "there is nobody to predict for; load its rows first",
        )
    if column.distinct != table.rows:
        raise names.error(
            f"table {table.name!r} has no primary key",
            written.span,
            f'declare one in foretell.toml: primary_key = ["{column.name}"] under this table',
        )
    return table, (resolved, (column.name,))


def _values(
    query: ast.Query, names: Names, entity: Table, key: Sequence[str]
) -> tuple[ast.Literal, ...] | None:
    """The entities named by FOR … = / IN, each checked against the key's type."""
    if query.entity_values is None:
        return None
    if len(key) > 1:
        raise names.error(
            f"the key of {entity.name!r} has {len(key)} columns, so that one value names no single row",
            query.entity_values[0].span,
            "leave the values out and choose rows with WHERE",
        )
    dtype = column_type(entity.column(key[0]))
    return tuple(_value(v, dtype, names) for v in query.entity_values)


def _value(literal: ast.Literal, dtype: DType, names: Names) -> ast.Literal:
    value = literal.value
    if isinstance(value, float) and dtype is DType.INTEGER and value.is_integer():
        return replace(literal, value=int(value))
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        DType.INTEGER: number and isinstance(value, int),
        DType.FLOAT: number,
        DType.TEXT: isinstance(value, str),
        DType.BOOLEAN: isinstance(value, bool),
        DType.TIMESTAMP: isinstance(value, str),
    }.get(dtype, False)
    if not fits:
        mend = None
        if dtype is DType.TEXT and number:
            mend = f"write it in quotes: '{value}'"
        elif dtype in NUMBERS and isinstance(value, str) and is_number(value):
            mend = "write the number without quotes"
        shown = "NULL" if value is None else repr(value)
        raise names.error(f"found {shown}, expected {WORDS[dtype]}, as the key is", literal.span, mend)
    if dtype is DType.TIMESTAMP:
        try:
            parse_instant(str(value))
        except UsageError as error:
            raise names.error(error.message, literal.span, error.mend) from None
    return literal


# ── what ──


@dataclass
class _Scope:
    """Where target, WHERE and ASSUMING stand: the entity's own columns, and aggregates."""

    names: Names
    entity: Table
    key: tuple[ast.Column, tuple[str, ...]]
    aggregates: list[BoundAggregate] = field(default_factory=list)

    def condition(self, expr: ast.Expr | None, role: Role) -> BoundExpr | None:
        """A bound condition: true or false for each (entity, cutoff)."""
        if expr is None:
            return None
        bound = self.bind(expr, role)
        if bound.dtype is not DType.BOOLEAN:
            raise self.names.error(
                f"found {WORDS[bound.dtype]}, expected a condition after {role.value}",
                expr.span,
                "compare it with something, as in … > 0",
            )
        if role is Role.ASSUMING and not bound.aggregates:
            raise self.names.error(
                "found no aggregate in ASSUMING, expected a condition on the future",
                expr.span,
                "a condition on the entity's own columns belongs in WHERE",
            )
        return bound

    def bind(self, expr: ast.Expr, role: Role) -> BoundExpr:
        binder = AggregateBinder(self.names, self.entity, self.key[1], role)
        found: list[BoundAggregate] = []

        def aggregate(node: ast.Aggregate) -> Typed:
            if node.function is Function.LIST_DISTINCT and not (role is Role.TARGET and node is expr):
                raise self.names.error(
                    "LIST_DISTINCT is a list, and stands alone after PREDICT",
                    node.span,
                    "to ask for one value write COUNT(orders.* WHERE item_id = 5, 0, 7, days) > 0",
                )
            bound = binder.bind(node)
            if bound not in found:
                found.append(bound)
            return ast.Column("", f"a{found.index(bound)}", span=node.span), bound.dtype

        checked, dtype = Checker(self.names, self.entity_column, aggregate).visit(expr)
        if dtype is None:
            raise self.names.error("found NULL, expected a value", expr.span)
        return BoundExpr(checked, tuple(found), dtype)

    def entity_column(self, column: ast.Column) -> Typed:
        """A column outside aggregates: one of the entity's own."""
        table = self.names.table(column.table, column.span, column.schema) if column.table else self.entity
        if table.name != self.entity.name:
            raise self.names.error(
                f"{format_expr(column)} belongs to {table.name!r}, not to the entity {self.entity.name!r}",
                column.span,
                f"aggregate it, as in LAST({format_expr(column)}, …), or use one of {self.entity.name!r}",
            )
        if column.name == "*":
            raise self.names.error(
                "found '*', expected a column", column.span, "rows are counted with COUNT(t.*, …)"
            )
        found = self.names.column(table, column.name, column.span)
        return replace(column, table=table.name, name=found.name, schema=""), column_type(found)


def _kind(query: ast.Query, names: Names, entity: Table, target: BoundExpr) -> TaskKind:
    """What kind of task the target makes, and whether the spec fits it."""
    written, spec = query.target, query.spec
    listed = isinstance(written, ast.Aggregate) and written.function is Function.LIST_DISTINCT
    match spec:
        case ast.Rank() | ast.Classify() if not listed:
            word = "RANK TOP" if isinstance(spec, ast.Rank) else "CLASSIFY"
            raise names.error(
                f"{word} needs a list to choose from",
                written.span,
                "write LIST_DISTINCT(orders.item_id, 0, 7, days), or leave it out",
            )
        case ast.Rank():
            return TaskKind.RANKING
        case ast.Classify():
            return TaskKind.MULTILABEL
        case ast.Forecast(steps=steps):
            if target.dtype not in NUMBERS or not target.aggregates:
                raise names.error(
                    "FORECAST needs a number over a window of time",
                    written.span,
                    "as in SUM(sales.qty, 0, 1, days) FORECAST 28 TIMEFRAMES",
                )
            if steps > MAX_STEPS:
                raise names.error(
                    f"FORECAST of {steps:,} steps, expected at most {MAX_STEPS:,}", written.span
                )
            return TaskKind.FORECAST
    if listed:
        raise names.error(
            "LIST_DISTINCT needs to know what to do with the list",
            written.span,
            "add RANK TOP 10 (the likeliest ten) or CLASSIFY (a probability for each)",
        )
    if target.dtype in (DType.TIMESTAMP, DType.OTHER):
        raise names.error(
            f"found {WORDS[target.dtype]}, which cannot be predicted",
            written.span,
            "compare it with a date, or predict a number such as DATE_DIFF('day', …)"
            if target.dtype is DType.TIMESTAMP
            else None,
        )
    column = _predicted_column(names.schema, entity, target)
    if target.dtype is DType.TEXT:
        return TaskKind.MULTICLASS
    if target.dtype is DType.BOOLEAN or (column is not None and column.semantic is Semantic.BOOLEAN):
        return TaskKind.BINARY
    if column is not None and column.semantic in (Semantic.CATEGORICAL, Semantic.IDENTIFIER):
        return TaskKind.MULTICLASS
    return TaskKind.REGRESSION


_SHARES, _RANGES = ("PROBABILITY", "CLASS"), ("QUANTILES", "INTERVAL")
RETURNS = {
    TaskKind.BINARY: _SHARES,
    TaskKind.MULTICLASS: _SHARES,
    TaskKind.RANKING: _SHARES,
    TaskKind.MULTILABEL: _SHARES,
    TaskKind.REGRESSION: _RANGES,
    TaskKind.FORECAST: _RANGES,
}
"""What each kind of task can be asked to return."""


def _fit_returns(query: ast.Query, names: Names, kind: TaskKind) -> None:
    wanted = query.returns
    if wanted is not None and wanted.kind not in RETURNS[kind]:
        what = "a number" if RETURNS[kind] == _RANGES else "true or false, or a class"
        fitting = " or ".join("QUANTILES(0.1, 0.9)" if k == "QUANTILES" else k for k in RETURNS[kind])
        raise names.error(
            f"RETURN {wanted.kind} does not fit the target, which is {what}",
            query.target.span,
            f"write RETURN {fitting.replace('INTERVAL', 'INTERVAL(0.8)')}, or leave it out",
        )


_PICKS = (Function.FIRST, Function.LAST, Function.MODE)


def _predicted_column(schema: Schema, entity: Table, target: BoundExpr) -> Column | None:
    """The one column whose value is predicted as it stands: bare, or picked by FIRST, LAST or MODE."""
    if not isinstance(target.expr, ast.Column):
        return None
    if target.expr.table:
        return entity.column(target.expr.name)
    aggregate = target.aggregates[0]
    if aggregate.function in _PICKS and isinstance(aggregate.value, ast.Column):
        return schema.table(aggregate.table).column(aggregate.value.name)
    return None


def _static(
    query: ast.Query,
    names: Names,
    entity: Table,
    key: Sequence[str],
    kind: TaskKind,
    target: BoundExpr,
    where: BoundExpr | None,
) -> Task:
    """The task of a target made of the entity's own columns."""
    hidden = tuple(dict.fromkeys(c.name for c in target.columns))
    span = query.target.span
    if not hidden:
        raise names.error(
            "found a constant, expected something to predict", span, "name a column or an aggregate"
        )
    for column in target.columns:
        if column.name in key and isinstance(query.target, ast.Column):
            raise names.error(f"{format_expr(column)} is the key and cannot be predicted", span)
    if query.assuming is not None:
        raise names.error(
            "ASSUMING needs a target over a window of time",
            query.assuming.span,
            "leave it out, or put the condition in WHERE",
        )
    if query.every is not None:
        raise names.error("EVERY needs a target over a window of time", span, "leave it out")
    for column in where.columns if where is not None else ():
        if column.name in hidden:
            raise names.error(
                f"WHERE reads {format_expr(column)}, which is to be predicted",
                column.span,
                "rows where it is unknown could never be scored; leave it out of WHERE",
            )
    return Task(
        query=query,
        schema=names.schema,
        kind=kind,
        entity=entity,
        target=target,
        where=where,
        as_of=query.as_of,
        hidden=hidden,
    )


# ── when ──


def _reach(
    query: ast.Query, names: Names, target: BoundExpr, assuming: BoundExpr | None
) -> tuple[Offset, Offset]:
    """(horizon, gap): the far end of everything that looks ahead, and the near end of the target."""
    ahead = target.aggregates + (assuming.aggregates if assuming is not None else ())
    horizon = _farthest(a.end for a in ahead)
    gap = min((a.start for a in target.aggregates), key=lambda o: o.microseconds)
    if isinstance(query.spec, ast.Forecast):
        windows = {(a.start, a.end) for a in target.aggregates}
        if len(windows) > 1:
            raise names.error(
                "FORECAST needs the same window in every aggregate",
                query.target.span,
                "as in (SUM(a.x, 0, 1, days) - SUM(a.y, 0, 1, days)) FORECAST 28 TIMEFRAMES",
            )
        start, end = windows.pop()
        last = Offset(start.amount + query.spec.steps * (end.amount - start.amount), end.unit)
        horizon = _farthest((horizon, last))
    return horizon, gap


def _farthest(ends: Iterable[Offset]) -> Offset:
    return max(ends, key=lambda o: o.microseconds)
