"""How well the schema is inferred: precision and recall of keys, links and time columns on real databases.

    python benchmarks/schema/accuracy.py [database ...] [--misses]

Reads the folder FORETELL_DATA (default: ../shared/data beside the project): one folder per database,
each with `schema.json` (or rel-f1's `manifest.json`) as the truth. Discovery sees nothing of the truth.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foretell.discovery import discover
from foretell.schema.model import Schema
from foretell.sources.open import open_source
from foretell.store import load

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("FORETELL_DATA", ROOT / "../shared/data"))
CLEAN = (
    *("retail_uk", "pnwflights14", "cricket", "beijing_air", "mimic3_demo"),
    *("se_beer", "intl_football", "unvotes", "rel-f1"),
)


@dataclass(frozen=True)
class Truth:
    """What a database really looks like, as sets of readable statements."""

    keys: frozenset[str]
    links: frozenset[str]
    times: frozenset[str]


def read_truth(folder: Path) -> Truth:
    """The truth beside the data."""
    if (folder / "schema.json").exists():
        tables: dict[str, Any] = json.loads((folder / "schema.json").read_text())["tables"]
        return Truth(
            frozenset(_key(n, t["pk"]) for n, t in tables.items() if t["pk"]),
            frozenset(
                f"{n}.{'+'.join(k['columns'])} → {k['ref_table']}.{'+'.join(k['ref_columns'])}"
                for n, t in tables.items()
                for k in t.get("fks", [])
            ),
            frozenset(f"{n}.{t['time']}" for n, t in tables.items() if t["time"]),
        )
    tables = json.loads((folder / "manifest.json").read_text())["tables"]
    return Truth(
        frozenset(_key(n, [t["primary_key"]]) for n, t in tables.items()),
        frozenset(
            f"{n}.{column} → {parent}.{tables[parent]['primary_key']}"
            for n, t in tables.items()
            for column, parent in t["foreign_keys"].items()
        ),
        frozenset(f"{n}.{t['time_col']}" for n, t in tables.items() if t["time_col"]),
    )


def _key(table: str, columns: list[str] | tuple[str, ...]) -> str:
    return f"{table}({', '.join(sorted(columns))})"


def found(schema: Schema) -> Truth:
    """What discovery says, in the same words."""
    return Truth(
        frozenset(_key(t.name, t.primary_key) for t in schema.tables if t.primary_key),
        frozenset(str(k) for k in schema.links),
        frozenset(f"{t.name}.{t.time_column}" for t in schema.tables if t.time_column),
    )


def score(truth: frozenset[str], said: frozenset[str]) -> tuple[float, float]:
    """Precision and recall; 1 where there is nothing to say."""
    right = len(truth & said)
    return (right / len(said) if said else 1.0), (right / len(truth) if truth else 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("databases", nargs="*", default=CLEAN)
    parser.add_argument("--misses", action="store_true", help="list what was missed and what was too much")
    asked = parser.parse_args()
    totals: dict[str, tuple[int, int, int]] = {}
    print(
        f"{'database':<16}{'keys P/R':>14}{'links P/R':>14}{'times P/R':>14}{'load s':>9}{'discover s':>12}"
    )
    for name in asked.databases:
        truth, start = read_truth(DATA / name), time.perf_counter()
        with load(open_source(DATA / name)) as store:
            loaded = time.perf_counter()
            said = found(discover(store))
            done = time.perf_counter()
        cells = []
        for kind in ("keys", "links", "times"):
            want, have = getattr(truth, kind), getattr(said, kind)
            precision, recall = score(want, have)
            cells.append(f"{precision:.3f}/{recall:.3f}")
            before = totals.get(kind, (0, 0, 0))
            totals[kind] = (before[0] + len(want & have), before[1] + len(have), before[2] + len(want))
        print(
            f"{name:<16}"
            + "".join(f"{c:>14}" for c in cells)
            + f"{loaded - start:>9.2f}{done - loaded:>12.2f}"
        )
        if asked.misses:
            for kind in ("keys", "links", "times"):
                for mark, items in (
                    ("missed", getattr(truth, kind) - getattr(said, kind)),
                    ("extra", getattr(said, kind) - getattr(truth, kind)),
                ):
                    for item in sorted(items):
                        print(f"    {kind[:-1]} {mark}: {item}")
    overall = [f"{r / max(1, s):.3f}/{r / max(1, w):.3f}" for r, s, w in totals.values()]
    print(f"{'all':<16}" + "".join(f"{c:>14}" for c in overall))


if __name__ == "__main__":
    main()
