"""A question's job for the rivals: the tables as foretell reads them, the very rows, and our flat features.

The folder holds

- `job.json`: the kind, classes and metric of the task; tables, their columns' meanings, links; the entity;
- `tables/<name>.parquet`: every table with `__row` (its key), `__time` (the instant from which a row is
  visible; it may be a parent's) and `__up<i>` (the parent's `__row` along link i);
- `rows.parquet`: `entity` (a `__row`), `cutoff`, `y` and `fold` (train, valid, test) of every row;
- `matrix.parquet`: foretell's features of these rows.

What may hold values from after the cutoff is left out, by the rules that hold for foretell's own features: a
column with a `known_at`, and of tables whose rows are changed later every column but keys, links and times.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from foretell.features.matrix import Categorical, Matrix
from foretell.prediction.database import OpenDatabase
from foretell.prediction.learn import Lesson, _later_columns
from foretell.schema.model import Column, DType, Schema, Semantic, Table
from foretell.store.columns import FIRST_RANK, Tables

ROW, TIME, UP = "__row", "__time", "__up"


def export(database: OpenDatabase, lesson: Lesson, metric: str, folder: Path) -> str:
    """Write the job; what is returned tells two jobs apart, whatever foretell's features are."""
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    rows = _rows(lesson)
    pq.write_table(rows, folder / "rows.parquet")
    dealt = lesson.folds.train | lesson.folds.valid | lesson.folds.test
    pq.write_table(_flat(lesson.matrix.take(dealt)), folder / "matrix.parquet")
    schema, task = database.schema, lesson.task
    until = int(lesson.labels.rows.cutoffs[lesson.folds.train].max())
    later = _later_columns(database, until)
    links = schema.active_links
    arrays = Tables(database.store, schema, threads=database.threads)
    tables = {}
    for table in schema.tables:
        if table.ignored:
            continue
        readable = [c for c in table.columns if _readable(c, table, schema, later)]
        columns: dict[str, Any] = {ROW: np.arange(arrays.rows(table.name)) + FIRST_RANK}
        times = arrays.times(table.name)
        if times is not None:
            columns[TIME] = pa.array(times).cast(pa.timestamp("us"))
        for i, link in enumerate(links):
            if link.child == table.name:
                places = arrays.parents(link)
                columns[f"{UP}{i}"] = pa.array(places.astype(np.int64) + FIRST_RANK, mask=places < 0)
        columns |= {c.name: arrays.arrow(table.name, c.name) for c in readable}
        pq.write_table(pa.table(columns), folder / "tables" / f"{table.name}.parquet")
        tables[table.name] = {c.name: c.semantic.value for c in readable}
    job = {
        "kind": task.kind.value,
        "classes": list(lesson.classes),
        "metric": metric,
        "entity": task.entity.name,
        "static": task.is_static,
        "hidden": sorted(task.hidden),
        "tables": tables,
        "links": [{"child": k.child, "parent": k.parent, "column": f"{UP}{i}"} for i, k in enumerate(links)],
    }
    told = [
        f"{UP}{i}"
        for i, k in enumerate(links)
        if k.child == task.entity.name and set(k.child_columns) & set(task.hidden)
    ]
    if told:  # links that are part of what is asked, such as to the winner
        job["hidden_links"] = told
    (folder / "job.json").write_text(json.dumps(job, indent=1))
    digest = hashlib.sha256(json.dumps(job).encode())
    for name in rows.column_names:
        digest.update(repr(rows[name].to_pylist()).encode())
    return digest.hexdigest()[:16]


def _readable(column: Column, table: Table, schema: Schema, later: tuple[str, ...]) -> bool:
    """Whether a column is something to make features of, and nothing of it is later than its row's time."""
    keys = {*table.primary_key, *(c for k in schema.links_up(table.name) for c in k.child_columns)}
    if column.ignored or column.name in keys or column.known_at is not None:
        return False
    if column.dtype is DType.OTHER or column.semantic is Semantic.IDENTIFIER:
        return False
    if column.semantic is Semantic.TIME and (
        column.dtype is not DType.TIMESTAMP or column.name == table.time_column
    ):
        return False
    if f"{table.name}.{column.name}" in later:
        return False
    changing = schema.is_timed(table.name) and any(n.rpartition(".")[0] == table.name for n in later)
    return not changing


def _rows(lesson: Lesson) -> pa.Table:
    rows, folds = lesson.labels.rows, lesson.folds
    fold = np.select([folds.train, folds.valid, folds.test], ["train", "valid", "test"], default="")
    held = pa.table(
        {
            "entity": rows.entities,
            "cutoff": pa.array(rows.cutoffs).cast(pa.timestamp("us")),
            "y": lesson.y,
            "fold": fold,
        }
    )
    return held.filter(pa.array(fold != ""))


def _flat(matrix: Matrix) -> pa.Table:
    """The features as columns; categories as dictionaries."""
    columns = {}
    for name, column in zip(matrix.names, matrix.columns):
        if isinstance(column, Categorical):
            codes = pa.array(column.codes, mask=column.codes < 0)
            columns[name] = pa.DictionaryArray.from_arrays(codes, pa.array(column.categories, pa.string()))
        else:
            columns[name] = pa.array(column.values)
    return pa.table(columns)
