"""Ensemble, calibration and intervals: each helps where it should, and keeps still where it should not."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from foretell.models.calibrate import Calibration, blocks_of, fit_calibration
from foretell.models.criteria import METRICS, log_losses
from foretell.models.ensemble import blend, greedy_weights, tied_with_best
from foretell.models.intervals import fit_conformal, weighted_quantiles
from foretell.models.links import from_link, sigmoid, softmax, to_link
from foretell.task.model import TaskKind

B, R, M = TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS


def truth(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n) * 1.5
    return z, (rng.random(n) < sigmoid(z)).astype(float)


def test_two_members_with_errors_of_their_own_are_better_together():
    rng = np.random.default_rng(0)
    y = rng.normal(size=500)
    members = {f"m{i}": y + rng.normal(size=500) for i in range(3)} | {"bad": rng.normal(size=500) * 5}
    weights = greedy_weights(R, METRICS["mae"], y, members)
    assert min(weights[f"m{i}"] for i in range(3)) > 3 * weights.get("bad", 0.0)
    assert sum(weights.values()) == pytest.approx(1)
    together = METRICS["mae"].score(y, blend(R, [members[n] for n in weights], list(weights.values())))
    assert together < 0.75 * min(METRICS["mae"].score(y, p) for p in members.values())


def test_the_ensemble_is_never_worse_than_its_best_member_where_it_was_chosen():
    for seed in range(5):
        z, y = truth(300, seed)
        rng = np.random.default_rng(seed + 100)
        members = {f"m{i}": sigmoid(z * rng.random() + rng.normal(size=300)) for i in range(4)}
        weights = greedy_weights(B, METRICS["auroc"], y, members)
        got = METRICS["auroc"].score(y, blend(B, [members[n] for n in weights], list(weights.values())))
        assert got >= max(METRICS["auroc"].score(y, p) for p in members.values())


def test_a_perfect_member_stands_alone():
    y = np.array([0.0, 1.0, 0.0, 1.0])
    members = {"noise": np.array([0.5, 0.4, 0.6, 0.5]), "perfect": np.array([0.1, 0.9, 0.1, 0.9])}
    assert greedy_weights(B, METRICS["auroc"], y, members) == {"perfect": 1.0}


def test_members_that_chance_could_have_ordered_start_together():
    """Fitted to noise alone, the greedy weights would take one of two equal members; the tie keeps both."""
    z, y = truth(400)
    rng = np.random.default_rng(1)
    members = {n: sigmoid(z + 0.5 * rng.normal(size=400)) for n in "ab"} | {"poor": np.full(400, 0.5)}
    start = tied_with_best(B, METRICS["auroc"], y, members)
    assert start == ["a", "b"]
    weights = greedy_weights(B, METRICS["auroc"], y, members, start=start, steps=0)
    assert weights == {"a": 0.5, "b": 0.5}
    sharp = {"sharp": sigmoid(3 * (2 * y - 1)), **members}
    assert tied_with_best(B, METRICS["auroc"], y, sharp) == ["sharp"]


def test_class_probabilities_blend_to_probabilities():
    rng = np.random.default_rng(0)
    a, b = softmax(rng.normal(size=(5, 3))), softmax(rng.normal(size=(5, 3)))
    np.testing.assert_allclose(from_link(M, blend(M, [a, b], [0.3, 0.7])).sum(axis=1), 1)
    np.testing.assert_allclose(from_link(M, to_link(M, a)), a)


@pytest.mark.parametrize("rows", [800, 5000])
def test_calibration_mends_an_overconfident_score(rows):
    z, y = truth(rows)
    cutoffs = np.arange(rows) // 50
    raw = 3.0 * z + (1.0 if rows > 1500 else 0.0)  # a shift is only mended where there are rows for it
    found = fit_calibration(B, raw, y, cutoffs)
    assert found.slope == pytest.approx(1 / 3, rel=0.15)
    fresh_z, fresh_y = truth(20_000, 9)
    before = log_losses(fresh_y, sigmoid(3.0 * fresh_z + (1.0 if rows > 1500 else 0.0))).mean()
    after = log_losses(fresh_y, sigmoid(found.apply(3.0 * fresh_z + (1.0 if rows > 1500 else 0.0)))).mean()
    best = log_losses(fresh_y, sigmoid(fresh_z)).mean()
    assert after < before and after - best < 0.002


def test_class_temperatures_are_found():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3000, 4)) * 1.5
    z -= z.mean(axis=1, keepdims=True)
    y = (softmax(z).cumsum(axis=1) < rng.random(3000)[:, None]).sum(axis=1).astype(float)
    assert fit_calibration(M, 2.5 * z, y, np.arange(3000)).slope == pytest.approx(0.4, rel=0.1)


def test_a_calibration_that_other_cutoffs_refute_is_not_kept():
    """Half of the cutoffs say the score is overconfident, the other half say it is not confident enough."""
    z, y = truth(1000)
    cutoffs = np.arange(1000) // 100
    raw = np.where(cutoffs % 2 == 0, 3 * z, 0.4 * z)
    assert fit_calibration(B, raw, y, cutoffs).is_identity
    assert not fit_calibration(B, 4 * z, y, cutoffs).is_identity  # the control


def test_rates_that_wander_move_no_probability():
    """Each cutoff has a rate of its own: the mean of a few of them says little of the next one."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=4000)
    cutoffs = np.arange(4000) // 500
    rates = np.array([0.5, 0.4, -0.3, -0.2, 0.4, 0.3, -0.1, 0.2])
    y = (rng.random(4000) < sigmoid(z + rates[cutoffs])).astype(float)
    assert fit_calibration(B, z, y, cutoffs).is_identity
    steady = (rng.random(4000) < sigmoid(z + 0.5)).astype(float)
    assert fit_calibration(B, z, steady, cutoffs).shift == pytest.approx(0.5, abs=0.1)  # the control


def test_few_rows_and_few_cutoffs_are_left_as_they_are():
    z, y = truth(80)
    assert fit_calibration(B, 5 * z, y, np.arange(80)) == Calibration()
    z, y = truth(1000)
    assert fit_calibration(B, 5 * z, y, np.arange(1000) // 250) == Calibration()
    assert fit_calibration(B, 5 * z, y, np.arange(1000) // 200) != Calibration()  # the control: five


def test_a_cutoff_is_not_torn_apart():
    assert blocks_of(np.array([1, 1, 2, 2, 5])).tolist() == [0, 0, 1, 1, 2]
    many = np.repeat(np.arange(40), 5)
    block = blocks_of(many)
    assert block.max() == 9 and (np.diff(block) >= 0).all()
    assert all(len(np.unique(block[many == c])) == 1 for c in range(40))


def uneven(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, and truths whose spread grows with them, skewed upwards."""
    rng = np.random.default_rng(seed)
    point = rng.uniform(1, 10, n)
    return point, point + point * 0.5 * (rng.exponential(size=n) - np.log(2))


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_intervals_hold_the_truth_as_often_as_they_say(level):
    point, y = uneven(3000, 0)
    found = fit_conformal(y, point, np.zeros(3000, dtype=np.int64))
    assert found is not None
    fresh, truth_ = uneven(20_000, 1)
    low, high = found.band(fresh, level)
    inside = (truth_ >= low) & (truth_ <= high)
    assert inside.mean() == pytest.approx(level, abs=0.02)
    for part in (fresh < 3, fresh > 8):  # in the narrow and in the wide segments too
        assert inside[part].mean() == pytest.approx(level, abs=0.05)
    assert (high - low)[fresh > 8].mean() > 2 * (high - low)[fresh < 3].mean()


def test_intervals_are_nested_and_hold_the_point():
    point, y = uneven(500, 0)
    found = fit_conformal(np.maximum(y, 0), np.maximum(point, 0), np.zeros(500, dtype=np.int64))
    fresh = np.linspace(-1, 20, 100).clip(0)
    bands = [found.band(fresh, level) for level in (0.1, 0.5, 0.8, 0.9, 0.99)]
    for low, high in bands:
        assert (low <= fresh).all() and (fresh <= high).all() and (low >= 0).all()
    for (low, high), (lower, higher) in itertools.pairwise(bands):
        assert (lower <= low).all() and (high <= higher).all()


def test_small_samples_are_corrected_for():
    """Coverage over many draws of 20 residuals is the level; without (n + 1) / n it would fall short."""
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(400):
        y = rng.normal(size=20)
        found = fit_conformal(y, np.zeros(20), np.zeros(20, dtype=np.int64))
        low, high = found.band(np.zeros(50), 0.8)
        fresh = rng.normal(size=50)
        hits.append(((fresh >= low) & (fresh <= high)).mean())
    assert np.mean(hits) == pytest.approx(0.8, abs=0.02)


def test_too_few_residuals_say_nothing():
    assert fit_conformal(np.zeros(9), np.zeros(9), np.zeros(9, dtype=np.int64)) is None


def test_recent_residuals_weigh_more():
    y = np.concatenate([np.full(500, 10.0), np.full(500, 1.0)]) * np.random.default_rng(0).normal(size=1000)
    cutoffs = np.repeat(np.arange(10), 100)
    recent = fit_conformal(y, np.zeros(1000), cutoffs)
    even = fit_conformal(y, np.zeros(1000), np.zeros(1000, dtype=np.int64))
    assert np.diff(recent.band(np.zeros(1)), axis=0) < np.diff(even.band(np.zeros(1)), axis=0)


def test_bands_are_as_much_wider_as_earlier_blocks_called_for():
    """Each block has a level of its own, which the blocks before it do not know."""
    rng = np.random.default_rng(1)
    cutoffs = np.repeat(np.arange(30), 40)
    calm = rng.normal(size=1200)
    wild = fit_conformal(calm + np.repeat(rng.normal(size=6) * 2, 200), np.zeros(1200), cutoffs)
    still = fit_conformal(calm, np.zeros(1200), cutoffs)
    assert wild.shift > 0.3 > abs(still.shift)  # the control: what does not drift is left nearly alone
    fresh = rng.normal(size=(400, 50)) + rng.normal(size=(400, 1)) * 2
    low, high = wild.band(np.zeros(1), 0.8)
    narrow, wide = replace(wild, shift=0.0).band(np.zeros(1), 0.8)
    covered = ((fresh >= low) & (fresh <= high)).mean()
    assert abs(covered - 0.8) < abs(((fresh >= narrow) & (fresh <= wide)).mean() - 0.8)


def test_a_weight_of_two_is_a_row_twice():
    once = weighted_quantiles(np.array([1.0, 2.0, 5.0]), np.array([2.0, 1.0, 1.0]), 5)
    assert once[0] == 1.0 and once[-1] == 5.0 and (np.diff(once) >= 0).all()
    assert once[2] < 2.0
