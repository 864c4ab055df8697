"""Intervals in a backtest follow windows that have closed, and know of no other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from foretell.core.time import DAY, Offset
from foretell.models.follow import BLOCKS, Bands, Judged, bands_over_time
from foretell.models.intervals import fit_conformal
from foretell.task.cutoffs import closed_before

WEEK = Offset(7)


def judged(days: range, rows: int, seed: int, spread: float = 1.0) -> Judged:
    """Rows at every day, said to be 0, with truths of a spread."""
    cutoffs = np.repeat(np.asarray(days, dtype=np.int64) * DAY, rows)
    y = np.random.default_rng(seed).normal(size=len(cutoffs)) * spread
    return Judged(y, np.zeros(len(y)), cutoffs)


def test_a_label_whose_window_is_open_moves_no_interval():
    before, test = judged(range(40), 20, 0), judged(range(50, 70), 20, 1)
    found = bands_over_time(before, test, WEEK, 0.8)
    for day in (52, 57, 63):
        held = test.cutoffs == day * DAY
        open_then = ~closed_before(test.cutoffs, WEEK, day * DAY)
        other = replace(test, y=np.where(open_then, 1e6, test.y))
        got = bands_over_time(before, other, WEEK, 0.8)
        for end in ("low", "high", "fairly"):
            np.testing.assert_array_equal(getattr(got, end)[held], getattr(found, end)[held])
    known = replace(test, y=np.where(test.cutoffs <= 55 * DAY, 1e6, test.y))  # the control: closed by day 63
    assert (bands_over_time(before, known, WEEK, 0.8).high[held] > found.high[held]).all()


@pytest.mark.parametrize("horizon", [None, WEEK])
def test_each_interval_is_that_of_a_model_released_then(horizon: Offset | None):
    before, test = judged(range(30), 15, 2), judged(range(40, 55), 15, 3, spread=3.0)
    found = bands_over_time(before, test, horizon, 0.8)
    for day in range(40, 55):
        end = np.inf if horizon is None else (day - 7) * DAY
        seen = (test.cutoffs < day * DAY) & (test.cutoffs <= end)
        y, cutoffs = np.append(before.y, test.y[seen]), np.append(before.cutoffs, test.cutoffs[seen])
        expected = fit_conformal(y, np.zeros(len(y)), cutoffs).band(np.zeros(1), 0.8)
        held = test.cutoffs == day * DAY
        np.testing.assert_array_equal(np.unique(found.low[held]), expected[0])
        np.testing.assert_array_equal(np.unique(found.high[held]), expected[1])


def test_intervals_grow_into_a_spread_that_validation_did_not_have():
    before, test = judged(range(60), 20, 4), judged(range(70, 130), 20, 5, spread=2.5)
    still = Bands.of(fit_conformal(before.y, before.said, before.cutoffs), test.said, 0.8)
    assert still.inside(test.y).mean() < 0.5  # the control
    inside = bands_over_time(before, test, WEEK, 0.8).inside(test.y)
    assert inside[test.cutoffs >= 100 * DAY].mean() == pytest.approx(0.8, abs=0.06)


def test_many_cutoffs_share_the_intervals_of_their_block():
    before, test = judged(range(40), 5, 6), judged(range(50, 250), 5, 7)
    found = bands_over_time(before, test, WEEK, 0.8)
    assert 2 < len(np.unique(found.low)) <= BLOCKS


def test_too_few_rows_before_the_test_say_nothing():
    assert bands_over_time(judged(range(9), 1, 0), judged(range(20, 30), 5, 1), WEEK, 0.8) is None


@pytest.mark.parametrize("rate", [0.05, 0.15, 0.6, 5.0])
def test_counts_at_the_ends_of_an_interval_count_in_part(rate: float):
    """Counts of known rates, a little off the mark: plain coverage is what the ties make of it."""
    rng = np.random.default_rng(8)
    said = rate * rng.uniform(0.9, 1.1, 40_000)
    y = rng.poisson(rate, 40_000).astype(float)
    day = np.repeat(np.arange(40), 1000)
    bands = bands_over_time(
        Judged(y[:20_000], said[:20_000], day[:20_000]),
        Judged(y[20_000:], said[20_000:], day[20_000:]),
        WEEK,
        0.8,
    )
    inside = bands.inside(y[20_000:])
    assert (inside * bands.fairly).mean() == pytest.approx(0.8, abs=0.04)
    if rate < 0.1:
        assert inside.mean() > 0.9  # the control: nineteen in twenty are 0


def test_no_tie_nothing_in_part():
    before, test = judged(range(40), 50, 0), judged(range(50, 70), 50, 1)
    bands = bands_over_time(before, test, WEEK, 0.8)
    assert bands.fairly.min() > 0.97 and bands.fairly.max() <= 1
