"""Harm is told when it is sure, by the spread from batch to batch; an estimate where it has proved good."""

from __future__ import annotations

import numpy as np
import pytest

from foretell.core.time import DAY
from foretell.lifecycle.monitor.estimate import estimate, expected
from foretell.lifecycle.monitor.finding import Finding, Severity, by_weight, verdict, worst
from foretell.lifecycle.monitor.harm import Outcome, Promise, judge
from foretell.models.criteria import METRICS
from foretell.models.intervals import fit_conformal
from foretell.task.model import TaskKind


def outcomes(
    scores: np.ndarray, lifts: np.ndarray, error: float = 0.01, spacing: int = 7 * DAY
) -> list[Outcome]:
    return [Outcome(i * spacing, 500, s, error, v, error) for i, (s, v) in enumerate(zip(scores, lifts))]


def promise(
    rng: np.random.Generator, spread: float = 0.03, metric: str = "auroc", score: float = 0.75
) -> Promise:
    noise = spread * rng.normal(size=12)
    sign = 1 if METRICS[metric].higher_is_better else -1
    slices = tuple(zip((score + sign * noise).tolist(), (0.06 + noise).tolist()))
    return Promise(metric, score, score - 0.02, score + 0.02, 0.06, slices)


def test_batches_that_differ_as_they_did_are_no_harm_where_their_own_intervals_call_many_so() -> None:
    pages = naive = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        noise = 0.03 * rng.normal(size=40)  # three times what a batch's own interval says
        held = outcomes(0.75 + noise, 0.06 + noise)
        said = promise(rng)
        pages += any(judge(held[: i + 1], said).harm is not None for i in range(40))
        naive += any(o.score + 1.96 * o.score_error < said.low for o in held)
    assert pages <= 4, "a quarter of a page a year is promised, and these are 15 years"
    assert naive >= 18, "the control alarms in nearly every stream"


@pytest.mark.parametrize("metric", ["auroc", "mae"])
def test_a_model_that_is_worse_than_the_simple_rule_is_told_of(metric: str) -> None:
    rng = np.random.default_rng(1)
    sign = 1 if METRICS[metric].higher_is_better else -1
    said = promise(rng, metric=metric)
    fine = outcomes(0.75 + 0.03 * rng.normal(size=8), 0.06 + 0.03 * rng.normal(size=8))
    assert judge(fine, said).harm is None
    lost = outcomes(np.full(3, 0.75 - sign * 0.2), np.full(3, -0.14))
    shifted = [Outcome(o.cutoff + 100 * DAY, *list(vars(o).values())[1:]) for o in lost]
    found = judge([*fine, *shifted], said)
    assert found.harm is not None and "simple rule would have done better" in found.harm


def test_a_score_far_below_the_promise_is_harm_where_no_simple_rule_is_known() -> None:
    rng = np.random.default_rng(2)
    said = promise(rng)
    nan = np.full(6, np.nan)
    assert judge(outcomes(0.74 + 0.01 * rng.normal(size=6), nan), said).harm is None
    found = judge(outcomes(0.55 + 0.01 * rng.normal(size=6), nan), said)
    assert found.harm is not None and "promised" in found.harm


def test_larger_amounts_are_no_harm_and_a_lost_advantage_is() -> None:
    """An error in the target's unit grows with it: ten times the amounts are ten times the error."""
    rng = np.random.default_rng(7)
    noise = 0.5 * rng.normal(size=12)
    said = Promise("mae", 20.0, 19.5, 20.5, 10.0, tuple(zip((20 - noise).tolist(), (10 + noise).tolist())))
    december = 10 * rng.normal(size=6)
    assert judge(outcomes(200 - december, 100 + december, error=2.0), said).harm is None
    found = judge(outcomes(np.full(6, 290.0), np.full(6, 10.0), error=2.0), said)
    assert found.harm is not None and "most of the advantage" in found.harm


def test_a_better_error_is_no_harm() -> None:
    """An error well under the promised one: lower is better."""
    rng = np.random.default_rng(3)
    said = promise(rng, metric="mae")
    assert judge(outcomes(np.full(6, 0.3), np.full(6, 0.4)), said).harm is None


def test_nothing_is_sure_of_one_batch_without_a_past() -> None:
    bare = Promise("auroc", 0.75, 0.7, 0.8, 0.05)
    assert judge(outcomes(np.array([0.2]), np.array([-0.5])), bare).harm is None
    assert judge([], bare).harm is None
    assert judge(outcomes(np.array([0.2]), np.array([-0.5])), None).harm is None


def test_a_promise_is_read_from_a_backtest() -> None:
    part = {"value": 2.0, "low": 1.9, "high": None}
    told = {
        "metric": "mae",
        "model": part,
        "lift": {"value": 0.3},
        "slices": [{"model": 2.0, "baseline": 2.5}, {"model": None, "baseline": 1.0}],
    }
    found = Promise.of(told)
    assert found is not None and found.slices == ((2.0, 0.5),) and np.isnan(found.high)
    assert Promise.of(None) is None
    assert Promise.of({**told, "model": {"value": None}}) is None


def test_the_expected_score_is_that_of_many_simulated_worlds() -> None:
    rng = np.random.default_rng(4)
    p = rng.beta(1, 2, 4000)
    worlds = [(rng.random(4000) < p).astype(np.float64) for _ in range(20)]
    for metric in ("auroc", "accuracy"):
        score = np.mean([METRICS[metric].score(y, p) for y in worlds])
        assert expected(TaskKind.BINARY, metric, p, None) == pytest.approx(score, abs=0.01)
    classes = rng.dirichlet([1, 1, 1], 4000)
    hits = [METRICS["accuracy"].score(np.array([rng.choice(3, p=c) for c in classes], float), classes)]
    assert expected(TaskKind.MULTICLASS, "accuracy", classes, None) == pytest.approx(hits[0], abs=0.02)


def test_the_expected_error_follows_from_the_intervals() -> None:
    rng = np.random.default_rng(5)
    point = rng.uniform(0, 10, 3000)
    y = point + rng.normal(size=3000) * (0.2 + 0.2 * point)
    bands = fit_conformal(y, point, np.zeros(3000, dtype=np.int64))
    assert bands is not None
    easy, hard = point[point < 3], point[point > 7]
    for rows in (easy, hard):
        error = np.abs(rng.normal(size=len(rows)) * (0.2 + 0.2 * rows)).mean()
        assert expected(TaskKind.REGRESSION, "mae", rows, bands) == pytest.approx(error, rel=0.15)
    assert np.isnan(expected(TaskKind.REGRESSION, "mae", easy, None))
    assert np.isnan(expected(TaskKind.REGRESSION, "rmse", easy, bands))


def test_an_estimate_is_hidden_until_it_has_proved_good_and_where_it_has_not() -> None:
    good = [(0.71, 0.70), (0.66, 0.65), (0.80, 0.79)]
    assert estimate("auroc", 0.7, good, 0.75, 0.01).hidden is None
    assert "are needed" in (estimate("auroc", 0.7, good[:2], 0.75, 0.01).hidden or "")
    near = [(0.76, 0.750), (0.74, 0.751), (0.76, 0.749)]
    assert estimate("auroc", 0.7, near, 0.75, 0.02).hidden is None, "off by little"
    assert estimate("auroc", 0.7, near, 0.75, 0.001).hidden is not None
    bad = [(0.90, 0.75), (0.60, 0.74), (0.95, 0.76)]
    found = estimate("auroc", 0.7, bad, 0.75, 0.01)
    assert "off by" in (found.hidden or "") and found.to_dict()["value"] is None
    assert "cannot be estimated" in (estimate("rmse", float("nan"), good, 1.0, 0.1).hidden or "")


def test_the_gravest_finding_makes_the_verdict() -> None:
    digest = Finding(Severity.DIGEST, "features", "x", "x drifts")
    page = Finding(Severity.PAGE, "schema", "t", "t is gone")
    assert worst([digest, page]) is Severity.PAGE
    assert by_weight([digest, page])[0] is page
    assert verdict([digest, page]) == "Harm: t is gone (1 more finding)."
    assert verdict([digest, digest]).startswith("No harm seen, and 2 things to look at: x drifts")
