"""Which features read values that may be later than the cutoff, although no row is: columns changed in place.

A table without a time is read as it is now. So are the rows of a table that has a second time column lying
after the row's own time (last edited, last seen, closed): something was written there later, and other
columns may have been too. Nothing in one snapshot can tell; a person can (`known_at`, `ignore`), and a
backtest without them.
"""

from __future__ import annotations

from collections.abc import Collection

from foretell.features.model import Aggregated, Attribute, FeatureSet, Nested, Value
from foretell.schema.model import Schema
from foretell.task.model import Task


def exposed(task: Task, features: FeatureSet, changing: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """The features that read columns of untimed tables, or of those known to change, by table."""
    schema: Schema = task.schema
    found: dict[str, list[str]] = {}
    for feature in features.features:
        table: str | None = None
        column = ""
        match feature.definition:
            case Attribute() as read:
                table, column = read.up[-1].end if read.up else task.entity.name, read.column
            case (
                Aggregated(value=Value() as value, down=down)
                | Nested(inner=Aggregated(value=Value() as value, down=down))
            ):
                table, column = value.up[-1].end if value.up else down[-1].end, value.column
        if table is None or (schema.is_timed(table) and table not in changing):
            continue
        source = schema.table(table)
        links = {c for k in schema.links_up(table) for c in k.child_columns}
        if column in links or (source.has(column) and source.column(column).known_at):
            continue
        found.setdefault(table, []).append(feature.name)
    return {table: tuple(names) for table, names in sorted(found.items())}
