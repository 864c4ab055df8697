"""The job as a person would write it in SQL: rows joined with their events, each aggregate with a FILTER.

Run by DuckDB from Parquet to Arrow, one query for each table and measure: one wide query for all of a table
took almost three times as long. An order is joined with its product first; the last of ties needs the row's
rank.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
from harness import Run
from job import CATEGORICAL, KEYS, TIMES, Wanted, wanted

NUMERIC = {
    "sum": "COALESCE(SUM({v}) FILTER ({f}), 0)",
    "mean": "AVG({v}) FILTER ({f})",
    "std": "STDDEV_SAMP({v}) FILTER ({f})",
    "min": "MIN({v}) FILTER ({f})",
    "max": "MAX({v}) FILTER ({f})",
    "last": "ARG_MAX({v}, k) FILTER ({f} AND {v} IS NOT NULL)",
    "trend": "CASE WHEN COUNT({v}) FILTER ({f}) > 2 THEN REGR_SLOPE({v}, days) FILTER ({f}) END",
    "distinct": "COUNT(DISTINCT {v}) FILTER ({f})",
    "mode": "MODE({v}) FILTER ({f})",
    "last_category": "ARG_MAX({v}, k) FILTER ({f} AND {v} IS NOT NULL)",
}
ROWS = {
    "count": "COUNT(t) FILTER ({f})",
    "recency": "(EPOCH(cutoff) - EPOCH(MAX(t) FILTER ({f}))) / 86400.0",
    "tenure": "(EPOCH(cutoff) - EPOCH(MIN(t) FILTER ({f}))) / 86400.0",
}


def main() -> None:
    run = Run(__doc__ or "", memory={"help": "DuckDB's memory_limit, such as 16GB"})
    chosen = wanted()
    connection = duckdb.connect()
    connection.execute(f"SET threads = {run.threads}")
    connection.execute(f"SET temp_directory = '{run.asked.scratch}'")
    if run.asked.memory:
        connection.execute(f"SET memory_limit = '{run.asked.memory}'")
    values: dict[str, np.ndarray] = {}
    rows = 0
    with run.stage("features"):
        connection.execute(
            "CREATE TABLE r AS SELECT ROW_NUMBER() OVER () - 1 AS row, customer_id, cutoff "
            f"FROM read_parquet('{run.asked.rows}')"
        )
        batches: dict[tuple[str, str], list[Wanted]] = {}
        for w in chosen:
            batches.setdefault((w.table, w.measure), []).append(w)
        found = [connection.sql(_query(run, t, batch)).to_arrow_table() for (t, _), batch in batches.items()]
    for batch, answer in zip(batches.values(), found):
        order = np.argsort(answer["row"].to_numpy())
        rows = len(order)
        for i, w in enumerate(batch):
            if w.measure not in CATEGORICAL:
                values[w.name] = answer[f"f{i}"].cast(pa.float64()).to_numpy()[order]
    run.finish(
        rows=rows, features=len(chosen), total=("features",), packages=("duckdb", "pyarrow"), values=values
    )


def _query(run: Run, table: str, mine: list[Wanted]) -> str:
    columns = dict.fromkeys(f"{'p' if w.via else 'o'}.{w.column}" for w in mine if w.column)
    joined = ""
    if any(w.via for w in mine):
        joined = f" LEFT JOIN read_parquet('{run.table('products')}') p ON p.product_id = o.product_id"
    time = TIMES[table]
    events = (
        f"SELECT o.customer_id, o.{time} AS t, EPOCH(o.{time}) / 86400.0 AS days, "
        f"ROW_NUMBER() OVER (ORDER BY o.{time}, o.{KEYS[table]}) AS k{''.join(f', {c}' for c in columns)} "
        f"FROM read_parquet('{run.table(table)}') o{joined}"
    )
    lengths = sorted({w.days for w in mine if w.days is not None})
    flags = "".join(f", o.t > r.cutoff - INTERVAL {days} DAY AS within_{days}" for days in lengths)
    made = ", ".join(f"{_aggregate(w)} AS f{i}" for i, w in enumerate(mine))
    return (
        f"WITH o AS ({events}), e AS (SELECT r.row, r.cutoff, o.t IS NOT NULL AS ever{flags}, o.* "
        "FROM r LEFT JOIN o ON o.customer_id = r.customer_id AND o.t <= r.cutoff) "
        f"SELECT row, {made} FROM e GROUP BY row, cutoff"
    )


def _aggregate(w: Wanted) -> str:
    tests = ["ever" if w.days is None else f"within_{w.days}"]
    value = w.column or ""
    if w.equals is not None:
        tests.append(f"{value} = '{w.equals}'")
    text = ROWS.get(w.measure) or NUMERIC[w.measure]
    return text.format(v=value, f="WHERE " + " AND ".join(tests))


if __name__ == "__main__":
    main()
