"""Which learners are tried: by sizes, the target's shape and the time limit's value, never by the clock."""

from __future__ import annotations

from dataclasses import replace

from foretell.core.lazy import installed
from foretell.models.base import Context, Learner
from foretell.models.boost import BoostLearner
from foretell.models.boost import round_seconds as boost_seconds
from foretell.models.dataset import Dataset
from foretell.models.linear import LinearLearner
from foretell.models.margin import MarginLearner, tells
from foretell.models.rest import RestLearner, best_rule
from foretell.models.trees import PRESETS, TreeLearner, TreeRecipe, objectives, round_seconds
from foretell.task.model import TaskKind

FIRST = 2
"""The linear model and the first trees are always tried: later rows may favour what earlier ones did not."""
FEW_ROWS = 2_000
"""Below this the plain average of the linear model and the small trees is the default."""
MANY_ROWS = 50_000
THOROUGH = 60.0
"""Seconds from which earlier folds are tried in full, and not only scored with what the last one chose."""
EXHAUSTIVE = 600.0
"""Seconds from which low learning rates are tried with several seeds, and other settings searched for."""
BOOST_ROUNDS = 300
"""With fewer rounds CatBoost is no help to the others."""


def plan(train: Dataset, context: Context, time_limit: float) -> list[tuple[Learner, float]]:
    """The learners to try and the seconds each may take; about as much again goes to refitting the chosen
    ones.
    """
    linear: tuple[Learner, float] = (LinearLearner(), 0.1 * time_limit)
    base = base_recipe(train, context)
    if train.rows < FEW_ROWS:
        few: list[Learner] = [TreeLearner(base), *_of_margin(base.preset, train)]
        return [linear, *((learner, 0.3 * time_limit / len(few)) for learner in few)]
    first, *others = objectives(train.y, context)
    main = base.preset
    rest = _rest_recipe(main, train, context)
    trees = [base]
    if time_limit < THOROUGH:
        cheap = main == "A" and round_seconds(train.rows, len(train.X.names), "A") * 600 < 0.2 * time_limit
        trees += [TreeRecipe("B", first)] if cheap else []
    else:
        trees += [TreeRecipe(p, first) for p in ("A", "B", "C", "small") if p != main]
        trees += [TreeRecipe(main, first, recency=True)]
        trees += [TreeRecipe(main, other) for other in others]
        trees += [TreeRecipe(main, first, copy=1)]
    if time_limit >= EXHAUSTIVE:
        trees += [slowly(TreeRecipe(p, first, copy=n)) for n in (1, 2) for p in "AB"]
    learners: list[Learner] = [TreeLearner(recipe) for recipe in trees]
    learners[1:1] = [] if rest is None else [RestLearner(rest)]
    learners[1:1] = _of_margin(main, train)
    if _boost_fits(train, context, time_limit):
        learners.append(BoostLearner())
    return [linear, *((learner, 0.4 * time_limit / len(learners)) for learner in learners)]


def with_shallow(
    learners: list[tuple[Learner, float]], train: Dataset, context: Context
) -> list[tuple[Learner, float]]:
    """The learners and the small trees, where these are not among them."""
    small = TreeLearner(TreeRecipe("small", objectives(train.y, context)[0]))
    if any(learner.name == small.name for learner, _ in learners):
        return learners
    return [*learners, (small, learners[-1][1])]


def base_recipe(train: Dataset, context: Context) -> TreeRecipe:
    """The trees that are tried in any case."""
    preset = "small" if train.rows < FEW_ROWS else "B" if train.rows > MANY_ROWS else "A"
    return TreeRecipe(preset, objectives(train.y, context)[0])


def search_seconds(rows: int, time_limit: float) -> float:
    """What a search for other settings may take: nothing where rows are too few to tell settings apart."""
    return 0.4 * time_limit if time_limit >= EXHAUSTIVE and rows >= FEW_ROWS else 0.0


def slowly(recipe: TreeRecipe) -> TreeRecipe:
    """The recipe at half of its preset's learning rate.

    >>> slowly(TreeRecipe("A", "binary")).changes
    (('learning_rate', 0.009),)
    """
    rate = float(PRESETS[recipe.preset]["learning_rate"]) / 2
    return replace(recipe, variant="slow", changes=(("learning_rate", rate),))


def _boost_fits(train: Dataset, context: Context, time_limit: float) -> bool:
    """Whether CatBoost is installed, and `BOOST_ROUNDS` of it cost no more than a learner's share."""
    cost = boost_seconds(train.rows, len(train.X.names), max(1, len(context.classes)))
    return installed("catboost") and cost * BOOST_ROUNDS <= 0.3 * time_limit


def _of_margin(preset: str, train: Dataset) -> list[Learner]:
    """Models of by how much the condition holds, where that says more than whether."""
    if not tells(train):
        return []
    trees = TreeLearner(TreeRecipe(preset, "regression"))
    return [MarginLearner(trees), MarginLearner(LinearLearner())]


def _rest_recipe(preset: str, train: Dataset, context: Context) -> TreeRecipe | None:
    """Trees on what a rule leaves over: regressions only, where a rule beats the constant. Elsewhere it did
    harm: an entity's past rate is a poor start for log-odds.
    """
    if context.kind is not TaskKind.REGRESSION or best_rule(train, context).name == "constant":
        return None
    return TreeRecipe(preset, "regression_l1" if context.criterion.name == "mae" else "regression")
