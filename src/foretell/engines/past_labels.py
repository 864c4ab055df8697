"""An entity's own earlier labels as events: all that engines share of it, once the labels are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from foretell.core.time import Instant, Offset
from foretell.engines.base import Entities, Labels, Rows
from foretell.engines.native.edges import before
from foretell.features.matrix import Instants
from foretell.plan import nodes
from foretell.plan.lattice import Lattice, looking_back
from foretell.schema.model import DType

NUMERIC = frozenset({DType.INTEGER, DType.FLOAT, DType.BOOLEAN})
"""The types whose values are held as numbers."""

Span: TypeAlias = Callable[[str], tuple[Instant, Instant] | None]
"""The first and last instant of a table's rows, by its name."""


@dataclass(frozen=True)
class PastEvents:
    """Earlier labels as events, in time order for each anchor: an entity in one phase of the lattice.

    `places` are the labels' positions among those that were made, which order events of one time.
    """

    anchors: npt.NDArray[np.int64]  # (events,)
    times: Instants  # (events,)
    places: npt.NDArray[np.intp]  # (events,)
    values: npt.NDArray[Any]  # (events,)


def moved(rows: Rows, ago: Offset | None) -> Rows:
    """The rows as of that long before their cutoffs."""
    return rows if ago is None else Rows(rows.entities, before(rows.cutoffs, ago))


def lattice_of(past: nodes.PastLabels, rows: Rows, span: Span) -> Lattice:
    """The earlier cutoffs of the rows, from the first row on that the target counts."""
    spans = [span(a.events.table) for a in past.target.aggregates if a.window.is_future]
    begins = [found[0] for found in spans if found is not None]
    start = max(begins) if begins and len(begins) == len(spans) else None
    return looking_back(past, np.unique(rows.cutoffs).tolist(), start)


def anchors_of(past: nodes.PastLabels, lattice: Lattice, rows: Rows) -> npt.NDArray[np.int64]:
    """The anchor whose events each row sees."""
    moments, place = np.unique(rows.cutoffs, return_inverse=True)
    phases = np.array([lattice.phases[at] for at in moments.tolist()], dtype=np.int64)
    return _whose(past, rows.entities) * lattice.count + phases[place]


def past_events(past: nodes.PastLabels, lattice: Lattice, labels: Labels | None) -> PastEvents:
    """The labels that were made at the lattice's earlier cutoffs, as events; None where it has none."""
    none = np.empty(0, dtype=np.int64)
    if labels is None:
        return PastEvents(none, none, np.empty(0, dtype=np.intp), np.empty(0))
    at, since, phase = (np.array(column, dtype=np.int64) for column in zip(*lattice.earlier))
    first = np.searchsorted(labels.rows.cutoffs, at, side="left")
    counts = np.searchsorted(labels.rows.cutoffs, at, side="right") - first
    step = np.repeat(np.arange(len(at)), counts)  # (events,): which of the earlier cutoffs
    places = np.arange(len(step)) - (np.cumsum(counts) - counts - first)[step]
    anchors = _whose(past, labels.rows.entities[places]) * lattice.count + phase[step]
    return PastEvents(anchors, since[step], places, labels.values[places])


def _whose(past: nodes.PastLabels, entities: Entities) -> Entities:
    """The entities that labels are told apart by: each its own, or everyone as one."""
    return np.zeros_like(entities) if past.everyone else entities


def as_text(value: Any) -> str | None:
    """A key or label as the text that DuckDB would cast it to."""
    if value is None:
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
