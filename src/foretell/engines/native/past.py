"""Earlier labels as a part of events that the kernel can read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foretell import kernel
from foretell.engines.native.following import following
from foretell.engines.native.inputs import Column
from foretell.engines.past_labels import NUMERIC, PastEvents, as_text
from foretell.plan import nodes
from foretell.plan.measures import MEASURES
from foretell.schema.model import DType
from foretell.store.words import encode


@dataclass(frozen=True)
class PastPart:
    """Labels by whose they are, in one phase of the lattice."""

    events: kernel.Events
    values: npt.NDArray[np.object_] | npt.NDArray[np.float64]
    first: int = 0

    def read(self, value: nodes.Input) -> Column:
        """The labels, as numbers or as text, or their runs."""
        if value.following is not None:
            given = self.read(replace(value, following=None)).held
            return Column(following(value.following, self.events, given))
        if value.dtype in NUMERIC:
            return Column(kernel.Numbers(self.values.astype(np.float64, copy=False)))
        words = encode(pa.chunked_array([pa.array(map(as_text, self.values), pa.string())]))
        return Column(kernel.Codes(words.codes, words.size), words)


def past_part(found: PastEvents, anchors: npt.NDArray[np.int64]) -> tuple[PastPart, npt.NDArray[np.int64]]:
    """The labels grouped, and for each row's anchor its place among their groups, -1 where it has none."""
    names, places = _told_apart(found.anchors)
    offsets, order = kernel.group(places, len(names))
    part = PastPart(kernel.Events(offsets, found.times[order]), found.values[order])
    return part, kernel.lookup(anchors, names).astype(np.int64)


def _told_apart(
    anchors: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """The different anchors, ascending, and the place of each one among them: as np.unique, without a sort
    (anchors are entities in phases, so they lie close together).
    """
    least, most = int(anchors.min(initial=0)), int(anchors.max(initial=0))
    if most - least > 16 * len(anchors) + 1024:
        names, found = np.unique(anchors, return_inverse=True)
        return names, found.astype(np.int32)
    there = np.zeros(most - least + 1, dtype=np.bool_)
    there[anchors - least] = True
    place = np.cumsum(there, dtype=np.int32) - np.int32(1)
    return np.flatnonzero(there) + least, place[anchors - least]


def past_input(block: nodes.Aggregate, past: nodes.PastLabels) -> nodes.Input:
    """What is read of a label: text for measures of categories, and for labels that are no numbers."""
    words = any(MEASURES[o.measure].categorical for o in block.outputs)
    target = past.target.target
    return nodes.Input(target.expr, DType.TEXT if words else target.dtype, following=past.following)
