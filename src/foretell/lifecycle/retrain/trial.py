"""A trial: two models score the same rows, each as of its cutoff, and a ruling comes out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from foretell.core.progress import Progress
from foretell.engines.base import Labels, Rows
from foretell.evaluation.labels import class_name
from foretell.features.matrix import Floats, Instants
from foretell.lifecycle.retrain.ruling import Bands, Ruling, rule
from foretell.prediction import learn
from foretell.prediction.around import model_matrix
from foretell.prediction.batch import LEVEL
from foretell.prediction.database import OpenDatabase
from foretell.prediction.learn import OTHER
from foretell.prediction.model import Model
from foretell.prediction.recipe import Recipe
from foretell.task.model import TaskKind


def trained(database: OpenDatabase, like: Model, labels: Labels, recipe: Recipe, progress: Progress) -> Model:
    """A model of the same question by a recipe, from these labels alone."""
    budget = recipe.budget
    lesson = learn.prepare(database, like.task, labels, budget, progress, recipe.settings, like.regime)
    lesson = learn.with_neighbours(database, lesson, budget)
    measured = learn.measure(database, lesson, budget, progress)
    released = learn.release(database, lesson, measured, budget, progress)
    return replace(released, facts={**released.facts, "recipe": recipe.to_dict()}, home=None)


def tried(
    database: OpenDatabase,
    champion: Model,
    challenger: Model,
    judged: Labels,
    *,
    look: int,
    seed: int = 0,
) -> Ruling:
    """Score the judged rows with both models and rule; rows see nothing after their own cutoffs."""
    old, new = (scores(database, model, judged.rows) for model in (champion, challenger))
    kind = champion.task.kind
    y, said = _aligned(kind, judged.values, (champion, challenger), (old, new))
    found = [bands(champion, old), bands(challenger, new)] if kind is TaskKind.REGRESSION else []
    both = (found[0], found[1]) if len(found) == 2 and found[0] and found[1] else None
    return rule(
        y,
        *said,
        groups=judged.rows.entities,
        cutoffs=judged.rows.cutoffs,
        kind=kind,
        metric=None if champion.backtest is None else champion.backtest["metric"],
        look=look,
        bands=both,
        level=LEVEL,
        seed=seed,
    )


def scores(database: OpenDatabase, model: Model, rows: Rows) -> Floats:
    """What a model says of rows: (rows,), or (rows, classes).

    Where it learned from frozen history, all rows see up to the first cutoff among them, as its own test
    rows did.
    """
    known: Instants | None = None
    if model.regime.frozen:
        known = np.minimum(rows.cutoffs, rows.cutoffs.min())
    matrix = model_matrix(database, model.task, model.features, model.fitted, rows, known)
    return model.fitted.predict(matrix)


def bands(model: Model, said: Floats) -> Bands | None:
    """The intervals around what a regression says; None where it has none."""
    conformal = model.fitted.conformal
    return None if conformal is None else conformal.band(said, LEVEL)


def _aligned(
    kind: TaskKind, values: Any, models: tuple[Model, Model], said: tuple[Floats, Floats]
) -> tuple[Floats, tuple[Floats, Floats]]:
    """Labels as numbers, and class probabilities in one order of classes; one that neither knows is other."""
    if kind is not TaskKind.MULTICLASS:
        return values.astype(np.float64), said
    classes = sorted({OTHER, *models[0].fitted.classes, *models[1].fitted.classes})
    place = {name: i for i, name in enumerate(classes)}
    y = np.array([place.get(class_name(v), place[OTHER]) for v in values], dtype=np.float64)
    wide = []
    for model, scored in zip(models, said):
        out = np.zeros((len(y), len(classes)))
        out[:, [place[c] for c in model.fitted.classes]] = scored
        wide.append(out)
    return y, (wide[0], wide[1])
