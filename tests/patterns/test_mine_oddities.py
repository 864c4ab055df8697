"""Oddities: planted ones come first, each with its reason and SQL that shows it; nothing is tested."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
from planted_history import orders, stamps, table

from foretell.core.time import DAY, format_instant
from foretell.features.matrix import Categorical
from foretell.patterns.mine.oddities import oddities
from foretell.patterns.sheet import Sheet


def with_faults(seed: int) -> tuple[Sheet, int, int]:
    """Orders, of which a day lost nine in ten, and one is of a million times the usual amount."""
    sheet = orders(seed, days=300, per_day=80)
    day = (sheet.split // DAY) * DAY + 20 * DAY
    rng = np.random.default_rng(seed)
    within = (sheet.times >= day) & (sheet.times < day + DAY)
    sheet = sheet.take(~within | (rng.random(len(sheet)) < 0.1))
    values = sheet.outcome('amount "net"').values.copy()
    row = len(values) // 3
    values[row] = 2e7
    late, amount = sheet.outcomes
    return replace(sheet, outcomes=(late, replace(amount, values=values))), day, row


def test_a_day_that_lost_its_orders_and_a_huge_order_are_told_and_shown() -> None:
    con = duckdb.connect()
    sheet, day, row = with_faults(1)
    carrier = sheet.attributes[0].values
    assert isinstance(carrier, Categorical)
    held = [carrier.categories[k] for k in carrier.codes]
    late, amount = (o.values for o in sheet.outcomes)
    told = {"carrier": held, "late": late > 0, 'amount "net"': amount}
    table(con, "orders", at=stamps(sheet.times), customer=sheet.entities, **told)
    found = oddities(sheet)
    periods = [o for o in found if o.at is not None and "usual" in o.sentence]
    counts = [o for o in periods if " orders, where about " in o.sentence]
    assert counts[0].at == day
    assert counts[0].sentence.startswith(f"{format_instant(day)}: ")
    rows = [o for o in found if o.at == int(sheet.times[row]) and "amount 20,000,000" in o.sentence]
    assert len(rows) == 1
    assert len(con.execute(rows[0].sql).fetchall()) == 1
    for oddity in found:
        con.execute(oddity.sql).fetchall()
    assert [o.score for o in periods] == sorted((o.score for o in periods), reverse=True)


def test_a_season_is_not_odd() -> None:
    found = oddities(orders(2, days=300))
    assert not [o for o in found if " orders, where about " in o.sentence]


def test_the_same_seed_gives_the_same_oddities() -> None:
    sheet, _, _ = with_faults(3)
    assert oddities(sheet, seed=5) == oddities(sheet, seed=5)
