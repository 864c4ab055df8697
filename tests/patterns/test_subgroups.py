"""Subgroups and drivers: planted ones are found, in words and SQL that hold; noise is left alone."""

from __future__ import annotations

import time
from dataclasses import replace

import duckdb
import numpy as np
import pytest
from grouped_orders import PAYMENTS, SPLIT, numbers, orders, words

from foretell.core.time import DAY
from foretell.patterns.candidate import Candidate
from foretell.patterns.confirm import confirm
from foretell.patterns.finding import Finding, Kind, Status
from foretell.patterns.mine.conditions import Condition, coded, limit
from foretell.patterns.mine.drivers import mine_drivers
from foretell.patterns.mine.groups import FEW_ENTITIES, ground
from foretell.patterns.mine.subgroups import Subgroup, mine_subgroups
from foretell.patterns.sheet import Part, Sheet


def found_in(sheet: Sheet) -> list[Finding]:
    mined = [(sheet, m(sheet, seconds=60, seed=0)) for m in (mine_subgroups, mine_drivers)]
    return confirm(mined, seed=0)[0]


def reproduces(con: duckdb.DuckDBPyConnection, finding: Finding) -> bool:
    row = con.execute(finding.sql).fetchone()
    assert row is not None
    value, support = row
    return abs(value - finding.measured.value) < 1e-9 and support == finding.measured.support


@pytest.fixture(scope="module")
def told() -> tuple[duckdb.DuckDBPyConnection, Sheet, list[Finding]]:
    con = duckdb.connect()
    sheet = orders(3, rows=12_000, payment=0.12, both=0.25, amount=0.8, con=con)
    return con, sheet, found_in(sheet)


def test_planted_groups_are_headlines(told: tuple[duckdb.DuckDBPyConnection, Sheet, list[Finding]]) -> None:
    keys = [f.key for f in told[2] if f.status is Status.HEADLINE]
    assert any(f'pay"ment={PAYMENTS[1]}' in k and "returned" in k for k in keys)
    assert any(f'pay"ment={PAYMENTS[2]}' in k and "kind=shoes" in k for k in keys)
    assert any("spent" in k and "delivery" in k for k in keys)
    assert not any("noise" in k for k in keys)


def test_every_finding_is_given_again_by_its_sql(
    told: tuple[duckdb.DuckDBPyConnection, Sheet, list[Finding]],
) -> None:
    con, _, found = told
    assert {f.kind for f in found} == {Kind.SUBGROUP, Kind.DRIVER}
    assert all(reproduces(con, f) for f in found)


def test_a_changed_row_changes_what_the_sql_gives(
    told: tuple[duckdb.DuckDBPyConnection, Sheet, list[Finding]],
) -> None:
    con, _, found = told
    first = next(f for f in found if ":returned" in f.key)
    con.execute("BEGIN")
    con.execute("UPDATE orders SET returned = 1 - returned WHERE noise > 2")
    assert not reproduces(con, first)
    con.execute("ROLLBACK")


def test_a_sentence_has_the_group_both_figures_and_the_interval(
    told: tuple[duckdb.DuckDBPyConnection, Sheet, list[Finding]],
) -> None:
    said = next(f.sentence for f in told[2] if f.kind is Kind.SUBGROUP and "shoes" in f.key)
    assert said.startswith(
        'The share of returned is higher among orders with pay"ment <b>cash</b> and kind shoes: '
    )
    for part in ("% against ", "% for the others", " points more (95%: ", " orders; before 2022-12-27"):
        assert part in said


def test_conditions_say_the_same_in_numpy_and_in_sql() -> None:
    con = duckdb.connect()
    sheet = orders(5, rows=900, con=con)
    for attribute in sheet.attributes:
        held = coded(attribute, np.arange(len(sheet)), 10)
        assert held is not None
        for k, condition in enumerate(held.conditions):
            mask = condition.holds(attribute)
            assert (mask == ((held.codes >= held.low[k]) & (held.codes < held.high[k]))).all()
            text = condition.sql(attribute.is_numeric)
            row = con.execute(f"SELECT count(*) FILTER ({text}), count(*) FROM orders").fetchone()
            assert row == (mask.sum(), len(sheet)), text


def test_unknown_values_are_a_group() -> None:
    con = duckdb.connect()
    sheet = orders(6, rows=8_000, con=con)
    y = sheet.outcome("returned").values.copy()
    missing = ~np.isfinite(np.asarray(sheet.attribute("spent").values.values))  # type: ignore[union-attr]
    y[missing] = np.random.default_rng(0).random(missing.sum()) < 0.5
    con.execute("CREATE TABLE changed AS SELECT * FROM orders")
    sheet = replace(sheet, outcomes=(replace(sheet.outcomes[0], values=y),))
    keys = {c.key: c for c in mine_subgroups(sheet, seconds=60, seed=0).candidates}
    assert "subgroup:orders:returned:spent unknown" in keys
    best = keys["subgroup:orders:returned:spent unknown"]
    assert isinstance(best, Subgroup) and best.words == "orders with no spent"


def test_limits_are_short_and_lie_between() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        a, b = np.sort(rng.normal(size=2) * 10.0 ** rng.integers(-6, 7))
        assert a < limit(a, b) <= b
    values = numbers("x", rng.lognormal(3, 1, 5_000))
    held = coded(values, np.arange(5_000), 30)
    assert held is not None
    lows = [c.low for c in held.conditions if c.low > -np.inf]
    assert all(len(f"{x:g}") <= 4 for x in lows)


def test_numbers_in_single_precision_are_cut_where_sql_cuts_them() -> None:
    rng = np.random.default_rng(2)
    exact = np.round(rng.random(5_000), 1)
    single = numbers("x", exact)
    single = replace(single, values=replace(single.values, values=exact.astype(np.float32)))  # type: ignore[arg-type]
    held = coded(single, np.arange(5_000), 30)
    assert held is not None
    for condition in held.conditions:
        inside = condition.holds(single)
        assert (inside == ((exact >= condition.low) & (exact < condition.high))).all(), condition


def test_mirrored_statements_are_told_once() -> None:
    sheet = orders(7, rows=12_000, payment=0.2)
    came = sheet.outcome("returned").values
    paid = sheet.attribute('pay"ment')
    outcomes = (
        replace(sheet.outcomes[0], name="back is yes", title="back"),
        replace(sheet.outcomes[0], name='pay"ment is card', values=(paid.values.codes == 1).astype(float)),  # type: ignore[union-attr]
    )
    back = words("back", came.astype(int), ("no", "yes"))
    both = replace(sheet, attributes=(*sheet.attributes, back), outcomes=outcomes)
    keys = [c.key for c in mine_subgroups(both, seconds=60, seed=0).candidates]
    assert f'subgroup:orders:back is yes:pay"ment={PAYMENTS[1]}' in keys
    assert not any(k.startswith('subgroup:orders:pay"ment is card:back=') for k in keys)


def test_of_few_entities_only_time_is_judged() -> None:
    sheet = orders(8, rows=6_000, payment=0.15)
    few = replace(sheet, entities=sheet.entities % 8)
    assert ground(few, few.outcomes[0]).is_few and len(np.unique(few.entities)) < FEW_ENTITIES
    candidates: tuple[Candidate, ...] = mine_subgroups(few, seconds=60, seed=0).candidates
    assert any(f'pay"ment={PAYMENTS[1]}' in c.key for c in candidates)


def test_a_series_never_mixes_both_parts() -> None:
    sheet = orders(9, rows=4_000, payment=0.1)
    about = ground(sheet, sheet.outcomes[0])
    group = Subgroup(about, (Condition('pay"ment', category=PAYMENTS[1]),), 4.0)
    times, values = group.series()
    assert SPLIT in times and (np.diff(times) > 0).all() and len(times) == len(values)
    assert about.length in (7 * DAY, DAY)


def test_short_and_empty_sheets_make_nothing() -> None:
    sheet = orders(10, rows=300)
    for rows in (np.arange(0), np.arange(3), np.flatnonzero(sheet.part(Part.LATER))):
        cut = sheet.take(rows)
        assert mine_subgroups(cut, seconds=5, seed=0).candidates == ()
        assert mine_drivers(cut, seconds=5, seed=0).candidates == ()


def test_time_that_is_over_is_told() -> None:
    start = time.monotonic()
    mined = mine_subgroups(orders(11), seconds=-1, seed=0)
    assert mined.candidates == () and "time was over" in mined.notes[0]
    assert time.monotonic() - start < 30


def test_mining_twice_gives_the_same() -> None:
    sheet = orders(12, payment=0.1, both=0.1, amount=0.5)
    for miner in (mine_subgroups, mine_drivers):
        one, other = (miner(sheet, seconds=60, seed=3) for _ in range(2))
        assert [(c.key, c.strength) for c in one.candidates] == [
            (c.key, c.strength) for c in other.candidates
        ]
        assert one.searched == other.searched > 0
