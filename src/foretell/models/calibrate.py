"""Calibration: a stretch (and above 1,500 rows a shift) of the log-odds, kept only where all times agree.

Temperature scaling (Guo et al. 2017) and Platt's logistic map on the log-odds. Isotonic regression is left
out: in public comparisons it costs log-loss on average.

Rates move from cutoff to cutoff, and what one period calls for the next one often takes back: a correction
learned from few cutoffs did more harm than good (benchmarks/LOG.md). So it has to help, clearly, on cutoffs
that it was not fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foretell.features.matrix import Floats, Instants
from foretell.models.criteria import log_losses
from foretell.models.dataset import Ints
from foretell.models.links import from_link
from foretell.task.model import TaskKind

ENOUGH_FOR_SHIFT = 1500
ENOUGH = 100
LEAST_IMPROVEMENT = 1e-4
FEWEST_BLOCKS, MOST_BLOCKS = 5, 10
CLEARLY = 4.0
"""Standard errors over blocks of cutoffs by which log-loss must improve: blocks that follow one another share
their season, and with two errors what passed did harm (benchmarks/LOG.md).
"""


@dataclass(frozen=True)
class Calibration:
    """New log-odds = slope · old + shift. The identity for regressions.

    >>> Calibration(slope=2.0).apply(np.array([0.5]))
    array([1.])
    """

    slope: float = 1.0
    shift: float = 0.0

    @property
    def is_identity(self) -> bool:
        return self.slope == 1.0 and self.shift == 0.0

    def apply(self, raw: Floats) -> Floats:
        return raw if self.is_identity else np.asarray(self.slope * raw + self.shift)


IDENTITY = Calibration()


def fit_calibration(kind: TaskKind, raw: Floats, y: Floats, cutoffs: Instants) -> Calibration:
    """The calibration of link-space scores `raw` that were made without seeing `y`.

    Rows are put into up to ten blocks of cutoffs, each scored by what is fitted on the others. Only if
    log-loss improves by more than `CLEARLY` standard errors over the blocks is it fitted on all and kept.
    """
    if kind is TaskKind.REGRESSION or len(y) < ENOUGH:
        return IDENTITY
    block = blocks_of(cutoffs)
    count = int(block.max()) + 1
    if count < FEWEST_BLOCKS:
        return IDENTITY
    saved = np.array([_saved(kind, raw, y, block == i) for i in range(count)])
    error = float(saved.std(ddof=1) / np.sqrt(count))
    clear = float(saved.mean()) > max(CLEARLY * error, LEAST_IMPROVEMENT)
    return _fit(kind, raw, y) if clear else IDENTITY


def _saved(kind: TaskKind, raw: Floats, y: Floats, held: npt.NDArray[np.bool_]) -> float:
    """By how much the log-loss of the held rows falls with what the other rows call for."""
    trial = _fit(kind, raw[~held], y[~held])
    before = log_losses(y[held], from_link(kind, raw[held]))
    after = log_losses(y[held], from_link(kind, trial.apply(raw[held])))
    return float((before - after).mean())


def blocks_of(cutoffs: Instants, most: int = MOST_BLOCKS) -> Ints:
    """(rows,) the number of each row's block: its cutoff's place in time, or that of a run of cutoffs where
    there are more than `most`.

    >>> blocks_of(np.array([5, 5, 7, 9]))
    array([0, 0, 1, 2])
    """
    times, place, counts = np.unique(cutoffs, return_inverse=True, return_counts=True)
    if len(times) <= most:
        return place.astype(np.int64)
    run = (np.cumsum(counts) - 1) * most // len(cutoffs)
    return np.unique(run, return_inverse=True)[1][place].astype(np.int64)


def _fit(kind: TaskKind, raw: Floats, y: Floats) -> Calibration:
    """The slope (and shift) of least log-loss, by Newton's method with the slope kept within [0.05, 20]."""
    with_shift = kind is TaskKind.BINARY and len(y) >= ENOUGH_FOR_SHIFT
    slope, shift = 1.0, 0.0
    for _ in range(50):
        p = from_link(kind, slope * raw + shift)
        if kind is TaskKind.MULTICLASS:
            mean = (p * raw).sum(axis=1)
            gradient = np.array([(mean - raw[np.arange(len(y)), y.astype(np.int64)]).mean()])
            hessian = np.array([[((p * raw**2).sum(axis=1) - mean**2).mean()]])
        else:
            design = np.stack([raw, np.ones_like(raw)], axis=1)[:, : 1 + with_shift]
            gradient = design.T @ (p - y) / len(y)
            hessian = (design * (p * (1 - p))[:, None]).T @ design / len(y)
        step = np.linalg.solve(hessian + 1e-6 * np.eye(len(gradient)), gradient)
        step = np.clip(step, -0.5, 0.5)
        slope = float(np.clip(slope - step[0], 0.05, 20.0))
        shift = shift - float(step[1]) if with_shift else 0.0
        if np.abs(step).max() < 1e-8:
            break
    return Calibration(slope, shift)
