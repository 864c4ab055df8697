"""The search for settings: what is drawn, what is kept, and that a fit with time for it stays repeatable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from synthetic import make, split

from foretell.core.time import Offset
from foretell.models import portfolio, search, tryout
from foretell.models.base import Context
from foretell.models.candidates import EXHAUSTIVE, FEW_ROWS, THOROUGH, plan, search_seconds
from foretell.models.criteria import METRICS
from foretell.models.dataset import concat
from foretell.models.rolling import Fold, Rolling, earlier_folds
from foretell.models.trees import PRESETS, TreeFitted, TreeLearner, TreeRecipe
from foretell.task.model import TaskKind

B = TaskKind.BINARY
CONTEXT = Context(B, METRICS["auroc"], seconds=0.2)
RECIPE = TreeRecipe("A", "binary")


def folds() -> list[Fold]:
    data = make(B, entities=70, cutoffs=10)
    until = int(np.unique(data.cutoffs)[7])
    train, valid, _ = split(data, 7, 1)
    return [*earlier_folds(data, until, Rolling(Offset(30))), Fold(train, valid)]


def test_a_seed_draws_the_same_neighbours_and_each_setting_is_lightgbms():
    found = search.neighbours(RECIPE, 20, seed=1)
    assert found == search.neighbours(RECIPE, 20, seed=1) != search.neighbours(RECIPE, 20, seed=2)
    assert len({r.name for r in found}) == 20 and all(r.is_found for r in found)
    assert not RECIPE.is_found
    drawn = [dict(r.changes) for r in found]
    known = {n for preset in PRESETS.values() for n in preset}
    assert all(set(d) <= known for d in drawn)
    assert all(6 <= d["num_leaves"] <= search.LARGEST_LEAVES and d["min_data_in_leaf"] >= 3 for d in drawn)


def test_only_settings_that_win_over_several_periods_are_kept(monkeypatch):
    """The preset gains .7 on each fold; one neighbour wins on two of three and loses more on the last."""
    made = {"found0": [0.75, 0.75, 0.4], "found1": [0.71, 0.71, 0.71], "found2": [0.7, 0.7, 0.69]}

    def gains(folds, recipe, context):
        return np.array(made.get(recipe.variant, [0.7, 0.7, 0.7] if not recipe.variant else [0.1] * 3))

    monkeypatch.setattr(search, "_gains", gains)
    assert [r.variant for r in search.searched(folds(), RECIPE, CONTEXT, 100.0)] == ["found1"]


def test_without_time_nothing_is_searched():
    assert search.searched(folds(), RECIPE, CONTEXT, 0.0) == []
    assert search.searched([], RECIPE, CONTEXT, 100.0) == []
    assert search_seconds(FEW_ROWS, EXHAUSTIVE) > 0
    assert search_seconds(FEW_ROWS - 1, EXHAUSTIVE) == search_seconds(FEW_ROWS, THOROUGH) == 0


def test_what_was_found_is_trained_kept_and_tried_again(monkeypatch):
    """The real search, made short: two neighbours are kept whatever they gain."""
    found = search.neighbours(RECIPE, 2, seed=0)
    monkeypatch.setattr(tryout, "searched", lambda *_: found)
    monkeypatch.setattr(tryout, "THOROUGH", 1e9)
    train, valid, test = split(make(B, entities=550), 4, 1)
    model = portfolio.fit(train, valid, kind=B, time_limit=0.5)
    assert {"lightgbm_A_binary_found0", "lightgbm_A_binary_found1"} <= set(model.validation)
    member = TreeLearner(found[0]).fit(train, valid, CONTEXT)
    again = TreeFitted.load(member.dump())
    assert again.recipe == found[0] and again.recipe.changes == found[0].changes
    np.testing.assert_array_equal(again.predict(test.X), member.predict(test.X))
    earlier = replace(model, members=(member,), weights=(1.0,), spreads=(1.0,))
    monkeypatch.setattr(tryout, "searched", lambda *_: [])
    later = portfolio.fit(concat(train, valid), test, kind=B, time_limit=0.5, earlier=earlier)
    assert "lightgbm_A_binary_found0" in later.validation
    assert "lightgbm_A_binary_found1" not in later.validation  # the control: it was not kept


def test_an_hour_brings_low_rates_and_several_seeds():
    train = make(B, entities=600)
    names = [[n.name for n, _ in plan(train, CONTEXT, limit)] for limit in (THOROUGH, EXHAUSTIVE)]
    assert {f"lightgbm_{p}_binary_slow_{n}" for p in "AB" for n in (1, 2)} == set(names[1]) - set(names[0])
