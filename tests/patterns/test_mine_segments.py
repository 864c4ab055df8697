"""Segments: kinds of entities that stay unlike the others are found; luck that fades is not confirmed."""

from __future__ import annotations

import duckdb
import numpy as np
from planted_history import START, fingerprint, judged, reproduces, stamps, table, with_other_later

from foretell.core.time import DAY
from foretell.features.matrix import Categorical
from foretell.patterns.mine.segments import agreement, means, mine_segments, nearest
from foretell.patterns.sheet import Attribute, Outcome, Sheet


def visits(seed: int, *, stays: bool = True, con: duckdb.DuckDBPyConnection | None = None) -> Sheet:
    """Visits by 400 customers; a quarter comes five times as often and spends a third each time, for good or
    until the split.
    """
    rng = np.random.default_rng(seed)
    people, days = 400, 400
    often = rng.random(people) < 0.25
    counts = rng.poisson(np.where(often, 60.0, 12.0))
    entities = np.repeat(np.arange(people), counts)
    times = START + rng.integers(0, days * DAY, len(entities))
    order = np.argsort(times, kind="stable")
    entities, times = entities[order], times[order]
    other = often[entities]
    if not stays:
        later = times >= START + 240 * DAY
        entities[later] = rng.integers(0, people, int(later.sum()))
        other &= ~later
    spent = rng.gamma(4.0, 5.0, len(times)) * np.where(other, 1.0, 3.0)
    if con is not None:
        table(con, "visits", at=stamps(times), customer=entities, spent=spent)
    one = Categorical(np.zeros(len(times), dtype=np.int32), ("all",))
    return Sheet(
        "visits",
        "visits",
        times,
        entities,
        (Attribute("shop", "shop", "visits", one),),
        (Outcome("spent", "amount spent", spent, False),),
        START + 240 * DAY,
        'SELECT "at" AS "time", customer AS "entity", \'all\' AS shop, spent FROM visits',
    )


def test_a_kind_of_customers_is_told_in_plain_words_and_the_sql_gives_it_again() -> None:
    con = duckdb.connect()
    mined = mine_segments(visits(1, con=con), seconds=9, seed=0)
    assert len(mined.candidates) >= 2
    for candidate in mined.candidates:
        assert judged(candidate)[1] > 3
        assert reproduces(candidate, con)
    said = {c.sentence(judged(c)[0]) for c in mined.candidates}
    assert any("visits a month each since then, the others" in s for s in said)
    assert any("a mean amount spent of" in s for s in said)
    assert all(np.isfinite(c.series()[1]).sum() > 5 for c in mined.candidates)


def test_a_kind_that_ended_is_not_confirmed_though_it_looked_strong() -> None:
    candidates = mine_segments(visits(3, stays=False), seconds=9, seed=0).candidates
    assert [c for c in candidates if c.strength > 10]
    assert not [c for c in candidates if judged(c)[1] > 2.6]


def test_later_rows_change_nothing_that_is_mined() -> None:
    sheet = visits(2)
    held = fingerprint(mine_segments(sheet, seconds=9, seed=0))
    assert len(held) > 1
    assert fingerprint(mine_segments(with_other_later(sheet, 0), seconds=9, seed=0)) == held
    before = with_other_later(sheet, 0, since=sheet.split - 60 * DAY)
    assert fingerprint(mine_segments(before, seconds=9, seed=0)) != held


def test_groups_are_those_of_the_points_and_chance_agrees_on_nothing() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 300)
    points = rng.normal(size=(300, 2)) + 8 * np.array([[0, 0], [0, 1], [1, 0]])[true]
    found = nearest(points, means(points, 3, rng))
    assert agreement(true, found) == 1.0
    assert abs(agreement(true, rng.permutation(found))) < 0.05
