"""Kill, starve and crowd the registry: nothing corrupt, nothing half, one winner.

    python benchmarks/faults/registry.py                 # the long battery, some minutes
    python benchmarks/faults/registry.py --kills 50 --fits 2 --writes 50 --rounds 20 --json

Each harness is run once more on a registry with a planted fault, which it has to catch.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from forks import Say, Worker, child

from foretell import ForetellError, Registry, RegistryError, UsageError
from foretell.core.time import parse_instant
from foretell.lifecycle import artifacts, registry
from foretell.lifecycle.version import Reference, Version

SIZE = 30_000  # bytes of a version's file: several pages, several writes
LONGEST = 0.05  # seconds until a child is killed
PAUSE = 0.01  # seconds between the two halves of what a planted fault tears apart
ADDED, MOVED = ("added as champion", "added as challenger"), ("promoted", "rolled back")
COUNT = "PREDICT COUNT(orders.*, 0, 14, days) = 0 FOR EACH customers.id"


@dataclass
class Tally:
    """What a harness did, and every fault that it found."""

    harness: str
    runs: int = 0
    struck: int = 0  # runs in which the fault came while something was under way
    changes: int = 0  # changes that were acknowledged
    faults: list[str] = field(default_factory=list)
    also: dict[str, int] = field(default_factory=dict)

    def show(self) -> str:
        also = "".join(f", {v:,} {k}" for k, v in self.also.items())
        return (
            f"{self.harness}: {self.runs:,} runs, {self.struck:,} struck, {self.changes:,} changes"
            f" acknowledged{also}; {len(self.faults):,} faults"
        )


# ── what must hold ──


def faults(folder: Path, *, load: bool = False) -> list[str]:
    """Everything about a registry that cannot be right; a child looks, and loads models where `load`."""
    heard = child(lambda say: [say(f"fault {f}") for f in _faults(folder, load)])
    return [line.removeprefix("fault ") for line in heard.lines]


def _faults(folder: Path, load: bool) -> Iterator[str]:
    with Registry(folder) as held:
        said = [r[0] for r in held.ledger.rows("PRAGMA integrity_check")]
        if said != ["ok"]:
            yield f"SQLite: {said[:3]}"
        if held.ledger.rows("PRAGMA foreign_key_check"):
            yield "a version without its model"
        for name in held.names():
            yield from _faults_of(held, name, load)


def _faults_of(held: Registry, name: str, load: bool) -> Iterator[str]:
    standing, versions, history = held.standing(name), held.versions(name), held.history(name)
    for version in versions:
        try:
            held.load(version.reference) if load else held.artifacts.read(version.sha256)
        except ForetellError as error:
            yield f"{version}: {error.message}"
    there = {v.number for v in versions}
    for number in (standing.champion, standing.challenger):
        if number is not None and number not in there:
            yield f"an alias of {name} leads to version {number}, which is gone"
    added = [e.version for e in history if e.action in ADDED]
    if added != list(range(1, len(added) + 1)):
        yield f"{name}: versions were added as {added[-5:]}"
    pruned = {e.version for e in history if e.action == "pruned"}
    if there | pruned != set(added) or there & pruned:
        yield f"{name}: the audit log and the versions disagree"
    moves = [e for e in history if e.action in (*ADDED, *MOVED)]
    if len(moves) != standing.epoch:
        yield f"{name}: {len(moves)} moves in the audit log, epoch {standing.epoch}"
    champions = [e.version for e in moves if e.action != ADDED[1]]
    if champions and champions[-1] != standing.champion:
        yield f"{name}: champion {standing.champion}, by the audit log {champions[-1]}"


# ── work ──


def step(held: Registry, rng: random.Random) -> str:
    """One change of a registry at random; what was acknowledged."""
    choice = rng.random()
    if choice < 0.5 or "churn" not in held.names():
        data = rng.randbytes(SIZE)
        version = held.add_file("churn", data, {"audit": None, "query": "q"}, reason="made")
        return f"added {version.number}"
    if choice < 0.8:
        version = rng.choice(held.versions("churn"))
        held.promote(version.reference, epoch=held.standing("churn").epoch)
        return f"promoted {version.number}"
    if choice < 0.9:
        with suppress(UsageError):  # no champion to go back to
            return f"rolled back {held.rollback('churn').number}"
        return "nothing"
    held.prune(keep=3)
    return "pruned"


def promised(folder: Path, lines: tuple[str, ...]) -> list[str]:
    """Changes that were acknowledged and are not there."""

    def look(say: Say) -> None:
        with Registry(folder) as held:
            told = Counter(e.action.split(" as ")[0] for e in held.history("churn")) if held.names() else {}
        for action, number in told.items():
            say(f"{action}\t{number}")

    there = {a: int(n) for a, n in (line.split("\t") for line in child(look).lines)}
    wanted = Counter(line.rpartition(" ")[0] for line in lines if line.startswith(("added", "rolled")))
    return [f"{n} times {a} was acknowledged, {there.get(a, 0)} are there" for a, n in wanted.items()
            if there.get(a, 0) < n]  # fmt: skip


# ── kill -9 ──


def kills(runs: int, seed: int = 0, plant: Callable[[], Any] | None = None) -> Tally:
    """Kill a process that changes a registry without end, again and again, on one registry."""
    tally, rng = Tally("kill -9 while versions come, move and go"), random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder, heard = Path(scratch) / "models", []
        for run in range(runs):

            def work(say: Say, run: int = run) -> None:
                mine = random.Random(f"{seed} {run}")
                with plant() if plant else nullcontext(), Registry(folder) as held:
                    say("ready")
                    for _ in range(10_000):
                        say(step(held, mine))

            found = child(work, kill_after=rng.random() * LONGEST)
            heard += [line for line in found.lines[1:] if not line.startswith("!")]
            tally.runs += 1
            tally.struck += found.killed
            tally.faults += [line for line in found.lines if line.startswith("!")] + faults(folder)
            if tally.faults:
                break
        tally.changes = len(heard)
        tally.faults += promised(folder, tuple(heard))
        drafts = list((folder / "files").glob("??/.draft-*"))
        tally.also = {"drafts left for prune": len(drafts)}
    return tally


def fits(runs: int, seed: int = 0) -> Tally:
    """Kill `connect, query, fit, add` of a small real model; each version that is there loads."""
    import foretell.pipeline
    import foretell.prediction.learn  # once, so that children need not
    from foretell.testing.databases import events

    tally, rng = Tally("kill -9 while a model is fitted and kept"), random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "models"

        def work(say: Say, run: int = 0, times: int = 1000) -> None:
            say("ready")
            with foretell.connect(events(), now=parse_instant("2024-06-01"), seed=run) as database:
                model = database.query(COUNT).fit(time_limit=1, model="baseline")
            with Registry(folder) as held:
                for _ in range(times):
                    say(str(held.add("churn", model)))

        began = time.monotonic()
        child(lambda say: work(say, times=1))
        longest = 1.5 * (time.monotonic() - began)
        early = 0
        for run in range(runs):
            heard = child(lambda say, run=run: work(say, run), kill_after=rng.random() * longest)
            tally.runs += 1
            tally.struck += heard.killed
            tally.changes += len(heard.lines[1:])
            early += len(heard.lines) == 1
            tally.faults += [line for line in heard.lines if line.startswith("!")] + faults(folder)
        tally.faults += faults(folder, load=True)
        tally.also = {"killed before a version was kept": early}
    return tally


# ── writes that fail ──


class Leaky:
    """A file that takes only part of what it is given, with an error or, worse, without."""

    def __init__(self, file: Any, room: int, error: int | None) -> None:
        self.file, self.room, self.error = file, room, error

    def write(self, data: bytes) -> int:
        part = data[: self.room]
        self.file.write(part)
        self.file.flush()
        if self.error is not None and len(part) < len(data):
            raise OSError(self.error, os.strerror(self.error))
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> Leaky:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def short(rng: random.Random, error: int | None) -> Any:
    """Files of the registry take a part only of what is written."""
    plain, room = os.fdopen, rng.randrange(SIZE)
    return mock.patch.object(artifacts.os, "fdopen", lambda *a: Leaky(plain(*a), room, error))


def failing(name: str) -> Callable[[random.Random], Any]:
    """A call of the system fails with an input/output error the first, second or third time."""

    def plant(rng: random.Random) -> Any:
        plain, left = getattr(os, name), [rng.randrange(3)]

        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return plain(*arguments, **named)

        return mock.patch.object(os, name, call)

    return plant


@contextmanager
def limited(rng: random.Random) -> Iterator[None]:
    """No file may grow beyond a size: the write that crosses it is cut short, SQLite's too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (rng.randrange(4_000, 120_000), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


INJECTED: dict[str, Callable[[random.Random], Any]] = {
    "short write, ENOSPC": lambda rng: short(rng, errno.ENOSPC),
    "short write, EIO": lambda rng: short(rng, errno.EIO),
    "short write, nothing said": lambda rng: short(rng, None),
    "fsync, EIO": failing("fsync"),
    "open, EIO": failing("open"),
    "replace, EIO": failing("replace"),
    "file size limit": limited,
}


def writes(runs: int, seed: int = 0, plant: Callable[[], Any] | None = None) -> Tally:
    """Changes while writes fail: an error of ours, a registry that is whole, and the same change after it."""
    tally, kinds = Tally("writes that fail"), list(INJECTED)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "models"
        for run in range(runs):
            kind = kinds[run % len(kinds)]

            def work(say: Say, run: int = run, kind: str = kind) -> None:
                rng = random.Random(f"{seed} {run}")
                with plant() if plant else nullcontext(), Registry(folder) as held:
                    try:
                        with INJECTED[kind](rng):
                            for _ in range(4):
                                say(f"did {step(held, rng)}")
                    except (RegistryError, UsageError) as error:
                        say(f"refused {type(error).__name__}")
                    say(f"then {step(held, rng)}")

            heard = child(work)
            tally.runs += 1
            tally.struck += any(line.startswith("refused") for line in heard.lines)
            tally.changes += sum(line.startswith(("did", "then")) for line in heard.lines)
            wrong = [line for line in heard.lines if line.startswith("!")]
            tally.faults += [f"{kind}: {line}" for line in [*wrong, *faults(folder)]]
            if tally.faults:
                break
    return tally


def full(runs: int, seed: int = 0) -> Tally | None:
    """The same on a real disk of 1 MB that is filled to a random rest; None where none can be mounted."""
    tally, rng = Tally("a full disk"), random.Random(seed)
    place = Path(tempfile.mkdtemp())
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True)
    try:
        if mounted.returncode != 0:
            return None
        for run in range(runs):
            folder, ballast = place / "models", place / "ballast"

            def work(say: Say, run: int = run, folder: Path = folder, ballast: Path = ballast) -> None:
                mine = random.Random(f"{seed} full {run}")
                with Registry(folder) as held:
                    say(f"did {step(held, mine)}")
                    rest = mine.randrange(0, 160_000)
                    ballast.write_bytes(bytes(max(0, shutil.disk_usage(place).free - rest)))
                    try:
                        for _ in range(12):
                            say(f"did {step(held, mine)}")
                    except RegistryError:
                        say("refused")
                    ballast.unlink()
                    held.prune(keep=1)
                    say(f"then {step(held, mine)}")

            heard = child(work)
            tally.runs += 1
            tally.struck += "refused" in heard.lines
            tally.changes += sum(line.startswith(("did", "then")) for line in heard.lines)
            tally.faults += [line for line in heard.lines if line.startswith("!")] + faults(folder)
            if tally.faults or rng.random() < 0.1:
                shutil.rmtree(folder)
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", place], check=True)
        place.rmdir()
    return tally


# ── several that promote at once ──

Promote = Callable[[Registry, Version, int], object]


def fairly(held: Registry, version: Version, epoch: int) -> object:
    """As the registry promotes."""
    return held.promote(version.reference, epoch=epoch)


def rashly(held: Registry, version: Version, epoch: int) -> object:
    """Look at the epoch first, and promote then: what lies between is anybody's."""
    if held.standing(version.name).epoch != epoch:
        raise RegistryError("changed meanwhile")
    return held.promote(version.reference)


def crowd(rounds: int, seed: int = 0, promote: Promote = fairly) -> Tally:
    """Two to eight processes promote different versions at once; each round has one winner."""
    tally, rng = Tally("two to eight promote at once"), random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "models"

        def fill(say: Say) -> None:
            with Registry(folder) as held:
                for number in range(9):
                    held.add_file("churn", b"%d" % number, {"audit": None}, reason="made")

        child(fill)

        def answer(line: str) -> str:
            number, epoch = map(int, line.split())
            try:
                with Registry(folder) as held:
                    promote(held, held.version(Reference("churn", number)), epoch)
                return f"won {number}"
            except RegistryError:
                return "lost"

        champion, epoch = 1, 9
        workers = [Worker.start(answer) for _ in range(8)]
        try:
            for _ in range(rounds):
                some = rng.sample(workers, rng.randrange(2, 9))
                numbers = rng.sample([n for n in range(1, 10) if n != champion], len(some))
                for worker, number in zip(some, numbers):
                    worker.ask(f"{number} {epoch}")
                heard = [worker.hear() for worker in some]
                tally.faults += [line for line in heard if line.startswith("!")]
                won = [int(line.split()[1]) for line in heard if line.startswith("won")]
                standing = json.loads(child(lambda say: say(_standing(folder))).lines[0])
                champion = standing["champion"]
                right = len(won) == 1 and champion == won[0] and standing["epoch"] == epoch + 1
                if not right:
                    tally.faults.append(f"{len(won)} winners {won}, champion {champion}")
                    break
                epoch = standing["epoch"]
                tally.runs += 1
                tally.struck += len(some)
                tally.changes += len(won)
        finally:
            for worker in workers:
                worker.stop()
        tally.faults += faults(folder)
    return tally


def _standing(folder: Path) -> str:
    with Registry(folder) as held:
        return json.dumps(held.standing("churn").to_dict())


# ── planted faults: each harness has to catch its own ──


def rows_first() -> Any:
    """A version is written down before its file is."""
    late: list[bytes] = []

    def promise(self: artifacts.Artifacts, data: bytes) -> str:
        late.append(data)
        return artifacts.hashlib.sha256(data).hexdigest()

    plain_put, plain_add = artifacts.Artifacts.put, Registry.add_file

    def add_file(self: Registry, name: str, data: bytes, record: Any, *, reason: str) -> Version:
        version = plain_add(self, name, data, record, reason=reason)
        time.sleep(PAUSE)
        plain_put(self.artifacts, late.pop())
        return version

    return _both(
        mock.patch.object(artifacts.Artifacts, "put", promise),
        mock.patch.object(Registry, "add_file", add_file),
    )


def files_first() -> Any:
    """`prune` lets go of files before it has let go of their versions."""
    plain = Registry.prune

    def prune(self: Registry, name: str | None = None, *, keep: int = 5) -> Any:
        for version in self.versions("churn"):
            if version.number not in self._kept("churn", keep):
                self.artifacts.remove(version.sha256)
                time.sleep(PAUSE)
        return plain(self, name, keep=keep)

    return mock.patch.object(Registry, "prune", prune)


def two_steps() -> Any:
    """The champion is moved in one transaction, and the audit log written in another."""

    def log(connection: Any, *arguments: Any) -> None:
        connection.execute("COMMIT")
        time.sleep(PAUSE)
        connection.execute("BEGIN IMMEDIATE")
        plain(connection, *arguments)

    plain = registry._log
    return mock.patch.object(registry, "_log", log)


def unread() -> Any:
    """What was written is not read back before it gets its name."""
    return mock.patch.object(
        artifacts.Artifacts, "_holds", staticmethod(lambda place, digest: place.exists())
    )


@contextmanager
def _both(first: Any, second: Any) -> Iterator[None]:
    with first, second:
        yield


def controls(runs: int) -> dict[str, Tally]:
    """Each harness on a registry with a fault in it; it stops at the first that it finds."""
    return {
        "a row before its file": kills(runs, plant=rows_first),
        "a file gone before its row": kills(runs, plant=files_first),
        "a promotion in two transactions": kills(runs, plant=two_steps),
        "a file that is not read back": writes(runs, plant=unread),
        "an epoch looked at before the transaction": crowd(runs, promote=rashly),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=1200)
    parser.add_argument("--fits", type=int, default=120)
    parser.add_argument("--writes", type=int, default=700)
    parser.add_argument("--full", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--controls", type=int, default=400, help="runs at most; 0 for none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    tallies = [
        kills(asked.kills, asked.seed),
        fits(asked.fits, asked.seed),
        writes(asked.writes, asked.seed),
        full(asked.full, asked.seed),
        crowd(asked.rounds, asked.seed),
    ]
    planted = controls(asked.controls) if asked.controls else {}
    if asked.json:
        found = {
            "tallies": [asdict(t) for t in tallies if t],
            "controls": {k: asdict(v) for k, v in planted.items()},
        }
        print(json.dumps(found, indent=1))
    else:
        for tally in tallies:
            print(tally.show() if tally else "a full disk: no file system can be mounted here")
            print(*(f"  {f}" for f in (tally.faults if tally else ())[:5]), sep="\n", end="")
        for name, tally in planted.items():
            print(f"control, {name}: {'caught' if tally.faults else 'MISSED'} after {tally.runs:,} runs")
    missed = [name for name, tally in planted.items() if not tally.faults]
    return 1 if missed or any(t and t.faults for t in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
