"""What the drivers share: where things are, running one tool once, the result file, the machine."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from generate import generate, rows
from meter import measure

HERE = Path(__file__).parent
WORK = Path(os.environ.get("FORETELL_SPEED", Path(tempfile.gettempdir()) / "foretell-speed"))
"""Where data, rivals' environments and temporary files go, unless `--work` says otherwise."""


@dataclass(frozen=True)
class Job:
    """One size of the job."""

    orders: int
    clicks: int
    customers: int
    cutoffs: int = 12
    labels: int | None = None
    seed: int = 0

    def scaled(self, by: float) -> Job:
        """The same job on so large a part of the customers, of their events and of the rows."""
        sizes = (max(10, round(n * by)) for n in (self.orders, self.clicks, self.customers))
        labels = None if self.labels is None else max(10, round(self.labels * by))
        return Job(*sizes, cutoffs=self.cutoffs, labels=labels, seed=self.seed)

    def tables(self, work: Path) -> Path:
        """The folder of the job's tables, made if need be."""
        name = f"orders{self.orders}-clicks{self.clicks}-customers{self.customers}-seed{self.seed}"
        folder = work / "data" / name
        return generate(
            folder, orders=self.orders, clicks=self.clicks, customers=self.customers, seed=self.seed
        )

    def rows(self, work: Path) -> Path:
        """The file of the job's rows, made if need be."""
        name = f"rows{self.customers}-cutoffs{self.cutoffs}-labels{self.labels or 'all'}-seed{self.seed}"
        file = work / "data" / f"{name}.parquet"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            made = rows(self.customers, cutoffs=self.cutoffs, labels=self.labels, seed=self.seed)
            pq.write_table(made, file.with_suffix(".part"))
            file.with_suffix(".part").replace(file)
        return file


@dataclass(frozen=True)
class Limits:
    """When a run is given up: after so many seconds, or above so many megabytes."""

    seconds: float
    megabytes: float


def run_once(
    script: str,
    job: Job,
    *,
    python: Path | str = sys.executable,
    arguments: Iterable[str] = (),
    threads: int,
    work: Path,
    limits: Limits,
    keep: Path | None = None,
) -> dict[str, Any]:
    """Run one script on a job in a process of its own: its report, and what was measured from outside.

    `keep` is where the sampled values go.
    """
    tables, given = job.tables(work), job.rows(work)
    for file in (*sorted(tables.glob("*.parquet")), given):
        file.read_bytes()  # every run finds the files in the system's cache
    scratch = work / "scratch" / script
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    report = scratch.with_suffix(".json")
    for old in (report, report.with_suffix(".npz")):
        old.unlink(missing_ok=True)
    places: list[str | Path] = ["--tables", tables, "--rows", given, "--report", report, "--scratch", scratch]
    command = [python, HERE / script, *places, "--threads", str(threads), *arguments]
    load = os.getloadavg()[0]
    found = measure(
        command,
        log=scratch.with_suffix(".log"),
        timeout=limits.seconds,
        most_mb=limits.megabytes,
        environment={"OMP_NUM_THREADS": str(threads), "TMPDIR": str(scratch)},
    )
    shutil.rmtree(scratch, ignore_errors=True)
    if found.ended == "ok" and not report.exists():
        raise SystemExit(f"{script} left no report: see {scratch.with_suffix('.log')}")
    record: dict[str, Any] = {
        "ended": found.ended,
        "wall": round(found.seconds, 2),
        "process_cpu": round(found.cpu, 2),
        "peak_mb": round(found.peak_mb, 1),
        "load_before": round(load, 2),
    }
    if found.ended != "ok":
        return record | {"said": found.said}
    said = json.loads(report.read_text())
    if keep is not None and report.with_suffix(".npz").exists():
        keep.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(report.with_suffix(".npz"), keep)
    return record | said


def seconds(record: dict[str, Any], field: str = "seconds") -> float:
    """What the job took: the first repetition of each stage that makes it up."""
    return float(sum(record["stages"][stage][0][field] for stage in record["total"]))


def stage(record: dict[str, Any], name: str, field: str = "seconds") -> float | None:
    """The median of a stage's repetitions; None where it has none."""
    found = [again[field] for again in record["stages"].get(name, [])]
    return statistics.median(found) if found else None


def machine() -> dict[str, Any]:
    """What the run was made on."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = next(
        line.split()[1]
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal")
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE, check=False
    )
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(memory) / 1e6, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
    }


class Results:
    """A result file: written after every run, so that a run that was cut off goes on where it stopped."""

    def __init__(self, path: Path, about: dict[str, Any], *, fresh: bool) -> None:
        self.path = path
        self.held: dict[str, Any] = {"about": about, "machine": machine(), "runs": []}
        if path.exists() and not fresh:
            found = json.loads(path.read_text())
            if found["about"] != about:
                raise SystemExit(
                    f"{path} holds another job ({found['about']}): name another --result, or --fresh"
                )
            self.held = found

    @property
    def runs(self) -> list[dict[str, Any]]:
        return list(self.held["runs"])

    def find(self, **key: Any) -> list[dict[str, Any]]:
        return [r for r in self.runs if all(r.get(k) == v for k, v in key.items())]

    def add(self, record: dict[str, Any]) -> None:
        self.held["runs"].append(record)
        self.save()

    def drop(self, **key: Any) -> None:
        """Forget the runs of a key, so that they are tried again."""
        self.held["runs"] = [r for r in self.runs if not all(r.get(k) == v for k, v in key.items())]

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        lines = ",\n".join("    " + json.dumps(r) for r in self.held["runs"])
        rest = {k: v for k, v in self.held.items() if k != "runs"}
        head = json.dumps(rest, indent=1).removesuffix("\n}")
        part.write_text(f'{head},\n "runs": [\n{lines}\n ]\n}}\n')
        part.replace(self.path)


def markdown(head: list[str], lines: list[list[str]]) -> str:
    """A table; all columns but the first are aligned right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))
