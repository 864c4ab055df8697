"""The rows behind a feature of an entity at a cutoff: exactly those that its value was made of.

They are found by the feature's own plan, so that only what was visible at the cutoff, and lies in the
feature's window, is ever cited.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.core.text import listing
from foretell.core.time import DAY, Instant, Last, LookBack, Offset, format_instant
from foretell.engines.base import Rows
from foretell.engines.native.asof import anchors, walk
from foretell.engines.native.edges import before
from foretell.engines.native.frames import Frames
from foretell.engines.native.inputs import Whole
from foretell.features.describe import words
from foretell.features.lower import feature_plan
from foretell.features.model import (
    Aggregated,
    Attribute,
    Contrast,
    Feature,
    FeatureSet,
    Kind,
    Nested,
    OwnLabels,
)
from foretell.kernel.model import Codes
from foretell.plan import nodes
from foretell.plan.lattice import looking_back
from foretell.plan.measures import MEASURES
from foretell.schema.model import Schema
from foretell.store.columns import FIRST_RANK, Tables
from foretell.task.describe import singular
from foretell.task.model import Task

SHOWN = 3
"""So many rows are shown of all that are cited."""
LONGEST = 24
"""Characters of a key that is shown."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CitedRow:
    """One row: its key (its place in the table's order where it has none), and since when it is visible."""

    key: Mapping[str, Any]
    time: Instant | None

    def __str__(self) -> str:
        name = "+".join(_short(v) for v in self.key.values())
        return f"#{name}" + ("" if self.time is None else f" on {day(self.time)}")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"key": dict(self.key), "time": None if self.time is None else format_instant(self.time)}


@dataclass(frozen=True)
class Evidence:
    """The rows of one table that a feature's value rests on, newest first.

    `places` are their positions in the table's order (`Tables`), `shown` the first few of them, `text` says
    it in English. `is_own` where it is the entity's own row, which cannot be thought away.
    """

    table: str
    places: Places
    shown: tuple[CitedRow, ...]
    text: str
    is_own: bool = False

    @property
    def count(self) -> int:
        return len(self.places)

    def cited(self) -> tuple[Mapping[str, Any], ...]:
        """The rows that are shown, JSON-ready."""
        return tuple({"table": self.table, **row.to_dict()} for row in self.shown)


@dataclass(frozen=True)
class _Found:
    """Rows of a table at positions, oldest first, with the times that they count from (None: no time)."""

    table: str
    places: Places
    times: Places | None
    last: bool = False  # one row, the latest of its kind


class Citing:
    """Finds the rows behind features of one entity at a cutoff, until which its history is `known`."""

    def __init__(
        self,
        tables: Tables,
        task: Task,
        entity: int,
        cutoff: Instant,
        known: Instant | None = None,
        begins: Mapping[str, Instant] | None = None,
    ) -> None:
        self._tables = tables
        self._task = task
        self._schema: Schema = task.schema
        self._row = Rows(np.array([entity]), np.array([cutoff if known is None else min(known, cutoff)]))
        self._frames = Frames(tables, task.schema)
        self._begins = begins or {}

    def __call__(self, feature: Feature) -> Evidence | None:
        """What is behind a feature's value; None where no row is (the calendar, nothing so far)."""
        match feature.definition:
            case Attribute(up=up):
                found = self._attribute(feature)
                return None if found is None else self._evidence(found, is_own=not up)
            case Contrast(left=left, right=right):
                found = self._events(left) or self._events(right)
            case Aggregated() as aggregated:
                found = self._events(aggregated)
            case Nested() as nested:
                found = self._members(feature, nested)
            case OwnLabels() as labels if not labels.everyone:
                found = self._labels(feature, labels)
            case _:
                found = None
        return None if found is None or not len(found.places) else self._evidence(found)

    def _plan(self, definition: Aggregated) -> nodes.Block:
        feature = Feature("cited", _kind(definition), definition, "", "")
        return feature_plan(self._task, FeatureSet((feature,))).blocks[0]

    def _attribute(self, feature: Feature) -> _Found | None:
        (block,) = feature_plan(self._task, FeatureSet((feature,))).blocks
        assert isinstance(block, nodes.AsOf)
        place = int(walk(self._frames, block.source, self._row)[0])
        if place < 0:
            return None
        return self._at(block.source.end, np.array([place]), last=False)

    def _events(self, definition: Aggregated) -> _Found | None:
        block = self._plan(definition)
        assert isinstance(block, nodes.Aggregate) and isinstance(block.events, nodes.Events)
        window = definition.window
        if definition.measure.startswith("decayed"):
            window = None  # which tells a half-life
        chosen = self._inside(block.anchor, block.events, window, block.ago)
        if chosen is None:
            return None
        events, frame = chosen, self._frames.of(block.events)
        events, last = self._telling(definition, block.events, events)
        return _Found(
            block.events.table, frame.rows[events].astype(np.int64), frame.events.times[events], last
        )

    def _inside(
        self, anchor: nodes.Relation, events: nodes.Events, window: LookBack | None, ago: Offset | None
    ) -> Places | None:
        """The events of the anchor that lie in the window, oldest first."""
        at = int(anchors(self._frames, anchor, self._row)[0])
        if at < 0:
            return None
        frame = self._frames.of(events)
        until = self._row.cutoffs if ago is None else before(self._row.cutoffs, ago)
        first, end = int(frame.events.offsets[at]), int(frame.events.offsets[at + 1])
        times = frame.events.times[first:end]
        end = first + int(np.searchsorted(times, until[0], side="right"))
        if isinstance(window, Last):
            first = max(first, end - window.count)
        elif isinstance(window, Offset) and window.finite:
            edge = before(until, window)[0]
            first += int(np.searchsorted(times, edge, side="right"))
        return np.arange(first, max(first, end), dtype=np.int64)

    def _telling(self, definition: Aggregated, node: nodes.Events, events: Places) -> tuple[Places, bool]:
        """Of the events in the window those that the measure rests on, and whether it is the last alone."""
        measure = definition.measure
        if not len(events) or measure in ("count", "gap", "decayed_count"):
            return events, False
        if measure in ("recency", "tenure"):
            return (events[-1:], True) if measure == "recency" else (events[:1], False)
        if not node.inputs:
            return events, False
        values, known = self._values(node, events)
        events, values = events[known], values[known]
        if definition.value is not None and definition.value.equals is not None:
            return (events[values > 0] if (values > 0).any() else events), False
        if measure in ("last", "last_category"):
            return events[-1:], True
        if measure in ("min", "max") and len(events):
            extreme = values.min() if measure == "min" else values.max()
            return events[values == extreme], False
        if measure == "mode" and len(events):
            found, counts = np.unique(values, return_counts=True)
            return events[values == found[counts.argmax()]], False
        return events, False

    def _values(
        self, node: nodes.Events, events: Places
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """What is read of events, as numbers (words by their codes), and where there is something."""
        held = Whole(self._frames, self._frames.key(node)).read(node.inputs[0]).held
        place = events if held.index is None else held.index[events].astype(np.int64)
        there = place >= 0
        if isinstance(held, Codes):
            codes = np.where(there, held.codes[np.maximum(place, 0)], -1)
            values = (codes == held.equals if held.equals is not None else codes).astype(np.float64)
            return values, codes >= 0
        values = np.where(there, held.values[np.maximum(place, 0)].astype(np.float64), np.nan)
        return values, values == values

    def _members(self, feature: Feature, definition: Nested) -> _Found | None:
        (block,) = feature_plan(self._task, FeatureSet((feature,))).blocks
        assert isinstance(block, nodes.Nested)
        events = self._inside(block.anchor, block.members, definition.window, None)
        if events is None:
            return None
        frame = self._frames.of(block.members)
        return _Found(block.members.table, frame.rows[events].astype(np.int64), frame.events.times[events])

    def _labels(self, feature: Feature, definition: OwnLabels) -> _Found | None:
        """The rows that the target counted in the windows that the feature looks back on."""
        (block,) = feature_plan(self._task, FeatureSet((feature,))).blocks
        assert isinstance(block, nodes.Aggregate) and isinstance(block.events, nodes.PastLabels)
        past = block.events
        until = self._row.cutoffs if block.ago is None else before(self._row.cutoffs, block.ago)
        begins = [
            b for a in past.target.aggregates if a.window.is_future and (b := self._begin(a)) is not None
        ]
        lattice = looking_back(past, until.tolist(), max(begins) if begins else None)
        closed = sorted({at for at, known, _ in lattice.earlier if known <= until[0]})
        window = definition.window
        if isinstance(window, Last):
            closed = closed[-window.count :]
        elif isinstance(window, Offset) and window.finite and past.target.horizon is not None:
            edge = int(before(until, window)[0])
            closed = [at for at in closed if past.target.horizon.after(at) > edge]
        if definition.measure in ("last", "last_category") and definition.following is None:
            closed = closed[-1:]
        for aggregate in past.target.aggregates:
            if not aggregate.window.is_future:
                continue
            frame = self._frames.of(aggregate.events)
            at = int(self._row.entities[0]) - FIRST_RANK
            first, end = int(frame.events.offsets[at]), int(frame.events.offsets[at + 1])
            times = frame.events.times[first:end]
            inside = np.zeros(len(times), dtype=np.bool_)
            for moment in closed:
                low = aggregate.window.start.after(moment) if aggregate.window.start.finite else None
                high = aggregate.window.end.after(moment) if aggregate.window.end.finite else until[0]
                inside |= (times <= high) & (True if low is None else times > low)
            inside &= times <= until[0]
            if inside.any():
                events = first + np.flatnonzero(inside)
                return _Found(
                    aggregate.events.table, frame.rows[events].astype(np.int64), frame.events.times[events]
                )
        return None

    def _begin(self, aggregate: nodes.TargetAggregate) -> Instant | None:
        times = self._tables.times(aggregate.events.table)
        first = int(times[0]) if times is not None and len(times) else None
        given = self._begins.get(aggregate.events.table)
        return first if given is None else given if first is None else min(first, given)

    def _at(self, table: str, places: Places, *, last: bool) -> _Found:
        times = self._tables.times(table)
        return _Found(table, places, None if times is None else times[places], last)

    def _evidence(self, found: _Found, *, is_own: bool = False) -> Evidence:
        places, index = np.unique(found.places, return_index=True)
        times = None if found.times is None else found.times[index]
        order = np.arange(len(places)) if times is None else np.lexsort((places, times))
        order = order[::-1]
        shown = tuple(
            CitedRow(self._key(found.table, int(places[i])), None if times is None else int(times[i]))
            for i in order[:SHOWN]
        )
        text = _said(found, shown, len(places), is_own=is_own)
        return Evidence(found.table, places[order], shown, text, is_own)

    def _key(self, table: str, place: int) -> dict[str, Any]:
        key = self._schema.table(table).primary_key
        if not key:
            return {}
        return {c: self._tables.arrow(table, c)[place].as_py() for c in key}


def _kind(definition: Aggregated) -> Kind:
    return Kind.CATEGORICAL if MEASURES[definition.measure].categorical else Kind.NUMERIC


def _said(found: _Found, shown: tuple[CitedRow, ...], count: int, *, is_own: bool) -> str:
    """The rows in English: "last one #10442 on 2026-03-02", "3 orders: #10442 on 2026-03-02, …"."""
    noun = words(found.table)
    one = singular(noun)
    keyed = bool(shown and shown[0].key)
    if is_own:
        return f"{one} {_bare(shown[0])}" if keyed else ""
    if count == 1:
        what = "last one" if found.last else one
        if keyed:
            return f"{what} {shown[0] if found.times is not None else _bare(shown[0])}"
        return f"{what} on {day(shown[0].time)}" if shown[0].time is not None else what
    if keyed:
        told = [str(row) if found.times is not None else _bare(row) for row in shown]
    else:
        told = [day(row.time) for row in shown if row.time is not None]
    if not told:
        return f"{count:,} {noun}"
    if count <= len(shown):
        return f"{count:,} {noun}: {listing(told)}"
    return f"{count:,} {noun}, the latest {', '.join(told)}"


def _bare(row: CitedRow) -> str:
    return str(CitedRow(row.key, None))


def _short(value: Any) -> str:
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def day(instant: Instant) -> str:
    """The day of an instant, in UTC.

    >>> day(0)
    '1970-01-01'
    """
    return format_instant(instant - instant % DAY)[:10]
