"""Predictions written while the writer is killed, the connection is cut, or the disk is full.

After each fault a run must be there whole or not at all; writing it again must make it whole, and once more
must change nothing. The control writes the same rows without a transaction, and must be caught.

    python benchmarks/faults/writeback.py sqlite duckdb files postgres mysql --faults 300
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent))

from places import COMMIT, PLACES, InFolder, Place, proxied

from foretell.core.errors import WriteError
from foretell.sinks import duckdb, files, mysql, postgres, sqlite, tables
from foretell.sinks.base import Column, Run, Sink

TO = "predictions"
BLOCKS = 30_000  # bytes that small files take beyond what they hold
DISK = 24_000_000  # bytes of a disk that is mounted to be filled
CUTOFF = 1_700_000_000_000_000
FRESH = 5
"""A place is left after so many faults, so that tables are often being made when the fault comes."""
COLUMNS = (
    Column("id", pa.int64(), key=True),
    Column("cutoff", pa.timestamp("us")),
    Column("probability", pa.float64()),
    Column("reasons", pa.string()),
)


@dataclass
class Report:
    """What came of the faults: how the writer was left, and what was found. All of `bad` must be 0."""

    kind: str
    fault: str
    faults: int = 0
    interrupted: int = 0  # the writer did not say that it was done
    found_whole: int = 0  # of these, how often all rows were there nevertheless
    reconnected: int = 0  # writes that went on after a cut
    looked_up: int = 0  # of these, how often the run was there: the answer to COMMIT had been lost
    partial: int = 0
    duplicates: int = 0
    lost: int = 0  # the writer said that it was done, and the run is not there
    not_mended: int = 0  # writing again did not make it whole
    not_idle: int = 0  # writing once more was not a no-op
    errors: list[str] = field(default_factory=list)
    pace: float = 1.0

    @property
    def bad(self) -> int:
        return self.partial + self.duplicates + self.lost + self.not_mended + self.not_idle


def rows(count: int) -> pa.Table:
    """Predictions of so many entities."""
    generator = np.random.default_rng(0)
    return pa.table(
        {
            "id": pa.array(np.arange(count)),
            "cutoff": pa.array(np.full(count, CUTOFF)).cast(pa.timestamp("us")),
            "probability": pa.array(generator.random(count)),
            "reasons": pa.array([f'["reason {i}, with \\"quotes\\" and ünïcode 🍺"]' for i in range(count)]),
        }
    )


def a_run(number: int, count: int) -> Run:
    """A run of so many rows; those of later numbers are of later cutoffs."""
    return Run(f"{number:032x}", "churn", 1, "ab" * 32, "PREDICT …", CUTOFF + number, "data", count, CUTOFF)


def battery(
    kind: str, fault: str, *, faults: int, seed: int = 0, size: int = 2_000, careless: bool = False
) -> Report:
    """Write under so many faults, and look at what is left after each."""
    report, table, dice = Report(kind, fault), rows(size), random.Random(seed)
    place: Place | None = None
    cost = 0.0
    try:
        with without_transactions() if careless else _as_it_is():
            for number in range(faults):
                if place is None or number % FRESH == 0:
                    if place is not None:
                        place.close()
                    place = PLACES[kind]()
                    cost = cost or _cost(fault, table)(kind)
                _one(report, fault, place, a_run(number + 1, size), table, dice, cost)
    finally:
        if place is not None:
            place.close()
    return report


def _one(
    report: Report, fault: str, place: Place, run: Run, table: pa.Table, dice: random.Random, cost: float
) -> None:
    report.faults += 1
    try:
        done = FAULTS[fault](place, run, table, dice, cost, report)
    except PermissionError:
        report.faults -= 1  # left out: it takes root
        return
    found, keys, records = _look(place, run)
    whole = (found, keys, records) == (run.rows, run.rows, 1)
    report.interrupted += not done
    report.found_whole += whole and not done
    report.duplicates += found > keys or records > 1
    report.partial += not whole and (found, records) != (0, 0)
    report.lost += done and not whole
    try:
        place.sink().write(TO, run, COLUMNS, table)
        mended = _look(place, run) == (run.rows, run.rows, 1)
        report.not_mended += not mended
        again = place.sink().write(TO, run, COLUMNS, table)
        report.not_idle += mended and (again or _look(place, run) != (run.rows, run.rows, 1))
    except WriteError as error:
        report.not_mended += 1
        report.errors.append(str(error)[:200])


def _look(place: Place, run: Run) -> tuple[int, int, int]:
    return place.state(TO, run.run_id)


# ── faults: each tells whether the writer said that it was done ──


def killed(place: Place, run: Run, table: pa.Table, dice: random.Random, cost: float, report: Report) -> bool:
    """SIGKILL at a random moment of a write. What a write takes is learned on the way: machines are busy."""
    after = dice.uniform(0, cost * report.pace)
    done = _child(place.sink(), run, table, lambda pid: _kill(pid, after))
    report.pace = min(max(report.pace * (0.7 if done else 1.1), 0.02), 2.0)
    return done


def full(place: Place, run: Run, table: pa.Table, dice: random.Random, cost: float, report: Report) -> bool:
    """No file may grow beyond a size that the write may or may not need: EFBIG from there on, like ENOSPC."""
    folder: Path = place.folder  # type: ignore[attr-defined]
    there = max((f.stat().st_size for f in folder.rglob("*") if f.is_file()), default=0)
    share = dice.uniform(0, 1.3) if dice.random() < 0.5 else dice.random() * dice.random()
    limit = int((there if dice.random() < 0.5 else 0) + share * cost)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    return _child(place.sink(), run, table, lambda pid: None, limited)


def cut(place: Place, run: Run, table: pa.Table, dice: random.Random, cost: float, report: Report) -> bool:
    """The connection goes at a random byte; in every third case with the answer to COMMIT."""
    assert place.server is not None
    after = COMMIT if report.faults % 3 == 1 else dice.randint(0, int(cost))
    with proxied(place.server, after) as proxy:
        try:
            place.sink(proxy.port).write(TO, run, COLUMNS, table)
        except WriteError:
            return False
        finally:
            report.reconnected += proxy.connections > 1
            report.looked_up += proxy.connections > 1 and proxy.passed_later < cost / 4
    return True


def no_room(
    place: Place, run: Run, table: pa.Table, dice: random.Random, cost: float, report: Report
) -> bool:
    """A real disk, filled but for what the write may or may not need; the rest is free again afterwards."""
    assert isinstance(place, InFolder)
    place.mount(DISK)
    filler = place.folder / "filler"
    rest = dice.uniform(0, 1.3) * cost if dice.random() < 0.5 else dice.random() * dice.random() * cost
    free = os.statvfs(place.folder).f_bavail * os.statvfs(place.folder).f_bsize
    filler.write_bytes(bytes(max(0, free - int(rest + dice.random() * BLOCKS))))
    try:
        return _child(place.sink(), run, table, lambda pid: None)
    finally:
        filler.unlink()


FAULTS: dict[str, Callable[..., bool]] = {"kill": killed, "full": full, "room": no_room, "cut": cut}
FOR = {
    "sqlite": ("kill", "full", "room"),
    "duckdb": ("kill", "full", "room"),
    "files": ("kill", "full", "room"),
    "postgres": ("kill", "cut"),
    "mysql": ("kill", "cut"),
}


def _cost(fault: str, table: pa.Table) -> Callable[[str], float]:
    """What a write takes undisturbed: seconds, bytes on disk, or bytes on the wire."""

    def measured(kind: str) -> float:
        place = PLACES[kind]()
        try:
            if fault == "cut":
                assert place.server is not None
                with proxied(place.server, None) as proxy:
                    place.sink(proxy.port).write(TO, a_run(0, table.num_rows), COLUMNS, table)
                return float(proxy.passed)
            started = time.monotonic()
            _child(place.sink(), a_run(0, table.num_rows), table, lambda pid: None)
            took = time.monotonic() - started
            if fault == "kill":
                return took
            folder: Path = place.folder  # type: ignore[attr-defined]
            return float(max(f.stat().st_size for f in folder.rglob("*") if f.is_file()))
        finally:
            place.close()

    return measured


def _child(
    sink: Sink,
    run: Run,
    table: pa.Table,
    meanwhile: Callable[[int], None],
    before: Callable[[], None] = lambda: None,
) -> bool:
    """Write in a child process; whether it ended well."""
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(ready)
            before()
            os.write(tell, b"x")
            sink.write(TO, run, COLUMNS, table)
            code = 0
        except WriteError:
            pass
        finally:
            os._exit(code)
    os.close(tell)
    os.read(ready, 1)
    os.close(ready)
    meanwhile(pid)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) == 0


def _kill(pid: int, after: float) -> None:
    time.sleep(after)
    os.kill(pid, signal.SIGKILL)


# ── the control ──


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def without_transactions() -> Iterator[None]:
    """Sinks that write the same statements and commit each by itself; the folder's rows in their place."""

    def nothing(*_: Any) -> None:
        pass

    def autocommit(session: Any, to: str) -> None:
        session._connection.autocommit = True
        session._schema = session.rows("SELECT current_schema()")[0][0]

    def in_place(folder: Path, run: Run, columns: Any, table: pa.Table) -> bool:
        place = folder / f"run_id={run.run_id}"
        if (place / files.RECORD).exists():
            return False
        place.mkdir(exist_ok=True)
        for part in range(0, table.num_rows, 100):
            with (place / f"part-{part}.parquet").open("wb") as file:
                files._rows(file, run, columns, table.slice(part, 100))
        files._write(place / files.RECORD, asdict(run))
        return True

    def apart(session: Any, to: str, columns: Any, parts: Any) -> None:
        for part in parts:
            copy(session, to, columns, iter([part]))

    def in_turns(session: Any, to: str, columns: Any, parts: Any) -> None:
        for part in parts:
            session.rows("BEGIN")
            insert(session, to, columns, iter([part]))
            session.rows("COMMIT")

    copy, insert = postgres._Session.append, sqlite._Session.append
    changed: list[tuple[Any, str, Any]] = [
        (sqlite._Session, "begin", nothing),
        (sqlite._Session, "commit", nothing),
        (sqlite._Session, "append", in_turns),
        (duckdb._Session, "begin", nothing),
        (duckdb._Session, "commit", nothing),
        (duckdb._Session, "rollback", nothing),
        (postgres._Session, "begin", autocommit),
        (mysql._Session, "start", nothing),
        (files, "_put", in_place),
        (files, "_point", nothing),
        (postgres._Session, "append", apart),
        (tables, "whole", partial(tables.whole, size=100)),
    ]
    before = [(where, name, getattr(where, name)) for where, name, _ in changed]
    for where, name, new in changed:
        setattr(where, name, new)
    try:
        yield
    finally:
        for where, name, old in before:
            setattr(where, name, old)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=list(FOR))
    parser.add_argument("--faults", type=int, default=300, help="of each kind of place, all faults together")
    parser.add_argument("--control", type=int, default=30, help="faults of the writer without transactions")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    failed = False
    for kind in asked.kinds:
        for fault in FOR[kind]:
            found = battery(kind, fault, faults=asked.faults // len(FOR[kind]), seed=asked.seed)
            print(json.dumps(asdict(found) | {"bad": found.bad}), flush=True)
            failed |= found.bad > 0
        control = battery(kind, FOR[kind][0], faults=asked.control, seed=asked.seed, careless=True)
        told = asdict(control) | {"errors": len(control.errors), "bad": control.bad, "control": True}
        print(json.dumps(told), flush=True)
        failed |= control.bad == 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
