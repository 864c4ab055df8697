"""Two tools' predictions of the same rows: whose are better, and could it be chance?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from foretell.evaluation.compare import compare
from foretell.task.model import TaskKind


def judge(job: Path, ours: Path, theirs: Path, *, seed: int = 0) -> dict[str, Any]:
    """Ours against theirs on the test rows that both predicted.

    `lead` is our advantage in the task's metric with its 95% interval: a paired bootstrap of whole entities.
    """
    about = json.loads((job / "job.json").read_text())
    rows = pq.read_table(job / "rows.parquet")
    (at, our), (their_at, their) = (_predictions(p) for p in (ours, theirs))
    common, place, their_place = np.intersect1d(at, their_at, return_indices=True)
    found = compare(
        rows["y"].to_numpy()[common],
        their[their_place],
        our[place],
        groups=rows["entity"].to_numpy()[common],
        kind=TaskKind(about["kind"]),
        metric=about["metric"],
        seed=seed,
    )
    return {
        "value": found.champion.value,
        "ours": found.challenger.value,
        "lead": [found.lift.value, found.lift.low, found.lift.high],
        "test_rows": len(common),
    }


def _predictions(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    held = np.load(folder / "predictions.npz")
    return held["index"], held["prediction"]
