"""What every rival's script shares: the job that `export.py` wrote, its clock, default LightGBM, the report.

A script runs in its tool's own environment: pandas, pyarrow and numpy are all that this needs.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROW, TIME = "__row", "__time"


@dataclass(frozen=True)
class Job:
    """One question: its tables and rows, and the seconds that a rival has from its start on."""

    folder: Path
    out: Path
    limit: float
    threads: int
    seed: int

    @classmethod
    def asked(cls, description: str) -> Job:
        """The job named on the command line."""
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--job", type=Path, required=True, help="folder that export.py wrote")
        parser.add_argument("--out", type=Path, required=True, help="where predictions and report go")
        parser.add_argument("--limit", type=float, default=200.0, help="CPU seconds for everything")
        parser.add_argument("--threads", type=int, default=1)
        parser.add_argument("--seed", type=int, default=0)
        given = parser.parse_args()
        given.out.mkdir(parents=True, exist_ok=True)
        return cls(given.job, given.out, given.limit, given.threads, given.seed)

    @cached_property
    def about(self) -> dict[str, Any]:
        held: dict[str, Any] = json.loads((self.folder / "job.json").read_text())
        return held

    @cached_property
    def rows(self) -> pd.DataFrame:
        """entity, cutoff, y, fold of every row, in order."""
        return pd.read_parquet(self.folder / "rows.parquet")

    @property
    def kind(self) -> str:
        return str(self.about["kind"])

    @property
    def own_links(self) -> list[dict[str, str]]:
        """Links of the entity's table that are no part of what is asked."""
        hidden = self.about.get("hidden_links", ())
        own = self.about["entity"]
        return [k for k in self.about["links"] if k["child"] == own and k["column"] not in hidden]

    @property
    def seconds(self) -> float:
        """CPU seconds since the start: whatever else runs beside it takes no time from a rival."""
        return time.process_time()

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "tables" / f"{name}.parquet")

    def finish(
        self, index: np.ndarray, prediction: np.ndarray, *, packages: tuple[str, ...], **more: Any
    ) -> None:
        """Write predictions of the test rows at `index` (places in `rows`), and what was used to make them.

        A prediction is a value, the probability of 1, or of classes one each.
        """
        np.savez(self.out / "predictions.npz", index=index, prediction=prediction.astype(np.float64))
        report = {"seconds": self.seconds, "versions": {p: version(p) for p in packages}, **more}
        (self.out / "report.json").write_text(json.dumps(report))


def default_lightgbm(job: Job, train: pd.DataFrame, y: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    """Predictions of LightGBM with its default settings: (rows,), or (rows, classes) for classes."""
    import lightgbm

    settings: dict[str, Any] = {"n_jobs": job.threads, "random_state": job.seed, "verbose": -1}
    if job.kind == "regression":
        return np.asarray(lightgbm.LGBMRegressor(**settings).fit(train, y).predict(test))
    if len(np.unique(y)) == 1:
        known, found = np.array([y[0]]), np.ones((len(test), 1))
    else:
        model = lightgbm.LGBMClassifier(**settings).fit(train, y.astype(int))
        known, found = model.classes_, np.asarray(model.predict_proba(test))
    return spread(job, known, found)


def spread(job: Job, known: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Probabilities of the classes that were seen, as those of 1 or of every class."""
    every = np.zeros((len(found), max(2, len(job.about["classes"]))))
    every[:, known.astype(int)] = found
    return every[:, 1] if job.kind == "binary" else every
