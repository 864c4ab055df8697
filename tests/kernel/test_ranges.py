"""Aggregates over ranges of events against plain loops over them."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.kernel import AVAILABLE
from foretell.kernel.model import Codes, Events, Numbers

if not AVAILABLE:
    pytest.skip("the kernel is not compiled here", allow_module_level=True)

from foretell.kernel import ranges
from foretell.kernel.ranges import AFTER_ALL, BEFORE_ALL, Code, Number, Ranges

LONG = bool(os.environ.get("FORETELL_LONG"))
EXAMPLES = settings(max_examples=2000 if LONG else 150, deadline=None)


class Case:
    """Random events of some anchors, and rows that ask about windows of them. Times tie, values are NULL."""

    def __init__(self, seed: int, rows: int = 60) -> None:
        rng = np.random.default_rng(seed)
        anchors = int(rng.integers(1, 6))
        sizes = rng.integers(0, 12, anchors) * rng.integers(0, 2, anchors)
        self.offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.times = np.concatenate([[0], *(np.sort(rng.integers(0, 15, n)) for n in sizes)])[1:].astype(
            np.int64
        )
        self.events = Events(self.offsets, self.times)
        self.anchors = rng.integers(-1, anchors, rows)
        self.high = rng.integers(-1, 16, rows)
        self.low = self.high - rng.integers(0, 8, rows)
        self.low[rng.random(rows) < 0.3] = BEFORE_ALL
        self.high[rng.random(rows) < 0.2] = AFTER_ALL
        table = int(rng.integers(1, 20))  # the rows that events are of
        self.index = rng.integers(-1, table, len(self.times)).astype(np.int32)
        self.values = rng.choice([np.nan, 0.1, 0.1, 0.7, -3.0, 1e9, 1e9 + 1, 2.5], table)
        self.size = int(rng.integers(1, 6))
        self.codes = rng.integers(-1, self.size, table).astype(np.int32)
        self.threads = int(rng.integers(1, 4))
        self.ranges = ranges.find(self.events, self.anchors, self.low, self.high, threads=self.threads)

    def events_of(self, row: int) -> list[int]:
        """The positions of a row's events, by the definition of its window."""
        anchor = self.anchors[row]
        if anchor < 0:
            return []
        inside = range(self.offsets[anchor], self.offsets[anchor + 1])
        return [e for e in inside if self.low[row] < self.times[e] <= self.high[row]]

    def numbers_of(self, row: int) -> list[float]:
        places = [int(self.index[e]) for e in self.events_of(row)]
        return [float(self.values[p]) for p in places if p >= 0 and not math.isnan(self.values[p])]

    def codes_of(self, row: int) -> list[int]:
        places = [int(self.index[e]) for e in self.events_of(row)]
        return [int(self.codes[p]) for p in places if p >= 0 and self.codes[p] >= 0]


seeds = st.integers(0, 2**32 - 1)


@EXAMPLES
@given(seeds)
def test_ranges_are_the_events_of_each_window(seed: int) -> None:
    case = Case(seed)
    for row, (start, stop) in enumerate(zip(case.ranges.starts, case.ranges.stops)):
        assert list(range(start, stop)) == case.events_of(row)


def number_of(what: Number, values: Sequence[float], q: float) -> float:
    """The plainest formula."""
    if not values or (what is Number.STD and len(values) < 2):
        return math.nan
    match what:
        case Number.SUM:
            return math.fsum(values)
        case Number.MEAN:
            return math.fsum(values) / len(values)
        case Number.STD:
            return float(np.std(np.array(values), ddof=1))
        case Number.QUANTILE:
            return float(np.quantile(values, q))


@EXAMPLES
@given(seeds, st.sampled_from(Number), st.sampled_from([0.0, 0.3, 0.5, 0.99, 1.0]))
def test_numbers(seed: int, what: Number, q: float) -> None:
    case = Case(seed)
    found = ranges.numbers(what, case.ranges, Numbers(case.values, case.index), q=q, threads=case.threads)
    for row, value in enumerate(found.tolist()):
        wanted = number_of(what, case.numbers_of(row), q)
        assert value == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True)


@EXAMPLES
@given(seeds, st.sampled_from(Code))
def test_codes(seed: int, what: Code) -> None:
    case = Case(seed)
    found = ranges.codes(what, case.ranges, Codes(case.codes, case.size, case.index), threads=case.threads)
    for row, code in enumerate(found.tolist()):
        inside = case.codes_of(row)
        counts = Counter(inside)
        match what:
            case Code.DISTINCT:
                assert code == len(counts)
            case Code.MODE:
                assert code == min(counts, key=lambda c: (-counts[c], c), default=-1)
            case Code.LEAST:
                assert code == min(inside, default=-1)
            case Code.GREATEST:
                assert code == max(inside, default=-1)


@EXAMPLES
@given(seeds)
def test_present(seed: int) -> None:
    case = Case(seed)
    has = (case.index >= 0) & ~np.isnan(case.values[case.index])
    found = ranges.present(case.ranges, has)
    for row in range(len(case.ranges)):
        inside = [e for e in case.events_of(row) if has[e]]
        assert found.counts[row] == len(inside)
        assert found.first[row] == (inside[0] if inside else -1)
        assert found.last[row] == (inside[-1] if inside else -1)


@pytest.mark.parametrize("what", Number)
def test_the_same_bits_whatever_the_threads_and_the_company(what: Number) -> None:
    """A row gives the same bits alone, in any order, among rows that it goes on from, and on any threads."""
    rng = np.random.default_rng(5)
    values = Numbers(rng.normal(1e6, 1, 4000))
    stops = rng.integers(0, 4000, 300)
    starts = np.where(rng.random(300) < 0.5, 0, stops // 2)
    whole = Ranges(starts, stops)
    among = ranges.numbers(what, whole, values, q=0.3, threads=1)
    for threads in (2, 3, 7):
        assert ranges.numbers(what, whole, values, q=0.3, threads=threads).tobytes() == among.tobytes()
    for row in range(0, 300, 7):
        alone = ranges.numbers(what, Ranges(starts[row : row + 1], stops[row : row + 1]), values, q=0.3)
        assert alone.tobytes() == among[row : row + 1].tobytes()


def test_a_deviation_survives_a_large_mean() -> None:
    values = 1e12 + np.array([0.0, 1.0, 2.0, 3.0])
    found = ranges.numbers(Number.STD, Ranges(np.array([0]), np.array([4])), Numbers(values))
    assert found[0] == pytest.approx(math.sqrt(5 / 3), rel=1e-9)


def test_a_long_past_is_read_once() -> None:
    """Every cutoff sees all that came before: one row more costs its new events alone. Read anew for each
    row, these are 5e11 additions, which would hardly end.
    """
    events = 1_000_000 if not LONG else 10_000_000
    past = np.arange(events, dtype=np.int64)
    every = Ranges(np.zeros(events, dtype=np.int64), past + 1)
    ones = Numbers(np.ones(events))
    assert (ranges.numbers(Number.SUM, every, ones) == past + 1).all()
    few = Codes((past % 5).astype(np.int32), 5)
    assert (ranges.codes(Code.DISTINCT, every, few) == np.minimum(past + 1, 5)).all()


def _one(starts: int = 0, stops: int = 1) -> Ranges:
    return Ranges(np.array([starts]), np.array([stops]))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda: ranges.numbers(Number.SUM, _one(stops=3), Numbers(np.ones(2))), ValueError),
        (lambda: ranges.numbers(Number.SUM, _one(starts=-1), Numbers(np.ones(2))), ValueError),
        (lambda: ranges.numbers(Number.SUM, _one(), Numbers(np.ones(2), _int32([2]))), ValueError),
        (lambda: ranges.numbers(Number.SUM, _one(), Numbers(np.ones(2), _int32([-2]))), ValueError),
        (lambda: ranges.numbers(Number.QUANTILE, _one(), Numbers(np.ones(2)), q=1.5), ValueError),
        (lambda: ranges.numbers(Number.SUM, _one(), Numbers(np.ones(2), np.zeros(2))), ValueError),  # type: ignore[arg-type]
        (lambda: ranges.codes(Code.MODE, _one(), Codes(_int32([4]), 4)), ValueError),
        (lambda: ranges.codes(Code.LEAST, _one(), Codes(_int32([-2]), 4)), ValueError),
        (lambda: ranges.find(Events(_int64([0, 2]), _int64([1])), *[_int64([0])] * 3), ValueError),
        (lambda: ranges.find(Events(_int64([0, 1]), _int64([1])), *[_int64([1])] * 3), ValueError),
        (lambda: ranges.find(Events(_int64([0, 1]), _int64([1])), *[_int64([-2])] * 3), ValueError),
    ],
)
def test_nothing_is_read_outside_its_array(wrong: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        wrong()  # type: ignore[operator]


def _int32(values: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.array(values, dtype=np.int32)


def _int64(values: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)
