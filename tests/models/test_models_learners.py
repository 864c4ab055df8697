"""Linear models and trees: what they learn, what they say of it, what becomes of them as text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic import CLASSES, make, split

from foretell.features.matrix import Categorical, Matrix, Numeric
from foretell.models.base import Context
from foretell.models.criteria import METRICS, criterion_for
from foretell.models.dataset import Dataset
from foretell.models.linear import LinearFitted, LinearLearner, rescale
from foretell.models.links import to_link
from foretell.models.trees import (
    TreeFitted,
    TreeLearner,
    TreeRecipe,
    affordable_rows,
    objectives,
    round_seconds,
)
from foretell.task.model import TaskKind

B, R, M = TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS


def context(kind: TaskKind, metric: str | None = None, seconds: float = 1.0) -> Context:
    return Context(kind, criterion_for(kind, metric), CLASSES if kind is M else (), seconds=seconds)


def tree(kind: TaskKind, objective: str | None = None) -> TreeLearner:
    return TreeLearner(
        TreeRecipe("small", objective or {B: "binary", R: "regression_l1", M: "multiclass"}[kind])
    )


CASES = [
    (B, LinearLearner()),
    (R, LinearLearner()),
    (M, LinearLearner()),
    (B, tree(B)),
    (R, tree(R)),
    (R, tree(R, "log_l1")),
    (R, tree(R, "poisson")),
    (M, tree(M)),
]


@pytest.mark.parametrize(("kind", "learner"), CASES, ids=lambda v: getattr(v, "name", str(v)))
def test_a_member_learns_explains_itself_and_returns_from_text(kind, learner):
    data = make(kind, entities=150)
    if "poisson" in learner.name:
        data = replace(data, y=np.maximum(np.round(data.y), 0.0))
    train, valid, test = split(data, 4, 1)
    fitted = learner.fit(train, valid, context(kind))
    got = fitted.predict(test.X)
    constant = np.full_like(test.y, np.median(train.y)) if kind is R else None
    if kind is R:
        assert np.abs(got - test.y).mean() < 0.8 * np.abs(constant - test.y).mean()
    elif kind is B:
        assert METRICS["auroc"].score(test.y, got) > 0.75
    else:
        assert got.shape == (test.rows, 3)
        np.testing.assert_allclose(got.sum(axis=1), 1)
        assert METRICS["accuracy"].score(test.y, got) > 0.5
    told = fitted.contributions(test.X)
    assert told.names == test.X.names
    np.testing.assert_allclose(told.total, to_link(kind, got), atol=1e-6)
    assert max(fitted.importance(), key=fitted.importance().get) == "x"
    assert sum(fitted.importance().values()) == pytest.approx(1)
    again = type(fitted).load(fitted.dump())
    np.testing.assert_array_equal(again.predict(test.X), got)
    assert again.dump() == fitted.dump()


@pytest.mark.parametrize("learner", [LinearLearner(), tree(B)], ids=lambda v: v.name)
def test_holes_and_strangers_are_scored(learner):
    train, valid, _ = split(make(B), 4, 1)
    fitted = learner.fit(train, valid, context(B))
    columns = tuple(
        Numeric(np.array([np.nan, np.inf]))
        if isinstance(c, Numeric)
        else Categorical(np.zeros(2, np.int32), ("?",))
        for c in train.X.columns
    )
    got = fitted.predict(Matrix(train.X.names, columns, 2))
    assert np.isfinite(got).all() and got[0] == got[1]


@pytest.mark.parametrize("kind", [B, R, M])
@pytest.mark.parametrize("make_learner", [lambda k: LinearLearner(), tree], ids=["linear", "trees"])
def test_columns_that_tell_nothing_give_the_constant(kind, make_learner):
    index = np.arange(60, dtype=np.int64)
    y = {B: (index % 3 == 0), R: index % 5, M: index % 3}[kind].astype(float)
    data = Dataset(Matrix(("same",), (Numeric(np.ones(60)),), 60), y, index, index)
    fitted = make_learner(kind).fit(data, None, context(kind, "rmse" if kind is R else None))
    got = fitted.predict(data.X)
    assert np.ptp(got, axis=0).max() == 0
    if kind is B:
        assert got[0] == pytest.approx(1 / 3, abs=0.02)
    np.testing.assert_allclose(fitted.contributions(data.X).values, 0)


def test_a_class_that_training_never_saw_is_improbable_but_possible():
    train, _, test = split(make(M), 4, 1)
    train = train.take(train.y != 2)
    got = LinearLearner().fit(train, None, context(M)).predict(test.X)
    assert got.shape == (test.rows, 3) and got[:, 2].max() < 0.01 and got[:, 2].min() > 0


def test_linear_values_stay_inside_what_training_saw():
    train, valid, test = split(make(R), 4, 1)
    fitted = LinearLearner().fit(train, valid, context(R))
    far = Matrix(
        test.X.names,
        tuple(
            Numeric(np.full(1, 1e12)) if isinstance(c, Numeric) else c
            for c in test.take(np.array([0])).X.columns
        ),
        1,
    )
    assert train.y.min() <= fitted.predict(far)[0] <= train.y.max()


def test_least_absolute_deviations_ignore_outliers_that_pull_ridge():
    rng = np.random.default_rng(3)
    n = 600
    x = rng.normal(size=n)
    y = 2 * x
    y[(np.arange(n) % 10 == 0) & (x > 0)] -= 60.0
    index = np.arange(n, dtype=np.int64)
    data = Dataset(Matrix(("x",), (Numeric(x),), n), y, index, index)
    robust = LinearLearner().fit(data, data, context(R, "mae"))
    assert isinstance(robust, LinearFitted) and robust.recipe.loss == "absolute"
    clean = np.abs(y) < 30
    assert np.abs(robust.predict(data.X) - y)[clean].mean() < 0.5


def test_contributions_are_stretched_to_what_moved():
    got = rescale(np.array([[1.0, -3.0], [0.0, 0.0]]), np.array([-4.0, 0.0]))
    np.testing.assert_allclose(got, [[2.0, -6.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("y", "metric", "expected"),
    [
        ([0, 1, 2, 5], "mae", "regression_l1"),
        ([0, 1, 2, 5], "rmse", "poisson"),
        ([0.0] * 50 + [0.5, 1000.5], "rmse", "tweedie"),
        ([0.0] * 50 + [0.5, 1000.5], "mae", "regression_l1"),
        ([-1.5, 0.0, 2.5], "rmse", "regression"),
        ([0.5, 1.5], "rmsle", "log_l2"),
    ],
)
def test_the_objective_follows_the_metric_and_the_target(y, metric, expected):
    assert objectives(np.asarray(y, dtype=float), context(R, metric))[0] == expected


def test_trees_stop_where_validation_stops_improving_and_refits_scale_the_rounds():
    train, valid, _ = split(make(B, entities=600, noise=4.0), 4, 1)
    fitted = TreeLearner(TreeRecipe("A", "binary")).fit(train, valid, context(B, "logloss", seconds=5.0))
    assert isinstance(fitted, TreeFitted) and 1 < fitted.rounds < 600
    whole = train.take(np.tile(np.arange(train.rows), 2)[: int(1.25 * train.rows)])
    assert fitted.refit(whole, context(B)).rounds == round(1.25 * fitted.rounds)


def test_recent_rows_weigh_more_where_asked():
    """The rule flips in the last third of the time; only the recency-weighted trees follow it."""
    rng = np.random.default_rng(0)
    n = 1800
    x = rng.normal(size=n)
    time = np.sort(rng.integers(0, 1000, n)).astype(np.int64)
    y = ((x > 0) == (time > 700)).astype(float)
    data = Dataset(Matrix(("x",), (Numeric(x),), n), y, time, np.arange(n, dtype=np.int64))
    last = data.take(time > 900)
    scores = [
        METRICS["auroc"].score(
            last.y,
            TreeLearner(TreeRecipe("small", "binary", recency=r)).fit(data, None, context(B)).predict(last.X),
        )
        for r in (False, True)
    ]
    assert scores[0] < 0.5 < scores[1]


def test_rows_are_sampled_only_where_time_is_short():
    data = make(B, entities=3000)  # 18,000 rows
    assert affordable_rows(data, "A", context(B, seconds=60)) is data
    assert affordable_rows(data, "A", context(B, seconds=0.01)).rows == 10_000
    assert round_seconds(2000, 10, "C") > round_seconds(1000, 10, "C") > round_seconds(1000, 10, "A")


def test_no_name_of_the_database_reaches_the_booster():
    train, valid, _ = split(make(B), 4, 1)
    text = tree(B).fit(train, valid, context(B)).dump()["booster.txt"]
    assert "feature_names=f0 f1" in text and "place" not in text


def test_training_says_nothing(capfd):
    import warnings

    train, valid, test = split(make(M), 4, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for learner in (LinearLearner(), tree(M), TreeLearner(TreeRecipe("B", "multiclass"))):
            fitted = learner.fit(train, valid, context(M, seconds=0.1))
            type(fitted).load(fitted.dump()).predict(test.X)
    assert capfd.readouterr() == ("", "")
