"""Planted truth: what is found of five true patterns, and what is claimed where they ended or never were.

    python benchmarks/patterns/planted.py --repeats 40 --rows 8000 80000     # adds to results/planted.jsonl
    python benchmarks/patterns/planted.py --report                           # results/planted.json

Databases are made by `world.py`. A headline is false if its own SQL, run on other draws of the same world
(other customers, days and orders; the same products and patterns), gives on average less than a quarter of
what it claims, or the other side. A pattern is found if a headline names its outcome and its whole group.
Beside it stands the naive way on the same candidates: one look at the early part, each row taken as
independent, Benjamini and Hochberg at 10% over all statements that were looked at.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent))

from world import Planted, World, world

import foretell
from foretell.patterns import search
from foretell.patterns.candidate import Candidate
from foretell.patterns.finding import Kind, Patterns, Status
from foretell.patterns.sheet import Part
from foretell.patterns.statistics import left_out

RESULTS = Path(__file__).parent / "results"
TRUTHS = ("true", "ended", "none")
DRAWS = {8_000: 20, 80_000: 6}
FALSE = 0.25  # of what is claimed
NAIVE = 8  # repeats in which the naive way is judged
TIME_LIMIT = 240  # seconds: so long that a busy machine does not cut the search


def found_in(patterns: Patterns, planted: Planted, status: set[Status]) -> list[bool]:
    """For each planted pattern whether a finding of a status names it."""
    keys = [f.key for f in patterns.findings if f.status in status]

    def named(*parts: str) -> bool:
        return any(all(p in k for p in parts) for k in keys)

    return [
        named(":returned", f"payment={planted.payment}"),
        named(":returned", f"kind={planted.kind}", f"segment={planted.segment}"),
        named(":delivery_days:", "weight"),
        named(":rating:", f"country={planted.country}"),
        named("trend:orders:quantity"),
    ]


def opened(made: World) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    for name, table in made.tables.items():
        connection.register(f"arrow_{name}", table)
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM arrow_{name}")
    return connection


def value(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[float, float]:
    """A finding's value and support by its own SQL; NaN where there is none."""
    row = connection.execute(sql).fetchone()
    return (float("nan"),) * 2 if row is None or row[0] is None else (float(row[0]), float(row[1]))


def is_false(sql: str, claimed: float, null: float, draws: list[duckdb.DuckDBPyConnection]) -> bool:
    held = [value(d, sql)[0] - null for d in draws]
    known = [h for h in held if np.isfinite(h)]
    return not known or float(np.mean(known)) / (claimed - null) < FALSE


def naive(mined: list[tuple[Any, Any]]) -> list[tuple[Candidate, float, float]]:
    """Candidates that one look at the early part would report, with their figures."""
    searched = sum(m.searched for _, m in mined)
    held = []
    for _, found in mined:
        for candidate in found.candidates:
            sample = candidate.sample(Part.EARLY)
            if not len(sample.sums):
                continue
            figure = float(sample.finish(sample.sums.sum(axis=0)))
            variance, _ = left_out(sample, sample.sums)
            if variance > 0:
                p = float(2 * stats.norm.sf(abs(figure - sample.null) / variance**0.5))
                held.append((p, candidate, figure, sample.null))
    held.sort(key=lambda h: h[0])
    passed = [k for k, h in enumerate(held) if h[0] <= 0.1 * (k + 1) / max(1, searched)]
    return [(c, f, n) for _, c, f, n in held[: max(passed, default=-1) + 1]]


def run(truth: str, rows: int, repeat: int) -> dict[str, Any]:
    """One database: what was found, what was claimed falsely, what the naive way would have claimed."""
    made = world(rows, seed=repeat, truth=truth)
    caught: list[list[tuple[Any, Any]]] = []
    confirm = search.confirm

    def spy(mined: list[tuple[Any, Any]], **options: Any) -> Any:
        caught.append(mined)
        return confirm(mined, **options)

    search.confirm = spy
    search.oddities = lambda *_, **__: ()
    search.curves = lambda *_, **__: ()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, table in made.tables.items():
                pq.write_table(table, f"{folder}/{name}.parquet")
            database = foretell.connect(folder)
            start = time.perf_counter()
            patterns = database.patterns(time_limit=TIME_LIMIT)
            seconds = time.perf_counter() - start
            database.close()
    finally:
        search.confirm = confirm
    own = opened(made)
    apart = 0
    for f in patterns.headlines:
        got, support = value(own, f.sql)
        close = abs(got - f.measured.value) <= 1e-6 * max(1.0, abs(got)) and support == f.measured.support
        apart += not close
    draws = [opened(world(rows, seed=repeat, truth=truth, draw=k)) for k in range(1, DRAWS.get(rows, 6) + 1)]
    false = [f for f in patterns.headlines if is_false(f.sql, f.measured.value, f.measured.null, draws)]
    appendix = [
        f for f in patterns.of(Status.APPENDIX) if is_false(f.sql, f.measured.value, f.measured.null, draws)
    ]
    result = {
        "truth": truth,
        "rows": rows,
        "repeat": repeat,
        "seconds": round(seconds, 2),
        "searched": patterns.searched,
        "frozen": patterns.frozen,
        "headlines": len(patterns.headlines),
        "kinds": sorted(f.kind for f in patterns.headlines),
        "appendix": len(patterns.of(Status.APPENDIX)),
        "ended": len(patterns.of(Status.ENDED)),
        "false": [f.sentence for f in false],
        "false_kinds": [f.kind for f in false],
        "false_appendix": len(appendix),
        "not_reproduced": apart,
        "found": found_in(patterns, made.planted, {Status.HEADLINE}),
        "found_or_appendix": found_in(patterns, made.planted, {Status.HEADLINE, Status.APPENDIX}),
    }
    if repeat < NAIVE and caught:
        few = draws[:6]
        told = [x for x in naive(caught[0]) if x[0].kind in (Kind.SUBGROUP, Kind.DRIVER)]
        result["naive"] = len(told)
        result["naive_false"] = sum(is_false(c.sql(), figure, null, few) for c, figure, null in told)
    for connection in (own, *draws):
        connection.close()
    return result


def read() -> Iterator[dict[str, Any]]:
    path = RESULTS / "planted.jsonl"
    if path.exists():
        with path.open() as lines:
            yield from (json.loads(line) for line in lines)


def report() -> dict[str, Any]:
    """What the repeats come to, by rows and truth."""
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for one in read():
        groups.setdefault((one["rows"], one["truth"]), []).append(one)
    out: dict[str, Any] = {}
    for (rows, truth), held in sorted(groups.items()):
        judged = [h for h in held if "naive" in h]
        out[f"{truth} {rows}"] = {
            "repeats": len(held),
            "false headlines per report": round(statistics.mean(len(h["false"]) for h in held), 3),
            "headlines per report": round(statistics.mean(h["headlines"] for h in held), 2),
            "found": round(float(np.mean([h["found"] for h in held])), 3) if truth == "true" else None,
            "found by pattern": np.mean([h["found"] for h in held], axis=0).round(2).tolist()
            if truth == "true"
            else None,
            "found or in the appendix": round(float(np.mean([h["found_or_appendix"] for h in held])), 3)
            if truth == "true"
            else None,
            "appendix per report": round(statistics.mean(h["appendix"] for h in held), 2),
            "false in the appendix": round(statistics.mean(h["false_appendix"] for h in held), 3),
            "ended per report": round(statistics.mean(h["ended"] for h in held), 2),
            "not reproduced by SQL": sum(h["not_reproduced"] for h in held),
            "naive claims per report": round(statistics.mean(h["naive"] for h in judged), 2)
            if judged
            else None,
            "naive false per report": round(statistics.mean(h["naive_false"] for h in judged), 2)
            if judged
            else None,
            "seconds, median": statistics.median(h["seconds"] for h in held),
            "searched, median": statistics.median(h["searched"] for h in held),
            "frozen, median": statistics.median(h["frozen"] for h in held),
            "which were false": sorted(s for h in held for s in h["false"]),
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--rows", type=int, nargs="*", default=[8_000, 80_000])
    parser.add_argument("--truths", nargs="*", default=list(TRUTHS))
    parser.add_argument("--report", action="store_true")
    asked = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    if asked.report:
        told = report()
        (RESULTS / "planted.json").write_text(json.dumps(told, indent=1) + "\n")
        print(json.dumps(told, indent=1))
        return
    done = {(r["truth"], r["rows"], r["repeat"]) for r in read()}
    for rows in asked.rows:
        for repeat in range(asked.first, asked.repeats):
            for truth in asked.truths:
                if (truth, rows, repeat) in done:
                    continue
                result = run(truth, rows, repeat)
                with (RESULTS / "planted.jsonl").open("a") as lines:
                    lines.write(json.dumps(result) + "\n")
                short = {k: result[k] for k in ("truth", "rows", "repeat", "seconds", "headlines")}
                print(short, sum(result["found"]), result["false"], flush=True)


if __name__ == "__main__":
    main()
