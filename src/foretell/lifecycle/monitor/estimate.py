"""An estimate of the score without labels: what it would be if stated probabilities and intervals were true.

It sees that rows have become harder, and not that the world has changed. So it is tried on past windows whose
labels are known, and not shown where the backtest's own score would have been the better guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foretell.features.matrix import Floats
from foretell.models.criteria import METRICS
from foretell.models.intervals import Conformal
from foretell.task.model import TaskKind

FEWEST = 3
"""Past windows that the model had not seen, from which it is known how far estimates are off."""
LEVELS = tuple((i + 0.5) / 100 for i in range(100))


@dataclass(frozen=True)
class Estimate:
    """The estimated score of the latest predictions. `error` is how far it was off on past windows, on
    average, `plain` how far the backtest's score was; `hidden` says why the value is not to be trusted, None
    where it is.
    """

    metric: str
    value: float
    error: float
    plain: float
    windows: int
    hidden: str | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "value": None if self.hidden else self.value,
            "error": self.error,
            "plain_error": self.plain,
            "windows": self.windows,
            "hidden": self.hidden,
            "is_estimate": True,
        }


def expected(kind: TaskKind, metric: str, said: Floats, conformal: Conformal | None) -> float:
    """The score that predictions would have were they right about themselves; nan where that is not defined.

    Classes (CBPE): each row counts as every outcome, by its probability. Numbers (DLE): the mean half-width
    of the intervals of all levels is the mean absolute error.

    >>> round(expected(TaskKind.BINARY, "auroc", np.array([0.1, 0.9]), None), 2)
    0.9
    """
    if kind is TaskKind.BINARY and metric == "auroc":
        return METRICS["auroc"].score(said, said)  # its sums take an outcome of .3 as three tenths of a yes
    if kind is TaskKind.BINARY and metric == "accuracy":
        return float(np.maximum(said, 1 - said).mean())
    if kind is TaskKind.MULTICLASS and metric == "accuracy":
        return float(said.max(axis=1).mean())
    if kind is TaskKind.REGRESSION and metric == "mae" and conformal is not None:
        widths = [np.mean(np.subtract(*conformal.band(said, level)[::-1])) / 2 for level in LEVELS]
        return float(np.mean(widths))
    return math.nan


def estimate(
    metric: str, value: float, pairs: Sequence[tuple[float, float]], promised: float, tolerance: float
) -> Estimate:
    """Whether an estimate may be shown, by the (estimated, realised) scores of past windows.

    It may where it was no worse a guess than the score that the backtest `promised`, or off by no more than
    `tolerance`, a quarter of the width of that score's interval.
    """
    known = [(e, r) for e, r in pairs if math.isfinite(e) and math.isfinite(r)]
    error = float(np.mean([abs(e - r) for e, r in known])) if known else math.nan
    plain = float(np.mean([abs(promised - r) for _, r in known])) if known else math.nan
    hidden = None
    if not math.isfinite(value):
        hidden = f"{metric} cannot be estimated without labels"
    elif len(known) < FEWEST:
        hidden = f"past windows that the model had not seen: {len(known)}, and {FEWEST} are needed to try it"
    elif error > max(plain, tolerance if math.isfinite(tolerance) else 0.0):
        hidden = f"on past windows it was off by {error:.3f}, the backtest's score by {plain:.3f}"
    return Estimate(metric, value, error, plain, len(known), hidden)
