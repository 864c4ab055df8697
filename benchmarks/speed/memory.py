"""Does a cap on memory hold? Features over 50 M events from Parquet under `--memory 2GB`, and the peak.

    python benchmarks/speed/memory.py [--memory 2GB] [--events 50000000] [--rows 200000] [--repeat 1]

The peak is of the resident memory of the whole process: Python, libraries, the answer and all. It may be
7.5% above the cap (2.15 GB for 2 GB); exits with 1 where a run fails or goes above that. `--memory none`
measures the same run without a cap.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench import HERE, WORK, Job, Limits, Results, machine, markdown, run_once, seconds

from foretell.core.size import parse_size

ROOM = 1.075


def main() -> None:
    asked = _arguments()
    clicks = asked.events // 6
    job = Job(asked.events - clicks, clicks, asked.customers, labels=asked.rows, seed=asked.seed)
    about = {**vars(job), "threads": asked.threads}
    results = Results(asked.result, about, fresh=asked.fresh)
    results.drop(ended="failed")
    capped = asked.memory.lower() != "none"
    arguments = ["--warm", "0", *(["--memory", asked.memory] if capped else [])]
    limits = Limits(asked.timeout, 900 * machine()["memory_gb"])
    for again in range(asked.repeat):
        key = {"memory": asked.memory, "round": again}
        if not results.find(**key):
            print(f"[{again + 1}/{asked.repeat}] under {asked.memory} …", file=sys.stderr, flush=True)
            record = run_once(
                "run_foretell.py",
                job,
                arguments=arguments,
                threads=asked.threads,
                work=asked.work,
                limits=limits,
            )
            results.add(key | record)
    bound = ROOM * parse_size(asked.memory, "--memory") / 1e6 if capped else float("inf")
    kept = True
    lines = []
    for run in results.runs:
        ended = run["ended"] == "ok"
        size = [run.get("said", "")[:80], "", "", ""]
        if ended:
            size = [
                f"{run['rows']:,}",
                str(run["features"]),
                *(f"{seconds(run, k):.1f}" for k in ("seconds", "cpu")),
            ]
        lines.append([run["memory"], *size, f"{run['peak_mb']:.0f}"])
        kept &= run["memory"] != asked.memory or (ended and run["peak_mb"] <= bound)
    print(f"{job.orders:,} orders, {job.clicks:,} clicks; {asked.threads} threads\n")
    print(markdown(["cap", "rows", "features", "time, s", "CPU, s", "peak, MB"], lines))
    if capped:
        print(f"\nthe cap of {asked.memory} (at most {bound:.0f} MB) is {'kept' if kept else 'NOT kept'}")
    sys.exit(0 if kept else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--memory", default="2GB", help="the cap, or none")
    parser.add_argument("--events", type=int, default=50_000_000, help="orders and clicks, five to one")
    parser.add_argument("--customers", type=int, default=166_667)
    parser.add_argument("--rows", type=int, default=200_000, help="rows (customer, cutoff), over 12 cutoffs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for one run")
    parser.add_argument("--work", type=Path, default=WORK, help="data and temporary files")
    parser.add_argument("--result", type=Path, default=HERE / "results/memory.json")
    parser.add_argument("--fresh", action="store_true", help="forget what the result file holds")
    return parser.parse_args()


if __name__ == "__main__":
    main()
