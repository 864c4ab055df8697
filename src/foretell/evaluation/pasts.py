"""Other pasts for the same future: what a label counts must lie after its cutoff, and not exactly on it.

The mirror of `futures`: rows that a target counts are deleted before the cutoff, and others appear exactly on
it. Labels must not move.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from foretell.core.random import generator
from foretell.core.time import Instant
from foretell.evaluation.futures import (
    NEVER,
    Frames,
    Keys,
    Moments,
    Row,
    keys_of,
    loose,
    stored,
    visible_from,
)
from foretell.plan import nodes
from foretell.schema.model import Schema

_MOST_ADDED = 2_000


def counted(target: nodes.Target) -> tuple[str, ...]:
    """The tables that a target without WHERE counts and that can lose rows without moving anything else."""
    walked = {target.population.table}
    for aggregate in target.aggregates:
        walked |= {step.end for step in nodes.hops(aggregate.events.rows)}
    names = (a.events.table for a in target.aggregates)
    return tuple(n for n in dict.fromkeys(names) if n not in walked)


def rewrite_past(
    frames: Frames, schema: Schema, target: nodes.Target, cutoff: Instant, *, seed: int = 0
) -> dict[str, pa.Table]:
    """The same future after another past: of the rows that the target counts, half of those up to the cutoff
    are gone, and new ones lie exactly on it.
    """
    rng = generator(seed, "past", cutoff)
    made = dict(frames)
    for name in counted(target):
        rows = made[name].filter(pa.array(_timed(made, schema, target, name) != NEVER))
        drawn = rng.random(made[name].num_rows) < 0.5
        gone = (_timed(made, schema, target, name) <= cutoff) & drawn
        kept = made[name].filter(pa.array(~gone))
        added = _on_the_cutoff(rows, schema, name, cutoff, rng)
        whole = pa.concat_tables([kept, added])
        early = _timed({**made, name: whole}, schema, target, name) <= cutoff
        early[: kept.num_rows] = True
        made[name] = whole.filter(pa.array(early))
    return made


def _timed(frames: Mapping[str, pa.Table], schema: Schema, target: nodes.Target, name: str) -> Moments:
    """When each row of a table counts at the earliest, over all of the target's ways to it."""
    visible = visible_from(frames, schema)
    found = np.full(frames[name].num_rows, -NEVER, dtype=np.int64)
    for aggregate in target.aggregates:
        if aggregate.events.table == name:
            found = np.maximum(found, _along(frames, schema, visible, aggregate.events))
    return found


def _along(
    frames: Mapping[str, pa.Table], schema: Schema, visible: Mapping[str, Moments], events: nodes.Events
) -> Moments:
    """The latest time on the way from each event to its anchor, whose own time does not count."""
    frame, latest = frames[events.table], visible[events.table].copy()
    place = np.arange(frame.num_rows)  # the row that each event has reached; -1: none
    table = events.table
    for step in nodes.hops(events.rows)[:-1]:
        link = step.hop.link
        theirs = {loose(k): i for i, k in enumerate(keys_of(frames[link.parent], link.parent_columns))}
        up = np.array([theirs.get(loose(k), -1) for k in keys_of(frames[table], link.child_columns)] + [-1])
        place, table = up[place], link.parent
        latest = np.maximum(latest, np.append(visible[table], NEVER)[place])
    return latest


def _on_the_cutoff(
    rows: pa.Table, schema: Schema, name: str, cutoff: Instant, rng: np.random.Generator
) -> pa.Table:
    """Copies of rows under new keys, visible exactly from the cutoff where their time can say so.

    Where a key is not free to choose, those that would have another row's are left out.
    """
    table = schema.table(name)
    if table.time_column is None or rows.num_rows == 0:
        return rows.slice(0, 0)
    at, late = cutoff, table.available_after
    if late is not None:
        if late.unit.microseconds is None:
            return rows.slice(0, 0)
        at -= round(late.microseconds)
    count = min(_MOST_ADDED, rows.num_rows)
    column = table.column(table.time_column)
    moment = stored(at, column, rows.schema.field(column.name).type, schema.timezone)
    keys = Keys(table, schema, rows)
    made: list[Row] = []
    for i, row in enumerate(rows.take(pa.array(rng.choice(rows.num_rows, count, replace=False))).to_pylist()):
        keys.renew(row, 10**9 + i)
        row[column.name] = moment
        if keys.claim(row):
            made.append(row)
    return pa.Table.from_pylist(made, rows.schema)
