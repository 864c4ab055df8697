"""Calibration: a stretch (and above 1,500 rows a shift) of the log-odds, kept only where later rows agree.

Temperature scaling (Guo et al. 2017) and Platt's logistic map on the log-odds. Isotonic regression is left
out: in public comparisons it costs log-loss on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foretell.features.matrix import Floats, Instants
from foretell.models.criteria import log_losses
from foretell.models.dataset import Index
from foretell.models.links import from_link
from foretell.task.model import TaskKind

ENOUGH_FOR_SHIFT = 1500
ENOUGH = 100
LEAST_IMPROVEMENT = 1e-4


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

    It is fitted on the earlier 60% of the rows and tested on the later ones (rows in their own order where
    all share a cutoff); only if the later log-loss improves is it fitted on all and kept.
    """
    if kind is TaskKind.REGRESSION or len(y) < ENOUGH:
        return Calibration()
    early, late = split_by_time(cutoffs, 0.6)
    if not len(early) or not len(late):
        return Calibration()
    trial = _fit(kind, raw[early], y[early])
    before = float(log_losses(y[late], from_link(kind, raw[late])).mean())
    after = float(log_losses(y[late], from_link(kind, trial.apply(raw[late]))).mean())
    return _fit(kind, raw, y) if after < before - LEAST_IMPROVEMENT else Calibration()


def split_by_time(cutoffs: Instants, share: float) -> tuple[Index, Index]:
    """Positions of the earlier `share` of the rows and of the later ones; a cutoff is not torn apart.

    Where all rows share one cutoff every second row goes to either side.
    """
    times, counts = np.unique(cutoffs, return_counts=True)
    if len(times) == 1:
        positions = np.arange(len(cutoffs))
        return positions[::2], positions[1::2]
    passed = np.cumsum(counts) / len(cutoffs)
    last = times[min(int(np.argmin(np.abs(passed[:-1] - share))), len(times) - 2)]
    return np.flatnonzero(cutoffs <= last), np.flatnonzero(cutoffs > last)


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
