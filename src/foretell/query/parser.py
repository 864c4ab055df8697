"""Query text into its tree: recursive descent for clauses, operator precedence for expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal as OneOf
from typing import NoReturn

from foretell.core.errors import ForetellError, QueryError
from foretell.core.text import nearest
from foretell.core.time import Instant, Offset, Unit, parse_instant
from foretell.query import ast
from foretell.query.tokens import RESERVED, Kind, Token, tokenize

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
UNITS = {**{u.value: u for u in Unit}, **{u.value + "s": u for u in Unit}}
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
_CLAUSES = ("WHERE", "ASSUMING", "AS", "EVERY", "RETURN", "FORECAST", "RANK", "CLASSIFY")
_VERBS = {
    "EXPLAIN": ast.Verb.EXPLAIN,
    "CHECK": ast.Verb.CHECK,
    "BACKTEST": ast.Verb.BACKTEST,
    "EVALUATE": ast.Verb.BACKTEST,
}


def parse(text: str) -> ast.Query:
    """The tree of a query.

    >>> parse("PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.id").entity
    Column(table='customers', name='id', schema='')
    >>> parse("PREDICT COUNT(orders.*, 0, 30, dayz) = 0 FOR EACH customers.id")
    Traceback (most recent call last):
    foretell.core.errors.QueryError: found 'dayz', expected a unit of time
      PREDICT COUNT(orders.*, 0, 30, dayz) = 0 FOR EACH customers.id
                                     ^^^^
    did you mean 'days'?
    """
    return _Parser(text).query()


def parse_expr(text: str, level: OneOf["row", "condition"] = "condition") -> ast.Expr:
    """The tree of an expression alone: at row level (inside an aggregate) or at condition level.

    >>> parse_expr("quantity * unit_price", "row").op
    '*'
    """
    parser = _Parser(text)
    expr = parser.expression(row=level == "row")
    parser.expect_end()
    return expr


class _Parser:
    """A place in the tokens, and one method for each rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.at = 0
        self.nesting = 0  # brackets, NOTs, CASEs and calls that are open
        self.depth = 0  # calls of `operators` that are open

    # ── tokens ──

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def advance(self) -> Token:
        token = self.token
        if token.kind is not Kind.END:
            self.at += 1
        return token

    def is_symbol(self, symbol: str) -> bool:
        return self.token.kind is Kind.SYMBOL and self.token.text == symbol

    def take(self, *symbols: str) -> Token | None:
        return self.advance() if any(self.is_symbol(s) for s in symbols) else None

    def take_word(self, *words: str) -> Token | None:
        """Take this whole sequence of words, or nothing."""
        if all(self.peek(i).word == word for i, word in enumerate(words)):
            first = self.token
            self.at += len(words)
            return first
        return None

    def expect(self, symbol: str, mend: str | None = None) -> Token:
        return self.take(symbol) or self.fail(f"{symbol!r}", mend=mend)

    def expect_word(self, word: str) -> Token:
        return self.take_word(word) or self.fail(word, [word])

    def expect_end(self) -> None:
        self.take(";")
        if self.token.kind is not Kind.END:
            self.fail("the end of the text")

    def fail(
        self,
        expected: str,
        candidates: Sequence[str] = (),
        *,
        token: Token | None = None,
        mend: str | None = None,
    ) -> NoReturn:
        """Raise: this token was found where `expected` should stand."""
        token = token or self.token
        if mend is None and candidates and token.kind is not Kind.END:
            best = nearest(token.text, candidates)
            mend = f"did you mean {best!r}?" if best is not None else None
        raise QueryError(
            f"found {token.shown}, expected {expected}",
            text=self.text,
            start=token.start,
            end=max(token.end, token.start + 1),
            mend=mend,
        )

    def error(self, message: str, start: int, end: int, mend: str | None = None) -> QueryError:
        return QueryError(message, text=self.text, start=start, end=end, mend=mend)

    def since(self, start: int) -> ast.Span:
        """The span from `start` to the last token taken."""
        return (start, self.tokens[self.at - 1].end if self.at else start)

    def checked(self, make: Callable[[], Offset], start: int) -> Offset:
        """An Offset, its complaint turned into one that points at the text."""
        try:
            return make()
        except ForetellError as error:
            raise self.error(error.message, *self.since(start), mend=error.mend) from None

    # ── clauses ──

    def query(self) -> ast.Query:
        verb = _VERBS.get(self.token.word)
        if verb is not None:
            self.advance()
        if not self.take_word("PREDICT"):
            self.fail("PREDICT", ["PREDICT", *_VERBS])
        target = self.expression(row=False)
        spec = self.spec()
        entity, values = self.entity(in_target=spec is None)
        found: dict[str, tuple[object, Token]] = {}
        while self.token.kind is not Kind.END and not self.is_symbol(";"):
            first = self.token
            name, value = self.clause(spec is None)
            if name in found:
                mend = (
                    "join the two conditions with AND"
                    if name in ("WHERE", "ASSUMING")
                    else "keep one of them"
                )
                raise self.error(f"found a second {name}", first.start, first.end, mend)
            found[name] = value, first
        self.expect_end()
        clauses = {name: value for name, (value, _) in found.items()}
        return ast.Query(
            target=target,
            entity=entity,
            entity_values=values,
            spec=spec or clauses.get("SPEC"),  # type: ignore[arg-type]
            where=clauses.get("WHERE"),  # type: ignore[arg-type]
            assuming=clauses.get("ASSUMING"),  # type: ignore[arg-type]
            as_of=clauses.get("AS OF"),  # type: ignore[arg-type]
            every=clauses.get("EVERY"),  # type: ignore[arg-type]
            returns=clauses.get("RETURN"),  # type: ignore[arg-type]
            verb=verb,
            text=self.text,
        )

    def clause(self, spec_allowed: bool) -> tuple[str, object]:
        if self.take_word("WHERE"):
            return "WHERE", self.expression(row=False)
        if self.take_word("ASSUMING"):
            return "ASSUMING", self.expression(row=False)
        if self.take_word("AS"):
            self.expect_word("OF")
            return "AS OF", self.instant()
        if self.take_word("EVERY"):
            return "EVERY", self.every()
        if self.take_word("RETURN"):
            return "RETURN", self.returns()
        if spec_allowed and (spec := self.spec()):
            return "SPEC", spec
        return self.fail("WHERE, ASSUMING, AS OF, EVERY, RETURN or the end of the query", _CLAUSES)

    def spec(self) -> ast.Spec | None:
        if self.take_word("FORECAST"):
            steps = self.count("a number of timeframes")
            if not self.take_word("TIMEFRAMES") and not self.take_word("TIMEFRAME"):
                self.fail("TIMEFRAMES", ["TIMEFRAMES"])
            return ast.Forecast(steps)
        if self.take_word("RANK"):
            self.expect_word("TOP")
            return ast.Rank(self.count("how many to rank"))
        if self.take_word("CLASSIFY"):
            if self.take_word("TOP"):  # Kumo allows it here and ignores it
                self.count("a number")
            return ast.Classify()
        return None

    def count(self, expected: str) -> int:
        """A whole number of at least 1."""
        token = self.token
        if token.kind is not Kind.NUMBER:
            self.fail(expected)
        if not isinstance(token.value, int) or token.value < 1:
            self.fail("a whole number of at least 1")
        self.advance()
        return int(token.value)

    def entity(self, in_target: bool) -> tuple[ast.Column, tuple[ast.Literal, ...] | None]:
        if not self.take_word("FOR"):
            candidates = ["FOR EACH", *(("FORECAST", "RANK", "CLASSIFY") if in_target else ())]
            expected = "an operator or FOR EACH" if in_target else "FOR EACH"
            self.fail(expected, candidates, mend=self.entity_mend(candidates))
        self.take_word("EACH")
        column = self.column(star=True)
        if self.take("=", "=="):
            return column, (self.constant(),)
        if self.take_word("IN"):
            return column, self.constants()
        return column, None

    def entity_mend(self, candidates: Sequence[str]) -> str | None:
        if self.token.kind is Kind.END or self.token.word in _CLAUSES:
            return "say for whom: … FOR EACH customers.customer_id"
        best = nearest(self.token.text, candidates)
        return f"did you mean {best!r}?" if best else None

    def instant(self) -> Instant:
        token = self.token
        if token.kind not in (Kind.STRING, Kind.DATE):
            self.fail("a date or a timestamp", mend="write it as 2026-03-01 or '2026-03-01 12:00:00'")
        self.advance()
        try:
            return parse_instant(str(token.value))
        except ForetellError as error:
            raise self.error(error.message, token.start, token.end, error.mend) from None

    def every(self) -> Offset:
        start = self.token.start
        amount = self.count("a number and a unit of time")
        unit = self.unit()
        return self.checked(lambda: Offset(amount, unit), start)

    def unit(self) -> Unit:
        found = UNITS.get(self.token.word.lower())
        if found is None:
            self.fail("a unit of time", [u.value + "s" for u in Unit], mend=None)
        self.advance()
        return found

    def returns(self) -> ast.Returns:
        kinds = ["PROBABILITY", "CLASS", "QUANTILES", "INTERVAL"]
        kind = self.token.word
        if kind not in kinds:
            self.fail("PROBABILITY, CLASS, QUANTILES(…) or INTERVAL(…)", kinds)
        self.advance()
        if kind in ("PROBABILITY", "CLASS"):
            return ast.Returns(kind)
        self.expect("(")
        numbers = [self.share()]
        while kind == "QUANTILES" and self.take(","):
            numbers.append(self.share())
        self.expect(")")
        return ast.Returns(kind, tuple(numbers))

    def share(self) -> float:
        """A number between 0 and 1."""
        token = self.token
        if token.kind is not Kind.NUMBER:
            self.fail("a number between 0 and 1")
        if not 0 < float(token.value) < 1:
            self.fail("a number between 0 and 1", mend="90% is written 0.9")
        self.advance()
        return float(token.value)

    # ── names and constants ──

    def name(self, expected: str, *, after_dot: bool = False) -> str:
        token = self.token
        if token.kind is Kind.QUOTED or (
            token.kind is Kind.NAME and (after_dot or token.word not in RESERVED)
        ):
            self.advance()
            return str(token.value)
        mend = f'a column of that name is written "{token.text}"' if token.word in RESERVED else None
        return self.fail(expected, mend=mend)

    def column(self, *, star: bool = False) -> ast.Column:
        """`name`, `table.name` or `schema.table.name`; `table.*` where `star` allows it."""
        start = self.token.start
        names = [self.name("a column, as in customers.customer_id")]
        while len(names) < 3 and self.take("."):
            if self.is_symbol("*"):
                if not star:
                    self.fail(
                        "the name of a column", mend="'.*' stands alone: COUNT(orders.* WHERE …, 0, 30, days)"
                    )
                self.advance()
                names.append("*")
                break
            names.append(self.name("the name of a column", after_dot=True))
        schema, table, column = ["", "", *names][-3:]
        return ast.Column(table, column, schema, self.since(start))

    def constant(self) -> ast.Literal:
        """A number, a string, a date, TRUE, FALSE or NULL."""
        token, start = self.token, self.token.start
        sign = self.take("-")
        number = self.token
        if sign or self.is_symbol("+"):
            self.take("+")
            number = self.token
            if number.kind is not Kind.NUMBER:
                self.fail("a number")
        literal = self.literal()
        if literal is None:
            mend = None
            if token.kind in (Kind.NAME, Kind.QUOTED):
                mend = f"a string is written in single quotes: '{token.value}'"
            self.fail("a number or a 'string'", mend=mend)
        value = literal.value
        if sign and isinstance(value, int | float):
            value = -value
        return ast.Literal(value, self.since(start))

    def constants(self) -> tuple[ast.Literal, ...]:
        self.expect("(", mend="a list is written IN (1, 2, 3)")
        values = [self.constant()]
        while self.take(","):
            values.append(self.constant())
        self.take(")") or self.fail("',' or ')'")
        return tuple(values)

    def literal(self) -> ast.Literal | None:
        token = self.token
        words: dict[str, bool | None] = {"TRUE": True, "FALSE": False, "NULL": None}
        if token.kind in (Kind.NUMBER, Kind.STRING, Kind.DATE):
            self.advance()
            return ast.Literal(token.value, (token.start, token.end))
        if token.word in words:
            self.advance()
            return ast.Literal(words[token.word], (token.start, token.end))
        if token.word in ("DATE", "TIMESTAMP") and self.peek().kind is Kind.STRING:
            self.advance()
            return ast.Literal(self.advance().value, self.since(token.start))
        return None

    # ── expressions ──

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
