"""Trends and changes of levels: what is planted is found, what remembers and has seasons is not."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
import pytest
from planted_history import fingerprint, judged, orders, reproduces, with_other_later

from foretell.core.time import DAY
from foretell.patterns.mine.changes import Change, mine_changes
from foretell.patterns.mine.grid import choose
from foretell.patterns.mine.levels import Level, fit
from foretell.patterns.mine.trends import Trend, mine_trends
from foretell.patterns.sheet import Part, Sheet

REPEATS = 25


def of(mined_key: str, candidates: tuple[object, ...]) -> object:
    return next(c for c in candidates if c.key.startswith(mined_key))  # type: ignore[attr-defined]


def test_a_share_that_goes_on_rising_in_one_group_is_found_and_its_sql_gives_it_again() -> None:
    con = duckdb.connect()
    sheet = orders(1, per_day=30, late=lambda f, c: 0.2 + 0.4 * f * (c == 1), con=con)
    mined = mine_trends(sheet, seconds=9, seed=0)
    trend = of("trend:orders:late:carrier=O'Hara", mined.candidates)
    assert isinstance(trend, Trend)
    measured, z = judged(trend)
    assert z > 3
    assert reproduces(trend, con)
    assert measured.value * 700 * 12 / 365.2425 == pytest.approx(0.4, rel=0.4)  # 0.4 over 700 days
    said = trend.sentence(measured)
    assert said.startswith('The share of late among orders with carrier O\'Hara "fast" keeps rising: up ')
    assert "points a month since 2022-02-25" in said
    assert mined.notes  # less than two years: nothing is known of the time of year


def test_a_level_that_moved_and_stayed_is_found_with_its_date() -> None:
    con = duckdb.connect()
    sheet = orders(2, days=1500, yearly=0.3, level=lambda f: 0.4 * (f > 0.35), con=con)
    mined = mine_changes(sheet, seconds=9, seed=0)
    for what in ("count", 'amount "net"'):
        change = of(f"change:orders:{what}:2022-0", mined.candidates)
        assert isinstance(change, Change)
        measured, z = judged(change)
        assert z > 3
        assert 0 < measured.null < measured.value
        assert reproduces(change, con)
        assert "(adjusted for the time of year)" in change.sentence(measured)
    planted = sheet.times[0] + 0.35 * 1500 * DAY
    found = sheet.split + change.at * change.level.grid.length
    assert abs(found - planted) <= 21 * DAY
    assert mined.searched > 300  # each date is a statement
    assert of("trend:", (*mine_trends(sheet, seconds=9, seed=0).candidates, Nothing())).key == "trend:nothing"


class Nothing:
    key = "trend:nothing"


def test_a_change_that_went_back_is_not_confirmed() -> None:
    sheet = orders(3, days=1000, level=lambda f: 0.5 * ((f > 0.3) & (f < 0.6)))
    found = [judged(c)[1] for c in mine_changes(sheet, seconds=9, seed=0).candidates]
    assert found
    assert max(found) < 1


@pytest.mark.parametrize("miner", [mine_trends, mine_changes], ids=["trends", "changes"])
def test_noise_that_remembers_raises_no_alarm_where_a_naive_look_does(miner: object) -> None:
    alarms = naive = 0
    for seed in range(REPEATS):
        sheet = orders(seed, days=800, per_day=6, rho=0.95, noise=0.3)
        mined = miner(sheet, seconds=9, seed=0)  # type: ignore[operator]
        zs = [judged(c)[1] for c in mined.candidates]
        alarms += any(z > 2.6 for z in zs)
        naive += naive_look(sheet, dated=miner is mine_changes)
    assert alarms <= 1
    assert naive >= REPEATS * 0.3


def naive_look(sheet: Sheet, *, dated: bool) -> bool:
    """Least squares through weekly counts, or the best two means, as if weeks were independent."""
    grid = choose(sheet.times, sheet.split, sheet.gap)
    assert grid is not None
    y = Level(sheet, grid).per_period(grid.first, grid.stop)[1]
    n = len(y)
    ones = np.ones(n)
    best = 0.0
    for contrast in [np.arange(n) >= cut for cut in range(4, n - 4)] if dated else [np.arange(n)]:
        line = fit(y, ones, np.column_stack([ones, contrast.astype(float)]))
        error = np.sqrt(line.inverse[1, 1] * line.loss / (n - 2))
        best = max(best, abs(line.coefficients[1] / error))
    return bool(best > (4 if dated else 2.6))


def test_a_season_of_the_year_is_no_trend_once_two_years_tell_it() -> None:
    alarms = 0
    for seed in range(10):
        sheet = orders(seed, days=1500, per_day=6, yearly=0.5, noise=0.2, rho=0.7)
        for miner in (mine_trends, mine_changes):
            alarms += any(judged(c)[1] > 2.6 for c in miner(sheet, seconds=9, seed=0).candidates)
    assert alarms <= 1


@pytest.mark.parametrize("miner", [mine_trends, mine_changes], ids=["trends", "changes"])
def test_later_rows_change_nothing_that_is_mined(miner: object) -> None:
    def level(f: np.ndarray) -> np.ndarray:
        return np.asarray(f if miner is mine_trends else 0.5 * (f > 0.3))

    sheet = orders(4, days=900, level=level)
    held = fingerprint(miner(sheet, seconds=9, seed=0))  # type: ignore[operator]
    assert len(held) > 1
    again = [fingerprint(miner(with_other_later(sheet, s), seconds=9, seed=0)) for s in range(3)]  # type: ignore[operator]
    assert again == [held] * 3
    before = sheet.split - 60 * DAY
    other = with_other_later(sheet, 0, since=before)
    assert fingerprint(miner(other, seconds=9, seed=0)) != held  # type: ignore[operator]


def test_rows_in_the_gap_belong_to_neither_part() -> None:
    sheet = replace(orders(5, level=lambda f: f), gap=30 * DAY)
    held = fingerprint(mine_trends(sheet, seconds=9, seed=0))
    assert len(held) > 1
    other = with_other_later(sheet, 1, since=sheet.split - 30 * DAY)
    assert fingerprint(mine_trends(other, seconds=9, seed=0)) == held


def test_too_little_history_is_no_fault() -> None:
    sheet = orders(6, days=20)
    assert mine_trends(sheet, seconds=9, seed=0).candidates == ()
    assert mine_changes(sheet.take(np.arange(1)), seconds=9, seed=0).searched == 0


def test_the_errors_of_the_season_are_part_of_the_figure() -> None:
    sheet = orders(7, days=1500, yearly=0.3, level=lambda f: 0.6 * f)
    trend = of("trend:orders:count", mine_trends(sheet, seconds=9, seed=0).candidates)
    assert isinstance(trend, Trend)
    sample = trend.sample(Part.LATER)
    share = sample.sums[:, -1]
    assert abs(share.sum()) < 1e-6 * np.abs(share).sum()  # they move no figure
    assert (sample.periods[np.abs(share) > 0] < 0).all()  # and are those of early periods
