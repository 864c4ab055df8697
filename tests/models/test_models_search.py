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
    recent = replace(RECIPE, recency=True, half_life=0.1)
    monkeypatch.setattr(tryout, "search_seconds", lambda *_: 1.0)
    monkeypatch.setattr(tryout, "searched", lambda *_: list(found))
    monkeypatch.setattr(tryout, "with_half_life", lambda *_: recent)
    monkeypatch.setattr(tryout, "THOROUGH", 1e9)
    train, valid, test = split(make(B, entities=550), 4, 1)
    model = portfolio.fit(train, valid, kind=B, time_limit=0.5)
    assert {"lightgbm_A_binary_found0", "lightgbm_A_binary_found1", recent.name} <= set(model.validation)
    member = TreeLearner(found[0]).fit(train, valid, CONTEXT)
    again = TreeFitted.load(member.dump())
    assert again.recipe == found[0] and again.recipe.changes == found[0].changes
    np.testing.assert_array_equal(again.predict(test.X), member.predict(test.X))
    earlier = replace(model, members=(member,), weights=(1.0,), spreads=(1.0,))
    later = portfolio.fit(concat(train, valid), test, kind=B, time_limit=0.5, earlier=earlier)
    assert "lightgbm_A_binary_found0" in later.validation
    assert "lightgbm_A_binary_found1" not in later.validation  # the control: it was not kept


def test_the_half_life_is_the_one_that_wins_over_several_periods(monkeypatch):
    """Of a half-life that wins twice and loses much, and one that wins a little, the second is taken."""
    made = {None: [0.7, 0.7, 0.7], 0.1: [0.75, 0.75, 0.4], 0.3: [0.71, 0.71, 0.71], 1.0: [0.7, 0.7, 0.69]}

    def gains(folds, recipe, context):
        return np.array(made[recipe.half_life if recipe.recency else None])

    monkeypatch.setattr(search, "_gains", gains)
    found = search.with_half_life(folds(), RECIPE, CONTEXT, 10.0)
    assert found is not None and found.recency and found.half_life == 0.3
    made[0.3] = [0.7, 0.7, 0.69]
    assert search.with_half_life(folds(), RECIPE, CONTEXT, 10.0) is None  # better without


def test_rows_of_another_time_call_for_weights(monkeypatch):
    """The real thing: where the rule turns round, half-lives gain; a recipe keeps its own when it is read."""
    found = folds()
    turned = [
        replace(f, train=replace(f.train, y=np.where(f.train.cutoffs < end, 1 - f.train.y, f.train.y)))
        for f, end in ((f, np.quantile(f.train.cutoffs, 0.6)) for f in found)
    ]
    recent = search.with_half_life(turned, replace(RECIPE, preset="small"), CONTEXT, 3.0)
    assert recent is not None and recent.half_life == 0.1
    member = TreeLearner(recent).fit(found[0].train, found[0].valid, CONTEXT)
    assert member.name.endswith("_recent0.1") and TreeFitted.load(member.dump()).recipe == recent


def test_an_hour_brings_low_rates_and_several_seeds():
    train = make(B, entities=600)
    names = [[n.name for n, _ in plan(train, CONTEXT, limit)] for limit in (THOROUGH, EXHAUSTIVE)]
    assert {f"lightgbm_{p}_binary_slow_{n}" for p in "AB" for n in (1, 2)} == set(names[1]) - set(names[0])
