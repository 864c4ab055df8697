"""Small builders of SQL expressions; SQL here is always a tree, never pasted text."""

from __future__ import annotations

from functools import lru_cache

from sqlglot import exp, parse_one

from foretell.core.time import Offset
from foretell.schema.model import Link, Schema

ROW = "__row"  # a row's rank in its table, in (time, key) order
TIME = "__time"  # the instant from which a row is visible
SPACE = "foretell"  # the schema (or attached database) that holds everything we create
DIALECT = "duckdb"


def table(name: str, alias: str | None = None) -> exp.Expr:
    """One of our own tables."""
    made = exp.Table(this=exp.to_identifier(name, quoted=True), db=exp.to_identifier(SPACE))
    return made.as_(alias, quoted=False) if alias else made


def raw(name: str, alias: str | None = None) -> exp.Expr:
    """A table of the database that is asked; 'schema.table' names are one identifier in the working copy."""
    made = exp.Table(this=exp.to_identifier(name, quoted=True))
    return made.as_(alias, quoted=False) if alias else made


def col(source: str, name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table=source)


@lru_cache(maxsize=512)
def _parsed(text: str) -> exp.Expr:
    return parse_one(text, dialect=DIALECT)


def template(text: str, **parts: exp.Expr) -> exp.Expr:
    """A fixed SQL text with its bare column names replaced by expressions.

    >>> template("SUM(v)", v=col("e", "amount")).sql(dialect="duckdb")
    'SUM(e."amount")'
    """

    def replace(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and not node.table and node.name in parts:
            return parts[node.name].copy()
        return node

    return _parsed(text).copy().transform(replace, copy=False)


def interval(offset: Offset) -> exp.Expr:
    """A finite offset as a SQL interval in the largest unit that holds it exactly.

    >>> interval(Offset(14)).sql(dialect="duckdb")
    "INTERVAL '14' DAY"
    """
    exact = offset.exact
    assert exact is not None
    months, micros = exact
    if months:
        return _interval(months, "MONTH")
    for unit, length in _UNITS:
        if micros % length == 0:
            return _interval(micros // length, unit)
    return _interval(micros, "MICROSECOND")


_UNITS = (
    ("DAY", 86_400_000_000),
    ("HOUR", 3_600_000_000),
    ("MINUTE", 60_000_000),
    ("SECOND", 1_000_000),
)


def _interval(count: int, unit: str) -> exp.Expr:
    return exp.Interval(this=exp.Literal.string(str(count)), unit=exp.Var(this=unit))


def after(moment: exp.Expr, offset: Offset) -> exp.Expr:
    """moment + offset."""
    if offset.amount == 0:
        return moment
    if offset.amount < 0:
        return exp.Sub(this=moment, expression=interval(-offset))
    return exp.Add(this=moment, expression=interval(offset))


def conjunction(tests: list[exp.Expr]) -> exp.Expr:
    return exp.and_(*tests) if tests else exp.true()


def greatest(moments: list[exp.Expr]) -> exp.Expr:
    """The latest of several instants; long ago where there is none (a table without times)."""
    if not moments:
        return exp.cast(exp.Literal.string("0001-01-01"), "TIMESTAMP")
    return moments[0] if len(moments) == 1 else exp.func("GREATEST", *moments)


def joined_on(link: Link, child: str, parent: str, schema: Schema) -> exp.Expr:
    """The join condition of a link; keys of different types meet as text."""
    tests: list[exp.Expr] = []
    for ours, theirs in zip(link.child_columns, link.parent_columns):
        left: exp.Expr = col(child, ours)
        right: exp.Expr = col(parent, theirs)
        if schema.table(link.child).column(ours).dtype != schema.table(link.parent).column(theirs).dtype:
            left, right = exp.cast(left, "VARCHAR"), exp.cast(right, "VARCHAR")
        tests.append(exp.EQ(this=left, expression=right))
    return conjunction(tests)


def create(name: str, query: exp.Expr) -> exp.Create:
    """CREATE OR REPLACE TABLE foretell.name AS query."""
    return exp.Create(this=table(name), kind="TABLE", replace=True, expression=query)
