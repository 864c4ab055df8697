"""The aggregates of labels: each row's window is a range of its anchor's events, found by two searches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foretell import kernel
from foretell.core.time import Offset
from foretell.engines.base import Rows
from foretell.engines.native.edges import before
from foretell.engines.native.frames import Frame, Frames
from foretell.features.matrix import Instants
from foretell.kernel import ranges
from foretell.kernel.model import Codes, Numbers
from foretell.kernel.ranges import AFTER_ALL, BEFORE_ALL, Code, Number, Ranges
from foretell.plan import nodes
from foretell.query import ast
from foretell.query.ast import Function
from foretell.store.columns import FIRST_RANK, Tables
from foretell.store.words import Words, encode

LARGEST = 1e150
"""Numbers beyond this are left out: their squares overflow."""
PIECE = 1 << 22
"""How many events are spread out at a time to list their values."""

Reduce: TypeAlias = "Callable[[Aggregated, nodes.TargetAggregate, Frame, Ranges], Any]"
"""One function of the language: a value for each range, as an Arrow array."""


@dataclass(frozen=True)
class Aggregated:
    """Makes the aggregates of labels. Called with one of them and with rows of (entity, cutoff), it gives the
    values of the rows that have an event in their window: a table (entity, cutoff, value).
    """

    frames: Frames

    @property
    def tables(self) -> Tables:
        return self.frames.tables

    @property
    def threads(self) -> int:
        return self.frames.threads

    def __call__(self, node: nodes.TargetAggregate, rows: Rows) -> pa.Table:
        some, value = self.over(node, rows)
        return pa.table(
            {
                "entity": pa.array(rows.entities[some]),
                "cutoff": pa.array(rows.cutoffs[some]).cast(pa.timestamp("us")),
                "value": value,
            }
        )

    def over(self, node: nodes.TargetAggregate, rows: Rows) -> tuple[npt.NDArray[np.intp], pa.Array]:
        """The places of the rows that have an event in their window, and the value of each."""
        frame = self.frames.of(node.events)
        found = ranges.find(
            frame.events,
            rows.entities - FIRST_RANK,
            _edge(rows.cutoffs, node.window.start, BEFORE_ALL),
            _edge(rows.cutoffs, node.window.end, AFTER_ALL),
            threads=self.threads,
        )
        some = np.flatnonzero(found.lengths)
        return some, _REDUCE[node.function](self, node, frame, Ranges(found.starts[some], found.stops[some]))

    def read(self, node: nodes.TargetAggregate) -> tuple[str, ast.Expr]:
        """The table and the expression that are aggregated."""
        return node.events.table, node.events.inputs[0].expr

    def exists(self, node: nodes.TargetAggregate, frame: Frame) -> npt.NDArray[np.bool_]:
        """Which events have a value."""
        table, value = self.read(node)
        known = self.tables.arrow(table, ast.IsNull(value, negated=True))
        return np.asarray(known.to_numpy(zero_copy_only=False), dtype=np.bool_)[frame.rows]

    def words(self, node: nodes.TargetAggregate, *, text: bool = False) -> Words:
        """The value of each row of the event table as its place among the different values."""
        table, value = self.read(node)
        if text:
            value = ast.Call("CAST", (value, ast.Literal("TEXT")))
        column = self.tables.arrow(table, value)
        if not len(column):
            return Words(np.empty(0, dtype=np.int32), column)
        if pa.types.is_floating(column.type):
            column = pc.add(column, 0.0)  # so that -0.0 is 0.0
        return encode(pa.chunked_array([column]), threads=self.threads)


def _edge(cutoffs: Instants, offset: Offset, endless: int) -> Instants:
    if not offset.finite:
        return np.full(len(cutoffs), endless, dtype=np.int64)
    return before(cutoffs, -offset)


def _count(made: Aggregated, node: nodes.TargetAggregate, frame: Frame, found: Ranges) -> pa.Array:
    if not node.events.inputs:
        return pa.array(found.lengths)
    return pa.array(ranges.present(found, made.exists(node, frame)).counts)


def _exists(made: Aggregated, node: nodes.TargetAggregate, frame: Frame, found: Ranges) -> pa.Array:
    return pa.array(found.lengths > 0)


def _number(what: Number, q: float = 0.5) -> Reduce:
    def reduce(made: Aggregated, node: nodes.TargetAggregate, frame: Frame, found: Ranges) -> pa.Array:
        values = made.tables.numbers(*made.read(node))
        with np.errstate(invalid="ignore"):
            values = np.where(np.abs(values) < LARGEST, values, np.nan)
        share = q if node.parameter is None else node.parameter
        given = Numbers(values, frame.rows)
        numbers = ranges.numbers(what, found, given, q=share, threads=made.threads)
        return pa.array(numbers, mask=np.isnan(numbers))

    return reduce


def _place(which: Callable[[ranges.Present], npt.NDArray[np.int64]]) -> Reduce:
    def reduce(made: Aggregated, node: nodes.TargetAggregate, frame: Frame, found: Ranges) -> pa.Array:
        places = which(ranges.present(found, made.exists(node, frame)))
        rows = kernel.gather(frame.rows, places.astype(np.int32))
        return made.tables.arrow(*made.read(node)).take(pa.array(rows, mask=rows < 0))

    return reduce


def _code(what: Code) -> Reduce:
    def reduce(made: Aggregated, node: nodes.TargetAggregate, frame: Frame, found: Ranges) -> pa.Array:
        words = made.words(node)
        codes = ranges.codes(what, found, Codes(words.codes, words.size, frame.rows), threads=made.threads)
        if what is Code.DISTINCT:
            return pa.array(codes)
        return words.array.take(pa.array(codes, mask=codes < 0))

    return reduce


def _list(made: Aggregated, node: nodes.TargetAggregate, frame: Frame, found: Ranges) -> pa.Array:
    """The different values of each range as text, in order; none where there is no value."""
    words = made.words(node, text=True)
    codes = words.codes[frame.rows]
    listed: list[npt.NDArray[np.int64]] = []
    cuts = np.flatnonzero(np.diff(np.cumsum(found.lengths) // PIECE)) + 1
    for part in np.split(np.arange(len(found)), cuts):
        lengths = found.lengths[part]
        row = np.repeat(part, lengths)
        first = np.repeat(found.starts[part] - np.cumsum(lengths) + lengths, lengths)
        code = codes[np.arange(len(row)) + first]
        listed.append(np.unique((row * max(words.size, 1) + code)[code >= 0]))
    pairs = np.concatenate(listed)
    counts = np.bincount(pairs // max(words.size, 1), minlength=len(found))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    values = words.array.take(pa.array(pairs % max(words.size, 1)))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32(), mask=np.append(counts == 0, False)), values)


_REDUCE: dict[Function, Reduce] = {
    Function.COUNT: _count,
    Function.COUNT_DISTINCT: _code(Code.DISTINCT),
    Function.SUM: _number(Number.SUM),
    Function.AVG: _number(Number.MEAN),
    Function.MIN: _code(Code.LEAST),
    Function.MAX: _code(Code.GREATEST),
    Function.FIRST: _place(lambda found: found.first),
    Function.LAST: _place(lambda found: found.last),
    Function.EXISTS: _exists,
    Function.MEDIAN: _number(Number.QUANTILE),
    Function.STDDEV: _number(Number.STD),
    Function.QUANTILE: _number(Number.QUANTILE),
    Function.MODE: _code(Code.MODE),
    Function.LIST_DISTINCT: _list,
}
