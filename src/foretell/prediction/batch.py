"""Scoring a population at one cutoff, with reasons where they are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foretell.core.errors import DataError, UsageError
from foretell.core.progress import Progress
from foretell.core.text import plural
from foretell.core.time import DAY, Instant, format_instant
from foretell.engines.base import Entities, Rows
from foretell.explain.reasons import Reason, reasons
from foretell.features.lower import target_plan
from foretell.features.matrix import Floats, Instants, Matrix
from foretell.features.model import FeatureSet
from foretell.models.fitted import FittedModel
from foretell.prediction.around import model_matrix
from foretell.prediction.database import OpenDatabase, Opened, Target, end_of_history, open_database
from foretell.prediction.predictions import Predictions, beside_keys, meaning
from foretell.schema.record import shape
from foretell.task.describe import describe
from foretell.task.given import is_given
from foretell.task.model import Task, TaskKind
from foretell.task.regime import SEED_TIME, Regime

LEVEL = 0.8
NO_INTERVAL = "too few rows to say how far predictions are off: they come without an interval"
BASELINE = "baseline"
"""The column that holds what the best simple rule says, where it is asked for."""
EXPLAINED = 200
"""Reasons are computed for at most this many of the highest scores: they cost more than the scores."""


def describe_task(task: Task) -> str:
    """The task in words; given labels have none but their entity."""
    if not is_given(task):
        return describe(task)
    return f"Labels given for {task.query.entity.table}.{task.query.entity.name}."


@contextmanager
def opened(
    target: Target | OpenDatabase | Opened,
    task: Task,
    progress: Progress,
    *,
    config: str | os.PathLike[str] | None = None,
    memory: str | int | None = None,
    cache: bool = False,
) -> Iterator[OpenDatabase]:
    """A database to score: opened with the task's schema, or one that is open already."""
    held = target if isinstance(target, OpenDatabase) else getattr(target, "opened", None)
    if held is None:
        with open_database(
            target,  # type: ignore[arg-type]
            config=config,
            schema=task.schema,
            memory=memory,
            cache=cache,
            progress=progress,
        ) as database:
            yield database
        return
    if shape(held.schema) != shape(task.schema):
        raise UsageError(
            "this database was opened with another schema than the model's",
            mend="pass the path or URL, so that it is opened with the model's",
        )
    yield held


def population(database: OpenDatabase, task: Task, cutoff: Instant) -> Rows:
    """Who is scored at a cutoff."""
    return database.engine.population(target_plan(task), [cutoff])


def snapshot(
    database: OpenDatabase, task: Task, regime: Regime, frozen_at: Instant | None = None
) -> Instant | None:
    """When the history that predictions may see ends; None: at each row's own cutoff."""
    at = frozen_at if frozen_at is not None else regime.at
    return end_of_history(database, task) if at is None and regime.frozen else at


def asked(
    database: OpenDatabase, task: Task, cutoff: Instant, at: Instant | None
) -> tuple[Rows, Instants | None]:
    """Who is scored at a cutoff, and until when their history is known. Who they are is settled as of then
    too, except that rows of a static target are given.
    """
    if at is None:
        return population(database, task, cutoff), None
    rows = population(database, task, cutoff if task.is_static else min(cutoff, at))
    if not task.is_static:
        rows = Rows(rows.entities, np.full(len(rows), cutoff))
    return rows, np.minimum(rows.cutoffs, at)


def stale(task: Task, regime: Regime, cutoff: Instant, until: Instant) -> tuple[str, ...]:
    """What to say where the known history, which ends at `until`, ends before the cutoff."""
    days = (cutoff - until) / DAY
    if days <= (min(1.0, task.horizon.days) if task.horizon is not None else 0.0):
        return ()
    said = f"what is known ends at {format_instant(until)}, {days:,.1f} days before the cutoff"
    if not regime.frozen:
        return (f"{said}; the backtest's rows knew everything before theirs (see --frozen-at)",)
    if days > regime.days:
        return (f"{said}: longer than the {regime.days:,.0f} days that the model was trained for",)
    return (said,)


def predict(
    database: OpenDatabase,
    task: Task,
    features: FeatureSet,
    fitted: FittedModel,
    cutoff: Instant,
    *,
    regime: Regime = SEED_TIME,
    frozen_at: Instant | None = None,
    ids: Sequence[Any] | None = None,
    explain: bool | int = False,
    baseline: bool = False,
    notes: tuple[str, ...] = (),
) -> Predictions:
    """Score the population (or the named part of it), highest first; with `baseline` beside what the best
    simple rule says.
    """
    at = snapshot(database, task, regime, frozen_at)
    rows, known = asked(database, task, cutoff, at)
    named = ids if ids is not None else _query_ids(task)
    until = end_of_history(database, task) if at is None else at
    said = [*database.changes, *stale(task, regime, cutoff, until), *notes]
    if named is not None:
        inside = named_rows(database, task, rows, named, cutoff, said)
        rows, known = rows.take(inside), None if known is None else known[inside]
    if not len(rows):
        raise DataError(
            f"there is nobody to score at {format_instant(cutoff)}",
            mend="choose another --as-of, or look at the WHERE clause with `foretell check`",
        )
    matrix = model_matrix(database, task, features, fitted, rows, known)
    return scored(
        database,
        task,
        features,
        fitted,
        rows,
        matrix,
        cutoff,
        explain=explain,
        baseline=baseline,
        notes=tuple(said),
    )


def scored(
    database: OpenDatabase,
    task: Task,
    features: FeatureSet,
    fitted: FittedModel,
    rows: Rows,
    matrix: Matrix,
    cutoff: Instant,
    *,
    explain: bool | int,
    baseline: bool = False,
    notes: tuple[str, ...] = (),
) -> Predictions:
    """Predictions from rows whose features are at hand."""
    scores = fitted.predict(matrix)
    headline = scores.max(axis=1) if task.kind is TaskKind.MULTICLASS else scores
    order = np.argsort(-headline, kind="stable")
    rows, matrix, scores = rows.take(order), matrix.take(order), scores[order]
    columns: dict[str, Any] = {"cutoff": pa.array(rows.cutoffs).cast(pa.timestamp("us"))}
    columns |= _scores(task, fitted, matrix, scores)
    if baseline:
        columns[BASELINE] = _baseline(fitted, matrix)
    if explain:
        most = EXPLAINED if explain is True else int(explain)
        shown = matrix.take(np.arange(min(most, matrix.rows)))
        told = _reasons(task, features, fitted, shown, scores, 3)
        words = [[str(r) for r in row] for row in told] + [[] for _ in range(matrix.rows - shown.rows)]
        columns["reasons"] = pa.array(words, pa.list_(pa.string()))
    level = LEVEL if task.kind is TaskKind.REGRESSION else None
    if level is not None and "low" not in columns and task.query.returns is None:
        level, notes = None, (*notes, NO_INTERVAL)
    text = meaning(task.kind, describe_task(task), cutoff)
    keys = database.engine.keys(task.entity.name, task.entity_key, rows.entities)
    made = beside_keys(task.entity.name, {name: pa.array(k) for name, k in keys.items()}, columns)
    return Predictions(pa.table(made), task.kind, tuple(made)[: len(keys)], text, level, notes)


def predict_rows(
    database: OpenDatabase,
    task: Task,
    features: FeatureSet,
    fitted: FittedModel,
    table: pa.Table,
    *,
    regime: Regime = SEED_TIME,
    frozen_at: Instant | None = None,
) -> pa.Table:
    """Scores of rows of (entity key, cutoff), beside their columns and in their order."""
    keys = {c: table[c].to_pylist() for c in task.entity_key}
    entities = database.engine.find(task.entity.name, keys)
    missing = np.flatnonzero(entities < 0)[:3].tolist()
    if missing:
        raise UsageError(
            f"{plural(int((entities < 0).sum()), 'row')} not found in {task.entity.name!r}",
            examples=[tuple(keys[c][i] for c in task.entity_key) for i in missing],
            mend=f"rows are joined by {', '.join(task.entity_key)}",
        )
    cutoffs = np.asarray(table["cutoff"].cast(pa.int64()).to_numpy(), dtype=np.int64)
    rows, at = Rows(entities, cutoffs), snapshot(database, task, regime, frozen_at)
    known = None if at is None else np.minimum(cutoffs, at)
    matrix = model_matrix(database, task, features, fitted, rows, known)
    found = _scores(task, fitted, matrix, fitted.predict(matrix))
    return pa.table({**{n: table[n] for n in table.column_names}, **found})


def _scores(task: Task, fitted: FittedModel, matrix: Matrix, scores: Floats) -> dict[str, pa.Array]:
    returns = task.query.returns
    wanted = returns.kind if returns is not None else None
    match task.kind:
        case TaskKind.BINARY:
            columns = {"probability": pa.array(scores)}
            if wanted == "CLASS":
                columns = {"prediction": pa.array(scores >= 0.5), **columns}
            return columns
        case TaskKind.MULTICLASS:
            best = scores.argmax(axis=1)
            columns = {
                "prediction": pa.array([fitted.classes[i] for i in best]),
                "probability": pa.array(scores.max(axis=1)),
            }
            if wanted == "PROBABILITY":
                for i, name in enumerate(fitted.classes):
                    columns[f"p({name})"] = pa.array(scores[:, i])
            return columns
        case _:
            if wanted == "QUANTILES" and returns is not None:
                return {"prediction": pa.array(scores), **_quantiles(fitted, matrix, scores, returns.numbers)}
            if wanted is None and fitted.conformal is None:
                return {"prediction": pa.array(scores)}
            level = returns.numbers[0] if wanted == "INTERVAL" and returns is not None else LEVEL
            low, high = fitted.predict_interval(matrix, level, predicted=scores)
            return {"prediction": pa.array(scores), "low": pa.array(low), "high": pa.array(high)}


def _baseline(fitted: FittedModel, matrix: Matrix) -> pa.Array:
    """What the best simple rule says of each row: a probability, a value, or a class."""
    said = fitted.predict_baselines(matrix)[fitted.best_baseline]
    if fitted.kind is TaskKind.MULTICLASS:
        return pa.array([fitted.classes[i] for i in said.argmax(axis=1)])
    return pa.array(said)


def _quantiles(
    fitted: FittedModel, matrix: Matrix, scores: Floats, levels: tuple[float, ...]
) -> dict[str, pa.Array]:
    """Quantiles from the ends of central intervals."""
    found = {}
    for level in levels:
        if level == 0.5:
            values = scores
        else:
            low, high = fitted.predict_interval(matrix, abs(2 * level - 1), predicted=scores)
            values = low if level < 0.5 else high
        found[f"q{level:g}"] = pa.array(values)
    return found


def _reasons(
    task: Task, features: FeatureSet, fitted: FittedModel, matrix: Matrix, scores: Floats, top: int
) -> list[tuple[Reason, ...]]:
    contributions = fitted.contributions(matrix)
    if task.kind is TaskKind.MULTICLASS:
        best = scores[: matrix.rows].argmax(axis=1)
        contributions = contributions[np.arange(matrix.rows), :, best]
    return reasons(contributions, fitted.columns, features, matrix, top=top)


def _query_ids(task: Task) -> list[Any] | None:
    values = task.query.entity_values
    return None if values is None else [v.value for v in values]


def named_rows(
    database: OpenDatabase, task: Task, rows: Rows, ids: Sequence[Any], cutoff: Instant, notes: list[str]
) -> npt.NDArray[np.bool_]:
    """Which rows are the named entities'; unknown names are an error, those not in the population a note."""
    named = _known(database, task, ids)
    inside = np.isin(rows.entities, named)
    left = len(set(named.tolist())) - len(set(rows.entities[inside].tolist()))
    if left:
        notes.append(
            f"{plural(left, 'named entity is', 'named entities are')} not in the population at "
            f"{format_instant(cutoff)} and not scored"
        )
    return inside


def check_ids(database: OpenDatabase, task: Task) -> None:
    """Refuse a query whose FOR … = / IN names somebody who is not there, before anything is trained."""
    ids = _query_ids(task)
    if ids is not None:
        _known(database, task, ids)


def _known(database: OpenDatabase, task: Task, ids: Sequence[Any]) -> Entities:
    named = _find(database, task, ids)
    missing = [i for i, entity in zip(ids, named) if entity < 0]
    if missing:
        raise UsageError(
            f"{plural(len(missing), 'id')} not found in {task.entity.name!r}",
            examples=missing,
            mend=f"ids are values of {', '.join(task.entity_key)}",
        )
    return named


def _find(database: OpenDatabase, task: Task, ids: Sequence[Any]) -> Entities:
    key = task.entity_key
    parts = [i if isinstance(i, tuple | list) else (i,) for i in ids]
    if any(len(p) != len(key) for p in parts):
        raise UsageError(f"an id of {task.entity.name!r} has {len(key)} parts: {', '.join(key)}")
    return database.engine.find(task.entity.name, {c: [p[n] for p in parts] for n, c in enumerate(key)})
