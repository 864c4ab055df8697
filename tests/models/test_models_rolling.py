"""Earlier folds: what they may know, what they are for, and when they are left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic import DAY, make, split

from foretell.core.time import Offset
from foretell.models.base import Context
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset, concat
from foretell.models.portfolio import fit
from foretell.models.rolling import Rolling, Seen, agrees, earlier_folds
from foretell.models.trees import TreeLearner, TreeRecipe
from foretell.task.model import TaskKind

B, R = TaskKind.BINARY, TaskKind.REGRESSION
MONTH = 30 * DAY


def shuffled(data: Dataset) -> Dataset:
    """Folds are cut by time, whatever the order of the rows."""
    return data.take(np.random.default_rng(0).permutation(data.rows))


def test_no_fold_learns_from_a_window_that_was_open_when_its_rows_came():
    data = shuffled(make(B, entities=60, cutoffs=12))
    until = int(np.unique(data.cutoffs)[9])
    for months in (1, 2, 3):
        folds = earlier_folds(data, until, Rolling(Offset(30 * months)))
        assert len(folds) == 2
        for fold, following in zip(folds, (int(folds[1].valid.cutoffs.min()), until)):
            first = int(fold.valid.cutoffs.min())
            assert fold.train.cutoffs.max() + months * MONTH <= first
            assert fold.valid.cutoffs.max() < following
            assert fold.train.cutoffs.max() + (months + 1) * MONTH > first  # the control: no cutoff is wasted
    assert len(np.unique(np.concatenate([f.valid.cutoffs for f in folds]))) == 5


def test_a_history_too_short_has_no_earlier_folds():
    data = make(B, entities=60, cutoffs=12)
    assert earlier_folds(data, int(data.cutoffs.min()), Rolling(None)) == ()
    assert earlier_folds(data.take(data.groups < 10), int(data.cutoffs.max()), Rolling(None)) == ()
    single = replace(data, y=np.zeros(data.rows))
    assert earlier_folds(single, int(data.cutoffs.max()), Rolling(None)) == ()


def test_what_was_said_is_joined_for_those_who_spoke_in_every_part():
    one = Seen(np.zeros(2), np.arange(2), {"a": np.zeros(2)})
    two = Seen(np.ones(3), np.arange(3), {"a": np.ones(3), "net": np.ones(3)})
    joined = Seen.joined([one, two])
    assert set(joined.predictions) == {"a"} and joined.predictions["a"].tolist() == [0, 0, 1, 1, 1]


def test_folds_agree_on_the_rounds_and_one_folds_luck_is_not_followed():
    train, valid, _ = split(make(B, entities=80), 4, 1)
    context = Context(B, METRICS["auroc"], seconds=0.2)
    fitted = TreeLearner(TreeRecipe("A", "binary")).fit(train, valid, context)
    lucky = replace(fitted, rounds=1000)
    others = [replace(fitted, rounds=40), replace(fitted, rounds=30, rows=fitted.rows // 4)]
    assert agrees(lucky) and not agrees(object())
    assert lucky.agreed(others).rounds == 60  # 30 rounds on a quarter of the rows are worth 60
    assert lucky.agreed([]).rounds == 1000


@pytest.mark.parametrize("limit", [0.5, 60.0])
def test_residuals_of_several_periods_make_intervals_that_hold(limit):
    """Each month is off by an amount of its own: one month's residuals know of one such amount only."""
    data = make(R, entities=90, cutoffs=14)
    moods = np.random.default_rng(7).normal(size=14) * 6
    data = replace(data, y=data.y + moods[np.unique(data.cutoffs, return_inverse=True)[1]])
    train, valid, test = split(data, 9, 1)
    whole = concat(train, valid)

    def covered(rolling: Rolling | None) -> float:
        model = fit(train, valid, kind=R, time_limit=limit, whole=whole, rolling=rolling)
        low, high = model.predict_interval(test.X, 0.8)
        return float(((test.y >= low) & (test.y <= high)).mean())

    alone, several = covered(None), covered(Rolling(Offset(30)))
    assert abs(several - 0.8) < abs(alone - 0.8)


def test_with_earlier_folds_a_seed_still_decides_everything():
    train, valid, _ = split(make(B, entities=60, cutoffs=10), 7, 1)
    models = [fit(train, valid, kind=B, time_limit=60.0, seed=s, rolling=Rolling(None)) for s in (1, 1, 2)]
    assert models[0].dump() == models[1].dump() != models[2].dump()
