"""Aggregates of aggregates: members that a row sees become events of that row, with what each comes to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from foretell import kernel
from foretell.engines.native.aggregates import aggregate, nothing, output_of
from foretell.engines.native.edges import edges
from foretell.engines.native.frames import Frame, Frames
from foretell.engines.native.inputs import bounded, parts
from foretell.features.matrix import Instants, Numeric, Precision, Values
from foretell.kernel.model import Longs
from foretell.plan import nodes

_PAIRS = 1 << 20
"""Pairs of a row and a member that are held at once, unless one row alone has more."""


def nested(
    frames: Frames,
    block: nodes.Nested,
    anchors: npt.NDArray[np.int64],
    cutoffs: Instants,
    *,
    threads: int,
    precision: Precision,
) -> dict[str, Values]:
    """Each output by its name, for rows of (anchor, cutoff); an anchor of -1 has no members."""
    frame = frames.of(block.members)
    bounds = edges(cutoffs, block.windows)
    wanted = [output_of(o, block.windows) for o in block.outputs]
    found = [nothing(o, len(cutoffs), precision) for o in block.outputs]
    counts = _seen(frame, anchors, cutoffs, threads)
    for rows in _slices(counts):
        starts = np.concatenate([[0], np.cumsum(counts[rows])])
        first = frame.events.offsets[anchors[rows]]  # of an anchor of -1 it is not used
        places = np.arange(starts[-1]) - np.repeat(starts[:-1] - first, counts[rows])
        at = np.repeat(cutoffs[rows], counts[rows])
        made = kernel.sweep(
            kernel.Events(starts, frame.events.times[places]),
            _inner(frames, block.inner, frame.rows[places].astype(np.int64), at, threads),
            wanted,
            anchors=np.arange(len(starts) - 1),
            cutoffs=cutoffs[rows],
            edges=np.ascontiguousarray(bounds[:, rows]),
            threads=threads,
            dtype=precision,
        )
        for held, values in zip(found, made):
            held[rows] = values
    return {o.name: Numeric.of(v, precision) for o, v in zip(block.outputs, found)}


def _seen(frame: Frame, anchors: npt.NDArray[np.int64], cutoffs: Instants, threads: int) -> Longs:
    """How many members each row sees: the first ones of its anchor's, which are in order of time."""
    asked = [kernel.Output("count")]
    (counts,) = kernel.sweep(
        frame.events, [], asked, anchors=anchors, cutoffs=cutoffs, threads=threads, dtype=np.float64
    )
    return counts.astype(np.int64)


def _slices(counts: Longs) -> Iterator[slice]:
    """Rows in ranges of at most `_PAIRS` pairs, one row at least."""
    ends, first = np.cumsum(counts), 0
    while first < len(counts):
        before = ends[first - 1] if first else 0
        end = max(first + 1, int(np.searchsorted(ends, before + _PAIRS, side="right")))
        yield slice(first, end)
        first = end


def _inner(
    frames: Frames, block: nodes.Aggregate, members: npt.NDArray[np.int64], cutoffs: Instants, threads: int
) -> list[kernel.Numbers]:
    """What each member comes to at each cutoff, in double precision."""
    events = block.events
    assert isinstance(events, nodes.Events), "earlier labels are of entities, not of members"
    made = aggregate(
        block,
        events.inputs,
        parts(frames, events),
        members,
        cutoffs,
        threads=threads,
        precision=np.float64,
    )
    columns = (made[o.name] for o in block.outputs)
    return [kernel.Numbers(bounded(c.values.astype(np.float64))) for c in columns if isinstance(c, Numeric)]
