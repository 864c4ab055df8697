"""Plots of what a model rests on: its drivers as bars, and how the prediction goes with each."""

from __future__ import annotations

from collections.abc import Sequence

from foretell.explain.explanation import Dependence, EntityExplanation, Explanation, Influence
from foretell.explain.reasons import Driver
from foretell.report.chart import (
    DIM,
    MODEL,
    WIDTH,
    Plot,
    band,
    capital,
    dots,
    known,
    legend,
    level,
    mark,
    unit,
    x,
    y,
)
from foretell.report.chart import spans as spanned
from foretell.report.numbers import amount, share

SHOWN = 12
LONGEST = 52  # characters of a driver's text that fit over its bar


def explanation_plots(told: Explanation) -> tuple[Plot, ...]:
    """The drivers, and a curve for each that has one."""
    spans = [_span(d) for d in told.dependence]
    least = max((high - low for low, high in spans), default=0.0) / 10
    curves = (dependence_plot(d, i, least) for i, d in enumerate(told.dependence))
    return (drivers_plot(told.stories), *curves)


def _span(told: Dependence) -> tuple[float, float]:
    """Between which predictions a curve and its interval lie."""
    heights = [v for p in told.points for v in (p.low, p.high, p.value) if known(v)]
    return min(heights, default=0.0), max(heights, default=0.0)


def drivers_plot(drivers: Sequence[Driver | Influence], *, shown: int = SHOWN) -> Plot:
    """A bar for each driver, the strongest on top, its text above it."""
    rows = [
        {"i": i, "x": d.share, "zero": 0, "text": _cut(d), "part": share(d.share)}
        for i, d in enumerate(drivers[:shown])
    ]
    place = {"field": "i", "type": "ordinal", "axis": None, "title": None, "scale": {"paddingInner": 0}}
    most = max((d.share for d in drivers), default=1.0) or 1.0
    across = x("x", None, axis=None, scale={"domain": [0, most * 1.2]})
    from_zero = x("zero", None, axis=None, scale={"domain": [0, most * 1.2]})
    texts = mark(
        "text",
        rows,
        {"x": from_zero, "y": place, "text": {"field": "text"}},
        align="left",
        dy=-8,
        limit=WIDTH + 30,
    )
    bars = mark("bar", rows, {"x": across, "y": place}, color=MODEL, height=9, yOffset=6)
    parts = mark(
        "text",
        rows,
        {"x": across, "y": place, "text": {"field": "part"}},
        align="left",
        dx=5,
        dy=6,
        color=DIM,
    )
    listed = "; ".join(f"{d} ({share(d.share)})" for d in drivers[:shown])
    return Plot(
        "drivers",
        "What the predictions rest on (↑ raises, ↓ lowers it)",
        f"The strongest drivers, each with its part of all that moves the scores: {listed}.",
        unit([bars, texts, parts], height={"step": 34}),
    )


def entity_plot(told: EntityExplanation, *, shown: int = SHOWN) -> Plot:
    """One entity's reasons as bars: what raises its score to the right, what lowers it to the left."""
    held = told.reasons[:shown]
    rows = [
        {
            "i": i,
            "x": r.change,
            "zero": 0,
            "text": _short(r.reason.text),
            "of": "raises it" if r.reason.effect > 0 else "lowers it",
        }
        for i, r in enumerate(held)
    ]
    most = max((abs(r.change) for r in held), default=1.0) or 1.0
    within = {"domain": [-most, most]}
    place = {"field": "i", "type": "ordinal", "axis": None, "title": None, "scale": {"paddingInner": 0}}
    side = legend("of", ("raises it", "lowers it"))
    side = {**side, "legend": {**side["legend"], "symbolType": "square"}}
    across = x("x", None, axis=None, scale=within)
    bars = mark("bar", rows, {"x": across, "y": place, "color": side}, height=9, yOffset=6)
    text = {"x": {"value": 0}, "y": place, "text": {"field": "text"}}
    texts = mark("text", rows, text, align="left", dy=-8, limit=WIDTH + 30)
    show = amount if told.kind == "regression" else share
    who = ", ".join(f"{k} {v}" for k, v in told.entity.items())
    said = "; ".join(map(str, held)) or "none"
    alt = (
        f"{who}, as of {told.as_of}: {show(told.prediction)}, where {show(told.average)} is usual. The "
        f"reasons, the strongest first: {said}."
    )
    title = f"{who}: {show(told.prediction)}, because"
    return Plot("entity", title, alt, unit([bars, texts], height={"step": 34}))


def dependence_plot(told: Dependence, number: int = 0, least: float = 0.0) -> Plot:
    """How the prediction goes with one feature, with its interval, and where it is on average.

    Its scale spans at least `least`: what hardly moves predictions should look so beside others.
    """
    name = f"dependence_{number}"
    title = f"{capital(told.of)}, by {told.text}" if told.of else f"Prediction, by {told.text}"
    numbers = [p for p in told.points if known(p.at)]
    rest = [p for p in told.points if not known(p.at)]
    bottom, top = _span(told)
    room = max(0.04 * (top - bottom), (least - (top - bottom)) / 2)
    up = y(
        "y",
        told.of or "prediction",
        axis={"tickCount": 4},
        scale={"zero": False, "domain": [bottom - room, top + room]},
    )
    points = [p for p in told.points if known(p.value)]
    if not points:
        return Plot(name, title, f"{title}: no curve is known.", unit([level(told.average, up)]))
    low, high = min(points, key=lambda p: p.value), max(points, key=lambda p: p.value)
    alt = (
        f"The prediction with {told.text}, all else as it is: lowest {amount(low.value)} "
        f"({amount(low.low)} to {amount(low.high)}) at {_at(low.at)}, highest {amount(high.value)} "
        f"({amount(high.low)} to {amount(high.high)}) at {_at(high.at)}; on average {amount(told.average)}."
    )
    if len(numbers) > 1:
        rows = [
            {"i": i, "x": p.at, "y": p.value, "low": p.low, "high": p.high} for i, p in enumerate(numbers)
        ]
        across = x("x", None, axis={"tickCount": 5, "format": ",~f"}, scale={"zero": False, "nice": False})
        line = mark(
            "line",
            rows,
            {"x": across, "y": up, "order": {"field": "i", "type": "quantitative"}},
            color=MODEL,
            strokeWidth=2,
        )
        if rest:
            said = ", ".join(f"{_at(p.at)} {amount(p.value)}" for p in rest)
            alt += f" Without a number: {said}."
        return Plot(name, title, alt, unit([level(told.average, up), band(rows, across, up), line]))
    kinds = [{"x": _at(p.at), "y": p.value, "low": p.low, "high": p.high} for p in points]
    axis = {"labelAngle": -40, "labelLimit": 90}
    place = {"field": "x", "type": "nominal", "sort": None, "title": None, "axis": axis}
    marks = [level(told.average, up), spanned(kinds, place, up), dots(kinds, place, up)]
    return Plot(name, title, alt, unit(marks))


def _at(value: float | str | None) -> str:
    if value is None:
        return "no value"
    return amount(value) if isinstance(value, int | float) else str(value)


def _cut(driver: Driver | Influence) -> str:
    """What it is, short enough to stand over a bar, with an arrow for its direction."""
    arrow = {"higher values raise it": " ↑", "higher values lower it": " ↓"}.get(driver.direction, "")
    return _short(driver.text) + arrow


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
