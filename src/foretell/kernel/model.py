"""What a sweep reads and what it is asked for: events, the inputs read of them, and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int32]
Longs: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64] | NDArray[np.float32]

MISSING: int = int(np.iinfo(np.int64).min)
"""An instant that is missing."""


@dataclass(frozen=True)
class Events:
    """Events grouped by anchor, in time order within each; ties are in the order of their keys.

    Anchor a's events are `offsets[a]` to `offsets[a + 1]`; `times` are microseconds since 1970.
    """

    offsets: Longs  # (anchors + 1,)
    times: Longs  # (events,)


@dataclass(frozen=True)
class Numbers:
    """A number read of each event, NaN where it is NULL.

    Event e's value is `values[e]`, or with an index `values[index[e]]`, -1 being NULL.
    """

    values: Floats
    index: Ints | None = None  # (events,)


@dataclass(frozen=True)
class Codes:
    """A category read of each event: codes 0 to size - 1, -1 where it is NULL.

    With `equals` it is a number: 1 where the code is that one, 0 elsewhere, NULL where the code is.
    """

    codes: Ints
    size: int
    index: Ints | None = None  # (events,)
    equals: int | None = None


Input: TypeAlias = Numbers | Codes


@dataclass(frozen=True)
class Output:
    """One column of a sweep: a measure of an input (None: of the events themselves) over a window (None:
    all history).

    `measure` is a name of `plan/measures.py`, or "quantile". `parameter` is the rate per day of a decayed
    measure (ln 2 / half-life), which takes all history, or the q of a quantile.
    """

    measure: str
    input: int | None = None
    window: int | None = None
    parameter: float = 0.0
