"""The sweep: many measures of the events before each row's cutoff, over nested windows, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from foretell.kernel.arrays import group
from foretell.kernel.extension import extension
from foretell.kernel.model import Codes, Events, Input, Longs, Numbers, Output

Column: TypeAlias = NDArray[np.float32] | NDArray[np.float64] | NDArray[np.int32]

CODED = frozenset({"last_category", "mode"})
"""Measures whose columns are codes."""

_ZERO_OF_NOTHING = frozenset({"count", "sum", "distinct", "decayed_count", "decayed_sum"})
_DECAYED = frozenset({"decayed_count", "decayed_sum"})
_RANGES_PER_THREAD = 8
_ROW_COST = 8  # what a row costs, in events


def sweep(
    events: Events,
    inputs: Sequence[Input],
    outputs: Sequence[Output],
    *,
    anchors: Longs,
    cutoffs: Longs,
    edges: Longs | None = None,
    sizes: Sequence[int] = (),
    threads: int = 1,
    dtype: DTypeLike = np.float32,
) -> list[Column]:
    """One column per output, each with a value per row: `dtype` for numbers (NaN: no value), int32 codes for
    last_category and mode (-1: none).

    A row asks for its anchor's events at or before its cutoff: `anchors` (rows,), -1 where there is no
    anchor; `cutoffs` (rows,). An event is in window w where `edges[w, row] < t <= cutoff`: `edges` (windows,
    rows), the shortest window first. With `sizes` in its place, window w is the last `sizes[w]` events at or
    before the cutoff, the smallest first; each output then has a window. NULLs are left out of every measure
    of an input. A value that is too large for `dtype` becomes the largest that it holds. Values do not depend
    on `threads`, nor on any event after a row's cutoff. ValueError where arrays do not fit one another.

    >>> events = Events(offsets=np.array([0, 3, 3]), times=np.array([10, 20, 30]))
    >>> prices = Numbers(np.array([5.0, 7.0, 9.0]))
    >>> asked = [Output("count"), Output("sum", input=0, window=0)]
    >>> rows = {"anchors": np.array([0, 0, 1]), "cutoffs": np.array([20, 30, 30])}
    >>> count, total = sweep(events, [prices], asked, edges=rows["cutoffs"][None] - 15, **rows)
    >>> count.tolist(), total.tolist()
    ([2.0, 3.0, 0.0], [12.0, 16.0, 0.0])
    """
    if edges is None:
        edges = np.empty((0, len(cutoffs)), dtype=np.int64)
    _check(events, inputs, outputs, anchors, cutoffs, edges, sizes)
    columns = _columns(outputs, len(cutoffs), np.dtype(dtype))
    if not len(cutoffs):
        return columns
    row_offsets, order = group(anchors.astype(np.int32), len(events.offsets) - 1)
    if len(order) < len(anchors):
        absent = anchors < 0
        for output, column in zip(outputs, columns):
            column[absent] = _of_nothing(output)
    known = _measures()
    told = tuple(_told(i) for i in inputs)
    everything = len(sizes) or len(edges)
    plan = [
        (source, (known[o.measure][0], _or(o.input, -1), _or(o.window, everything), o.parameter, columns[at]))
        for source, at, o in _in_order(inputs, outputs)
    ]
    counted = np.array(sizes, dtype=np.int64) if sizes else None
    arrays = (row_offsets, order, cutoffs, edges.reshape(-1), counted)

    def work(task: tuple[int, int, slice]) -> None:
        first, end, part = task
        asked = tuple(output for _, output in plan[part])
        extension().sweep(events.offsets, events.times, told, asked, *arrays, first, end)

    tasks = _tasks(events.offsets, row_offsets, [source for source, _ in plan], threads)
    if threads == 1:
        for task in tasks:
            work(task)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, tasks))
    return columns


@cache
def _measures() -> dict[str, tuple[int, str]]:
    """The extension's measures: their numbers, and what each is taken of."""
    return {name: (number, accepts) for number, (name, accepts) in enumerate(extension().measures())}


def _or(place: int | None, otherwise: int) -> int:
    return otherwise if place is None else place


def _told(given: Input) -> tuple[Any, ...]:
    """An input as the extension takes it."""
    if isinstance(given, Numbers):
        return given.values, given.index, -1, -1
    return given.codes, given.index, given.size, _or(given.equals, -1)


def _columns(outputs: Sequence[Output], rows: int, dtype: np.dtype[Any]) -> list[Column]:
    """Columns without values yet: the rows of one array per type, which is faster to touch than many."""
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype}, expected float32 or float64")
    coded = sum(o.measure in CODED for o in outputs)
    codes = iter(np.empty((coded, rows), dtype=np.int32))
    numbers = iter(np.empty((len(outputs) - coded, rows), dtype=dtype))
    return [next(codes) if o.measure in CODED else next(numbers) for o in outputs]


def _of_nothing(output: Output) -> float:
    """An output's value where there is no event."""
    return -1 if output.measure in CODED else 0.0 if output.measure in _ZERO_OF_NOTHING else np.nan


def _in_order(inputs: Sequence[Input], outputs: Sequence[Output]) -> list[tuple[int, int, Output]]:
    """(source, place, output), those of one source together, then those of one input, shorter windows first.

    Inputs of the same codes are one source: they are counted together.
    """
    first: dict[tuple[int, int], int] = {}
    source = {-1: -1}
    for i, given in enumerate(inputs):
        key = (id(given.codes), id(given.index)) if isinstance(given, Codes) else (-1, i)
        source[i] = first.setdefault(key, i)
    windows = 1 + max((_or(o.window, -1) for o in outputs), default=0)

    def key_of(item: tuple[int, Output]) -> tuple[int, int, int]:
        place = _or(item[1].input, -1)
        return source[place], place, _or(item[1].window, windows)

    ordered = sorted(enumerate(outputs), key=key_of)
    return [(source[_or(o.input, -1)], at, o) for at, o in ordered]


def _tasks(
    offsets: Longs, row_offsets: Longs, sources: list[int], threads: int
) -> list[tuple[int, int, slice]]:
    """Ranges of anchors of about the same work; one that an anchor makes much heavier is split by outputs."""
    anchors, everything = len(offsets) - 1, slice(0, len(sources))
    if threads == 1:
        return [(0, anchors, everything)]
    rows = np.diff(row_offsets)
    done = np.cumsum(np.where(rows > 0, np.diff(offsets) + _ROW_COST * rows, 0))
    if not len(done) or not done[-1]:
        return []
    share = done[-1] / (threads * _RANGES_PER_THREAD)
    ends = np.unique(np.searchsorted(done, np.arange(share, done[-1], share)) + 1)
    cuts = [0, *(int(end) for end in ends if end < anchors), anchors]
    parts = [0, *(i for i in range(1, len(sources)) if sources[i] != sources[i - 1]), len(sources)]
    tasks = []
    for first, end in pairwise(cuts):
        cost = done[end - 1] - (done[first - 1] if first else 0)
        if cost < 2 * share:
            tasks.append((first, end, everything))
        else:
            tasks += [(first, end, slice(a, b)) for a, b in pairwise(parts)]
    return tasks


def _check(
    events: Events,
    inputs: Sequence[Input],
    outputs: Sequence[Output],
    anchors: Longs,
    cutoffs: Longs,
    edges: Longs,
    sizes: Sequence[int],
) -> None:
    """What the extension cannot say as clearly, or does not check at all."""
    rows = len(cutoffs)
    if not len(events.offsets) or events.offsets[0] != 0 or events.offsets[-1] != len(events.times):
        raise ValueError("offsets: expected 0 first and the number of events last")
    if anchors.shape != (rows,) or edges.ndim != 2 or edges.shape[1] != rows:
        raise ValueError(f"anchors {anchors.shape} and edges {edges.shape} do not fit {rows} cutoffs")
    if rows > np.iinfo(np.int32).max or len(events.offsets) > np.iinfo(np.int32).max:
        raise ValueError("more rows or anchors than 2^31 - 2")
    if rows and (anchors.min() < -1 or anchors.max() >= len(events.offsets) - 1):
        raise ValueError("anchors: expected -1 or a position of the events' anchors")
    for name, array in (("anchors", anchors), ("cutoffs", cutoffs), ("edges", edges)):
        if array.dtype != np.int64:
            raise ValueError(f"{name} are {array.dtype}, expected int64")
    for shorter, longer in zip([cutoffs, *edges], edges):
        if (longer > shorter).any():
            raise ValueError("edges: expected the shortest window first, each edge at or before the cutoff")
    if sizes and (len(edges) or any(b <= a for a, b in pairwise((0, *sizes)))):
        raise ValueError("sizes: expected the smallest window first, each of an event at least, and no edges")
    for output in outputs:
        _check_output(output, inputs, len(sizes) or len(edges))
        if sizes and output.window is None:
            raise ValueError(f"{output.measure} of all history among windows that are numbers of events")


def _check_output(output: Output, inputs: Sequence[Input], windows: int) -> None:
    if output.measure not in _measures():
        raise ValueError(f"no measure '{output.measure}'; expected one of {', '.join(_measures())}")
    if output.input is not None and not 0 <= output.input < len(inputs):
        raise ValueError(f"no input {output.input}")
    if output.window is not None and not 0 <= output.window < windows:
        raise ValueError(f"no window {output.window}")
    found = "rows"
    if output.input is not None:
        given = inputs[output.input]
        found = "category" if isinstance(given, Codes) and given.equals is None else "number"
    accepts = _measures()[output.measure][1]
    if found != accepts:
        raise ValueError(f"{output.measure} of {found}, expected {accepts}")
    if output.measure == "quantile" and not 0 <= output.parameter <= 1:
        raise ValueError(f"a quantile's parameter is {output.parameter}, expected 0 to 1")
    if output.measure in _DECAYED and not 0 <= output.parameter < np.inf:
        raise ValueError(f"a decay's rate is {output.parameter}, expected 0 or more per day")
