"""The job by fastdfs: deep feature synthesis turned into SQL for DuckDB.

It has no look-back windows: what it makes is the part of the job over all history, with the rows up to and
with the cutoff. Depth 3 reaches the products of a customer's orders. It chooses its features by itself.
"""

from __future__ import annotations

import re

import fastdfs
import numpy as np
import pandas as pd
from fastdfs.dfs import DFSConfig
from harness import Run
from job import KEYS, TIMES, Wanted
from loguru import logger

logger.remove()
MEASURES = {"count": "count", "sum": "sum", "mean": "mean", "std": "std", "min": "min", "max": "max"}
NAME = re.compile(r"customers\.([A-Z]+)\((orders|clicks)(?:\.(products))?(?:\.(\w+))?\)$")
HINTS = {
    "orders": dict.fromkeys(("channel", "status"), "category")
    | dict.fromkeys(("amount", "quantity", "discount"), "float"),
    "clicks": dict.fromkeys(("page", "device"), "category") | {"duration": "float"},
    "products": dict.fromkeys(("category", "brand"), "category")
    | dict.fromkeys(("price", "weight"), "float"),
    "customers": {"region": "category", "age": "float"},
}


def main() -> None:
    run = Run(__doc__ or "", memory={"help": "DuckDB's memory_limit, such as 16GB"})
    with run.stage("load"):
        tables = {name: pd.read_parquet(run.table(name)) for name in KEYS}
        rows = pd.read_parquet(run.asked.rows)
        database = fastdfs.create_rdb(
            tables=tables,
            name="shop",
            primary_keys=KEYS,
            foreign_keys=[
                ("orders", "customer_id", "customers", "customer_id"),
                ("clicks", "customer_id", "customers", "customer_id"),
                ("orders", "product_id", "products", "product_id"),
            ],
            time_columns=TIMES,
            type_hints=HINTS,
        )
    with run.stage("features"):
        matrix = fastdfs.compute_dfs_features(
            rdb=database,
            target_dataframe=rows,
            key_mappings={"customer_id": "customers.customer_id"},
            cutoff_time_column="cutoff",
            config=DFSConfig(
                agg_primitives=[*MEASURES, "mode"],
                max_depth=3,
                include_cutoff_time=True,
                dfs2sql_threads=run.threads,
                dfs2sql_memory_limit=run.asked.memory,
                dfs2sql_temp_directory=str(run.asked.scratch),
                engine_path=str(run.asked.scratch / "fastdfs.duckdb"),
            ),
        )
    made = [c for c in matrix.columns if c not in ("customer_id", "cutoff")]
    values: dict[str, np.ndarray] = {}
    for name in made:
        same = _ours(name)
        if same is not None:
            found = pd.to_numeric(matrix[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
            # COUNT and SUM of nothing are NULL here and 0 there.
            values[same.name] = np.nan_to_num(found) if same.measure in ("count", "sum") else found
    run.finish(
        rows=len(matrix),
        features=len(made),
        total=("load", "features"),
        packages=("fastdfs", "featuretools", "duckdb", "pandas"),
        values=values,
    )


def _ours(name: str) -> Wanted | None:
    found = NAME.search(name)
    if found is None or found[1].lower() not in MEASURES:
        return None
    return Wanted(found[2], MEASURES[found[1].lower()], None, found[4], found[3] or "")


if __name__ == "__main__":
    main()
