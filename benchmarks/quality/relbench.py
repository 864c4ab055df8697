"""RelBench's rel-f1: train on its train table, score its val table, each row seeing what lies before its
cutoff.

    python benchmarks/quality/relbench.py [task ...] [--seeds 3] [--time-limit 30] [--path FOLDER]
    [--internal] [--features less|standard|more]

The database is read as it is found: the schema is the discovered one. The query says the task (its labels
equal RelBench's, see ../labels/compare.py); what is learned from are RelBench's own train rows, and
validation inside is the last part of them. `--internal` stops there and prints the backtest on the last
fifth of
train: choices are made by that, never by val.

Published figures on val in this regime (history up to each row's cutoff) are not known to us; on test, from
the sources named in RelBench's boards and our own prototypes: driver-dnf AUROC 83.7 (trees) to 84.6
(KumoRFM-2), driver-top3 AUROC 92.7 (trees) to 93.6 (Kapso), driver-position MAE 2.53 (trees) to 2.42
(Kapso).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import foretell
from foretell.core.time import DAY
from foretell.models.baselines import SHRINKAGE, shrunk_mean
from foretell.models.criteria import METRICS, Metric

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("FORETELL_DATA", ROOT / "../shared/data"))
QUERIES = ROOT / "benchmarks/labels/queries.toml"
METRIC = {"driver-dnf": "auroc", "driver-top3": "auroc", "driver-position": "mae"}
GOAL = {"driver-dnf": "≥ 79", "driver-top3": "≥ 89", "driver-position": "≤ 2.75"}


def table_of(folder: Path, task: str, split: str, told: Mapping[str, str]) -> pa.Table:
    """A label table as (key, cutoff, label)."""
    found = pq.read_table(folder / "tasks" / task / f"{split}.parquet")
    target = next(n for n in found.column_names if n not in (told["entity_col"], told["time_col"]))
    return pa.table(
        {
            told["entity_col"]: found[told["entity_col"]],
            "cutoff": found[told["time_col"]].cast(pa.timestamp("us"), safe=False),
            "label": found[target],
        }
    )


def simple_rules(train: pa.Table, val: pa.Table, key: str, days: int, metric: Metric) -> dict[str, float]:
    """What needs no model: a constant, and the entity's own last outcomes that are known at each row's
    cutoff.
    """
    entities, cutoffs, labels = (
        np.concatenate([np.asarray(t[c].cast(kind).to_numpy(), kind.to_pandas_dtype()) for t in (train, val)])
        for c, kind in ((key, pa.int64()), ("cutoff", pa.int64()), ("label", pa.float64()))
    )
    count = train.num_rows
    constant = float(np.median(labels[:count]) if metric.name == "mae" else labels[:count].mean())
    means: dict[int, list[float]] = {1: [], 10: [], 10_000: []}
    sizes: dict[int, list[float]] = {k: [] for k in means}
    for entity, cutoff in zip(entities, cutoffs):
        closed = np.flatnonzero((entities == entity) & (cutoffs + days * DAY <= cutoff))
        closed = closed[np.argsort(cutoffs[closed])]
        for last in means:
            past = labels[closed[-last:]]
            means[last].append(float(past.mean()) if len(past) else np.nan)
            sizes[last].append(float(len(past)))
    found = {"the same for everyone": metric.score(labels[count:], np.full(len(labels) - count, constant))}
    for last, words in ((1, "last outcome"), (10, "mean of the last 10"), (10_000, "mean of all")):
        mean, size = np.array(means[last]), np.array(sizes[last])

        def scored(k: float, rows: slice, mean: np.ndarray = mean, size: np.ndarray = size) -> float:
            return metric.score(labels[rows], shrunk_mean(mean[rows], size[rows], constant, k))

        sign = 1 if metric.higher_is_better else -1
        best = max(SHRINKAGE, key=lambda k: sign * scored(k, slice(0, count)))
        found[f"entity's {words}, shrunk"] = scored(best, slice(count, None))
    return found


def scale(metric: Metric, value: float) -> str:
    return f"{100 * value:.2f}" if metric.name == "auroc" else f"{value:.3f}"


def run(folder: Path, task: str, seeds: int, limit: float, *, internal: bool, features: str | None) -> None:
    told = json.loads((folder / "manifest.json").read_text())["tasks"][task]
    text = next(
        q["query"]
        for q in tomllib.loads(QUERIES.read_text())["query"]
        if q["database"] == "rel-f1" and q["id"] == task
    )
    metric = METRICS[METRIC[task]]
    train, val = (table_of(folder, task, split, told) for split in ("train", "val"))
    truth = np.asarray(val["label"].cast(pa.float64()).to_numpy(), np.float64)
    print(
        f"{task}: {metric.name} on val, {train.num_rows:,} train rows, {val.num_rows:,} val rows", flush=True
    )
    with foretell.connect(folder) as database:
        question = database.query(text, labels=train, features=features)
        scores, inside = [], []
        for seed in range(seeds):
            began = time.perf_counter()
            database.seed = seed
            backtest = question.backtest(time_limit=limit)
            inside.append(backtest.model.value)
            shown = f"  seed {seed}: on the last fifth of train {scale(metric, inside[-1])}"
            if internal:
                print(f"{shown} ({time.perf_counter() - began:.1f} s)", flush=True)
                continue
            model = question.fit(time_limit=limit)
            made = model.predict_rows(val, folder)
            column = "probability" if metric.name == "auroc" else "prediction"
            scores.append(metric.score(truth, made[column].to_numpy()))
            took = f"{time.perf_counter() - began:.1f} s, {len(model.features)} features"
            print(f"{shown}, on val {scale(metric, scores[-1])} ({took})", flush=True)
            print(f"    {model.fitted!r}", flush=True)
    print(f"  mean: last fifth of train {scale(metric, float(np.mean(inside)))}")
    if internal:
        return
    print(f"  mean on val {scale(metric, float(np.mean(scores)))} (goal {GOAL[task]})")
    for name, value in simple_rules(train, val, told["entity_col"], told["timedelta_days"], metric).items():
        print(f"    {scale(metric, value):>7}  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", default=list(METRIC))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--time-limit", type=float, default=30.0)
    parser.add_argument("--path", type=Path, default=DATA / "rel-f1")
    parser.add_argument("--internal", action="store_true")
    parser.add_argument("--features", choices=["less", "standard", "more"])
    given = parser.parse_args()
    for task in given.tasks or list(METRIC):
        run(given.path, task, given.seeds, given.time_limit, internal=given.internal, features=given.features)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MB")


if __name__ == "__main__":
    main()
