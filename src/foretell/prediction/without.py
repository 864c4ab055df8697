"""Reasons with the rows behind them, and the score as it would be with exactly those rows deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from foretell.core.time import Instant
from foretell.engines.base import Rows
from foretell.explain.evidence import Citing, Evidence
from foretell.explain.explanation import Told
from foretell.features.matrix import Matrix, Values
from foretell.features.model import FeatureSet
from foretell.models.fitted import FittedModel
from foretell.prediction.around import graph_of, surrounded
from foretell.prediction.database import OpenDatabase
from foretell.prediction.history import features_at
from foretell.prediction.slices import (
    Benches,
    TooWideError,
    WorkingRows,
    footprint,
    open_slice,
    read_slice,
)
from foretell.task.model import Task, TaskKind


@dataclass(frozen=True)
class Case:
    """One entity's score in a slice: everything that is needed to make it again without some rows.

    `frames` are the slice, `matrix` (one row) what the model read, `live` the features that the slice gives
    (the others stay as they are), `output` the class in question, `begins` where tables begin.
    """

    task: Task
    fitted: FittedModel
    features: FeatureSet
    live: FeatureSet
    frames: Mapping[str, pa.Table]
    matrix: Matrix
    key: tuple[Any, ...]
    cutoff: Instant
    known: Instant | None = None
    output: int = 0
    begins: Mapping[str, Instant] | None = None


def with_rows(case: Case, told: Sequence[Told], benches: Benches | None = None) -> tuple[Told, ...]:
    """Each reason with the rows behind it, and the prediction without them, where there are such."""
    place = Benches() if benches is None else benches
    try:
        named = {f.name: f for f in case.features.features}
        with open_slice(case.frames, case.task.schema, begins=case.begins, benches=place) as part:
            tables = part.engine.tables
            if tables is None:
                return tuple(told)
            entity = _entity(part, case)
            citing = Citing(tables, case.task, entity, case.cutoff, case.known, case.begins)
            found: list[Evidence | None] = []
            loaded = []
            for reason in told:
                feature = named.get(reason.reason.feature)
                evidence = citing(feature) if feature is not None else None
                found.append(evidence)
                loaded.append(None if evidence is None else tables.as_loaded(evidence.table, evidence.places))
        kept: dict[tuple[str, bytes], float | None] = {}
        out = []
        for reason, evidence, rows in zip(told, found, loaded):
            if evidence is None or rows is None:
                out.append(reason)
                continue
            score = None
            if not evidence.is_own:
                key = (evidence.table, np.sort(rows).tobytes())
                if key not in kept:
                    kept[key] = score_without(case, {evidence.table: rows}, place)
                score = kept[key]
            out.append(
                replace(
                    reason,
                    evidence=evidence.text,
                    cited=evidence.cited(),
                    count=evidence.count,
                    without=score,
                )
            )
        return tuple(out)
    finally:
        if benches is None:
            place.close()


def score_without(case: Case, rows: Mapping[str, Any], benches: Benches) -> float | None:
    """The prediction with these rows of the slice deleted (places by table); None where the entity itself is
    no longer there.
    """
    frames = dict(case.frames)
    for table, places in rows.items():
        keep = np.ones(frames[table].num_rows, dtype=np.bool_)
        keep[places] = False
        frames[table] = frames[table].filter(pa.array(keep))
    with open_slice(frames, case.task.schema, begins=case.begins, benches=benches) as part:
        entity = _entity(part, case)
        if entity < 0:
            return None
        own = Rows(np.array([entity]), np.array([case.cutoff]))
        known = None if case.known is None else np.array([case.known])
        made = features_at(part.engine, case.task, case.live, own, known)

        def column(name: str) -> Values:
            return made[name] if name in made else case.matrix[name]

        names = case.matrix.names
        matrix = Matrix(names, tuple(column(n) for n in names), 1)
        if case.fitted.is_relational:
            graph = graph_of(part, case.task)
            if graph is None:
                return None
            matrix = surrounded(matrix, graph, own, known)
        said = case.fitted.predict(matrix)
    return float(said[0, case.output] if case.task.kind is TaskKind.MULTICLASS else said[0])


def _entity(part: OpenDatabase, case: Case) -> int:
    key = {c: [v] for c, v in zip(case.task.entity_key, case.key, strict=True)}
    return int(part.engine.find(case.task.entity.name, key)[0])


def cite(
    database: OpenDatabase,
    task: Task,
    features: FeatureSet,
    fitted: FittedModel,
    matrix: Matrix,
    key: Mapping[str, Any],
    cutoff: Instant,
    told: Sequence[Told],
    *,
    known: Instant | None = None,
    output: int = 0,
) -> tuple[Told, ...]:
    """All reasons of one entity of an open database with their rows; `matrix` is what the model read of it
    (one row). Where too much is read of an entity to be looked at apart, the reasons stay as they are.
    """
    used = features.select(set(matrix.names))
    print_ = footprint(task, used, fitted)
    reader = WorkingRows(database)
    try:
        frames = read_slice(reader, print_, [tuple(key.values())])
    except TooWideError:
        return tuple(told)
    finally:
        reader.close()
    spans = ((t, database.engine.span(t)) for t in print_.begins)
    case = Case(
        task,
        fitted,
        features,
        used.select(set(used.names) - print_.everybody),
        frames,
        matrix,
        tuple(key.values()),
        cutoff,
        known,
        output,
        {t: s[0] for t, s in spans if s is not None},
    )
    return with_rows(case, told)
