"""One aggregate bound: its table, its path to the entity, its types and its window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from foretell.core.errors import QueryError
from foretell.core.text import listing
from foretell.core.time import Offset
from foretell.query import ast
from foretell.query.ast import Function
from foretell.query.format import format_expr, format_name, format_window
from foretell.schema.model import DType, Table
from foretell.task.functions import NUMBERS
from foretell.task.model import BoundAggregate
from foretell.task.names import Names
from foretell.task.paths import find_path
from foretell.task.typecheck import WORDS, Checker, Typed, as_integer, column_type

MAX_YEARS = 1000


class Role(Enum):
    """Where an aggregate stands, and so which way its window must look."""

    TARGET = "the target"
    WHERE = "WHERE"
    ASSUMING = "ASSUMING"


_COUNTED = frozenset(DType) - {DType.OTHER}
_NUMERIC = NUMBERS | {DType.BOOLEAN}
ACCEPTS: dict[Function, frozenset[DType]] = {
    Function.COUNT: frozenset(DType),
    Function.COUNT_DISTINCT: _COUNTED,
    Function.SUM: _NUMERIC,
    Function.AVG: _NUMERIC,
    Function.MIN: _NUMERIC | {DType.TIMESTAMP},
    Function.MAX: _NUMERIC | {DType.TIMESTAMP},
    Function.FIRST: _COUNTED,
    Function.LAST: _COUNTED,
    Function.EXISTS: frozenset(DType),
    Function.MEDIAN: _NUMERIC,
    Function.STDDEV: _NUMERIC,
    Function.QUANTILE: _NUMERIC,
    Function.MODE: _COUNTED,
    Function.LIST_DISTINCT: _COUNTED,
}
"""The types of value that each aggregate takes."""

GIVES: dict[Function, DType] = {
    Function.COUNT: DType.INTEGER,
    Function.COUNT_DISTINCT: DType.INTEGER,
    Function.AVG: DType.FLOAT,
    Function.MEDIAN: DType.FLOAT,
    Function.STDDEV: DType.FLOAT,
    Function.QUANTILE: DType.FLOAT,
    Function.EXISTS: DType.BOOLEAN,
}
"""The type of each aggregate's result; those not here give the type of their value."""

OF_NUMBERS = frozenset({Function.SUM, Function.AVG, Function.MEDIAN, Function.STDDEV, Function.QUANTILE})
"""Aggregates that read a boolean as 0 or 1."""


@dataclass(frozen=True)
class AggregateBinder:
    """Binds the aggregates of one clause for one entity. `key` are the entity's key columns."""

    names: Names
    entity: Table
    key: Sequence[str]
    role: Role

    def bind(self, aggregate: ast.Aggregate) -> BoundAggregate:
        table = self.table(aggregate)
        checker = Checker(self.names, lambda c: self.row_column(c, table), self.nested)
        where = checker.condition(aggregate.where) if aggregate.where is not None else None
        value, dtype = self.value(aggregate, checker)
        if aggregate.function is Function.EXISTS and value is not None:
            present = ast.IsNull(value, negated=True, span=value.span)
            where = present if where is None else ast.Binary("AND", where, present, where.span)
            value = None
        path = find_path(self.names, self.entity, self.key, aggregate, table)
        start, end = self.window(aggregate, table)
        return BoundAggregate(
            function=aggregate.function,
            table=table.name,
            path=path,
            value=value,
            where=where,
            start=start,
            end=end,
            dtype=dtype,
            parameter=aggregate.parameter,
        )

    # ── what is aggregated ──

    def table(self, aggregate: ast.Aggregate) -> Table:
        """The one table whose rows are aggregated."""
        columns = ast.columns(aggregate.value)
        named = [c for c in columns if c.table]
        if named:
            tables = {t.name: t for t in (self.names.table(c.table, c.span, c.schema) for c in named)}
            if len(tables) > 1:
                raise self.names.error(
                    f"found columns of {listing(sorted(tables))} in one aggregate, expected one table's",
                    aggregate.value.span,
                    "write one aggregate for each table",
                )
            return next(iter(tables.values()))
        if not columns:
            raise self.names.error(
                "found an aggregate of a constant, expected a column",
                aggregate.value.span,
                "to count rows write COUNT(orders.*, 0, 30, days)",
            )
        owners = [
            t.name for t in self.names.schema.tables if not t.ignored and all(t.has(c.name) for c in columns)
        ]
        first = columns[0]
        mend = "write " + " or ".join(f"{format_name(t)}.{format_name(first.name)}" for t in owners[:4])
        raise self.names.error(
            f"found {first.name!r}, expected a column with its table",
            first.span,
            mend if owners else "write it as orders.amount",
        )

    def row_column(self, column: ast.Column, table: Table) -> Typed:
        """A column inside the aggregate: one of its own table's."""
        if column.table:
            owner = self.names.table(column.table, column.span, column.schema)
            if owner.name != table.name:
                mend = f"an aggregate reads one table's rows; write a column of {table.name!r}"
                if owner.name == self.entity.name:
                    mend = f"test the entity's own columns outside: … AND {format_expr(column)} = …"
                raise self.names.error(
                    f"{format_expr(column)} is not a column of {table.name!r}", column.span, mend
                )
        if column.name == "*":
            raise self.names.error("found '*', expected a column", column.span)
        found = self.names.column(table, column.name, column.span)
        return replace(column, table=table.name, name=found.name, schema=""), column_type(found)

    def nested(self, aggregate: ast.Aggregate) -> Typed:
        raise self.names.error(
            "found an aggregate inside an aggregate", aggregate.span, "aggregates do not nest"
        )

    def value(self, aggregate: ast.Aggregate, checker: Checker) -> tuple[ast.Expr | None, DType]:
        """What is aggregated (None: every row) and the type of the result."""
        function, value = aggregate.function, aggregate.value
        if isinstance(value, ast.Column) and value.name == "*":
            if function in (Function.COUNT, Function.EXISTS):
                return None, GIVES[function]
            name = format_name(value.table)
            raise self.names.error(
                f"found {name}.*, expected a column for {function}",
                value.span,
                f"name the column, as in {function}({name}.…); only COUNT and EXISTS take whole rows",
            )
        checked, dtype = checker.visit(value)
        if dtype is None or dtype not in ACCEPTS[function]:
            raise self.names.error(
                f"{function} of {WORDS[dtype]}", value.span, self.value_mend(function, value, dtype)
            )
        if function is Function.COUNT and dtype is DType.BOOLEAN and not isinstance(value, ast.Column):
            table = format_name(ast.columns(checked)[0].table)
            raise self.names.error(
                "COUNT of a condition counts every row where it is known, true or false",
                value.span,
                f"write COUNT({table}.* WHERE {format_expr(value)}, …)",
            )
        if dtype is DType.BOOLEAN and function in OF_NUMBERS:
            checked, dtype = as_integer(checked), DType.INTEGER
        return checked, GIVES.get(function, dtype)

    def value_mend(self, function: Function, value: ast.Expr, dtype: DType | None) -> str:
        if dtype is DType.TEXT:
            written = format_expr(value)
            more = "COUNT_DISTINCT, FIRST, LAST or MODE take text"
            return f"{more}; text that holds numbers is read with CAST({written} AS FLOAT)"
        takes = sorted({WORDS[t] for t in ACCEPTS[function]})
        return f"{function} takes {listing(takes, last='or')}"

    # ── its window ──

    def window(self, aggregate: ast.Aggregate, table: Table) -> tuple[Offset, Offset]:
        """The window, looking the way its clause needs."""
        start, end = aggregate.start, aggregate.end
        if start is None or end is None:
            if self.role is not Role.WHERE:
                raise self.names.error(
                    f"found an aggregate without a window in {self.role.value}",
                    aggregate.span,
                    "say over which time: …, 0, 30, days)",
                )
            start, end = Offset(-math.inf), Offset(0)
        elif fault := self.window_fault(aggregate, start, end):
            raise fault
        always = start.amount == -math.inf and end.amount == 0
        if not self.names.schema.is_timed(table.name) and not always:
            if not table.rows and any(t.rows for t in self.names.schema.tables):
                raise self.names.error(
                    f"table {table.name!r} is empty", aggregate.value.span, "load its rows first"
                )
            raise self.names.error(
                f"table {table.name!r} has no time column, nor has a table it points to",
                aggregate.window_span,
                f"name its time column in foretell.toml{self._or_all_rows()}",
            )
        return start, end

    def _or_all_rows(self) -> str:
        return ", or read all its rows: -INF, 0, days" if self.role is Role.WHERE else ""

    def window_fault(self, aggregate: ast.Aggregate, start: Offset, end: Offset) -> QueryError | None:
        span = aggregate.window_span
        fault = self.names.error
        shown = format_window(start, end)
        short = start.finite and end.finite and round(start.microseconds) == round(end.microseconds)
        if start.amount == end.amount or short:
            return fault(f"the window {shown} has no length", span, "its end must be later than its start")
        if start.amount > end.amount:
            swapped = format_window(end, start)
            return fault(f"the window {shown} is reversed", span, f"its start comes first: {swapped}")
        for offset in (start, end):
            if offset.finite and abs(offset.days) > MAX_YEARS * 366:
                mend = "use INF for all of time" if self.role is Role.WHERE else "use a shorter one"
                return fault(f"{offset} is longer than {MAX_YEARS:,} years", span, mend)
        if self.role is Role.WHERE:
            if end.amount > 0:
                past = format_window(_mirrored(start, end), Offset(0, end.unit))
                mend = f"WHERE looks back, as in {past}; a condition on the future is written ASSUMING"
                return fault(f"the window {shown} of WHERE looks ahead", span, mend)
            return None
        whose = "target window" if self.role is Role.TARGET else "window of ASSUMING"
        if end.amount <= 0:
            past = "a condition on the past belongs in WHERE"
            return fault(f"the {whose} {shown} lies in the past", span, f"it starts at 0 or later; {past}")
        if start.amount < 0:
            mend = f"it starts at 0 or later, as in {format_window(Offset(0, end.unit), end)}"
            return fault(f"the {whose} {shown} overlaps the past", span, mend)
        if not end.finite:
            mend = "give it an end, as in " + format_window(start, Offset(start.amount + 30, start.unit))
            return fault(
                f"the {whose} {shown} never ends, so that no past window of it is complete", span, mend
            )
        return None


def _mirrored(start: Offset, end: Offset) -> Offset:
    """The window's length, looking back."""
    return start if start.amount < 0 else Offset(start.amount - end.amount, end.unit)
