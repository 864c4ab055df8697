"""Sorts by several columns, against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from foretell.store.order import sorted_rows

MINUTE, DAY = 60_000_000, 86_400_000_000
EARLY = -62_135_596_800_000_000
"""The year 1."""


@pytest.mark.parametrize("unit", [1, 7, 1_000, MINUTE, DAY, DAY + 1])
@pytest.mark.parametrize("keyed", ["ascending", "shuffled", "tied"])
def test_rows_are_sorted_as_by_lexsort(unit: int, keyed: str) -> None:
    rng = np.random.default_rng(unit)
    times = EARLY + rng.integers(0, 1_500, 5_000) * unit
    keys = np.arange(5_000) * (1 << 40)
    if keyed != "ascending":
        keys = rng.permutation(keys) if keyed == "shuffled" else rng.integers(0, 3, 5_000)
    rows = np.flatnonzero(rng.random(5_000) < 0.9)
    found = sorted_rows(rows, [lambda: [times], lambda: [keys]])
    np.testing.assert_array_equal(found, rows[np.lexsort((rows, keys[rows], times[rows]))])


def test_one_odd_instant_among_whole_minutes_keeps_its_place() -> None:
    times = np.arange(3_000)[::-1] * MINUTE
    times[1_234] += 1  # no sample of the values need show it
    np.testing.assert_array_equal(
        sorted_rows(np.arange(3_000), [lambda: [times]]), np.argsort(times, kind="stable")
    )
