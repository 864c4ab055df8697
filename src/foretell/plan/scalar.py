"""Scalar expressions of the query language as SQL expressions; each primitive is mapped on purpose.

A value that cannot be computed (ln 0, the root of -1, x / 0, 64 bits overflown) is no value, NULL: one bad
row neither stops a query nor counts as a number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sqlglot import exp

from foretell.core.errors import QueryError
from foretell.query import ast

Resolve: TypeAlias = "Callable[[ast.Column], exp.Expr]"

_BINARY: dict[str, type[exp.Binary]] = {
    "+": exp.Add,
    "-": exp.Sub,
    "*": exp.Mul,
    "||": exp.DPipe,
    "AND": exp.And,
    "OR": exp.Or,
    "=": exp.EQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
    "LIKE": exp.Like,
}
_OVERFLOW = frozenset({"+", "-", "*"})
"""Whole numbers leave 64 bits here, which is an error in SQL."""
_NOT_FINITE = frozenset({"LN", "EXP", "SQRT", "POWER"})
"""Functions that give NaN or an infinity, or fail, where they have no value."""
_WHOLE_ARGUMENTS = {"ROUND": {1: "INT"}, "SUBSTRING": {1: "BIGINT", 2: "BIGINT"}}
"""Arguments, by place, that SQL takes as whole numbers alone."""
_TEXT_TESTS = {"CONTAINS": "CONTAINS", "STARTS WITH": "STARTS_WITH", "ENDS WITH": "ENDS_WITH"}
_TYPES = {
    "INT": "BIGINT",
    "INTEGER": "BIGINT",
    "BIGINT": "BIGINT",
    "FLOAT": "DOUBLE",
    "DOUBLE": "DOUBLE",
    "REAL": "DOUBLE",
    "NUMERIC": "DOUBLE",
    "DECIMAL": "DOUBLE",
    "TEXT": "VARCHAR",
    "VARCHAR": "VARCHAR",
    "STRING": "VARCHAR",
    "BOOLEAN": "BOOLEAN",
    "BOOL": "BOOLEAN",
    "TIMESTAMP": "TIMESTAMP",
    "DATE": "TIMESTAMP",
}


def to_sql(expr: ast.Expr, resolve: Resolve) -> exp.Expr:
    """The expression over the columns that `resolve` gives. Literals stay literals: nothing is pasted."""

    def go(node: ast.Expr) -> exp.Expr:
        match node:
            case ast.Literal(value=str(value)) if "\x00" in value:
                return _with_nul(value)
            case ast.Literal(value=value):
                return exp.convert(value)
            case ast.Column():
                return resolve(node)
            case ast.Unary(op="-", operand=operand):
                return _tried(exp.Neg(this=exp.paren(go(operand))))
            case ast.Unary(operand=operand):
                return exp.Not(this=exp.paren(go(operand)))
            case ast.Binary(op="/", left=left, right=right):
                # x / 0 has no value; DOUBLE so that integers divide as numbers do.
                over = exp.func("NULLIF", exp.cast(go(right), "DOUBLE"), exp.Literal.number(0))
                return exp.paren(exp.Div(this=exp.paren(go(left)), expression=over))
            case ast.Binary(op="%", left=left, right=right):
                over = exp.func("NULLIF", go(right), exp.Literal.number(0))
                return _tried(exp.Mod(this=exp.paren(go(left)), expression=over))
            case ast.Binary(op="NOT LIKE", left=left, right=right):
                return exp.Not(this=exp.paren(exp.Like(this=go(left), expression=go(right))))
            case ast.Binary(op=op, left=left, right=right) if op in _TEXT_TESTS:
                return exp.Anonymous(this=_TEXT_TESTS[op], expressions=[go(left), go(right)])
            case ast.Binary(op=op, left=left, right=right):
                made = _BINARY[op](this=go(left), expression=go(right))
                return _tried(made) if op in _OVERFLOW else exp.paren(made)
            case ast.In(operand=operand, values=values, negated=negated):
                test: exp.Expr = exp.In(this=go(operand), expressions=[go(v) for v in values])
                return exp.Not(this=exp.paren(test)) if negated else exp.paren(test)
            case ast.Between(operand=operand, low=low, high=high, negated=negated):
                test = exp.Between(this=go(operand), low=go(low), high=go(high))
                return exp.Not(this=exp.paren(test)) if negated else exp.paren(test)
            case ast.IsNull(operand=operand, negated=negated):
                test = exp.paren(exp.Is(this=go(operand), expression=exp.Null()))
                return exp.Not(this=test) if negated else test
            case ast.Case(whens=whens, default=default, operand=operand):
                case = exp.Case(this=go(operand) if operand is not None else None)
                for when, then in whens:
                    case = case.when(go(when), go(then))
                return case.else_(go(default)) if default is not None else case
            case ast.Call(name="CAST", args=(inner, ast.Literal(value=str(type_name)))):
                return exp.TryCast(this=go(inner), to=exp.DataType.build(_TYPES[type_name.upper()]))
            case ast.Call(name=name, args=args):
                return _call(name, [go(a) for a in args])
            case _:
                raise QueryError(f"{type(node).__name__} cannot stand inside a row")

    return go(expr)


def _with_nul(text: str) -> exp.Expr:
    """SQL text ends at a NUL, so that each is given by its code."""
    pieces: list[exp.Expr] = []
    for i, piece in enumerate(text.split("\x00")):
        if i:
            pieces.append(exp.Anonymous(this="CHR", expressions=[exp.Literal.number(0)]))
        pieces.append(exp.Literal.string(piece))
    return exp.Anonymous(this="CONCAT", expressions=pieces)


def _call(name: str, args: list[exp.Expr]) -> exp.Expr:
    for place, kind in _WHOLE_ARGUMENTS.get(name, {}).items():
        if place < len(args):
            args[place] = exp.TryCast(this=args[place], to=exp.DataType.build(kind))
    made: exp.Expr = exp.Anonymous(this=name, expressions=args)
    if name in _SAFE:
        return made
    made = _tried(made)
    return finite(made) if name in _NOT_FINITE else made


_SAFE = frozenset({"LEAST", "GREATEST", "COALESCE", "NULLIF", "LOWER", "UPPER", "TRIM", "LENGTH", "CONCAT"})
"""Functions that never fail."""


def _tried(made: exp.Expr) -> exp.Expr:
    """NULL where computing it fails."""
    return exp.Anonymous(this="TRY", expressions=[made])


def finite(value: exp.Expr) -> exp.Expr:
    """A number, NULL where it is NaN or infinite. The value is written once, so that nesting stays small."""
    for odd in ("NaN", "Infinity", "-Infinity"):
        value = exp.func("NULLIF", value, exp.cast(exp.Literal.string(odd), "DOUBLE"))
    return value
