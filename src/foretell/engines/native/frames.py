"""The events of a path as arrays: which rows of a table reach which anchor, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from foretell import kernel
from foretell.core.time import Instant, parse_instant
from foretell.engines.native.kept import Kept
from foretell.features.matrix import Instants
from foretell.kernel import MISSING, Events
from foretell.kernel.model import Ints
from foretell.plan import nodes
from foretell.plan.nodes import Until
from foretell.query import ast
from foretell.schema.model import Schema
from foretell.store.columns import Tables

S = TypeVar("S", np.float64, np.float32, np.int32, np.int64)

LONG_AGO: Instant = parse_instant("0001-01-01")
"""The time of events that have none."""
KEPT = 3 << 29
"""Bytes of events, and of what is read of them, that are kept between calls."""


@dataclass(frozen=True)
class Frame:
    """Events grouped by anchor, a row of the table that the path leads to, in the order of (time, row).

    Event e is row `rows[e]` of the event table.
    """

    events: Events
    rows: Ints  # (events,)

    @property
    def nbytes(self) -> int:
        return self.events.offsets.nbytes + self.events.times.nbytes + self.rows.nbytes


class Frames:
    """Frames by what they are of, whatever is read of their events; made once while there is room."""

    def __init__(self, tables: Tables, schema: Schema, *, threads: int = 1, most: int = KEPT) -> None:
        self.tables = tables
        self.schema = schema
        self.threads = threads
        self.kept = Kept(most)

    def of(self, node: nodes.Events) -> Frame:
        """The events of a path; those that `where` is not true of, or that are never known, are left out."""
        key = self.key(node)
        return self.kept.get(key, lambda: self._made(key))

    def key(self, node: nodes.Events) -> nodes.Events:
        """What a frame depends on: events until a cutoff and those in a window are the same events."""

        def plain(relation: nodes.Relation) -> nodes.Relation:
            until = Until.CUTOFF if self._bounds(relation) else Until.END
            if isinstance(relation, nodes.Scan):
                return replace(relation, until=until)
            return replace(relation, source=plain(relation.source), until=until)

        return nodes.Events(plain(node.rows), (), node.where, node.delays)

    def gather(self, values: npt.NDArray[S], places: Ints) -> npt.NDArray[S]:
        """The values at places; the missing value at -1."""
        return kernel.gather(values, places, self.threads)

    def times(self, table: str) -> Instants:
        """The instant from which each row of a timed table is visible."""
        times = self.tables.times(table)
        assert times is not None, f"{table} has no time"
        return times

    def _made(self, node: nodes.Events) -> Frame:
        anchors, moments = self._walked(node)
        seen = anchors >= 0
        for column in node.delays:
            known = self.tables.instants(node.table, column)
            seen &= known != MISSING
            moments.append(known)
        if node.where is not None:
            # As an array of Arrow's, which the tables do not keep: conditions come and go with queries.
            holds = ast.Call("CAST", (node.where, ast.Literal("BOOLEAN")))
            found = self.tables.arrow(node.table, holds).fill_null(False)
            seen &= found.to_numpy(zero_copy_only=False)
        if not seen.all():
            anchors = np.where(seen, anchors, np.int32(-1))
        times = np.maximum.reduce(moments) if moments else np.full(len(anchors), LONG_AGO)
        size = self.tables.rows(node.rows.end)
        if (times[1:] >= times[:-1]).all():
            offsets, rows = kernel.group(anchors, size)
        else:
            order = np.argsort(times, kind="stable").astype(np.int32)
            offsets, places = kernel.group(self.gather(anchors, order), size)
            rows = self.gather(order, places)
        return Frame(Events(offsets, self.gather(times, rows)), rows)

    def _walked(self, node: nodes.Events) -> tuple[Ints, list[Instants]]:
        """The anchor of each row of the event table (-1: it reaches none), and the times along its path.

        The anchor's own time bounds nothing here: whoever asks for the anchor has seen it at the cutoff. A
        step without a bound adds no time: its rows would be read whenever they are from.
        """
        at = np.arange(self.tables.rows(node.table), dtype=np.int32)
        path = nodes.hops(node.rows)
        moments: list[Instants] = []
        for i, step in enumerate((nodes.base(node.rows), *path[:-1])):
            if i:
                at = self._up(path[i - 1], at)
            if self._bounds(step):
                times = self.times(step.end)
                moments.append(self.gather(times, at) if i else times)
        return (self._up(path[-1], at) if path else at), moments

    def _bounds(self, step: nodes.Relation) -> bool:
        return self.schema.is_timed(step.end) and step.until in (Until.CUTOFF, Until.WINDOW)

    def _up(self, step: nodes.Follow | nodes.Latest, at: Ints) -> Ints:
        assert step.hop.up, f"{step.hop} would repeat events"
        return self.gather(self.tables.parents(step.hop.link), at)
