"""Errors and tests: uniform p-values where rows are alike by entity and period, and adjusted ones by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from foretell.features.matrix import Floats
from foretell.patterns.candidate import Sample
from foretell.patterns.mine.groups import apart, modelled
from foretell.patterns.statistics import (
    LEAST_CLUSTERS,
    benjamini_hochberg,
    clustered,
    estimate,
    figure,
    given_early,
    holm,
    in_common,
    interval,
    left_out,
)


def contrast(
    rng: np.random.Generator, *, people: int, dates: int, rows: int = 600, by: str = "row", true: float = 0.0
) -> Sample:
    """A difference between two groups of rows that share effects of entities and periods."""
    who, when = rng.integers(0, people, rows), rng.integers(0, dates, rows)
    if by == "entity":
        inside = (rng.random(people) < 0.3)[who]
    elif by == "period":
        inside = (rng.random(dates) < 0.3)[when]
    else:
        inside = rng.random(rows) < 0.3
    y = rng.normal(size=rows) + 0.7 * rng.normal(size=people)[who] + 0.5 * rng.normal(size=dates)[when]
    y = y + true * inside
    x = inside.astype(np.float64)
    sums = np.stack([x, x * y, 1 - x, (1 - x) * y], axis=1)
    return Sample(sums, apart, who, when, int(x.sum()), rows)


def naive(sample: Sample) -> float:
    """The p-value of somebody who takes rows as independent."""
    variance, _ = left_out(sample, sample.sums)
    return float(2 * stats.norm.sf(abs(figure(sample)) / variance**0.5))


@pytest.mark.parametrize("by", ["row", "entity", "period"])
def test_p_values_are_no_smaller_than_chance_where_rows_are_alike(by: str) -> None:
    rng = np.random.default_rng(7)
    p = np.array([estimate(contrast(rng, people=60, dates=40, by=by)).p() for _ in range(300)])
    # uniform would give 15, 3 and 0.3; at most what chance makes of that once in a thousand
    assert (p < 0.05).sum() <= stats.binom.isf(0.001, 300, 0.05)
    assert (p < 0.01).sum() <= stats.binom.isf(0.001, 300, 0.01)
    assert p.mean() > 0.4


def test_independent_rows_would_see_what_is_not_there() -> None:
    rng = np.random.default_rng(8)
    p = np.array([naive(contrast(rng, people=60, dates=40, by="entity")) for _ in range(200)])
    assert (p < 0.05).mean() > 0.25


def test_a_true_difference_is_seen_and_its_interval_holds_it() -> None:
    rng = np.random.default_rng(9)
    held = 0
    for k in range(100):
        sample = contrast(rng, people=80, dates=40, true=0.6)
        known = estimate(sample)
        low, high = interval(sample, known, seed=0, key=str(k))
        held += low <= 0.6 <= high
        assert low <= known.value - known.reach + 1e-12 and high >= known.value + known.reach - 1e-12
    assert held >= 90
    assert known.p() < 0.01


def test_few_clusters_carry_no_claim() -> None:
    rng = np.random.default_rng(10)
    few = estimate(contrast(rng, people=LEAST_CLUSTERS - 1, dates=40, true=5.0))
    assert few.p() == 1.0 and few.z() == 0.0
    assert all(np.isnan(interval(contrast(rng, people=5, dates=5), few, seed=0, key="x")))
    enough = estimate(contrast(rng, people=LEAST_CLUSTERS, dates=40, true=5.0))
    assert enough.p() < 0.01


def test_a_group_of_one_entity_carries_no_claim() -> None:
    rng = np.random.default_rng(11)
    who, when = np.repeat(np.arange(40), 20), np.tile(np.arange(20), 40)
    y = rng.normal(size=800) + 2.0 * (who == 3)
    x = (who == 3).astype(np.float64)
    sample = Sample(np.stack([x, x * y, 1 - x, (1 - x) * y], axis=1), apart, who, when, 20, 800)
    assert naive(sample) < 0.01  # the fault is there to be seen
    assert estimate(sample).p() == 1.0


def test_other_things_that_rows_share_widen_the_error() -> None:
    rng = np.random.default_rng(12)
    p = []
    for _ in range(150):
        who, when, what = (rng.integers(0, k, 600) for k in (300, 40, 25))
        x = (rng.random(25) < 0.4)[what].astype(np.float64)
        y = rng.normal(size=600) + 0.6 * rng.normal(size=25)[what]
        sums = np.stack([x, x * y, 1 - x, (1 - x) * y], axis=1)
        plain = Sample(sums, apart, who, when, int(x.sum()), 600)
        told = Sample(sums, apart, who, when, int(x.sum()), 600, others=(what,))
        p.append((estimate(plain).p(), estimate(told).p()))
    blind, seeing = np.array(p).T
    assert (blind < 0.05).mean() > 0.2
    assert (seeing < 0.05).mean() < 0.1


def test_a_group_in_which_nothing_happened_is_not_sure_of_it() -> None:
    """12 customers who never choose what one in five is used to: they are too few to tell it from chance."""
    rng = np.random.default_rng(13)
    who = np.repeat(np.arange(400), 10)
    habit = rng.random(400) < 0.2
    habit[:12] = False
    y = np.where(rng.random(4000) < 0.9, habit[who], rng.random(4000) < 0.2).astype(np.float64)
    when = rng.integers(0, 30, 4000)
    x = (who < 12).astype(np.float64)
    sums = np.stack([x, x * y, 1 - x, (1 - x) * y], axis=1)
    bare = estimate(Sample(sums, apart, who, when, 120, 4000))
    floor = modelled(sums, (who, when), y**2)
    held = estimate(Sample(sums, apart, who, when, 120, 4000, floor=floor))
    assert bare.p() < 0.001
    assert 0.05 < held.p() < 0.5


def test_what_was_chosen_for_its_chance_is_not_confirmed_by_the_same_chance() -> None:
    """Customers keep their ways: of 25 marks that mean nothing, the best of the early part is best again."""
    plain, given = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        ways = rng.normal(size=150)
        who, when = np.repeat(np.arange(150), 8), rng.integers(0, 30, 1200)
        y = [ways[who] + 0.7 * rng.normal(size=1200) for _ in range(2)]
        best = None
        for mark in (rng.random((25, 150)) < 0.3).astype(np.float64)[:, who]:
            one, two = (
                Sample(np.stack([mark, mark * v, 1 - mark, (1 - mark) * v], axis=1), apart, who, when, 9, 9)
                for v in y
            )
            early = estimate(one)
            if best is None or abs(early.z()) > abs(best[0].z()):
                best = early, one, two
        assert best is not None
        early, one, two = best
        later, side = estimate(two), np.sign(early.z())
        common = in_common(one, two, early, later)
        assert 0.6 < common <= 0.95
        plain.append(stats.norm.sf(side * later.z()))
        given.append(stats.norm.sf(side * given_early(early.z(), later.z(), common)))
    assert np.mean(np.array(plain) < 0.05) > 0.4
    assert np.mean(np.array(given) < 0.05) < 0.15


def test_others_who_come_later_share_no_chance() -> None:
    rng = np.random.default_rng(16)
    one = contrast(rng, people=60, dates=40)
    new = contrast(rng, people=60, dates=40)
    other = replace(new, entities=new.entities + 1000)
    assert in_common(one, other, estimate(one), estimate(other)) == 0.0
    assert in_common(one, new, estimate(one), estimate(new)) < 0.6


def test_sums_are_clustered_like_a_loop_does() -> None:
    rng = np.random.default_rng(14)
    sums = rng.normal(size=(200, 3))
    for clusters in (rng.integers(-5, 9, 200), rng.integers(0, 10**12, 200)):
        slow = np.stack([sums[clusters == c].sum(axis=0) for c in sorted(set(clusters.tolist()))])
        np.testing.assert_allclose(clustered(sums, clusters), slow)


def slow_holm(p: Floats) -> list[bool]:
    """Rejected at 5%, step by step."""
    out = [False] * len(p)
    for step, k in enumerate(np.argsort(p, kind="stable")):
        if p[k] > 0.05 / (len(p) - step):
            break
        out[k] = True
    return out


def slow_hochberg(p: Floats) -> list[bool]:
    """Rejected at 10%: all up to the last that lies below its line."""
    order = np.argsort(p, kind="stable")
    last = max((i for i in range(len(p)) if p[order[i]] <= 0.1 * (i + 1) / len(p)), default=-1)
    out = [False] * len(p)
    for i in range(last + 1):
        out[order[i]] = True
    return out


def test_adjusted_p_values_reject_what_the_steps_reject() -> None:
    rng = np.random.default_rng(15)
    for _ in range(300):
        p = rng.random(rng.integers(1, 20)) ** rng.integers(1, 5)
        assert (holm(p) <= 0.05).tolist() == slow_holm(p)
        assert (benjamini_hochberg(p) <= 0.1).tolist() == slow_hochberg(p)
    assert len(holm(np.zeros(0))) == len(benjamini_hochberg(np.zeros(0))) == 0
