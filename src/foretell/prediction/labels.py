"""Label tables of one's own: rows of (entity key, cutoff, label) from a file, a frame or a SQL query."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foretell.core.errors import DataError, UsageError
from foretell.core.text import did_you_mean, plural
from foretell.core.time import Instant, format_instant, to_datetime
from foretell.engines.base import Labels, Rows
from foretell.features.lower import forecast_plans, target_plan
from foretell.prediction.database import OpenDatabase
from foretell.query.ast import Forecast
from foretell.task.cutoffs import learning_cutoffs
from foretell.task.model import Task, TaskKind

CUTOFF_NAMES = ("cutoff", "timestamp", "cutoff_time", "date", "time")
_PARAMETER = re.compile(r":(cutoff|horizon)\b")


def read_labels(labels: Any, database: OpenDatabase, task: Task) -> pa.Table:
    """A table with the key columns of the task's entity, `cutoff` (timestamp) and `label`.

    The cutoff's column may be called cutoff, timestamp, cutoff_time, date or time; the label's is the one
    left.
    """
    if isinstance(labels, str) and _is_sql(labels):
        table = _run_sql(labels, database, task)
    else:
        table = as_table(labels)
    return _normalised(table, task)


def read_rows(rows: Any, task: Task) -> pa.Table:
    """A table with the key columns of the task's entity and `cutoff`: rows to score, from a table, a frame or
    a file. Its other columns are left out.
    """
    table = as_table(rows)
    _, made = _keyed(table, task)
    return pa.table(made)


def as_table(given: Any) -> pa.Table:
    """An Arrow table from a table, a pandas or polars frame, or a Parquet or CSV file."""
    if isinstance(given, pa.Table):
        return given
    if isinstance(given, str | Path):
        return _read_file(Path(given))
    if hasattr(given, "to_arrow"):
        return given.to_arrow()
    if hasattr(given, "columns"):
        return pa.Table.from_pandas(given, preserve_index=False)
    raise UsageError(f"found {type(given).__name__}, expected a table, a frame, a file or a SELECT")


def computed_labels(database: OpenDatabase, task: Task, cutoffs: Sequence[Instant]) -> Labels:
    """A task's labels at cutoffs; a forecast's are lists, one number a step (NaN where it has no value)."""
    spec, engine = task.query.spec, database.engine
    if not isinstance(spec, Forecast):
        return engine.labels(target_plan(task), cutoffs)
    made = [engine.labels(plan, cutoffs) for plan in forecast_plans(task, spec.steps)]
    pairs = np.concatenate([np.stack([m.rows.cutoffs, m.rows.entities], axis=1) for m in made])
    step = np.repeat(np.arange(len(made)), [len(m.rows) for m in made])
    rows, place = np.unique(pairs, axis=0, return_inverse=True)
    numbers = np.full((len(rows), len(made)), np.nan)  # (rows, steps)
    numbers[place.reshape(-1), step] = np.concatenate([m.values for m in made])
    values = np.empty(len(rows), dtype=object)
    values[:] = numbers.tolist()
    empty = len(made[0].rows) + made[0].dropped.get("no value", 0) - len(rows)
    dropped = {**made[0].dropped, "no value": empty}
    return Labels(Rows(rows[:, 1], rows[:, 0]), values, {why: n for why, n in dropped.items() if n})


def refuse_open_windows(database: OpenDatabase, task: Task, cutoffs: Sequence[Instant]) -> None:
    """Refuse cutoffs whose target window passes the end of the data: what has not happened yet is no 0."""
    tables = tuple(t.name for t in task.schema.tables if not t.ignored and task.schema.is_timed(t.name))
    if task.horizon is None or not tables:
        return
    last = database.end_of_data(tables)
    latest = (-task.horizon).after(last)
    late = [format_instant(c) for c in cutoffs if c > latest]
    if late:
        raise DataError(
            f"the window of {task.horizon} after {plural(len(late), 'cutoff')} of {len(cutoffs):,} passes "
            f"the end of the data, {format_instant(last)}",
            examples=late,
            mend=f"choose cutoffs up to {format_instant(latest)}",
        )


def given_kind(table: pa.Table) -> TaskKind:
    """Binary for booleans and 0/1, regression for other numbers, multiclass for text."""
    labels = table["label"]
    if pa.types.is_boolean(labels.type):
        return TaskKind.BINARY
    if pa.types.is_integer(labels.type) or pa.types.is_floating(labels.type):
        values = {v for v in labels.unique().to_pylist() if v is not None}
        return TaskKind.BINARY if values <= {0, 1} else TaskKind.REGRESSION
    return TaskKind.MULTICLASS


def to_labels(table: pa.Table, database: OpenDatabase, task: Task) -> Labels:
    """The table's rows as labels, in order of cutoff and entity."""
    known = table.filter(_has_value(table["label"]))
    keys = {c: known[c].to_pylist() for c in task.entity_key}
    entities = database.engine.find(task.entity.name, keys)
    missing = np.flatnonzero(entities < 0)
    if len(missing):
        examples = [tuple(keys[c][i] for c in task.entity_key) for i in missing[:3].tolist()]
        raise DataError(
            f"{plural(len(missing), 'label')} of {known.num_rows:,} name entities that are not in "
            f"{task.entity.name!r}",
            examples=[e[0] if len(e) == 1 else e for e in examples],
            mend=f"labels are joined by {', '.join(task.entity_key)}",
        )
    cutoffs = np.asarray(known["cutoff"].cast(pa.int64()).to_numpy(), dtype=np.int64)
    order = np.lexsort((entities, cutoffs))
    pairs = np.stack([cutoffs[order], entities[order]])
    twice = (np.diff(pairs, axis=1) == 0).all(axis=0)
    if twice.any():
        raise DataError(
            f"{plural(int(twice.sum()), 'label')} repeat an entity at the same cutoff",
            mend="keep one row per entity and cutoff",
        )
    labels = known["label"]
    values: np.ndarray[Any, Any]
    if task.kind is TaskKind.MULTICLASS:
        values = np.array([str(v) for v in labels.to_pylist()], dtype=object)
    else:
        values = np.asarray(labels.cast(pa.float64()).to_numpy(), dtype=np.float64)
    empty = table.num_rows - known.num_rows
    return Labels(Rows(entities[order], cutoffs[order]), values[order], {"no value": empty} if empty else {})


def _has_value(labels: pa.ChunkedArray) -> Any:
    """Which labels are there: neither NULL nor NaN nor infinite."""
    if pa.types.is_floating(labels.type):
        return pc.fill_null(pc.is_finite(labels), False)
    return labels.is_valid()


def _normalised(table: pa.Table, task: Task) -> pa.Table:
    moment, made = _keyed(table, task)
    rest = [n for n in table.column_names if n not in (*task.entity_key, moment)]
    chosen = "label" if "label" in rest else rest[0] if len(rest) == 1 else None
    if chosen is None:
        raise UsageError(
            f"which column is the label? found {', '.join(rest) or 'none'}", mend="call it 'label'"
        )
    if pa.types.is_nested(table[chosen].type) or pa.types.is_binary(table[chosen].type):
        raise UsageError(
            f"the label column {chosen!r} is {table[chosen].type}, expected numbers, booleans or text"
        )
    return pa.table({**made, "label": table[chosen]})


def _keyed(table: pa.Table, task: Task) -> tuple[str, dict[str, Any]]:
    """The name of the cutoff's column, and the key's columns with `cutoff` as a timestamp."""
    names = table.column_names
    for column in task.entity_key:
        if column not in names:
            raise UsageError(
                f"the rows have no column {column!r}, the key of {task.entity.name!r}",
                mend=did_you_mean(column, names),
            )
    moments = [n for n in CUTOFF_NAMES if n in names and n not in task.entity_key]
    if not moments:
        raise UsageError(
            f"the rows have no cutoff: found {', '.join(names)}", mend="call the column 'cutoff'"
        )
    cutoff = table[moments[0]]
    if (
        pa.types.is_string(cutoff.type)
        or pa.types.is_date(cutoff.type)
        or pa.types.is_large_string(cutoff.type)
    ):
        try:
            cutoff = cutoff.cast(pa.timestamp("us"))
        except pa.ArrowInvalid as error:
            raise UsageError(
                f"the cutoff column {moments[0]!r} holds what is no time: {error}",
                mend="write cutoffs as 2026-03-01 or 2026-03-01 12:00:00",
            ) from None
    if not pa.types.is_timestamp(cutoff.type):
        raise UsageError(f"the cutoff column {moments[0]!r} is {cutoff.type}, expected a date or a timestamp")
    if cutoff.null_count:
        raise DataError(f"{plural(cutoff.null_count, 'row')} have no cutoff")
    made = {c: table[c] for c in task.entity_key}
    return moments[0], {**made, "cutoff": cutoff.cast(pa.timestamp("us"), safe=False)}


def _is_sql(text: str) -> bool:
    return text.lstrip()[:6].upper() in ("SELECT", "WITH A", "FROM (") or text.lstrip()[:5].upper() == "WITH "


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What DuckDB says against a person's own file or SELECT, as a slip of theirs."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        said = str(error).partition("\n")[0]
        raise UsageError(f"{what} cannot be read: {said}", mend="correct it, and try again") from None


def _refuse_all_but_select(text: str) -> None:
    """The working copy is not for writing, and one statement is enough."""
    import duckdb

    with _told("the SELECT for labels"):
        kinds = [s.type for s in duckdb.extract_statements(text)]
    if kinds != [duckdb.StatementType.SELECT]:
        raise UsageError("labels come from one SELECT", mend="leave other statements out")


def _read_file(path: Path) -> pa.Table:
    import duckdb

    if not path.is_file():
        raise UsageError(f"there is no file {path}", mend="labels are a Parquet or CSV file, or a SELECT")
    reader = "read_csv" if ".csv" in path.name or ".tsv" in path.name else "read_parquet"
    with duckdb.connect() as connection, _told(f"the labels in {path}"):
        return connection.sql(f"SELECT * FROM {reader}($path)", params={"path": str(path)}).to_arrow_table()


def _run_sql(text: str, database: OpenDatabase, task: Task) -> pa.Table:
    """The query at each learning cutoff. It runs on the working copy, which reaches nothing outside."""
    if ":cutoff" not in text:
        raise UsageError("a SELECT for labels needs :cutoff", mend="… WHERE ordered_at > :cutoff …")
    horizon = task.horizon if task.horizon is not None and task.horizon.amount > 0 else None
    if horizon is None:
        raise UsageError("a SELECT for labels needs a horizon", mend="say how far after the cutoff it looks")
    tables = tuple(t.name for t in task.schema.tables if not t.ignored and task.schema.is_timed(t.name))
    spans = [s for s in map(database.engine.span, tables) if s is not None]
    if not spans:
        raise DataError("no table has a time, so there is no cutoff to run the SELECT at")
    last = database.end_of_data(tables)
    cutoffs = learning_cutoffs(min(s[0] for s in spans), last, horizon, horizon, limit=24)
    parts = []
    database.store.materialise()  # so that main.<table> is there
    cursor = database.store.cursor()
    _refuse_all_but_select(_PARAMETER.sub(r"$\1", text))
    for cutoff in cutoffs:
        moment = to_datetime(cutoff)
        values = {"cutoff": moment, "horizon": to_datetime(horizon.after(cutoff)) - moment}
        used = {name: values[name] for name in set(_PARAMETER.findall(text))}
        with _told("the SELECT for labels"):
            found = cursor.sql(_PARAMETER.sub(r"$\1", text), params=used).to_arrow_table()
        if "cutoff" not in found.column_names:
            stamp = pa.array([moment] * found.num_rows, pa.timestamp("us"))
            found = found.append_column("cutoff", stamp)
        parts.append(found)
    return pa.concat_tables(parts)
