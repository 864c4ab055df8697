"""Intervals in a backtest: at every cutoff those that a model released at that time would have had.

A release takes its intervals from the latest windows that have closed. So in a backtest they are made anew
as test windows close, from the validation rows and those test rows whose labels were known by then. What the
model predicts stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from foretell.core.time import Offset
from foretell.features.matrix import Floats, Instants
from foretell.models.calibrate import blocks_of
from foretell.models.dataset import Index
from foretell.models.intervals import Conformal, fit_conformal
from foretell.task.cutoffs import Mask, closed_before

BLOCKS = 24
"""How often at most intervals are made anew: once for each block of cutoffs."""


@dataclass(frozen=True)
class Bands:
    """The ends of intervals, and how much a truth inside each counts fairly (see `Conformal.fairly`);
    (rows,) each.
    """

    low: Floats
    high: Floats
    fairly: Floats

    @classmethod
    def of(cls, conformal: Conformal, said: Floats, level: float) -> Self:
        return cls(*conformal.band(said, level), conformal.fairly(said, level))

    def inside(self, y: Floats) -> Mask:
        """Which truths lie within."""
        return np.asarray((y >= self.low) & (y <= self.high))


@dataclass(frozen=True)
class Judged:
    """What a model said of rows whose labels it had not seen, and what happened; (rows,) each."""

    y: Floats
    said: Floats
    cutoffs: Instants

    def take(self, index: Index | Mask) -> Judged:
        return Judged(self.y[index], self.said[index], self.cutoffs[index])

    def joined(self, later: Judged) -> Judged:
        """These rows and then those."""
        return Judged(
            np.concatenate([self.y, later.y]),
            np.concatenate([self.said, later.said]),
            np.concatenate([self.cutoffs, later.cutoffs]),
        )

    @property
    def conformal(self) -> Conformal | None:
        """The intervals that these rows call for; None below 10 rows."""
        return fit_conformal(self.y, self.said, self.cutoffs)


def bands_over_time(before: Judged, test: Judged, horizon: Offset | None, level: float) -> Bands | None:
    """The interval of each test row, from rows whose labels were known at the first cutoff of its block.

    None where the rows `before` the test are too few to say how far predictions are off.

    >>> before = Judged(np.arange(10.0), np.full(10, 4.5), np.arange(10))
    >>> test = Judged(np.array([90.0, 5.0]), np.full(2, 4.5), np.array([10, 11]))
    >>> found = bands_over_time(before, test, None, 0.5)
    >>> bool(found.high[0] < found.high[1])  # the second cutoff knows of the first row's surprise
    True
    """
    if before.conformal is None:
        return None
    rows = len(test.y)
    bands = Bands(np.empty(rows), np.empty(rows), np.empty(rows))
    block = blocks_of(test.cutoffs, BLOCKS)
    for now in range(int(block.max(initial=-1)) + 1):
        held = block == now
        closed = closed_before(test.cutoffs, horizon, int(test.cutoffs[held].min()))
        found = before.joined(test.take(closed)).conformal
        assert found is not None  # there are no fewer rows than before
        bands.low[held], bands.high[held] = found.band(test.said[held], level)
        bands.fairly[held] = found.fairly(test.said[held], level)
    return bands
