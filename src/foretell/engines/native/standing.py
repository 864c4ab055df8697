"""How rows' numbers stand in their groups, as arrays: the rows that one parent has at one time."""

from __future__ import annotations

import numpy as np

from foretell.features.matrix import Floats, Instants
from foretell.kernel.model import Ints
from foretell.plan.nodes import Standing


def standing(numbers: Floats, parents: Ints, times: Instants, how: Standing) -> Floats:
    """Each row's number (rows,) among those of the same parent and time; NaN without a number or a parent
    (-1). Totals are added up in the order of rows, so that rows of other groups change no bit.

    >>> prices, orders = np.array([1.0, 3.0, 5.0, np.nan]), np.array([0, 0, 1, 0], dtype=np.int32)
    >>> standing(prices, orders, np.zeros(4, dtype=np.int64), Standing.SHARE).tolist()
    [0.25, 0.75, 1.0, nan]
    """
    found = np.full(len(numbers), np.nan)
    at = np.flatnonzero((parents >= 0) & (numbers == numbers))
    if not len(at):
        return found
    parent, time, number = parents[at], times[at], numbers[at]
    order = np.lexsort((time, parent))
    begins = np.empty(len(at), dtype=np.bool_)
    begins[0] = True
    begins[1:] = (np.diff(parent[order]) != 0) | (np.diff(time[order]) != 0)
    group = np.empty(len(at), dtype=np.int64)
    group[order] = np.cumsum(begins) - 1
    total = np.bincount(group, weights=number)[group]
    if how is Standing.EXCESS:
        found[at] = number - total / np.bincount(group)[group]
    else:
        found[at] = np.where(total > 0, number / np.where(total > 0, total, 1.0), np.nan)
    return found
