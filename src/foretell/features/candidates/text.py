"""Candidates of free text: the entity's own, its parents', and that of its last events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from foretell.features.candidates.scope import Candidate, Maker, Scope, constant
from foretell.features.describe import path_name, words
from foretell.features.model import Attribute, Feature, Kind, Value
from foretell.schema.model import Column, DType, Hop, Semantic

MOST_TEXTS = 200_000
"""A column of more different texts costs more to read than it tells."""


def texts(scope: Scope) -> Iterator[Candidate]:
    """Text as it was last known: of the row, of its parents, of its last event and of that one's parents."""
    entity = scope.task.entity.name
    yield from _of_row(scope, (), 1.5)
    for link in scope.links_up(entity, own=True):
        yield from _of_row(scope, (Hop(link, up=True),), 3.5)
    for link in scope.links_down(entity):
        if scope.task.schema.is_timed(link.child):
            yield from _of_last_event(scope, Hop(link, up=False))


def _of_row(scope: Scope, up: tuple[Hop, ...], rank: float) -> Iterator[Candidate]:
    schema = scope.task.schema
    table = up[-1].end if up else scope.task.entity.name
    prefix = f"{path_name(up, schema)}>{table}" if up else table
    for column in _readable(scope, table):
        definition = Attribute(column.name, up)
        text = f"{words(table)} {words(column.name)}" if up else words(column.name)
        yield rank, Feature(f"{prefix}.{column.name}", Kind.TEXT, definition, text, table)


def _of_last_event(scope: Scope, down: Hop) -> Iterator[Candidate]:
    make = Maker(scope.task, (), (down,))
    reads = [(2.5, Value(c.name)) for c in _readable(scope, down.end)]
    for link in scope.links_up(down.end):
        if link != down.link and link.parent != down.start:
            hop = Hop(link, up=True)
            reads += [(2.9, Value(c.name, (hop,))) for c in _readable(scope, hop.end)]
    for rank, value in reads:
        yield rank, replace(make("last_category", value, None), kind=Kind.TEXT)


def _readable(scope: Scope, table: str) -> list[Column]:
    held = scope.task.schema.table(table)
    hidden = scope.task.hidden if table == scope.task.entity.name else ()
    unread = {*held.primary_key, *hidden}
    found = (
        c
        for c in held.columns
        if c.semantic is Semantic.TEXT
        and c.dtype is DType.TEXT
        and not (c.ignored or constant(c) or c.name in unread)
        and (c.distinct if c.distinct is not None else held.rows) <= MOST_TEXTS
    )
    return list(islice(found, scope.reach.far_columns))
