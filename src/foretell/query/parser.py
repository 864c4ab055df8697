"""Query text into its tree: the clauses, and the two front doors `parse` and `parse_expr`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal as OneOf

from foretell.core.errors import ForetellError
from foretell.core.text import nearest
from foretell.core.time import Instant, Offset, parse_instant
from foretell.query import ast
from foretell.query.expressions import ExpressionParser
from foretell.query.tokens import Kind, Token

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


class _Parser(ExpressionParser):
    """One method for each clause of the grammar."""

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
