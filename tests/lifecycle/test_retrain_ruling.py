"""The ruling promotes what is better and hardly ever what is not; each guard is seen to bite."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "lifecycle"))

import promotion
from promotion import amounts, classes, higher, promoted

from foretell.lifecycle.retrain.ruling import ALLOWANCE, _t, rule, spent
from foretell.task.model import TaskKind

B, R, M = TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS


@pytest.mark.parametrize(("make", "kind"), [(classes, B), (amounts, R)])
def test_equal_challengers_hardly_pass_and_the_higher_score_is_no_proof(make, kind) -> None:  # type: ignore[no-untyped-def]
    made = [make(np.random.default_rng([7, i]), 1_000, better=False) for i in range(60)]
    assert sum(promoted(m, kind) for m in made) <= 4
    assert 18 <= sum(higher(m, kind) for m in made) <= 42  # the control tosses a coin


def test_a_better_challenger_passes() -> None:
    made = [classes(np.random.default_rng([8, i]), 10_000, better=True) for i in range(10)]
    assert sum(promoted(m, B) for m in made) >= 8


def test_looks_share_one_allowance() -> None:
    assert sum(spent(k) for k in range(1, 100_000)) == pytest.approx(ALLOWANCE, rel=1e-4)
    made = classes(np.random.default_rng(3), 2_000, better=True)
    found = [judged(made, look=k) for k in (1, 2, 5, 20)]
    lows = [f.lift.low for f in found]
    assert lows == sorted(lows, reverse=True) and len({f.lift.value for f in found}) == 1


def judged(made, look: int = 1, kind: TaskKind = B):  # type: ignore[no-untyped-def]
    return rule(
        made.y, made.champion, made.challenger, groups=made.groups, cutoffs=made.cutoffs, kind=kind, look=look
    )


def test_the_interval_is_that_of_resampled_entities() -> None:
    """Against a slow bootstrap that copies whole entities."""
    made = classes(np.random.default_rng(5), 400, better=True)
    rng = np.random.default_rng(0)
    gaps = []
    for _ in range(400):
        drawn = rng.integers(0, 100, 100)
        rows = np.concatenate([np.flatnonzero(made.groups == g) for g in drawn])
        gaps.append(
            np.abs(made.y - made.champion)[rows].mean() - np.abs(made.y - made.challenger)[rows].mean()
        )
    found = judged(made, kind=R)
    z = 2.21  # t with 99 degrees of freedom at 0.0152
    assert (found.lift.value - found.lift.low) / z == pytest.approx(np.std(gaps), rel=0.15)
    assert _t(1 - spent(1), 99) == pytest.approx(z, abs=0.02)


def test_days_that_all_rows_share_widen_the_interval() -> None:
    """A model that is better on some days only is not surely better, however many rows those have."""
    rng = np.random.default_rng(1)
    day, groups = np.repeat(np.arange(10), 300), np.tile(np.arange(300), 10)
    y = rng.normal(size=3_000)
    worse = np.where(np.isin(day, (0, 1, 2, 5)), 1.0, -0.7)  # the challenger's error less the champion's
    champion, challenger = y + 3.0, y + 3.0 + 0.2 * worse
    shared = rule(y, champion, challenger, groups=groups, cutoffs=day, kind=R)
    alone = rule(y, champion, challenger, groups=groups, cutoffs=day * 0, kind=R)
    assert shared.lift.value == pytest.approx(alone.lift.value)
    assert alone.lift.high - alone.lift.low < 0.1 * (shared.lift.high - shared.lift.low)


def test_what_is_worse_calibrated_does_not_pass() -> None:
    made = classes(np.random.default_rng(2), 6_000, better=True)
    honest = rule(
        made.y,
        made.champion,
        made.challenger,
        groups=made.groups,
        cutoffs=made.cutoffs,
        kind=B,
    )
    boastful = made.challenger**6  # the same order, other probabilities
    found = rule(made.y, made.champion, boastful, groups=made.groups, cutoffs=made.cutoffs, kind=B)
    assert honest.passes and found.is_better and not found.is_calibrated and not found.passes


def test_intervals_that_hold_less_often_do_not_pass() -> None:
    rng = np.random.default_rng(0)
    y, rows = rng.normal(size=500), np.arange(500)
    wide, narrow = (np.full(500, -1.28), np.full(500, 1.28)), (np.full(500, -0.3), np.full(500, 0.3))
    said = (y + 1.0, y + 0.1)
    plain = rule(y, *said, groups=rows, cutoffs=rows * 0, kind=R, bands=(wide, wide))
    found = rule(y, *said, groups=rows, cutoffs=rows * 0, kind=R, bands=(wide, narrow))
    assert plain.passes and found.is_better and not found.passes


def test_what_cannot_be_told_is_not_promoted() -> None:
    ones = np.ones(50)
    rows = np.arange(50)
    found = rule(ones, ones * 0.5, ones * 0.9, groups=rows, cutoffs=rows * 0, kind=B)
    assert not found.passes and not found.is_worse and np.isnan(found.lift.value)
    assert found.to_dict()["lift"]["low"] is None
    single = rule(ones, ones * 2, ones, groups=rows * 0, cutoffs=rows * 0, kind=R)
    assert not single.passes


def test_the_least_difference_would_be_seen_four_times_of_five() -> None:
    made = classes(np.random.default_rng(0), 4_000, better=False)
    found = judged(made)
    spread = (found.lift.value - found.lift.low) / 2.165
    assert found.least == pytest.approx((2.165 + 0.842) * spread, rel=0.02)


def test_classes_are_ruled_by_their_probabilities() -> None:
    y, rows = np.arange(300) % 3 * 1.0, np.arange(300)
    good, bad = np.eye(3)[rows % 3], np.full((300, 3), 1 / 3)
    assert rule(y, bad, good, groups=rows, cutoffs=rows * 0, kind=M).is_better
    assert rule(y, good, bad, groups=rows, cutoffs=rows * 0, kind=M).is_worse


def test_without_the_days_equal_challengers_pass_by_the_weather(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of resampling cutoffs: an interval that knows entities alone promotes them."""
    monkeypatch.setattr(promotion, "SHOCK", 0.5)
    made = [amounts(np.random.default_rng([9, i]), 2_000, better=False) for i in range(40)]
    assert sum(promoted(m, R) for m in made) <= 3 < 6 <= sum(promoted(m, R, days=False) for m in made)
