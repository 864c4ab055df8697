"""Stable sorts by several columns, each looked at only where those before it leave ties.

A pass packs (run of equals, value, place) into 64 bits and sorts those, which is several times as fast as a
stable argsort; a value that is too wide is sorted by its high bits first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Whole: TypeAlias = NDArray[np.uint64]
Places: TypeAlias = NDArray[np.int64]
_UNITS = tuple(np.uint64(n) for n in (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000, 1_000))
_SAMPLE = 1_000
Sortable: TypeAlias = Callable[[], list[NDArray[Any]]]
"""Gives a column's values as numbers in its order, over all rows, when it is needed; several arrays are
compared one after the other.
"""


def ascending(values: NDArray[Any], *, strictly: bool = False) -> bool:
    """Whether no value is below the one before it (strictly: each is above).

    >>> ascending(np.array([1, 1, 2])), ascending(np.array([1, 1, 2]), strictly=True)
    (True, False)
    """
    return bool(np.all(values[1:] > values[:-1] if strictly else values[1:] >= values[:-1]))


def whole(values: NDArray[Any]) -> Whole:
    """Numbers as unsigned whole numbers in the same order; -0.0 and 0.0 are one.

    >>> np.argsort(whole(np.array([2.5, -1.0, 0.0, -7.0]))).tolist()
    [3, 1, 2, 0]
    """
    top = np.uint64(1 << 63)
    if values.dtype.kind != "f":
        return values.astype(np.int64, copy=False).view(np.uint64) ^ top
    bits = (values.astype(np.float64, copy=False) + 0.0).view(np.uint64)
    return np.where(bits & top, ~bits, bits | top)


def settled(rows: Places | None, columns: Iterable[Sortable]) -> bool:
    """Whether rows (None: all) are sorted by the columns as they are."""
    tied: NDArray[np.bool_] | None = None
    for column in columns:
        for values in column():
            here = values if rows is None else values[rows]
            falls, equal = here[1:] < here[:-1], here[1:] == here[:-1]
            if tied is not None:
                falls &= tied
                equal &= tied
            if falls.any():
                return False
            tied = equal
        if tied is not None and not tied.any():
            break
    return True


def sorted_rows(rows: Places, columns: Iterable[Sortable]) -> Places:
    """`rows` sorted by the columns, ties by their order as given.

    >>> first, second = np.array([2, 1, 2, 1]), np.array([5, 9, 4, 8])
    >>> sorted_rows(np.arange(4), [lambda: [first], lambda: [second]]).tolist()
    [3, 1, 2, 0]
    """
    columns = list(columns)
    if settled(rows, columns[1:]):
        del columns[1:]  # ties are in order already
    order = rows.copy()
    tied: Places | None = None  # the places in `order` that are not settled yet (None: all),
    runs: Whole = np.zeros(len(rows), dtype=np.uint64)  # and the run of equals that each is in
    for column in columns:
        if len(runs) < 2:
            break
        arrays = column()
        for i, values in enumerate(arrays):
            is_last = column is columns[-1] and i + 1 == len(arrays)
            left = _counted(whole(values[order if tied is None else order[tied]]))
            width = _bits(left)
            while len(runs) > 1:
                room = 64 - _bits(runs) - (len(runs) - 1).bit_length()
                low = max(0, width - room)
                digits = left >> np.uint64(low) if low else left
                if not _in_order(runs, digits):
                    found = _argsort(runs, digits, min(width, room))
                    if tied is None:
                        order = order[found]
                    else:
                        order[tied] = order[tied][found]
                    if is_last and not low:
                        return order
                    left, digits = left[found], digits[found]
                again, runs = _ties(runs, digits)
                if len(again) < len(digits):
                    tied = again if tied is None else tied[again]
                    left = left[again]
                if not low:
                    break
                left, width = left & np.uint64((1 << low) - 1), low
    return order


def _counted(values: Whole) -> Whole:
    """Numbers from 0 in the order of the values: instants as so many days, hours, minutes, seconds or
    milliseconds where all are whole ones, which leaves fewer bits to sort by.
    """
    values -= values.min(initial=np.iinfo(np.uint64).max)
    some = values[:: max(1, len(values) // _SAMPLE)]
    for unit in _UNITS:
        if not (some % unit).any():
            counts = values // unit
            if np.array_equal(counts * unit, values):
                return counts
    return values


def _bits(values: Whole) -> int:
    return int(values.max(initial=0)).bit_length()


def _in_order(runs: Whole, digits: Whole) -> bool:
    return bool(np.all((runs[1:] != runs[:-1]) | (digits[1:] >= digits[:-1])))


def _argsort(runs: Whole, digits: Whole, width: int) -> Places:
    """A stable argsort by (run, digits); all three parts fit into 64 bits."""
    place = (len(runs) - 1).bit_length()
    packed = (runs << np.uint64(width + place)) | (digits << np.uint64(place))
    packed |= np.arange(len(runs), dtype=np.uint64)
    packed.sort()
    return (packed & np.uint64((1 << place) - 1)).view(np.int64)


def _ties(runs: Whole, digits: Whole) -> tuple[Places, Whole]:
    """Of sorted places those that tie with a neighbour, and their runs numbered anew."""
    same = (runs[1:] == runs[:-1]) & (digits[1:] == digits[:-1])
    member = np.zeros(len(runs), dtype=np.bool_)
    member[1:] |= same
    member[:-1] |= same
    first = member.copy()
    first[1:] &= ~same
    at = np.flatnonzero(member)
    return at, (np.cumsum(first, dtype=np.uint64)[at] - np.uint64(1))
