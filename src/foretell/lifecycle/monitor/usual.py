"""What is usual, from the past: how far each window lay from those before it, and how likely that is.

Rows of one day share the day (weather, campaigns, holidays), so tests that take rows as independent call
nearly every day a change. Here a difference is held against the differences that the same feature had before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foretell.core.lazy import require
from foretell.features.matrix import Floats

LOOK_BACK = 7
"""Windows that one is compared with: those before it, so that a steady trend is no change. A week of days."""
SPANS = (1, 3)
"""A window alone shows a jump at once; three together average the days out."""
RECENT = 2
"""Windows before the last that are not asked what is usual: a change that they began would hide itself."""
MOST_WORTH = 100.0
"""Windows that the other features' past is worth at most, when it is asked what is usual of one."""
MOST_DEGREES = 10.0
FEWEST = 5
"""Past differences from which something can be called usual."""


def look_back(windows: int) -> int:
    """How many windows one is compared with: fewer where there are few."""
    return min(LOOK_BACK, max(1, windows // 3))


def enough(windows: int) -> bool:
    """Whether so many windows, the last included, tell what is usual."""
    return windows - look_back(windows) - RECENT - 1 >= FEWEST


def distances(
    counts: Floats, ordered: np.ndarray[tuple[int], np.dtype[np.bool_]], back: int, span: int
) -> Floats:
    """How far the last `span` windows lie from the `back` before them, at each window that has as many.

    `counts` is (features, windows, bins). Gives (2, features, windows - back - span + 1): KS, which is for
    categories the greatest difference of any set of them, and PSI.
    """
    total = np.concatenate([np.zeros_like(counts[:, :1]), np.cumsum(counts, axis=1)], axis=1)
    now = total[:, back + span :] - total[:, back:-span]
    then = total[:, back : total.shape[1] - span] - total[:, : total.shape[1] - span - back]
    return np.stack([ks(now, then, ordered), psi(now, then)])


def ks(now: Floats, then: Floats, ordered: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    """Kolmogorov and Smirnov's distance of histograms (features, …, bins); total variation of unordered ones.

    >>> float(ks(np.array([[1.0, 1.0]]), np.array([[2.0, 0.0]]), np.array([True]))[0])
    0.5
    """
    gap = _shares(now) - _shares(then)
    below = np.abs(np.cumsum(gap, axis=-1)).max(axis=-1)
    apart = np.abs(gap).sum(axis=-1) / 2
    which = ordered.reshape(-1, *(1,) * (below.ndim - 1))
    return np.asarray(np.where(which, below, apart))


def psi(now: Floats, then: Floats) -> Floats:
    """The population stability index of histograms (…, bins), half a row added to each bin.

    >>> float(psi(np.array([5.0, 5.0]), np.array([5.0, 5.0])))
    0.0
    """
    p, q = _shares(now + 0.5), _shares(then + 0.5)
    return np.asarray(((p - q) * np.log(p / q)).sum(axis=-1))


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-300))


def tail(squares: Floats, least: float, span: int = 1) -> Floats:
    """How likely the last of each feature's squared differences is, by those before it. (features, n)

    As if days were normal: the last over what is usual follows F. What is usual of a feature is told by its
    past, and where features are much alike by theirs too. `least` is what chance alone makes of so many rows:
    a past that was quieter counts as that. Differences of `span` windows overlap, and are worth fewer.
    """
    past = squares[:, : squares.shape[1] - 1 - RECENT]
    mean = past.mean(axis=1)
    degrees = _degrees(past[mean > least], mean[mean > least])
    worth = max(1.0, past.shape[1] / (1 + 2 * sum(((span - k) / span) ** 2 for k in range(1, span))))
    usual, worth = _moderated(np.maximum(mean, least), degrees * worth)
    return np.asarray(require("scipy.special").fdtrc(degrees, worth, squares[:, -1] / usual))


def _degrees(past: Floats, mean: Floats) -> float:
    """Of how many squares of normal values a past difference seems to be the sum, over all features."""
    if past.shape[0] == 0 or past.shape[1] < 2:
        return 1.0
    scatter = float((past.var(axis=1, ddof=1) / mean**2).mean())
    return float(np.clip(2 / max(scatter, 1e-9), 1.0, MOST_DEGREES))


def _moderated(variances: Floats, worth: float) -> tuple[Floats, float]:
    """Variances of few windows drawn towards those of all features, by as much as these are alike; and how
    many windows they are then worth (Smyth 2004).
    """
    if len(variances) < 3:
        return variances, worth
    special = require("scipy.special")
    logs = np.log(variances) - special.digamma(worth / 2) + np.log(worth / 2)
    excess = float(logs.var(ddof=1) - special.polygamma(1, worth / 2))
    if excess > 0:
        prior = 2 * _inverse_trigamma(excess)
        centre = float(np.exp(logs.mean() + special.digamma(prior / 2) - np.log(prior / 2)))
    else:
        prior, centre = MOST_WORTH, float(np.exp(logs.mean()))
    prior = min(prior, MOST_WORTH)
    return (prior * centre + worth * variances) / (prior + worth), prior + worth


def _inverse_trigamma(value: float) -> float:
    """The x at which the trigamma function has that value, by Newton's steps on its reciprocal."""
    special = require("scipy.special")
    x = 0.5 + 1 / value
    for _ in range(50):
        slope = float(special.polygamma(1, x))
        x += slope * (1 - slope / value) / float(special.polygamma(2, x))
    return float(x)


def above(values: Floats) -> float:
    """How likely the last value is to be so high, by those before it: Student's t for a new value."""
    past = values[: len(values) - 1 - RECENT]
    spread = past.std(ddof=1) * np.sqrt(1 + 1 / len(past))
    if not spread > 0:
        return 1.0 if values[-1] <= past.mean() else 0.0
    t = (values[-1] - past.mean()) / spread
    return float(require("scipy.special").stdtr(len(past) - 1, -t))


def together(probabilities: Floats) -> Floats:
    """One probability of several that are of the same thing, whatever ties them (Cauchy: Liu & Xie 2020).

    Along the first axis.

    >>> round(float(together(np.array([0.01, 0.01]))), 4), round(float(together(np.array([0.001, 0.9]))), 4)
    (0.01, 0.002)
    """
    p = np.clip(probabilities, 1e-15, 1 - 1e-15)
    return np.asarray(0.5 - np.arctan(np.tan((0.5 - p) * np.pi).mean(axis=0)) / np.pi)


def discoveries(p: Sequence[float] | Floats, rate: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which are not by chance, where a share of at most `rate` of them may be (Benjamini & Hochberg 1995).

    >>> discoveries([0.001, 0.9, 0.02, 0.5], 0.05).tolist()
    [True, False, True, False]
    """
    held = np.asarray(p, dtype=np.float64)
    order = np.argsort(held, kind="stable")
    under = held[order] <= rate * np.arange(1, len(held) + 1) / max(1, len(held))
    found = np.zeros(len(held), dtype=np.bool_)
    if under.any():
        found[order[: int(np.flatnonzero(under)[-1]) + 1]] = True
    return found
