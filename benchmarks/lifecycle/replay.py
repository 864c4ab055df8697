"""Real history replayed: a clock is stepped through the last third of a database, cut at each step.

    python benchmarks/lifecycle/replay.py [retail_uk se_beer beijing_air] [--time-limit 12] [--out FOLDER]

A model is fitted on what was there at two thirds of the span. At each step the database is what it was at the
clock (later rows are not in the file), and `foretell run` grades, monitors, retrains if due and writes; in
between predictions are written alone, as a daily job would. Printed is what became of every batch beside the
simple rule that was best when the model was trained, with the version that made it; drawn is the same as SVG.

The control: all batches of the steps are scored again on the whole database, with its future and with made-up
rows right after the clock. What was written must come out the same bit for bit; and it must not where the
same made-up rows lie right before the cutoff.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np

import foretell
from foretell.core.time import DAY, Instant, Offset, format_instant, parse_instant, to_datetime
from foretell.lifecycle.batches import Batch, batches, predictions_of
from foretell.lifecycle.grading import Grade, Grades, grade
from foretell.lifecycle.present import present
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.upkeep import Upkeep, keep_up
from foretell.lifecycle.writing import write
from foretell.prediction.database import counted_tables, open_database
from foretell.report.draw import svg
from foretell.report.upkeep_plots import Point, scores_plot
from foretell.schema.model import Schema, Table

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("FORETELL_DATA", ROOT / "../shared/data")).resolve()
INJECTED = 2_000


@dataclass(frozen=True)
class History:
    """A database to replay: what is asked, from when on, how far apart the steps, and writes in a step."""

    query: str
    start: str
    days: float
    steps: int
    writes: int = 1
    every: float | None = None  # days after which the model is due to be retrained


HISTORIES = {
    "retail_uk": History(
        "PREDICT COUNT(invoices.* WHERE kind = 'sale', 0, 30, days) = 0 FOR EACH customers.customer_id"
        " WHERE COUNT(invoices.* WHERE kind = 'sale', -90, 0, days) > 0",
        "2011-08-05",
        18,
        8,
        every=36,
    ),
    "se_beer": History(
        "PREDICT COUNT(posts.*, 0, 90, days) + COUNT(comments.*, 0, 90, days) > 0 FOR EACH users.user_id"
        " WHERE COUNT(posts.*, -365, 0, days) + COUNT(comments.*, -365, 0, days) > 0",
        "2018-03-01",
        95,
        8,
    ),
    "beijing_air": History(
        "PREDICT AVG(measurements.value WHERE pollutant = 'PM2.5', 0, 24, hours) FOR EACH stations.station",
        "2015-11-01",
        60,
        8,
        4,
    ),
}


class Clock:
    """A present that the replay moves."""

    def __init__(self, at: Instant) -> None:
        self.at = at

    def __call__(self) -> Instant:
        return self.at


def cut(folder: Path, schema: Schema, clock: Instant | None, place: Path) -> Path:
    """The database as it was at a clock (None: all of it), as a DuckDB file."""
    place.unlink(missing_ok=True)
    with duckdb.connect(str(place)) as connection:
        for table in schema.tables:
            source = f"read_parquet('{folder / table.name}.parquet')"
            where = "" if clock is None or not table.time_column else f' WHERE "{table.time_column}" <= $at'
            values = {"at": to_datetime(clock)} if where and clock is not None else {}
            connection.execute(f'CREATE TABLE "{table.name}" AS SELECT * FROM {source}{where}', values)
    return place


def inject(place: Path, tables: list[Table], after: Instant) -> None:
    """Copies of the latest rows, dated from right after an instant on, under keys of their own."""
    with duckdb.connect(str(place)) as connection:
        for table in tables:
            time = table.time_column
            new = [f'CAST($at + to_microseconds(row_number() OVER ()) AS TIMESTAMP) AS "{time}"']
            for key in table.primary_key:
                if key != time:
                    kind = connection.execute(
                        f'SELECT typeof("{key}") FROM "{table.name}" LIMIT 1'
                    ).fetchone()
                    moved = f"'x' || \"{key}\"" if kind == ("VARCHAR",) else f'"{key}" + 1000000000'
                    new.append(f'{moved} AS "{key}"')
            if len(table.primary_key) > 1:  # part of the key names a parent: that stays, the time is new
                new = new[:1]
            connection.execute(
                f'INSERT INTO "{table.name}" SELECT * REPLACE ({", ".join(new)}) FROM (SELECT * FROM'
                f' "{table.name}" ORDER BY "{time}" DESC LIMIT {INJECTED})',
                {"at": to_datetime(after)},
            )


def replay(
    name: str, history: History, time_limit: float, work: Path
) -> tuple[Registry, Grades, list[Upkeep]]:
    """Step the clock; the registry, all grades at the end, and what each step said."""
    folder = DATA / name
    with foretell.connect(folder, threads=1) as database:
        schema = database.schema
    clock = Clock(parse_instant(history.start))
    registry = Registry(work / "models", clock=clock)
    place, into = work / "db.duckdb", work / "predictions.duckdb"
    cut(folder, schema, clock.at, place)
    with foretell.connect(place, now=clock.at, threads=1) as database:
        question = database.query(history.query)
        audit = question.audit(cutoffs=1).to_dict()
        model = replace(question.fit(time_limit=time_limit, model="trees"), home=None)
    registry.add("model", model, audit=audit)
    told: list[Upkeep] = []
    for step in range(history.steps):
        start = parse_instant(history.start) + round(step * history.days * DAY)
        for part in range(history.writes):
            clock.at = start + round(part * history.days * DAY / history.writes)
            cut(folder, schema, clock.at, place)
            if part:
                write(registry, "model", place, into=into, explain=False)
                continue
            every = None if history.every is None else Offset(history.every)
            told.append(keep_up(registry, "model", place, into=into, every=every, explain=False))
            print(f"{format_instant(clock.at)[:10]}  {told[-1].verdict}", flush=True)
            if told[-1].retrained is not None:
                print(f"            {told[-1].retrained.verdict}", flush=True)
    clock.at = parse_instant(history.start) + round(history.steps * history.days * DAY)
    cut(folder, schema, clock.at, place)
    with present(registry, "model", place, threads=1) as database:
        grades = grade(registry, "model", database)
    return registry, grades, told


def differences(registry: Registry, name: str, work: Path, told: list[Upkeep]) -> tuple[int, int, int]:
    """The control: batches looked at, those that come out otherwise with another future, and with another
    past (of the first batch).
    """
    made = {b.run_id: b for b in batches(registry, "model")}
    chosen = [made[u.written.batch.run_id] for u in told if u.written is not None]
    with foretell.connect(DATA / name, threads=1) as database:
        schema = database.schema
    changed = sum(differs(registry, b, schema, name, work, b.made) for b in chosen)
    past = sum(differs(registry, b, schema, name, work, b.cutoff - 10 * INJECTED) for b in chosen[:1])
    return len(chosen), changed, past


def differs(registry: Registry, batch: Batch, schema: Schema, name: str, work: Path, after: Instant) -> bool:
    """Whether a batch comes out otherwise on the whole database with made-up rows after an instant."""
    model = registry.load(f"model@{batch.version}")
    place = cut(DATA / name, schema, None, work / "whole.duckdb")
    inject(place, [schema.table(t) for t in counted_tables(model.task)], after)
    with open_database(place, schema=model.task.schema, now=batch.made, threads=1) as database:
        again = model.predict(database, as_of=batch.cutoff, baseline=True).table
    kept = predictions_of(registry, batch)
    shared = [c for c in again.column_names if c in kept.column_names]
    keys = [(c, "ascending") for c in shared]
    return (
        not kept.select(shared)
        .sort_by(keys)
        .equals(again.select(shared).sort_by(keys).cast(kept.select(shared).schema))
    )


def by_step(grades: Grades, history: History) -> list[tuple[Point, int, int, int]]:
    """A point for each step: scores of its batches, each weighing as its rows; the rows, the versions."""
    start, length = parse_instant(history.start), round(history.days * DAY)
    held: dict[int, list[Grade]] = {}
    for g in grades.graded:
        held.setdefault(max(0, (g.cutoff + length // 10 - start) // length), []).append(g)
    out = []
    for part in held.values():
        known = [g for g in part if not np.isnan(g.score.value)]
        if not known:
            continue
        weights = np.array([g.labelled for g in known], dtype=float)

        def mean(values: list[float], weights: np.ndarray = weights) -> float:
            return float(np.average(values, weights=weights))

        rule = mean([g.baseline.value if g.baseline is not None else float("nan") for g in known])
        value = mean([g.score.value for g in known])
        low, high = (
            (known[0].score.low, known[0].score.high) if len(known) == 1 else (float("nan"), float("nan"))
        )
        out.append(
            (
                Point(known[0].cutoff, value, low, high, rule),
                int(weights.sum()),
                part[0].version,
                part[-1].version,
            )
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(HISTORIES))
    parser.add_argument("--time-limit", type=float, default=12.0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.names:
        history = HISTORIES[name]
        print(f"\n{name}: {history.query}", flush=True)
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
            registry, grades, told = replay(name, history, given.time_limit, Path(folder))
            points = by_step(grades, history)
            metric = grades.graded[-1].score.metric
            print(f"| step from | version | rows graded | {metric} | simple rule |\n|---|---|--:|--:|--:|")
            for point, rows, first, last in points:
                versions = f"@{first}" if first == last else f"@{first} … @{last}"
                when = format_instant(point.at)[:10]
                print(f"| {when} | {versions} | {rows:,} | {point.value:.4g} | {point.rule:.4g} |")
            looked, changed, past = differences(registry, name, Path(folder), told)
            outcomes = [u.retrained.outcome.value for u in told if u.retrained is not None]
            print(f"retraining: {', '.join(outcomes)}")
            print(f"faults: {sum(len(u.faults) for u in told)} in {len(told)} runs")
            print(f"batches that change with the future: {changed} of {looked}; with the past: {past} of 1")
            marks = [
                (e.at, f"@{e.version}")
                for e in registry.history("model")
                if e.action in ("promoted", "rolled back")
            ]
            title = f"{name}: realised {metric}"
            plot = scores_plot([p for p, *_ in points], title, marks)
            (given.out / f"replay-{name}.svg").write_text(svg(plot))
            report = {
                "query": history.query,
                "grades": [g.to_dict() | {"segments": [], "bins": []} for g in grades.graded],
                "retraining": [u.retrained.verdict for u in told if u.retrained is not None],
                "monitoring": [u.seen.verdict for u in told if u.seen is not None],
                "changed_by_future": changed,
                "changed_by_past": past,
            }
            (given.out / f"replay-{name}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
