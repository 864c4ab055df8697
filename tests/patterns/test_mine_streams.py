"""Sequences and timing: what follows is told from what is merely near, and how soon from how often."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
import pytest
from planted_history import durations, fingerprint, judged, reproduces, stream

from foretell.core.time import DAY
from foretell.patterns.mine.inputs import Durations, Stream
from foretell.patterns.mine.sequences import mine_sequences
from foretell.patterns.mine.timing import curves, kaplan_meier, mine_timing
from foretell.patterns.sheet import Part


def test_what_follows_is_found_with_its_window_and_the_sql_gives_it_again() -> None:
    con = duckdb.connect()
    events = stream(1, con=con)
    mined = mine_sequences(events, seconds=9, seed=0)
    (found,) = mined.candidates  # and nothing that is only near: returns lie around each delivery
    assert found.key.startswith("sequence:customers:it's late>return:")
    measured, z = judged(found)
    assert z > 3
    assert measured.value == pytest.approx(0.4, abs=0.12)
    assert reproduces(found, con)
    assert mined.searched > 20
    assert found.sentence(measured).startswith("A late delivery is followed by a return within ")
    assert np.isfinite(found.series()[1]).sum() > 5


def test_bursts_and_busy_entities_make_no_sequence_where_a_naive_rate_does() -> None:
    alarms = naive = 0
    for seed in range(6):
        events = stream(seed, follows=0.0)
        alarms += sum(judged(c)[1] > 2.6 for c in mine_sequences(events, seconds=9, seed=0).candidates)
        naive += naive_rates(events)
    assert alarms == 0
    assert naive >= 5


def naive_rates(events: Stream) -> bool:
    """Whether returns are far more frequent within ten days of a delivery than at any time."""
    deliveries, returns = events.codes < 2, events.codes == 2
    near = 0
    for entity in np.unique(events.entities):
        own = events.entities == entity
        after = events.times[own & returns][:, None] - events.times[own & deliveries][None, :]
        near += int(((after > 0) & (after <= 10 * DAY)).sum())
    windows = deliveries.sum() * 10 / (len(np.unique(events.entities)) * 600)
    expected = returns.sum() * windows
    return bool((near - expected) / np.sqrt(expected) > 4)


def test_later_events_change_nothing_that_is_mined() -> None:
    events = stream(2)
    held = fingerprint(mine_sequences(events, seconds=9, seed=0))
    assert len(held) > 1

    def other(since: int) -> Stream:
        rng = np.random.default_rng(0)
        codes, times = events.codes.copy(), events.times.copy()
        later = times >= since
        codes[later] = rng.permutation(codes[later])
        times[later] = np.sort(rng.integers(since, int(times[-1]) + 40 * DAY, int(later.sum())))
        return replace(events, codes=codes, times=times)

    assert fingerprint(mine_sequences(other(events.split), seconds=9, seed=0)) == held
    assert fingerprint(mine_sequences(other(events.split - 100 * DAY), seconds=9, seed=0)) != held


def test_a_group_that_comes_sooner_is_found_and_the_sql_gives_it_again() -> None:
    con = duckdb.connect()
    waits = durations(1, con=con)
    mined = mine_timing(waits, seconds=9, seed=0)
    found = mined.candidates[0]
    assert found.key == "timing:waits:the customer's next order:carrier:DHL"
    measured, z = judged(found)
    assert z > 2.6
    assert measured.value > 0.1
    assert reproduces(found, con)
    said = found.sentence(measured)
    assert said.startswith("Of orders with carrier DHL, ")
    assert "see the customer's next order within" in said


def test_groups_alike_raise_no_alarm() -> None:
    alike = [mine_timing(durations(s, sooner=1.0), seconds=9, seed=0) for s in range(10)]
    zs = [judged(c)[1] for mined in alike for c in mined.candidates]
    assert not [z for z in zs if z > 2.6]


def test_what_happens_after_the_split_is_not_known_to_mining() -> None:
    waits = durations(2)
    held = fingerprint(mine_timing(waits, seconds=9, seed=0))
    assert len(held) > 1

    def other(known: int) -> Durations:
        """Whatever happened from an instant on happens at another time, or not at all."""
        rng = np.random.default_rng(0)
        days = waits.days.copy()
        unknown = ~(waits.times + np.nan_to_num(days, nan=1e6) * DAY < known)
        earliest = np.maximum((known - waits.times) / DAY, 0.001) * (1 + rng.random(len(days)))
        days[unknown] = np.where(rng.random(len(days)) < 0.5, earliest, np.nan)[unknown]
        return replace(waits, days=days)

    assert fingerprint(mine_timing(other(waits.split), seconds=9, seed=0)) == held
    assert fingerprint(mine_timing(other(waits.split - 90 * DAY), seconds=9, seed=0)) != held


def test_curves_let_the_unfinished_count_for_as_long_as_they_were_seen() -> None:
    rng = np.random.default_rng(0)
    true, seen = rng.exponential(10, 20_000), rng.uniform(0, 15, 20_000)
    lasted, happened = np.minimum(true, seen), true <= seen
    days = np.array([0.0, 2.0, 5.0, 10.0])
    found = kaplan_meier(lasted, happened, days)
    assert found == pytest.approx(1 - np.exp(-days / 10), abs=0.02)
    assert abs(happened[lasted <= 10].mean() - (1 - np.exp(-1))) > 0.05  # leaving them out would be wrong


def test_a_curve_for_all_and_one_for_each_group() -> None:
    waits = durations(3)
    whole, by = curves(waits, attributes=("carrier",))
    assert whole.title == "the customer's next order after orders"
    assert set(by.groups) == {"DHL", 'O\'Hara "fast"', "<b>UPS</b>"}
    assert sum(by.counts.values()) == len(waits.times)
    for share in by.groups.values():
        assert len(share) == len(by.days)
        assert list(share) == sorted(share)
    assert by.groups["DHL"][10] > by.groups["<b>UPS</b>"][10]


def test_windows_must_lie_whole_within_the_part() -> None:
    events = stream(1)
    (found,) = mine_sequences(events, seconds=9, seed=0).candidates
    sample = found.sample(Part.LATER)
    late = int(((events.codes == 1) & (events.times >= events.split)).sum())
    assert 0 < sample.support < late
