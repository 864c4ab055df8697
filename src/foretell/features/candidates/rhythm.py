"""Candidates of rhythm: how regularly events come, and how long they have turned out alike in a row."""

from __future__ import annotations

from collections.abc import Iterator

from foretell.features.candidates.events import paths_down
from foretell.features.candidates.scope import MANY, Candidate, Maker, Scope, constant, use
from foretell.features.model import Value
from foretell.plan.nodes import Following
from foretell.schema.model import DType, Hop
from foretell.task.model import TaskKind

GAP = Value("", following=Following.GAP)
_FEW_WORDS = 12  # of a column whose runs are followed


def rhythm(scope: Scope) -> Iterator[Candidate]:
    """Of the entity's own events."""
    for down in paths_down(scope, ()):
        yield from _gaps(scope, (), down, 2.08 if len(down) == 1 else 4.08)
        if len(down) == 1:
            yield from _runs(scope, (), down, 2.3)


def rhythm_of_parents(scope: Scope) -> Iterator[Candidate]:
    """Of a parent's rows like the one that is asked about: how the team's latest matches ended."""
    if not scope.task.is_static:
        return
    for link in scope.links_up(scope.task.entity.name, own=True):
        up = (Hop(link, up=True),)
        for down in paths_down(scope, up):
            if len(down) == 1:
                yield from _gaps(scope, up, down, 2.6)
                yield from _runs(scope, up, down, 2.7)


def _gaps(scope: Scope, up: tuple[Hop, ...], down: tuple[Hop, ...], rank: float) -> Iterator[Candidate]:
    """The spread of the days between events."""
    if not scope.reach.spread or not scope.task.schema.is_timed(down[-1].end):
        return
    make = Maker(scope.task, up, down)
    yield rank, make("std", GAP, None)
    if len(down) == 1:
        yield rank + 0.01, make("std", GAP, MANY)


def _runs(scope: Scope, up: tuple[Hop, ...], down: tuple[Hop, ...], rank: float) -> Iterator[Candidate]:
    """The run that the last event is of: of outcomes, of what is or is not so, of a category."""
    task, table = scope.task, scope.task.schema.table(down[-1].end)
    if not task.schema.is_timed(table.name):
        return
    make = Maker(task, up, down)
    kinds = task.kind is TaskKind.BINARY or task.target.dtype is DType.TEXT
    if kinds and task.is_static and table.name == task.entity.name:
        yield rank - 0.2, make("last", Value("", target=True, following=Following.RUN), None)
    links = {c for k in task.schema.links_up(table.name) for c in k.child_columns}
    skipped = {*links, *scope.unread(table.name), *table.primary_key}
    for column in table.columns:
        if column.name in skipped or column.ignored or constant(column):
            continue
        run = Value(column.name, following=Following.RUN)
        boolean = use(column) == "number" and column.dtype is DType.BOOLEAN
        if boolean or (use(column) == "category" and (column.distinct or 0) <= _FEW_WORDS):
            yield rank, make("last", run, None)
