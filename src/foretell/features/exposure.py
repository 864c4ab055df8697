"""Which features read values that may be later than the cutoff, although no row is: columns changed in place.

A table without a time is read as it is now. So are the rows of a table that has a second time column lying
after the row's own time (last edited, last seen, closed): something was written there later, and other
columns may have been too. Nothing in one snapshot can tell; a person can (`known_at`, `ignore`), and a
backtest without them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from foretell.features.model import Aggregated, Attribute, Contrast, Definition, FeatureSet, Nested, Value
from foretell.plan.nodes import Following
from foretell.schema.model import Schema
from foretell.task.model import Task


def exposed(task: Task, features: FeatureSet, changing: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """The features that read columns of untimed tables, or of those known to change, by table."""
    schema: Schema = task.schema
    found: dict[str, list[str]] = {}
    for feature in features.features:
        for table, column in _read(feature.definition, task):
            if schema.is_timed(table) and table not in changing:
                continue
            source = schema.table(table)
            links = {c for k in schema.links_up(table) for c in k.child_columns}
            if column in links or (source.has(column) and source.column(column).known_at):
                continue
            found.setdefault(table, []).append(feature.name)
    return {table: tuple(dict.fromkeys(names)) for table, names in sorted(found.items())}


def _read(definition: Definition, task: Task) -> Iterator[tuple[str, str]]:
    """The columns that a feature reads values of, each with its table."""
    match definition:
        case Attribute(up=up, column=column):
            yield up[-1].end if up else task.entity.name, column
        case Aggregated(value=Value() as value, down=down) if value.following is not Following.GAP:
            yield value.up[-1].end if value.up else down[-1].end, value.column
        case Nested(inner=inner):
            yield from _read(inner, task)
        case Contrast(left=left, right=right):
            yield from _read(left, task)
            yield from _read(right, task)
