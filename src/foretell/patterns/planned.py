"""A column that a sheet may come to have, and how a column of the database is read for it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from foretell.patterns.naming import is_number_of_a_thing
from foretell.plan.build import template
from foretell.schema.model import Column, Semantic


@dataclass(frozen=True)
class Planned:
    """A column that the sheet may come to have: an attribute, an outcome, or both."""

    name: str
    title: str
    table: str
    value: exp.Expr  # text, or a double
    is_text: bool
    outcome: bool = False
    attribute: bool = True
    clock: bool = False  # a part of the row's time, of which no value counts as rare


def kinds_of(column: Column) -> tuple[str, ...]:
    match column.semantic:
        case Semantic.NUMERIC if not is_number_of_a_thing(column.name):
            return ("number",)
        case Semantic.CATEGORICAL:
            return ("text",)
        case Semantic.BOOLEAN:
            return ("yes or no",)
    return ()


def is_known(column: Column, time_column: str | None) -> bool:
    """Whether a column is there to be read, and known at the row's own time."""
    return not column.ignored and column.known_at in (None, time_column)


def typed(kind: str, value: exp.Expr) -> exp.Expr:
    if kind == "number":
        return exp.TryCast(this=value, to=exp.DataType.build("DOUBLE"))
    if kind == "text":
        return exp.cast(value, "VARCHAR")
    return template(
        "CASE WHEN TRY_CAST(v AS BOOLEAN) THEN 'yes' WHEN NOT TRY_CAST(v AS BOOLEAN) THEN 'no' END", v=value
    )
