"""A place in a query's tokens: what stands here, take it or say what was expected instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

from foretell.core.errors import ForetellError, QueryError
from foretell.core.text import nearest
from foretell.core.time import Offset, Unit
from foretell.query import ast
from foretell.query.tokens import RESERVED, Kind, Token, tokenize

UNITS = {**{u.value: u for u in Unit}, **{u.value + "s": u for u in Unit}}


class Cursor:
    """The tokens of a text, and the small rules that every larger one is made of."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.at = 0

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

    def count(self, expected: str) -> int:
        """A whole number of at least 1."""
        token = self.token
        if token.kind is not Kind.NUMBER:
            self.fail(expected)
        if not isinstance(token.value, int) or token.value < 1:
            self.fail("a whole number of at least 1")
        self.advance()
        return int(token.value)

    def unit(self) -> Unit:
        found = UNITS.get(self.token.word.lower())
        if found is None:
            self.fail("a unit of time", [u.value + "s" for u in Unit], mend=None)
        self.advance()
        return found

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
