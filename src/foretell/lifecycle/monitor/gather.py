"""What the watch looks at, read from the database: past windows of the model's features, and labels of late.

Everything of a window is as it was known at the window's cutoff, by the same plans that make predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from foretell.core.random import generator
from foretell.core.time import DAY, Instant, Offset, parse_instant
from foretell.engines.base import Rows
from foretell.evaluation.bootstrap import interval, lift, resample
from foretell.evaluation.labels import class_name
from foretell.evaluation.metrics import metric_for
from foretell.evaluation.replay import read_columns
from foretell.features.lower import feature_plan, target_plan
from foretell.features.matrix import Categorical, Floats, Matrix, Numeric
from foretell.lifecycle.grading.answers import OTHER
from foretell.lifecycle.grading.outcomes import obstacle
from foretell.lifecycle.monitor.harm import Outcome
from foretell.lifecycle.monitor.histograms import Windows
from foretell.prediction.around import model_matrix
from foretell.prediction.database import OpenDatabase, counted_tables, end_of_history
from foretell.prediction.labels import computed_labels
from foretell.prediction.model import Model
from foretell.store.columns import Tables
from foretell.task.given import is_given
from foretell.task.model import Task, TaskKind

WINDOWS = 28
"""Past windows that are looked at beside the latest: four weeks of days."""
FEW = 16
"""With fewer, windows lie a quarter as far apart."""
MOST_ENTITIES = 2_000
"""Entities of a window that are looked at: the same of every window, as far as they are there."""
REPETITIONS = 200
"""Resamples that tell a window's errors."""
MOST_LABELLED = 12
"""Past windows whose labels are known that the model's predictions are held against."""
MOST_TIMES = 5_000_000
"""Rows of a table whose times are read where the engine does not hold them."""
PREDICTION = "prediction"

Places: TypeAlias = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Gathered:
    """The model's features of entities in windows, the latest last, with what the model says of them."""

    cutoffs: tuple[Instant, ...]
    rows: Rows
    window: Windows  # (rows,)
    matrix: Matrix
    said: Floats  # (rows,) or (rows, classes)

    @property
    def latest(self) -> npt.NDArray[np.bool_]:
        """Which rows are of the latest window. (rows,)"""
        return np.asarray(self.window == len(self.cutoffs) - 1)


def past_cutoffs(database: OpenDatabase, task: Task, cutoff: Instant) -> tuple[Instant, ...]:
    """The cutoffs of past windows and the latest, ascending, at the task's step where history is long enough.

    Past populations of a static target cannot be told: a value that is known now was not then.
    """
    step = task.step or task.horizon
    if task.is_static or step is None or not step.amount > 0:
        return (cutoff,)
    first = database.start_of_data(counted_tables(task) or (task.entity.name,))
    begin = task.horizon.after(first) if task.horizon is not None else first
    found = _back(cutoff, step, begin)
    if len(found) - 1 < FEW:
        found = _back(cutoff, Offset(step.days / 4), begin)
    return tuple(found[::-1])


def _back(cutoff: Instant, step: Offset, begin: Instant) -> list[Instant]:
    found = [Offset(-step.amount * k, step.unit).after(cutoff) for k in range(WINDOWS + 1)]
    return [c for c in found if c == cutoff or c >= begin]


def gather(
    database: OpenDatabase, model: Model, cutoffs: Sequence[Instant], seed: int = 0
) -> Gathered | None:
    """The windows at those cutoffs; None where nobody is there at the last. Empty ones are left out."""
    everyone = database.engine.population(target_plan(model.task), cutoffs)
    if len(cutoffs) == 1:  # a static target's rows have cutoffs of their own, and are one window
        window = np.zeros(len(everyone), dtype=np.int64)
    else:
        window = np.searchsorted(cutoffs, everyone.cutoffs)
    there = np.unique(window)
    if len(cutoffs) - 1 not in there:
        return None
    kept = np.concatenate([_sampled(everyone.entities, np.flatnonzero(window == w), seed) for w in there])
    rows, window = everyone.take(kept), np.searchsorted(there, window[kept])
    matrix = _matrix(database, model, rows)
    return Gathered(tuple(cutoffs[w] for w in there), rows, window, matrix, model.fitted.predict(matrix))


def _matrix(database: OpenDatabase, model: Model, rows: Rows) -> Matrix:
    """The model's features; where it was trained on frozen history, as if the snapshot were fresh."""
    known = rows.cutoffs if model.regime.frozen else None
    return model_matrix(database, model.task, model.features, model.fitted, rows, known)


def _sampled(entities: npt.NDArray[np.int64], places: Places, seed: int) -> Places:
    """At most `MOST_ENTITIES` of the places, drawn by a lot that each entity keeps from window to window."""
    if len(places) <= MOST_ENTITIES:
        return places
    lots = generator(seed, "monitor").random(int(entities.max()) + 1)[entities[places]]
    return np.sort(places[np.argsort(lots, kind="stable")[:MOST_ENTITIES]])


def said_columns(model: Model, said: Floats) -> Matrix:
    """What the model says, as columns of a matrix: a number, or a class and how sure it is."""
    if model.task.kind is not TaskKind.MULTICLASS:
        return Matrix((PREDICTION,), (Numeric(said),), len(said))
    best = said.argmax(axis=1).astype(np.int32)
    columns = (Categorical(best, model.fitted.classes), Numeric(said.max(axis=1)))
    return Matrix((PREDICTION, f"probability of the {PREDICTION}"), columns, len(said))


def used_tables(model: Model) -> tuple[str, ...]:
    """The tables that the model reads, those that its target counts among them."""
    read = read_columns(feature_plan(model.task, model.features), target_plan(model.task), model.task.schema)
    counted = counted_tables(model.task)
    return tuple(dict.fromkeys((model.task.entity.name, *counted, *sorted(read))))


def feed_times(database: OpenDatabase, tables: Sequence[str]) -> Mapping[str, npt.NDArray[np.int64]]:
    """The instants from which rows of tables are known, ascending; untimed tables are left out.

    Where an engine holds no tables as arrays they are read for this; of one with very many rows only the
    first and the last instant is told.
    """
    held = database.engine.tables
    small = Tables(database.store, database.schema, threads=database.threads) if held is None else held
    found = {}
    for name in tables:
        if not database.schema.is_timed(name):
            continue
        if held is None and database.store.table(name).rows > MOST_TIMES:
            span = database.engine.span(name, until=database.now)
            found[name] = np.array([] if span is None else span, dtype=np.int64)
        else:
            times = small.times(name)
            found[name] = np.empty(0, dtype=np.int64) if times is None else times
    return found


@dataclass(frozen=True)
class Window:
    """A past window whose labels are known, and which the model had not seen: its outcome, and what the model
    said of its rows. (rows,) or (rows, classes)
    """

    outcome: Outcome
    said: Floats


def unseen_windows(database: OpenDatabase, model: Model, seed: int = 0) -> tuple[Window, ...]:
    """How the model would have done since its last training label, at cutoffs whose labels are known."""
    task, start = model.task, trained_until(model)
    if is_given(task) or task.is_static or task.step is None or start is None:
        return ()
    end = end_of_history(database, task)
    count = max(0, int((end - start) / max(1.0, task.step.microseconds)))
    cutoffs = [Offset(task.step.amount * k, task.step.unit).after(start) for k in range(count + 1)]
    closed = [c for c in cutoffs if obstacle(database, task, c) is None][-MOST_LABELLED:]
    if not closed:
        return ()
    labels = computed_labels(database, task, closed)
    at = [np.flatnonzero(labels.rows.cutoffs == c) for c in closed]
    kept = [_sampled(labels.rows.entities, places, seed) for places in at if len(places)]
    if not kept:
        return ()
    chosen = np.concatenate(kept)
    rows, values = labels.rows.take(chosen), labels.values[chosen]
    matrix = _matrix(database, model, rows)
    said = model.fitted.predict(matrix)
    rule = model.fitted.predict_baselines(matrix)[model.fitted.best_baseline]
    y = _targets(task.kind, values, model.fitted.classes)
    found = []
    for cutoff in np.unique(rows.cutoffs).tolist():
        mine = rows.cutoffs == cutoff
        outcome = _outcome(model, cutoff, y[mine], said[mine], rule[mine], rows.entities[mine])
        found.append(Window(outcome, said[mine]))
    return tuple(found)


def _outcome(
    model: Model, cutoff: Instant, y: Floats, said: Floats, rule: Floats, entities: npt.NDArray[np.int64]
) -> Outcome:
    """The score of a window and the advantage over the simple rule, with their errors."""
    kind = model.task.kind
    known = y >= 0 if kind is TaskKind.MULTICLASS else np.ones(len(y), dtype=np.bool_)
    metric = metric_for(kind, None if model.backtest is None else model.backtest["metric"])
    held = {"model": said[known], "rule": rule[known]}
    scores = {n: metric.score(y[known], p) for n, p in held.items()}
    draws = resample(metric, y[known], held, entities[known], repetitions=REPETITIONS)
    gain = lift(metric, scores["model"], scores["rule"], draws["model"], draws["rule"])
    low, high = interval(draws["model"])
    error, gain_error = (high - low) / 3.92, (gain.high - gain.low) / 3.92
    return Outcome(cutoff, int(known.sum()), scores["model"], error, gain.value, gain_error)


def _targets(kind: TaskKind, values: npt.NDArray[Any], classes: Sequence[str]) -> Floats:
    """Labels as the model's numbers; a class that it does not know is "(other)", or -1 where it has none."""
    if kind is not TaskKind.MULTICLASS:
        return values.astype(np.float64)
    place = {name: float(i) for i, name in enumerate(classes)}
    rest = place.get(OTHER, -1.0)
    return np.array([place.get(class_name(v), rest) for v in values])


def trained_until(model: Model) -> Instant | None:
    """When the last window closed that the model was trained on; None where its file does not say."""
    last = model.facts.get("last_cutoff")
    if last is None:
        return None
    moment = parse_instant(str(last))
    return moment if model.task.horizon is None else model.task.horizon.after(moment)


def least_age(task: Task) -> float:
    """How young a newest row is never late, in microseconds: a step of the task, from an hour to a day."""
    step = task.step.microseconds if task.step is not None else DAY
    return float(np.clip(step, DAY / 24, DAY))
