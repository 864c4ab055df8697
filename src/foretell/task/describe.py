"""A task in plain English: for whom, what, over which time."""

from __future__ import annotations

from dataclasses import replace

from foretell.core.text import listing
from foretell.core.time import Offset, format_instant
from foretell.query import ast
from foretell.query.ast import Function
from foretell.query.format import format_expr, format_literal
from foretell.task.model import BoundAggregate, BoundExpr, Task, TaskKind
from foretell.task.paths import paths_down

_NOUNS = {
    Function.COUNT_DISTINCT: "the number of different {value}",
    Function.SUM: "the sum of {value}",
    Function.AVG: "the mean of {value}",
    Function.MIN: "the smallest {value}",
    Function.MAX: "the largest {value}",
    Function.FIRST: "the first {value}",
    Function.LAST: "the last {value}",
    Function.MEDIAN: "the median of {value}",
    Function.STDDEV: "the standard deviation of {value}",
    Function.QUANTILE: "the {parameter:g} quantile of {value}",
    Function.MODE: "the most frequent {value}",
    Function.LIST_DISTINCT: "the different {value}",
}
_RELATIONS = {
    "=": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
    "LIKE": "is like",
    "NOT LIKE": "is not like",
    "CONTAINS": "contains",
    "STARTS WITH": "starts with",
    "ENDS WITH": "ends with",
}
_QUANTITIES = {
    "=": "exactly {n} {many}",
    "!=": "not exactly {n} {many}",
    "<": "fewer than {n} {many}",
    "<=": "at most {n} {many}",
    ">": "more than {n} {many}",
    ">=": "at least {n} {many}",
}
_OPPOSITES = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_ARITHMETIC = {"+": "plus", "-": "minus", "*": "times", "/": "divided by", "%": "modulo", "||": "joined with"}
_NEVER = {("=", 0), ("<", 1), ("<=", 0)}
_EVER = {(">", 0), (">=", 1), ("!=", 0)}


def describe(task: Task) -> str:
    """The task in one to three sentences, as shown before anything runs.

    "For each customer (customers.customer_id) with at least one order in the 90 days before the cutoff: will
    they have no orders in the 30 days after the cutoff?"
    """
    key = ", ".join(format_expr(ast.Column(task.entity.name, k)) for k in task.entity_key)
    who = f"For each {singular(task.entity.name)} ({key})"
    if task.is_static:
        who += f" whose {listing(task.hidden, last='or')} is not known"
    if task.where is not None:
        who += " " + _Words(task.where, task).attribute(task.where.expr)
    sentences = [f"{who}: {_question(task)}"]
    if task.assuming is not None:
        condition = _Words(task.assuming, task).clause(task.assuming.expr)
        sentences.append(f"Assuming that {condition}: conditional on it, not causal.")
    if task.query.entity_values is not None:
        values = listing([format_literal(v.value) for v in task.query.entity_values])
        sentences.append(f"Scores only {values}; learns from all.")
    if task.as_of is not None:
        sentences.append(f"As of {format_instant(task.as_of)}.")
    return " ".join(sentences)


def _question(task: Task) -> str:
    words = _Words(task.target, task)
    target = words.bound
    match task.query.spec:
        case ast.Rank(top=top):
            first = target.aggregates[0]
            return f"which {top} {_value(first)} of {_rows(first)} are the likeliest {_window(first)}?"
        case ast.Classify():
            first = target.aggregates[0]
            wanted = f"which {_value(first)} of {_rows(first)} will there be {_window(first)}"
            return f"{wanted}, each with a probability?"
        case ast.Forecast(steps=steps):
            return f"{words.noun(target.expr)}, and so on for {steps} such steps."
    if task.kind is TaskKind.BINARY:
        return words.question(target.expr, static=task.is_static)
    if task.is_static:
        return f"what is {'it' if isinstance(target.expr, ast.Column) else words.noun(target.expr)}?"
    return f"what will {words.noun(target.expr)} be?"


class _Words:
    """The words for one bound expression."""

    def __init__(self, bound: BoundExpr, task: Task) -> None:
        self.bound = replace(bound, aggregates=tuple(_told_apart(a, task) for a in bound.aggregates))

    def aggregate(self, expr: ast.Expr) -> BoundAggregate | None:
        """The aggregate that a placeholder column stands for."""
        if isinstance(expr, ast.Column) and not expr.table:
            return self.bound.aggregates[int(expr.name[1:])]
        return None

    def owned(self, expr: ast.Expr, negated: bool = False) -> str | None:
        """'no orders in the 30 days …' where the condition is about how many there are, else None."""
        if isinstance(expr, ast.Unary) and expr.op == "NOT":
            return self.owned(expr.operand, not negated)
        exists = self.aggregate(expr)
        if exists is not None and exists.function is Function.EXISTS:
            return _quantity(exists, "=" if negated else ">", 0)
        match expr:
            case ast.Binary(op=op, left=left, right=ast.Literal(value=int() | float() as number)):
                counted = self.aggregate(left)
                if op in _OPPOSITES and counted is not None and counted.function is Function.COUNT:
                    return _quantity(counted, _OPPOSITES[op] if negated else op, number)
        return None

    def question(self, expr: ast.Expr, *, static: bool) -> str:
        owned = self.owned(expr)
        if owned is not None:
            return f"will they have {owned}?"
        if static:
            return f"is it so that {self.clause(expr)}?"
        if isinstance(expr, ast.Binary) and expr.op in _OPPOSITES:
            relation = _RELATIONS[expr.op].removeprefix("is").strip()
            return " ".join(f"will {self.noun(expr.left)} be {relation} {self.noun(expr.right)}?".split())
        return f"will it be so that {self.clause(expr)}?"

    def attribute(self, expr: ast.Expr) -> str:
        """A condition after 'for each customer': 'with …' or 'where …'."""
        if isinstance(expr, ast.Binary) and expr.op == "AND":
            return f"{self.attribute(expr.left)} and {self.attribute(expr.right)}"
        owned = self.owned(expr)
        return f"with {owned}" if owned is not None else f"where {self.clause(expr)}"

    def clause(self, expr: ast.Expr) -> str:
        """A condition as a statement."""
        owned = self.owned(expr)
        if owned is not None:
            return f"they have {owned}"
        match expr:
            case ast.Binary(op="AND" | "OR" as op, left=left, right=right):
                return f" {op.lower()} ".join(self.part(side, op) for side in (left, right))
            case ast.Unary(op="NOT", operand=operand):
                return f"it is not so that {self.part(operand, 'NOT')}"
            case ast.Binary(op=op, left=left, right=right) if op in _RELATIONS:
                return f"{self.noun(left)} {_RELATIONS[op]} {self.noun(right)}"
            case ast.In(operand=operand, values=values, negated=negated):
                listed = listing([self.noun(v) for v in values], last="or")
                return f"{self.noun(operand)} is {'neither ' if negated else ''}{listed}"
            case ast.Between(operand=operand, low=low, high=high, negated=negated):
                bounds = f"{self.noun(low)} and {self.noun(high)}"
                return f"{self.noun(operand)} is {'not ' if negated else ''}between {bounds}"
            case ast.IsNull(operand=operand, negated=negated):
                return f"{self.noun(operand)} is {'' if negated else 'not '}known"
            case ast.Column():
                return f"{self.noun(expr)} is true"
        return self.noun(expr)

    def part(self, expr: ast.Expr, outer: str) -> str:
        text = self.clause(expr)
        joined = isinstance(expr, ast.Binary) and expr.op in ("AND", "OR") and expr.op != outer
        return f"({text})" if joined else text

    def noun(self, expr: ast.Expr) -> str:
        """A value as a phrase."""
        aggregate = self.aggregate(expr)
        if aggregate is not None:
            return _phrase(aggregate)
        match expr:
            case ast.Literal(value=value):
                return format_literal(value)
            case ast.Column(name=name):
                return name
            case ast.Call(name="CAST", args=(inner, _)):
                return self.noun(inner)
            case ast.Binary(op=op, left=left, right=right) if op in _ARITHMETIC:
                sides = [
                    f"({self.noun(e)})" if isinstance(e, ast.Binary) else self.noun(e) for e in (left, right)
                ]
                return f"{sides[0]} {_ARITHMETIC[op]} {sides[1]}"
            case ast.Call(name=name, args=args):
                return f"{name}({', '.join(self.noun(a) for a in args)})"
        return format_expr(self.bare(expr))

    def bare(self, expr: ast.Expr) -> ast.Expr:
        """The expression with phrases in place of aggregates."""

        def change(column: ast.Column) -> ast.Expr:
            return ast.Column("", self.noun(column))

        return ast.replace_columns(expr, change)


def _told_apart(aggregate: BoundAggregate, task: Task) -> BoundAggregate:
    """With 'by ship_to' after the table's name where other paths of the same length lead to it too."""
    paths = paths_down(task.schema, task.entity.name, aggregate.table, max_hops=max(1, len(aggregate.path)))
    if not aggregate.path or sum(len(p) == len(aggregate.path) for p in paths) < 2:
        return aggregate
    columns = [c for hop in reversed(aggregate.path) for c in hop.link.child_columns]
    return replace(aggregate, table=f"{aggregate.table} by {', '.join(columns)}")


def _phrase(aggregate: BoundAggregate) -> str:
    rows, window = _rows(aggregate), _window(aggregate)
    if aggregate.function is Function.COUNT:
        known = "" if aggregate.value is None else f" with a known {_value(aggregate)}"
        return f"the number of {rows}{known} {window}"
    if aggregate.function is Function.EXISTS:
        return f"whether there are any {rows} {window}"
    noun = _NOUNS[aggregate.function].format(value=_value(aggregate), parameter=aggregate.parameter or 0)
    return f"{noun} over the {rows} {window}"


def _quantity(aggregate: BoundAggregate, op: str, number: float) -> str:
    """How many rows there are: 'no orders in …'. The entity's own row is there or not, by its time."""
    if not aggregate.path and (op, number) in _NEVER | _EVER:
        negation = "not " if (op, number) in _NEVER else ""
        return f"their own time{_filter(aggregate)} {negation}{_window(aggregate)}"
    many = singular(aggregate.table) if number == 1 else aggregate.table
    pattern = _QUANTITIES[op].format(n=f"{number:g}", many=many)
    if (op, number) in _NEVER:
        pattern = f"no {aggregate.table}"
    if (op, number) in _EVER:
        pattern = f"at least one {singular(aggregate.table)}"
    return f"{pattern}{_filter(aggregate)} {_window(aggregate)}"


def _rows(aggregate: BoundAggregate) -> str:
    return aggregate.table + _filter(aggregate)


def _filter(aggregate: BoundAggregate) -> str:
    return "" if aggregate.where is None else f" with {format_expr(_untabled(aggregate.where))}"


def _value(aggregate: BoundAggregate) -> str:
    match aggregate.value:
        case None:
            return aggregate.table
        case ast.Call(name="CAST", args=(inner, _)):
            return format_expr(_untabled(inner))
    return format_expr(_untabled(aggregate.value))


def _untabled(expr: ast.Expr) -> ast.Expr:
    return ast.replace_columns(expr, lambda c: ast.Column("", c.name))


def _window(aggregate: BoundAggregate) -> str:
    """'in the 30 days after the cutoff', 'between 90 and 30 days before the cutoff'."""
    start, end = aggregate.start, aggregate.end
    if start.amount >= 0:
        return _span(start, end, "after")
    if end.amount == 0 and not start.finite:
        return "up to the cutoff"
    if not start.finite:
        return f"until {-end} before the cutoff"
    return _span(-end, -start, "before")


def _span(near: Offset, far: Offset, side: str) -> str:
    if near.amount == 0:
        length = str(far.unit) if far.amount == 1 else str(far)
        return f"in the {length} {side} the cutoff"
    return f"between {near.amount:g} and {far} {side} the cutoff"


def singular(noun: str) -> str:
    """A table's name for one of its rows, as well as English lets one guess.

    >>> singular("customers"), singular("countries"), singular("matches"), singular("address")
    ('customer', 'country', 'match', 'address')
    """
    noun, by, columns = noun.partition(" by ")
    if by:
        return singular(noun) + by + columns
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith(("ches", "shes", "xes", "sses")):
        return noun[:-2]
    if noun.endswith("s") and not noun.endswith(("ss", "us", "is")):
        return noun[:-1]
    return noun
