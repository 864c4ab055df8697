"""The tree of a query. Nodes are frozen, compare by meaning (source positions aside) and print canonically.

Three kinds of expression share the same small set of nodes:

- value and condition level: what is predicted or filtered per (entity, cutoff): `Aggregate`s, entity
  `Column`s, arithmetic, comparisons, AND/OR/NOT;
- row level: what stands inside an aggregate: `Column`s of one table and SQL scalar functions;
- constants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from foretell.core.time import Instant, Offset

Span: TypeAlias = tuple[int, int]
"""Character offsets (start, end) into the query's text; (0, 0) when there is no text."""


class Function(StrEnum):
    """The aggregates of the language."""

    COUNT = "COUNT"
    COUNT_DISTINCT = "COUNT_DISTINCT"
    SUM = "SUM"
    AVG = "AVG"
    MIN = "MIN"
    MAX = "MAX"
    FIRST = "FIRST"
    LAST = "LAST"
    EXISTS = "EXISTS"
    MEDIAN = "MEDIAN"
    STDDEV = "STDDEV"
    QUANTILE = "QUANTILE"
    MODE = "MODE"
    LIST_DISTINCT = "LIST_DISTINCT"


@dataclass(frozen=True)
class Literal:
    """A number, a string, TRUE, FALSE or NULL (value None). Dates are strings: the binder reads them."""

    value: float | int | str | bool | None
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Column:
    """`[schema.]table.name`; name '*' is every row. `table` is '' where the text leaves it out (inside an
    aggregate: the aggregate's table); the binder fills it in."""

    table: str
    name: str
    schema: str = ""
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Unary:
    """`op` is '-' or 'NOT'."""

    op: str
    operand: Expr
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Binary:
    """`op`: + - * / % || AND OR = != < <= > >= LIKE 'NOT LIKE' CONTAINS 'STARTS WITH' 'ENDS WITH'."""

    op: str
    left: Expr
    right: Expr
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class In:
    operand: Expr
    values: tuple[Expr, ...]
    negated: bool = False
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Between:
    operand: Expr
    low: Expr
    high: Expr
    negated: bool = False
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class IsNull:
    operand: Expr
    negated: bool = False
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Case:
    """CASE [operand] WHEN … THEN … [ELSE …] END."""

    whens: tuple[tuple[Expr, Expr], ...]
    default: Expr | None = None
    operand: Expr | None = None
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Call:
    """A SQL scalar function, by upper-case name; `CAST(x AS type)` is Call('CAST', (x, Literal(type)))."""

    name: str
    args: tuple[Expr, ...]
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Aggregate:
    """`FUNCTION(value [WHERE condition] [VIA path] [, start, end [, unit]])`.

    `value` is a row-level expression (Column(table, '*') for COUNT(t.*)). `via` is the dotted path as
    written, one (table, column) pair a hop; one bare name is ("", column), a column of the aggregated table.
    `start` is None where the window is left out; `window_span` is where it stands in the text. `parameter` is
    QUANTILE's q. After binding every Column inside has its table.
    """

    function: Function
    value: Expr
    where: Expr | None = None
    via: tuple[tuple[str, str], ...] = ()
    start: Offset | None = None
    end: Offset | None = None
    parameter: float | None = None
    span: Span = field(default=(0, 0), compare=False, repr=False)
    window_span: Span = field(default=(0, 0), compare=False, repr=False)


Expr: TypeAlias = Literal | Column | Unary | Binary | In | Between | IsNull | Case | Call | Aggregate


class Verb(StrEnum):
    EXPLAIN = "EXPLAIN"
    CHECK = "CHECK"
    BACKTEST = "BACKTEST"


@dataclass(frozen=True)
class Forecast:
    """FORECAST n TIMEFRAMES"""

    steps: int


@dataclass(frozen=True)
class Rank:
    """RANK TOP k"""

    top: int


@dataclass(frozen=True)
class Classify:
    """CLASSIFY"""


Spec: TypeAlias = Forecast | Rank | Classify


@dataclass(frozen=True)
class Returns:
    """What a prediction is given as: kind is PROBABILITY, CLASS, QUANTILES or INTERVAL with its numbers."""

    kind: str
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True)
class Query:
    """One whole query. `entity_values` are the entities named by FOR … = / IN, or None for all."""

    target: Expr
    entity: Column
    entity_values: tuple[Literal, ...] | None = None
    spec: Spec | None = None
    where: Expr | None = None
    assuming: Expr | None = None
    as_of: Instant | None = None
    every: Offset | None = None
    returns: Returns | None = None
    verb: Verb | None = None
    text: str = field(default="", compare=False, repr=False)


def columns(expr: Expr | None) -> tuple[Column, ...]:
    """Every column that an expression reads, in order, without those inside aggregates."""
    match expr:
        case Column():
            return (expr,)
        case Unary(operand=operand) | IsNull(operand=operand):
            return columns(operand)
        case Binary(left=left, right=right):
            return columns(left) + columns(right)
        case In(operand=operand, values=values):
            return columns(operand) + tuple(c for v in values for c in columns(v))
        case Between(operand=operand, low=low, high=high):
            return columns(operand) + columns(low) + columns(high)
        case Case(whens=whens, default=default, operand=operand):
            inner = tuple(c for when, then in whens for c in columns(when) + columns(then))
            return columns(operand) + inner + columns(default)
        case Call(args=args):
            return tuple(c for a in args for c in columns(a))
        case _:
            return ()


def replace_columns(expr: Expr, change: Callable[[Column], Expr]) -> Expr:
    """The same expression with every column outside aggregates replaced by what `change` gives."""

    def go(node: Expr) -> Expr:
        match node:
            case Column():
                return change(node)
            case Unary() | IsNull():
                return replace(node, operand=go(node.operand))
            case Binary():
                return replace(node, left=go(node.left), right=go(node.right))
            case In():
                return replace(node, operand=go(node.operand), values=tuple(go(v) for v in node.values))
            case Between():
                return replace(node, operand=go(node.operand), low=go(node.low), high=go(node.high))
            case Case():
                return replace(
                    node,
                    whens=tuple((go(when), go(then)) for when, then in node.whens),
                    default=None if node.default is None else go(node.default),
                    operand=None if node.operand is None else go(node.operand),
                )
            case Call():
                return replace(node, args=tuple(go(a) for a in node.args))
            case _:
                return node

    return go(expr)
