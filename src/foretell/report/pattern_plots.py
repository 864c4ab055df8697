"""Plots of patterns: a finding over all of history, and how soon something happens in each group."""

from __future__ import annotations

from foretell.patterns.finding import Curve, Finding, Patterns
from foretell.report.chart import (
    HEIGHT,
    MODEL,
    Plot,
    capital,
    day,
    dots,
    known,
    level,
    lines,
    mark,
    millis,
    shares,
    unit,
    when,
    x,
    y,
)
from foretell.report.numbers import amount, share

MOST_GROUPS = 5


def patterns_plots(told: Patterns, *, most: int = 20) -> tuple[Plot, ...]:
    """A plot of each of the first headlines, `most` of them, and of each curve."""
    series = [finding_plot(f, i) for i, f in enumerate(told.headlines[:most])]
    return (*series, *(curve_plot(c, i) for i, c in enumerate(told.curves)))


def finding_plot(found: Finding, number: int = 0) -> Plot:
    """A finding's figure in each period, and where it lies if there is nothing to it."""
    rows = [{"t": millis(at), "y": value} for at, value in found.series if known(value)]
    up = y("y", None, axis={"tickCount": 4}, scale={"zero": False})
    marks = [mark("line", rows, {"x": when(), "y": up}, color=MODEL, strokeWidth=2), dots(rows, when(), up)]
    m = found.measured
    if known(m.null):
        marks.insert(0, level(m.null, up))
    held = [(at, value) for at, value in found.series if known(value)]
    told = ""
    if held:
        first, last = held[0], held[-1]
        told = f" It was {amount(first[1])} from {day(first[0])}, and {amount(last[1])} from {day(last[0])}."
    alt = f"{found.sentence}{told} Later part: {amount(m.value)} ({amount(m.low)} to {amount(m.high)})."
    return Plot(f"finding_{number}", found.sentence, alt, unit(marks, height=HEIGHT // 2))


def curve_plot(curve: Curve, number: int = 0) -> Plot:
    """By each day the share for which it has happened (Kaplan–Meier), a line for each group."""
    names = list(curve.groups)[:MOST_GROUPS]
    across = x("x", "days", axis={"tickCount": 6}, scale={"nice": False})
    up = y("y", "has happened", axis=shares(), scale={"domain": [0, 1]})
    rows = [
        {"i": i, "x": d, "y": v, "of": f"{name} ({curve.counts.get(name, 0):,})"}
        for name in names
        for i, (d, v) in enumerate(zip(curve.days, curve.groups[name]))
    ]
    shown = [f"{name} ({curve.counts.get(name, 0):,})" for name in names]
    ends = "; ".join(
        f"{name} {share(curve.groups[name][-1])}" for name in names if len(curve.groups[name]) and curve.days
    )
    last = amount(curve.days[-1]) if curve.days else "0"
    alt = f"{capital(curve.title)}: by day {last} it has happened for {ends}."
    steps = lines(rows, shown, across, up, interpolate="step-after")
    return Plot(f"curve_{number}", capital(curve.title), alt, unit([steps]))
