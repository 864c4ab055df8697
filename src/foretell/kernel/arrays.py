"""Steps of a join on arrays: group rows by key, gather values by position, look keys up in a table."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from foretell.kernel.extension import extension
from foretell.kernel.model import Ints, Longs

Item = TypeVar("Item", np.float64, np.float32, np.int32, np.int64)

_SLICE = 1 << 16  # items: fewer are not worth a thread


def group(keys: Ints, size: int) -> tuple[Longs, Ints]:
    """The positions of each key 0 to size - 1, in order; key k has `found[offsets[k] : offsets[k + 1]]`.

    A key of -1 is left out.

    >>> offsets, found = group(np.array([1, 0, -1, 1], dtype=np.int32), 3)
    >>> offsets.tolist(), found.tolist()
    ([0, 1, 3, 3], [1, 0, 3])
    """
    offsets = np.empty(size + 1, dtype=np.int64)
    extension().tally(keys, offsets)
    found = np.empty(offsets[-1], dtype=np.int32)
    extension().place(keys, offsets[:-1].copy(), found)
    return offsets, found


def gather(values: NDArray[Item], index: Ints, threads: int = 1) -> NDArray[Item]:
    """`values[index]`, where an index of -1 gives NaN, -1 (int32) or MISSING (int64).

    >>> gather(np.array([1.5, 2.5]), np.array([1, -1, 0], dtype=np.int32)).tolist()
    [2.5, nan, 1.5]
    """
    out = np.empty(len(index), dtype=values.dtype)
    _each_slice(lambda part: extension().gather(values, index[part], out[part]), len(index), threads)
    return out


def lookup(keys: Longs, table: Longs, threads: int = 1) -> Ints:
    """The position of each key in a table of different keys, -1 where it is absent.

    ValueError where the table holds a key twice.

    >>> lookup(np.array([7, 5, 9]), np.array([5, 6, 7])).tolist()
    [2, 0, -1]
    """
    out = np.full(len(keys), -1, dtype=np.int32)
    if not len(table):
        return out
    least, span = int(table.min()), int(table.max()) - int(table.min()) + 1
    if span <= 4 * len(table) + 1024:
        shift, slots = 64, np.empty(max(span, len(table)) + 1, dtype=np.int32)  # a slot per possible key
    else:
        bits = (2 * len(table)).bit_length()
        shift, slots = 64 - bits, np.empty(1 << bits, dtype=np.int32)
    extension().index(table, slots, least, shift)

    def probe(part: slice) -> None:
        extension().probe(keys[part], table, slots, least, shift, out[part])

    _each_slice(probe, len(keys), threads)
    return out


def _each_slice(work: Callable[[slice], None], items: int, threads: int) -> None:
    """Do the work on slices of the items, at once where there are threads and items enough."""
    parts = max(1, min(threads, items // _SLICE))
    cuts = [items * i // parts for i in range(parts + 1)]
    slices = [slice(a, b) for a, b in pairwise(cuts)]
    if parts == 1:
        work(slices[0])
    else:
        with ThreadPoolExecutor(parts) as pool:
            list(pool.map(work, slices))
