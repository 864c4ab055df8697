"""Intervals in a backtest: at every cutoff those that a model released at that time would have had.

A release takes its intervals from the latest windows that have closed. So in a backtest they are made anew
as test windows close, from the validation rows and those test rows whose labels were known by then. What the
model predicts stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

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


def bands_over_time(
    before: Judged, test: Judged, horizon: Offset | None, level: float
) -> tuple[Floats, Floats] | None:
    """(low, high) for each test row, from rows whose labels were known at the first cutoff of its block.

    None where the rows `before` the test are too few to say how far predictions are off.

    >>> before = Judged(np.arange(10.0), np.full(10, 4.5), np.arange(10))
    >>> test = Judged(np.array([90.0, 5.0]), np.full(2, 4.5), np.array([10, 11]))
    >>> low, high = bands_over_time(before, test, None, 0.5)
    >>> bool(high[0] < high[1])  # the second cutoff knows of the first row's surprise
    True
    """
    if before.conformal is None:
        return None
    low, high = np.empty(len(test.y)), np.empty(len(test.y))
    block = blocks_of(test.cutoffs, BLOCKS)
    for now in range(int(block.max(initial=-1)) + 1):
        held = block == now
        closed = closed_before(test.cutoffs, horizon, int(test.cutoffs[held].min()))
        found = before.joined(test.take(closed)).conformal
        assert found is not None  # there are no fewer rows than before
        low[held], high[held] = found.band(test.said[held], level)
    return low, high
