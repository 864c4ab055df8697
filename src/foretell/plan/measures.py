"""The table of measures: for each its algebra (lift, merge, finalize), its value over nothing, and its
English.

A measure is computed from parts. A part is lifted from the events of one stretch of time, merged over
stretches, and a measure is finalized from the merged parts. That is what lets one pass over the events
serve every cutoff and every window. In the SQL texts `v` is the value, `t` the event's time, `k` its rank
in (time, key) order, `at` the end of its stretch, `cutoff` the row's cutoff, `lag` the days from `at` to
the cutoff; a part's own name is the part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from foretell.core.time import Offset


class Accepts(StrEnum):
    """What a measure is taken of."""

    ROWS = "rows"  # the events themselves
    NUMBER = "number"  # a numeric or boolean value
    CATEGORY = "category"  # a value as text


class Algebra(StrEnum):
    ADDITIVE = "additive"
    EXTREME = "extreme"
    LATEST = "latest"
    DECAY = "decay"
    DISTINCT = "distinct"
    MODE = "mode"
    HOLISTIC = "holistic"  # of all the values at once: no parts merge to it


@dataclass(frozen=True)
class Part:
    """A mergeable piece of state. A moment merges `about` the means of its group (Chan et al. 1983):
    `mean` of the value, from the part sum, and `xmean` of the time, from the part x."""

    lift: str
    merge: str
    about: tuple[str, ...] = ()


_DAYS = "EPOCH({}) / 86400.0"
_X = f"({_DAYS.format('t')} - 14610)"  # days since 2010-01-01

PARTS: dict[str, Part] = {
    "rows": Part("COUNT(*)", "SUM(rows)"),
    "first": Part("MIN(t)", "MIN(first)"),
    "latest": Part("MAX(t)", "MAX(latest)"),
    "drows": Part("SUM(EXP(-RATE * (EPOCH(at) - EPOCH(t)) / 86400.0))", "SUM(drows * EXP(-RATE * lag))"),
    "n": Part("COUNT(v)", "SUM(n)"),
    "sum": Part("SUM(v)", "SUM(sum)"),
    "min": Part("MIN(v)", "MIN(min)"),
    "max": Part("MAX(v)", "MAX(max)"),
    "m2": Part("VAR_POP(v) * COUNT(v)", "SUM(m2 + n * (sum / n - mean) * (sum / n - mean))", about=("sum",)),
    "last": Part("ARG_MAX(v, k)", "ARG_MAX(last, last_k)"),
    "last_k": Part("MAX(CASE WHEN v IS NOT NULL THEN k END)", "MAX(last_k)"),
    "dsum": Part("SUM(v * EXP(-RATE * (EPOCH(at) - EPOCH(t)) / 86400.0))", "SUM(dsum * EXP(-RATE * lag))"),
    "x": Part(f"SUM(CASE WHEN v IS NOT NULL THEN {_X} END)", "SUM(x)"),
    "sxx": Part(
        f"VAR_POP(CASE WHEN v IS NOT NULL THEN {_X} END) * COUNT(v)",
        "SUM(sxx + n * (x / n - xmean) * (x / n - xmean))",
        about=("x",),
    ),
    "sxv": Part(
        f"COVAR_POP(v, {_X}) * COUNT(v)",
        "SUM(sxv + n * (x / n - xmean) * (sum / n - mean))",
        about=("sum", "x"),
    ),
}

ROW_PARTS = frozenset({"rows", "first", "latest", "drows"})
"""Parts of the events themselves; the others belong to one value."""


@dataclass(frozen=True)
class Measure:
    """One aggregate over past events.

    `empty` is the value where there is no event (None: no value). `english` is a phrase with {value},
    {events} and {window}. `final` is SQL over the merged parts. `quantile` is the share of the values that
    lie below a quantile, which is continuous: between two values it is interpolated.
    """

    name: str
    accepts: Accepts
    algebra: Algebra
    parts: tuple[str, ...]
    final: str
    empty: float | None
    english: str
    categorical: bool = False
    quantile: float | None = None


def _quantile(name: str, share: float, english: str) -> Measure:
    return Measure(name, Accepts.NUMBER, Algebra.HOLISTIC, (), "", None, english, quantile=share)


_SLOPE = "CASE WHEN n > 2 AND sxx > 1e-9 THEN sxv / sxx END"
_TABLE = (
    Measure(
        "count",
        Accepts.ROWS,
        Algebra.ADDITIVE,
        ("rows",),
        "COALESCE(rows, 0)",
        0.0,
        "number of {events}{window}",
    ),
    Measure(
        "recency",
        Accepts.ROWS,
        Algebra.EXTREME,
        ("latest",),
        "(EPOCH(cutoff) - EPOCH(latest)) / 86400.0",
        None,
        "days since the last of {events}{window}",
    ),
    Measure(
        "tenure",
        Accepts.ROWS,
        Algebra.EXTREME,
        ("first",),
        "(EPOCH(cutoff) - EPOCH(first)) / 86400.0",
        None,
        "days since the first of {events}{window}",
    ),
    Measure(
        "gap",
        Accepts.ROWS,
        Algebra.ADDITIVE,
        ("rows", "first", "latest"),
        "CASE WHEN rows > 1 THEN (EPOCH(latest) - EPOCH(first)) / 86400.0 / (rows - 1) END",
        None,
        "mean days between {events}{window}",
    ),
    Measure(
        "decayed_count",
        Accepts.ROWS,
        Algebra.DECAY,
        ("drows",),
        "drows",
        0.0,
        "number of {events}, recent ones counting more",
    ),
    Measure(
        "sum", Accepts.NUMBER, Algebra.ADDITIVE, ("sum",), "COALESCE(sum, 0)", 0.0, "total {value}{window}"
    ),
    Measure(
        "mean",
        Accepts.NUMBER,
        Algebra.ADDITIVE,
        ("n", "sum"),
        "CASE WHEN n > 0 THEN sum / n END",
        None,
        "mean {value}{window}",
    ),
    Measure(
        "std",
        Accepts.NUMBER,
        Algebra.ADDITIVE,
        ("n", "sum", "m2"),
        "CASE WHEN n > 1 THEN SQRT(GREATEST(m2, 0) / (n - 1)) END",
        None,
        "spread (standard deviation) of {value}{window}",
    ),
    Measure("min", Accepts.NUMBER, Algebra.EXTREME, ("min",), "min", None, "lowest {value}{window}"),
    Measure("max", Accepts.NUMBER, Algebra.EXTREME, ("max",), "max", None, "highest {value}{window}"),
    Measure("last", Accepts.NUMBER, Algebra.LATEST, ("last", "last_k"), "last", None, "last {value}{window}"),
    Measure(
        "trend",
        Accepts.NUMBER,
        Algebra.ADDITIVE,
        ("n", "sum", "x", "sxx", "sxv"),
        _SLOPE,
        None,
        "trend (slope per day) of {value}{window}",
    ),
    Measure(
        "decayed_sum",
        Accepts.NUMBER,
        Algebra.DECAY,
        ("dsum",),
        "COALESCE(dsum, 0)",
        0.0,
        "total {value}, recent ones counting more",
    ),
    Measure(
        "last_category",
        Accepts.CATEGORY,
        Algebra.LATEST,
        ("last", "last_k"),
        "last",
        None,
        "last {value}{window}",
        categorical=True,
    ),
    Measure(
        "distinct", Accepts.CATEGORY, Algebra.DISTINCT, (), "", 0.0, "number of different {value}{window}"
    ),
    Measure(
        "mode",
        Accepts.CATEGORY,
        Algebra.MODE,
        (),
        "",
        None,
        "most frequent {value}{window}",
        categorical=True,
    ),
    _quantile("median", 0.5, "median {value}{window}"),
    _quantile("q10", 0.1, "10th percentile of {value}{window}"),
    _quantile("q90", 0.9, "90th percentile of {value}{window}"),
)
MEASURES: dict[str, Measure] = {m.name: m for m in _TABLE}

HALF_LIFE_DAYS = 30.0
"""The half-life of a decayed measure without a window; with one, the window's length is the half-life."""


def decay_rate(window: Offset | None) -> float:
    """How fast a decayed measure forgets, per day: ln 2 over its half-life."""
    return math.log(2) / (HALF_LIFE_DAYS if window is None else window.days)
