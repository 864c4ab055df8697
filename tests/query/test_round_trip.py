"""Whatever tree the language can hold is printed so that parsing gives it back; no text makes it crash."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.core.errors import QueryError
from foretell.core.time import Offset, Unit, parse_instant
from foretell.query import ast
from foretell.query.expressions import FUNCTIONS, TYPES
from foretell.query.format import format_expr, format_query
from foretell.query.parser import parse, parse_expr

NAMES = st.one_of(
    st.sampled_from(
        ["orders", "Amount", "in", "rank", "a b", 'q"uote', "tür", "1st", "end", "x$", "WHERE", "😀", "ı"]
    ),
    st.text("abcXYZ_09 .", min_size=1, max_size=6),
)
TABLES = NAMES
LITERALS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
).map(ast.Literal)
COLUMNS = st.one_of(
    st.builds(lambda n: ast.Column("", n), NAMES),
    st.builds(ast.Column, TABLES, NAMES),
    st.builds(ast.Column, TABLES, NAMES, NAMES),
)
OPERATORS = [
    *("+", "-", "*", "/", "%", "||", "AND", "OR", "=", "!=", "<", "<=", ">", ">="),
    *("LIKE", "NOT LIKE", "CONTAINS", "STARTS WITH", "ENDS WITH"),
]


def grow(inner: st.SearchStrategy[ast.Expr]) -> st.SearchStrategy[ast.Expr]:
    lists = st.lists(LITERALS, min_size=1, max_size=3).map(tuple)
    pairs = st.lists(st.tuples(inner, inner), min_size=1, max_size=2).map(tuple)
    return st.one_of(
        st.builds(ast.Binary, st.sampled_from(OPERATORS), inner, inner),
        st.builds(ast.Unary, st.sampled_from(["-", "NOT"]), inner),
        st.builds(ast.In, inner, lists, st.booleans()),
        st.builds(ast.Between, inner, inner, inner, st.booleans()),
        st.builds(ast.IsNull, inner, st.booleans()),
        st.builds(ast.Case, pairs, st.none() | inner, st.none() | inner),
        st.builds(
            ast.Call, st.sampled_from(["ABS", "COALESCE", "F"]), st.lists(inner, max_size=2).map(tuple)
        ),
        st.builds(lambda e, t: ast.Call("CAST", (e, ast.Literal(t))), inner, st.sampled_from(sorted(TYPES))),
    )


ROWS = st.recursive(LITERALS | COLUMNS, grow, max_leaves=8)
PATHS = st.one_of(
    st.just(()),
    st.builds(lambda n: (("", n),), NAMES),
    st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=2).map(tuple),
)


@st.composite
def aggregates(draw: st.DrawFn) -> ast.Aggregate:
    function = draw(st.sampled_from(sorted(FUNCTIONS.values())))
    value = draw(ROWS | st.builds(ast.Column, TABLES, st.just("*"), st.sampled_from(["", "s"])))
    start = end = None
    if draw(st.booleans()):
        unit = draw(st.sampled_from(list(Unit)))
        amounts = st.integers(-400, 400) if unit.months else st.integers(-400, 400) | st.floats(-9e9, 9e9)
        start = Offset(draw(amounts | st.just(-math.inf)), unit)
        end = Offset(draw(amounts | st.just(math.inf)), unit)
    return ast.Aggregate(
        function,
        value,
        draw(st.none() | ROWS),
        draw(PATHS),
        start,
        end,
        draw(st.floats(0.001, 0.999)) if function is ast.Function.QUANTILE else None,
    )


CONDITIONS = st.recursive(LITERALS | COLUMNS | aggregates(), grow, max_leaves=6)
SPECS = st.one_of(
    st.none(),
    st.integers(1, 99).map(ast.Forecast),
    st.integers(1, 99).map(ast.Rank),
    st.just(ast.Classify()),
)
RETURNS = st.one_of(
    st.none(),
    st.sampled_from([ast.Returns("PROBABILITY"), ast.Returns("CLASS"), ast.Returns("INTERVAL", (0.9,))]),
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=3).map(lambda n: ast.Returns("QUANTILES", tuple(n))),
)
QUERIES = st.builds(
    ast.Query,
    target=CONDITIONS,
    entity=COLUMNS,
    entity_values=st.none() | st.lists(LITERALS, min_size=1, max_size=3).map(tuple),
    spec=SPECS,
    where=st.none() | CONDITIONS,
    assuming=st.none() | CONDITIONS,
    as_of=st.none() | st.integers(parse_instant("1700-01-01"), parse_instant("2300-01-01")),
    every=st.none() | st.builds(Offset, st.integers(1, 99), st.sampled_from(list(Unit))),
    returns=RETURNS,
    verb=st.none() | st.sampled_from(list(ast.Verb)),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(QUERIES)
def test_a_printed_query_parses_to_itself(query: ast.Query) -> None:
    text = format_query(query)
    assert parse(text) == query
    assert format_query(parse(text)) == text


@settings(max_examples=200, deadline=None, derandomize=True)
@given(ROWS)
def test_a_printed_row_expression_parses_to_itself(expr: ast.Expr) -> None:
    read = parse_expr(format_expr(expr), "row")
    assert read == expr
    assert repr(read) == repr(expr)  # 1, 1.0 and TRUE are equal to Python, and not to us


PIECES = st.sampled_from(
    [
        *(
            "PREDICT",
            "COUNT",
            "(",
            ")",
            "orders",
            ".",
            "*",
            ",",
            "0",
            "30",
            "days",
            "FOR",
            "EACH",
            "WHERE",
            "=",
            "-",
        ),
        *(
            "NOT",
            "IN",
            "AND",
            "CASE",
            "WHEN",
            "END",
            "'x'",
            '"y"',
            "VIA",
            "INF",
            "CAST",
            "AS",
            "OF",
            "2020-01-01",
        ),
        *(
            "'",
            '"',
            "/*",
            "--",
            "#",
            ";",
            "||",
            "BETWEEN",
            "IS",
            "NULL",
            "RANK",
            "TOP",
            "RETURN",
            "EVERY",
            "1e999",
        ),
    ]
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(PIECES, max_size=25).map(" ".join) | st.text(max_size=40))
def test_any_text_parses_or_is_refused(text: str) -> None:
    for whole in (text, "PREDICT " + text, f"PREDICT COUNT(o.*, 0, 1) > {text} FOR EACH a.b"):
        try:
            query = parse(whole)
        except QueryError as error:
            assert 0 <= error.start <= len(whole)
            assert str(error)
        else:
            assert parse(format_query(query)) == query


def nested(depth: int, opening: str, closing: str) -> str:
    return f"PREDICT {opening * depth}users.age{closing * depth} > 1 FOR EACH users.id"


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("-", ""), ("ABS(", ")"), ("1 + (2 * ", ")")])
def test_nesting_is_bounded(opening: str, closing: str) -> None:
    most = 62
    spaced = opening + " " if opening == "-" else opening
    parse(nested(most, spaced, closing))
    for depth in (65, 5000):
        with pytest.raises(QueryError, match="more than 64 levels of nesting"):
            parse(nested(depth, spaced, closing))


def test_not_is_bounded_too() -> None:
    parse("PREDICT " + "NOT " * 60 + "users.x FOR EACH users.id")
    with pytest.raises(QueryError, match="more than 64 levels of nesting"):
        parse("PREDICT " + "NOT " * 65 + "users.x FOR EACH users.id")


def test_long_chains_are_bounded() -> None:
    def chain(n: int) -> str:
        return "PREDICT " + " OR ".join(["users.x = 1"] * n) + " FOR EACH users.id"

    query = parse(chain(120))
    assert parse(format_query(query)) == query
    with pytest.raises(QueryError, match="more than 128 terms"):
        parse(chain(1000))


def test_long_text_is_refused_before_it_is_read() -> None:
    query = "PREDICT users.age FOR EACH users.id"
    parse(query + " " * (64 * 1024 - len(query)))
    with pytest.raises(QueryError, match="found a query of 65,537 bytes, expected at most 65,536"):
        parse(query + " " * (64 * 1024 + 1 - len(query)))
    with pytest.raises(QueryError, match="bytes"):
        parse("é" * 40_000)


def test_a_hostile_name_or_string_stays_one_token() -> None:
    aggregate = """COUNT("o; DROP TABLE users; --".* WHERE x = ''' OR 1=1 --', 0, 7, days)"""
    text = f'PREDICT {aggregate} FOR EACH "a"".""b".id'
    query = parse(text)
    assert isinstance(query.target, ast.Aggregate)
    assert query.target.value == ast.Column("o; DROP TABLE users; --", "*")
    assert query.target.where == ast.Binary("=", ast.Column("", "x"), ast.Literal("' OR 1=1 --"))
    assert query.entity.table == 'a"."b'


def test_aggregates_are_refused_at_row_level() -> None:
    assert isinstance(parse_expr("COUNT(o.*, 0, 1)"), ast.Aggregate)
    with pytest.raises(QueryError, match="inside an aggregate"):
        parse_expr("COUNT(o.*, 0, 1)", "row")
    with pytest.raises(QueryError, match="expected the end of the text"):
        parse_expr("a b", "row")
