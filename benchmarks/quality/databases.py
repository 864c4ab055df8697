"""The development databases' queries from end to end: lift over the best simple rule, calibration, cost.

    python benchmarks/quality/databases.py [database | database.query ...] [--time-limit 30] [--list]

Each query of ../labels/queries.toml that can be learned runs in a process of its own, from the raw folder and
without configuration: connect, check, backtest (on the last fifth of the rows), as `foretell ask` does. It
prints the metric on rows that the model had not seen, the best simple rule's (chosen on those very rows, to
the rule's favour), the lift with its 95% interval, the calibration error or the coverage of the 80% interval,
seconds for everything and peak memory. The whole list takes about a quarter of an hour: name a part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("FORETELL_DATA", ROOT / "../shared/data"))
QUERIES = ROOT / "benchmarks/labels/queries.toml"
FEWEST_ROWS = 500
SLOWEST = 900  # seconds that a query may take before it is given up


def measure(database: str, text: str, limit: float, seed: int) -> dict[str, Any]:
    """One query, measured in this process."""
    import foretell
    from foretell.core.errors import ForetellError

    began = time.perf_counter()
    try:
        with foretell.connect(DATA / database, seed=seed) as opened:
            connected = time.perf_counter() - began
            question = opened.query(text)
            checked = question.check()
            if checked.labels.rows < FEWEST_ROWS:
                return {"skipped": f"{checked.labels.rows} rows"}
            found = question.backtest(time_limit=limit).to_dict()
    except ForetellError as error:
        return {"skipped": str(error).splitlines()[0]}
    return {
        "rows": checked.labels.rows,
        "metric": found["metric"],
        "model": found["model"]["value"],
        "rule": found["baselines"][found["best_baseline"]]["value"],
        "best_baseline": found["best_baseline"],
        "lift": [found["lift"][k] for k in ("value", "low", "high")],
        "ece": found["ece"],
        "coverage": found["coverage"],
        "beats": found["beats_baseline"],
        "connect": connected,
        "seconds": time.perf_counter() - began,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def apart(name: str, limit: float, seed: int) -> dict[str, Any]:
    """One query, measured in a process of its own: its peak memory is its own."""
    command = [sys.executable, __file__, "--one", name, "--time-limit", str(limit), "--seed", str(seed)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SLOWEST, check=False)
    except subprocess.TimeoutExpired:
        return {"skipped": f"more than {SLOWEST} seconds"}
    if done.returncode:
        return {"skipped": (done.stderr.strip().splitlines() or ["it failed"])[-1]}
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def line(name: str, made: dict[str, Any]) -> str:
    if "skipped" in made:
        return f"{name:34}  {made['skipped']}"
    low, high = (f"{v:+.4g}" if v is not None else "?" for v in made["lift"][1:])
    sure = made["ece"] if made["ece"] is not None else made["coverage"]
    held = "-" if sure is None else f"{sure:.3f}"
    return (
        f"{name:34}{made['rows']:9,}  {made['metric']:9}{made['model']:9.4g}{made['rule']:9.4g} "
        f"{made['best_baseline']:15}{made['lift'][0]:+9.4g} [{low}, {high}]".ljust(115)
        + f"{held:>7}{made['seconds']:8.1f}{made['peak_mb']:8,.0f}{'' if made['beats'] else '  not better'}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="databases, or database.query")
    parser.add_argument("--time-limit", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    records = tomllib.loads(QUERIES.read_text(encoding="utf-8"))["query"]
    texts = {f"{r['database']}.{r['id']}": r["query"] for r in records if "query" in r}
    if given.one:
        database = given.one.partition(".")[0]
        print(json.dumps(measure(database, texts[given.one], given.time_limit, given.seed)))
        return
    chosen = [n for n in texts if not given.names or n in given.names or n.partition(".")[0] in given.names]
    if given.list:
        print("\n".join(chosen))
        return
    head = f"{'query':34}{'rows':>9}  {'metric':9}{'model':>9}{'rule':>9} {'best rule':15}{'lift':>9}"
    print(f"{head} 95% interval".ljust(115) + f"{'ece/cov':>7}{'seconds':>8}{'MB':>8}")
    for name in chosen:
        print(line(name, apart(name, given.time_limit, given.seed)), flush=True)


if __name__ == "__main__":
    main()
