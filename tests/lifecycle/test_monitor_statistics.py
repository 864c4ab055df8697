"""What is usual is told right: histograms, distances and likelihoods against slow reckonings."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import ks_2samp

from foretell.features.matrix import Categorical, Matrix, Numeric
from foretell.lifecycle.monitor.adversary import adversary
from foretell.lifecycle.monitor.drift import drift
from foretell.lifecycle.monitor.histograms import BINS, histograms
from foretell.lifecycle.monitor.usual import (
    RECENT,
    above,
    discoveries,
    distances,
    enough,
    ks,
    look_back,
    psi,
    tail,
    together,
)


def _load() -> ModuleType:
    place = Path(__file__).parents[2] / "benchmarks/lifecycle/alarms.py"
    spec = importlib.util.spec_from_file_location("lifecycle_alarms", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["lifecycle_alarms"] = module
    spec.loader.exec_module(module)
    return module


alarms = _load()


def matrix(rng: np.random.Generator, rows: int) -> Matrix:
    """A few different numbers with gaps, and words of which some come late."""
    numbers = rng.integers(0, 9, rows).astype(np.float64)
    numbers[rng.random(rows) < 0.1] = np.nan
    words = np.minimum(rng.integers(-1, 6, rows), np.arange(rows) * 8 // rows).astype(np.int32)
    return Matrix(("n", "w"), (Numeric(numbers), Categorical(words, tuple("abcdef"))), rows)


def test_histograms_count_what_a_loop_counts() -> None:
    rng = np.random.default_rng(0)
    found, window = matrix(rng, 600), np.arange(600) // 100
    held = histograms(found, window)
    numbers, words = found["n"], found["w"]
    assert isinstance(numbers, Numeric) and isinstance(words, Categorical)
    for w in range(6):
        values = numbers.values[window == w]
        assert held.counts[0, w, 0] == np.isnan(values).sum()
        assert sorted(c for c in held.counts[0, w, 1:] if c) == sorted(
            np.unique(values, return_counts=True)[1][:9]
        )
        codes = words.codes[window == w]
        assert held.counts[1, w, 0] == (codes == -1).sum()
        assert held.counts[1, w].sum() == len(codes)
        if w:
            known = set(words.codes[window < w].tolist())
            new = [c for c in codes.tolist() if c >= 0 and c not in known]
            assert held.unseen[1, w] == pytest.approx(len(new) / len(codes))
    assert held.unseen[1, 1:].sum() > 0, "the words that come late are not among the rows"
    assert held.ordered.tolist() == [True, False]
    assert np.isnan(held.unseen[0]).all()


def test_a_number_beyond_the_past_has_a_bin_of_its_own() -> None:
    values = np.concatenate([np.arange(1000.0) % 100, np.full(10, 1e9)])
    held = histograms(Matrix(("n",), (Numeric(values),), 1010), np.r_[np.arange(1000) // 500, np.full(10, 2)])
    assert held.counts[0, 2, BINS - 1] == 10


def test_distances_are_those_of_a_loop_and_of_scipy() -> None:
    rng = np.random.default_rng(1)
    held, window = matrix(rng, 900), np.arange(900) // 100
    counts, ordered = histograms(held, window).counts, np.array([True, False])
    for span in (1, 3):
        found = distances(counts, ordered, 2, span)
        assert found.shape == (2, 2, 9 - 2 - span + 1)
        for i, at in enumerate(range(1 + span, 9)):
            now = counts[:, at - span + 1 : at + 1].sum(axis=1)
            then = counts[:, at - span - 1 : at - span + 1].sum(axis=1)
            p, q = now / now.sum(axis=1, keepdims=True), then / then.sum(axis=1, keepdims=True)
            assert found[0, 0, i] == pytest.approx(np.abs(np.cumsum(p[0] - q[0])).max())
            assert found[0, 1, i] == pytest.approx(sum(max(0.0, a - b) for a, b in zip(p[1], q[1])))
            assert found[1, 0, i] == pytest.approx(psi(now[0], then[0]))
    numbers = held["n"]
    assert isinstance(numbers, Numeric)
    now, then = numbers.values[window == 8], numbers.values[window == 7]
    told = ks_2samp(np.nan_to_num(now, nan=-1.0), np.nan_to_num(then, nan=-1.0)).statistic
    assert float(ks(counts[:1, 8], counts[:1, 7], ordered[:1])[0]) == pytest.approx(told)


def test_benjamini_and_hochberg_by_their_definition() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        p = rng.random(12) ** 3
        ranked = sorted(p)
        most = max((k for k in range(1, 13) if ranked[k - 1] <= 0.2 * k / 12), default=0)
        assert discoveries(p, 0.2).sum() == most
        assert set(p[discoveries(p, 0.2)]) == set(ranked[:most])


def test_likelihoods_are_right_where_days_are_normal_and_small_where_they_are_not() -> None:
    rng = np.random.default_rng(3)
    p = np.concatenate([tail(rng.normal(size=(40, 20)) ** 2, 0.0) for _ in range(100)])
    assert 0.03 < (p < 0.05).mean() < 0.08
    odd = rng.normal(size=(40, 20)) ** 2
    odd[:, -1] = 25.0
    assert (tail(odd, 0.0) < 0.001).all()
    assert (tail(odd, 100.0) > 0.5).all(), "what chance makes of so few rows is no change"


def test_a_change_that_has_begun_does_not_hide_itself() -> None:
    rng = np.random.default_rng(4)
    squares = rng.normal(size=(40, 20)) ** 2
    begun = squares.copy()
    begun[:, -1 - RECENT :] = 25.0
    assert (tail(begun, 0.0) < 0.001).all()


def test_likelihoods_of_one_thing_are_one() -> None:
    rng = np.random.default_rng(5)
    alike = np.repeat(rng.random((1, 4000)), 4, axis=0)
    assert (together(alike) < 0.05).mean() == pytest.approx(0.05, abs=0.02)
    assert above(np.array([*rng.normal(size=20), 50.0])) < 1e-6
    assert above(np.array([*rng.normal(size=20), -50.0])) > 0.99


def test_few_windows_say_nothing() -> None:
    rng = np.random.default_rng(6)
    held = drift(histograms(matrix(rng, 500), np.arange(500) // 100))
    assert not held.known and not held.drifting and np.isnan(held.features[0].p)
    assert next(n for n in range(1, 40) if enough(n)) == 11
    assert look_back(6) == 2


def test_placebo_days_are_quiet_where_a_naive_test_alarms_daily_and_a_change_is_seen() -> None:
    looks = alarms.placebo(0, 8, 300)
    assert looks.pages == 0
    assert looks.drifting + looks.together + looks.feeds <= 3
    assert looks.naive >= 7
    assert all(alarms.seen_within(seed, 300)[-1] for seed in range(3))


def test_the_adversary_tells_a_move_and_not_a_day() -> None:
    held = alarms.stream(1, alarms.WINDOWS + 1, 100)
    quiet, window = held.window(alarms.WINDOWS)
    moved, _ = held.moved(alarms.WINDOWS, by=2.0).window(alarms.WINDOWS)
    usual = adversary(quiet, window, np.arange(quiet.rows))
    told = adversary(moved, window, np.arange(moved.rows))
    assert usual is not None and told is not None
    assert usual.p > 0.01 > told.p and told.auroc > 0.9 > usual.auroc


def test_an_adversary_cannot_tell_windows_by_who_is_in_them() -> None:
    """The same people are in every window: told by their features, all rows of one are in one fold."""
    rng = np.random.default_rng(7)
    people = np.tile(np.arange(200), 20)
    features = Matrix(("x",), (Numeric(np.tile(rng.normal(size=200), 20)),), 4000)
    found = adversary(features, np.repeat(np.arange(20), 200), people)
    assert found is not None and abs(found.auroc - 0.5) < 0.06
