"""The job by foretell: the whole run from Parquet in a fresh process, then again on the open engine.

The schema is given, as a person's own would be: discovery is not part of the time, nor is it of any
rival's. Stages: `load` reads Parquet into the working copy, `features` is everything else up to the matrix;
`warm` is the same request on the same open engine; `kernel` is the compiled kernel's share of a warm
request.
"""

from __future__ import annotations

import os
import time

import numpy as np
import pyarrow.parquet as pq
from harness import Run
from job import CATEGORICAL, KEYS, TIMES, WINDOWS, Wanted, wanted

from foretell.core.time import Offset
from foretell.engines.base import Rows
from foretell.engines.choose import SETTING
from foretell.features.lower import feature_plan
from foretell.features.matrix import Numeric
from foretell.features.model import Aggregated, Feature, FeatureSet, Kind, Value
from foretell.plan.measures import MEASURES
from foretell.plan.nodes import FeaturePlan
from foretell.prediction.database import open_database
from foretell.query.parser import parse
from foretell.schema.model import Column, DType, Hop, Link, Schema, Semantic, Table
from foretell.task.bind import bind

NUMBER, WORD, INSTANT = Semantic.NUMERIC, Semantic.CATEGORICAL, Semantic.TIME
KEY = Semantic.IDENTIFIER
COLUMNS = {
    "customers": {
        "customer_id": (DType.INTEGER, KEY),
        "region": (DType.TEXT, WORD),
        "age": (DType.FLOAT, NUMBER),
    },
    "products": {
        "product_id": (DType.INTEGER, KEY),
        "price": (DType.FLOAT, NUMBER),
        "weight": (DType.FLOAT, NUMBER),
        "category": (DType.TEXT, WORD),
        "brand": (DType.TEXT, WORD),
    },
    "orders": {
        "order_id": (DType.INTEGER, KEY),
        "customer_id": (DType.INTEGER, KEY),
        "product_id": (DType.INTEGER, KEY),
        "ordered_at": (DType.TIMESTAMP, INSTANT),
        "amount": (DType.FLOAT, NUMBER),
        "quantity": (DType.INTEGER, NUMBER),
        "discount": (DType.FLOAT, NUMBER),
        "channel": (DType.TEXT, WORD),
        "status": (DType.TEXT, WORD),
    },
    "clicks": {
        "click_id": (DType.INTEGER, KEY),
        "customer_id": (DType.INTEGER, KEY),
        "clicked_at": (DType.TIMESTAMP, INSTANT),
        "duration": (DType.FLOAT, NUMBER),
        "page": (DType.TEXT, WORD),
        "device": (DType.TEXT, WORD),
    },
}
POINTS = (
    ("orders", "customer_id", "customers"),
    ("clicks", "customer_id", "customers"),
    ("orders", "product_id", "products"),
)


def main() -> None:
    run = Run(
        __doc__ or "",
        engine={"choices": ("native", "duckdb"), "default": "native"},
        warm={"type": int, "default": 3, "help": "how often the request is repeated on the open engine"},
        windows={"default": "", "help": "other windows, such as 30,90,all"},
        columns={"type": int, "help": "numeric columns alone, the first so many"},
        memory={"help": "a cap on memory, such as 2GB"},
        cache={"help": "a folder for cached copies: the clock starts when the tables' copy is there"},
    )
    chosen = wanted(_windows(run.asked.windows), run.asked.columns)
    schema = _schema(run)
    plan = _plan(schema, chosen)
    given = pq.read_table(run.asked.rows)
    who, cutoffs = (given[c].to_numpy() for c in ("customer_id", "cutoff"))
    cutoffs = cutoffs.astype("datetime64[us]").astype(np.int64)
    os.environ[SETTING] = run.asked.engine
    os.environ["FORETELL_CACHE"] = run.asked.cache or "off"
    settings = {"schema": schema, "threads": run.threads, "memory": run.asked.memory}
    if run.asked.cache:
        open_database(run.asked.tables, **settings, cache=True).close()
    with run.stage("load"):
        database = open_database(run.asked.tables, **settings, cache=bool(run.asked.cache))
        engine = database.engine
    with run.stage("features"):
        names, index = np.unique(who, return_inverse=True)
        entities = engine.find("customers", {"customer_id": names.tolist()})
        rows = Rows(entities[index], cutoffs)
        matrix = engine.features(plan, rows)
    watch = _watch_kernel() if run.asked.engine == "native" else []
    for _ in range(run.asked.warm):
        del matrix
        watch.clear()
        with run.stage("warm"):
            matrix = engine.features(plan, rows)
        if watch:
            run.note("kernel", sum(s for s, _ in watch), sum(c for _, c in watch))
    values = {
        w.name: column.values
        for w, column in zip(chosen, (matrix[w.name] for w in chosen))
        if isinstance(column, Numeric) and w.measure not in CATEGORICAL
    }
    size = sum((c.values if isinstance(c, Numeric) else c.codes).nbytes for c in matrix.columns)
    run.finish(
        rows=len(rows),
        features=len(chosen),
        total=("load", "features"),
        packages=("foretell", "duckdb", "numpy", "pyarrow"),
        values=values,
        matrix_mb=round(size / 1e6, 1),
    )


def _windows(text: str) -> tuple[int | None, ...]:
    if not text:
        return WINDOWS
    return tuple(None if w == "all" else int(w) for w in text.split(","))


def _schema(run: Run) -> Schema:
    tables = tuple(
        Table(
            name,
            tuple(Column(c, dtype, semantic) for c, (dtype, semantic) in columns.items()),
            primary_key=(KEYS[name],),
            time_column=TIMES.get(name),
            rows=pq.ParquetFile(run.table(name)).metadata.num_rows,
        )
        for name, columns in COLUMNS.items()
    )
    return Schema(tables, tuple(Link(child, (c,), parent, (c,)) for child, c, parent in POINTS))


def _plan(schema: Schema, chosen: list[Wanted]) -> FeaturePlan:
    task = bind(parse("PREDICT COUNT(orders.*, 0, 30, days) FOR EACH customers.customer_id"), schema)
    made = []
    for w in chosen:
        down = (Hop(schema.link(f"{w.table}.customer_id"), up=False),)
        up = (Hop(schema.link(f"{w.table}.product_id"), up=True),) if w.via else ()
        value = Value(w.column, up, w.equals) if w.column else None
        measure = "sum" if w.equals is not None else w.measure
        window = None if w.days is None else Offset(w.days)
        kind = Kind.CATEGORICAL if MEASURES[measure].categorical else Kind.NUMERIC
        definition = Aggregated(measure, down, (), value, window)
        made.append(Feature(w.name, kind, definition, w.name, w.table))
    return feature_plan(task, FeatureSet(tuple(made)))


def _watch_kernel() -> list[tuple[float, float]]:
    """Time every call of the compiled kernel from now on: (seconds, CPU seconds), a pair for each call."""
    from foretell import kernel

    calls: list[tuple[float, float]] = []
    sweep = kernel.sweep

    def timed(*args: object, **options: object) -> object:
        cpu, began = time.process_time(), time.perf_counter()
        try:
            return sweep(*args, **options)
        finally:
            calls.append((time.perf_counter() - began, time.process_time() - cpu))

    kernel.sweep = timed
    return calls


if __name__ == "__main__":
    main()
