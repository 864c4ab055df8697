"""Candidates of rows: the columns of the entity itself, of its parents and of their parents."""

from __future__ import annotations

from collections.abc import Iterator

from foretell.features.candidates.scope import MAX_DISTINCT, Candidate, Scope, constant, use
from foretell.features.describe import path_name, words
from foretell.features.model import Attribute, Feature, Kind
from foretell.schema.model import Hop


def own_columns(scope: Scope) -> Iterator[Candidate]:
    """The entity's own columns."""
    yield from _columns(scope, (), 1.0)


def parents_columns(scope: Scope) -> Iterator[Candidate]:
    """The columns of its parents, one and two links up."""
    entity = scope.task.entity.name
    for link in scope.links_up(entity, own=True):
        first = (Hop(link, up=True),)
        yield from _columns(scope, first, 3.0)
        for second in scope.links_up(link.parent):
            if second.parent not in (entity, link.parent):
                yield from _columns(scope, (*first, Hop(second, up=True)), 6.0)


def _columns(scope: Scope, up: tuple[Hop, ...], rank: float) -> Iterator[Candidate]:
    task, schema = scope.task, scope.task.schema
    table = schema.table(up[-1].end if up else task.entity.name)
    prefix = f"{path_name(up, schema)}>{table.name}" if up else table.name
    hidden = scope.asked_for(table.name) if up else frozenset(task.hidden)
    keys = set(table.primary_key)
    own = keys if len(keys) == 1 else {task.query.entity.name}
    links = {c for k in schema.links_up(table.name) for c in k.child_columns} if not up else set()
    for column in table.columns:
        if column.name in hidden or column.ignored or constant(column):
            continue
        definition = Attribute(column.name, up)
        name = f"{prefix}.{column.name}"
        text = f"{words(column.name)}{_of(up)}"
        match use(column):
            case _ if column.name in links:
                # A foreign key is a category: which team, which shop. The entity's own key never is.
                if task.is_static and (column.distinct or 0) <= 20 * MAX_DISTINCT and column.name not in own:
                    yield rank, Feature(name, Kind.CATEGORICAL, definition, text, table.name)
            case _ if column.name in keys:
                continue
            case "number":
                yield rank, Feature(name, Kind.NUMERIC, definition, text, table.name)
            case "category" if column.distinct is None or column.distinct <= 5 * MAX_DISTINCT:
                yield rank, Feature(name, Kind.CATEGORICAL, definition, text, table.name)
            case "time" if f"{table.name}.{column.name}" not in scope.profile.later and not (
                task.is_static and not up and column.name == table.time_column
            ):
                age = Attribute(column.name, up, age=True)
                yield rank, Feature(f"{name}.age", Kind.NUMERIC, age, f"days since {text}", table.name)


def _of(up: tuple[Hop, ...]) -> str:
    return f" of its {words(up[-1].link.child_columns[0]).removesuffix(' id')}" if up else ""
