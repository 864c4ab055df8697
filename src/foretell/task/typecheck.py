"""The types of expressions: checked once here, and written so that no engine has to guess.

What it rewrites: names become the schema's own; a string compared with a time becomes CAST('…' AS TIMESTAMP)
in UTC; 0 and 1 compared with a boolean become FALSE and TRUE; booleans in arithmetic become
CAST(… AS INTEGER); a function's other names become its one name; IF becomes CASE; CAST(… AS DATE) becomes
DATE_TRUNC('day', …).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NoReturn, TypeAlias
from zoneinfo import ZoneInfo

from foretell.core.errors import UsageError
from foretell.core.text import did_you_mean, plural
from foretell.core.time import format_instant, from_datetime, parse_instant
from foretell.query import ast
from foretell.query.format import format_expr
from foretell.schema.model import Column, DType
from foretell.task.functions import ALIASES, CASTS, DATE_UNITS, NUMBERS, SCALARS, Kind, widest
from foretell.task.names import Names

Typed: TypeAlias = tuple[ast.Expr, DType | None]
"""An expression and its type; None is the type of NULL."""

WORDS: dict[DType | None, str] = {
    DType.INTEGER: "a number",
    DType.FLOAT: "a number",
    DType.TEXT: "text",
    DType.BOOLEAN: "true or false",
    DType.TIMESTAMP: "a time",
    DType.OTHER: "a value of a type that foretell does not read",
    None: "NULL",
}
_KINDS: dict[Kind, frozenset[DType]] = {
    "number": NUMBERS,
    "text": frozenset({DType.TEXT}),
    "time": frozenset({DType.TIMESTAMP}),
    "boolean": frozenset({DType.BOOLEAN}),
}
_ORDERED = ("<", "<=", ">", ">=")
_EQUAL = ("=", "!=")
_TEXTUAL = ("LIKE", "NOT LIKE", "CONTAINS", "STARTS WITH", "ENDS WITH")
_ARITHMETIC = ("+", "-", "*", "/", "%")


def column_type(column: Column) -> DType:
    """The type a column is read as: a time that is stored as text or number is a time."""
    return DType.TIMESTAMP if column.time_format is not None else column.dtype


def as_integer(expr: ast.Expr) -> ast.Expr:
    """A boolean as 0 or 1."""
    return ast.Call("CAST", (expr, ast.Literal("INTEGER")), expr.span)


@dataclass(frozen=True)
class Checker:
    """Types an expression. `column` and `aggregate` say what those mean in the place where it stands."""

    names: Names
    column: Callable[[ast.Column], Typed]
    aggregate: Callable[[ast.Aggregate], Typed]

    def condition(self, expr: ast.Expr) -> ast.Expr:
        """An expression that must be true or false."""
        checked, dtype = self.visit(expr)
        if dtype is not DType.BOOLEAN and dtype is not None:
            mend = "compare it with something, as in … > 0"
            if isinstance(expr, ast.Column):
                mend = f"compare it with something, as in {format_expr(expr)} = …"
            self.fail(expr, f"found {WORDS[dtype]}, expected a condition", mend)
        return checked

    def fail(self, expr: ast.Expr, message: str, mend: str | None = None) -> NoReturn:
        raise self.names.error(message, expr.span, mend)

    def visit(self, expr: ast.Expr) -> Typed:
        match expr:
            case ast.Literal(value=value):
                return expr, _literal_type(value)
            case ast.Column():
                return self.column(expr)
            case ast.Aggregate():
                return self.aggregate(expr)
            case ast.Unary(op="NOT", operand=operand):
                return replace(expr, operand=self.condition(operand)), DType.BOOLEAN
            case ast.Unary(operand=operand):
                inner, dtype = self.number(operand)
                return replace(expr, operand=inner), dtype
            case ast.Binary():
                return self.binary(expr)
            case ast.In(operand=operand, values=values):
                return self.compared(expr, (operand, *values), equality=True)
            case ast.Between(operand=operand, low=low, high=high):
                return self.compared(expr, (operand, low, high), equality=False)
            case ast.IsNull(operand=operand):
                return replace(expr, operand=self.visit(operand)[0]), DType.BOOLEAN
            case ast.Case():
                return self.case(expr)
            case ast.Call():
                return self.call(expr)

    def number(self, expr: ast.Expr) -> Typed:
        """A number; a boolean counts as 0 or 1."""
        checked, dtype = self.visit(expr)
        if dtype is DType.BOOLEAN:
            return as_integer(checked), DType.INTEGER
        if dtype is not None and dtype not in NUMBERS:
            mend = None
            if dtype is DType.TEXT:
                mend = "text that holds numbers is read with CAST(… AS FLOAT)"
            if dtype is DType.TIMESTAMP:
                mend = "the distance of two times is DATE_DIFF('day', earlier, later)"
            self.fail(expr, f"found {WORDS[dtype]}, expected a number", mend)
        return checked, dtype

    def text(self, expr: ast.Expr) -> Typed:
        checked, dtype = self.visit(expr)
        if dtype is not None and dtype is not DType.TEXT:
            mend = "a number is read as text with CAST(… AS TEXT)" if dtype in NUMBERS else None
            self.fail(expr, f"found {WORDS[dtype]}, expected text", mend)
        return checked, dtype

    def binary(self, expr: ast.Binary) -> Typed:
        op = expr.op
        if op in ("AND", "OR"):
            both = replace(expr, left=self.condition(expr.left), right=self.condition(expr.right))
            return both, DType.BOOLEAN
        if op in _ARITHMETIC:
            left, left_type = self.number(expr.left)
            right, right_type = self.number(expr.right)
            dtype = DType.FLOAT if op == "/" else widest([left_type, right_type]) or DType.FLOAT
            return replace(expr, left=left, right=right), dtype
        if op == "||":
            return replace(expr, left=self.text(expr.left)[0], right=self.text(expr.right)[0]), DType.TEXT
        if op in _TEXTUAL:
            both = replace(expr, left=self.text(expr.left)[0], right=self.text(expr.right)[0])
            return both, DType.BOOLEAN
        return self.compared(expr, (expr.left, expr.right), equality=op in _EQUAL)

    def compared(
        self, expr: ast.Binary | ast.In | ast.Between, parts: Sequence[ast.Expr], *, equality: bool
    ) -> Typed:
        """A comparison: its parts brought to one type."""
        typed = self.one_type([self.visit(p) for p in parts])
        dtype = next((t for _, t in typed if t is not None), None)
        self.refuse_null(expr, parts)
        if dtype is DType.BOOLEAN and not equality:
            self.fail(expr, "found true or false compared by size", "use = or !=")
        first, *rest = (e for e, _ in typed)
        match expr:
            case ast.In():
                return replace(expr, operand=first, values=tuple(rest)), DType.BOOLEAN
            case ast.Between():
                return replace(expr, operand=first, low=rest[0], high=rest[1]), DType.BOOLEAN
            case ast.Binary():
                return replace(expr, left=first, right=rest[0]), DType.BOOLEAN

    def refuse_null(self, expr: ast.Expr, parts: Sequence[ast.Expr]) -> None:
        for part in parts:
            if isinstance(part, ast.Literal) and part.value is None:
                self.fail(
                    part, "found a comparison with NULL, which is never true", "write IS NULL or IS NOT NULL"
                )

    def one_type(self, typed: Sequence[Typed]) -> list[Typed]:
        """The parts brought to one type, or an error at the first that does not fit."""
        anchor = next((t for e, t in typed if t is not None and not isinstance(e, ast.Literal)), None)
        if anchor is None:
            anchor = next((t for _, t in typed if t is not None), None)
        if anchor is DType.OTHER:
            self.fail(typed[0][0], f"found {WORDS[anchor]}", "such a column can only be tested with IS NULL")
        return [self.adapted(e, t, anchor) for e, t in typed]

    def adapted(self, expr: ast.Expr, dtype: DType | None, anchor: DType | None) -> Typed:
        if dtype is None or dtype == anchor or {dtype, anchor} <= NUMBERS:
            return expr, dtype
        if isinstance(expr, ast.Literal):
            value = expr.value
            if anchor is DType.TIMESTAMP and isinstance(value, str):
                return self.instant(expr, value), DType.TIMESTAMP
            if anchor is DType.BOOLEAN and value in (0, 1):
                return replace(expr, value=bool(value)), DType.BOOLEAN
            if anchor is DType.TEXT and not isinstance(value, bool):
                self.fail(
                    expr, f"found {value}, a number compared with text", f"write it in quotes: '{value}'"
                )
            if anchor in NUMBERS and isinstance(value, str):
                mend = f"write {value} without quotes" if is_number(value) else None
                self.fail(expr, f"found {value!r}, text compared with a number", mend)
        mend = "write a date in quotes: '2026-03-01'" if anchor is DType.TIMESTAMP else None
        return self.fail(expr, f"found {WORDS[dtype]} compared with {WORDS[anchor]}", mend)

    def instant(self, expr: ast.Literal, value: str) -> ast.Expr:
        """A written time as a time in UTC: without a zone of its own it is in the schema's."""
        try:
            instant = parse_instant(value)
        except UsageError as error:
            self.fail(expr, error.message, error.mend)
        zone = self.names.schema.timezone
        moment = datetime.fromisoformat(value.strip())
        if zone is not None and moment.tzinfo is None:
            instant = from_datetime(moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC))
        written = ast.Literal(format_instant(instant), expr.span)
        return ast.Call("CAST", (written, ast.Literal("TIMESTAMP")), expr.span)

    def case(self, expr: ast.Case) -> Typed:
        conditions = [when for when, _ in expr.whens]
        operand = expr.operand
        if operand is None:
            checked = [self.condition(c) for c in conditions]
        else:
            typed = self.one_type([self.visit(operand), *(self.visit(c) for c in conditions)])
            operand, *checked = (e for e, _ in typed)
        results = [then for _, then in expr.whens] + ([expr.default] if expr.default is not None else [])
        typed = self.one_type([self.visit(r) for r in results])
        thens = [e for e, _ in typed]
        default = thens.pop() if expr.default is not None else None
        whens = tuple(zip(checked, thens, strict=True))
        return replace(expr, whens=whens, default=default, operand=operand), widest([t for _, t in typed])

    def call(self, expr: ast.Call) -> Typed:
        name = ALIASES.get(expr.name, expr.name)
        if name == "CAST":
            return self.cast(expr)
        scalar = SCALARS.get(name)
        if scalar is None:
            known = [*SCALARS, *ALIASES, "CAST", *(f.value for f in ast.Function)]
            start = expr.span[0]
            span = (start, start + len(expr.name))
            raise self.names.error(f"no function {expr.name!r}", span, did_you_mean(expr.name, known))
        if not scalar.fits(len(expr.args)):
            self.fail(
                expr, f"found {plural(len(expr.args), 'argument')} for {name}", f"it is called {scalar}"
            )
        args: list[Typed] = []
        for i, arg in enumerate(expr.args):
            args.append(self.argument(scalar.kind_of(i), arg))
        same = [i for i in range(len(args)) if scalar.kind_of(i) == "same"]
        for i, typed in zip(same, self.one_type([args[i] for i in same]), strict=True):
            args[i] = typed
        gives = scalar.gives
        numbers = [t for i, (_, t) in enumerate(args) if scalar.kind_of(i) in ("same", "number")]
        dtype = widest(numbers) if gives == "same" else gives
        bound = tuple(e for e, _ in args)
        if name == "IF":
            return ast.Case(
                ((bound[0], bound[1]),), bound[2] if len(bound) > 2 else None, None, expr.span
            ), dtype
        return replace(expr, name=name, args=bound), dtype

    def argument(self, kind: Kind, arg: ast.Expr) -> Typed:
        if kind == "unit":
            if isinstance(arg, ast.Literal) and str(arg.value).lower() in DATE_UNITS:
                return replace(arg, value=str(arg.value).lower()), DType.TEXT
            self.fail(
                arg, "expected a unit of time in quotes", "one of " + ", ".join(repr(u) for u in DATE_UNITS)
            )
        if kind == "number":
            return self.number(arg)
        checked, dtype = self.visit(arg)
        if kind == "same" or dtype is None or dtype in _KINDS[kind]:
            return checked, dtype
        if kind == "time" and isinstance(arg, ast.Literal) and isinstance(arg.value, str):
            return self.instant(arg, arg.value), DType.TIMESTAMP
        wanted = WORDS[next(iter(_KINDS[kind]))]
        return self.fail(arg, f"found {WORDS[dtype]}, expected {wanted}")

    def cast(self, expr: ast.Call) -> Typed:
        value, kind = expr.args
        checked, dtype = self.visit(value)
        target = CASTS[str(kind.value)] if isinstance(kind, ast.Literal) else DType.TEXT
        if dtype is DType.OTHER or (target is DType.TIMESTAMP and dtype in (*NUMBERS, DType.BOOLEAN)):
            self.fail(value, f"found {WORDS[dtype]}, which cannot be read as {WORDS[target]}")
        if dtype is DType.TIMESTAMP and target not in (DType.TIMESTAMP, DType.TEXT):
            self.fail(value, f"found {WORDS[dtype]}, which cannot be read as {WORDS[target]}")
        if isinstance(kind, ast.Literal) and kind.value == "DATE":
            moment = (
                checked
                if dtype is DType.TIMESTAMP
                else replace(expr, args=(checked, ast.Literal("TIMESTAMP")))
            )
            return ast.Call("DATE_TRUNC", (ast.Literal("day"), moment), expr.span), target
        return replace(expr, args=(checked, kind)), target


def _literal_type(value: object) -> DType | None:
    match value:
        case None:
            return None
        case bool():
            return DType.BOOLEAN
        case int():
            return DType.INTEGER
        case float():
            return DType.FLOAT
    return DType.TEXT


def is_number(text: str) -> bool:
    """Whether text reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
