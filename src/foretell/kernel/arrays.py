"""Steps of a join on arrays: group rows by key, gather values by position, look keys up in a table."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from foretell.kernel.model import MISSING, Ints, Longs

S = TypeVar("S", np.float64, np.float32, np.int32, np.int64)


def group(keys: Ints, size: int) -> tuple[Longs, Ints]:
    """The positions of each key 0 to size - 1, in order; key k has `found[offsets[k] : offsets[k + 1]]`.

    A key of -1 is left out.

    >>> offsets, found = group(np.array([1, 0, -1, 1], dtype=np.int32), 3)
    >>> offsets.tolist(), found.tolist()
    ([0, 1, 3, 3], [1, 0, 3])
    """
    order = np.argsort(keys, kind="stable")[int(np.count_nonzero(keys < 0)) :]
    offsets = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(np.bincount(keys[order], minlength=size), out=offsets[1:])
    return offsets, order.astype(np.int32)


def gather(values: NDArray[S], index: Ints, threads: int = 1) -> NDArray[S]:
    """`values[index]`, where an index of -1 gives NaN, -1 (int32) or MISSING (int64).

    >>> gather(np.array([1.5, 2.5]), np.array([1, -1, 0], dtype=np.int32)).tolist()
    [2.5, nan, 1.5]
    """
    if not len(values):
        values = np.zeros(1, dtype=values.dtype)
    absent = {"f": np.nan, "i": -1 if values.dtype == np.int32 else MISSING}[values.dtype.kind]
    return np.where(index >= 0, values[np.maximum(index, 0)], values.dtype.type(absent))


def lookup(keys: Longs, table: Longs, threads: int = 1) -> Ints:
    """The position of each key in a table of different keys, -1 where it is absent.

    >>> lookup(np.array([7, 5, 9]), np.array([5, 6, 7])).tolist()
    [2, 0, -1]
    """
    if not len(table):
        return np.full(len(keys), -1, dtype=np.int32)
    order = np.argsort(table, kind="stable")
    at = order[np.minimum(np.searchsorted(table, keys, sorter=order), len(table) - 1)]
    return np.where(table[at] == keys, at, -1).astype(np.int32)
