"""Do the rows that an explanation cites move the prediction as it says? They are deleted, really.

    python benchmarks/explain/deletion.py [--cases 200] [--time-limit 30] [--seed 0] [-o FILE]

Three databases: the demo shop, retail_uk and se_beer (those of FORETELL_DATA that are there), each with a
question of yes or no. For each a model is trained and saved; entities are drawn at random at the last cutoff,
and of each up to three of its reasons that cite rows. The rows of a case are deleted from a copy of all
tables, and the saved model predicts the entity again, by `Model.predict_rows` over that whole copy: nothing
of it goes by way of a slice, and nobody asks whether the entity would still be in the population.

An explanation says what the prediction would be without the rows (`without`). Counted is how often the
prediction moves the way it says; where it says that nothing moves (less than a thousandth), how often
nothing does. Beside it, whether the reason's own sign would have told so: that what raises a score
lowers it when its rows are gone. Control: as many other rows of the same table, drawn at random.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import foretell
from foretell.core.random import generator
from foretell.core.time import format_instant
from foretell.explain.evidence import Citing
from foretell.prediction.database import OpenDatabase, moment_of, open_database
from foretell.prediction.model import Model
from foretell.prediction.model import load as load_model
from foretell.sources.naming import quote
from foretell.testing.databases import demo

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("FORETELL_DATA", ROOT / "../shared/data")).resolve()
QUERIES = tomllib.loads((ROOT / "benchmarks/labels/queries.toml").read_text())["query"]
EACH = 3  # reasons of an entity
STILL = 1e-3  # a probability that changes by less does not move


def query_of(name: str) -> str:
    """A query of queries.toml, by 'database.query'."""
    database, query = name.split(".")
    return next(str(q["query"]) for q in QUERIES if (q["database"], q["id"]) == (database, query))


def places() -> list[tuple[str, Any, str]]:
    """(name, target, query) of the databases that are there."""
    shop = demo(Path(tempfile.mkdtemp()) / "shop.duckdb")
    found: list[tuple[str, Any, str]] = [
        ("demo shop", shop, "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id")
    ]
    for name in ("retail_uk.churn_90d", "se_beer.user_active_90d"):
        folder = DATA / name.partition(".")[0]
        if folder.is_dir():
            found.append((name, folder, query_of(name)))
    return found


def train(target: Any, query: str, limit: float, seed: int) -> Model:
    """A model, saved and read back."""
    with foretell.connect(target, seed=seed) as db, tempfile.TemporaryDirectory() as folder:
        return load_model(db.query(query).fit(time_limit=limit).save(Path(folder) / "one.model"))


def tables_of(database: OpenDatabase) -> dict[str, pa.Table]:
    """Every table of a working copy as it was loaded."""
    run = database.store.cursor()
    return {name: run.sql(f"SELECT * FROM {quote(name)}").to_arrow_table() for name in database.store.tables}


def predicted(model: Model, tables: dict[str, pa.Table], key: Any, cutoff: int) -> float | None:
    """The entity's prediction over all of these tables; None where it is not there any more."""
    (column,) = model.task.entity_key
    rows = pa.table({column: [key], "cutoff": pa.array([cutoff]).cast(pa.timestamp("us"))})
    try:
        (row,) = model.predict_rows(rows, tables).to_pylist()
    except foretell.ForetellError:
        return None
    return float(row["probability"])


def without(tables: dict[str, pa.Table], name: str, places: np.ndarray[Any, Any]) -> dict[str, pa.Table]:
    keep = np.ones(tables[name].num_rows, dtype=bool)
    keep[places] = False
    return {**tables, name: tables[name].filter(pa.array(keep))}


def cases_of(
    name: str, target: Any, query: str, wanted: int, given: argparse.Namespace
) -> list[dict[str, Any]]:
    """The cases of one database, each with what was said and what came."""
    model = train(target, query, given.time_limit, given.seed)
    rng = generator(given.seed, "deletion", name)
    found: list[dict[str, Any]] = []
    features = {f.name: f for f in model.features.features}
    with open_database(target, schema=model.task.schema, threads=1) as database:
        cutoff = moment_of(database, model.task, None)
        scores = model.predict(database, as_of=cutoff)
        (key,) = scores.key
        ids = scores.table[key].to_pylist()
        tables = tables_of(database)
        held = database.engine.tables
        assert held is not None
        for place in rng.permutation(len(ids)).tolist():
            if len(found) >= wanted:
                break
            told = model.explain(ids[place], database, as_of=cutoff, hints=False)
            entity = int(database.engine.find(model.task.entity.name, {key: [ids[place]]})[0])
            citing = Citing(held, model.task, entity, cutoff)
            before = predicted(model, tables, ids[place], cutoff)
            told_of = [t for t in told if t.without is not None][:EACH]
            for reason in told_of[: wanted - len(found)]:
                evidence = citing(features[reason.reason.feature])
                assert evidence is not None and evidence.count == reason.count and before is not None
                rows = held.as_loaded(evidence.table, evidence.places)
                after = predicted(model, without(tables, evidence.table, rows), ids[place], cutoff)
                others = np.setdiff1d(np.arange(tables[evidence.table].num_rows), rows)
                others = rng.choice(others, min(len(rows), len(others)), replace=False)
                control = predicted(model, without(tables, evidence.table, others), ids[place], cutoff)
                found.append(
                    {
                        "database": name,
                        "entity": str(ids[place]),
                        "as_of": format_instant(cutoff),
                        "reason": str(reason),
                        "table": evidence.table,
                        "rows": len(rows),
                        "effect": reason.reason.effect,
                        "prediction": before,
                        "said": reason.without,
                        "came": after,
                        "control": control,
                    }
                )
    return found


def judged(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """How often it came as was said."""

    def way(case: dict[str, Any], name: str) -> int:
        change = case[name] - case["prediction"] if case[name] is not None else 0.0
        return 0 if abs(change) < STILL else (1 if change > 0 else -1)

    as_said = [way(c, "came") == way(c, "said") for c in cases]
    moved = [c for c in cases if way(c, "said")]
    signs = [way(c, "came") == -np.sign(c["effect"]) for c in moved]
    off = [abs(c["came"] - c["said"]) for c in cases if c["came"] is not None]
    return {
        "cases": len(cases),
        "as said": sum(as_said),
        "said to move": len(moved),
        "of these as said": sum(way(c, "came") == way(c, "said") for c in moved),
        "of these against the reason's sign": sum(bool(s) for s in signs),
        "control as said": sum(way(c, "control") == way(c, "said") for c in moved),
        "control still": sum(way(c, "control") == 0 for c in moved),
        "median distance of what was said and what came": float(np.median(off)) if off else None,
        "largest": float(np.max(off)) if off else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--time-limit", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", type=Path, default=Path(__file__).parent / "results/deletion.json")
    given = parser.parse_args()
    there = places()
    cases: list[dict[str, Any]] = []
    for i, (name, target, query) in enumerate(there):
        begun, wanted = time.monotonic(), (given.cases - len(cases)) // (len(there) - i)
        cases += cases_of(name, target, query, wanted, given)
        print(
            name,
            json.dumps(judged(cases[-wanted:])),
            f"{time.monotonic() - begun:.0f} s",
            file=sys.stderr,
            flush=True,
        )
        whole = {
            "together": judged(cases),
            **{n: judged([c for c in cases if c["database"] == n]) for n, *_ in there},
        }
        given.o.parent.mkdir(parents=True, exist_ok=True)
        given.o.write_text(json.dumps({"judged": whole, "cases": cases}, indent=1) + "\n")
    print(json.dumps(judged(cases), indent=1))


if __name__ == "__main__":
    main()
