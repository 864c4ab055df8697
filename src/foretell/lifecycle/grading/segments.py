"""Where a batch did worst: its rows by the values of their entity's own columns, as known at the cutoff."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.engines.base import Rows
from foretell.evaluation.bootstrap import Score, interval, resample
from foretell.evaluation.metrics import metric_for
from foretell.features.lower import feature_plan
from foretell.features.matrix import Categorical
from foretell.features.model import Attribute, Feature, FeatureSet, Kind
from foretell.lifecycle.grading.answers import Answers
from foretell.prediction.database import OpenDatabase
from foretell.schema.model import Semantic
from foretell.task.model import Task

FEWEST_ROWS = 50
MOST_VALUES = 12
MOST_COLUMNS = 12
TOLD = 5
REPETITIONS = 200


@dataclass(frozen=True)
class Segment:
    """The rows that have a value in a column. `baseline` is the simple rule's score on them."""

    column: str
    value: str
    rows: int
    score: Score
    baseline: float | None


def segments(
    database: OpenDatabase, task: Task, rows: Rows, found: Answers, metric: str | None, *, seed: int = 0
) -> tuple[Segment, ...]:
    """The segments of at least 50 rows with the worst scores, the worst first; those without a score aside.

    Columns with at most twelve values are looked at, those of the entity's table that features may read.
    """
    judge = metric_for(found.kind, metric)
    told = []
    for column, value, mask in _parts(database, task, rows):
        if mask.all():
            continue
        part = found.take(mask)
        score = judge.score(part.y, part.said)
        if np.isnan(score):
            continue
        rule = None if part.baseline is None else judge.score(part.y, part.baseline)
        told.append((judge.gain(part.y, part.said), column, value, mask, score, rule))
    told.sort(key=lambda t: (t[0], t[1], t[2]))
    out = []
    for _, column, value, mask, score, rule in told[:TOLD]:
        part = found.take(mask)
        draws = resample(
            judge, part.y, {"model": part.said}, rows.entities[mask], repetitions=REPETITIONS, seed=seed
        )
        held = Score(judge.name, score, *interval(draws["model"]))
        out.append(Segment(column, value, int(mask.sum()), held, rule))
    return tuple(out)


def _parts(
    database: OpenDatabase, task: Task, rows: Rows
) -> Iterator[tuple[str, str, npt.NDArray[np.bool_]]]:
    features = _columns(task)
    if not features or not len(rows):
        return
    matrix = database.engine.features(feature_plan(task, features), rows)
    for name, column in zip(matrix.names, matrix.columns):
        codes, names = _coded(column)
        counts = np.bincount(codes[codes >= 0], minlength=len(names))
        if (counts > 0).sum() > MOST_VALUES:
            continue
        for code in np.flatnonzero(counts >= FEWEST_ROWS).tolist():
            yield name, names[code], codes == code


def _coded(column: Any) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    if isinstance(column, Categorical):
        return column.codes.astype(np.int64), column.categories
    values = np.asarray(column.values)
    return np.where(np.isnan(values), -1, values).astype(np.int64), ("no", "yes")


def _columns(task: Task) -> FeatureSet:
    """The columns to cut by, as features of their own."""
    keys = {*task.entity_key, *(c for k in task.schema.links_up(task.entity.name) for c in k.child_columns)}
    kinds = {Semantic.CATEGORICAL: Kind.CATEGORICAL, Semantic.BOOLEAN: Kind.NUMERIC}
    chosen = [
        Feature(c.name, kinds[c.semantic], Attribute(c.name), c.name, task.entity.name)
        for c in task.entity.columns
        if c.semantic in kinds
        and not c.ignored
        and c.name not in keys
        and c.name not in task.hidden
        and (c.distinct is None or c.distinct <= MOST_VALUES)
    ]
    return FeatureSet(tuple(chosen[:MOST_COLUMNS]))
