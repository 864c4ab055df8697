"""What every measured script shares: its arguments, its stopwatch, and the report it leaves.

A script runs in a process of its own and in its tool's own environment, so this needs Python and numpy
alone. CPU seconds are those of the process and of all its descendants, read from /proc: Linux only.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from job import sample

_ADOPT = 36  # prctl's PR_SET_CHILD_SUBREAPER: a descendant whose parent ends becomes a child of this process
_TICK = os.sysconf("SC_CLK_TCK")


class Run:
    """One measured run: `with run.stage("load"): …`, then `run.finish(…)`."""

    def __init__(self, description: str, **options: Any) -> None:
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--tables", type=Path, required=True, help="folder made by generate.py")
        parser.add_argument("--rows", type=Path, required=True, help="Parquet of customer_id, cutoff")
        parser.add_argument("--report", type=Path, required=True, help="where the JSON report goes")
        parser.add_argument("--scratch", type=Path, required=True, help="an empty folder for temporary files")
        parser.add_argument("--threads", type=int, default=4)
        for name, settings in options.items():
            parser.add_argument(f"--{name}", **settings)
        self.asked = parser.parse_args()
        self.threads: int = self.asked.threads
        self.stages: dict[str, list[dict[str, float]]] = {}
        ctypes.CDLL(None).prctl(_ADOPT, 1, 0, 0, 0)

    def table(self, name: str) -> Path:
        return Path(self.asked.tables) / f"{name}.parquet"

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage: `seconds` by the clock and `cpu` seconds. A name used again is another repetition."""
        cpu, began = cpu_seconds(), time.perf_counter()
        yield
        seconds = time.perf_counter() - began
        self.note(name, seconds, cpu_seconds() - cpu)

    def note(self, name: str, seconds: float, cpu: float = 0.0) -> None:
        self.stages.setdefault(name, []).append({"seconds": round(seconds, 4), "cpu": round(cpu, 3)})
        print(f"{name}: {seconds:.3f} s, CPU {cpu:.2f} s", flush=True)

    def finish(
        self,
        *,
        rows: int,
        features: int,
        total: tuple[str, ...],
        packages: tuple[str, ...] = (),
        values: Mapping[str, np.ndarray] | None = None,
        **more: Any,
    ) -> None:
        """Write the report; `total` names the stages that make up the job, `values` are whole columns.

        Of the values the sampled rows are kept beside the report, for the comparison between tools.
        """
        report = {
            "rows": rows,
            "features": features,
            "total": list(total),
            "stages": self.stages,
            "versions": {p: version(p) for p in packages} | {"python": sys.version.split()[0]},
            **more,
        }
        if values is not None:
            at = sample(rows)
            kept = {n: np.asarray(v, dtype=np.float64)[at] for n, v in values.items()}
            np.savez(self.asked.report.with_suffix(".npz"), **kept)
        self.asked.report.write_text(json.dumps(report))


def cpu_seconds() -> float:
    """User and system seconds of this process, of its live descendants, and of those that have ended."""
    ticks: dict[int, int] = {}
    parents: dict[int, int] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                with open(f"/proc/{entry.name}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            ticks[int(entry.name)] = sum(int(f) for f in fields[11:15])
    mine, new = {os.getpid()}, {os.getpid()}
    while new:
        new = {p for p, parent in parents.items() if parent in new} - mine
        mine |= new
    return sum(ticks[p] for p in mine if p in ticks) / _TICK
