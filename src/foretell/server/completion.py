"""What may stand at the caret of a query that is being written: from the tokens before it and the schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from foretell.core.errors import QueryError
from foretell.query.ast import Function
from foretell.query.cursor import UNITS
from foretell.query.format import format_literal, format_name
from foretell.query.tokens import Kind, Token, tokenize
from foretell.schema.model import Column, DType, Schema, Table
from foretell.task.functions import SCALARS

MOST = 60
COMPARING = ("=", "==", "!=", "<>", "<", "<=", ">", ">=")
AFTER_VALUE = (
    "=",
    "!=",
    ">",
    ">=",
    "<",
    "<=",
    "+",
    "-",
    "*",
    "/",
    "IS NULL",
    "IS NOT NULL",
    "IN (",
    "AND",
    "OR",
)
CLAUSES = ("WHERE", "ASSUMING", "AS OF", "EVERY", "RETURN")
SPECS = ("CLASSIFY", "RANK TOP", "FORECAST")
RETURNS = ("PROBABILITY", "CLASS", "QUANTILES(", "INTERVAL(")
NUMERIC = (Function.SUM, Function.AVG, Function.STDDEV, Function.MEDIAN, Function.QUANTILE)
SHAPES = {
    Function.COUNT: "how many rows: COUNT(orders.*, 0, 30, days)",
    Function.COUNT_DISTINCT: "how many different values",
    Function.EXISTS: "whether there is any row",
    Function.SUM: "the sum of a column",
    Function.AVG: "the mean of a column",
    Function.FIRST: "the first value by time",
    Function.LAST: "the last value by time",
}
Values = Callable[[str, str], Sequence[str]]
"""The most frequent values of a table's column, as text; none where they are not at hand."""


@dataclass(frozen=True)
class Suggestion:
    """A text that may replace the query's characters `start` to `end`."""

    text: str
    kind: str
    detail: str
    start: int
    end: int


@dataclass(frozen=True)
class _Idea:
    text: str
    kind: str
    detail: str = ""
    plain: str = ""  # what is typed to find it, where that is not its text


def complete(text: str, position: int, schema: Schema, values: Values) -> list[Suggestion]:
    """What may stand at the caret, the likeliest first.

    >>> from foretell.schema.model import Column, DType, Semantic
    >>> table = Table("orders", (Column("id", DType.INTEGER, Semantic.IDENTIFIER),), ("id",))
    >>> [s.text for s in complete("PREDICT COUNT(or", 16, Schema((table,)), lambda t, c: ())][:1]
    ['orders']
    >>> [s.text for s in complete("PREDICT COUNT(orders.*, 0, 30, da", 33, Schema((table,)), lambda t, c: ())]
    ['days']
    """
    before = text[: max(0, min(position, len(text)))]
    tokens, typed, start = _read(before)
    if tokens is None:
        return []
    ideas = _ideas(_Place(tokens, schema, values))
    wanted = typed.strip("\"`'").casefold()
    ranked = [(_rank(idea, wanted), i, idea) for i, idea in enumerate(ideas)]
    found: dict[str, Suggestion] = {}
    for rank, _, idea in sorted((r for r in ranked if r[0] < 3), key=lambda r: r[:2]):
        if not (rank == 0 and len(wanted) and idea.text == typed):
            found.setdefault(idea.text, Suggestion(idea.text, idea.kind, idea.detail, start, len(before)))
    return list(found.values())[:MOST]


def _read(before: str) -> tuple[list[Token] | None, str, int]:
    """The whole tokens before the caret, what of a word is typed already, and where that begins."""
    try:
        tokens = tokenize(before)[:-1]
    except QueryError as error:
        start = error.start
        if start >= len(before) or before[start] not in "\"`'":
            return None, "", 0
        return tokenize(before[:start])[:-1], before[start:], start  # a text or a name that is not closed yet
    if tokens and tokens[-1].end == len(before) and tokens[-1].kind in (Kind.NAME, Kind.QUOTED, Kind.STRING):
        return tokens[:-1], tokens[-1].text, tokens[-1].start
    return tokens, "", len(before)


def _rank(idea: _Idea, wanted: str) -> int:
    """0 where it begins so, 1 where a word of it does, 2 where it holds that, 3 where it does not fit."""
    name = (idea.plain or idea.text).strip("\"'").casefold()
    if name.startswith(wanted):
        return 0
    if f"_{wanted}" in name or f" {wanted}" in name or f".{wanted}" in name:
        return 1
    return 2 if wanted in name else 3


class _Place:
    """Where the caret stands: the tokens before it, and the aggregate that is open there."""

    def __init__(self, tokens: Sequence[Token], schema: Schema, values: Values) -> None:
        self.tokens = tokens
        self.values = values
        self.tables = [t for t in schema.tables if not t.ignored]
        self.function: Function | None = None
        self.commas = 0
        self.inside: Table | None = None
        self._look()

    def _look(self) -> None:
        """Which bracket is open at the caret, of what aggregate, and after how many commas."""
        opened: list[tuple[Function | None, int]] = []
        commas: list[int] = []
        for i, token in enumerate(self.tokens):
            if token.text == "(" and token.kind is Kind.SYMBOL:
                word = self.tokens[i - 1].word if i else ""
                opened.append((Function(word) if word in Function.__members__ else None, i))
                commas.append(0)
            elif token.text == ")" and token.kind is Kind.SYMBOL and opened:
                opened.pop()
                commas.pop()
            elif token.text == "," and token.kind is Kind.SYMBOL and commas:
                commas[-1] += 1
        for (function, at), count in zip(opened[::-1], commas[::-1]):
            if function is not None:
                self.function, self.commas = function, count
                self.inside = self.table(self.tokens[at + 1]) if at + 1 < len(self.tokens) else None
                break

    def back(self, steps: int = 1) -> Token | None:
        """The token so many before the caret."""
        return self.tokens[-steps] if len(self.tokens) >= steps else None

    def word(self, steps: int = 1) -> str:
        found = self.back(steps)
        return "" if found is None else found.word

    def symbol(self, steps: int = 1) -> str:
        found = self.back(steps)
        return found.text if found is not None and found.kind is Kind.SYMBOL else ""

    def table(self, token: Token | None) -> Table | None:
        """The table that a token names."""
        name = _name(token)
        fits = [t for t in self.tables if t.name == name] or [
            t for t in self.tables if name and t.name.casefold() == name.casefold()
        ]
        return fits[0] if fits else None

    def column(self, steps: int) -> tuple[Table, Column] | None:
        """The column that the tokens up to so many before the caret name."""
        token = self.back(steps)
        if token is None or token.kind not in (Kind.NAME, Kind.QUOTED):
            return None
        table = self.table(self.back(steps + 2)) if self.symbol(steps + 1) == "." else self.inside
        name = _name(token)
        if table is None or name is None or not table.has(name):
            return None
        return table, table.column(name)

    @property
    def has_entity(self) -> bool:
        return any(t.word == "FOR" for t in self.tokens)

    @property
    def clause(self) -> str:
        """The last clause that was begun."""
        return next((t.word for t in reversed(self.tokens) if t.word in _BEGINS), "")


_BEGINS = ("PREDICT", "FOR", "WHERE", "ASSUMING", "OF", "EVERY", "RETURN")


def _name(token: Token | None) -> str | None:
    if token is None or token.kind not in (Kind.NAME, Kind.QUOTED):
        return None
    return str(token.value)


def _ideas(place: _Place) -> list[_Idea]:
    """Everything that may stand there, by the first rule that fits."""
    for rule in _RULES:
        found = rule(place)
        if found is not None:
            return list(found)
    return []


def _begin(place: _Place) -> Iterable[_Idea] | None:
    if place.tokens:
        return None
    return _words(("PREDICT",), "what is asked")


def _after_dot(place: _Place) -> Iterable[_Idea] | None:
    if place.symbol() != ".":
        return None
    table = place.table(place.back(2))
    if table is None:
        return ()
    if place.word(3) == "EACH" or (place.word(3) == "FOR"):
        return [_column(table, table.column(c), "key of " + table.name) for c in table.primary_key]
    star = [_Idea("*", "column", "every row")] if place.function in (None, *_STARRED) else []
    first = place.commas == 0 and place.function in NUMERIC and place.word(3) != "WHERE"
    columns = [c for c in table.columns if not c.ignored]
    if first:
        columns.sort(key=lambda c: c.dtype not in (DType.INTEGER, DType.FLOAT))
    return [*star, *(_column(table, c) for c in columns)]


_STARRED = (Function.COUNT, Function.EXISTS)


def _value(place: _Place) -> Iterable[_Idea] | None:
    """The values of a column, after a comparison with it or inside its list."""
    steps = 1
    if place.symbol() in COMPARING:
        steps = 2
    else:
        while place.back(steps) is not None and (
            place.symbol(steps) in ("(", ",") or _is_constant(place.back(steps))
        ):
            steps += 1
        if steps == 1 or place.word(steps) != "IN":
            return None
        steps += 1 + (place.word(steps + 1) == "NOT")
    found = place.column(steps)
    if found is None:
        return None
    table, column = found
    if column.dtype is DType.BOOLEAN:
        return _words(("TRUE", "FALSE"), f"{table.name}.{column.name}")
    if column.dtype is not DType.TEXT:
        return ()
    values = place.values(table.name, column.name)
    return [_Idea(format_literal(v), "value", f"{table.name}.{column.name}", v) for v in values]


def _is_constant(token: Token | None) -> bool:
    return token is not None and token.kind in (Kind.STRING, Kind.NUMBER, Kind.DATE)


def _entity(place: _Place) -> Iterable[_Idea] | None:
    if place.word() == "FOR":
        return _words(("EACH",), "for whom")
    if place.word() != "EACH":
        return None
    keyed = [t for t in place.tables if t.primary_key]
    keyed.sort(key=lambda t: len(t.primary_key))
    return [
        _Idea(
            f"{format_name(t.name)}.{format_name(t.primary_key[0])}",
            "entity",
            f"each of {t.rows:,} {t.name}",
            f"{t.name}.{t.primary_key[0]}",
        )
        for t in keyed
    ]


def _window(place: _Place) -> Iterable[_Idea] | None:
    """A unit of time, after a number in an aggregate's window or after EVERY."""
    last = place.back()
    number = last is not None and last.kind is Kind.NUMBER
    if place.function is not None and place.commas >= 3 and place.symbol() == ",":
        return _units()
    if place.word(2) == "EVERY" and number:
        return _units()
    if place.function is not None and place.symbol() == "," and place.commas in (1, 2):
        shown = ("0", "-30") if place.commas == 1 else ("30", "7", "90")
        return [_Idea(n, "number", "where the window begins, then ends") for n in shown]
    return None


def _clause(place: _Place) -> Iterable[_Idea] | None:
    if place.word() == "RETURN":
        return _words(RETURNS, "how the answer is given")
    if place.word() == "AS":
        return _words(("OF",), "the time of the prediction")
    if place.word() in ("OF", "EVERY"):
        return ()
    return None


def _after_operand(place: _Place) -> Iterable[_Idea] | None:
    """What goes on after something complete: an operator, the entity, a clause."""
    last = place.back()
    if last is None:
        return None
    complete = (
        last.kind in (Kind.QUOTED, Kind.STRING, Kind.NUMBER, Kind.DATE)
        or place.symbol() in (")", "*")
        or last.word in ("NULL", "TRUE", "FALSE", "END", "CLASSIFY")
        or (last.kind is Kind.NAME and place.symbol(2) == ".")
        or (last.kind is Kind.NAME and place.function is not None and last.word not in _OPENING)
    )
    if not complete:
        return None
    if place.function is not None:
        return _words((*(("WHERE",) if place.commas == 0 else ()), "VIA", *AFTER_VALUE), "")
    if place.clause == "FOR":
        return _words(CLAUSES, "a clause")
    if not place.has_entity:
        return [
            _Idea("FOR EACH", "keyword", "for whom"),
            *_words(SPECS, "what kind of answer"),
            *_words(AFTER_VALUE, ""),
        ]
    return [*_words(AFTER_VALUE, ""), *_words(CLAUSES, "a clause")]


_OPENING = (
    "AND",
    "OR",
    "NOT",
    "WHERE",
    "IN",
    "LIKE",
    "CONTAINS",
    "STARTS",
    "WITH",
    "BETWEEN",
    "VIA",
    "WHEN",
    "THEN",
)


def _operand(place: _Place) -> Iterable[_Idea] | None:
    """A value: a table inside an aggregate, otherwise a function or a column of the entity."""
    if place.function is not None:
        inside = place.inside
        own = [_column(inside, c) for c in inside.columns if not c.ignored] if inside is not None else []
        tables = [_table(t) for t in place.tables] if place.commas == 0 and not own else []
        scalars = [_Idea(f"{name}(", "function", str(s)) for name, s in SCALARS.items()] if own else []
        return [*own, *tables, *scalars]
    functions = [_Idea(f"{f.value}(", "function", SHAPES.get(f, "")) for f in Function]
    return [*functions, *(_table(t) for t in place.tables), *_words(("NOT", "CASE"), "")]


_RULES = (_begin, _after_dot, _value, _entity, _window, _clause, _after_operand, _operand)


def _words(words: Iterable[str], detail: str) -> list[_Idea]:
    return [_Idea(w, "keyword" if w[0].isalpha() else "operator", detail) for w in words]


def _units() -> list[_Idea]:
    return [_Idea(u, "unit") for u in UNITS if u.endswith("s")]


def _table(table: Table) -> _Idea:
    return _Idea(format_name(table.name), "table", f"{table.rows:,} rows", table.name)


def _column(table: Table, column: Column, detail: str = "") -> _Idea:
    told = detail or f"{column.semantic.value}, {column.dtype.value}"
    return _Idea(format_name(column.name), "column", told, column.name)
