"""How long one entity's score takes against a live database, and against larger ones.

    python benchmarks/online/latency.py [--customers 2000 60000] [--calls 300] [--time-limit 30]
        [--postgres URL] [-o FILE]

The demo shop, and the same shop with more customers (60,000 have a million orders), in DuckDB, SQLite and
PostgreSQL, with indexes on primary and foreign keys as such databases have (DuckDB: only its own). A model
of 30-day churn is trained once on the demo. A warm scorer then scores customers drawn at random, one call
after the other; every call reads the database anew. Printed are the median and the 99th percentile in
milliseconds, the median of the CPU's time (which a busy machine stretches less), the median of calls with
reasons, how many rows a call reads, how long the scorer takes to open, and what a first call costs.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

import foretell
from foretell.core.random import generator
from foretell.prediction.model import Model
from foretell.testing.databases import shop
from foretell.testing.shop import shop_frames

QUERY = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id"
KEYS = {
    "customers": "customer_id",
    "products": "product_id",
    "orders": "order_id",
    "order_items": "order_item_id",
    "deliveries": "delivery_id",
    "returns": "return_id",
    "tickets": "ticket_id",
    "visits": "",
}
FOREIGN = (
    ("orders", "customer_id"),
    ("order_items", "order_id"),
    ("order_items", "product_id"),
    ("deliveries", "order_id"),
    ("returns", "order_id"),
    ("tickets", "customer_id"),
    ("visits", "customer_id"),
)
TYPES = {
    "sqlite": {"int64": "INTEGER", "double": "REAL", "bool": "BOOLEAN", "string": "TEXT"},
    "postgres": {"int64": "bigint", "double": "float8", "bool": "boolean", "string": "text"},
}


def kind(dialect: str, field: Any) -> str:
    found = str(field.type)
    return TYPES[dialect].get(found, "TIMESTAMP" if found.startswith(("timestamp", "date")) else "TEXT")


@contextmanager
def in_sqlite(folder: Path, frames: dict[str, Any]) -> Iterator[Any]:
    place = folder / "shop.sqlite"
    with sqlite3.connect(place) as connection:
        for name, frame in frames.items():
            fields = [
                f"{f.name} {kind('sqlite', f)}{' PRIMARY KEY' if f.name == KEYS[name] else ''}"
                for f in frame.schema
            ]
            connection.execute(f"CREATE TABLE {name} ({', '.join(fields)})")
            marks = ", ".join("?" * frame.num_columns)
            for batch in frame.to_batches(max_chunksize=50_000):
                columns = [
                    [None if v is None else str(v) for v in c.to_pylist()]
                    if kind("sqlite", f) == "TIMESTAMP"
                    else c.to_pylist()
                    for f, c in zip(frame.schema, batch.columns)
                ]
                connection.executemany(f"INSERT INTO {name} VALUES ({marks})", zip(*columns))
        for table, column in FOREIGN:
            connection.execute(f"CREATE INDEX {table}_{column} ON {table} ({column})")
    connection.close()
    yield place


@contextmanager
def in_postgres(url: str, frames: dict[str, Any]) -> Iterator[Any]:
    import psycopg

    space = f"latency_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {space}".encode())
        try:
            for name, frame in frames.items():
                fields = [
                    f"{f.name} {kind('postgres', f)}{' PRIMARY KEY' if f.name == KEYS[name] else ''}"
                    for f in frame.schema
                ]
                connection.execute(f"CREATE TABLE {space}.{name} ({', '.join(fields)})".encode())
                with connection.cursor().copy(f"COPY {space}.{name} FROM STDIN".encode()) as copy:
                    for batch in frame.to_batches(max_chunksize=50_000):
                        for row in zip(*(c.to_pylist() for c in batch.columns)):
                            copy.write_row(row)
            for table, column in FOREIGN:
                connection.execute(f"CREATE INDEX ON {space}.{table} ({column})".encode())
            connection.execute("ANALYZE")
            yield f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{space}"
        finally:
            connection.execute(f"DROP SCHEMA {space} CASCADE".encode())


def measured(model: Model, target: Any, ids: list[Any], given: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of calls, one after the other."""
    begun = time.perf_counter()
    rng = generator(0, "latency")
    with model.scorer(target) as scorer:
        opened = time.perf_counter() - begun

        def calls(count: int, *, explain: bool = False) -> tuple[list[float], list[float], list[int]]:
            spent, busy, rows = [], [], []
            for place in rng.integers(0, len(ids), count).tolist():
                first, used = time.perf_counter(), time.process_time()
                try:
                    found = scorer.score(ids[place], as_of=given.as_of, explain=explain)
                except foretell.ForetellError:
                    continue  # who joined after the cutoff
                spent.append((time.perf_counter() - first) * 1000)
                busy.append((time.process_time() - used) * 1000)
                rows.append(found.rows)
            return spent, busy, rows

        first, _, _ = calls(5)
        plain, busy, rows = calls(given.calls)
        told, _, _ = calls(max(10, given.calls // 10), explain=True)
    return {
        "opens in s": round(opened, 2),
        "first call": round(first[0], 1),
        "median": round(float(np.median(plain)), 1),
        "p99": round(float(np.quantile(plain, 0.99)), 1),
        "median of CPU": round(float(np.median(busy)), 1),
        "least": round(min(plain), 1),
        "median with reasons": round(float(np.median(told)), 1),
        "rows a call": int(np.median(rows)),
        "calls": len(plain),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, nargs="+", default=[2_000, 60_000])
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--time-limit", type=float, default=30.0)
    parser.add_argument("--postgres", default=os.environ.get("FORETELL_POSTGRES", ""))
    parser.add_argument("--as-of", default="2025-12-01")
    parser.add_argument("-o", type=Path, default=Path(__file__).parent / "results/latency.json")
    given = parser.parse_args()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo = shop(folder / "demo.duckdb")
        with foretell.connect(demo) as db:
            model = db.query(QUERY).fit(time_limit=given.time_limit)
        for customers in given.customers:
            place = shop(folder / f"shop{customers}.duckdb", customers=customers)
            frames = shop_frames(0, customers=customers)
            orders = frames["orders"].num_rows
            ids = frames["customers"]["customer_id"].to_pylist()
            with duckdb.connect(str(place), read_only=True) as connection:
                connection.execute("SELECT 1")

            def tell(where: str, target: Any, orders: int = orders, ids: list[Any] = ids) -> None:
                found.append({"database": where, "orders": orders, **measured(model, target, ids, given)})
                print(json.dumps(found[-1]), file=sys.stderr, flush=True)
                given.o.parent.mkdir(parents=True, exist_ok=True)
                load = [round(x, 1) for x in os.getloadavg()]
                given.o.write_text(json.dumps({"load": load, "measured": found}, indent=1) + "\n")

            tell("DuckDB", place)
            with in_sqlite(folder, frames) as target:
                tell("SQLite", target)
            (folder / "shop.sqlite").unlink()
            if given.postgres:
                with in_postgres(given.postgres, frames) as target:
                    tell("PostgreSQL", target)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
