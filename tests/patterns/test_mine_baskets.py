"""Associations: what is bound together is found; popularity and large baskets alone bind nothing."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
from planted_history import baskets, fingerprint, judged, reproduces

from foretell.patterns.mine.associations import mine_associations
from foretell.patterns.mine.inputs import Baskets
from foretell.patterns.sheet import Part

BOUND = "association:lines:product '10'+product '11'"
BOUND_OTHERWISE = "association:lines:product '11'+product '10'"


def test_products_that_are_bound_are_found_and_the_sql_gives_their_lift_again() -> None:
    con = duckdb.connect()
    held = baskets(1, con=con)
    mined = mine_associations(held, seconds=9, seed=0)
    best = mined.candidates[0]
    assert best.key in (BOUND, BOUND_OTHERWISE)
    measured, z = judged(best)
    assert z > 3
    assert measured.value > 0.3
    assert reproduces(best, con)
    assert mined.searched > 500  # every pair of frequent products
    said = best.sentence(measured)
    assert "comes with product '1" in said
    assert "where its popularity and the size of orders let expect" in said
    rows = best.rows()
    assert rows is not None
    assert 20 < rows.sum() < best.sample(Part.EARLY).support  # with both, and with the rarer one
    assert np.isfinite(best.series()[1]).sum() > 5


def test_popularity_and_large_baskets_alone_bind_nothing_where_a_naive_lift_says_so() -> None:
    alarms = naive = 0
    for seed in range(8):
        held = baskets(seed, bound=0.0)
        mined = mine_associations(held, seconds=9, seed=0)
        alarms += sum(judged(c)[1] > 2.6 for c in mined.candidates)
        naive += naive_lifts(held)
    assert alarms <= 1
    assert naive > 50


def naive_lifts(held: Baskets) -> int:
    """Pairs that come together 1.3 times as often as the product of their shares, beyond chance."""
    n = len(held.times)
    table = np.zeros((n, len(held.labels)))
    table[held.transactions, held.items] = 1
    both, single = table.T @ table, table.sum(axis=0)
    expected = single[:, None] * single[None, :] / n
    z = (both - expected) / np.sqrt(np.maximum(expected, 1e-9))
    return int((np.triu((both > 1.3 * expected) & (z > 4), k=1)).sum())


def test_items_of_one_kind_and_items_that_are_never_apart_are_no_news() -> None:
    keys = {c.key for c in mine_associations(baskets(1, kinds=True), seconds=9, seed=0).candidates}
    assert not keys & {BOUND, BOUND_OTHERWISE}
    same = {c.key for c in mine_associations(baskets(1, bound=1.0), seconds=9, seed=0).candidates}
    assert not same & {BOUND, BOUND_OTHERWISE}


def test_later_baskets_change_nothing_that_is_mined() -> None:
    held = baskets(2)
    print_of = fingerprint(mine_associations(held, seconds=9, seed=0))
    assert len(print_of) > 1
    rng = np.random.default_rng(0)

    def other(since: int) -> Baskets:
        later = held.times[held.transactions] >= since
        items = held.items.copy()
        items[later] = rng.permutation(items[later])
        times = held.times.copy()
        times[times >= since] += np.arange((times >= since).sum()) * 1_000_000
        return replace(held, items=items, times=times)

    assert fingerprint(mine_associations(other(held.split), seconds=9, seed=0)) == print_of
    assert fingerprint(mine_associations(other(int(held.times[0])), seconds=9, seed=0)) != print_of
