"""A query's tree as canonical text: a clause a line, quotes and brackets only where needed."""

from __future__ import annotations

import math

from foretell.core.time import Offset, format_instant
from foretell.query import ast
from foretell.query.expressions import COMPARE, LEVELS, TIGHT
from foretell.query.tokens import is_plain_name


def format_query(query: ast.Query) -> str:
    """The query in the one way foretell writes it; parsing the result gives the same tree.

    >>> from foretell.query.parser import parse
    >>> print(format_query(parse("predict count(orders.*,0,30)=0 for each customers.id")))
    PREDICT COUNT(orders.*, 0, 30, days) = 0
    FOR EACH customers.id
    """
    verb = f"{query.verb} " if query.verb else ""
    lines = [f"{verb}PREDICT {format_expr(query.target)}{_spec(query.spec)}", _entity(query)]
    if query.where is not None:
        lines.append(f"WHERE {format_expr(query.where)}")
    if query.assuming is not None:
        lines.append(f"ASSUMING {format_expr(query.assuming)}")
    if query.as_of is not None:
        lines.append(f"AS OF '{format_instant(query.as_of)}'")
    if query.every is not None:
        lines.append(f"EVERY {_amount(query.every.amount)} {query.every.unit}s")
    if query.returns is not None:
        numbers = ", ".join(_amount(n) for n in query.returns.numbers)
        lines.append(f"RETURN {query.returns.kind}" + (f"({numbers})" if numbers else ""))
    return "\n".join(lines)


def format_expr(expr: ast.Expr) -> str:
    """An expression as text; `parse_expr` reads it back.

    >>> from foretell.query.parser import parse_expr
    >>> format_expr(parse_expr("((a + b)) * 2 > 3 and not (x or y)", "row"))
    '(a + b) * 2 > 3 AND NOT (x OR y)'
    """
    return _expr(expr, 1)


def format_name(name: str) -> str:
    """A name, in double quotes where it needs them.

    >>> format_name("orders"), format_name('order "lines"')
    ('orders', '"order ""lines""\"')
    """
    return name if is_plain_name(name) else '"' + name.replace('"', '""') + '"'


def format_literal(value: float | int | str | bool | None) -> str:
    """A constant.

    >>> format_literal("it's"), format_literal(None), format_literal(True), format_literal(2.5)
    ("'it''s'", 'NULL', 'TRUE', '2.5')
    """
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "TRUE", False: "FALSE"}[value]
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def _spec(spec: ast.Spec | None) -> str:
    match spec:
        case None:
            return ""
        case ast.Forecast(steps=steps):
            return f" FORECAST {steps} TIMEFRAMES"
        case ast.Rank(top=top):
            return f" RANK TOP {top}"
        case ast.Classify():
            return " CLASSIFY"


def _entity(query: ast.Query) -> str:
    column, values = _expr(query.entity, 1), query.entity_values
    if values is None:
        return f"FOR EACH {column}"
    if len(values) == 1:
        return f"FOR EACH {column} = {format_literal(values[0].value)}"
    return f"FOR EACH {column} IN ({', '.join(format_literal(v.value) for v in values)})"


def _amount(number: float) -> str:
    if math.isinf(number):
        return "INF" if number > 0 else "-INF"
    return str(int(number)) if number == int(number) else repr(number)


def _level(expr: ast.Expr) -> int:
    """How tightly the expression's own operator binds."""
    match expr:
        case ast.Binary(op=op):
            return LEVELS.get(op, COMPARE)
        case ast.Unary(op="NOT"):
            return LEVELS["NOT"]
        case ast.In() | ast.Between() | ast.IsNull():
            return COMPARE
    return TIGHT


def _expr(expr: ast.Expr, level: int) -> str:
    """The text of `expr` where operators of at least `level` may stand bare."""
    text = _bare(expr)
    return f"({text})" if _level(expr) < level else text


def _bare(expr: ast.Expr) -> str:
    above = COMPARE + 1
    match expr:
        case ast.Literal(value=value):
            return format_literal(value)
        case ast.Column():
            return _column(expr)
        case ast.Unary(op="NOT", operand=operand):
            return f"NOT {_expr(operand, LEVELS['NOT'])}"
        case ast.Unary(operand=operand):
            # A minus before a number is read as a negative number, and two minuses as a comment.
            text = _expr(operand, TIGHT)
            return f"-({text})" if text[0] in "-.0123456789" else f"-{text}"
        case ast.Binary(op=op, left=left, right=right):
            own = _level(expr)
            if own == COMPARE:
                return f"{_expr(left, above)} {op} {_expr(right, above)}"
            return f"{_expr(left, own)} {op} {_expr(right, own + 1)}"
        case ast.In(operand=operand, values=values, negated=negated):
            listed = ", ".join(_expr(v, 1) for v in values)
            return f"{_expr(operand, above)} {'NOT ' if negated else ''}IN ({listed})"
        case ast.Between(operand=operand, low=low, high=high, negated=negated):
            bounds = f"{_expr(low, above)} AND {_expr(high, above)}"
            return f"{_expr(operand, above)} {'NOT ' if negated else ''}BETWEEN {bounds}"
        case ast.IsNull(operand=operand, negated=negated):
            return f"{_expr(operand, above)} IS {'NOT ' if negated else ''}NULL"
        case ast.Case():
            return _case(expr)
        case ast.Call(name="CAST", args=(value, ast.Literal(value=kind))):
            return f"CAST({_expr(value, 1)} AS {kind})"
        case ast.Call(name=name, args=args):
            return f"{name}({', '.join(_expr(a, 1) for a in args)})"
        case ast.Aggregate():
            return _aggregate(expr)


def _column(column: ast.Column) -> str:
    names = [format_name(n) for n in (column.schema, column.table) if n]
    return ".".join([*names, "*" if column.name == "*" else format_name(column.name)])


def _case(case: ast.Case) -> str:
    parts = ["CASE"]
    if case.operand is not None:
        parts.append(_expr(case.operand, 1))
    parts += [f"WHEN {_expr(when, 1)} THEN {_expr(then, 1)}" for when, then in case.whens]
    if case.default is not None:
        parts.append(f"ELSE {_expr(case.default, 1)}")
    return " ".join([*parts, "END"])


def _aggregate(aggregate: ast.Aggregate) -> str:
    text = _expr(aggregate.value, 1)
    if aggregate.where is not None:
        text += f" WHERE {_expr(aggregate.where, 1)}"
    if aggregate.via:
        text += " VIA " + ".".join(format_name(n) for pair in aggregate.via for n in pair if n)
    if aggregate.parameter is not None:
        text += f", {_amount(aggregate.parameter)}"
    if aggregate.start is not None and aggregate.end is not None:
        text += f", {format_window(aggregate.start, aggregate.end)}"
    return f"{aggregate.function}({text})"


def format_window(start: Offset, end: Offset) -> str:
    """A window as the language writes it.

    >>> format_window(Offset(-math.inf), Offset(0))
    '-INF, 0, days'
    """
    unit = start.unit if end.amount == 0 or not end.finite else end.unit
    return f"{_amount(start.amount)}, {_amount(end.amount)}, {unit}s"
