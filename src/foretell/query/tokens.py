"""Text into tokens, each with its place in the text; the words the language keeps for itself."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum, auto

from foretell.core.errors import QueryError

MAX_TEXT = 64 * 1024
"""The longest query that is read, in bytes of UTF-8."""

RESERVED = frozenset(
    [
        *("AND", "OR", "NOT", "IN", "BETWEEN", "IS", "LIKE", "CONTAINS", "STARTS", "ENDS"),
        *("CASE", "WHEN", "THEN", "ELSE", "END", "NULL", "TRUE", "FALSE", "INF", "DISTINCT"),
        *("PREDICT", "FOR", "WHERE", "VIA", "ASSUMING"),
    ]
)
"""Words that are never a name unless quoted (after a dot they may stand bare)."""


class Kind(Enum):
    NAME = auto()  # a bare word: a keyword or a name
    QUOTED = auto()  # a "quoted" or `quoted` name
    STRING = auto()
    NUMBER = auto()
    DATE = auto()  # 2026-03-01, with or without a time
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True)
class Token:
    """`text` is as written, `value` what it stands for; `word` is the upper-case form of a bare word."""

    kind: Kind
    text: str
    start: int
    end: int
    value: str | int | float = ""

    @property
    def word(self) -> str:
        # Only ASCII: some letters outside it fold into ASCII ones ('ı' into 'I') and would make keywords.
        return self.text.upper() if self.kind is Kind.NAME and self.text.isascii() else ""

    @property
    def shown(self) -> str:
        if self.kind is Kind.END:
            return "the end of the query"
        return repr(self.text if len(self.text) <= 40 else self.text[:37] + "…")


_SKIP = re.compile(r"(?:\s+|--[^\n]*|\#[^\n]*|/\*.*?\*/)+", re.DOTALL)
_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?(?![\w.-])",
    re.ASCII,
)
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_NAME = re.compile(r"[^\W\d][\w$]*")
_STRING = re.compile(r"'(?:[^']|'')*'")
_QUOTED = {'"': re.compile(r'"(?:[^"]|"")*"'), "`": re.compile(r"`(?:[^`]|``)*`")}
_SYMBOL = re.compile(r"\|\||<>|!=|<=|>=|==|[-+*/%=<>(),.;]")
_UNSOUND = re.compile("[\ud800-\udfff]")
_CURLY = "‘’“”´"


def is_plain_name(name: str) -> bool:
    """Whether a name can stand without quotes.

    >>> is_plain_name("orders"), is_plain_name("order lines"), is_plain_name("In")
    (True, False, False)
    """
    return bool(_NAME.fullmatch(name)) and not (name.isascii() and name.upper() in RESERVED)


def tokenize(text: str) -> list[Token]:
    """The tokens of a query, the last one END.

    >>> [t.text for t in tokenize("COUNT(orders.*, 0, 30) -- a comment")]
    ['COUNT', '(', 'orders', '.', '*', ',', '0', ',', '30', ')', '']
    """
    size = len(text) if len(text) > MAX_TEXT else len(text.encode(errors="replace"))
    if size > MAX_TEXT:
        raise QueryError(
            f"found a query of {size:,} bytes, expected at most {MAX_TEXT:,}",
            mend="move long lists of values into a table of the database",
        )
    if odd := _UNSOUND.search(text):
        raise _fault(
            text,
            odd.start(),
            f"found {odd[0]!r}, half of a character, which no text of a database holds",
            "take it out",
        )
    tokens: list[Token] = []
    at = 0
    while True:
        if skipped := _SKIP.match(text, at):
            at = skipped.end()
        if at >= len(text):
            break
        token = _next(text, at)
        tokens.append(token)
        at = token.end
    end = len(text.rstrip())
    tokens.append(Token(Kind.END, "", end, end))
    return tokens


def _next(text: str, at: int) -> Token:
    char = text[at]
    if char == "'":
        found = _STRING.match(text, at)
        if found is None:
            raise _fault(text, at, "found a string that never ends", "close it with a single quote (')")
        return Token(Kind.STRING, found[0], at, found.end(), found[0][1:-1].replace("''", "'"))
    if char in _QUOTED:
        found = _QUOTED[char].match(text, at)
        if found is None:
            raise _fault(text, at, "found a quoted name that never ends", f"close it with {char}")
        name = found[0][1:-1].replace(char * 2, char)
        if not name:
            raise _fault(text, at, "found an empty name", "put a name between the quotes", found.end())
        return Token(Kind.QUOTED, found[0], at, found.end(), name)
    if found := _DATE.match(text, at):
        return Token(Kind.DATE, found[0], at, found.end(), found[0])
    if found := _NUMBER.match(text, at):
        return Token(Kind.NUMBER, found[0], at, found.end(), _number(text, found))
    if found := _NAME.match(text, at):
        return Token(Kind.NAME, found[0], at, found.end(), found[0])
    if text.startswith("/*", at):
        raise _fault(text, at, "found a comment that never ends", "close it with */", at + 2)
    if found := _SYMBOL.match(text, at):
        return Token(Kind.SYMBOL, found[0], at, found.end(), found[0])
    if char in _CURLY:
        raise _fault(text, at, f"found the quote {char}", "use straight quotes: 'text' or \"name\"")
    raise _fault(
        text,
        at,
        f"found the character {char!r}",
        'a name with such a character is written "in double quotes"',
    )


def _number(text: str, found: re.Match[str]) -> int | float:
    written = found[0]
    if len(written) <= 400:
        value = int(written) if written.isdecimal() else float(written)
        if abs(value) <= 2**63 if isinstance(value, int) else math.isfinite(value):
            return value
    raise _fault(
        text, found.start(), "found a number that does not fit in 64 bits", "write fewer digits", found.end()
    )


def _fault(text: str, start: int, message: str, mend: str, end: int | None = None) -> QueryError:
    return QueryError(message, text=text, start=start, end=end or start + 1, mend=mend)
