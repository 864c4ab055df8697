"""What is known of an entity and its parents at each row's cutoff."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foretell import kernel
from foretell.core.time import DAY
from foretell.engines.base import Rows
from foretell.engines.native.frames import Frames
from foretell.features.matrix import Categorical, Floats, Numeric, Precision, Values
from foretell.plan import nodes
from foretell.plan.nodes import Until
from foretell.schema.model import DType
from foretell.store.columns import FIRST_RANK
from foretell.store.words import Words

Places: TypeAlias = npt.NDArray[np.int32]

_NUMBERS = frozenset({DType.BOOLEAN, DType.INTEGER, DType.FLOAT})


def anchors(frames: Frames, relation: nodes.Relation, rows: Rows) -> Places:
    """The place of the row that each row's events point at; -1 where none is visible at the cutoff."""
    if isinstance(relation, nodes.Scan):
        return _entities(rows)
    return walk(frames, relation, rows)


def walk(frames: Frames, relation: nodes.Relation, rows: Rows) -> Places:
    """The place of the row at the relation's end, -1 where there is none; each step bounded as it says."""
    at = _entities(rows)
    for step in nodes.steps(relation):
        if isinstance(step, nodes.Latest):
            at = _latest(frames, step, at, rows)
            continue
        if isinstance(step, nodes.Follow):
            assert step.hop.up, f"{step.hop} leads to many rows and needs an aggregate"
            at = frames.gather(frames.tables.parents(step.hop.link), at)
        if step.until is Until.CUTOFF and frames.schema.is_timed(step.end):
            born = frames.gather(frames.times(step.end), at)
            at = np.where(born <= rows.cutoffs, at, np.int32(-1))
    return at


def _entities(rows: Rows) -> Places:
    return (rows.entities - FIRST_RANK).astype(np.int32)


def _latest(frames: Frames, step: nodes.Latest, at: Places, rows: Rows) -> Places:
    """The last row, visible at the cutoff, of those that point at each row: the last event's own place."""
    pointing = nodes.Follow(nodes.Scan(step.end, step.until), step.hop.reversed(), Until.NOW)
    frame = frames.of(nodes.Events(pointing))
    own = kernel.Codes(frame.rows, frames.tables.rows(step.end))
    (found,) = kernel.sweep(
        frame.events,
        [own],
        [kernel.Output("last_category", 0)],
        anchors=at.astype(np.int64),
        cutoffs=rows.cutoffs,
        edges=np.empty((0, len(rows)), dtype=np.int64),
        threads=frames.threads,
    )
    return found.astype(np.int32, copy=False)


def as_of(frames: Frames, node: nodes.AsOf, rows: Rows, precision: Precision) -> dict[str, Values]:
    """Each output by its name."""
    at = walk(frames, node.source, rows)
    return {read.name: _read(frames, node.source.end, read, at, rows, precision) for read in node.outputs}


def _read(
    frames: Frames, table: str, read: nodes.Read, at: Places, rows: Rows, precision: Precision
) -> Values:
    if read.known_at is not None:
        known = frames.gather(frames.tables.instants(table, read.known_at), at)
        late = (known == kernel.MISSING) | (known > rows.cutoffs)
        at = np.where(late, np.int32(-1), at)
    if read.age:
        moments = frames.gather(frames.tables.instants(table, read.column), at)
        return Numeric.of(_days_since(moments, rows.cutoffs), precision)
    if read.dtype in _NUMBERS:
        numbers = frames.tables.numbers(table, read.column)
        return Numeric.of(frames.gather(numbers, at), precision)
    words = frames.tables.words(table, read.column)
    return categorical(frames.gather(words.codes, at), words)


def _days_since(moments: npt.NDArray[np.int64], cutoffs: npt.NDArray[np.int64]) -> Floats:
    """The days from each moment to its cutoff; NaN where the moment is missing or comes after."""
    past = (moments != kernel.MISSING) & (moments <= cutoffs)
    return np.where(past, (cutoffs - np.where(past, moments, 0)) / DAY, np.nan)


def categorical(codes: Places, words: Words) -> Categorical:
    """Codes with the words that occur among them alone: what else the table holds does not show."""
    found = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=words.size))
    place = np.full(words.size, -1, dtype=np.int32)
    place[found] = np.arange(len(found), dtype=np.int32)
    return Categorical(kernel.gather(place, codes), tuple(words.array.take(pa.array(found)).to_pylist()))
