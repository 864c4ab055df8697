"""Neighbourhoods of rows of (entity, cutoff): for each the latest rows that were visible at its cutoff."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foretell.features.matrix import Instants
from foretell.graph.tree import Branch, Tree
from foretell.schema.model import Schema
from foretell.store.columns import Tables

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Nodes:
    """Rows of one table, each as it is seen at a cutoff; a pair occurs once."""

    rows: Places  # (nodes,): positions in the table
    cutoffs: Instants  # (nodes,)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Reached:
    """What a branch leads to: of the node i that it starts from, `slots[i, j]` is the j-th row, latest first.

    -1 is no row. `degrees` counts all the visible rows, drawn or not.
    """

    nodes: Nodes
    slots: Places  # (starts, most)
    degrees: Places  # (starts,)


@dataclass(frozen=True)
class Sample:
    """A batch of neighbourhoods: the entities' own rows, and what each branch of the tree leads to.

    `own` says which of the nodes `root` each row of the batch is.
    """

    own: Places  # (rows,)
    root: Nodes
    reached: tuple[Reached, ...]


def sample(
    tables: Tables, schema: Schema, branches: Tree, entities: Places, cutoffs: Instants, *, spread: bool
) -> Sample:
    """Draw the neighbourhoods of rows of (entity's position, cutoff).

    Nothing is left to chance: the same rows have the same neighbourhoods, whatever is drawn beside them.
    """
    moments, moment = np.unique(cutoffs, return_inverse=True)
    root, own = _told_apart(entities, moment, moments)
    reached: list[Reached] = []
    for branch in branches:
        start = root if branch.start < 0 else reached[branch.start].nodes
        rows, degrees = _step(tables, schema, branch, start, spread=spread)
        there = rows >= 0
        seen = np.searchsorted(moments, np.repeat(start.cutoffs, there.sum(axis=1)))
        nodes, place = _told_apart(rows[there], seen, moments)
        slots = np.full(rows.shape, -1, dtype=np.int64)
        slots[there] = place
        reached.append(Reached(nodes, slots, degrees))
    return Sample(own, root, tuple(reached))


def _told_apart(rows: Places, moment: Places, moments: Instants) -> tuple[Nodes, Places]:
    """The different pairs of (row, cutoff), and the place among them of each."""
    keys, place = np.unique(rows.astype(np.int64) * len(moments) + moment, return_inverse=True)
    if not len(keys):
        return Nodes(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)), place
    return Nodes(keys // len(moments), moments[keys % len(moments)]), place


def _step(
    tables: Tables, schema: Schema, branch: Branch, start: Nodes, *, spread: bool
) -> tuple[Places, Places]:
    """(rows, degrees): the rows that each node leads to, -1 for none, and how many there are."""
    link = branch.hop.link
    if branch.hop.up:
        found = tables.parents(link)[start.rows].astype(np.int64)
        times = tables.times(link.parent)
        if times is not None:
            found[(found >= 0) & (times[found] > start.cutoffs)] = -1
        return found[:, None], (found >= 0).astype(np.int64)
    assert schema.is_timed(link.child), f"{link.child} has no time"
    offsets, rows = tables.children(link)
    times = tables.times(link.child)
    assert times is not None
    stops = _ends(offsets, rows, start.rows, visible(times, start.cutoffs))
    degrees = stops - offsets[start.rows]
    back = _back(degrees, branch.most, spread=spread)  # (nodes, most)
    if not len(rows):
        return back, degrees
    places = np.where(back >= 0, (stops - 1)[:, None] - back, 0)
    return np.where(back >= 0, rows[places], -1).astype(np.int64), degrees


def visible(times: Instants, cutoffs: Instants) -> Places:
    """How many rows of a table, from the first on, are visible at each cutoff: those of its very time too.

    >>> visible(np.array([5, 7, 7, 9]), np.array([7, 4])).tolist()
    [3, 0]
    """
    return np.searchsorted(times, cutoffs, side="right")


def _ends(offsets: Places, rows: npt.NDArray[np.int32], parents: Places, limit: Places) -> Places:
    """Where, among the children of each parent, the first lies that is not below its limit.

    Children are in the order of their rows, which is that of time: a search by halves for all at once.
    """
    low, high = offsets[parents], offsets[parents + 1]
    for _ in range(int(np.max(high - low, initial=0)).bit_length()):
        middle = (low + high) // 2
        open_ = low < high
        below = open_ & (rows[np.minimum(middle, len(rows) - 1)] < limit)
        low = np.where(below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)
    return low


def _back(degrees: Places, most: int, *, spread: bool) -> Places:
    """How far back from the latest each drawn row lies: (nodes, most), -1 for none."""
    steps = np.arange(most)
    if not spread or most < 2:
        return np.where(steps < degrees[:, None], steps, -1)
    late = most - most // 2
    older = np.maximum(degrees - late, 0)[:, None]  # what lies before the latest
    far = late + (np.arange(most // 2) * np.maximum(older, most // 2)) // (most // 2)
    back = np.concatenate([np.broadcast_to(steps[:late], (len(degrees), late)), far], axis=1)
    return np.where(back < degrees[:, None], back, -1)
