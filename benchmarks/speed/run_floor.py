"""The floor of the machine: read once what the job reads, write once what it writes, and compute nothing.

Read: each event's time (8 bytes), its numbers (as float64) and its codes (as int32), the columns of the job
alone, by numpy's maximum of whole numbers, which keeps up with memory. Written: a float32 matrix of rows
times features, filled with a constant, in memory that was touched before (`floor`), or that the system still
has to hand out (`fresh`). On as many threads as asked for; the fastest of nine passes.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import duckdb
import numpy as np
from harness import Run
from job import Column, wanted

PASSES = 9
NUMBERS = ("amount", "quantity", "discount", "duration")  # 8 bytes each; the others are codes, 4 bytes


def main() -> None:
    run = Run(__doc__ or "")
    chosen = wanted()
    count = {t: _rows(run, t) for t in ("orders", "clicks")}
    columns = sorted(
        {Column(w.table, "product_id" if w.via else w.column) for w in chosen if w.column}, key=str
    )
    inputs = [np.ones(n, dtype=np.int64) for n in count.values()]
    for column in columns:
        dtype = np.int64 if column.name in NUMBERS else np.int32
        inputs.append(np.ones(count[column.table], dtype=dtype))
    rows = duckdb.sql(f"SELECT count(*) FROM read_parquet('{run.asked.rows}')").fetchall()[0][0]
    touched = np.ones((len(chosen), rows), dtype=np.float32)
    with ThreadPoolExecutor(run.threads) as pool:
        parts = [_part(inputs, i, run.threads) for i in range(run.threads)]

        def once(matrix: np.ndarray) -> float:
            flat = matrix.reshape(-1)
            edges = np.linspace(0, len(flat), run.threads + 1).astype(np.int64)
            outputs = [flat[a:b] for a, b in pairwise(edges)]
            began = time.perf_counter()
            list(pool.map(_pass, parts, outputs))
            return time.perf_counter() - began

        once(touched)
        floor = [once(touched) for _ in range(PASSES)]
        fresh = [once(np.empty_like(touched)) for _ in range(PASSES)]
    run.note("floor", min(floor))
    run.note("fresh", min(fresh))
    run.finish(
        rows=rows,
        features=len(chosen),
        total=("floor",),
        packages=("numpy",),
        read_mb=round(sum(a.nbytes for a in inputs) / 1e6, 1),
        written_mb=round(touched.nbytes / 1e6, 1),
    )


def _rows(run: Run, table: str) -> int:
    return int(duckdb.sql(f"SELECT count(*) FROM read_parquet('{run.table(table)}')").fetchall()[0][0])


def _part(inputs: list[np.ndarray], thread: int, threads: int) -> list[np.ndarray]:
    return [a[len(a) * thread // threads : len(a) * (thread + 1) // threads] for a in inputs]


def _pass(inputs: list[np.ndarray], output: np.ndarray) -> None:
    for column in inputs:
        column.max()
    output.fill(1.5)


if __name__ == "__main__":
    main()
