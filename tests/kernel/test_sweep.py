"""The sweep against its definition, on random events; and the law: nothing later changes a bit.

FORETELL_LONG=1 tries many more of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
import pytest
import slow_sweep
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slow_sweep import DAY

from foretell import kernel
from foretell.kernel import Codes, Events, Numbers, Output

START = 1_600_000_000_000_000
LONG = bool(os.environ.get("FORETELL_LONG"))


@dataclass(frozen=True)
class Case:
    """Arguments of one sweep."""

    events: Events
    inputs: tuple[kernel.Input, ...]
    outputs: tuple[Output, ...]
    anchors: np.ndarray
    cutoffs: np.ndarray
    edges: np.ndarray
    sizes: tuple[int, ...] = ()

    def run(self, threads: int = 1, dtype: type = np.float64) -> list[np.ndarray]:
        return kernel.sweep(
            self.events,
            self.inputs,
            self.outputs,
            anchors=self.anchors,
            cutoffs=self.cutoffs,
            edges=self.edges,
            sizes=self.sizes,
            threads=threads,
            dtype=dtype,
        )

    def slow(self) -> list[list[float]]:
        return slow_sweep.slow_sweep(
            self.events, self.inputs, self.outputs, self.anchors, self.cutoffs, self.edges, self.sizes
        )


def random_case(
    seed: int,
    anchors: int = 4,
    events: int = 60,
    rows: int = 25,
    windows: int = 3,
    days: int = 40,
    codes: int = 4,
    heavy: bool = False,
) -> Case:
    """Events with ties and NULLs, some anchors without any, rows that repeat and rows without an anchor."""
    rng = np.random.default_rng(seed)
    owner = np.sort(rng.integers(0, anchors, events)) if not heavy else np.full(events, anchors // 2)
    times = START + rng.integers(0, days, events) * DAY + rng.integers(0, 3, events) * (DAY // 7)
    times = times[np.lexsort((times, owner))]
    offsets = np.searchsorted(owner, np.arange(anchors + 1)).astype(np.int64)

    def numbers(n: int) -> np.ndarray:
        values = rng.normal(rng.choice([0.0, 1e7]), rng.choice([0.3, 5.0]), n)
        return np.where(rng.random(n) < 0.2, np.nan, np.round(values, 1))

    def index(n: int) -> np.ndarray:
        return rng.integers(-1, n, events).astype(np.int32)

    labels = rng.integers(-1, codes, events).astype(np.int32)
    far = rng.integers(-1, codes, 9).astype(np.int32)
    at = index(9)
    inputs = (
        Numbers(numbers(events)),
        Numbers(numbers(7), index(7)),
        Numbers(numbers(events).astype(np.float32)),
        Numbers(np.full(events, np.nan)),
        Codes(labels, codes),
        Codes(far, codes, at),
        Codes(labels, 300),  # more than are counted one by one
        Codes(labels, 300, equals=1),
        Codes(labels, 100_000),  # many codes for few events: found by hash
        Codes(labels, codes, equals=1),
        Codes(far, codes, at, equals=0),
        Codes(far, codes, at, equals=codes - 1),
    )
    cutoffs = START + rng.integers(-3, days + 3, rows) * DAY
    spans = np.sort(rng.integers(1, days, (windows, 1)), axis=0) * DAY
    edges = cutoffs - spans
    edges[-1:, rng.random(rows) < 0.1] = kernel.MISSING
    return Case(
        Events(offsets, times),
        inputs,
        tuple(slow_sweep.all_outputs(inputs, windows)),
        rng.integers(-1, anchors, rows),
        cutoffs,
        edges,
    )


def counted(case: Case, seed: int) -> Case:
    """The same case with windows of so many events in place of so much time."""
    rng = np.random.default_rng(seed)
    sizes = np.sort(rng.choice(np.arange(1, 30), len(case.edges), replace=False)).tolist()
    decayed = {o for o in case.outputs if o.measure.startswith("decayed")}
    outputs = tuple(o for o in case.outputs if o.window is not None and o not in decayed)
    return replace(case, outputs=outputs if sizes else (), edges=case.edges[:0], sizes=tuple(sizes))


def differences(case: Case, dtype: type = np.float64, relative: float = 1e-9) -> list[str]:
    """The outputs that are not what they are by definition."""
    found = []
    for output, fast, slow in zip(case.outputs, case.run(dtype=dtype), case.slow()):
        # What cancels out to 0 leaves a rest of the values' own size; a spread leaves none.
        rest = {"trend": 1e-7, "sum": 1e-7, "mean": 1e-8, "decayed_sum": 1e-7, "quantile": 1e-9}.get(
            output.measure, 0.0
        )
        if not np.allclose(fast, slow, rtol=relative, atol=rest, equal_nan=True):
            found.append(f"{output.measure} of {output.input} over {output.window}")
    return found


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    """Whether two answers are the same, bit for bit."""
    return [c.dtype for c in a] == [c.dtype for c in b] and [c.tobytes() for c in a] == [
        c.tobytes() for c in b
    ]


@settings(max_examples=2000 if LONG else 25, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 6),
    st.integers(0, 80),
    st.integers(0, 30),
    st.integers(0, 4),
    st.booleans(),
)
@example(0, 1, 0, 0, 0, False)
@example(1, 3, 0, 5, 2, False)
@example(2, 1, 80, 30, 4, True)
def test_the_sweep_is_its_definition(
    seed: int, anchors: int, events: int, rows: int, windows: int, heavy: bool
) -> None:
    case = random_case(seed, anchors, events, rows, windows, heavy=heavy)
    assert differences(case) == []
    assert differences(counted(case, seed)) == []


def test_in_single_precision_it_is_the_definition_rounded() -> None:
    case = random_case(5)
    assert differences(case, np.float32, 1e-6) == []
    numbers, codes = {np.dtype(np.float32)}, {np.dtype(np.int32)}
    columns = case.run(dtype=np.float32)
    assert {c.dtype for c, o in zip(columns, case.outputs) if o.measure in ("mode", "last_category")} == codes
    assert {c.dtype for c, o in zip(columns, case.outputs) if o.measure == "mean"} == numbers


@pytest.mark.parametrize("fault", ["edge", "size", "cutoff", "ties"])
def test_the_comparison_sees_a_fault(fault: str) -> None:
    """The control of the tests above: a boundary one tick off, or ties out of order, is told."""
    case = random_case(7, events=200)
    if fault == "size":
        case = counted(case, 7)
        wrong = replace(case, sizes=tuple(s + 1 for s in case.sizes))
    elif fault == "edge":
        wrong = replace(case, edges=np.maximum(case.edges, kernel.MISSING + 1) - 1)
    elif fault == "cutoff":
        wrong = replace(case, cutoffs=case.cutoffs - 1, edges=np.minimum(case.edges, case.cutoffs - 1))
    else:
        values = case.inputs[0].values[::-1].copy()
        wrong = replace(case, inputs=(Numbers(values), *case.inputs[1:]))
    slow = case.slow()
    assert any(not np.allclose(a, b, equal_nan=True) for a, b in zip(wrong.run(), slow))


@pytest.mark.parametrize("heavy", [False, True])
def test_threads_change_no_bit(heavy: bool) -> None:
    case = random_case(11, anchors=40, events=3000, rows=900, days=400, heavy=heavy)
    one = case.run(threads=1)
    assert same(one, case.run(threads=2))
    assert same(one, case.run(threads=3))


def test_a_permutation_of_the_rows_permutes_the_columns() -> None:
    case = random_case(13, anchors=9, events=2000, rows=600, days=400)
    order = np.random.default_rng(1).permutation(600)
    moved = replace(
        case,
        anchors=case.anchors[order],
        cutoffs=case.cutoffs[order],
        edges=np.ascontiguousarray(case.edges[:, order]),
    )
    assert same([c[order] for c in case.run()], moved.run())


def later_changed(case: Case, cutoff: int, seed: int) -> Case:
    """The same case with every event after a cutoff changed: some gone, some new, all values others."""
    rng = np.random.default_rng(seed)
    kept, times = [], []
    offsets = [0]
    for a in range(len(case.events.offsets) - 1):
        mine = np.arange(case.events.offsets[a], case.events.offsets[a + 1])
        past = mine[case.events.times[mine] <= cutoff]
        new = rng.integers(0, 30)
        kept.append(np.concatenate([past, np.full(new, -1)]))
        times.append(
            np.concatenate([case.events.times[past], np.sort(cutoff + 1 + rng.integers(0, 50 * DAY, new))])
        )
        offsets.append(offsets[-1] + len(kept[-1]))
    place = np.concatenate(kept).astype(np.int64)

    def by_event(values: np.ndarray) -> np.ndarray:
        others = (
            rng.integers(0, 2, len(place)) if values.dtype == np.int32 else rng.normal(0, 1e9, len(place))
        )
        if not len(values):
            return others.astype(values.dtype)
        return np.where(place >= 0, values[np.maximum(place, 0)], others).astype(values.dtype)

    inputs: list[kernel.Input] = []
    for given_ in case.inputs:
        if given_.index is not None:
            inputs.append(replace(given_, index=by_event(given_.index)))
        elif isinstance(given_, Numbers):
            inputs.append(replace(given_, values=by_event(given_.values)))
        else:
            inputs.append(replace(given_, codes=by_event(given_.codes)))
    events = Events(np.array(offsets), np.concatenate(times).astype(np.int64))
    return replace(case, events=events, inputs=tuple(inputs))


@settings(max_examples=2000 if LONG else 25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(0, 400), st.integers(1, 60), st.booleans())
def test_nothing_after_a_cutoff_changes_a_bit(
    seed: int, anchors: int, events: int, rows: int, heavy: bool
) -> None:
    case = random_case(seed, anchors, events, rows, 3, heavy=heavy)
    cutoff = int(np.sort(case.cutoffs)[rows // 2])
    before = case.cutoffs <= cutoff
    for windowed in (case, counted(case, seed)):
        changed = later_changed(windowed, cutoff, seed)
        assert same([c[before] for c in windowed.run()], [c[before] for c in changed.run()])


def test_the_law_s_test_sees_an_event_that_comes_too_early() -> None:
    case = random_case(3, events=300)
    cutoff = int(np.sort(case.cutoffs)[12])
    before = case.cutoffs <= cutoff
    changed = later_changed(case, cutoff + DAY, 3)
    changed = replace(changed, events=replace(changed.events, times=changed.events.times - 2 * DAY))
    assert not same([c[before] for c in case.run()], [c[before] for c in changed.run()])


@pytest.mark.parametrize(("about", "spread"), [(1e7, 0.3), (1e9, 1e-2)])
def test_a_small_spread_about_a_large_value_survives(about: float, spread: float) -> None:
    rng = np.random.default_rng(17)
    values = about + rng.normal(0, spread, 5000)
    times = START + np.sort(rng.integers(0, 900, 5000)) * DAY
    cutoffs = START + np.arange(30, 900, 30) * DAY
    case = Case(
        Events(np.array([0, 5000]), times),
        (Numbers(values),),
        (Output("std", 0), Output("std", 0, 0), Output("trend", 0), Output("trend", 0, 0)),
        np.zeros(len(cutoffs), dtype=np.int64),
        cutoffs,
        (cutoffs - 90 * DAY)[None],
    )
    for fast, slow in zip(case.run(), case.slow()):
        np.testing.assert_allclose(fast, slow, rtol=1e-9)


def test_long_segments_and_many_segments() -> None:
    """Longer than one chunk of reading, and more segments than one group of units."""
    case = random_case(19, anchors=2, events=2500, rows=60, windows=2, days=3000, codes=300, heavy=True)
    few = replace(
        case,
        anchors=np.ones(3, dtype=np.int64),
        cutoffs=START + np.array([3000, 2990, 1500]) * DAY,
        edges=START + np.array([[2999, 100, 3], [0, 0, 0]]) * DAY,
    )
    assert differences(few) == []
    many = replace(
        case,
        outputs=(
            Output("distinct", 4, 0),
            Output("distinct", 6, 0),
            Output("distinct", 8, 0),
            Output("mode", 4, 0),
            Output("std", 0, 0),
        ),
        anchors=np.ones(100, dtype=np.int64),
        cutoffs=START + np.arange(1, 3001, 30) * DAY,
        edges=(START + np.arange(1, 3001, 30) * DAY - 2000 * DAY)[None],
    )
    assert differences(many) == []


def test_counts_that_would_fill_memory_are_made_otherwise() -> None:
    """One anchor with a cutoff at each of its events, and as many categories as are counted one by one."""
    rng, events = np.random.default_rng(23), 20_000
    codes, times = rng.integers(-1, 256, events).astype(np.int32), START + np.arange(events) * DAY
    cutoffs = times
    outputs = tuple(Output(m, 0, w) for m in slow_sweep.ACCEPTS["category"] for w in (0, None))
    outputs += tuple(Output(m, 1, w) for m in ("sum", "mean") for w in (0, None))
    few, more = (
        Case(
            Events(np.array([0, events]), times),
            (Codes(codes, size), Codes(codes, size, equals=7)),
            outputs,
            np.zeros(events, dtype=np.int64),
            cutoffs,
            (cutoffs - 40 * DAY)[None],
        )
        for size in (256, 257)
    )
    assert same(few.run(), more.run())
    some = slice(0, events, events // 50)
    arrays = {"anchors": few.anchors[some], "cutoffs": cutoffs[some], "edges": few.edges[:, some]}
    picked = replace(few, **{name: array.copy() for name, array in arrays.items()})
    assert same([c[some] for c in few.run()], picked.run())


def test_what_is_too_large_becomes_the_largest() -> None:
    case = Case(
        Events(np.array([0, 2]), np.array([5, 6])),
        (Numbers(np.array([1e300, np.inf])), Numbers(np.array([-1e300, -1e300]))),
        (Output("min", 0), Output("max", 0), Output("sum", 1)),
        np.zeros(1, dtype=np.int64),
        np.array([9]),
        np.zeros((0, 1), dtype=np.int64),
    )
    most = float(np.finfo(np.float32).max)
    assert [c.tolist() for c in case.run(dtype=np.float32)] == [[most], [most], [-most]]
    assert [c.tolist() for c in case.run()] == [[1e300], [float(np.finfo(np.float64).max)], [-2e300]]


def test_instants_at_the_ends_of_time_are_safe() -> None:
    low, high = int(np.iinfo(np.int64).min), int(np.iinfo(np.int64).max)
    case = Case(
        Events(np.array([0, 4]), np.array([low, -5, 7, high])),
        (Numbers(np.array([1.0, 2.0, 4.0, np.inf])),),
        tuple(slow_sweep.all_outputs((Numbers(np.zeros(4)),), 1)),
        np.zeros(4, dtype=np.int64),
        np.array([high, low, 0, 7]),
        np.array([[low, low, -6, low]]),
    )
    count, window = (case.run()[case.outputs.index(Output("sum", 0, w, 0.02))] for w in (None, 0))
    assert count.tolist() == [np.finfo(np.float64).max, 1.0, 3.0, 7.0]
    assert window.tolist() == [np.finfo(np.float64).max, 0.0, 2.0, 6.0]


WRONG = {
    "times": "times must ascend",
    "index": "index: expected",
    "codes": "codes: expected",
    "anchors": "anchors: expected",
    "edges": "edges: expected",
    "offsets": "offsets",
    "length": "has 3 items, expected 4",
    "type": "cutoffs are int32",
    "measure": "no measure",
    "input": "expected number",
    "quantile": "0 to 1",
    "strided": "contiguous",
}


@pytest.mark.parametrize("sizes", [(0,), (3, 3), (5, 2)])
def test_numbers_of_events_that_do_not_ascend_from_one_are_refused(sizes: tuple[int, ...]) -> None:
    case = random_case(1, windows=0)
    with pytest.raises(ValueError, match="sizes: expected"):
        replace(case, sizes=sizes).run()
    with pytest.raises(ValueError, match="all history"):
        replace(case, sizes=(1,)).run()
    with pytest.raises(ValueError, match="sizes: expected"):
        replace(random_case(1), sizes=(1,)).run()


@pytest.mark.parametrize("fault", list(WRONG))
def test_what_does_not_fit_is_refused(fault: str) -> None:
    times, offsets = np.array([1, 2, 3, 4]), np.array([0, 4])
    values, codes, index = np.ones(4), np.zeros(4, dtype=np.int32), np.zeros(4, dtype=np.int32)
    anchors, cutoffs, edges = np.zeros(2, dtype=np.int64), np.array([9, 9]), np.array([[5, 5]])
    outputs = [Output("sum", 0), Output("distinct", 1), Output("sum", 2)]
    if fault == "times":
        times[0] = 7
    elif fault == "index":
        index[1] = 4
    elif fault == "codes":
        codes[2] = 5
    elif fault == "anchors":
        anchors[0] = 1
    elif fault == "edges":
        edges[0, 0] = 10
    elif fault == "offsets":
        offsets[1] = 3
    elif fault == "length":
        values = np.ones(3)
    elif fault == "type":
        cutoffs = cutoffs.astype(np.int32)
    elif fault == "measure":
        outputs.append(Output("kurtosis", 0))
    elif fault == "input":
        outputs.append(Output("mean", 1))
    elif fault == "quantile":
        outputs.append(Output("quantile", 0, parameter=1.5))
    else:
        values = np.ones(8)[::2]
    inputs = [Numbers(values), Codes(codes, 5), Numbers(np.ones(4), index)]
    with pytest.raises(ValueError, match=WRONG[fault]):
        kernel.sweep(Events(offsets, times), inputs, outputs, anchors=anchors, cutoffs=cutoffs, edges=edges)


def test_no_outputs_no_windows_and_no_anchors() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    rows = {"anchors": np.array([-1]), "cutoffs": np.array([5]), "edges": np.zeros((0, 1), dtype=np.int64)}
    assert kernel.sweep(Events(np.array([0]), nothing), [], [], **rows) == []
    (count,) = kernel.sweep(Events(np.array([0]), nothing), [], [Output("count")], threads=2, **rows)
    assert count.tolist() == [0.0]


def test_a_column_without_a_value_has_no_categories() -> None:
    events = Events(np.array([0, 2]), np.array([10, 20]))
    nothing = Codes(np.full(2, -1, dtype=np.int32), 0)
    asked = [Output("distinct", 0), Output("mode", 0), Output("last_category", 0)]
    rows = {"anchors": np.array([0]), "cutoffs": np.array([20]), "edges": np.empty((0, 1), dtype=np.int64)}
    assert [float(c[0]) for c in kernel.sweep(events, [nothing], asked, **rows)] == [0.0, -1.0, -1.0]
