"""Each table as every other step reads it: times in UTC, the instant it is visible from, and its rank in
time.

A row is visible from its table's time column; a table without one takes the time of the nearest parent that
has one; `available_after` delays both. Rows of a timed table whose time is missing are never visible. Ties
in time break by the table's key.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from foretell.plan.build import ROW, TIME, after, col, create, joined_on, raw, table, template
from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table

_AWARE = ("with time zone", "timestamptz", "tz=")


def prepare(name: str, schema: Schema) -> exp.Create:
    """The statement that creates `foretell.<name>`. Tables it takes its time from must be prepared before."""
    source = schema.table(name)
    columns = [read(c, schema).as_(c.name, quoted=True) for c in source.columns if used(c, source)]
    query = exp.select(*columns).from_(raw(name, "r"))
    visible = _visible(source, schema)
    if visible is not None:
        query = query.select(visible.as_(TIME, quoted=True))
        link = time_link(name, schema)
        if link is not None:
            query = query.join(table(link.parent, "p"), on=met_by(link, schema))
    inner = query.subquery("q")
    keys = [col("q", k) for k in tie_breakers(source)]
    ranked: list[exp.Expr] = [col("q", TIME), *keys] if visible is not None else list(keys)
    rank = exp.Window(this=exp.func("ROW_NUMBER"), order=exp.Order(expressions=ranked))
    outer = exp.select(exp.Star(), rank.as_(ROW, quoted=True)).from_(inner)
    if visible is not None:
        outer = outer.where(exp.Not(this=exp.Is(this=col("q", TIME), expression=exp.Null())))
    return create(name, outer)


def needed_first(name: str, schema: Schema) -> str | None:
    """The table that must be prepared before `name`: the parent it takes its time from."""
    link = time_link(name, schema)
    return None if link is None else link.parent


def time_link(name: str, schema: Schema) -> Link | None:
    """The link to the parent whose time the table takes; None where it has its own, or none at all."""
    path = schema.time_path(name)
    return path[0][0].link if path is not None and path[0] else None


def met_by(link: Link, schema: Schema) -> exp.Expr:
    """A raw child `r` meets its prepared parent `p` by keys that are read alike."""
    source = schema.table(link.child)

    def as_read(node: exp.Expr) -> exp.Expr:
        ours = isinstance(node, exp.Column) and node.table == "r"
        return read(source.column(node.name), schema) if ours else node

    return joined_on(link, "r", "p", schema).transform(as_read)


def tie_breakers(source: Table) -> list[str]:
    """The columns that order rows of one time: the key; without one every column, those that are written
    later last, so that they part only rows that are alike in all else.
    """
    if source.primary_key:
        return list(source.primary_key)
    columns = [c for c in source.columns if used(c, source)]
    late = {source.end_time, *(c.known_at for c in columns)} - {None}
    return [c.name for c in sorted(columns, key=lambda c: c.known_at is not None or c.name in late)]


def used(column: Column, source: Table) -> bool:
    """Whether a column is read at all: also an ignored one that the table is keyed or dated by."""
    tells = {c.known_at for c in source.columns if not c.ignored}
    keep = {*source.primary_key, source.time_column, source.end_time, *tells}
    return column.dtype is not DType.OTHER and (not column.ignored or column.name in keep)


def read(column: Column, schema: Schema) -> exp.Expr:
    """The column of a raw row `r` as stored; a time column as a timestamp in UTC."""
    value: exp.Expr = col("r", column.name)
    if column.semantic is not Semantic.TIME:
        return value
    if column.time_format in _EPOCHS:
        return template(_EPOCHS[column.time_format], v=value)
    if column.dtype is not DType.TIMESTAMP:
        value = exp.TryCast(this=value, to=exp.DataType.build("TIMESTAMP"))
    if schema.timezone and not any(word in column.native.lower() for word in _AWARE):
        zone = exp.Literal.string(schema.timezone)
        aware = exp.AtTimeZone(this=value, zone=zone)
        value = exp.AtTimeZone(this=exp.paren(aware), zone=exp.Literal.string("UTC"))
    return value


_EPOCHS = {
    "s": "MAKE_TIMESTAMP(CAST(v * 1000000 AS BIGINT))",
    "ms": "MAKE_TIMESTAMP(CAST(v * 1000 AS BIGINT))",
    "us": "MAKE_TIMESTAMP(CAST(v AS BIGINT))",
}


def visible_from(source: Table, moment: exp.Expr) -> exp.Expr:
    """The instant from which a row of the table is visible, of its own or its parent's time."""
    return after(moment, source.available_after) if source.available_after else moment


def one_row_keys(name: str, schema: Schema) -> list[tuple[str, ...]]:
    """The keys of a table that name one row each: every join to one that repeats would multiply rows."""
    pointed_at = {k.parent_columns for k in schema.links_down(name)}
    return sorted((pointed_at | {schema.table(name).primary_key}) - {()})


def repeats(key: Sequence[str], rows: exp.Expr) -> exp.Select:
    """The first values of a key that name several of `rows` (a relation called e)."""
    columns = [col("e", c) for c in key]
    known = [exp.Not(this=exp.Is(this=c.copy(), expression=exp.Null())) for c in columns]
    several = exp.GT(this=exp.func("COUNT", exp.Star()), expression=exp.Literal.number(1))
    query = exp.select(*columns).from_(rows).where(exp.and_(*known))
    return query.group_by(*columns).having(several).order_by(*columns).limit(3)


def _visible(source: Table, schema: Schema) -> exp.Expr | None:
    path = schema.time_path(source.name)
    if path is None:
        return None
    moment = read(source.column(path[1]), schema) if not path[0] else col("p", TIME)
    return visible_from(source, moment)
