"""The grades of a model: each batch of its predictions beside what happened, as far as that is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from foretell.core.errors import ForetellError, UsageError
from foretell.core.progress import QUIET, Progress
from foretell.core.text import plural
from foretell.core.time import Instant
from foretell.evaluation.bootstrap import Score
from foretell.lifecycle.batches import Batch, batches, predictions_of
from foretell.lifecycle.grading.answers import answers, scored
from foretell.lifecycle.grading.outcomes import closes, obstacle, outcomes, seen_until
from foretell.lifecycle.grading.record import Grade, Grades, Waiting, score_of
from foretell.lifecycle.grading.segments import segments
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.version import Version
from foretell.models.criteria import title
from foretell.prediction.batch import LEVEL
from foretell.prediction.database import OpenDatabase
from foretell.query.parser import parse
from foretell.task.bind import bind
from foretell.task.model import Task, TaskKind

HINDSIGHT = "its version had learned from labels of that time: no forecast, and it flatters the model"
KIND = "grade"
"""The kind of the registry's entries that hold grades, by the batch's run_id."""


def grade(registry: Registry, name: str, database: OpenDatabase, *, progress: Progress = QUIET) -> Grades:
    """Grade every batch whose window has closed, and keep the grades; a regrade takes late rows in.

    The database is open as of the registry's clock. Labels come from each version's own query, so models
    that were trained on given labels cannot be graded (UsageError).
    """
    refuse_given(registry.version(name))
    versions = {v.number: v for v in registry.versions(name)}
    made, kept = batches(registry, name), {g.run_id: g for g in grades_of(registry, name)}
    progress.stage("grading", total=float(len(made)))
    graded, waiting = [], []
    for batch in made:
        found = _graded(registry, versions.get(batch.version), batch, database)
        progress.advance()
        if isinstance(found, Grade):
            registry.keep(name, KIND, batch.run_id, found.to_dict())
            graded.append(found)
        elif batch.run_id in kept:
            graded.append(kept[batch.run_id])
        else:
            waiting.append(found)
    return Grades(name, registry.clock(), tuple(graded), tuple(waiting))


def grades_of(registry: Registry, name: str) -> tuple[Grade, ...]:
    """The grades that are kept of a model, the earliest cutoff first."""
    found = [Grade.of(e.record) for e in registry.entries(name, KIND)]
    return tuple(sorted(found, key=lambda g: g.cutoff))


def last_grade(registry: Registry, version: Version) -> Grade | None:
    """How a version's latest forecast did, None while none is graded."""
    own = [g for g in grades_of(registry, version.name) if g.version == version.number and not g.hindsight]
    return own[-1] if own else None


def refuse_given(version: Version) -> None:
    """Refuse a version without a query: labels that were brought along do not come about by themselves."""
    if version.query is None:
        raise UsageError(
            f"{version} was trained on labels that were given: no query says what became of its predictions",
            mend="compare them with labels of your own, or fit the model with a query",
        )


def _graded(
    registry: Registry, version: Version | None, batch: Batch, database: OpenDatabase
) -> Grade | Waiting:
    def waits(due: Instant | None, why: str) -> Waiting:
        return Waiting(batch.run_id, batch.version, batch.cutoff, due, why)

    if version is None:
        return waits(None, "its version was pruned, and with it the query")
    try:
        task = _task(version, database)
    except ForetellError as error:
        return waits(None, f"its query does not fit the database any more: {error.message}")
    due = closes(task, batch.cutoff)
    why = obstacle(database, task, batch.cutoff)
    if why is not None:
        return waits(due, why)
    predictions = predictions_of(registry, batch)
    became = outcomes(database, task, predictions, batch.cutoff)
    if not len(became.rows):
        return waits(due, "no row of it has an outcome: " + _counts(became.missing))
    classes = registry.load(str(version)).fitted.classes if task.kind is TaskKind.MULTICLASS else ()
    found = answers(task.kind, predictions.take(became.place), became.values, classes)
    backtest = version.backtest
    metric = None if backtest is None else backtest["metric"]
    told = scored(found, metric, became.rows.entities)
    hindsight = batch.cutoff < seen_until(version, task)
    right = found.y if found.hit is None else found.hit
    said = found.said if found.sure is None else found.sure
    return Grade(
        batch.run_id,
        batch.version,
        batch.cutoff,
        due,
        predictions.num_rows,
        len(became.rows),
        became.missing,
        told.score,
        told.baseline,
        told.lift,
        None if backtest is None else score_of(backtest["model"]),
        float(said.mean()) if said.ndim == 1 else float("nan"),
        float(right.mean()),
        told.ece,
        told.bins,
        told.coverage,
        _level(task) if told.coverage is not None else None,
        segments(database, task, became.rows, found, metric),
        (*_notes(task.kind, told.score, right), *((HINDSIGHT,) if hindsight else ())),
        hindsight,
    )


def _task(version: Version, database: OpenDatabase) -> Task:
    refuse_given(version)
    return bind(parse(version.query or ""), database.schema)


def _level(task: Task) -> float:
    returns = task.query.returns
    return returns.numbers[0] if returns is not None and returns.kind == "INTERVAL" else LEVEL


def _notes(kind: TaskKind, score: Score, happened: Any) -> tuple[str, ...]:
    if kind is TaskKind.BINARY and happened.min() == happened.max():
        which = "yes" if happened.max() else "no"
        return (f"all {plural(len(happened), 'outcome')} are {which}: {title(score.metric)} is not defined",)
    if math.isnan(score.low):
        return ("too few entities for an interval",)
    return ()


def _counts(missing: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {why}" for why, n in missing.items()) or "it is empty"
