"""Pieces of the SQL that findings are stated in: names, texts and instants as DuckDB reads them."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from foretell.core.time import Instant, to_datetime
from foretell.plan.build import DIALECT


def name(column: str) -> str:
    """A column's name, quoted.

    >>> name('a"b')
    '"a""b"'
    """
    return exp.to_identifier(column, quoted=True).sql(dialect=DIALECT)


def text(value: str) -> str:
    """A text as a literal.

    >>> text("it's")
    "'it''s'"
    """
    return exp.Literal.string(value).sql(dialect=DIALECT)


def moment(instant: Instant) -> str:
    """An instant as a literal.

    >>> moment(86400000000)
    "TIMESTAMP '1970-01-02 00:00:00'"
    """
    return f"TIMESTAMP '{to_datetime(instant).isoformat(sep=' ')}'"


def number(value: float) -> str:
    """A double that reads back as the very same."""
    return f"CAST({float(value)!r} AS DOUBLE)"


def equals(column: str, value: str) -> str:
    """Whether a column holds a category; never NULL."""
    return f"coalesce(CAST({name(column)} AS VARCHAR) = {text(value)}, FALSE)"


def statement(source: str, preamble: str, steps: Mapping[str, str], last: str) -> str:
    """A whole script: the preamble, then one query of named steps over `sheet`, the source.

    >>> twice = {"twice": "SELECT n * 2 AS n FROM sheet"}
    >>> print(statement("SELECT 1 AS n", "", twice, "SELECT n FROM twice"))
    WITH sheet AS (
    SELECT 1 AS n
    ), twice AS (
    SELECT n * 2 AS n FROM sheet
    )
    SELECT n FROM twice;
    """
    named = {"sheet": source, **steps}
    parts = ", ".join(f"{key} AS (\n{query}\n)" for key, query in named.items())
    before = preamble.strip()
    if before and not before.endswith(";"):
        before += ";"
    return f"{before}\n\nWITH {parts}\n{last};".strip()
