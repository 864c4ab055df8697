"""The bootstrap covers what it should; the backtest says honestly who is better."""

from __future__ import annotations

import json

import numpy as np
import pytest

from foretell.evaluation.backtest import score
from foretell.evaluation.bootstrap import interval, resample
from foretell.evaluation.compare import compare
from foretell.evaluation.metrics import METRICS
from foretell.models.follow import Bands
from foretell.task.model import TaskKind

B, R, M = TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS


def clustered(seed: int, entities: int = 80, each: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Labels whose mean is 0, with a large shift common to an entity's rows."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(entities), each)
    return rng.normal(size=entities)[groups] + 0.3 * rng.normal(size=entities * each), groups


def test_the_interval_covers_the_truth_and_rows_alone_would_not():
    """MAE of a prediction of 0 for N(0, 1 + 0.09) labels is √(2 · 1.09 / π)."""
    truth = np.sqrt(2 * 1.09 / np.pi)
    covered = {"entities": 0, "rows": 0}
    for seed in range(100):
        y, groups = clustered(seed)
        for name, units in (("entities", groups), ("rows", np.arange(len(y)))):
            draws = resample(METRICS["mae"], y, {"p": np.zeros_like(y)}, units, repetitions=200, seed=seed)
            low, high = interval(draws["p"])
            covered[name] += low <= truth <= high
    assert covered["entities"] >= 88  # 95 expected, three standard errors down
    assert covered["rows"] <= 70  # the control: rows taken as independent are overconfident


def test_a_ranked_metric_resamples_as_its_rows_repeated():
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 60).astype(float), np.round(rng.random(60), 1)
    groups = np.repeat(np.arange(12), 5)
    times = rng.integers(0, 3, 12)
    repeated = np.repeat(np.arange(60), times[groups])
    for name in ("auroc", "average_precision"):
        judge = METRICS[name]
        assert judge.score(y, p, times[groups].astype(float)) == pytest.approx(
            judge.score(y[repeated], p[repeated])
        )


@pytest.mark.parametrize("name", ["mae", "r2", "spearman", "rmse"])
def test_many_entities_in_blocks_give_the_same_kind_of_draws(name, monkeypatch):
    rng = np.random.default_rng(0)
    y = rng.normal(size=20_000)
    p = y + rng.normal(size=20_000)
    groups = np.arange(20_000) // 2
    draws = resample(METRICS[name], y, {"a": p, "b": p}, groups, repetitions=600)  # 10,000 x 600: in blocks
    np.testing.assert_array_equal(draws["a"], draws["b"])
    value = METRICS[name].score(y, p)
    low, high = interval(draws["a"])
    assert low < value < high and high - low < 0.1
    fewer = interval(resample(METRICS[name], y, {"a": p}, groups, repetitions=400)["a"])  # all at once
    assert fewer == pytest.approx((low, high), abs=0.01)


def binary_case(seed: int = 0, n: int = 1200) -> dict:
    rng = np.random.default_rng(seed)
    groups = np.arange(n) % 200
    cutoffs = (np.arange(n) // 200) * 86_400_000_000
    z = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-2 * z))).astype(float)
    good = 1 / (1 + np.exp(-2 * z))
    weak = 1 / (1 + np.exp(-0.3 * z - rng.normal(size=n)))
    return {
        "y": y,
        "groups": groups,
        "cutoffs": cutoffs,
        "good": good,
        "weak": weak,
        "none": np.full(n, y.mean()),
    }


def judged(case: dict, model: str, *others: str, **options):
    predictions = {"model": case[model]} | {o: case[o] for o in others}
    return score(
        case["y"],
        predictions,
        groups=case["groups"],
        cutoffs=case["cutoffs"],
        kind=B,
        repetitions=200,
        **options,
    )


def test_a_better_model_is_called_better():
    found = judged(binary_case(), "good", "weak", "none")
    assert found.best_baseline == "weak" and found.beats_baseline and found.lift.low > 0
    assert found.verdict.startswith("The model beats the best baseline")
    assert found.lift.value == pytest.approx(found.model.value - found.baselines["weak"].value)
    assert (found.rows, found.entities, len(found.slices)) == (1200, 200, 6)
    assert found.positives == int(binary_case()["y"].sum()) and found.ece < 0.08
    assert sum(b.rows for b in found.bins) == 1200
    assert sum(s.rows for s in found.slices) == 1200 and found.slices[0].name == "1970-01-01"
    assert set(found.scores["model"]) == {"auroc", "average_precision", "logloss", "brier", "accuracy", "f1"}


def test_the_best_baseline_is_the_best_on_the_test_rows():
    case = binary_case()
    found = judged(case, "good", "none", "weak", chosen_baseline="none")
    assert (found.best_baseline, found.chosen_baseline) == ("weak", "none")


def test_a_worse_and_an_equal_model_are_called_so():
    case = binary_case()
    worse = judged(case, "weak", "good")
    assert not worse.beats_baseline and "worse than the best baseline" in worse.verdict
    equal = judged(case, "good", "good")
    assert not equal.beats_baseline and "does not beat" in equal.verdict and equal.lift.value == 0


def test_models_that_differ_by_chance_alone_seldom_pass():
    passed = 0
    for seed in range(100):
        case = binary_case(seed, 400)
        rng = np.random.default_rng(seed + 1000)
        a, b = (np.clip(case["good"] + 0.2 * rng.normal(size=400), 0.01, 0.99) for _ in range(2))
        found = compare(case["y"], a, b, groups=case["groups"], kind=B, repetitions=200, seed=seed)
        passed += found.is_better
    assert passed <= 9  # 2.5 expected


def test_errors_are_better_when_smaller():
    rng = np.random.default_rng(0)
    y = rng.normal(size=300)
    arrays = {"groups": np.arange(300), "cutoffs": np.arange(300) * 86_400_000_000}
    found = score(
        y,
        {"model": y + 0.1 * rng.normal(size=300), "constant": np.zeros(300)},
        kind=R,
        bands=Bands(y - 0.1, y + np.where(np.arange(300) < 240, 0.1, -0.05), np.full(300, 0.5)),
        folds=np.arange(300) // 150,
        **arrays,
    )
    assert found.beats_baseline and found.lift.value > 0.5
    assert found.coverage == pytest.approx(0.8) and found.level == 0.8
    assert found.fair_coverage == pytest.approx(0.4)  # each inside counts a half here
    assert [s.coverage for s in found.folds] == pytest.approx([1.0, 0.6])
    assert [s.fair_coverage for s in found.folds] == pytest.approx([0.5, 0.3])
    assert len(found.slices) == 12 and "…" in found.slices[0].name
    assert found.ece is None and found.bins == ()


def test_classes_are_judged_and_json_holds_everything():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90).astype(float)
    sharp = np.full((90, 3), 0.1)
    sharp[np.arange(90), y.astype(int)] = 0.8
    found = score(
        y,
        {"model": sharp, "constant": np.full((90, 3), 1 / 3)},
        groups=np.arange(90),
        cutoffs=np.zeros(90, dtype=np.int64),
        kind=M,
    )
    assert found.model.value == 1.0 and found.beats_baseline
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (
        told["kind"] == "multiclass" and told["beats_baseline"] is True and told["verdict"] == found.verdict
    )
    assert told["slices"][0]["mean"] is None


def test_one_class_in_the_test_gives_no_verdict_and_few_entities_a_note():
    case = binary_case(n=60)
    case["y"] = np.zeros(60)
    case["groups"] = np.arange(60) % 5
    found = judged(case, "good", "weak")
    assert "no verdict" in found.verdict and not found.beats_baseline
    assert any("only 5 entities" in n for n in found.notes) and any("0 positives" in n for n in found.notes)
    json.dumps(found.to_dict(), allow_nan=False)
