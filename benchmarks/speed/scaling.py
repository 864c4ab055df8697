"""What foretell's run costs against events, windows, columns, cutoffs and labels, one of them at a time.

    python benchmarks/speed/scaling.py [--axis events,windows,…] [--repeat 5] [--size 1.0] …

Prints a Markdown table for each axis and draws them beside the result file (scaling.svg), where the plotting
environment is installed. The other sizes stay at 5 M orders, 1 M clicks, 16,667 customers and 12 cutoffs, all
200,004 rows; `--size 0.01` makes events, customers and rows that much fewer, to try the script. Repetitions
go round all points. After every run the result file is written: the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import HERE, WORK, Job, Limits, Results, machine, markdown, run_once, seconds, stage

BASE = Job(orders=5_000_000, clicks=1_000_000, customers=16_667)
WINDOWS = (
    "all",
    "90,all",
    "30,90,300,all",
    "7,14,30,60,90,180,300,all",
    "7,14,21,28,42,60,75,90,120,150,180,240,300,365,500,all",
)
OWN = 0


@dataclass(frozen=True)
class Point:
    """One point of an axis: its place there, the job, and more arguments for the script."""

    axis: str
    at: float
    name: str
    job: Job
    arguments: tuple[str, ...] = ()


def points() -> list[Point]:
    """Every point, axis by axis."""
    found = []
    for millions in (1, 5, 10, 50):
        # One event in six is a click, as in the whole job.
        clicks = millions * 1_000_000 // 6
        job = replace(BASE, orders=millions * 1_000_000 - clicks, clicks=clicks)
        found.append(Point("events", millions * 1e6, f"{millions} M", job))
    for windows in WINDOWS:
        count = len(windows.split(","))
        found.append(Point("windows", count, str(count), BASE, ("--windows", windows)))
    for columns in (1, 2, 4, 6):
        found.append(Point("columns", columns, str(columns), BASE, ("--columns", str(columns))))
    for cutoffs in (1, 12, 52, 365, OWN):
        # One row for each of 200,000 customers, so that the number of rows stays the same.
        job = replace(BASE, customers=200_000, cutoffs=cutoffs, labels=200_000)
        found.append(Point("cutoffs", cutoffs or job.customers, str(cutoffs or "one each"), job))
    for labels in (10_000, 50_000, 200_000, 1_000_000):
        job = replace(BASE, cutoffs=OWN, labels=labels)
        found.append(Point("labels", labels, f"{labels:,}", job))
    return found


def main() -> None:
    asked = _arguments()
    axes = dict.fromkeys(p.axis for p in points())
    wanted = asked.axis.split(",") if asked.axis else [*axes]
    if unknown := {*wanted} - {*axes}:
        raise SystemExit(f"no axis {', '.join(sorted(unknown))}: expected some of {', '.join(axes)}")
    chosen = [p for p in points() if p.axis in wanted]
    results = Results(asked.result, {"size": asked.size, "threads": asked.threads}, fresh=asked.fresh)
    if not asked.table:
        _run(asked, chosen, results)
    print(_tables([p for p in points() if p.axis in wanted], results))
    _draw(asked)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--axis", help="some of events,windows,columns,cutoffs,labels")
    parser.add_argument("--size", type=float, default=1.0, help="a factor on events, customers and rows")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for one run")
    parser.add_argument("--work", type=Path, default=WORK, help="data, environments, temporary files")
    parser.add_argument("--result", type=Path, default=HERE / "results/scaling.json")
    parser.add_argument("--fresh", action="store_true", help="forget what the result file holds")
    parser.add_argument("--table", action="store_true", help="run nothing, print what the result file holds")
    return parser.parse_args()


def _run(asked: argparse.Namespace, chosen: list[Point], results: Results) -> None:
    results.drop(ended="failed")
    limits = Limits(asked.timeout, 900 * machine()["memory_gb"])
    for again in range(asked.repeat):
        for point in chosen:
            key = {"axis": point.axis, "at": point.at}
            given_up = [r for r in results.find(**key) if r["ended"] != "ok"]
            if results.find(**key, round=again) or given_up:
                continue
            print(f"[{again + 1}/{asked.repeat}] {point.axis} {point.name} …", file=sys.stderr, flush=True)
            job = point.job if asked.size == 1 else point.job.scaled(asked.size)
            record = run_once(
                "run_foretell.py",
                job,
                arguments=point.arguments,
                threads=asked.threads,
                work=asked.work,
                limits=limits,
            )
            results.add(key | {"name": point.name, "round": again} | record)


def _tables(chosen: list[Point], results: Results) -> str:
    said = []
    for axis in dict.fromkeys(p.axis for p in chosen):
        lines = []
        for point in (p for p in chosen if p.axis == axis):
            runs = results.find(axis=axis, at=point.at)
            ended = [r for r in runs if r["ended"] == "ok"]
            if ended:
                lines.append([point.name, *_measured(ended)])
            elif runs:
                lines.append([point.name, f"{runs[0]['ended']}: {runs[0]['said'][:60]}", *[""] * 7])
        head = [
            axis,
            "rows",
            "features",
            "cold, s",
            "of it load",
            "warm, s",
            "kernel, s",
            "CPU, s",
            "peak, MB",
        ]
        said.append(markdown(head, lines))
    return "\n\n".join(said) + "\n"


def _measured(runs: list[dict[str, Any]]) -> list[str]:
    def middle(name: str) -> str:
        found = [t for r in runs if (t := stage(r, name)) is not None]
        return f"{statistics.median(found):.3f}" if found else "–"

    return [
        f"{runs[0]['rows']:,}",
        str(runs[0]["features"]),
        f"{statistics.median(seconds(r) for r in runs):.3f}",
        middle("load"),
        middle("warm"),
        middle("kernel"),
        f"{statistics.median(seconds(r, 'cpu') for r in runs):.2f}",
        f"{statistics.median(r['peak_mb'] for r in runs):.0f}",
    ]


def _draw(asked: argparse.Namespace) -> None:
    python = asked.work / "rivals/plot/bin/python"
    picture = asked.result.with_suffix(".svg")
    if not python.exists():
        print(f"no plot: {python} is not installed (see benchmarks/speed/README.md)", file=sys.stderr)
        return
    subprocess.run([python, HERE / "plot.py", asked.result, picture], check=True)
    print(f"plot: {picture}", file=sys.stderr)


if __name__ == "__main__":
    main()
