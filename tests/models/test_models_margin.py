"""Learners of a condition's margin: they gain where rows are few, and come back from their files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from foretell.features.matrix import Matrix, Numeric
from foretell.models.base import Context
from foretell.models.candidates import plan
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset, concat
from foretell.models.fitted import _load_member
from foretell.models.linear import LinearLearner
from foretell.models.links import to_link
from foretell.models.margin import MarginFitted, MarginLearner, tells
from foretell.models.trees import TreeLearner, TreeRecipe
from foretell.task.model import TaskKind

CONTEXT = Context(TaskKind.BINARY, METRICS["auroc"], seconds=1.0, threads=1)
TREES = TreeLearner(TreeRecipe("small", "regression"))


def world(rows: int, seed: int, border: float = 2.5) -> Dataset:
    """A quantity that many columns tell a little of; the condition says only whether it is above a border."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 10))
    margin = X.sum(axis=1) + rng.normal(size=rows) - border
    matrix = Matrix(tuple(f"x{i}" for i in range(10)), tuple(Numeric(v) for v in X.T), rows)
    cutoffs = np.repeat(np.arange(rows // 50), 50)
    return Dataset(matrix, (margin > 0).astype(np.float64), cutoffs, np.arange(rows), margin=margin)


@pytest.fixture(scope="module", params=[TREES, LinearLearner()], ids=["trees", "linear"])
def fitted(request: pytest.FixtureRequest) -> MarginFitted:
    return MarginLearner(request.param).fit(world(300, 1), world(300, 2), CONTEXT)


def test_the_margin_teaches_more_than_the_condition() -> None:
    later, score = world(4000, 3), METRICS["auroc"].score
    plain = TreeLearner(TreeRecipe("small", "binary")).fit(world(300, 1), world(300, 2), CONTEXT)
    told = MarginLearner(TREES).fit(world(300, 1), world(300, 2), CONTEXT)
    gain = score(later.y, told.predict(later.X)) - score(later.y, plain.predict(later.X))
    shuffled = replace(world(300, 1), margin=np.random.default_rng(0).permutation(world(300, 1).margin))
    misled = MarginLearner(TREES).fit(shuffled, world(300, 2), CONTEXT)
    assert gain > 0.01
    assert score(later.y, misled.predict(later.X)) < 0.7  # the control: it is the margin that is learned


def test_it_says_probabilities(fitted: MarginFitted) -> None:
    later = world(2000, 4)
    said = fitted.predict(later.X)
    assert ((said > 0) & (said < 1)).all()
    assert abs(said.mean() - later.y.mean()) < 0.05


def test_contributions_add_up_to_the_log_odds(fitted: MarginFitted) -> None:
    X = world(50, 5).X
    np.testing.assert_allclose(
        fitted.contributions(X).total, to_link(TaskKind.BINARY, fitted.predict(X)), atol=1e-6
    )
    assert abs(sum(fitted.importance().values()) - 1) < 1e-9


def test_it_comes_back_from_its_files(fitted: MarginFitted) -> None:
    X = world(50, 6).X
    again = _load_member(fitted.dump())
    assert isinstance(again, MarginFitted)
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


def test_trained_anew_it_keeps_its_map_and_leaves_out_rows_without_a_margin(fitted: MarginFitted) -> None:
    first, second = world(300, 7), world(300, 8)
    holes = replace(second, margin=np.full(300, np.nan))
    again = fitted.refit(concat(first, holes), CONTEXT)
    assert (again.slope, again.shift, again.scale) == (fitted.slope, fitted.shift, fitted.scale)
    np.testing.assert_array_equal(again.predict(first.X), fitted.refit(first, CONTEXT).predict(first.X))


def test_validation_rows_without_a_margin_still_map_it_to_log_odds() -> None:
    valid = world(300, 2)
    holes = replace(valid, margin=np.full(300, np.nan))
    stopping = TreeLearner(TreeRecipe("A", "regression"))  # it stops on validation rows where there are any
    found = MarginLearner(stopping).fit(world(300, 1), holes, CONTEXT)
    assert found.slope > 0
    assert METRICS["auroc"].score(valid.y, found.predict(valid.X)) > 0.8


def test_it_is_tried_where_the_margin_says_more_on_either_side() -> None:
    data = world(300, 9)
    assert data.margin is not None
    above = replace(data, margin=np.where(data.y == 1, data.margin, -1.0))  # a count that is none
    for held, expected in ((data, True), (above, False), (replace(data, margin=None), False)):
        names = [learner.name for learner, _ in plan(held, CONTEXT, 10.0)]
        assert tells(held) is expected
        assert any(n.endswith("_of_margin") for n in names) is expected


def test_rows_that_are_taken_keep_their_margin() -> None:
    data = world(100, 10)
    assert data.margin is not None
    np.testing.assert_array_equal(data.take(np.array([3, 1])).margin, data.margin[[3, 1]])
    np.testing.assert_array_equal(data.select(["x1"]).margin, data.margin)
