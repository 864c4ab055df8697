"""A chart as data: what a plot is, and the few shapes that all plots are made of.

A plot is a Vega-Lite specification with fixed field names. Names that come from a database are values of its
data or literal titles, never field names, expressions or links.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from foretell.core.jsonable import jsonable
from foretell.core.time import Instant, parse_instant
from foretell.report.numbers import amount

Spec: TypeAlias = dict[str, Any]

WIDTH, HEIGHT = 320, 200
INK, DIM, LINE, PAPER = "#1a1a1a", "#595959", "#d9d9d9", "#ffffff"
MODEL, RULE, THIRD, FOURTH, FIFTH = "#0b62a4", "#a84a00", "#6a3d9a", "#00695c", "#ad1457"
COLOURS = (MODEL, RULE, THIRD, FOURTH, FIFTH)
"""Told apart by colour-blind people, each with a contrast of at least 4.5 on paper; dashes differ as well."""
MOST_DATES = 6
"""Of more moments than these an axis shows round dates, not theirs."""
DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [10, 4])


@dataclass(frozen=True)
class Plot:
    """A picture of numbers. `alt` tells those who do not see it what it shows, numbers and all; `spec` is
    Vega-Lite, without the title.
    """

    name: str
    title: str
    alt: str
    spec: Mapping[str, Any]


def unit(marks: Sequence[Spec], *, width: int = WIDTH, height: int | Spec = HEIGHT) -> Spec:
    """Marks over one another, in one frame."""
    return {"width": width, "height": height, "layer": list(marks)}


def mark(kind: str, rows: Iterable[Mapping[str, Any]], encoding: Spec, **look: Any) -> Spec:
    """One mark with its rows. What is not a finite number is null, and not drawn."""
    held = [jsonable(dict(r)) for r in rows]
    return {"mark": {"type": kind, **look}, "data": {"values": held}, "encoding": encoding}


def x(field: str = "x", title: str | None = None, **how: Any) -> Spec:
    """A horizontal position by number."""
    return {"field": field, "type": "quantitative", "title": title, **how}


y = x  # a vertical one is said in the same words


def when(field: str = "t", title: str | None = None, **how: Any) -> Spec:
    """A position in time, of epoch milliseconds (UTC)."""
    axis = {"labelOverlap": True, "labelSeparation": 6, "tickCount": 4, **how.pop("axis", {})}
    scale = {"type": "utc", **how.pop("scale", {})}
    return {"field": field, "type": "temporal", "title": title, "axis": axis, "scale": scale, **how}


def dates(moments: Sequence[float]) -> Spec:
    """The axis of a few moments (epoch milliseconds): their own dates."""
    if len(moments) > MOST_DATES:
        return {}
    return {"values": list(moments), "format": "%Y-%m-%d", "labelFlush": True}


def shares(**how: Any) -> Spec:
    """An axis of shares as percentages."""
    return {"format": ".0%", "tickCount": 5, **how}


def legend(field: str, names: Sequence[str], colours: Sequence[str] = COLOURS) -> Spec:
    """Colours by name, told on top."""
    return {
        "field": field,
        "type": "nominal",
        "sort": None,
        "scale": {"domain": list(names), "range": [colours[i % len(colours)] for i in range(len(names))]},
        "legend": {
            "orient": "top",
            "title": None,
            "symbolType": "stroke",
            "columns": _columns(names),
            "labelLimit": 300,
        },
    }


def _columns(names: Sequence[str]) -> int:
    """How many names fit beside one another over a plot."""
    return 1 if sum(map(len, names)) > 40 else 2


def dashes(field: str, names: Sequence[str]) -> Spec:
    """The dash of each line by name: lines that differ in colour alone are one line to some."""
    kinds = [list(DASHES[i % len(DASHES)]) for i in range(len(names))]
    return {
        "field": field,
        "type": "nominal",
        "sort": None,
        "scale": {"domain": list(names), "range": kinds},
        "legend": {
            "orient": "top",
            "title": None,
            "symbolType": "stroke",
            "columns": _columns(names),
            "labelLimit": 300,
        },
    }


def lines(
    rows: Iterable[Mapping[str, Any]], names: Sequence[str], across: Spec, up: Spec, **look: Any
) -> Spec:
    """A line for each name in `of`, through (x, y) in the order of the rows."""
    return mark(
        "line",
        rows,
        {
            "x": across,
            "y": up,
            "color": legend("of", names),
            "strokeDash": dashes("of", names),
            "order": {"field": "i", "type": "quantitative"},
        },
        **{"strokeWidth": 2, **look},
    )


def band(rows: Iterable[Mapping[str, Any]], across: Spec, up: Spec, colour: str = MODEL) -> Spec:
    """What lies between `low` and `high`."""
    held = [r for r in rows if known(r.get("low")) and known(r.get("high"))]
    encoding = {"x": across, "y": {**up, "field": "low"}, "y2": {"field": "high"}}
    return mark("area", held, encoding, color=colour, opacity=0.16, line=False)


def level(value: float, up: Spec, *, colour: str = DIM) -> Spec:
    """A dashed line across at a height."""
    return mark("rule", [{"y": value}], {"y": up}, color=colour, strokeDash=[4, 4])


def dots(rows: Iterable[Mapping[str, Any]], across: Spec, up: Spec, colour: str = MODEL) -> Spec:
    """A point at each (x, y)."""
    return mark("point", rows, {"x": across, "y": up}, color=colour, filled=True, size=36, opacity=1)


def spans(rows: Iterable[Mapping[str, Any]], across: Spec, up: Spec, colour: str = MODEL) -> Spec:
    """An upright line from `low` to `high`, where both are known."""
    held = [r for r in rows if known(r.get("low")) and known(r.get("high"))]
    encoding = {"x": across, "y": {**up, "field": "low"}, "y2": {"field": "high"}}
    return mark("rule", held, encoding, color=colour, strokeWidth=1.5)


def capital(text: str) -> str:
    """The text with a large first letter.

    >>> capital("mean absolute error")
    'Mean absolute error'
    """
    return text[:1].upper() + text[1:]


def nothing(name: str, title: str, why: str) -> Plot:
    """A plot of what cannot be plotted: it says why."""
    row = [{"text": why, "x": 0, "y": 0}]
    place = {"type": "quantitative", "axis": None, "scale": {"domain": [-1, 1]}, "title": None}
    encoding = {"x": {"field": "x", **place}, "y": {"field": "y", **place}, "text": {"field": "text"}}
    return Plot(
        name, title, f"{title}: {why}", unit([mark("text", row, encoding, color=DIM, limit=WIDTH)], height=60)
    )


def known(value: Any) -> bool:
    """Whether it is a number.

    >>> known(0.0), known(float("nan")), known(None)
    (True, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any) -> str:
    """A score as text: three decimals where it is small.

    >>> number(0.81234), number(1234.5), number(None)
    ('0.812', '1,234', '–')
    """
    if not known(value):
        return "–"
    return f"{value:.3f}" if abs(value) < 10 else amount(float(value))


def millis(at: Instant | str) -> float:
    """Epoch milliseconds of an instant, or of its text; of a span of time its start.

    >>> millis("1970-01-02"), millis("1970-01-02 … 1970-03-01"), millis(1_000)
    (86400000.0, 86400000.0, 1.0)
    """
    instant = parse_instant(at.partition(" … ")[0]) if isinstance(at, str) else at
    return instant / 1000


def day(at: Instant) -> str:
    """The day of an instant.

    >>> day(0)
    '1970-01-01'
    """
    return datetime.fromtimestamp(at / 1e6, UTC).date().isoformat()
