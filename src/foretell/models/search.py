"""A small random search around a preset of the trees, judged on forward folds (Bergstra & Bengio 2012), and
how fast older rows are to count for less.

It is worth its time only where there is a lot of it: the presets are good, and what wins on one period by a
hair loses on the next. So a setting has to be better on average over several periods, each measured against
the preset on the same period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from foretell.core.random import generator
from foretell.features.matrix import Floats
from foretell.models.abreast import abreast
from foretell.models.base import Context
from foretell.models.rolling import Fold
from foretell.models.trees import ENOUGH_ROUNDS, FOUND, TreeLearner, TreeRecipe, round_seconds

MOST_TRIALS, FEWEST_TRIALS = 24, 4
KEPT = 2
LARGEST_LEAVES = 80
HALF_LIVES = (0.1, 0.3, 1.0)
"""Shares of the span over which the weights of rows may halve."""
HALF_LIFE_SHARE = 0.2
"""Of a search's seconds."""


def neighbours(recipe: TreeRecipe, count: int, seed: int) -> list[TreeRecipe]:
    """Recipes with other sizes of trees, shares of rows and columns, and penalties, drawn with the seed.

    >>> [r.name for r in neighbours(TreeRecipe("A", "binary"), 2, seed=0)]
    ['lightgbm_A_binary_found0', 'lightgbm_A_binary_found1']
    """
    rng = generator(seed, "search", recipe.name)

    def between(low: float, high: float) -> float:
        """Even on a logarithmic scale, to four digits."""
        return float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.4g}")

    found = []
    for i in range(count):
        changes: tuple[tuple[str, float], ...] = (
            ("num_leaves", round(between(6, LARGEST_LEAVES))),
            ("min_data_in_leaf", round(between(3, 60))),
            ("feature_fraction", between(0.1, 0.8)),
            ("bagging_fraction", between(0.6, 1.0)),
            ("lambda_l1", between(0.01, 5.0)),
            ("lambda_l2", between(0.01, 10.0)),
            ("extra_trees", bool(rng.random() < 0.7)),
        )
        found.append(replace(recipe, variant=f"{FOUND}{i}", changes=changes))
    return found


def searched(folds: Sequence[Fold], recipe: TreeRecipe, context: Context, seconds: float) -> list[TreeRecipe]:
    """The `KEPT` best of as many neighbours as the seconds afford; those no better than the recipe are not
    kept.
    """
    rows = sum(fold.train.rows for fold in folds)
    if not rows:
        return []
    columns = len(folds[0].train.X.names)
    cost = ENOUGH_ROUNDS * round_seconds(rows, columns, recipe.preset, max(1, len(context.classes)))
    trials = min(MOST_TRIALS, int(seconds / cost) - 1)  # the recipe itself is one more
    if trials < FEWEST_TRIALS:
        return []
    return _ahead(folds, [recipe, *neighbours(recipe, trials, context.seed)], context, seconds)[:KEPT]


def with_half_life(
    folds: Sequence[Fold], recipe: TreeRecipe, context: Context, seconds: float
) -> TreeRecipe | None:
    """The recipe with recent rows weighing more, by the half-life that gains most over the folds; None where
    it is better without any.
    """
    recent = [replace(recipe, recency=True, half_life=share) for share in HALF_LIVES]
    return next(iter(_ahead(folds, [recipe, *recent], context, seconds)), None)


def _ahead(
    folds: Sequence[Fold], recipes: Sequence[TreeRecipe], context: Context, seconds: float
) -> list[TreeRecipe]:
    """The recipes that gain more than the first one on average over the folds, best first."""
    context.progress.stage("searching", len(recipes))
    each = replace(context, seconds=seconds / len(recipes) / len(folds))
    rows = sum(fold.train.rows for fold in folds)
    gains = []
    for found in abreast(lambda r: _gains(folds, r, each), recipes, rows=rows, threads=context.threads):
        gains.append(found)
        context.progress.advance()
    lead = [float(np.mean((g - gains[0]) / np.abs(gains[0]))) for g in gains]
    return [recipes[i] for i in sorted(range(1, len(recipes)), key=lambda i: -lead[i]) if lead[i] > 0]


def _gains(folds: Sequence[Fold], recipe: TreeRecipe, context: Context) -> Floats:
    """(folds,) the criterion's gain on each fold's later rows."""
    made = [(TreeLearner(recipe).fit(f.train, f.valid, context), f.valid) for f in folds]
    return np.array([context.criterion.gain(valid.y, m.predict(valid.X)) for m, valid in made])
