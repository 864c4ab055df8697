"""Curves of a backtest beside slow and obvious oracles, and small enough to be kept."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from foretell.core.random import generator
from foretell.evaluation import curves as c
from foretell.evaluation.bootstrap import interval
from foretell.evaluation.metrics import calibration_bins
from foretell.features.matrix import Floats
from foretell.task.model import TaskKind


def rows(seed: int = 0, n: int = 400, entities: int = 60) -> tuple[Floats, Floats, Any]:
    rng = np.random.default_rng(seed)
    said = rng.beta(1, 3, n).round(2)  # with ties
    return (rng.random(n) < said).astype(float), said, rng.integers(0, entities, n)


def test_each_cut_is_what_counting_gives() -> None:
    y, said, _ = rows()
    told = c.cuts(y, said)
    assert told["threshold"] == sorted(set(said.tolist()), reverse=True), "few distinct scores: all of them"
    for threshold, count, hits in zip(told["threshold"], told["rows"], told["hits"]):
        assert count == sum(s >= threshold for s in said)
        assert hits == sum(v for s, v in zip(said, y) if s >= threshold)


def test_the_area_under_all_cuts_is_the_auroc() -> None:
    y, said, _ = rows(1)
    told = c.cuts(y, said)
    hits, count = np.array([0, *told["hits"]]), np.array([0, *told["rows"]])
    across, up = (count - hits) / (len(y) - y.sum()), hits / y.sum()
    area = float(np.sum(np.diff(across) * (up[1:] + up[:-1]) / 2))
    assert area == pytest.approx(roc_auc_score(y, said))


def test_of_many_scores_some_cuts_are_kept_and_stay_exact() -> None:
    rng = np.random.default_rng(2)
    said = rng.random(5_000)
    y = (rng.random(5_000) < said).astype(float)
    told = c.cuts(y, said)
    assert 60 <= len(told["rows"]) <= c.CUTS and told["rows"][-1] == 5_000
    assert sum(n <= 500 for n in told["rows"]) >= c.HEAD - 1, "the highest tenth is told closely"
    for threshold, count, hits in zip(told["threshold"], told["rows"], told["hits"]):
        assert (count, hits) == (int((said >= threshold).sum()), int(y[said >= threshold].sum()))


@pytest.mark.parametrize("entities", [3, 300])
def test_intervals_come_from_drawing_whole_entities(entities: int) -> None:
    y, said, groups = rows(3, entities=entities)
    told = c.cuts(y, said, c._Draws(groups, seed=7))
    rng = generator(7, "curves")
    names, member = np.unique(groups, return_inverse=True)
    recall, precision = [], []
    for _ in range(c.DRAWS):
        weight = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))[member]
        over = [said >= t for t in told["threshold"]]
        with np.errstate(divide="ignore", invalid="ignore"):
            recall.append([(weight * y)[o].sum() / (weight * y).sum() for o in over])
            precision.append([np.divide((weight * y)[o].sum(), weight[o].sum()) for o in over])
    for name, drawn in (("recall", recall), ("precision", precision)):
        spans = [interval(column) for column in np.array(drawn).T]
        np.testing.assert_allclose(told[f"{name}_low"], [a for a, _ in spans])
        np.testing.assert_allclose(told[f"{name}_high"], [b for _, b in spans])


def test_calibration_is_that_of_the_bands() -> None:
    y, said, groups = rows(4)
    told = c.calibration(y, said, c._Draws(groups, seed=0))
    bands = calibration_bins(y, said)
    np.testing.assert_allclose(told["said"], [b.said for b in bands])
    np.testing.assert_allclose(told["happened"], [b.happened for b in bands])
    assert told["rows"] == [b.rows for b in bands]
    inside = [a <= h <= b for a, h, b in zip(told["low"], told["happened"], told["high"])]
    assert np.mean(inside) > 0.9


def test_levels_residuals_and_a_sample_of_numbers() -> None:
    rng = np.random.default_rng(5)
    said = rng.gamma(2, 10, 1_000)
    y = said + rng.normal(0, 5, 1_000)
    levels = c.levels(y, said, c._Draws(rng.integers(0, 100, 1_000), seed=0))
    assert sum(levels["rows"]) == 1_000 and max(levels["rows"]) - min(levels["rows"]) <= 1
    order = np.argsort(said)
    first = order[: levels["rows"][0]]
    assert levels["said"][0] == pytest.approx(said[first].mean())
    assert levels["happened"][0] == pytest.approx(y[first].mean())
    assert levels["middle"][0] == pytest.approx(np.median(y[first]))
    told = c.residuals(y - said)
    assert sum(told["rows"]) + told["below"] + told["above"] == 1_000
    some = c.sample(y, said)
    assert len(some["said"]) == c.SAMPLE and some["said"] == sorted(some["said"])
    assert set(zip(some["said"], some["happened"])) <= set(zip(said.tolist(), y.tolist()))


def test_confusion_counts_and_folds_rare_classes_into_one() -> None:
    rng = np.random.default_rng(6)
    true, said = rng.integers(0, 30, 2_000), rng.integers(0, 30, 2_000)
    true[:900] = 0
    told = c.confusion(true, said, [f"class {i}" for i in range(30)])
    assert len(told["classes"]) == c.CLASSES and told["classes"][0] == "class 0"
    assert told["classes"][-1] == c.OTHERS
    assert sum(map(sum, told["rows"])) == 2_000
    assert told["rows"][0][0] == int(((true == 0) & (said == 0)).sum())


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS])
@pytest.mark.parametrize("size", [0, 1, 3, 20_000])
def test_curves_are_small_json_whatever_the_rows(kind: TaskKind, size: int) -> None:
    rng = np.random.default_rng(7)
    said, y = rng.random(size), rng.integers(0, 2, size).astype(float)
    if kind is TaskKind.MULTICLASS:
        said = np.stack([said, 1 - said], axis=1)
    told = c.curves(kind, y, said, said, rng.integers(0, 1 + size // 4, size), classes=("a", "b"))
    text = json.dumps(told, allow_nan=False)
    assert len(text) < 12_000 and json.loads(text) == told
    assert bool(told) == bool(size)


def test_the_same_rows_and_seed_give_the_same_curves() -> None:
    y, said, groups = rows(8)
    one = c.curves(TaskKind.BINARY, y, said, said, groups, seed=1)
    assert one == c.curves(TaskKind.BINARY, y, said, said, groups, seed=1)
    assert one != c.curves(TaskKind.BINARY, y, said, said, groups, seed=2), "the control: another seed"
