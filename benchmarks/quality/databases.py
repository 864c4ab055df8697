"""The development databases' queries from end to end: lift over the best simple rule, calibration, cost, and
rivals on the same rows.

    python benchmarks/quality/databases.py [database | database.query ...] [--time-limit 30] [--model auto]
        [--rivals featuretools,autogluon,getml] [--rival-limit 200] [--flat-limit 60]
        [--threads 2] [--resume] [--list] [--table]

Each query of ../labels/queries.toml that can be learned runs in a process of its own, from the raw folder and
without configuration: connect, check, backtest (on the last fifth of the rows), as `foretell ask` does.
Printed are the metric on rows that the model had not seen, the best simple rule's (chosen on those very rows,
to the rule's favour), the lift with its 95% interval, the calibration error or the coverage of the 80%
interval with its lowest and highest time slice, seconds for everything and peak memory.

A rival learns from the same training and validation rows, predicts the same test rows, and has at least the
time that foretell takes (see rivals/README.md, which also says how they are installed). Its line tells by how
much foretell leads, with the interval of a paired bootstrap of entities. The result file is written after
every step: `--resume` goes on where a run was cut off. What a rival predicted is kept under FORETELL_RIVALS
and taken again as long as its rows are the same. rel-f1 has its own script, relbench.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[1:1] = [str(HERE / "rivals"), str(ROOT / "benchmarks/speed")]

from figures import heading, lines, markdown, summary  # noqa: E402
from judge import judge  # noqa: E402
from meter import measure  # noqa: E402

DATA = Path(os.environ.get("FORETELL_DATA", ROOT / "../shared/data")).resolve()
WORK = Path(os.environ.get("FORETELL_RIVALS", Path(tempfile.gettempdir()) / "foretell-rivals"))
"""Rivals' environments, the jobs they were given, what they predicted."""
QUERIES = ROOT / "benchmarks/labels/queries.toml"
RIVALS = ("featuretools", "autogluon", "getml")
FLAT = ("autogluon",)
"""Rivals that learn from foretell's features. What they predict is theirs as long as those are the same."""
ELSEWHERE = ("rel-f1",)
SLOWEST = 900.0  # seconds that foretell may take for a query before it is given up
GRACE, START = 4.0, 60.0  # a rival is stopped after so many times its limit, and seconds to start
MOST_MB = 12_000.0


class Run:
    """What was asked, and the result file."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.path: Path = given.result
        self.about = {
            "time_limit": given.time_limit,
            "model": given.model,
            "rival_limit": given.rival_limit,
            "flat_limit": given.flat_limit,
            "threads": given.threads,
            "seed": given.seed,
        }
        self.records: dict[str, dict[str, Any]] = {}
        if (given.resume or given.table) and self.path.exists():
            held = json.loads(self.path.read_text())
            if held["about"] != self.about and not given.table:
                raise SystemExit(f"{self.path} was made with {held['about']}: name another --result")
            self.about, self.records = held["about"], held["queries"]

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps({"about": self.about, "queries": self.records}, indent=1) + "\n")
        part.replace(self.path)

    def ours(self, name: str, text: str) -> dict[str, Any]:
        """One query by foretell, in a process of its own: its peak memory is its own."""
        if self.given.rivals:
            place = WORK / "jobs" / name
            place.mkdir(parents=True, exist_ok=True)
            return self._ours_in(place, name, text)
        with tempfile.TemporaryDirectory() as folder:
            return self._ours_in(Path(folder), name, text)

    def _ours_in(self, place: Path, name: str, text: str) -> dict[str, Any]:
        given = self.given
        (place / "report.json").unlink(missing_ok=True)
        command = [sys.executable, HERE / "rivals/run_foretell.py", "--out", place, "--query", text]
        command += ["--database", DATA / name.partition(".")[0], "--time-limit", str(given.time_limit)]
        command += ["--model", given.model]
        command += ["--threads", str(given.threads), "--seed", str(given.seed)]
        command += ["--export"] if given.rivals else []
        ended = self._measured(command, place / "log.txt", SLOWEST)
        if ended is not None:
            return {"skipped": ended, "failed": True}
        made: dict[str, Any] = json.loads((place / "report.json").read_text())
        return made

    def against(self, name: str, rival: str, job: str) -> dict[str, Any]:
        """A rival on the job that foretell left, judged; what it said of the same job is taken again."""
        given, place = self.given, WORK / "jobs" / name
        out = place / rival
        limit = given.flat_limit if rival in FLAT else given.rival_limit
        if rival in FLAT:
            job += hashlib.sha256((place / "matrix.parquet").read_bytes()).hexdigest()[:16]
        told, asked = out / "asked.json", [job, limit, given.threads, given.seed]
        if not (told.exists() and _is_answered(asked, json.loads(told.read_text()))):
            python = WORK / rival / "bin/python"
            if not python.exists():
                return {"failed": f"not installed: {python} is missing"}
            out.mkdir(exist_ok=True)
            told.unlink(missing_ok=True)
            (out / "report.json").unlink(missing_ok=True)
            command = [python, HERE / f"rivals/run_{rival}.py", "--job", place, "--out", out]
            command += ["--limit", str(limit), "--threads", str(given.threads)]
            command += ["--seed", str(given.seed)]
            ended = self._measured(command, out / "log.txt", GRACE * limit + START, report=out)
            if ended is not None:
                return {"failed": ended}
            told.write_text(json.dumps(asked))
        return {**json.loads((out / "report.json").read_text()), **judge(place, place, out, seed=given.seed)}

    def _measured(
        self, command: list[Any], log: Path, timeout: float, report: Path | None = None
    ) -> str | None:
        """Run a command; why it failed, or None. Its peak memory goes into the report of that folder."""
        found = measure(
            command,
            log=log,
            timeout=timeout,
            most_mb=MOST_MB,
            environment={"OMP_NUM_THREADS": str(self.given.threads)},
        )
        if found.ended != "ok":
            return f"{found.ended} after {found.seconds:.0f} s: {found.said}"
        if report is not None:
            held = json.loads((report / "report.json").read_text())
            held |= {"seconds": found.seconds, "peak_mb": found.peak_mb}
            (report / "report.json").write_text(json.dumps(held))
        return None


def _is_answered(asked: list[Any], held: list[Any]) -> bool:
    """Whether what was made for `held` serves: the same but for the limit, which may have been longer."""
    return [asked[0], *asked[2:]] == [held[0], *held[2:]] and asked[1] <= held[1]


def main() -> None:
    given = _arguments()
    records = tomllib.loads(QUERIES.read_text(encoding="utf-8"))["query"]
    texts = {f"{r['database']}.{r['id']}": r["query"] for r in records if "query" in r}
    chosen = [
        n
        for n in texts
        if n.partition(".")[0] not in ELSEWHERE
        and (not given.names or n in given.names or n.partition(".")[0] in given.names)
    ]
    if given.list:
        print("\n".join(chosen))
        return
    run = Run(given)
    if given.table:
        print(markdown(run.records))
        print(summary(run.records))
        return
    print(heading())
    for name in chosen:
        made = run.records.get(name)
        if made is None or "failed" in made or (given.rivals and "skipped" not in made and "job" not in made):
            made = run.records[name] = run.ours(name, texts[name])
            run.save()
        for rival in given.rivals if "skipped" not in made else ():
            if "lead" not in made.setdefault("rivals", {}).get(rival, {}):
                made["rivals"][rival] = run.against(name, rival, made["job"])
                run.save()
        print(lines(name, made), flush=True)
    print(summary(run.records))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="databases, or database.query")
    parser.add_argument("--time-limit", type=float, default=30.0, help="foretell's, in seconds")
    parser.add_argument("--model", default="auto", help="as `foretell ask --model`")
    parser.add_argument("--rivals", default="", help=f"some of {','.join(RIVALS)}")
    parser.add_argument("--rival-limit", type=float, default=200.0, help="each rival's, in CPU seconds")
    parser.add_argument("--flat-limit", type=float, default=60.0, help="of rivals that get our features")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--result", type=Path, default=HERE / "results/databases.json")
    parser.add_argument("--resume", action="store_true", help="go on where the result file ends")
    parser.add_argument("--list", action="store_true", help="print the queries' names")
    parser.add_argument("--table", action="store_true", help="print the result file as Markdown")
    given = parser.parse_args()
    given.rivals = [r for r in given.rivals.split(",") if r]
    unknown = [r for r in given.rivals if r not in RIVALS]
    if unknown:
        parser.error(f"no rival {unknown[0]!r}: choose from {', '.join(RIVALS)}")
    return given


if __name__ == "__main__":
    main()
