"""The sweep as it is defined: for every row and output, a loop over the events, in exact arithmetic."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from foretell.kernel import Codes, Events, Input, Numbers, Output

DAY = 86_400_000_000


@dataclass(frozen=True)
class Seen:
    """What one row sees in one window: times, and (time, value) of one input where it is not NULL."""

    cutoff: int
    times: list[int]
    values: list[tuple[int, float]]
    parameter: float

    @cached_property
    def scale(self) -> int:
        """What makes every value whole: a power of two."""
        return max((float(v).as_integer_ratio()[1] for _, v in self.values), default=1)

    @cached_property
    def whole(self) -> list[int]:
        """The values times the scale: whole numbers, so that sums of them are exact."""
        ratios = [float(v).as_integer_ratio() for _, v in self.values]
        return [above * (self.scale // below) for above, below in ratios]


def read(given: Input, event: int) -> float | None:
    """The value of an event, None where it is NULL."""
    place = event if given.index is None else int(given.index[event])
    if place < 0:
        return None
    if isinstance(given, Numbers):
        value = float(given.values[place])
        return None if math.isnan(value) else value
    code = int(given.codes[place])
    if code < 0:
        return None
    return code if given.equals is None else float(code == given.equals)


def slow_sweep(
    events: Events,
    inputs: Sequence[Input],
    outputs: Sequence[Output],
    anchors: np.ndarray,
    cutoffs: np.ndarray,
    edges: np.ndarray,
    sizes: Sequence[int] = (),
) -> list[list[float]]:
    """The same columns as `kernel.sweep`, in doubles."""
    seen: dict[tuple[int | None, int | None, float], list[Seen]] = {}
    columns = []
    for output in outputs:
        window = None if output.measure.startswith("decayed") else output.window
        key = (output.input, window, output.parameter)
        if key not in seen:
            given = None if output.input is None else inputs[output.input]
            size = sizes[window] if sizes and window is not None else None
            lows = edges[window] if size is None and window is not None else [None] * len(cutoffs)
            seen[key] = [
                _see(events, given, int(a), int(c), None if low is None else int(low), size, output.parameter)
                for a, c, low in zip(anchors, cutoffs, lows)
            ]
        columns.append([float(_MEASURES[output.measure](s)) for s in seen[key]])
    return columns


def _see(
    events: Events,
    given: Input | None,
    anchor: int,
    cutoff: int,
    edge: int | None,
    size: int | None,
    parameter: float,
) -> Seen:
    mine = range(int(events.offsets[anchor]), int(events.offsets[anchor + 1])) if anchor >= 0 else range(0)
    dated = [(e, int(events.times[e])) for e in mine]
    chosen = [(e, t) for e, t in dated if t <= cutoff and (edge is None or edge < t)]
    chosen = chosen if size is None else chosen[-size:]
    values = [] if given is None else [(t, read(given, e)) for e, t in chosen]
    return Seen(cutoff, [t for _, t in chosen], [(t, v) for t, v in values if v is not None], parameter)


def _std(seen: Seen) -> float:
    v, n = seen.whole, len(seen.whole)
    if n < 2:
        return math.nan
    square = Fraction(n * sum(x * x for x in v) - sum(v) ** 2, n * (n - 1) * seen.scale**2)
    digits = 10**40  # a root to more digits than a double has
    return float(Fraction(math.isqrt(int(square * digits**2)), digits))


def _trend(seen: Seen) -> float:
    n, v, t = len(seen.whole), seen.whole, [t for t, _ in seen.values]
    if n <= 2:
        return math.nan
    sxx = n * sum(a * a for a in t) - sum(t) ** 2
    sxv = n * sum(a * b for a, b in zip(t, v)) - sum(t) * sum(v)
    if Fraction(sxx, n * DAY**2) <= Fraction(1, 10**9):
        return math.nan
    return float(Fraction(sxv * DAY, sxx * seen.scale))


def _quantile(seen: Seen) -> float:
    v = sorted(Fraction(v) for _, v in seen.values)
    if not v:
        return math.nan
    place = (len(v) - 1) * Fraction(seen.parameter)
    below = math.floor(place)
    above = min(below + 1, len(v) - 1)
    return float(v[below] + (v[above] - v[below]) * (place - below))


def _mode(seen: Seen) -> float:
    counts = Counter(int(v) for _, v in seen.values)
    return min(counts, key=lambda code: (-counts[code], code)) if counts else -1


def _decayed(seen: Seen, pairs: list[tuple[int, float]]) -> float:
    return math.fsum(v * math.exp(-seen.parameter * ((seen.cutoff - t) / DAY)) for t, v in pairs)


_MEASURES: dict[str, Callable[[Seen], float]] = {
    "count": lambda s: len(s.times),
    "recency": lambda s: (s.cutoff - s.times[-1]) / DAY if s.times else math.nan,
    "tenure": lambda s: (s.cutoff - s.times[0]) / DAY if s.times else math.nan,
    "gap": lambda s: (s.times[-1] - s.times[0]) / DAY / (len(s.times) - 1) if len(s.times) > 1 else math.nan,
    "decayed_count": lambda s: _decayed(s, [(t, 1.0) for t in s.times]),
    "sum": lambda s: sum(s.whole) / s.scale,
    "mean": lambda s: sum(s.whole) / (s.scale * len(s.whole)) if s.values else math.nan,
    "std": _std,
    "min": lambda s: min(v for _, v in s.values) if s.values else math.nan,
    "max": lambda s: max(v for _, v in s.values) if s.values else math.nan,
    "last": lambda s: s.values[-1][1] if s.values else math.nan,
    "trend": _trend,
    "decayed_sum": lambda s: _decayed(s, s.values),
    "quantile": _quantile,
    "last_category": lambda s: s.values[-1][1] if s.values else -1,
    "distinct": lambda s: len({v for _, v in s.values}),
    "mode": _mode,
}

ACCEPTS = {
    "rows": ("count", "recency", "tenure", "gap", "decayed_count"),
    "number": ("sum", "mean", "std", "min", "max", "last", "trend", "decayed_sum", "quantile"),
    "category": ("last_category", "distinct", "mode"),
}


def all_outputs(inputs: Sequence[Input], windows: int) -> list[Output]:
    """Every measure of every input over every window."""
    made = []
    for window in (*range(windows), None):
        made += [Output(m, None, window, 0.05) for m in ACCEPTS["rows"]]
        for i, given in enumerate(inputs):
            category = isinstance(given, Codes) and given.equals is None
            names = ACCEPTS["category" if category else "number"]
            made += [Output(m, i, window, 0.3 if m == "quantile" else 0.02) for m in names]
    return made
