"""Candidates of events: rows one and two links down from the entity, from its parents and from theirs."""

from __future__ import annotations

from collections.abc import Iterator

from foretell.core.time import Offset
from foretell.features.candidates.scope import FEW, MANY, MAX_DISTINCT, Candidate, Maker, Scope, constant, use
from foretell.features.model import Value
from foretell.query import ast
from foretell.schema.model import Column, DType, Hop
from foretell.task.model import TaskKind


def events_nearby(scope: Scope) -> Iterator[Candidate]:
    """The entity's own events, one and two links down."""
    yield from _paths_from(scope, (), near=2.0, far=4.0)


def events_of_parents(scope: Scope) -> Iterator[Candidate]:
    """Events of the same parent, siblings among them; two links down only where the reach is deep."""
    base = 2.5 if scope.task.is_static else 5.0
    for link in scope.links_up(scope.task.entity.name, own=True):
        yield from _paths_from(scope, (Hop(link, up=True),), near=base, far=base + 3.0)


def events_of_grandparents(scope: Scope) -> Iterator[Candidate]:
    """Events of the same parent's parent, one link down."""
    if not scope.reach.deep:
        return
    entity = scope.task.entity.name
    for link in scope.links_up(entity, own=True):
        for second in scope.links_up(link.parent):
            if second.parent in (entity, link.parent):
                continue
            up = (Hop(link, up=True), Hop(second, up=True))
            for third in scope.links_down(second.parent):
                if third.child == entity or third.name in scope.profile.crowded:
                    continue
                if _eventful(scope, third.child):
                    yield from _events(scope, up, (Hop(third, up=False),), 9.0)


def _paths_from(scope: Scope, up: tuple[Hop, ...], *, near: float, far: float) -> Iterator[Candidate]:
    """Events one and two hops down from the anchor that `up` leads to."""
    for down in paths_down(scope, up):
        yield from _events(scope, up, down, near if len(down) == 1 else far)


def paths_down(scope: Scope, up: tuple[Hop, ...]) -> Iterator[tuple[Hop, ...]]:
    """The ways to events one and two hops down from the anchor that `up` leads to."""
    schema = scope.task.schema
    anchor = up[-1].end if up else scope.task.entity.name
    for link in scope.links_down(anchor):
        if up and link.name in scope.profile.crowded:
            continue
        first = Hop(link, up=False)
        if _eventful(scope, first.end):
            yield (first,)
        if up and not scope.reach.deep:
            continue
        for second in scope.links_down(link.child):
            path = (first, Hop(second, up=False))
            if second.child in (anchor, link.child) or not _eventful(scope, second.child):
                continue
            # Where the grandchild also points at the anchor itself, its own link says it better.
            if not any(k.parent == anchor for k in schema.links_up(second.child)):
                yield path


def _eventful(scope: Scope, table: str) -> bool:
    """Untimed rows count as events only where nothing about the entity has a time either."""
    schema, task = scope.task.schema, scope.task
    return schema.is_timed(table) or (task.is_static and not schema.is_timed(task.entity.name))


def _events(scope: Scope, up: tuple[Hop, ...], down: tuple[Hop, ...], rank: float) -> Iterator[Candidate]:
    task, schema = scope.task, scope.task.schema
    table = schema.table(down[-1].end)
    used = scope.used(table.name)
    make = Maker(task, up, down)
    for i, window in enumerate(used):
        yield rank + 0.01 * i, make("count", None, window)
    if schema.is_timed(table.name):
        for measure in ("recency", "tenure", "gap"):
            yield rank + 0.05, make(measure, None, None)
        yield rank + 0.06, make("decayed_count", None, used[0])
        for measure in ("gap", "tenure") if len(down) == 1 else ():
            yield rank + 0.07, make(measure, None, FEW)
    middle = used[min(1, len(used) - 1)]
    direct = len(down) == 1 and not up
    if task.is_static and table.name == task.entity.name and schema.is_timed(table.name):
        yield from _outcomes(scope, make, used, rank)
    skipped = {*down[-1].link.child_columns, *scope.unread(table.name)}
    columns = [c for c in table.columns if c.name not in skipped and not c.ignored and not constant(c)]
    links = {c for k in schema.links_up(table.name) for c in k.child_columns}
    read = columns if direct else columns[: 3 * scope.reach.far_columns]
    for place, column in enumerate(read):
        value = Value(column.name)
        step = rank + 0.1 + 0.01 * place
        if column.name in links:
            yield step, make("distinct", value, None)
            if len(used) > 1:
                yield step + 0.3, make("distinct", value, middle)
            continue
        if column.name in table.primary_key:
            continue
        yield from _column(scope, make, column, value, used, table.name, step, direct)
    for hop in (Hop(k, up=True) for k in scope.links_up(table.name)):
        if hop.end == down[-1].start or hop.link == down[-1].link:
            continue
        parent = schema.table(hop.end)
        unread = {*parent.primary_key, *scope.asked_for(parent.name)}
        readable = [c for c in parent.columns if c.name not in unread and not c.ignored and not constant(c)]
        for place, column in enumerate(readable[: scope.reach.far_columns]):
            value, step = Value(column.name, (hop,)), rank + 0.8 + 0.02 * place
            yield from _column(scope, make, column, value, used, parent.name, step, False)


def _outcomes(scope: Scope, make: Maker, used: tuple[Offset | None, ...], rank: float) -> Iterator[Candidate]:
    """How earlier rows of the same parent turned out: a static target's own history."""
    task, value = scope.task, Value("", target=True)
    if task.kind is TaskKind.MULTICLASS:
        yield rank, make("last_category", value, None)
        yield rank, make("mode", value, None)
        column = task.target.expr
        if isinstance(column, ast.Column):
            classes = scope.profile.vocabulary(task.entity.name, column.name)[: scope.reach.categories]
            for place, word in enumerate(classes):
                for window in (*used, FEW, MANY):
                    share = make("mean", Value(column.name, equals=word), window)
                    yield rank + 0.02 * place, share
        return
    for window in (*used, FEW, MANY):
        yield rank, make("mean", value, window)
    yield rank, make("last", value, None)
    yield rank + 0.02, make("std", value, None)


def _column(
    scope: Scope,
    make: Maker,
    column: Column,
    value: Value,
    used: tuple[Offset | None, ...],
    table: str,
    rank: float,
    direct: bool,
) -> Iterator[Candidate]:
    """The measures of one column that is read of events."""
    middle, wide = used[min(1, len(used) - 1)], scope.reach.every_window
    counted = (FEW, MANY) if len(make.down) == 1 and scope.task.schema.is_timed(make.down[-1].end) else ()
    for last in counted if use(column) == "number" else ():
        yield rank + 0.05, make("mean", value, last)
    match use(column):
        case "number" if column.dtype is DType.BOOLEAN:
            for window in used if wide else dict.fromkeys((used[0], middle, None)):
                yield rank, make("mean", value, window)
            for window in used if wide else (middle,):
                yield rank + 0.1, make("sum", value, window)
            yield rank + 0.1, make("last", value, None)
        case "number":
            for window in used if direct or wide else dict.fromkeys((middle, None)):
                yield rank, make("sum", value, window)
                yield rank, make("mean", value, window)
            yield rank, make("last", value, None)
            for measure in ("max", "min", "std"):
                yield rank + 0.1, make(measure, value, None)
                if direct and middle is not None:
                    yield rank + 0.5, make(measure, value, middle)
            yield rank + 0.2, make("trend", value, None)
            if direct and used[0] is not None:
                yield rank + 0.2, make("decayed_sum", value, used[0])
            for window in used if wide else ():
                for measure in ("max", "min", "std", "trend"):
                    yield rank + 0.6, make(measure, value, window)
            for window in dict.fromkeys((None, middle)) if direct and scope.reach.quantiles else ():
                for measure in ("median", "q90", "q10"):
                    yield rank + 0.55, make(measure, value, window)
        case "category":
            yield rank, make("last_category", value, None)
            yield rank + 0.1, make("mode", value, None)
            yield rank + 0.1, make("distinct", value, None)
            if (column.distinct or 0) <= MAX_DISTINCT:
                vocabulary = scope.profile.vocabulary(table, column.name)
                for place, word in enumerate(vocabulary[: scope.reach.categories]):
                    chosen = Value(value.column, value.up, equals=word)
                    for last in (None, *counted[1:]):
                        yield rank + 0.1 + 0.02 * place, make("mean", chosen, last)
                    for window in used if wide else dict.fromkeys((middle, None) if direct else (middle,)):
                        yield rank + 0.15 + 0.02 * place, make("sum", chosen, window)
        case _:
            return
