"""Trees on what a rule leaves over: they follow levels that no tree has seen, and come back from text."""

from __future__ import annotations

import numpy as np
import pytest

from foretell.features.matrix import Matrix, Numeric
from foretell.models.base import Context
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset
from foretell.models.fitted import _load_member
from foretell.models.rest import RestFitted, RestLearner, best_rule
from foretell.models.trees import TreeLearner, TreeRecipe
from foretell.task.model import TaskKind

CONTEXT = Context(TaskKind.REGRESSION, METRICS["mae"], seconds=1.0, threads=1)
RECIPE = TreeRecipe("A", "regression_l1")


def world(low: float, high: float, seed: int) -> Dataset:
    """A level of each entity's own between `low` and `high`, known from its past, and an effect of x."""
    rng = np.random.default_rng(seed)
    level, x = rng.uniform(low, high, 600), rng.normal(size=600)
    columns = {
        "label.mean.all": level + rng.normal(scale=0.1, size=600),
        "label.count.all": np.full(600, 20.0),
        "x": x,
    }
    y = level + 2 * (x > 0) + rng.normal(scale=0.1, size=600)
    matrix = Matrix(tuple(columns), tuple(Numeric(v) for v in columns.values()), 600)
    return Dataset(matrix, y, np.repeat(np.arange(6), 100), np.arange(600))


@pytest.fixture(scope="module")
def fitted() -> RestFitted:
    return RestLearner(RECIPE).fit(world(0, 10, 1), world(0, 10, 2), CONTEXT)


def test_it_follows_levels_above_all_that_was_seen(fitted: RestFitted) -> None:
    later = world(20, 30, 3)
    trees = TreeLearner(RECIPE).fit(world(0, 10, 1), world(0, 10, 2), CONTEXT)
    score = CONTEXT.criterion.score
    assert score(later.y, fitted.predict(later.X)) < 1.5
    assert score(later.y, trees.predict(later.X)) > 10


def test_contributions_add_up_to_the_score(fitted: RestFitted) -> None:
    X = world(0, 10, 4).X
    np.testing.assert_allclose(fitted.contributions(X).total, fitted.predict(X), atol=1e-9)
    shares = fitted.importance()
    assert abs(sum(shares.values()) - 1) < 1e-9
    assert shares["label.mean.all"] > shares["x"] > 0


def test_it_comes_back_from_text(fitted: RestFitted) -> None:
    X = world(0, 10, 5).X
    again = _load_member(fitted.dump())
    assert isinstance(again, RestFitted)
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


def test_it_refits(fitted: RestFitted) -> None:
    X = world(0, 10, 6).X
    assert not np.array_equal(fitted.refit(world(0, 10, 7), CONTEXT).predict(X), fitted.predict(X))


def test_the_rule_is_a_mean_or_the_constant() -> None:
    data = world(0, 10, 8)
    assert best_rule(data, CONTEXT).name == "entity_mean"
    bare = Dataset(data.X.select(["x"]), data.y, data.cutoffs, data.groups)
    assert best_rule(bare, CONTEXT).name == "constant"
