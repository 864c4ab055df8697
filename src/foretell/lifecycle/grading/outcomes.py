"""What became of those who were predicted: the query's own labels, for exactly the rows of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foretell.core.time import Instant, format_instant, parse_instant
from foretell.engines.base import Rows
from foretell.features.lower import target_plan
from foretell.lifecycle.version import Version
from foretell.prediction.database import OpenDatabase, counted_tables, end_of_history
from foretell.prediction.labels import computed_labels
from foretell.task.model import Task

GONE = "no longer in the database"
LEFT = "no longer in the population"
NO_VALUE = "no value"
NOT_HELD = "not held under ASSUMING, or no value"


@dataclass(frozen=True)
class Outcomes:
    """The labels of those that have one. `place` are their rows in the batch, `rows` the same as entities;
    `missing` counts the others by reason: none of them is taken for a 0.
    """

    place: npt.NDArray[np.intp]  # (labelled,)
    rows: Rows  # (labelled,)
    values: npt.NDArray[Any]  # (labelled,)
    missing: Mapping[str, int]


def closes(task: Task, cutoff: Instant) -> Instant | None:
    """When the target's window of a cutoff closes; None for a static target, which has no window."""
    return None if task.horizon is None else task.horizon.after(cutoff)


def seen_until(version: Version, task: Task) -> Instant:
    """When the last window that a version learned from had closed. Rows from then on are new to it."""
    last = learned_until(version)
    return last + 1 if task.horizon is None else task.horizon.after(last)


def learned_until(version: Version) -> Instant:
    """The last cutoff that a version learned from; where its file does not say, when it was added."""
    last = version.record.get("last_cutoff")
    return version.created if last is None else parse_instant(last)


def obstacle(database: OpenDatabase, task: Task, cutoff: Instant) -> str | None:
    """Why a cutoff's labels are not settled yet; None where they are.

    Both the clock and the rows that the target counts must have passed the window's end: where the feed has
    stopped, what did not happen is not known. A delay of the rows (`available_after`) is part of their time.
    """
    until = closes(task, cutoff)
    if until is None:
        return None
    if database.now is not None and database.now < until:
        return f"its window closes at {format_instant(until)}"
    tables = counted_tables(task)
    if not tables:
        return None
    last = database.end_of_data(tables, earliest=True)
    return (
        None
        if last >= until
        else f"rows up to {format_instant(until)} are missing: they end at " + (format_instant(last))
    )


def outcomes(database: OpenDatabase, task: Task, predictions: pa.Table, cutoff: Instant) -> Outcomes:
    """Join a batch with what happened after its cutoff, by the entity's key.

    Whom WHERE chose was settled when the batch was made, so it is not asked again.
    """
    everyone = replace(task, where=None)
    named = entities_of(database, task, predictions)
    moment = end_of_history(database, task) if task.is_static else cutoff
    labels = computed_labels(database, everyone, [moment])
    order = np.argsort(labels.rows.entities, kind="stable")
    sorted_entities = labels.rows.entities[order]
    at = np.searchsorted(sorted_entities, named)
    found = np.minimum(at, max(len(order) - 1, 0))
    has = (named >= 0) & (sorted_entities[found] == named) if len(order) else np.zeros(len(named), bool)
    chosen = order[found[has]]
    there = np.isin(named, database.engine.population(target_plan(everyone), [moment]).entities)
    if task.is_static:
        there[:] = True  # those with a value are not asked for any more
    reasons = {
        GONE: named < 0,
        LEFT: (named >= 0) & ~has & ~there,
        (NO_VALUE if task.assuming is None else NOT_HELD): (named >= 0) & ~has & there,
    }
    return Outcomes(
        np.flatnonzero(has),
        labels.rows.take(chosen),
        labels.values[chosen],
        {why: int(mask.sum()) for why, mask in reasons.items() if mask.any()},
    )


def entities_of(database: OpenDatabase, task: Task, predictions: pa.Table) -> npt.NDArray[np.int64]:
    """The entities that a batch's key columns name, -1 where one is gone."""
    own = set(predictions.column_names)
    names = {c: q if (q := f"{task.entity.name}.{c}") in own else c for c in task.entity_key}
    keys = {c: predictions[name].to_pylist() for c, name in names.items()}
    return database.engine.find(task.entity.name, keys)
