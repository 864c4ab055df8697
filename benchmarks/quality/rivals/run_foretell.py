"""One query by foretell, from the raw folder and without configuration: connect, check, backtest.

    python benchmarks/quality/rivals/run_foretell.py --database FOLDER --query TEXT --out FOLDER [--export]

Writes `report.json`; with `--export`, after everything is measured, the job that rivals get and
`predictions.npz` of its test rows too.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from export import export

import foretell
from foretell.core.errors import ForetellError
from foretell.pipeline import Question
from foretell.task.regime import Regime

FEWEST_ROWS = 500
"""Fewer rows to learn from (train and validation) make no comparison."""


def measure(question: Question, limit: float, model: str) -> dict[str, Any]:
    """The backtest's figures: the model, the best simple rule on the same rows, calibration or coverage."""
    found = question.backtest(time_limit=limit, model=model).to_dict()
    covered = [s["coverage"] for s in found["slices"] if s["coverage"] is not None]
    return {
        "kind": found["kind"],
        "metric": found["metric"],
        "test_rows": found["rows"],
        "entities": found["entities"],
        "model": found["model"]["value"],
        "rule": found["baselines"][found["best_baseline"]]["value"],
        "best_baseline": found["best_baseline"],
        "members": {n: s["value"] for n, s in found["members"].items()},
        "lift": [found["lift"][k] for k in ("value", "low", "high")],
        "ece": found["ece"],
        "coverage": found["coverage"],
        "fair_coverage": found["fair_coverage"],
        "slices": [min(covered), max(covered)] if covered else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--query", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--time-limit", type=float, default=30.0)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--export", action="store_true")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        made = run(given)
    except ForetellError as error:
        made = {"skipped": str(error).splitlines()[0]}
    (given.out / "report.json").write_text(json.dumps(made))


def run(given: argparse.Namespace) -> dict[str, Any]:
    began = time.perf_counter()
    with foretell.connect(given.database, seed=given.seed, threads=given.threads) as database:
        question = database.query(given.query)
        rows = question.check().labels.rows
        if rows < FEWEST_ROWS:
            return {"skipped": f"{rows} rows"}
        budget, regime = question._budget(given.time_limit, given.model), Regime.of(None)
        lesson = question._lesson(budget, regime)
        learned = int((lesson.folds.train | lesson.folds.valid).sum())
        if learned < FEWEST_ROWS:
            return {"skipped": f"{learned} rows to learn from"}
        figures = measure(question, given.time_limit, given.model)
        made = {
            "rows": rows,
            "learned": learned,
            **figures,
            "features": len(lesson.features),
            "seconds": time.perf_counter() - began,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        if given.export:
            made["job"] = export(database.opened, lesson, made["metric"], given.out)
            test = lesson.dataset(lesson.folds.test)
            dealt = lesson.folds.train | lesson.folds.valid | lesson.folds.test
            np.savez(
                given.out / "predictions.npz",
                index=np.flatnonzero(lesson.folds.test[dealt]),
                prediction=question._measure(budget, regime).fitted.predict(test.X),
            )
    return made


if __name__ == "__main__":
    main()
