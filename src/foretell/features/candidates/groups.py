"""Candidates of groups: an event's numbers beside those that another parent's rows had at the same time.

A reading less the mean of all stations, an item's price less that of its order.
"""

from __future__ import annotations

from collections.abc import Iterator

from foretell.features.candidates.events import paths_down
from foretell.features.candidates.scope import FEW, Candidate, Maker, Scope, constant, use
from foretell.features.model import Value
from foretell.plan.nodes import Standing, Within
from foretell.schema.model import DType, Hop

_RANK = 2.35
_COLUMNS = 4  # numbers of an event that are read, at most


def groups(scope: Scope) -> Iterator[Candidate]:
    """Of the entity's own events, one link down, within each other parent that they have."""
    for down in paths_down(scope, ()):
        if len(down) == 1 and scope.task.schema.is_timed(down[-1].end):
            yield from _standings(scope, down)


def _standings(scope: Scope, down: tuple[Hop, ...]) -> Iterator[Candidate]:
    """The last and the mean of the last few, of numbers that are known at their row's own time."""
    schema, table = scope.task.schema, scope.task.schema.table(down[-1].end)
    make = Maker(scope.task, (), down)
    keys = {c for k in schema.links_up(table.name) for c in k.child_columns} | {*table.primary_key}
    skipped = keys | scope.unread(table.name)
    read = [c for c in table.columns if c.name not in skipped and not c.ignored and not constant(c)]
    numbers = [c for c in read if use(c) == "number" and c.dtype is not DType.BOOLEAN and c.known_at is None]
    for link in scope.links_up(table.name):
        if link == down[-1].link or link.parent == down[-1].start:
            continue
        for place, column in enumerate(numbers[:_COLUMNS]):
            above = Value(column.name, within=Within(Hop(link, up=True), Standing.EXCESS))
            yield _RANK + 0.02 * place, make("mean", above, FEW)
            yield _RANK + 0.02 * place, make("last", above, None)
            if scope.reach.shares:
                share = Value(column.name, within=Within(Hop(link, up=True), Standing.SHARE))
                yield _RANK + 0.02 * place + 0.01, make("mean", share, FEW)
