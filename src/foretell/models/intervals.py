"""Intervals: split-conformal bands from validation residuals, wider where the residuals were wider.

Signed residuals of rows the models had not seen are collected per segment of the predicted value, recent rows
weighing more. A level's band is a pair of their quantiles, with the finite-sample correction (n + 1) / n of
split conformal prediction (Lei et al. 2018; weights as in Barber et al. 2023).

Residuals drift, so bands of the past cover less of what comes than of what was. So the level moves: block
after block of cutoffs is covered by the blocks before it, and after each a level that held too little is
raised, one that held too much lowered (adaptive conformal inference, Gibbs & Candès 2021).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from foretell.features.matrix import Floats, Instants
from foretell.models.calibrate import blocks_of
from foretell.models.trees import recency_weights

GRID = 201
"""Quantiles kept for every segment."""
FEWEST_ROWS = 10
SUPPORT = 150
"""Rows that a segment needs."""
MOST_SEGMENTS = 8
BLOCKS, FIRST_BLOCKS = 20, 2
"""Blocks of cutoffs that are covered in turn, but for the first few."""
STATED = 0.8
"""The level at which blocks are covered."""
GAIN = 0.3
"""The share of what a block calls for by which the level moves: 1 would mend the block itself."""
LEAST, MOST = -1.0, 1.5
"""How far a level's log-odds may move: .8 becomes .6 at the least and .95 at the most."""


@dataclass(frozen=True)
class Conformal:
    """Residual quantiles (y - prediction) on an even grid, for each segment of the predicted value.

    Between the segments' centres the offsets are interpolated, so a band never jumps. `shift` is what is
    added to the log-odds of a stated level.
    """

    centres: tuple[float, ...]
    quantiles: tuple[tuple[float, ...], ...]  # (segments, GRID), rising
    effective: tuple[float, ...]  # rows that each segment's weights are worth
    floor: float | None = None  # 0.0 where no value was ever negative
    shift: float = 0.0
    step: float = 0.0  # 1.0 where all values are whole numbers

    def band(self, point: Floats, level: float = 0.8) -> tuple[Floats, Floats]:
        """(low, high) around each point; low ≤ point ≤ high, and a higher level never gives a narrower
        band.
        """
        tail = self._tail(level)
        # the k-th of n residuals sits at (k - ½) / n of the grid; conformal takes k = (n + 1) · (1 - tail)
        further = [(0.5 - tail) / n for n in self.effective]
        low = self._offsets(point, [tail - f for f in further])
        high = self._offsets(point, [1 - tail + f for f in further])
        lower, upper = point + np.minimum(low, 0.0), point + np.maximum(high, 0.0)
        if self.floor is not None:
            lower = np.minimum(np.maximum(lower, self.floor), point)
        return lower, upper

    def fairly(self, point: Floats, level: float = 0.8) -> Floats:
        """(rows,) how much a truth inside its band of `band` counts: 1, or less where the band ends on common
        values, all of which it holds or none, so that it holds more than was asked for.

        Then it is the level over what the band holds by its own residuals, as if it had been drawn by lot
        whether it holds the value (the idea of randomised intervals; of counts, Czado et al. 2009).
        """
        low, high = self.band(point, level)
        if self.step:
            low, high = np.ceil(low) - self.step / 2, np.floor(high) + self.step / 2
        below = self._shares_below(point, np.nextafter(low, -np.inf))
        if self.floor is not None:
            below = np.where(low <= self.floor, 0.0, below)
        held = self._shares_below(point, np.nextafter(high, np.inf)) - below
        asked = max(level, 1 - 2 * self._tail(level))
        return np.asarray(asked / np.maximum(held, asked))

    def covers(self, y: Floats, point: Floats) -> float:
        """The share of the truths that lie in the bands of the level `STATED`."""
        low, high = self.band(point, STATED)
        return float(((y >= low) & (y <= high)).mean())

    def _tail(self, level: float) -> float:
        """What is left out on either side at a level that `shift` has moved."""
        return float(0.5 / (1 + level / (1 - level) * np.exp(self.shift)))

    def _offsets(self, point: Floats, at: list[float]) -> Floats:
        grid = np.linspace(0, 1, GRID)
        values = [np.interp(q, grid, held) for q, held in zip(at, self.quantiles)]
        return np.interp(point, self.centres, np.asarray(values))

    def _shares_below(self, point: Floats, value: Floats) -> Floats:
        """(rows,) the share of each row's residuals that would lie below its value, between segments'
        centres interpolated.
        """
        grid = np.linspace(0, 1, GRID)
        residual = value - point
        shares = np.stack([np.interp(residual, held, grid, left=0.0, right=1.0) for held in self.quantiles])
        place = np.interp(point, self.centres, np.arange(len(self.centres)))
        first = np.floor(place).astype(np.int64)
        second = np.minimum(first + 1, len(shares) - 1)
        rows, part = np.arange(len(point)), place - first
        return np.asarray((1 - part) * shares[first, rows] + part * shares[second, rows])


def fit_conformal(y: Floats, point: Floats, cutoffs: Instants) -> Conformal | None:
    """The bands from predictions `point` that were made without seeing `y`; None below 10 rows."""
    if len(y) < FEWEST_ROWS:
        return None
    return replace(_collected(y, point, cutoffs), shift=_called_for(y, point, cutoffs))


def _called_for(y: Floats, point: Floats, cutoffs: Instants) -> float:
    """The move of a level at which it arrives after the last block of cutoffs."""
    block, shift = blocks_of(cutoffs, BLOCKS), 0.0
    for now in range(FIRST_BLOCKS, int(block.max()) + 1):
        past, held = block < now, block == now
        if past.sum() < FEWEST_ROWS:
            continue
        bands = replace(_collected(y[past], point[past], cutoffs[past]), shift=shift)
        missing = STATED - bands.covers(y[held], point[held])
        shift = float(np.clip(shift + GAIN * missing / (STATED * (1 - STATED)), LEAST, MOST))
    return shift


def _collected(y: Floats, point: Floats, cutoffs: Instants) -> Conformal:
    weights = recency_weights(cutoffs)
    segments = int(np.clip(len(y) // SUPPORT, 1, MOST_SEGMENTS))
    edges = np.unique(np.quantile(point, np.linspace(0, 1, segments + 1)[1:-1]))
    place = np.searchsorted(edges, point, side="right")
    residuals = y - point
    centres, quantiles, effective = [], [], []
    for segment in range(len(edges) + 1):
        rows = place == segment
        if rows.sum() < min(SUPPORT // 2, len(y)):
            continue
        w = weights[rows]
        centres.append(float(np.median(point[rows])))
        quantiles.append(tuple(weighted_quantiles(residuals[rows], w, GRID).tolist()))
        effective.append(float(w.sum() ** 2 / (w**2).sum()))
    order = np.argsort(centres, kind="stable")
    return Conformal(
        tuple(centres[i] for i in order),
        tuple(quantiles[i] for i in order),
        tuple(effective[i] for i in order),
        0.0 if (y >= 0).all() else None,
        step=1.0 if (y == np.round(y)).all() else 0.0,
    )


def weighted_quantiles(values: Floats, weights: Floats, size: int) -> Floats:
    """Quantiles on an even grid of `size` levels from 0 to 1, interpolated between the middles of the
    weights.

    >>> weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.ones(3), 3)
    array([1., 2., 3.])
    """
    order = np.argsort(values, kind="stable")
    held, w = values[order], weights[order]
    middles = (np.cumsum(w) - w / 2) / w.sum()
    return np.interp(np.linspace(0, 1, size), middles, held)
