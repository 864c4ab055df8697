"""One entity's score explained: its reasons, what nets read of it, and hints from those who are alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.core.errors import DataError
from foretell.core.random import generator
from foretell.core.time import Instant, format_instant
from foretell.engines.base import Rows
from foretell.explain.ablation import reasons_of_nets
from foretell.explain.asked import nets_part, only
from foretell.explain.explanation import EntityExplanation, Explanation, Hint, Told
from foretell.explain.hints import Peers
from foretell.explain.hints import hints as find_hints
from foretell.explain.reasons import reasons
from foretell.features.describe import words
from foretell.features.matrix import Floats, Instants, Matrix
from foretell.features.model import FeatureSet
from foretell.models.choice import Family
from foretell.models.fitted import FittedModel
from foretell.models.links import from_link
from foretell.prediction import batch
from foretell.prediction.around import model_matrix
from foretell.prediction.database import OpenDatabase, counted_tables
from foretell.prediction.without import cite
from foretell.task.model import Task, TaskKind
from foretell.task.regime import SEED_TIME, Regime

PEERS = 4_000
"""Hints look at this many others of the population at most."""
TEN = 10
LITTLE = 0.05
"""In link space: two scores so near have the slope of the curve between them."""


@dataclass(frozen=True)
class _Row:
    """One row, and the parts of its score in link space: `values` (columns, outputs), `base` (outputs,)."""

    matrix: Matrix
    values: Floats
    base: Floats
    output: int

    @classmethod
    def of(cls, fitted: FittedModel, matrix: Matrix) -> _Row:
        parts = fitted.explain(matrix)
        if fitted.kind is TaskKind.MULTICLASS:
            raw = parts.base[0] + parts.values[0].sum(axis=0)
            return cls(matrix, parts.values[0], parts.base[0], int(raw.argmax()))
        return cls(matrix, parts.values[0][:, None], parts.base[:1], 0)

    @property
    def raw(self) -> Floats:
        """The score in link space: (outputs,)."""
        return np.asarray(self.base + self.values.sum(axis=0))


def explain_entity(
    database: OpenDatabase,
    task: Task,
    features: FeatureSet,
    fitted: FittedModel,
    cutoff: Instant,
    entity: Any,
    *,
    top: int = 8,
    regime: Regime = SEED_TIME,
    frozen_at: Instant | None = None,
    explanation: Explanation | None = None,
    hinted: bool = True,
) -> EntityExplanation:
    """Why an entity's score is what it is, as of a cutoff. DataError where it is not in the population.

    `explanation`, that of the model, tells the usual level of its nets. With `hinted`, the population is
    looked through for entities that are alike.
    """
    rows, known = batch.asked(database, task, cutoff, batch.snapshot(database, task, regime, frozen_at))
    notes: list[str] = [*database.changes]
    inside = batch.named_rows(database, task, rows, [entity], cutoff, [])
    if not inside.any():
        raise DataError(
            f"{entity!r} is not among those that are scored at {format_instant(cutoff)}",
            mend="choose another --as-of, or look at the WHERE clause with `foretell check`",
        )
    own = rows.take(inside)
    matrix = model_matrix(database, task, features, fitted, own, None if known is None else known[inside])
    found: tuple[Hint, ...] = ()
    if hinted:
        row = _Row.of(fitted, matrix.take(np.array([0])))
        found = _hints(database, task, features, fitted, row, rows, known, inside)
    keys = database.engine.keys(task.entity.name, task.entity_key, own.entities[:1])
    entity_key = {name: held[0] for name, held in keys.items()}
    told = explain_row(
        task, features, fitted, matrix, entity_key, cutoff, top, explanation, hints=found, notes=tuple(notes)
    )
    return replace(
        told,
        reasons=cite(
            database,
            task,
            features,
            fitted,
            matrix.take(np.array([0])),
            entity_key,
            int(own.cutoffs[0]),
            told.reasons,
            known=None if known is None else int(known[inside][0]),
            output=fitted.classes.index(told.of) if told.of else 0,
        ),
    )


def explain_row(
    task: Task,
    features: FeatureSet,
    fitted: FittedModel,
    matrix: Matrix,
    entity: Mapping[str, Any],
    cutoff: Instant,
    top: int = 8,
    explanation: Explanation | None = None,
    *,
    hints: tuple[Hint, ...] = (),
    notes: tuple[str, ...] = (),
) -> EntityExplanation:
    """Why the score of a matrix's first row, that of `entity` at the cutoff, is what it is."""
    row = _Row.of(fitted, matrix.take(np.array([0])))
    nets = only(fitted, lambda family: family == Family.NET)
    usual = _usual(explanation, row.output)
    moved = 0.0 if nets is None else float(nets_part(fitted, row.matrix)[0, row.output]) - usual
    by_net = (
        () if nets is None else reasons_of_nets(fitted, nets, row.matrix, features, task, output=row.output)
    )
    start = row.base.copy()
    start[row.output] -= moved
    told = _told(row, start, fitted, features, top)
    low, high = _interval(fitted, row.matrix)
    return EntityExplanation(
        entity=entity,
        as_of=format_instant(cutoff),
        kind=str(task.kind),
        prediction=_value(fitted, row.raw, row.output),
        of=fitted.classes[row.output] if task.kind is TaskKind.MULTICLASS else "",
        average=_value(fitted, start, row.output),
        start=float(start[row.output]),
        total=float(row.raw[row.output]),
        reasons=told,
        rest=float(row.values[:, row.output].sum()) - sum(t.reason.effect for t in told),
        nets=moved,
        by_net=by_net[:TEN],
        hints=hints,
        low=low,
        high=high,
        notes=notes,
    )


def _told(row: _Row, start: Floats, fitted: FittedModel, features: FeatureSet, top: int) -> tuple[Told, ...]:
    """The strongest reasons, each with what it does to the prediction: the way from the usual prediction to
    this one, shared out as the effects are in link space, so that the changes add up too.
    """
    (found,) = reasons(row.values[None, :, row.output], fitted.columns, features, row.matrix, top=top)
    value, total = _value(fitted, row.raw, row.output), float(row.raw[row.output])
    way, moved = value - _value(fitted, start, row.output), total - float(start[row.output])
    slope = way / moved if abs(moved) > LITTLE else 0.0
    if slope <= 0:  # so near, or other classes moved more
        slope = 1.0 if fitted.kind is TaskKind.REGRESSION else value * (1 - value)
    return tuple(Told(r, r.effect * slope) for r in found)


def _value(fitted: FittedModel, raw: Floats, output: int) -> float:
    """The prediction that a score in link space (outputs,) stands for."""
    if fitted.kind is TaskKind.MULTICLASS:
        return float(from_link(fitted.kind, raw[None, :])[0, output])
    value = float(from_link(fitted.kind, raw)[0])
    return value if fitted.floor is None else max(value, fitted.floor)


def _usual(explanation: Explanation | None, output: int) -> float:
    level = explanation.nets_level if explanation is not None else ()
    return level[output] if output < len(level) else 0.0


def _interval(fitted: FittedModel, matrix: Matrix) -> tuple[float | None, float | None]:
    if fitted.kind is not TaskKind.REGRESSION or fitted.conformal is None:
        return None, None
    low, high = fitted.predict_interval(matrix, batch.LEVEL)
    return float(low[0]), float(high[0])


def _hints(
    database: OpenDatabase,
    task: Task,
    features: FeatureSet,
    fitted: FittedModel,
    row: _Row,
    rows: Rows,
    known: Instants | None,
    inside: npt.NDArray[np.bool_],
) -> tuple[Hint, ...]:
    """Hints from others of the same population; at most `PEERS`, drawn with a fixed seed."""
    others = np.flatnonzero(~inside)
    if len(others) > PEERS:
        others = np.sort(generator(0, "peers").permutation(others)[:PEERS])
    chosen = np.concatenate([np.flatnonzero(inside)[:1], others])
    X = model_matrix(
        database, task, features, fitted, rows.take(chosen), None if known is None else known[chosen]
    )
    said = fitted.predict(X)
    multiclass = task.kind is TaskKind.MULTICLASS
    trees = only(fitted, lambda family: family != Family.NET) if fitted.nets else fitted
    if trees is None:
        return ()

    def link(places: npt.NDArray[np.intp]) -> Floats:
        made = trees.contributions(X.take(places))
        return made[:, :, row.output] if multiclass else made

    peers = Peers(
        X,
        said[:, row.output] if multiclass else said,
        fitted.importance(),
        link,
        words(task.entity.name),
        is_share=task.kind is not TaskKind.REGRESSION,
        counted=frozenset(counted_tables(task)) if not task.is_static else frozenset(),
    )
    return find_hints(peers, features)
