"""RelBench's entity tasks: train on the train table, score val or test, in either serving regime.

    python benchmarks/quality/relbench.py [task ...] [--dataset rel-f1] [--path FOLDER] [--split val|test]
        [--regime S|F] [--model auto|trees|deep|baseline] [--seeds 3] [--time-limit 30]
        [--internal] [--labels-alone] [--features less|standard|more] [--write]

S: each row sees what lies before its own cutoff. F: history ends at the split's first timestamp for every
row (for rel-f1's val 2005-01-01), as where RelBench cuts its database; features, training and baselines
follow (see --frozen-at).

The data come from a local folder (`--path`, by default DATA/<dataset> where it is there) with the tables as
Parquet files, manifest.json, and tasks/<task>/<split>.parquet; else from the `relbench` package (3.0 or
later), which downloads them. The schema is the discovered one. What is learned from are RelBench's own train
rows (for test, train and val); validation inside is the last part of them. Where ../labels/queries.toml has
the task as a query it is asked as that; any other, and with --labels-alone, is learned from its label
table. `--internal` stops before the split and prints the backtest on the last part of train: choices are
made by that, never by val.

Trees, net and their blend are each scored, and the best simple rule. `--write` keeps the result and makes
LEADERBOARD.md anew.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import leaderboard
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from leaderboard import shown

import foretell
from foretell.core.time import DAY, Offset, parse_instant
from foretell.engines.base import Rows
from foretell.features.matrix import Floats
from foretell.models.criteria import METRICS
from foretell.pipeline import Database, Question
from foretell.prediction.around import model_matrix
from foretell.prediction.model import Model

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DATA = Path(os.environ.get("FORETELL_DATA", ROOT / "../shared/data"))
QUERIES = ROOT / "benchmarks/labels/queries.toml"
KINDS = {"binary_classification": ("binary", "auroc"), "regression": ("regression", "mae")}
GOALS = {
    ("driver-dnf", "S"): "≥ 80.5",
    ("driver-top3", "S"): "≥ 91.5",
    ("driver-position", "S"): "≤ 2.65",
    ("driver-dnf", "F"): "≥ 66",
    ("driver-top3", "F"): "≥ 74",
    ("driver-position", "F"): "≤ 3.50",
}


@dataclass(frozen=True)
class Task:
    """An entity task: `entity` is table.column, `days` how far a label looks, `starts` when splits begin."""

    name: str
    kind: str
    metric: str
    entity: str
    days: float
    tables: Mapping[str, pa.Table]  # (key, cutoff, label) by split
    starts: Mapping[str, str]

    def learned_from(self, split: str) -> pa.Table:
        before = ["train"] if split == "val" else ["train", "val"]
        return pa.concat_tables([self.tables[s] for s in before])


@dataclass(frozen=True)
class Bench:
    """A dataset: what foretell connects to, and its tasks."""

    name: str
    database: Any
    tasks: tuple[str, ...]
    load: Any  # task's name → Task


def from_folder(folder: Path) -> Bench:
    """A dataset in a folder, as the module's docstring has it."""
    manifest = json.loads((folder / "manifest.json").read_text())
    starts = {"val": manifest["val_timestamp"], "test": manifest.get("test_timestamp", "")}

    def load(name: str) -> Task:
        told = manifest["tasks"][name]
        kind, metric = KINDS[told["type"]]
        key, moment = told["entity_col"], told["time_col"]
        tables = {
            path.stem: _labels(pq.read_table(path), key, moment, told["target_col"])
            for path in (folder / "tasks" / name).glob("*.parquet")
        }
        entity = f"{told['entity_table']}.{key}"
        return Task(name, kind, metric, entity, told["timedelta_days"], tables, starts)

    tasks = tuple(name for name, told in manifest["tasks"].items() if told["type"] in KINDS)
    return Bench(manifest["name"], folder, tasks, load)


def from_package(dataset: str) -> Bench:
    """A dataset of the `relbench` package. Rows after the test timestamp are there too: S needs them."""
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != HERE.resolve()]  # this file's own name
    package = importlib.import_module("relbench")
    held = package.load_dataset(dataset)
    frames = {name: t.df for name, t in held.get_db(upto_test_timestamp=False).table_dict.items()}
    starts = {"val": str(held.val_timestamp), "test": str(held.test_timestamp)}

    def load(name: str) -> Task:
        task = held.load_task(name)
        if task.task_type.value not in KINDS or task.remove_columns:
            raise SystemExit(f"{name} is no entity task, or hides columns of the database: not supported")
        kind, metric = KINDS[task.task_type.value]
        tables = {}
        for split in ("train", "val", "test"):
            found = pa.Table.from_pandas(
                task.get_table(split, mask_input_cols=False).df, preserve_index=False
            )
            tables[split] = _labels(found, task.entity_col, task.time_col, task.target_col)
        # RelBench numbers entities from 0 in the order of their table, whose key is that number.
        key = held.get_db().table_dict[task.entity_table].pkey_col
        tables = {s: t.rename_columns([key, "cutoff", "label"]) for s, t in tables.items()}
        days = task.timedelta.total_seconds() / 86_400
        return Task(name, kind, metric, f"{task.entity_table}.{key}", days, tables, starts)

    return Bench(dataset.rsplit("/", 1)[-1], frames, tuple(held.get_task_names()), load)


def _labels(table: pa.Table, key: str, moment: str, target: str) -> pa.Table:
    cutoff = table[moment].cast(pa.timestamp("us"), safe=False)
    return pa.table({key: table[key], "cutoff": cutoff, "label": table[target]})


def asked(database: Database, bench: Bench, task: Task, given: argparse.Namespace) -> Question:
    """The question: the task's own query where there is one, else its label table alone."""
    labels = task.learned_from(given.split)
    queries = tomllib.loads(QUERIES.read_text())["query"]
    own = [q for q in queries if (q["database"], q["id"]) == (bench.name, task.name) and "query" in q]
    if own and not given.labels_alone:
        return database.query(own[0]["query"], labels=labels, features=given.features)
    return database.given(
        labels, entity=task.entity, kind=task.kind, horizon=Offset(task.days), features=given.features
    )


def scored(model: Model, table: pa.Table, metric: str) -> dict[str, float]:
    """The score of the blend, of each family in it, and of the simple rules, on rows of the split."""
    assert model.home is not None
    database, task, fitted = model.home, model.task, model.fitted
    keys = {c: table[c].to_pylist() for c in task.entity_key}
    cutoffs = np.asarray(table["cutoff"].cast(pa.int64()).to_numpy(), np.int64)
    rows = Rows(database.engine.find(task.entity.name, keys), cutoffs)
    known = None if model.regime.at is None else np.minimum(cutoffs, model.regime.at)
    matrix = model_matrix(database, task, model.features, fitted, rows, known)
    truth = np.asarray(table["label"].cast(pa.float64()).to_numpy(), np.float64)

    def score(said: Floats) -> float:
        return METRICS[metric].score(truth, said)

    families = fitted.predict_families(matrix)
    if not families:
        families = {(fitted.families or ("trees",))[0]: fitted.predict(matrix)}
    found = {name: score(said) for name, said in families.items()}
    found["blend"] = score(fitted.predict(matrix))  # that of one family where validation left the other out
    rules = {n: score(said) for n, said in fitted.predict_baselines(matrix).items()}
    sign = 1 if METRICS[metric].higher_is_better else -1
    best = max(rules, key=lambda n: sign * rules[n])
    return {**found, f"best simple rule on these rows ({best})": rules[best]}


def run(bench: Bench, name: str, given: argparse.Namespace) -> None:
    task = bench.load(name)
    split, metric = task.tables[given.split], task.metric
    frozen: dict[str, str] = {}
    if given.regime == "F":
        start = task.starts[given.split]
        last = int(pc.max(split["cutoff"].cast(pa.int64())).as_py())
        days = (last - parse_instant(start)) / DAY
        frozen = {"frozen_at": start, "frozen_for": f"{days:g}d"}
    title = f"{bench.name}/{name}, {given.regime}: {metric} on {given.split}, {split.num_rows:,} rows"
    print(title, flush=True)
    scores: dict[str, list[float]] = {}
    seconds = []
    with foretell.connect(bench.database, threads=given.threads) as database:
        question = asked(database, bench, task, given)
        for seed in range(given.seeds):
            began = time.perf_counter()
            database.seed = seed
            how = {"time_limit": given.time_limit, "model": given.model, **frozen}
            backtest = question.backtest(**how)
            inside = {"inside": backtest.model.value}
            inside |= {f"{n} inside": s.value for n, s in backtest.members.items()}
            if given.internal:
                found = inside
            else:
                model = question.fit(**how)
                found = scored(model, split, metric)
            seconds.append(time.perf_counter() - began)
            for n, value in found.items():
                scores.setdefault(n, []).append(value)
            words = ", ".join(f"{n} {shown(metric, v)}" for n, v in {**inside, **found}.items())
            print(f"  seed {seed}: {words} ({seconds[-1]:.1f} s)", flush=True)
            if not given.internal:
                print(f"    {model.fitted!r}", flush=True)
    words = ", ".join(f"{n} {shown(metric, float(np.mean(v)))}" for n, v in scores.items())
    goal = GOALS.get((name, given.regime)) if not given.internal and bench.name == "rel-f1" else None
    print(f"  mean: {words}{f' (goal {goal})' if goal else ''}", flush=True)
    if given.write and not given.internal:
        about = {"task": f"{bench.name}/{name}", "regime": given.regime, "split": given.split}
        about |= {"model": given.model, "metric": metric, "time_limit": given.time_limit}
        leaderboard.keep({**about, "scores": scores, "seconds": seconds, "rows": split.num_rows})
        leaderboard.write()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("--dataset", default="rel-f1")
    parser.add_argument("--path", type=Path)
    parser.add_argument("--split", choices=["val", "test"], default="val")
    parser.add_argument("--regime", choices=["S", "F"], default="S")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--time-limit", type=float, default=30.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--internal", action="store_true")
    parser.add_argument("--labels-alone", action="store_true")
    parser.add_argument("--features", choices=["less", "standard", "more"])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    folder = given.path or DATA / given.dataset
    bench = from_folder(folder) if (folder / "manifest.json").is_file() else from_package(given.dataset)
    if not given.tasks and not (folder / "manifest.json").is_file():
        parser.error(f"name a task: {', '.join(bench.tasks)}")
    for name in given.tasks or bench.tasks:
        run(bench, name, given)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MB")


if __name__ == "__main__":
    main()
