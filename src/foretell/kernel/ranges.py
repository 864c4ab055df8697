"""Aggregates over ranges of events: the events of each row's own window, and the one value made of them.

A range is a pair of positions in events that are grouped by anchor, in time order. Every result is the same
bit for bit whatever the number of threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from foretell.kernel.extension import extension
from foretell.kernel.model import MISSING, Codes, Events, Longs, Numbers

BEFORE_ALL: int = MISSING
"""The lower bound of a window without one."""
AFTER_ALL: int = int(np.iinfo(np.int64).max)
"""The upper bound of a window without one."""

_Doubles: TypeAlias = NDArray[np.float64]


class Number(IntEnum):
    """What is made of the numbers in a range. `STD` is the sample's; `QUANTILE` lies between the two nearest
    values.
    """

    SUM = 0
    MEAN = 1
    STD = 2
    QUANTILE = 3


class Code(IntEnum):
    """What is made of the codes in a range; the mode is the smallest of equally frequent ones."""

    DISTINCT = 0
    MODE = 1
    LEAST = 2
    GREATEST = 3


@dataclass(frozen=True)
class Ranges:
    """Each row's events: positions `starts` to `stops` (exclusive)."""

    starts: Longs  # (rows,)
    stops: Longs  # (rows,)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def lengths(self) -> Longs:
        return self.stops - self.starts


@dataclass(frozen=True)
class Present:
    """Of each range: how many events have a value, and where the first and the last of them is."""

    counts: Longs  # (rows,)
    first: Longs  # (rows,); -1: none
    last: Longs  # (rows,); -1: none


def find(events: Events, anchors: Longs, low: Longs, high: Longs, *, threads: int = 1) -> Ranges:
    """The events of each row's anchor with low < time <= high; none where the anchor is -1.

    >>> events = Events(np.array([0, 3]), np.array([10, 20, 30]))
    >>> find(events, np.array([0, -1]), np.array([10, 0]), np.array([30, 9]))
    Ranges(starts=array([1, 0]), stops=array([3, 0]))
    """
    starts, stops = np.empty(len(anchors), dtype=np.int64), np.empty(len(anchors), dtype=np.int64)
    offsets, times = (np.ascontiguousarray(a, dtype=np.int64) for a in (events.offsets, events.times))
    anchors, low, high = (np.ascontiguousarray(a, dtype=np.int64) for a in (anchors, low, high))
    size = -(-max(len(anchors), 1) // threads)

    def run(part: slice) -> None:
        extension().find_ranges(
            offsets, times, anchors[part], low[part], high[part], starts[part], stops[part]
        )

    _abreast(run, [slice(at, at + size) for at in range(0, len(anchors), size)], threads)
    return Ranges(starts, stops)


def numbers(
    what: Number, ranges: Ranges, given: Numbers, *, q: float = 0.5, threads: int = 1
) -> NDArray[np.float64]:
    """A number for each range, NaN where there is none: without a value, or for `STD` with only one.

    >>> numbers(Number.QUANTILE, Ranges(np.array([0]), np.array([2])), Numbers(np.array([1.0, 4.0])), q=0.5)
    array([2.5])
    """
    values = np.ascontiguousarray(given.values, dtype=np.float64)

    def run(starts: Longs, stops: Longs, out: _Doubles) -> None:
        extension().range_numbers(int(what), starts, stops, values, given.index, q, out)

    made = np.empty(len(ranges))
    _reduce(run, ranges, made, threads)
    return made


def codes(what: Code, ranges: Ranges, given: Codes, *, threads: int = 1) -> Longs:
    """For each range how many different codes it has, or one of its codes (-1: it has none).

    >>> given = Codes(np.array([1, 0, 0, 1], dtype=np.int32), size=2)
    >>> codes(Code.MODE, Ranges(np.array([0]), np.array([4])), given)
    array([0])
    """
    kept = np.ascontiguousarray(given.codes, dtype=np.int32)

    def run(starts: Longs, stops: Longs, out: Longs) -> None:
        extension().range_codes(int(what), starts, stops, kept, given.index, given.size, out)

    made = np.empty(len(ranges), dtype=np.int64)
    _reduce(run, ranges, made, threads)
    return made


def present(ranges: Ranges, has: NDArray[np.bool_]) -> Present:
    """The events of each range that have a value; `has` tells it of each event.

    >>> present(Ranges(np.array([0]), np.array([4])), np.array([False, True, True, False]))
    Present(counts=array([2]), first=array([1]), last=array([2]))
    """
    before = np.zeros(len(has) + 1, dtype=np.int64)
    np.cumsum(has, out=before[1:])
    where = np.append(np.flatnonzero(has), -1)
    from_, to = before[ranges.starts], before[ranges.stops]
    some = to > from_
    return Present(to - from_, np.where(some, where[from_], -1), np.where(some, where[to - 1], -1))


def _reduce(
    run: Callable[[Longs, Longs, Any], None], ranges: Ranges, made: NDArray[Any], threads: int
) -> None:
    """Run over parts of the rows that read about as many events each.

    Where ranges overlap so much that events would be read more than once, rows are sorted: each then goes on
    from the one before that begins where it does.
    """
    starts, stops = (np.ascontiguousarray(a, dtype=np.int64) for a in (ranges.starts, ranges.stops))
    lengths = stops - starts
    order = None
    if len(lengths) and lengths.sum() > stops.max():
        order = np.lexsort((stops, starts))
        starts, stops = starts[order], stops[order]
    out = made if order is None else np.empty_like(made)
    work = np.cumsum(stops - starts + 1)
    inner = np.searchsorted(work, [work[-1] * i // threads for i in range(1, threads)]) if len(work) else ()
    edges = [0, *inner, len(starts)]
    parts = [slice(a, b) for a, b in itertools.pairwise(edges) if a < b]
    _abreast(lambda part: run(starts[part], stops[part], out[part]), parts, threads)
    if order is not None:
        made[order] = out


def _abreast(run: Callable[[slice], None], parts: list[slice], threads: int) -> None:
    if len(parts) <= 1 or threads <= 1:
        for part in parts:
            run(part)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, parts))
