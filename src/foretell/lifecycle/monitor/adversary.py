"""The adversary: trees that try to tell the last window's rows from earlier ones, by all features together.

They nearly always can a little, so what they reach now is held against what they reached before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.core.lazy import require
from foretell.core.random import derive, generator
from foretell.features.matrix import Floats, Matrix, Numeric
from foretell.lifecycle.monitor.histograms import Windows
from foretell.lifecycle.monitor.usual import FEWEST, RECENT, above, look_back
from foretell.models.criteria import METRICS

MOST_ROWS = 1000
"""Rows of either side that the trees are shown."""
MOST_LOOKS = 14
"""Windows, the last included, that are told from those before them."""
FOLDS = 2
_TREES: dict[str, Any] = {
    "objective": "binary",
    "num_leaves": 8,
    "learning_rate": 0.1,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.5,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
}
ROUNDS = 30


@dataclass(frozen=True)
class Adversary:
    """How well rows of the last window were told from those before it: AUROC, .5 where they are alike.

    `usual` is what was reached for past windows on average, `p` how likely the last one's is by them;
    `history` has each, the last one's at the end.
    """

    auroc: float
    usual: float
    p: float
    history: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"auroc": self.auroc, "usual": self.usual, "p": self.p, "history": list(self.history)}


def adversary(
    matrix: Matrix, window: Windows, entities: npt.NDArray[np.int64], *, seed: int = 0, threads: int = 1
) -> Adversary | None:
    """Try to tell each late window from those before it; None where there are too few, or no feature."""
    size = int(window.max()) + 1
    back = look_back(size)
    looks = min(MOST_LOOKS, size - back)
    if looks - 1 - RECENT < FEWEST or not matrix.names:
        return None
    rows = _table(matrix)
    categories = [i for i, c in enumerate(matrix.columns) if not isinstance(c, Numeric)]
    history = [
        _told_apart(rows, categories, window, entities, at, back, seed, threads)
        for at in range(size - looks, size)
    ]
    if not np.isfinite(history).all():
        return None
    clipped = np.clip(history, 0.001, 0.999)
    odds = np.log(clipped / (1 - clipped))
    usual = float(np.mean(history[: -1 - RECENT]))
    return Adversary(history[-1], usual, above(odds), tuple(history))


def _table(matrix: Matrix) -> Floats:
    """Numbers as they are, categories by their codes. (rows, columns)"""
    columns = [
        c.values.astype(np.float64) if isinstance(c, Numeric) else np.where(c.codes < 0, np.nan, c.codes)
        for c in matrix.columns
    ]
    return np.column_stack(columns)


def _told_apart(
    rows: Floats,
    categories: list[int],
    window: Windows,
    entities: npt.NDArray[np.int64],
    at: int,
    back: int,
    seed: int,
    threads: int,
) -> float:
    """AUROC of one window against the `back` before it, out of fold; an entity's rows are in one fold."""
    lightgbm = require("lightgbm")
    rng = generator(seed, "adversary", at)
    now = np.flatnonzero(window == at)
    then = np.flatnonzero((window >= at - back) & (window < at))
    most = min(MOST_ROWS, len(now), len(then))
    chosen = np.concatenate([rng.choice(now, most, replace=False), rng.choice(then, most, replace=False)])
    y = np.repeat([1.0, 0.0], most)
    _, who = np.unique(entities[chosen], return_inverse=True)
    fold = rng.permutation(int(who.max()) + 1)[who] % FOLDS if most else np.zeros(0, dtype=np.int64)
    said = np.full(len(y), np.nan)
    options = {**_TREES, "seed": derive(seed, "adversary"), "num_threads": threads}
    for f in range(FOLDS):
        held, rest = fold == f, fold != f
        if not held.any() or len(np.unique(y[rest])) < 2:
            return float("nan")
        data = lightgbm.Dataset(rows[chosen[rest]], y[rest], categorical_feature=categories, params=options)
        said[held] = lightgbm.train(options, data, ROUNDS).predict(rows[chosen[held]])
    return METRICS["auroc"].score(y, said)
