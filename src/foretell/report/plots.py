"""Plots of a backtest and of labels: how well a model told the rows apart, and how far its word holds.

Each function takes what is kept of a backtest as JSON (`Backtest.to_dict()`, or `Model.backtest`), and gives
None where that does not hold what it draws: a model of an older release has no curves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from foretell.report.backtest import READ, RULES
from foretell.report.chart import (
    DIM,
    HEIGHT,
    MODEL,
    PAPER,
    RULE,
    WIDTH,
    Plot,
    Spec,
    band,
    capital,
    dates,
    dots,
    known,
    level,
    lines,
    mark,
    millis,
    number,
    shares,
    spans,
    unit,
    when,
    x,
    y,
)
from foretell.report.numbers import amount, share

__all__ = ["Plot", "backtest_plots", "labels_plot"]

Told = Mapping[str, Any]
THE_MODEL = "the model"
SKEWED = 8
"""So many times the usual value are the largest where a scale shrinks them."""


def backtest_plots(told: Told | None) -> tuple[Plot, ...]:
    """Every plot that the backtest has the numbers for, in the order in which a reader wants them."""
    if told is None:
        return ()
    made = (plot(told) for plot in _OF_BACKTEST)
    return tuple(p for p in made if p is not None)


def roc(told: Told) -> Plot | None:
    """Of those for whom it came true the share found, against false alarms among the others."""
    cuts = _cuts(told)
    if cuts is None:
        return None
    rows, positives = told["curves"]["rows"], told["curves"]["positives"]
    names = [THE_MODEL]
    across = x("x", "share of the others called as well", axis=shares(), scale={"domain": [0, 1]})
    up = y("y", "share of those who came true, found", axis=shares(), scale={"domain": [0, 1]})
    drawn = _roc_rows(cuts, rows, positives, THE_MODEL)
    best = _cuts(told, "baseline_cuts")
    if best is not None:
        names.append(_rule(told))
        drawn += _roc_rows(best, rows, positives, _rule(told))
    guess = mark(
        "line",
        [{"x": 0, "y": 0}, {"x": 1, "y": 1}],
        {"x": across, "y": up},
        color=DIM,
        strokeDash=[2, 4],
        strokeWidth=1,
    )
    area = told["scores"]["model"].get("auroc")
    found = _at(cuts, rows, 0.1)
    alt = (
        f"ROC curve. The area under it is {number(area)}, where 0.5 is guessing and 1 perfect. "
        f"When a tenth of the others are called as well, {share(found)} of those who came true are found."
    )
    if not known(area):
        alt = "ROC curve of the model and the best simple rule."
    of_model = [r for r in drawn if r["of"] == THE_MODEL]
    spec = unit([guess, band(of_model, across, up), lines(drawn, names, across, up)], height=WIDTH * 3 // 4)
    return Plot("roc", "Telling apart who will and who will not (ROC)", alt, spec)


def precision_recall(told: Told) -> Plot | None:
    """How many of those called come true, as more are called."""
    cuts = _cuts(told)
    if cuts is None:
        return None
    rows, positives = told["curves"]["rows"], told["curves"]["positives"]
    across = x("x", "share of those who came true, found", axis=shares(), scale={"domain": [0, 1]})
    up = y("y", "share of those called who came true", axis=shares(), scale={"domain": [0, 1]})
    names = [THE_MODEL]
    drawn = _precision_rows(cuts, positives, THE_MODEL)
    best = _cuts(told, "baseline_cuts")
    if best is not None:
        names.append(_rule(told))
        drawn += _precision_rows(best, positives, _rule(told))
    of_model = [r for r in drawn if r["of"] == THE_MODEL]
    half = next((r["y"] for r in of_model if r["x"] >= 0.5), None)
    alt = (
        f"Precision against recall. When half of those who came true are found, {share(half)} of those "
        f"called are right; among all it is {share(positives / rows)}."
    )
    marks = [level(positives / rows, up), band(of_model, across, up), lines(drawn, names, across, up)]
    return Plot("precision_recall", "Being right when calling (precision and recall)", alt, unit(marks))


def gain(told: Told) -> Plot | None:
    """Who is reached by taking the highest scores first (cumulative gain)."""
    cuts = _cuts(told)
    if cuts is None:
        return None
    rows, positives = told["curves"]["rows"], told["curves"]["positives"]
    across = x("x", "share of all, highest scores first", axis=shares(), scale={"domain": [0, 1]})
    up = y("y", "share of those who came true, reached", axis=shares(), scale={"domain": [0, 1]})
    names = [THE_MODEL]
    drawn = _gain_rows(cuts, rows, positives, THE_MODEL)
    best = _cuts(told, "baseline_cuts")
    if best is not None:
        names.append(_rule(told))
        drawn += _gain_rows(best, rows, positives, _rule(told))
    of_model = [r for r in drawn if r["of"] == THE_MODEL]
    tenth = _interpolated([(r["x"], r["y"]) for r in of_model], 0.1)
    fifth = _interpolated([(r["x"], r["y"]) for r in of_model], 0.2)
    guess = mark(
        "line",
        [{"x": 0, "y": 0}, {"x": 1, "y": 1}],
        {"x": across, "y": up},
        color=DIM,
        strokeDash=[2, 4],
        strokeWidth=1,
    )
    alt = (
        f"Cumulative gain. The highest tenth of the scores holds {share(tenth)} of those who came true, "
        f"{tenth * 10:.1f} times as many as a tenth drawn at random; the highest fifth holds {share(fifth)}."
    )
    return Plot(
        "gain",
        "How many are reached by taking the highest scores first",
        alt,
        unit([guess, band(of_model, across, up), lines(drawn, names, across, up)]),
    )


def calibration(told: Told) -> Plot | None:
    """What was said beside how often it came true, and how many rows said so."""
    held = _calibration_rows(told)
    if not held:
        return None
    top = min(1.0, max(max(r["x"], r["y"], r.get("high") or 0.0) for r in held) * 1.08)
    axis = shares(tickCount=5)
    within = {"domain": [0, top], "padding": 0, "nice": False}
    across = x("x", None, axis={**axis, "labels": False}, scale=within)
    up = y("y", "came true", axis=axis, scale=within)
    ideal = mark(
        "line",
        [{"x": 0, "y": 0}, {"x": top, "y": top}],
        {"x": across, "y": up},
        color=DIM,
        strokeDash=[4, 4],
        strokeWidth=1,
    )
    counts = mark(
        "bar",
        held,
        {
            "x": x("x", "said", axis=axis, scale=within),
            "y": y("rows", "rows", axis={"tickCount": 2, "format": ",~f"}),
        },
        color=MODEL,
        size=9,
    )
    main = unit([ideal, spans(held, across, up), dots(held, across, up)], height=WIDTH * 5 // 8)
    spec: Spec = {"vconcat": [main, {"width": WIDTH, "height": 44, **counts}], "spacing": 6}
    worst = max(held, key=lambda r: r["rows"] * abs(r["x"] - r["y"]))
    alt = (
        f"Calibration. {_off(told)} The band that adds most: where {share(worst['x'])} was said, "
        f"{share(worst['y'])} came true ({worst['rows']:,} rows)."
    )
    return Plot("calibration", "What was said, and how often it came true", alt, spec)


def scores(told: Told) -> Plot | None:
    """How the scores of those who came true lie beside those of the others."""
    held = _curve(told, "scores")
    if held is None:
        return None
    edges = held["edges"]
    names = ("came true", "did not")
    rows = []
    for of, counts in ((names[0], held["yes"]), (names[1], held["no"])):
        total = sum(counts) or 1
        heights = [0.0, *(n / total for n in counts), 0.0]
        places = [edges[0], *edges]
        rows += [{"i": i, "x": a, "y": h, "of": of} for i, (a, h) in enumerate(zip(places, heights))]
    across = x("x", "score", axis=shares(), scale={"nice": False, "zero": False})
    up = y("y", "share of each", axis=shares(tickCount=4))
    middle = {of: _middle(edges, held[k]) for of, k in zip(names, ("yes", "no"))}
    alt = (
        f"Distribution of scores. Half of those who came true were scored above about "
        f"{share(middle['came true'])}, half of the others above about {share(middle['did not'])}."
    )
    steps = lines(rows, names, across, up, interpolate="step-after")
    return Plot("scores", "Scores of those who came true, and of the others", alt, unit([steps]))


def actual(told: Told) -> Plot | None:
    """Numbers: what was said beside what happened, in groups of equal size and for some rows."""
    held = _curve(told, "levels")
    if held is None:
        return None
    rows = [
        {"x": a, "y": b, "low": low, "high": high, "middle": m, "tenth": t, "ninetieth": n}
        for a, b, low, high, m, t, n in zip(
            *(held[k] for k in ("said", "happened", "low", "high", "middle", "tenth", "ninetieth"))
        )
    ]
    seen = [v for r in rows for v in (r["x"], r["tenth"], r["ninetieth"], r["y"])]
    floor, top = min(seen), max(seen)
    within, ticks = _scale(floor, top, sorted(r["ninetieth"] for r in rows)[len(rows) // 2])
    across = x("x", "said", axis={**ticks, "format": ",~f"}, scale=within)
    up = y("y", "happened", axis={**ticks, "format": ",~f"}, scale=within)
    points = _curve(told, "sample")
    some = [
        {"x": a, "y": b}
        for a, b in zip(points["said"], points["happened"])
        if floor <= a <= top and floor <= b <= top
    ]
    marks = [
        mark("line", [{"x": floor, "y": floor}, {"x": top, "y": top}], {"x": across, "y": up},
             color=DIM, strokeDash=[4, 4], strokeWidth=1),
        mark("point", some, {"x": across, "y": up}, color=DIM, filled=True, size=12, opacity=0.5),
        mark("rule", rows, {"x": across, "y": {**up, "field": "tenth"}, "y2": {"field": "ninetieth"}},
             color=MODEL, strokeWidth=1, opacity=0.7),
        mark("rule", rows, {"x": across, "y": {**up, "field": "low"}, "y2": {"field": "high"}},
             color=MODEL, strokeWidth=3),
        dots(rows, across, up),
    ]  # fmt: skip
    marks.append(
        mark(
            "tick",
            rows,
            {"x": across, "y": {**up, "field": "middle"}},
            color=RULE,
            thickness=2.5,
            size=10,
            orient="horizontal",
        )
    )
    last, first = rows[-1], rows[0]
    middle = (
        f"{amount(last['middle'])} in the middle, and the middle 80% between {amount(last['tenth'])} and "
        f"{amount(last['ninetieth'])}"
    )
    alt = (
        f"Predicted and actual values in {len(rows)} groups of about equal size. Where "
        f"{amount(first['x'])} was said on average, {amount(first['y'])} happened on average; where "
        f"{amount(last['x'])} was said, {amount(last['y'])} happened on average, {middle}."
    )
    return Plot(
        "actual",
        "What was said, and what happened (dot: mean, tick: median)",
        alt,
        unit(marks, height=WIDTH * 3 // 4),
    )


def _scale(floor: float, top: float, middle: float) -> tuple[Spec, Spec]:
    """A scale of numbers and its ticks: where a few are far larger than most, one that shrinks large ones."""
    if top <= SKEWED * max(middle, 1e-9) or top <= 0:
        return {"domain": [floor, top], "nice": True}, {"tickCount": 5}
    first = math.floor(math.log10(max(middle, top / 10_000)))
    powers = [10.0**k for k in range(first, math.floor(math.log10(top)) + 1)]
    values = [0.0, *powers] if floor >= 0 else [*(-p for p in powers if -p >= floor), 0.0, *powers]
    scale = {"type": "symlog", "constant": powers[0], "domain": [floor, top], "nice": False}
    return scale, {"values": values}


def residuals(told: Told) -> Plot | None:
    """Numbers: by how much outcomes lay above or below what was said."""
    held = _curve(told, "residuals")
    if held is None:
        return None
    edges, counts = held["edges"], held["rows"]
    rows = [{"low": a, "high": b, "y": n, "zero": 0} for a, b, n in zip(edges, edges[1:], counts)]
    across = x("low", "happened less what was said", axis={"format": ",~f"}, scale={"nice": False})
    bars = mark(
        "rect",
        rows,
        {
            "x": across,
            "x2": {"field": "high"},
            "y": y("zero", "rows", axis={"tickCount": 4, "format": ",~f"}),
            "y2": {"field": "y"},
        },
        color=MODEL,
        opacity=0.75,
        stroke=PAPER,
    )
    zero = mark("rule", [{"x": 0}], {"x": {**across, "field": "x"}}, color=DIM, strokeDash=[4, 4])
    mean, middle = (
        f"{amount(abs(v))} {'below' if v < 0 else 'above'}" for v in (held["mean"], held["middle"])
    )
    alt = (
        f"Residuals. On average outcomes lay {mean} what was said, the middle one {middle} it. The middle "
        f"98% lie between {amount(edges[0])} and {amount(edges[-1])}; {held['below'] + held['above']:,} rows "
        "beyond that are not drawn."
    )
    return Plot("residuals", "How far off predictions were", alt, unit([bars, zero]))


def confusion(told: Told) -> Plot | None:
    """Classes: for each true class the share that each class was said of it."""
    held = _curve(told, "confusion")
    if held is None:
        return None
    names, counts = held["classes"], held["rows"]
    rows = []
    for true, row in zip(names, counts):
        total = sum(row) or 1
        for said, n in zip(names, row):
            rows.append({"x": said, "y": true, "part": n / total, "text": share(n / total) if n else ""})
    across = {"field": "x", "type": "nominal", "sort": names, "title": "said",
              "axis": {"labelAngle": -40, "labelLimit": 80, "domain": False, "ticks": False}}  # fmt: skip
    up = {"field": "y", "type": "nominal", "sort": names, "title": "happened",
          "axis": {"labelLimit": 80, "domain": False, "ticks": False}}  # fmt: skip
    size = max(20, min(40, (WIDTH - 40) // len(names)))
    place = {"x": across, "y": up}
    # The scale ends at a half: ink on it keeps its contrast.
    depth = {"field": "part", "type": "quantitative", "legend": None,
             "scale": {"domain": [0, 1], "range": [0, 0.5]}}  # fmt: skip
    cells = mark("rect", rows, {**place, "opacity": depth}, color=MODEL)
    said = mark("text", rows, {**place, "text": {"field": "text"}}, fontSize=11 if size >= 34 else 9)
    right = sum(row[i] for i, row in enumerate(counts)) / max(1, sum(map(sum, counts)))
    found = [(row[i] / sum(row), n) for i, (row, n) in enumerate(zip(counts, names)) if sum(row)]
    best, worst = max(found), min(found)
    alt = (
        f"Which class was said of which: {share(right)} of all rows were right. Found best is "
        f"{best[1]} ({share(best[0])} of its rows), worst {worst[1]} ({share(worst[0])})."
    )
    spec = unit([cells, said], height={"step": size})
    return Plot("confusion", "Which class was said of which", alt, {**spec, "width": {"step": size}})


def over_time(told: Told) -> Plot | None:
    """The score at each cutoff or run of cutoffs, with its interval, beside the best simple rule's."""
    held = [s for s in told["slices"] if known(s["model"])]
    if len(held) < 2:
        return None
    name = READ.get(told["metric"], (told["metric"], ""))[0]
    rule = _rule(told)
    up = y("y", name, axis={"tickCount": 5}, scale={"zero": False})
    rows = [
        {"t": millis(s["name"]), "y": s["model"], "low": s.get("low"), "high": s.get("high"), "of": THE_MODEL}
        for s in held
    ]
    rules = [{"t": millis(s["name"]), "y": s["baseline"], "of": rule} for s in held if known(s["baseline"])]
    both = [{**r, "i": i} for i, r in enumerate((*rows, *rules))]
    across = when(axis=dates([r["t"] for r in rows]))
    marks = [
        spans(rows, across, up),
        lines(both, [THE_MODEL, rule], across, up),
        dots(rows, across, up),
    ]
    parts = [
        f"{s['name'].partition(' … ')[0][:10]} {number(s['model'])} against {number(s['baseline'])}"
        for s in held
    ]
    alt = f"{capital(name)} over time, the model against the best simple rule: {'; '.join(parts)}."
    return Plot("over_time", capital(f"{name} over time"), alt, unit(marks))


def coverage(told: Told) -> Plot | None:
    """The share of outcomes that lay inside their interval, over time, beside the share that should."""
    held = [s for s in told["slices"] if known(s.get("coverage"))]
    if len(held) < 2 or not known(told.get("level")):
        return None
    rows = [{"t": millis(s["name"]), "y": s["coverage"]} for s in held]
    low = min(*(r["y"] for r in rows), told["level"])
    up = y("y", "inside their interval", axis=shares(), scale={"domain": [max(0.0, low - 0.1), 1]})
    across = when(axis=dates([r["t"] for r in rows]))
    marks = [
        level(told["level"], up),
        mark("line", rows, {"x": across, "y": up}, color=MODEL, strokeWidth=2),
        dots(rows, across, up),
    ]
    shown = [r["y"] for r in rows]
    alt = (
        f"Coverage over time: of each time's outcomes {share(min(shown))} to {share(max(shown))} lay inside "
        f"intervals that should hold {share(told['level'])}; over all {share(told['coverage'])}."
    )
    return Plot("coverage", "How often intervals held", alt, unit(marks, height=HEIGHT * 3 // 4))


def labels_plot(told: Told) -> Plot | None:
    """Labels over time (of `LabelReport.to_dict()`): how many, and their mean or share of yes."""
    cutoffs = told.get("cutoffs") or []
    if len(cutoffs) < 2:
        return None
    rows = [{"t": millis(c["cutoff"]), "rows": c["rows"], "y": c["mean"]} for c in cutoffs]
    with_mean = any(known(r["y"]) for r in rows)
    binary = told["kind"] == "binary"
    axis = shares() if binary else {"tickCount": 4}
    title = "share of yes" if binary else "mean"
    counts = {
        "width": WIDTH,
        "height": 60,
        **mark(
            "bar",
            rows,
            {"x": when(), "y": y("rows", "rows", axis={"tickCount": 2, "format": ",~f"})},
            color=DIM,
            size=max(1, min(12, WIDTH // len(rows) - 1)),
        ),
    }
    spec: Spec = counts
    alt = f"Labels over time: {len(rows)} cutoffs, {sum(r['rows'] for r in rows):,} rows."
    if with_mean:
        means = [r["y"] for r in rows if known(r["y"])]
        show = share if binary else amount
        span = f"{show(min(means))} and {show(max(means))}"
        alt += f" The {title} lies between {span}, at the last cutoff {show(means[-1])}."
        low = {} if binary and min(means) < 0.5 * max(means) else {"zero": False}
        place = {"x": when(axis={"labels": False}), "y": y("y", title, axis=axis, scale=low)}
        curve = [
            mark("line", rows, place, color=MODEL, strokeWidth=2),
            mark("point", rows, place, color=MODEL, filled=True, size=20, opacity=1),
        ]
        spec = {"vconcat": [unit(curve, height=HEIGHT * 2 // 3), counts], "spacing": 6}
    return Plot("labels", "Labels over time", alt, spec)


_OF_BACKTEST: tuple[Callable[[Told], Plot | None], ...] = (
    roc,
    precision_recall,
    gain,
    actual,
    confusion,
    calibration,
    scores,
    residuals,
    over_time,
    coverage,
)


def _curve(told: Told, name: str) -> Any:
    return (told.get("curves") or {}).get(name)


def _cuts(told: Told, name: str = "cuts") -> Told | None:
    held = _curve(told, name)
    return held if held and told["curves"]["positives"] else None


def _rule(told: Told) -> str:
    rule = told["best_baseline"]
    return f"best simple rule: {RULES.get(rule, rule)}"


def _roc_rows(cuts: Told, rows: int, positives: int, of: str) -> list[dict[str, Any]]:
    others = max(1, rows - positives)
    out = [{"i": 0, "x": 0.0, "y": 0.0, "low": 0.0, "high": 0.0, "of": of}]
    for i, (n, hits) in enumerate(zip(cuts["rows"], cuts["hits"])):
        span = {"low": cuts["recall_low"][i], "high": cuts["recall_high"][i]} if "recall_low" in cuts else {}
        out.append({"i": i + 1, "x": (n - hits) / others, "y": hits / positives, "of": of, **span})
    return out


def _gain_rows(cuts: Told, rows: int, positives: int, of: str) -> list[dict[str, Any]]:
    out = _roc_rows(cuts, rows, positives, of)
    for row, n in zip(out, (0, *cuts["rows"])):
        row["x"] = n / rows
    return out


def _precision_rows(cuts: Told, positives: int, of: str) -> list[dict[str, Any]]:
    out = []
    for i, (n, hits) in enumerate(zip(cuts["rows"], cuts["hits"])):
        span = (
            {"low": cuts["precision_low"][i], "high": cuts["precision_high"][i]}
            if "precision_low" in cuts
            else {}
        )
        out.append({"i": i, "x": hits / positives, "y": hits / n, "of": of, **span})
    return out


def _at(cuts: Told, rows: int, false_alarms: float) -> float:
    """The share found where that share of the others is called too."""
    total = cuts["hits"][-1]
    others = max(1, rows - total)
    points = [
        (0.0, 0.0),
        *(((n - h) / others, h / max(1, total)) for n, h in zip(cuts["rows"], cuts["hits"])),
    ]
    return _interpolated(points, false_alarms)


def _interpolated(points: list[tuple[float, float]], at: float) -> float:
    """The height of a line through points in order, at a place."""
    before = points[0]
    for point in points[1:]:
        if point[0] >= at:
            run = point[0] - before[0]
            return point[1] if run <= 0 else before[1] + (point[1] - before[1]) * (at - before[0]) / run
        before = point
    return before[1]


def _calibration_rows(told: Told) -> list[dict[str, Any]]:
    held = _curve(told, "calibration")
    if held is not None:
        keys = {"x": "said", "y": "happened", "low": "low", "high": "high", "rows": "rows"}
        return [dict(zip(keys, values)) for values in zip(*(held[k] for k in keys.values()))]
    return [{"x": b["said"], "y": b["happened"], "rows": b["rows"]} for b in told.get("bins") or ()]


def _off(told: Told) -> str:
    if not known(told.get("ece")):
        return ""
    return f"A stated probability is off by {100 * told['ece']:.1f} percentage points on average."


def _middle(edges: list[float], counts: list[int]) -> float:
    """The median of a histogram, straight within its bar."""
    half, seen = sum(counts) / 2, 0.0
    for low, high, n in zip(edges, edges[1:], counts):
        if n and seen + n >= half:
            return low + (high - low) * (half - seen) / n
        seen += n
    return edges[-1]
