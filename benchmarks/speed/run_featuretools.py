"""The job by featuretools: features defined one by one, one calculation for each training window.

With `--primitives native` those that pandas computes by itself: count, sum, mean, std, min, max; `all` adds
last, trend, num_unique, mode and time since, which are Python functions called once for each group. Its
boundary is ours when cutoffs are included: (cutoff - window, cutoff]. Its last takes NULL for a value and
its trend counts whole days, so those two are not compared.
"""

from __future__ import annotations

import warnings
from typing import Any

import featuretools as ft
import numpy as np
import pandas as pd
from featuretools import primitives
from harness import Run
from job import CATEGORICAL, KEYS, TIMES, Wanted, wanted

warnings.filterwarnings("ignore")

NATIVE = {
    "count": primitives.Count,
    "sum": primitives.Sum,
    "mean": primitives.Mean,
    "std": primitives.Std,
    "min": primitives.Min,
    "max": primitives.Max,
}
SLOW = {
    "last": primitives.Last,
    "trend": primitives.Trend,
    "distinct": primitives.NumUnique,
    "mode": primitives.Mode,
    "recency": primitives.TimeSinceLast,
    "tenure": primitives.TimeSinceFirst,
}
WORDS = {"orders": ("channel", "status"), "clicks": ("page", "device"), "products": ("category", "brand")}


def main() -> None:
    run = Run(
        __doc__ or "",
        primitives={"choices": ("native", "all"), "default": "native"},
        jobs={"type": int, "default": 1, "help": "processes (n_jobs): above 1 it needs dask and distributed"},
    )
    cluster = _cluster(run.asked.jobs)
    measures = NATIVE | (SLOW if run.asked.primitives == "all" else {})
    # A key counts as no category, so its different values are not counted.
    chosen = [w for w in wanted() if w.measure in measures and w.column != "product_id"]
    with run.stage("load"):
        entities = _entities(run)
        rows = pd.read_parquet(run.asked.rows).rename(columns={"cutoff": "time"})
    values: dict[str, np.ndarray] = {}
    with run.stage("features"):
        made: list[tuple[list[Wanted], pd.DataFrame]] = []
        for days in dict.fromkeys(w.days for w in chosen):
            mine = [w for w in chosen if w.days == days]
            matrix = ft.calculate_feature_matrix(
                [_feature(w, entities, measures) for w in mine],
                entities,
                cutoff_time=rows,
                training_window=None if days is None else ft.Timedelta(days, "d"),
                include_cutoff_time=True,
                cutoff_time_in_index=True,
                n_jobs=run.asked.jobs,
                dask_kwargs={"cluster": cluster} if cluster else None,
            )
            made.append((mine, matrix))
    wanted_order = pd.MultiIndex.from_frame(rows[["customer_id", "time"]])
    for mine, matrix in made:
        matrix = matrix.reindex(wanted_order)
        for w, name in zip(mine, matrix.columns):
            if w.measure not in (*CATEGORICAL, "last", "trend"):
                found = matrix[name].to_numpy(dtype=np.float64, na_value=np.nan)
                # NUM_UNIQUE of nothing is NULL here and 0 there.
                values[w.name] = np.nan_to_num(found) if w.measure == "distinct" else found
    if cluster:
        cluster.close()
    run.finish(
        rows=len(rows),
        features=len(chosen),
        total=("load", "features"),
        packages=("featuretools", "pandas", "numpy"),
        values=values,
    )


def _cluster(jobs: int) -> Any:
    """Worker processes, started before the clock."""
    if jobs < 2:
        return None
    from distributed import LocalCluster

    return LocalCluster(n_workers=jobs, threads_per_worker=1, memory_limit="64GB", dashboard_address=None)


def _entities(run: Run) -> ft.EntitySet:
    entities = ft.EntitySet("shop")
    for name, key in KEYS.items():
        frame = pd.read_parquet(run.table(name))
        entities.add_dataframe(
            dataframe_name=name,
            dataframe=frame,
            index=key,
            time_index=TIMES.get(name),
            logical_types=dict.fromkeys(WORDS.get(name, ()), "Categorical"),
        )
    for parent, key, child in (
        ("customers", "customer_id", "orders"),
        ("customers", "customer_id", "clicks"),
        ("products", "product_id", "orders"),
    ):
        entities.add_relationship(parent, key, child, key)
    return entities


def _feature(w: Wanted, entities: ft.EntitySet, measures: dict[str, type]) -> ft.Feature:
    def column(name: str) -> ft.Feature:
        if w.via:
            return ft.Feature(ft.Feature(entities[w.via].ww[name]), dataframe_name=w.table)
        return ft.Feature(entities[w.table].ww[name])

    primitive = measures[w.measure]
    if w.measure in ("recency", "tenure"):
        return ft.Feature(
            column(TIMES[w.table]), parent_dataframe_name="customers", primitive=primitive("days")
        )
    if w.measure == "count":
        where = None if w.equals is None else column(w.column or "") == w.equals
        key = ft.Feature(entities[w.table].ww[KEYS[w.table]])
        return ft.Feature(key, parent_dataframe_name="customers", primitive=primitive, where=where)
    base: ft.Feature | list[ft.Feature] = column(w.column or "")
    if w.measure == "trend":
        base = [base, column(TIMES[w.table])]
    return ft.Feature(base, parent_dataframe_name="customers", primitive=primitive)


if __name__ == "__main__":
    main()
