"""What differs between two schemas of one database, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from foretell.core.text import listing
from foretell.schema.model import Column, Schema, Table

_OF_TABLES = {
    "primary_key": "key",
    "time_column": "time",
    "end_time": "end of validity",
    "available_after": "delay",
    "ignored": "ignored",
}
_OF_COLUMNS = {
    "dtype": "type",
    "semantic": "meaning",
    "known_at": "known at",
    "time_format": "format of times",
    "ignored": "ignored",
}
"""What a plan rests on, and its name for a reader. Counts of rows and values change daily."""


def changes(before: Schema, after: Schema) -> tuple[str, ...]:
    """Tables, columns and links that came, went or changed, in the order of the tables' names.

    >>> from foretell.schema.model import DType, Semantic
    >>> def schema(dtype, *more):
    ...     columns = (Column("x", dtype, Semantic.NUMERIC), *more)
    ...     return Schema((Table("t", columns),))
    >>> y = Column("y", DType.TEXT, Semantic.TEXT)
    >>> print("\\n".join(changes(schema(DType.INTEGER), schema(DType.FLOAT, y))))
    t: new column y
    t.x: type integer → float
    """
    return (
        *_settings("times", before, after, {"timezone": "time zone"}),
        *_tables(before, after),
        *_links(before, after),
    )


def _tables(before: Schema, after: Schema) -> Iterator[str]:
    for name in sorted({t.name for t in (*before.tables, *after.tables)}):
        if not before.has(name):
            yield f"new table {name}"
        elif not after.has(name):
            yield f"table {name} is gone"
        else:
            yield from _table(before.table(name), after.table(name))


def _table(before: Table, after: Table) -> Iterator[str]:
    yield from _settings(before.name, before, after, _OF_TABLES)
    new = [c.name for c in after.columns if not before.has(c.name)]
    gone = [c.name for c in before.columns if not after.has(c.name)]
    for said, names in (("new", new), ("gone:", gone)):
        if names:
            yield f"{before.name}: {said} {'column' if len(names) == 1 else 'columns'} {listing(names)}"
    for column in before.columns:
        if after.has(column.name):
            what = f"{before.name}.{column.name}"
            yield from _settings(what, column, after.column(column.name), _OF_COLUMNS)


def _settings(
    what: str, before: Schema | Table | Column, after: Schema | Table | Column, names: dict[str, str]
) -> Iterator[str]:
    for field, said in names.items():
        old, new = getattr(before, field), getattr(after, field)
        if old != new:
            yield f"{what}: {said} {_value(old)} → {_value(new)}"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _links(before: Schema, after: Schema) -> Iterator[str]:
    old, new = ({str(k) for k in s.active_links} for s in (before, after))
    yield from (f"new link {link}" for link in sorted(new - old))
    yield from (f"link {link} is gone" for link in sorted(old - new))
