"""How long `patterns` takes on real databases, what it finds, and whether each finding's SQL gives it again.

    python benchmarks/patterns/databases.py [database …] [--data FOLDER] [--time-limit 60]

Reads FORETELL_DATA (default: ../shared/data beside the project): one folder per database, opened without any
configuration, on two threads. The SQL of every finding, confirmed or not, is run on the database as it was
opened. Writes results/databases.json; exits with 1 where a figure does not come again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import foretell
from foretell.patterns.finding import Finding, Status

DATA = Path(os.environ.get("FORETELL_DATA", Path(__file__).parents[2] / "../shared/data"))
RESULTS = Path(__file__).with_name("results") / "databases.json"
DATABASES = ("retail_uk", "pnwflights14", "beijing_air", "intl_football", "cricket")
TOLERANCE = 1e-6


def main() -> int:
    """Run each database in turn."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("databases", nargs="*", default=list(DATABASES))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--time-limit", type=float, default=60.0)
    asked = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    wrong = 0
    for name in asked.databases:
        results[name] = looked_at(asked.data / name, asked.time_limit)
        told = results[name]
        wrong += len(told["not_reproduced"])
        print(
            f"{name:14} {told['seconds']:6.1f} s, CPU {told['cpu_seconds']:.0f} s, load {told['load']:.0f}; "
            f"{told['searched']:>9,} looked at, {told['frozen']} frozen, {told['headlines']} headlines; "
            f"{told['reproduced']} of {told['findings']} come again by SQL"
        )
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    return 1 if wrong else 0


def looked_at(folder: Path, time_limit: float) -> dict[str, Any]:
    """One database: what `patterns` took, its headlines, and what did not come again.

    `load` is the machine's meanwhile, whoever else works on it.
    """
    start = time.perf_counter()
    with foretell.connect(str(folder), threads=2) as database:
        opened = time.perf_counter() - start
        start, busy = time.perf_counter(), time.process_time()
        told = database.patterns(time_limit=time_limit)
        seconds, cpu = time.perf_counter() - start, time.process_time() - busy
        cursor = database.opened.store.cursor()
        failed = [f.key for f in told.findings if not comes_again(cursor, f)]
    return {
        "opened": round(opened, 1),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "load": round(os.getloadavg()[0], 1),
        "searched": told.searched,
        "frozen": told.frozen,
        "headlines": len(told.headlines),
        "by_status": {s.value: len(told.of(s)) for s in Status},
        "findings": len(told.findings),
        "reproduced": len(told.findings) - len(failed),
        "not_reproduced": failed,
        "sentences": [f.sentence for f in told.headlines],
    }


def comes_again(cursor: Any, found: Finding) -> bool:
    """Whether the finding's SQL gives its figure and its support."""
    value, support = cursor.execute(found.sql).fetchone()
    if math.isnan(found.measured.value):
        return (value is None or math.isnan(value)) and support == found.measured.support
    close = math.isclose(value, found.measured.value, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return close and support == found.measured.support


if __name__ == "__main__":
    sys.exit(main())
