"""Candidates of nested aggregates: over the entity's rows, what each of them comes to at the cutoff."""

from __future__ import annotations

from collections.abc import Iterator

from foretell.features.candidates.scope import Candidate, Scope, constant, outcome_words, use
from foretell.features.describe import nested_name, nested_words, owner
from foretell.features.model import Aggregated, Feature, Kind, Nested, Value
from foretell.schema.model import Hop

_RANK = 4.5
_OUTER = {
    "count": ("mean", "max", "min", "std"),
    "recency": ("mean", "max", "std"),  # the lowest is the recency of all of them
    "sum": ("mean", "max", "std"),
    "mean": ("mean", "max", "min", "std"),
}
"""The outer measures of each inner one, the most telling first."""


def nested(scope: Scope) -> Iterator[Candidate]:
    """Two links down from the entity, and of a static target from its parents: both tables have a time."""
    if not scope.reach.nested:
        return
    task, schema = scope.task, scope.task.schema
    starts: list[tuple[Hop, ...]] = [()]
    if task.is_static:
        ups = [k for k in scope.links_up(task.entity.name, own=True) if k.parent != task.entity.name]
        starts += [(Hop(k, up=True),) for k in ups]
    for up in starts:
        anchor = up[-1].end if up else task.entity.name
        for link in scope.links_down(anchor):
            if not schema.is_timed(link.child) or (up and link.name in scope.profile.crowded):
                continue
            for second in scope.links_down(link.child):
                if schema.is_timed(second.child) and second.child not in (anchor, link.child):
                    yield from _over(scope, up, Hop(link, up=False), Hop(second, up=False))


def _over(scope: Scope, up: tuple[Hop, ...], down: Hop, each: Hop) -> Iterator[Candidate]:
    """Over the rows that `down` leads to, of what points at each of them."""
    task, schema = scope.task, scope.task.schema
    middle = scope.windows[min(1, len(scope.windows) - 1)]
    for place, inner in enumerate(_inner(scope, each)):
        for window in (None, middle):
            for step, measure in enumerate(_OUTER[inner.measure]):
                definition = Nested(measure, down, inner, up, window)
                text = nested_words(definition, schema, outcome_words(task))
                name, group = nested_name(definition, schema), down.end + owner(up)
                rank = _RANK + 0.1 * place + 0.02 * step + (0.05 if window else 0.0)
                yield rank, Feature(name, Kind.NUMERIC, definition, text, group)


def _inner(scope: Scope, each: Hop) -> Iterator[Aggregated]:
    """How many rows point at one, how long ago the last, and their first numbers."""
    schema, table = scope.task.schema, scope.task.schema.table(each.end)
    yield Aggregated("count", (each,))
    path = schema.time_path(table.name)
    if path is None or each.reversed() not in path[0]:  # with its parent's time all are as old as the parent
        yield Aggregated("recency", (each,))
    links = {c for k in schema.links_up(table.name) for c in k.child_columns}
    unread = {*links, *table.primary_key, *scope.unread(table.name)}
    numbers = [c for c in table.columns if c.name not in unread and not c.ignored and not constant(c)]
    for column in [c for c in numbers if use(c) == "number"][: scope.reach.far_columns // 3]:
        for measure in ("sum", "mean"):
            yield Aggregated(measure, (each,), value=Value(column.name))
