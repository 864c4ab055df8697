"""Which columns learners get, and the bins that they share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import foretell.models.screen as screen
from foretell.features.matrix import Categorical, Matrix, Numeric
from foretell.models.base import Context
from foretell.models.bins import binned, give_back
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset
from foretell.models.trees import TreeLearner, TreeRecipe
from foretell.task.model import TaskKind

CONTEXT = Context(TaskKind.REGRESSION, METRICS["mae"], seconds=0.2)
RECIPE = TreeRecipe("B", "regression_l1")


def wide(rows: int, columns: int, seed: int = 0) -> Dataset:
    """The label is the sum of columns 1 and 3; a past label tells nothing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(columns, rows))
    names = (*(f"c{i}" for i in range(columns)), "label.last")
    held = (*(Numeric(x) for x in X), Numeric(np.zeros(rows)))
    moments = np.arange(rows, dtype=np.int64) // 50
    return Dataset(Matrix(names, held, rows), X[1] + X[3], moments, np.arange(rows, dtype=np.int64))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MANY_ROWS", 1000), ("FEW_COLUMNS", 3), ("COLUMNS", 5), ("ROUNDS", 40)):
        monkeypatch.setattr(screen, name, value)


def test_columns_that_tell_are_kept_and_past_labels_too(small: None) -> None:
    data = wide(1500, 30)
    kept = screen.screened(data, CONTEXT)
    assert {"c1", "c3", "label.last"} <= set(kept)
    assert len(kept) == 6
    assert list(kept) == [n for n in data.X.names if n in kept]
    assert kept == screen.screened(data, CONTEXT)


def test_few_columns_are_left_as_they_are_and_few_rows_get_fewer(small: None) -> None:
    data = wide(1500, 4)
    assert screen.screened(data, CONTEXT) == data.X.names
    assert set(screen.screened(wide(900, 30), CONTEXT)) >= {"c1", "c3", "label.last"}
    assert len(screen.screened(wide(900, 30), CONTEXT)) == 4


def test_what_helped_in_one_stretch_alone_counts_for_less(small: None) -> None:
    data, rng = wide(1600, 10), np.random.default_rng(1)
    # Where it is the label itself, it is all that matters: in the first quarter.
    once = np.where(np.arange(1600) < 400, data.y, rng.normal(size=1600))
    fleeting = replace(data, X=Matrix(("once", *data.X.names), (Numeric(once), *data.X.columns), 1600))
    shares = screen.stable_gain(fleeting, CONTEXT)
    there = screen.stable_gain(fleeting.take(np.arange(400)), CONTEXT)
    assert there["once"] > there["c1"] + there["c3"]
    assert shares["once"] < min(shares["c1"], shares["c3"])
    assert sum(shares.values()) == pytest.approx(1.0)


def test_columns_that_no_tree_used_rank_by_their_place(small: None) -> None:
    data = wide(40, 30)  # too few rows for a leaf of the quick trees
    assert screen.screened(data, CONTEXT) == ("c0", "c1", "c2", "label.last")


def test_a_short_time_limit_costs_rows_not_columns(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    grow = screen.grow

    def counted(recipe: TreeRecipe, train: Dataset, *rest: object) -> object:
        seen.append(train.rows)
        return grow(recipe, train, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(screen, "grow", counted)
    kept = screen.screened(wide(6000, 30), CONTEXT, time_limit=0.1)
    assert set(seen) == {750}, "three quarters of a thousand"
    assert {"c1", "c3"} <= set(kept)


def test_trees_in_shared_bins_are_those_in_their_own() -> None:
    train, valid = wide(600, 5), wide(200, 5, seed=1)
    other = replace(train, y=train.y**2), replace(valid, y=valid.y**2)
    assert other[0].shared is train.shared
    TreeLearner(RECIPE).fit(train, valid, CONTEXT)
    assert train.shared, "the first learner leaves its bins"
    second = TreeLearner(RECIPE).fit(*other, CONTEXT)
    alone = TreeLearner(RECIPE).fit(
        Dataset(train.X, other[0].y, train.cutoffs, train.groups), other[1], CONTEXT
    )
    assert second.text == alone.text


def test_bins_are_held_by_one_learner_at_a_time() -> None:
    train, valid = wide(300, 4), wide(100, 4, seed=1)
    first = binned(train, valid, TaskKind.REGRESSION, 1)
    give_back(train, first)
    assert binned(train, valid, TaskKind.REGRESSION, 1) is first
    assert binned(train, valid, TaskKind.REGRESSION, 1) is not first, "it is taken"


def test_bins_of_other_validation_rows_are_not_taken() -> None:
    train = wide(300, 4)
    first = binned(train, wide(100, 4, seed=1), TaskKind.REGRESSION, 1)
    give_back(train, first)
    assert binned(train, wide(100, 4, seed=2), TaskKind.REGRESSION, 1) is not first


def test_bins_made_with_labels_serve_those_labels_alone() -> None:
    data, codes = wide(300, 4), np.arange(300, dtype=np.int32) % 60
    held = Categorical(codes, tuple(map(str, range(60))))
    train = replace(data, X=Matrix((*data.X.names, "many"), (*data.X.columns, held), 300))
    other = replace(train, y=train.y + 1)
    assert other.shared is train.shared
    first = binned(train, None, TaskKind.REGRESSION, 1)
    assert first.encoder.tables
    give_back(train, first)
    assert binned(other, None, TaskKind.REGRESSION, 1) is not first
    give_back(train, first)
    assert binned(train, None, TaskKind.REGRESSION, 1) is first
