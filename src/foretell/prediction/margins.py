"""By how much a condition holds for rows that are learned from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foretell.core.time import DAY
from foretell.engines.base import Engine, Labels, Rows
from foretell.features.lower import target_plan
from foretell.features.matrix import Floats
from foretell.task.margin import margin_task
from foretell.task.model import Task

AGREE = 0.99
"""Labels that were given may mean something else than the query does; then its margins would mislead."""


def margins(engine: Engine, task: Task, labels: Labels) -> Floats | None:
    """The margins of binary labels (rows,), NaN where not known; None where the condition has none."""
    asked = margin_task(task)
    if asked is None or not len(labels.rows):
        return None
    cutoffs = np.unique(labels.rows.cutoffs)
    moments = [int(cutoffs[-1]) + DAY] if task.is_static else cutoffs.tolist()
    found = engine.labels(target_plan(asked), moments)
    out = np.full(len(labels.rows), np.nan)
    place = _places(found.rows, labels.rows)
    there = place >= 0
    out[there] = found.values[place[there]]
    known = np.isfinite(out)
    holds, y = out[known] > 0, labels.values[known].astype(np.bool_)
    alike = (holds == y) | (out[known] == 0)  # at the border the comparison's sign decides
    return out if known.any() and alike.mean() >= AGREE else None


def _places(found: Rows, asked: Rows) -> npt.NDArray[np.int64]:
    """Where each of the rows that are asked for is among those found, -1 where it is not."""
    if not len(found):
        return np.full(len(asked), -1, dtype=np.int64)
    order = np.lexsort((found.entities, found.cutoffs))
    width = int(max(found.entities.max(), asked.entities.max())) + 1
    moments = np.unique(np.concatenate([found.cutoffs, asked.cutoffs]))

    def key(rows: Rows) -> npt.NDArray[np.int64]:
        return np.searchsorted(moments, rows.cutoffs).astype(np.int64) * width + rows.entities

    keys = key(found)[order]
    wanted = key(asked)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, order[at], -1)
