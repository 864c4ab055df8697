"""Plots of a model in use: its scores as they came true, and what it reads over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from foretell.core.time import Instant
from foretell.lifecycle.grading import Grades
from foretell.lifecycle.monitor.drift import FeatureDrift
from foretell.lifecycle.monitor.record import Monitoring
from foretell.models.criteria import METRICS
from foretell.report.backtest import READ
from foretell.report.chart import (
    DIM,
    HEIGHT,
    MODEL,
    WIDTH,
    Plot,
    band,
    day,
    dots,
    known,
    lines,
    mark,
    millis,
    nothing,
    number,
    unit,
    when,
    y,
)
from foretell.report.numbers import amount

THE_MODEL, THE_RULE = "the model", "the simple rule"
WIDE = 2 * WIDTH


@dataclass(frozen=True)
class Point:
    """A score at a time, with its interval (nan: not known) and the simple rule's score beside it."""

    at: Instant
    value: float
    low: float
    high: float
    rule: float


def grades_plot(grades: Grades) -> Plot:
    """The grades of the metric of the last one, over time."""
    last = grades.graded[-1].score.metric if grades.graded else "performance"
    points = [
        Point(
            g.cutoff,
            g.score.value,
            g.score.low,
            g.score.high,
            float("nan") if g.baseline is None else g.baseline.value,
        )
        for g in grades.graded
        if g.score.metric == last
    ]
    return scores_plot(points, f"{grades.name}: realised {READ.get(last, (last, ''))[0]}", name="grades")


def performance_plot(seen: Monitoring) -> Plot | None:
    """The scores that monitoring saw over time; None of fewer than two."""
    held = seen.performance
    if held is None or len(held.batches) < 2:
        return None
    sign = 1 if held.metric is None or METRICS[held.metric].higher_is_better else -1
    points = [
        Point(
            b.cutoff,
            b.score,
            b.score - 1.96 * b.score_error,
            b.score + 1.96 * b.score_error,
            b.score - sign * b.lift,
        )
        for b in held.batches
    ]
    metric = held.metric or "score"
    return scores_plot(
        points, f"{seen.name}: {READ.get(metric, (metric, ''))[0]} over time", name="performance"
    )


def scores_plot(
    points: Sequence[Point],
    title: str,
    marks: Sequence[tuple[Instant, str]] = (),
    *,
    name: str = "scores_over_time",
) -> Plot:
    """A line with its interval as a band, the simple rule's line, and named moments."""
    held = [p for p in points if known(p.value)]
    if not held:
        return nothing(name, title, "no batch has been graded yet")
    model = [{"t": millis(p.at), "y": p.value, "low": p.low, "high": p.high, "of": THE_MODEL} for p in held]
    rule = [{"t": millis(p.at), "y": p.rule, "of": THE_RULE} for p in held if known(p.rule)]
    up = y("y", None, axis={"tickCount": 6}, scale={"zero": False})
    both = [{**r, "i": i} for i, r in enumerate((*model, *rule))]
    names = [THE_MODEL, THE_RULE] if rule else [THE_MODEL]
    drawn = [band(model, when(), up), lines(both, names, when(), up), dots(model, when(), up)]
    within = [(at, text) for at, text in marks if held[0].at <= at <= held[-1].at]
    if within:
        named = [{"t": millis(at), "text": text} for at, text in within]
        drawn.append(mark("rule", named, {"x": when()}, color=DIM, strokeDash=[2, 4]))
        drawn.append(
            mark(
                "text",
                named,
                {"x": when(), "y": {"value": 6}, "text": {"field": "text"}},
                align="left",
                dx=4,
                color=DIM,
            )
        )
    said = [
        f"{day(p.at)} {number(p.value)}" + (f" ({number(p.rule)})" if known(p.rule) else "") for p in held
    ]
    shown = said if len(said) <= 12 else [*said[:3], "…", *said[-6:]]
    alt = f"{title}. The model, and in brackets the simple rule: {'; '.join(shown)}."
    return Plot(name, title, alt, unit(drawn, width=WIDE, height=HEIGHT))


def drift_plot(seen: Monitoring, *, shown: int = 8) -> Plot | None:
    """How far each of the most unusual features lay from its past (KS), window by window."""
    if seen.features is None:
        return None
    held = sorted(
        (f for f in seen.features.features if len(f.history) > 1 and not f.tells_time),
        key=lambda f: (not f.drifts, 1.0 if math.isnan(f.p) else f.p),
    )[:shown]
    if not held:
        return None

    def told(f: FeatureDrift) -> str:
        return seen.descriptions.get(f.name, f.name)

    rows = [
        {"x": len(f.history) - 1 - i, "y": told(f), "part": v}
        for f in held
        for i, v in enumerate(f.history)
        if known(v)
    ]
    most = max((v for f in held for v in f.history if known(v)), default=0.0)
    names = [told(f) for f in held]
    place = {
        "x": {
            "field": "x",
            "type": "ordinal",
            "sort": "descending",
            "title": "windows ago",
            "axis": {"labelAngle": 0, "labelOverlap": True},
        },
        "y": {"field": "y", "type": "nominal", "sort": names, "title": None, "axis": {"labelLimit": 260}},
    }
    depth = {
        "field": "part",
        "type": "quantitative",
        "legend": None,
        "scale": {"domain": [0, max(most, 0.1)], "range": [0.05, 1]},
    }
    spec = unit([mark("rect", rows, {**place, "opacity": depth}, color=MODEL)], height={"step": 20})
    said = "; ".join(
        f"{told(f)} {amount(f.history[-1])}, usually {amount(f.usual)}{', drifts' if f.drifts else ''}"
        for f in held
    )
    alt = f"Drift: the KS distance of each feature from its past, now and usually: {said}."
    return Plot(
        "drift", "How far features lay from their past, window by window", alt, {**spec, "width": WIDTH + 80}
    )
