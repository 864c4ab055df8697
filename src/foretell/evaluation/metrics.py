"""The metrics a report shows: the table that models are chosen by, and how far probabilities can be
trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foretell.features.matrix import Floats
from foretell.models.criteria import DEFAULT_METRIC, METRICS, Metric, metric_for
from foretell.task.model import TaskKind

__all__ = [
    "DEFAULT_METRIC",
    "METRICS",
    "CalibrationBin",
    "Metric",
    "all_scores",
    "calibration_bins",
    "ece",
    "metric_for",
    "metrics_of",
]

BINS = 15


def metrics_of(kind: TaskKind) -> tuple[Metric, ...]:
    """Every metric of a task's kind, its default first.

    >>> [m.name for m in metrics_of(TaskKind.REGRESSION)]
    ['mae', 'rmse', 'rmsle', 'r2', 'spearman']
    """
    head = metric_for(kind)
    return (head, *(m for m in METRICS.values() if kind in m.kinds and m is not head))


def all_scores(kind: TaskKind, y: Floats, prediction: Floats) -> dict[str, float]:
    """Every metric of the kind, by name; rmsle only where no label is negative."""
    fitting = [m for m in metrics_of(kind) if m.name != "rmsle" or bool((y >= 0).all())]
    return {m.name: m.score(y, prediction) for m in fitting}


@dataclass(frozen=True)
class CalibrationBin:
    """Rows whose probabilities lie in one band: what was said on average, and how often it came true."""

    low: float
    high: float
    rows: int
    said: float
    happened: float


def calibration_bins(y: Floats, prediction: Floats, *, bins: int = BINS) -> tuple[CalibrationBin, ...]:
    """Bands of equal width that hold rows. Of class probabilities (n, k) the likeliest class's is judged.

    >>> calibration_bins(np.array([0.0, 1.0]), np.array([0.25, 0.25]), bins=2)
    (CalibrationBin(low=0.0, high=0.5, rows=2, said=0.25, happened=0.5),)
    """
    if prediction.ndim == 2:
        y, prediction = (prediction.argmax(axis=1) == y).astype(np.float64), prediction.max(axis=1)
    place = np.minimum((prediction * bins).astype(np.int64), bins - 1)
    rows = np.bincount(place, minlength=bins)
    said = np.bincount(place, weights=prediction, minlength=bins)
    happened = np.bincount(place, weights=y, minlength=bins)
    return tuple(
        CalibrationBin(
            i / bins, (i + 1) / bins, int(rows[i]), float(said[i] / rows[i]), float(happened[i] / rows[i])
        )
        for i in np.flatnonzero(rows).tolist()
    )


def ece(y: Floats, prediction: Floats, *, bins: int = BINS) -> float:
    """Expected calibration error: Σ share of rows · |said - happened| over the bands (Naeini et al. 2015).

    >>> ece(np.array([0.0, 1.0]), np.array([0.25, 0.25]))
    0.25
    """
    held = calibration_bins(y, prediction, bins=bins)
    return float(sum(b.rows * abs(b.said - b.happened) for b in held) / len(y)) if len(y) else float("nan")
