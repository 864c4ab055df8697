"""Expressions: operator precedence, comparisons, functions, and the aggregates with their windows."""

from __future__ import annotations

import math
from typing import NoReturn

from foretell.core.time import Offset, Unit
from foretell.query import ast
from foretell.query.cursor import Cursor
from foretell.query.tokens import RESERVED, Kind, Token

MAX_NESTING = 64
"""How deep brackets, NOTs, CASEs and calls may stand inside one another."""
MAX_TERMS = 128
"""How many terms one chain of operators may join: later passes walk a tree as high as it is long."""
_MAX_HEIGHT = MAX_TERMS + MAX_NESTING // 2

LEVELS = {"OR": 1, "AND": 2, "NOT": 3, "compare": 4, "||": 5, "+": 6, "-": 6, "*": 7, "/": 7, "%": 7}
"""How tightly each operator binds; unary minus and everything simple bind tighter still (8)."""
COMPARE, TIGHT = LEVELS["compare"], 8

COMPARISONS = {"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
WORD_COMPARISONS = {
    ("LIKE",): "LIKE",
    ("CONTAINS",): "CONTAINS",
    ("STARTS", "WITH"): "STARTS WITH",
    ("ENDS", "WITH"): "ENDS WITH",
}
_COMPARING_WORDS = frozenset({"NOT", "IN", "BETWEEN", "IS", "LIKE", "CONTAINS", "STARTS", "ENDS"})
SYNONYMS = {"MEAN": "AVG", "AVERAGE": "AVG", "STD": "STDDEV", "STDDEV_SAMP": "STDDEV"}
FUNCTIONS = {f.value: f for f in ast.Function}
TYPES = {
    "INTEGER": "INTEGER INT BIGINT SMALLINT TINYINT INT2 INT4 INT8 INT64 INT32",
    "FLOAT": "FLOAT DOUBLE REAL NUMERIC DECIMAL NUMBER FLOAT4 FLOAT8 FLOAT64",
    "TEXT": "TEXT VARCHAR STRING CHAR",
    "BOOLEAN": "BOOLEAN BOOL",
    "TIMESTAMP": "TIMESTAMP DATETIME",
    "DATE": "DATE",
}
"""The types CAST knows, each with the words that mean it."""
_TYPE_WORDS = {word: name for name, words in TYPES.items() for word in words.split()}
_EXTRACT = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")


class ExpressionParser(Cursor):
    """One method for each rule of the grammar below the clauses."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.nesting = 0  # brackets, NOTs, CASEs and calls that are open
        self.depth = 0  # calls of `operators` that are open

    def expression(self, *, row: bool) -> ast.Expr:
        expr = self.operators(1, row)
        self.check_height(expr)
        return expr

    def nested(self, level: int, row: bool) -> ast.Expr:
        """An expression inside brackets, NOT, CASE or a call."""
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            self.too_deep()
        expr = self.operators(level, row)
        self.nesting -= 1
        return expr

    def too_deep(self) -> NoReturn:
        token = self.token
        raise self.error(
            f"found more than {MAX_NESTING} levels of nesting",
            token.start,
            token.end,
            "split the condition, or move part of it into a view of the database",
        )

    def check_height(self, expr: ast.Expr) -> None:
        row = [expr]
        for _ in range(_MAX_HEIGHT):
            row = [child for node in row for child in children(node)]
            if not row:
                return
        raise self.error(
            f"found more than {MAX_TERMS} terms in one chain of operators",
            *expr.span,
            mend="write a list of values as column IN (…)",
        )

    def operators(self, level: int, row: bool) -> ast.Expr:
        """An expression whose operators bind at `level` or tighter."""
        self.depth += 1
        if self.depth > 2 * MAX_NESTING + 32:
            self.too_deep()
        left = self.prefix(level, row)
        while (own := self.level_of_operator()) >= level:
            start = left.span[0]
            if own != COMPARE:
                operator = self.advance()
                right = self.operators(own + 1, row)
                left = ast.Binary(operator.word or operator.text, left, right, self.since(start))
                continue
            left = self.comparison(left, row)
            if self.level_of_operator() >= COMPARE:
                self.fail(
                    "AND, OR or the end of the comparison", mend="comparisons do not chain: a < b AND b < c"
                )
        self.depth -= 1
        return left

    def level_of_operator(self) -> int:
        """How tightly the operator that stands here binds; 0 where none does."""
        token = self.token
        word = token.text if token.kind is Kind.SYMBOL else token.word
        if word in COMPARISONS or word in _COMPARING_WORDS:
            return COMPARE
        return LEVELS.get(word, 0)

    def comparison(self, left: ast.Expr, row: bool) -> ast.Expr:
        """The comparison that follows `left`."""
        start, token = left.span[0], self.token
        if token.kind is Kind.SYMBOL and token.text in COMPARISONS:
            self.advance()
            right = self.operators(COMPARE + 1, row)
            return ast.Binary(COMPARISONS[token.text], left, right, self.since(start))
        if self.take_word("IS"):
            negated = bool(self.take_word("NOT"))
            if self.take_word("IN"):
                return ast.In(left, self.constants(), negated, self.since(start))
            self.take_word("NULL") or self.fail("NULL or NOT NULL", ["NULL", "NOT NULL"])
            return ast.IsNull(left, negated, self.since(start))
        negated = bool(self.take_word("NOT"))
        if self.take_word("IN"):
            return ast.In(left, self.constants(), negated, self.since(start))
        if self.take_word("BETWEEN"):
            low = self.operators(COMPARE + 1, row)
            self.expect_word("AND")
            high = self.operators(COMPARE + 1, row)
            return ast.Between(left, low, high, negated, self.since(start))
        for words, name in WORD_COMPARISONS.items():
            if self.take_word(words[0]):
                for word in words[1:]:
                    self.expect_word(word)
                right = self.operators(COMPARE + 1, row)
                if negated and name == "LIKE":
                    return ast.Binary("NOT LIKE", left, right, self.since(start))
                made = ast.Binary(name, left, right, self.since(start))
                return ast.Unary("NOT", made, made.span) if negated else made
        return self.fail("IN, BETWEEN, LIKE, CONTAINS, STARTS WITH or ENDS WITH", ["IN", "BETWEEN", "LIKE"])

    def prefix(self, level: int, row: bool) -> ast.Expr:
        token = self.token
        if token.word == "NOT":
            if level > LEVELS["NOT"]:
                self.fail("a value", mend="put the negated condition in brackets: (NOT …)")
            self.advance()
            operand = self.nested(LEVELS["NOT"], row)
            return ast.Unary("NOT", operand, self.since(token.start))
        if self.is_symbol("-"):
            if self.peek().kind is Kind.NUMBER:
                return self.constant()
            self.advance()
            operand = self.nested(TIGHT, row)
            return ast.Unary("-", operand, self.since(token.start))
        if self.is_symbol("+"):
            self.advance()
            return self.nested(TIGHT, row)
        return self.simple(row)

    def simple(self, row: bool) -> ast.Expr:
        token = self.token
        literal = self.literal()
        if literal is not None:
            return literal
        if self.take("("):
            inner = self.nested(1, row)
            self.take(")") or self.fail("an operator or ')'")
            return inner
        if token.word == "CASE":
            return self.case(row)
        if token.kind is Kind.NAME and self.peek().text == "(" and self.peek().kind is Kind.SYMBOL:
            return self.call(row)
        if token.kind in (Kind.NAME, Kind.QUOTED) and (token.word not in RESERVED or self.peek().text == "."):
            return self.column()
        return self.fail("a column, a number, a 'string' or a function")

    def case(self, row: bool) -> ast.Case:
        start = self.advance().start
        operand = None if self.token.word == "WHEN" else self.nested(1, row)
        whens: list[tuple[ast.Expr, ast.Expr]] = []
        while self.take_word("WHEN"):
            when = self.nested(1, row)
            self.expect_word("THEN")
            whens.append((when, self.nested(1, row)))
        if not whens:
            self.fail("WHEN", ["WHEN"])
        default = self.nested(1, row) if self.take_word("ELSE") else None
        self.take_word("END") or self.fail("WHEN, ELSE or END", ["WHEN", "ELSE", "END"])
        return ast.Case(tuple(whens), default, operand, self.since(start))

    def call(self, row: bool) -> ast.Expr:
        token = self.token
        name = SYNONYMS.get(token.word, token.word or token.text.upper())
        if name in FUNCTIONS:
            if row:
                mend = "the smaller or larger of two columns is LEAST(a, b) or GREATEST(a, b)"
                raise self.error(
                    f"found {token.text!r} inside an aggregate, expected columns of one row",
                    token.start,
                    token.end,
                    mend if name in ("MIN", "MAX") else "aggregates do not nest",
                )
            return self.aggregate(FUNCTIONS[name])
        self.advance()
        self.expect("(")
        if name == "CAST":
            return self.cast(token.start, row)
        if name == "EXTRACT":
            return self.extract(token.start, row)
        args: list[ast.Expr] = []
        if not self.is_symbol(")"):
            args.append(self.argument(token, row))
            while self.take(","):
                args.append(self.argument(token, row))
        self.take(")") or self.fail("',' or ')'")
        return ast.Call(name, tuple(args), self.since(token.start))

    def argument(self, function: Token, row: bool) -> ast.Expr:
        """One argument of a scalar function; a star or a WHERE means that an aggregate was misspelt."""
        starts_star = (
            self.peek().text == "." and self.peek(2).text == "*" and self.peek(2).kind is Kind.SYMBOL
        )
        if self.is_symbol("*") or starts_star:
            self.fail(f"an aggregate: {', '.join(FUNCTIONS)}", list(FUNCTIONS), token=function)
        arg = self.nested(1, row)
        if self.token.word in ("WHERE", "VIA"):
            self.fail(f"an aggregate: {', '.join(FUNCTIONS)}", list(FUNCTIONS), token=function)
        return arg

    def cast(self, start: int, row: bool) -> ast.Call:
        value = self.nested(1, row)
        self.expect_word("AS")
        token = self.token
        name = _TYPE_WORDS.get(token.word)
        if name is None:
            self.fail("a type: " + ", ".join(TYPES), list(_TYPE_WORDS))
        self.advance()
        if token.word == "DOUBLE":
            self.take_word("PRECISION")
        if self.take("("):
            self.count("a length")
            if self.take(","):
                self.count("a scale")
            self.expect(")")
        self.expect(")")
        return ast.Call("CAST", (value, ast.Literal(name, (token.start, token.end))), self.since(start))

    def extract(self, start: int, row: bool) -> ast.Call:
        """EXTRACT(YEAR FROM x) is YEAR(x)."""
        part = self.token
        name = {"DOW": "DAYOFWEEK", "DOY": "DAYOFYEAR"}.get(part.word, part.word)
        if name not in (*_EXTRACT, "DAYOFWEEK", "DAYOFYEAR"):
            self.fail("a part of time: " + ", ".join(_EXTRACT), _EXTRACT)
        self.advance()
        self.expect_word("FROM")
        value = self.nested(1, row)
        self.expect(")")
        return ast.Call(name, (value,), self.since(start))

    # ── aggregates ──

    def aggregate(self, function: ast.Function) -> ast.Aggregate:
        start = self.advance().start
        self.expect("(")
        if self.is_symbol("*"):
            self.fail("a table", mend="say whose rows: COUNT(orders.*, 0, 30, days)")
        if function is ast.Function.COUNT and self.token.word == "DISTINCT" and self.peek().text != ".":
            self.advance()
            function = ast.Function.COUNT_DISTINCT
        value = self.row_value()
        where = self.expression(row=True) if self.take_word("WHERE") else None
        via = self.via() if self.take_word("VIA") else ()
        parameter = None
        if function is ast.Function.QUANTILE:
            self.expect(",", mend="say which quantile: QUANTILE(orders.amount, 0.9, 0, 30, days)")
            parameter = self.share()
        begin, end, window_span = self.window()
        last = "',' or ')'" if begin is None else "')'"
        if begin is not None and self.token.kind is Kind.NAME:
            self.fail("')'", mend="the unit follows a comma: 0, 30, days")
        self.take(")") or self.fail(last)
        return ast.Aggregate(
            function, value, where, via, begin, end, parameter, self.since(start), window_span
        )

    def row_value(self) -> ast.Expr:
        """`table.*`, or an expression over one row's columns."""
        for names in (1, 2):
            dots = [self.peek(2 * i + 1).text == "." for i in range(names)]
            if all(dots) and self.peek(2 * names).text == "*" and self.token.kind in (Kind.NAME, Kind.QUOTED):
                return self.column(star=True)
        return self.expression(row=True)

    def via(self) -> tuple[tuple[str, str], ...]:
        """`VIA column`, `VIA table.column` or `VIA table.column.table.column`, one pair a hop."""
        start = self.token.start
        names = [self.name("a foreign-key column, as in orders.ship_to")]
        while self.take("."):
            names.append(self.name("the name of a column", after_dot=True))
        if len(names) == 1:
            return (("", names[0]),)
        if len(names) % 2:
            raise self.error(
                f"found {len(names)} names after VIA, expected pairs of table and column",
                *self.since(start),
                mend="write VIA orders.ship_to, or VIA lines.order_id.orders.ship_to for two hops",
            )
        return tuple(zip(names[::2], names[1::2], strict=True))

    def window(self) -> tuple[Offset | None, Offset | None, ast.Span]:
        """`, start, end [, unit]`, or nothing."""
        if not self.take(","):
            return None, None, (0, 0)
        start = self.token.start
        low = self.bound()
        self.expect(",", mend="a window has a start and an end: 0, 30, days")
        high = self.bound()
        span = self.since(start)
        unit = Unit.DAY
        if self.take(","):
            unit = self.unit()
            span = self.since(start)
        return (
            self.checked(lambda: Offset(low, unit), start),
            self.checked(lambda: Offset(high, unit), start),
            span,
        )

    def bound(self) -> float:
        sign = -1 if self.take("-") else 1
        if sign == 1:
            self.take("+")
        token = self.token
        if token.word in ("INF", "INFINITY"):
            self.advance()
            return sign * math.inf
        if token.kind is not Kind.NUMBER:
            mend = "a window has a start, an end and a unit: 0, 30, days"
            self.fail("a number or INF", mend=mend)
        self.advance()
        return sign * float(token.value)


def children(expr: ast.Expr) -> tuple[ast.Expr, ...]:
    """The expressions directly inside `expr`."""
    match expr:
        case ast.Literal() | ast.Column():
            return ()
        case ast.Unary(operand=operand) | ast.IsNull(operand=operand):
            return (operand,)
        case ast.Binary(left=left, right=right):
            return (left, right)
        case ast.In(operand=operand, values=values):
            return (operand, *values)
        case ast.Between(operand=operand, low=low, high=high):
            return (operand, low, high)
        case ast.Case(whens=whens, default=default, operand=operand):
            inner = tuple(e for pair in whens for e in pair)
            return (*(e for e in (operand, default) if e is not None), *inner)
        case ast.Call(args=args):
            return args
        case ast.Aggregate(value=value, where=where):
            return (value,) if where is None else (value, where)
