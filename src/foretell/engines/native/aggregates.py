"""Aggregates over past events, by passes of the kernel over the events in parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell import kernel
from foretell.core.time import Last, Offset
from foretell.engines.native.asof import categorical
from foretell.engines.native.edges import before, edges
from foretell.engines.native.inputs import Column, Part
from foretell.features.matrix import Instants, Numeric, Precision, Values
from foretell.plan import nodes
from foretell.plan.measures import MEASURES, Algebra, decay_rate


def aggregate(
    block: nodes.Aggregate,
    inputs: Sequence[nodes.Input],
    parts: Iterable[Part],
    anchors: npt.NDArray[np.int64],
    cutoffs: Instants,
    *,
    threads: int,
    precision: Precision,
) -> dict[str, Values]:
    """Each output by its name, for rows of (anchor, cutoff); an anchor of -1 has no events."""
    if block.ago is not None:
        cutoffs = before(cutoffs, block.ago)
    wanted = [output_of(o, block.windows) for o in block.outputs]
    sizes = [w.count for w in block.windows if isinstance(w, Last)]
    bounds = edges(cutoffs, [w for w in block.windows if isinstance(w, Offset)])
    found = [nothing(o, len(cutoffs), precision) for o in block.outputs]
    columns: list[Column] = []
    for part in parts:
        size = len(part.events.offsets) - 1
        columns = [part.read(value) for value in inputs]
        inside = (anchors >= part.first) & (anchors < part.first + size)
        whole = bool(inside.all())
        at = slice(None) if whole else np.flatnonzero(inside)
        made = kernel.sweep(
            part.events,
            [c.held for c in columns],
            wanted,
            anchors=anchors[at] - part.first,
            cutoffs=cutoffs[at],
            edges=np.ascontiguousarray(bounds[:, at]),
            sizes=sizes,
            threads=threads,
            dtype=precision,
        )
        if whole:
            found = made
            break
        for held, values in zip(found, made):
            held[at] = values
    return {o.name: _values(o, v, columns) for o, v in zip(block.outputs, found)}


def output_of(output: nodes.Measured, windows: nodes.LookBacks) -> kernel.Output:
    """An output as the kernel is asked for it."""
    measure = MEASURES[output.measure]
    if measure.algebra is Algebra.DECAY:
        window = None if output.window is None else windows[output.window]
        assert not isinstance(window, Last), "a half-life is a length of time"
        return kernel.Output(output.measure, output.input, None, decay_rate(window))
    if measure.quantile is not None:
        return kernel.Output("quantile", output.input, output.window, measure.quantile)
    return kernel.Output(output.measure, output.input, output.window)


def nothing(output: nodes.Measured, rows: int, precision: Precision) -> npt.NDArray[Any]:
    """The measure of rows without events."""
    measure = MEASURES[output.measure]
    if measure.categorical:
        return np.full(rows, -1, dtype=np.int32)
    return np.full(rows, np.nan if measure.empty is None else measure.empty, dtype=precision)


def _values(output: nodes.Measured, found: npt.NDArray[Any], columns: Sequence[Column]) -> Values:
    if not MEASURES[output.measure].categorical:
        return Numeric(found)
    assert output.input is not None
    words = columns[output.input].words
    assert words is not None, f"{output.name}: its input is not text"
    return categorical(found, words)
