"""A feed that has stopped is told from one that rests: nights, weekends, tables that hardly grow."""

from __future__ import annotations

import numpy as np
import pytest

from foretell.core.time import DAY
from foretell.features.matrix import Instants
from foretell.lifecycle.monitor.feeds import feed

HOUR = DAY // 24


def busy(
    days: int, seed: int = 0, *, rows: float = 50, weekend: float = 0.2, quiet_from: int | None = None
) -> Instants:
    """Rows of the daytime, fewer at weekends; almost none from a day on."""
    rng = np.random.default_rng(seed)
    times = []
    for day in range(days):
        rate = rows * (weekend if day % 7 > 4 else 1.0)
        rate = 6.0 if quiet_from is not None and day >= quiet_from else rate
        times.append(day * DAY + rng.integers(8 * HOUR, 20 * HOUR, rng.poisson(rate)))
    return np.sort(np.concatenate(times))


@pytest.mark.parametrize("hour", [1, 9, 23])
@pytest.mark.parametrize("day", range(70, 77))
def test_a_feed_at_work_is_fine_at_every_hour_of_the_week(day: int, hour: int) -> None:
    found = feed("orders", busy(100), day * DAY + hour * HOUR)
    assert found.stopped is None and found.odd is None
    assert found.period == 1 and len(found.counts) > 50


def test_later_rows_are_not_looked_at() -> None:
    times, now = busy(100), 80 * DAY
    assert feed("orders", times, now) == feed("orders", times[times <= now], now)
    assert feed("orders", times, now + 5 * DAY) != feed("orders", times[times <= now], now + 5 * DAY)


def test_a_feed_that_stops_is_late_and_then_dead() -> None:
    times = busy(80)
    last = int(times[-1])
    told = [feed("orders", times, last + age * HOUR) for age in (20, 40, 80)]
    assert [(f.odd is not None, f.stopped is not None) for f in told] == [
        (False, False),
        (True, False),
        (False, True),
    ]
    assert "3.3 days" in (told[2].stopped or "")


def test_a_table_that_had_rested_when_the_model_was_trained_may_rest_on() -> None:
    products = np.arange(30) * 7 * DAY
    now = int(products[-1]) + 300 * DAY
    assert feed("products", products, now).stopped is not None
    assert feed("products", products, now, trained=now - 50 * DAY).stopped is None
    assert feed("products", products, now, trained=int(products[-1])).stopped is not None


def test_a_trickle_is_a_stop_after_three_days_and_an_odd_day_before() -> None:
    whole = busy(90, rows=2000, weekend=1.0, quiet_from=80)
    told = [feed("orders", whole, (80 + days) * DAY) for days in (0, 1, 4)]
    assert [f.stopped is not None for f in told] == [False, False, True]
    assert "rows in the last day, usually" in (told[2].stopped or "")
    assert told[1].odd is not None and told[0].odd is None


def test_a_flood_is_odd_and_no_harm() -> None:
    times = busy(80, weekend=1.0)
    flood = np.sort(np.concatenate([times, 79 * DAY + np.arange(500) * 60_000_000]))
    found = feed("orders", flood, 80 * DAY)
    assert found.stopped is None and found.odd is not None and found.p < 0.001


def test_few_rows_are_counted_by_weeks_and_too_few_not_at_all() -> None:
    assert feed("tickets", busy(300, rows=4), 300 * DAY).period == 7
    shops = feed("shops", np.arange(12) * 30 * DAY, 360 * DAY)
    assert np.isnan(shops.period) and shops.counts == () and shops.stopped is None


def test_an_empty_table_has_stopped() -> None:
    assert feed("orders", np.empty(0, dtype=np.int64), DAY).stopped == "it has no row"
    assert feed("orders", busy(3) + 10 * DAY, DAY).newest is None


def test_a_holiday_a_year_does_not_make_a_feed_slow_to_be_missed() -> None:
    times = busy(300)
    times = times[(times < 200 * DAY) | (times > 211 * DAY)]
    last = int(times[-1])
    found = [feed("orders", times, last + age * DAY) for age in (1, 3, 20)]
    assert [(f.odd is not None, f.stopped is not None) for f in found] == [
        (False, False),
        (True, False),
        (False, True),
    ]


def test_the_day_that_is_not_over_is_not_counted_where_rows_are_dated_by_the_day() -> None:
    dated = busy(80, weekend=1.0) // DAY * DAY
    partial = np.concatenate([dated, [80 * DAY]])
    found, before = feed("orders", partial, 80 * DAY + HOUR), feed("orders", dated, 80 * DAY)
    assert found.counts[:-1] == before.counts[1 - len(found.counts) :]
    assert found.counts[-1] == (dated == 79 * DAY).sum()
    assert found.odd is None
