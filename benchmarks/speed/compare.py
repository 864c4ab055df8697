"""foretell and its rivals on the same job, in turn, each run in a process of its own.

    python benchmarks/speed/compare.py [--only foretell,filter,…] [--orders 5000000] [--repeat 5] …

Prints a Markdown table: time, CPU seconds, peak memory, features, and the ratios to foretell and to the
floor of the machine (medians of the repetitions, which go round all tools). The values of the features that
several tools compute are compared on sampled rows; where they differ the comparison is void, and the exit
status 1. After every run the result file is written: the same command again goes on where it was cut off. A
tool that is too slow for the whole job gets a part of it with --scale, and is compared with foretell on
that part.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench import HERE, WORK, Job, Limits, Results, machine, markdown, run_once, seconds, stage
from job import WINDOWS, wanted

BASE = "foretell"
CLOSE = 1e-5  # relative; single precision holds seven digits
EXTRAS = {"warm": "again on the open engine", "kernel": "the kernel alone", "fresh": "into new memory"}
"""Further stages that have a line of their own."""


@dataclass(frozen=True)
class Tool:
    """What runs: a script, the rival's environment (none: this one), more arguments, what it is."""

    script: str
    what: str
    environment: str = ""
    arguments: tuple[str, ...] = ()
    scale: float = 1.0


TOOLS = {
    "floor": Tool("run_floor.py", "read once, write once"),
    BASE: Tool("run_foretell.py", "from Parquet, store build included"),
    "cached": Tool(
        "run_foretell.py",
        "foretell, from the copy that an earlier run cached",
        "",
        ("--cache", "{work}/cache", "--warm", "0"),
    ),
    "duckdb": Tool(
        "run_foretell.py", "foretell's ring SQL in DuckDB", "", ("--engine", "duckdb", "--warm", "0")
    ),
    "filter": Tool("run_filter.py", "joins with FILTER in DuckDB", scale=0.1),
    "featuretools": Tool("run_featuretools.py", "native primitives", "featuretools"),
    "featuretools-jobs": Tool(
        "run_featuretools.py",
        "native primitives, a process per core",
        "featuretools",
        ("--jobs", "{threads}"),
    ),
    "featuretools-all": Tool(
        "run_featuretools.py", "Python primitives too", "featuretools", ("--primitives", "all"), 0.01
    ),
    "getml": Tool("run_getml.py", "FastProp, load and transform", "getml"),
    "fastdfs": Tool("run_fastdfs.py", "all history alone", "fastdfs", scale=0.1),
}


def main() -> None:
    asked = _arguments()
    tools = _chosen(asked)
    job = Job(
        asked.orders, asked.clicks, asked.customers or asked.orders // 300, asked.cutoffs, seed=asked.seed
    )
    about = {**vars(job), "threads": asked.threads}
    results = Results(asked.result, about, fresh=asked.fresh)
    if not asked.table:
        _run(asked, job, tools, results)
    shown = {k: t for k, t in tools.items() if results.find(tool=k[0], scale=k[1])}
    print(_heading(results))
    print(_table(shown, results))
    print(_gates(results))
    void = _agreement(results, shown)
    sys.exit(1 if void else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=5_000_000)
    parser.add_argument("--clicks", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, help="default: one for 300 orders")
    parser.add_argument("--cutoffs", type=int, default=12, help="each customer is a row at each of them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", help=f"some of {','.join(TOOLS)}")
    parser.add_argument(
        "--scale", action="append", default=[], metavar="TOOL=PART", help="such as filter=0.05"
    )
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for one run")
    parser.add_argument("--memory", type=float, help="GB for one run; default: nine tenths of the machine's")
    parser.add_argument("--work", type=Path, default=WORK, help="data, rivals, temporary files")
    parser.add_argument("--result", type=Path, default=HERE / "results/compare.json")
    parser.add_argument("--fresh", action="store_true", help="forget what the result file holds")
    parser.add_argument("--table", action="store_true", help="run nothing, print what the result file holds")
    return parser.parse_args()


Key = tuple[str, float]
"""A tool on a part of the job."""


def _chosen(asked: argparse.Namespace) -> dict[Key, Tool]:
    """The tools asked for, and foretell (and the floor) on every part of the job that one of them gets."""
    names = asked.only.split(",") if asked.only else [*TOOLS]
    scales = dict(s.split("=") for s in asked.scale)
    for name in (*names, *scales):
        if name not in TOOLS:
            raise SystemExit(f"no tool {name!r}: expected some of {', '.join(TOOLS)}")
    chosen: dict[Key, Tool] = {}
    for name, tool in TOOLS.items():
        if name in names:
            scale = float(scales.get(name, tool.scale))
            if name not in ("floor", BASE):
                chosen.setdefault((BASE, scale), TOOLS[BASE])
            chosen[name, scale] = tool
    return chosen


def _run(asked: argparse.Namespace, job: Job, tools: dict[Key, Tool], results: Results) -> None:
    results.drop(ended="failed")
    memory = asked.memory or 0.9 * machine()["memory_gb"]
    limits = Limits(asked.timeout, memory * 1000)
    for again in range(asked.repeat):
        for (name, scale), tool in tools.items():
            key = {"tool": name, "scale": scale}
            given_up = [r for r in results.find(**key) if r["ended"] != "ok"]
            if results.find(**key, round=again) or given_up:
                continue
            python: Path | str = sys.executable
            if tool.environment:
                python = asked.work / "rivals" / tool.environment / "bin/python"
                if not python.exists():
                    results.add(
                        key | {"round": again, "ended": "failed", "said": f"not installed in {python}"}
                    )
                    continue
            print(
                f"[{again + 1}/{asked.repeat}] {name} on {scale:g} of the job …", file=sys.stderr, flush=True
            )
            record = run_once(
                tool.script,
                job if scale == 1 else job.scaled(scale),
                python=python,
                arguments=[a.format(threads=asked.threads, work=asked.work) for a in tool.arguments],
                threads=asked.threads,
                work=asked.work,
                limits=limits,
                keep=asked.work / "samples" / f"{name}-{scale:g}.npz" if again == 0 else None,
            )
            if again == 0 and record["ended"] == "ok":
                record |= _compared(asked.work, name, scale, empty_is_zero=record.pop("empty_is_zero", False))
            results.add(key | {"round": again} | record)
            print(f"    {_said(record)}", file=sys.stderr, flush=True)


def _said(record: dict[str, Any]) -> str:
    if record["ended"] != "ok":
        return f"{record['ended']}: {record['said']}"
    return f"{seconds(record):.2f} s, {record['peak_mb']:.0f} MB"


def _compared(work: Path, name: str, scale: float, *, empty_is_zero: bool) -> dict[str, Any]:
    """How many features a tool has in common with foretell, and which of them differ on the sampled rows."""
    theirs, ours = (work / "samples" / f"{n}-{scale:g}.npz" for n in (name, BASE))
    if name == BASE or not theirs.exists() or not ours.exists():
        return {}
    compared, differ, worst = 0, [], 0.0
    with np.load(theirs) as found, np.load(ours) as expected:
        for feature in sorted({*found.files} & {*expected.files}):
            a, b = found[feature], expected[feature]
            if empty_is_zero:  # the tool has no word for "no value"
                a = np.where(np.isnan(b) & (a == 0), np.nan, a)
            off = np.where(np.isnan(a) & np.isnan(b), 0.0, np.abs(a - b) / np.maximum(1.0, np.abs(b)))
            compared += 1
            if not np.all(off <= CLOSE):
                differ.append(feature)
            worst = max(worst, float(np.nanmax(off)))
    return {"compared": compared, "worst": float(f"{worst:.2g}"), "differ": differ[:20]}


def _medians(results: Results, name: str, scale: float) -> dict[str, float]:
    """The medians over the rounds of one tool; {} where no round ended well."""
    runs = results.find(tool=name, scale=scale, ended="ok")
    if not runs:
        return {}
    times = [seconds(r) for r in runs]
    found = {
        "seconds": statistics.median(times),
        "fastest": min(times),
        "slowest": max(times),
        "cpu": statistics.median(seconds(r, "cpu") for r in runs),
        "peak": statistics.median(r["peak_mb"] for r in runs),
        "rows": runs[0]["rows"],
        "features": runs[0]["features"],
        "rounds": len(runs),
    }
    for extra in EXTRAS:
        times = [t for r in runs if (t := stage(r, extra)) is not None]
        if times:
            found[extra] = statistics.median(times)
            found[f"{extra} cpu"] = statistics.median(stage(r, extra, "cpu") or 0.0 for r in runs)
    return found


def _heading(results: Results) -> str:
    about, on = results.held["about"], results.held["machine"]
    rounds = max((r["round"] for r in results.runs), default=-1) + 1
    return (
        f"{about['orders']:,} orders, {about['clicks']:,} clicks, {about['customers']:,} customers × "
        f"{about['cutoffs']} cutoffs, {len(wanted())} features over {len(WINDOWS)} windows; "
        f"{about['threads']} threads; medians of {rounds}.\n"
        f"{on['processor']}, {on['cores']} cores, {on['memory_gb']} GB, {on['system']}, "
        f"Python {on['python']}, commit {on['commit']}\n"
    )


def _table(tools: dict[Key, Tool], results: Results) -> str:
    head = [
        "tool",
        "part",
        "rows",
        "features",
        "time, s",
        "range",
        "CPU, s",
        "peak, MB",
        "× foretell",
        "× floor",
        "ns per value",
        "values agree",
    ]
    floor = _medians(results, "floor", 1.0)
    lines: list[list[str]] = []
    for (name, scale), tool in tools.items():
        found, part = _medians(results, name, scale), f"{scale:g}"
        if not found:
            why = next(r for r in results.find(tool=name, scale=scale) if r["ended"] != "ok")
            lines.append([f"{name}: {why['ended']}, {why['said'][:60]}", part, *["–"] * (len(head) - 2)])
            continue
        ours = {} if name == "floor" else _medians(results, BASE, scale)
        against = (found, ours, floor if scale == 1 else {})
        spread = f"{_short(found['fastest'])} – {_short(found['slowest'])}"
        memory, agree = f"{found['peak']:.0f}", _verdict(results, name, scale)
        lines.append([f"{name}: {tool.what}", part, *_line("", spread, memory, *against), agree])
        for extra, what in EXTRAS.items():
            if extra in found:
                lines.append([f"{name}, {what}", part, *_line(extra, "", "", *against), ""])
    return markdown(head, lines) + "\n"


def _line(
    stage: str,
    spread: str,
    memory: str,
    found: dict[str, float],
    ours: dict[str, float],
    floor: dict[str, float],
) -> list[str]:
    """The measured part of a line: of the whole job, or of one further `stage` of it."""
    time, cpu = (found[stage], found[f"{stage} cpu"]) if stage else (found["seconds"], found["cpu"])
    return [
        f"{found['rows']:,.0f}",
        f"{found['features']:.0f}",
        _short(time),
        spread,
        _short(cpu),
        memory,
        f"{time / ours['seconds']:.3g}" if ours else "–",
        f"{time / floor['seconds']:.3g}" if floor else "–",
        f"{time / found['rows'] / found['features'] * 1e9:.3g}",
    ]


def _short(value: float) -> str:
    return f"{value:.4f}" if value < 0.1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _verdict(results: Results, name: str, scale: float) -> str:
    runs = [r for r in results.find(tool=name, scale=scale) if "compared" in r]
    if not runs:
        return ""
    run = runs[0]
    if run["differ"]:
        return f"VOID: {len(run['differ'])} of {run['compared']} differ"
    return f"{run['compared']} of {run['compared']}"


def _gates(results: Results) -> str:
    """What the engine promises of itself, measured here."""
    ours, floor = _medians(results, BASE, 1.0), _medians(results, "floor", 1.0)
    if not ours:
        return ""
    said = []

    def gate(what: str, value: float, sign: str, bound: float) -> None:
        met = value >= bound if sign == "≥" else value <= bound
        said.append([what, f"{value:.3g}", f"{sign} {bound:g}", "met" if met else "not met"])

    gate("features", ours["features"], "≥", 270)
    if floor:
        base = floor["seconds"]
        for extra, name, bound in (
            ("kernel", "kernel", 5),
            ("seconds", "cold run", 15),
            ("warm", "warm run", 6),
        ):
            if extra in ours:
                gate(f"{name} / floor", ours[extra] / base, "≤", bound)
    for rival, bound in (("featuretools", 25), ("getml", 40)):
        for scale in dict.fromkeys(r["scale"] for r in results.find(tool=rival)):
            theirs, same = _medians(results, rival, scale), _medians(results, BASE, scale)
            if theirs and same:
                part = "" if scale == 1 else f", on {scale:g} of the job"
                gate(f"{rival} / cold run{part}", theirs["seconds"] / same["seconds"], "≥", bound)
    return markdown(["gate", "measured", "promised", ""], said) + "\n"


def _agreement(results: Results, tools: dict[Key, Tool]) -> bool:
    """Print what was compared; True where a comparison is void."""
    void = False
    for name, scale in tools:
        for run in results.find(tool=name, scale=scale):
            if run.get("differ"):
                void = True
                print(f"{name}: VOID, its values differ from foretell's: {', '.join(run['differ'])}")
            elif run.get("compared"):
                print(
                    f"{name}: {run['compared']} features compared on sampled rows, worst {run['worst']:.1e}"
                )
    return void


if __name__ == "__main__":
    main()
