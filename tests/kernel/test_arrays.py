"""Grouping, gathering and looking up, against plain Python."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell import kernel

INT64 = st.integers(-(2**63), 2**63 - 1)


@settings(deadline=None)
@given(st.lists(st.integers(-1, 5)), st.integers(6, 9))
def test_group_keeps_the_order_within_a_key(keys: list[int], size: int) -> None:
    offsets, found = kernel.group(np.array(keys, dtype=np.int32), size)
    groups = [found[a:b].tolist() for a, b in pairwise(offsets)]
    assert groups == [[i for i, key in enumerate(keys) if key == k] for k in range(size)]


@pytest.mark.parametrize("keys", [[3], [-2], [0, 1, 2, 7]])
def test_group_refuses_a_key_that_is_not_there(keys: list[int]) -> None:
    with pytest.raises(ValueError, match="keys: expected -1 to size - 1"):
        kernel.group(np.array(keys, dtype=np.int32), 3)


@pytest.mark.parametrize(
    ("dtype", "absent"),
    [(np.float64, np.nan), (np.float32, np.nan), (np.int32, -1), (np.int64, kernel.MISSING)],
)
@pytest.mark.parametrize("threads", [1, 3])
def test_gather_gives_what_is_missing_its_own_value(dtype: type, absent: float, threads: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 100, 50).astype(dtype)
    index = rng.integers(-1, 50, 300_000).astype(np.int32)
    got = kernel.gather(values, index, threads)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, np.where(index < 0, np.array(absent, dtype), values[index]))


def test_gather_from_nothing() -> None:
    index = np.full(3, -1, dtype=np.int32)
    assert np.isnan(kernel.gather(np.zeros(0), index)).all()


@pytest.mark.parametrize("index", [50, -2])
def test_gather_refuses_a_position_that_is_not_there(index: int) -> None:
    with pytest.raises(ValueError, match="index: expected -1 or a position"):
        kernel.gather(np.zeros(50), np.array([0, index], dtype=np.int32))


@settings(deadline=None)
@given(st.lists(INT64 | st.integers(-50, 50), unique=True), st.lists(INT64 | st.integers(-60, 60)))
def test_lookup_finds_each_key_s_place(table: list[int], keys: list[int]) -> None:
    keys += table
    got = kernel.lookup(np.array(keys, dtype=np.int64), np.array(table, dtype=np.int64), threads=2)
    places = {key: i for i, key in enumerate(table)}
    assert got.tolist() == [places.get(key, -1) for key in keys]


@pytest.mark.parametrize("step", [1, 3, 1 << 20, 1 << 40])
def test_lookup_of_many_keys(step: int) -> None:
    """Dense tables are addressed directly, others by hash."""
    rng = np.random.default_rng(0)
    table = rng.permutation(20_000).astype(np.int64) * step - 5
    keys = rng.integers(-5, 25_000, 200_000) * step - 5
    places = {key: i for i, key in enumerate(table.tolist())}
    got = kernel.lookup(keys, table, threads=2)
    assert got.tolist() == [places.get(key, -1) for key in keys.tolist()]


@pytest.mark.parametrize("table", [[4, 5, 4], [4, 5 << 40, 4]])
def test_lookup_refuses_a_table_that_holds_a_key_twice(table: list[int]) -> None:
    with pytest.raises(ValueError, match="twice"):
        kernel.lookup(np.zeros(1, dtype=np.int64), np.array(table))
