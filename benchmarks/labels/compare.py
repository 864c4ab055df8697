"""Are our labels the reference's, row for row? Every query of queries.toml at each cutoff its database lists.

    python benchmarks/labels/compare.py [database | database.query ...] [--data FOLDER] [--each]

Reads FORETELL_DATA (default: ../shared/data beside the project): one folder per database. The schema is the
discovered one, without any configuration, and sees nothing of the truth. The reference SQL beside the data
counts [t, t + w) and the language (t, t + w], so labels are compared at the cutoff one microsecond before t.
RelBench's rel-f1 follows the language's convention and is compared at its own timestamps, its train and val
tables whole. `--each` prints a line for each cutoff as well. Exits with 1 where a comparable query differs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

import foretell
from foretell.core.errors import ForetellError
from foretell.core.time import DAY, Instant, format_instant, parse_instant
from foretell.features.lower import target_plan

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("FORETELL_DATA", ROOT / "../shared/data"))
QUERIES = Path(__file__).with_name("queries.toml")
TOLERANCE = 1e-9
YEAR = 365 * DAY  # a static target's reference at t covers the rows of the year that follows

Key = tuple[str, ...]
Answers = dict[tuple[Key, Instant], Any]
"""(entity key, cutoff) → label."""


@dataclass(frozen=True)
class Entry:
    """One query of queries.toml; `text` is None where the language cannot say it, and `reason` tells why."""

    database: str
    id: str
    text: str | None
    reason: str = ""
    note: str = ""
    own_time: bool = False
    missing: int = 0  # rows of the reference that we leave out on purpose

    @property
    def name(self) -> str:
        return f"{self.database}.{self.id}"


@dataclass(frozen=True)
class Comparison:
    """Rows of both sides, how many are equal, and examples of what is not."""

    entry: Entry
    cutoffs: int = 0
    ours: int = 0
    reference: int = 0
    equal: int = 0
    missing: int = 0  # rows of the reference that we lack
    extra: int = 0  # rows of ours that the reference lacks
    differing: int = 0  # rows of both with another label
    examples: tuple[str, ...] = ()
    error: str = ""
    seconds: float = 0.0
    each: tuple[str, ...] = field(default=(), repr=False)

    @property
    def same(self) -> bool:
        """Whether every row is equal, but for those that we leave out on purpose."""
        return (
            not self.error
            and self.ours == self.equal
            and self.reference - self.equal == self.missing == self.entry.missing
        )


def entries(path: Path = QUERIES) -> tuple[Entry, ...]:
    """The queries, in the file's order."""
    records = tomllib.loads(path.read_text(encoding="utf-8"))["query"]
    return tuple(
        Entry(
            r["database"],
            r["id"],
            r.get("query"),
            r.get("reason", ""),
            r.get("note", ""),
            r.get("rows") == "own time",
            r.get("missing", 0),
        )
        for r in records
    )


def compare(entry: Entry, database: foretell.Database, data: Path = DATA) -> Comparison:
    """Our labels beside the reference's."""
    if entry.text is None:
        return Comparison(entry, error=f"cannot be said: {entry.reason}")
    began = time.perf_counter()
    folder = data / entry.database
    try:
        reference, moments = (
            _relbench(folder, entry) if entry.database == "rel-f1" else _listed(folder, entry)
        )
        ours = _ours(database, entry, moments)
    except (ForetellError, duckdb.Error) as error:
        return Comparison(
            entry, error=f"{type(error).__name__}: {error}", seconds=time.perf_counter() - began
        )
    if entry.own_time:
        ours, reference = _within(entry, ours, reference, moments)
    return _compared(entry, ours, reference, len(moments), time.perf_counter() - began)


def _compared(entry: Entry, ours: Answers, reference: Answers, cutoffs: int, seconds: float) -> Comparison:
    shared = ours.keys() & reference.keys()
    differing = [k for k in shared if not agree(ours[k], reference[k])]
    missing, extra = reference.keys() - shared, ours.keys() - shared
    examples = [
        f"differs {_key(k)}: ours {ours[k]!r}, reference {reference[k]!r}" for k in sorted(differing)[:3]
    ]
    examples += [f"missing {_key(k)}: reference {reference[k]!r}" for k in sorted(missing)[:3]]
    examples += [f"extra {_key(k)}: ours {ours[k]!r}" for k in sorted(extra)[:3]]
    moments = sorted({k[1] for k in (*ours, *reference)})
    each = [
        f"{format_instant(m)}: ours {_at(ours, m)}, reference {_at(reference, m)}, "
        f"equal {_at(shared, m) - _at(differing, m)}"
        for m in (moments if len(moments) <= 60 else ())
    ]
    return Comparison(
        entry,
        cutoffs,
        len(ours),
        len(reference),
        len(shared) - len(differing),
        len(missing),
        len(extra),
        len(differing),
        tuple(examples),
        "",
        seconds,
        tuple(each),
    )


def _at(places: Iterable[tuple[Key, Instant]], moment: Instant) -> int:
    return sum(m == moment for _, m in places)


def _within(
    entry: Entry, ours: Answers, reference: Answers, moments: Sequence[Instant]
) -> tuple[Answers, Answers]:
    """A static target's rows that lie in the reference's range. Ours each have the instant before their own
    time, RelBench's their own time; elsewhere the reference at t is the rows of [t, t + 365 days).
    """
    if entry.database == "rel-f1":
        return {(k, m + 1): v for (k, m), v in ours.items()}, reference
    kept = {(k, 0): v for (k, m), v in ours.items() if any(a <= m < a + YEAR for a in moments)}
    return kept, {(k, 0): v for (k, _), v in reference.items()}


def agree(ours: Any, reference: Any) -> bool:
    """Whether two labels are the same: numbers to 1e-9 relative, lists as sets, all else as text.

    >>> agree(True, 1), agree(0.1 + 0.2, 0.3), agree(["b", "a"], ["a", "b"]), agree("x", "y")
    (True, True, True, False)
    """
    if isinstance(ours, list) or isinstance(reference, list):
        return sorted(map(str, ours)) == sorted(map(str, reference))
    if isinstance(ours, str) or isinstance(reference, str):
        return str(ours) == str(reference)
    return math.isclose(float(ours), float(reference), rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _key(place: tuple[Key, Instant]) -> str:
    names, moment = place
    return f"{'|'.join(names)} at {format_instant(moment)}"


def _ours(database: foretell.Database, entry: Entry, moments: Sequence[Instant]) -> Answers:
    assert entry.text is not None
    question = database.query(entry.text)
    key = question.task.entity_key
    asked = [max(moments) + YEAR] if entry.own_time else list(moments)
    if entry.database != "rel-f1":
        return _answers(question.labels(cutoffs=asked), key, "cutoff", "label")
    # RelBench's data end at its test timestamp, months after the last race: a window that `labels` takes for
    # open has closed there, so that refusal is left out.
    engine = question.database._opened.engine
    made = engine.labels(target_plan(question.task), asked)
    keys = engine.keys(question.task.entity.name, key, made.rows.entities)
    cutoffs = pa.array(made.rows.cutoffs).cast(pa.timestamp("us"))
    return _answers(
        pa.table({**keys, "cutoff": cutoffs, "label": made.values.tolist()}), key, "cutoff", "label"
    )


def _answers(table: pa.Table, key: Sequence[str], moment: str, label: str) -> Answers:
    columns = [table[c].to_pylist() for c in key]
    cutoffs = table[moment].cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist()
    labels = table[label].to_pylist()
    return {
        (tuple(str(c[i]) for c in columns), cutoffs[i]): labels[i]
        for i in range(table.num_rows)
        if labels[i] is not None
    }


def _listed(folder: Path, entry: Entry) -> tuple[Answers, list[Instant]]:
    """The reference SQL at each listed cutoff, and the cutoffs one microsecond before."""
    told = {q["id"]: q for q in json.loads((folder / "schema.json").read_text())["queries"]}[entry.id]
    answers: Answers = {}
    moments = []
    with duckdb.connect() as connection:
        connection.execute("SET threads = 2")
        for place in sorted(folder.glob("*.parquet")):
            connection.execute(f"CREATE VIEW \"{place.stem}\" AS FROM read_parquet('{place}')")
        for anchor in told["anchors"]:
            moment = parse_instant(anchor) - 1
            moments.append(moment)
            rows = connection.execute(told["label_sql"].replace("{t}", anchor)).fetchall()
            for row in rows:
                if row[1] is not None:
                    answers[(_reference_key(entry, row[0]), moment)] = row[1]
    return answers, moments


def _reference_key(entry: Entry, value: Any) -> Key:
    """The key as text; the reference names a vote by one text: the roll call's number, then the country."""
    if entry.name != "unvotes.vote_on_roll_call":
        return (str(value),)
    name = value.lstrip("0123456789")
    return (value.removesuffix(name), name)


def _relbench(folder: Path, entry: Entry) -> tuple[Answers, list[Instant]]:
    """RelBench's train and val tables as one, and their timestamps."""
    told = json.loads((folder / "manifest.json").read_text())["tasks"][entry.id]
    answers: Answers = {}
    for split in ("train", "val"):
        place = folder / "tasks" / entry.id / f"{split}.parquet"
        with duckdb.connect() as connection:
            table = connection.sql(f"FROM read_parquet('{place}')").to_arrow_table()
        target = told.get("target_col") or entry.id.split("-")[-1]
        answers |= _answers(table, [told["entity_col"]], told["time_col"], target)
    return answers, sorted({moment for _, moment in answers})


def run(chosen: Sequence[Entry], data: Path = DATA) -> Iterator[Comparison]:
    """Each database is opened once, without configuration."""
    for name in dict.fromkeys(e.database for e in chosen):
        mine = [e for e in chosen if e.database == name]
        if not (data / name).is_dir():
            continue
        with foretell.connect(data / name) as database:
            for entry in mine:
                yield compare(entry, database, data)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="databases, or database.query")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--each", action="store_true")
    given = parser.parse_args(arguments)
    chosen = [e for e in entries() if not given.names or e.database in given.names or e.name in given.names]
    print(f"{'query':38}{'cutoffs':>8}{'ours':>9}{'ref.':>9}{'equal':>9}{'seconds':>9}")
    faults = 0
    for made in run(chosen, given.data):
        row = f"{made.entry.name:38}"
        if made.error:
            print(f"{row}  {made.error.splitlines()[0] if made.entry.text is None else made.error}")
            faults += made.entry.text is not None
            continue
        print(f"{row}{made.cutoffs:8}{made.ours:9,}{made.reference:9,}{made.equal:9,}{made.seconds:9.1f}")
        for line in made.each if given.each else ():
            print(f"    {line}")
        if not made.same:
            faults += 1
            print(
                f"    {made.missing} missing, {made.extra} extra, {made.differing} differ; {made.entry.note}"
            )
            for example in made.examples:
                print(f"    {example}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
