"""Candidates of company: what lately happened around the parent that the entity was last seen with."""

from __future__ import annotations

from collections.abc import Iterator

from foretell.features.candidates.scope import FEW, MANY, MAX_DISTINCT, Candidate, Maker, Scope, constant, use
from foretell.features.model import Value
from foretell.schema.model import Hop

_RANK = 2.3


def company(scope: Scope) -> Iterator[Candidate]:
    """Events around the parent of the entity's last row: its team, its shop.

    Parents with a time of their own are left out: most of those are events themselves, a basket or a race.
    """
    task, schema, entity = scope.task, scope.task.schema, scope.task.entity.name
    if task.is_static:
        return
    found: dict[str, tuple[int, tuple[Hop, ...]]] = {}
    for link in schema.links_down(entity):
        rows = schema.table(link.child).rows or 0
        for second in schema.links_up(link.child) if schema.is_timed(link.child) else ():
            parent = second.parent
            if parent in (entity, link.child) or schema.is_timed(parent):
                continue
            if parent not in found or rows > found[parent][0]:
                found[parent] = (rows, (Hop(link, up=False), Hop(second, up=True)))
    for parent, (_, up) in found.items():
        for link in schema.links_down(parent):
            if schema.is_timed(link.child):
                yield from _brief(scope, Maker(task, up, (Hop(link, up=False),)))


def _brief(scope: Scope, make: Maker) -> Iterator[Candidate]:
    """A few features of events: how many, and the last and mean of their first columns."""
    schema, link = scope.task.schema, make.down[-1].link
    table = schema.table(link.child)
    windows = scope.windows if scope.reach.every_window else scope.windows[:2]
    middle = scope.windows[min(1, len(scope.windows) - 1)]
    for window in windows:
        yield _RANK, make("count", None, window)
    links = {c for k in schema.links_up(table.name) for c in k.child_columns}
    read = [c for c in table.columns if not (c.name in links or c.ignored or constant(c))]
    told = [c for c in read if c.name not in table.primary_key]
    for place, column in enumerate(told[: scope.reach.company_columns]):
        value, step = Value(column.name), _RANK + 0.02 * place
        match use(column):
            case "number":
                for window in windows:
                    yield step, make("mean", value, window)
                for last in (FEW, MANY):
                    yield step, make("mean", value, last)
                yield step, make("last", value, None)
            case "category" if (column.distinct or 0) <= MAX_DISTINCT:
                for word in scope.profile.vocabulary(table.name, column.name)[:2]:
                    yield step + 0.1, make("mean", Value(column.name, equals=word), middle)
