"""Realised performance over time as one SVG: plain shapes, no scripts, nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from foretell.core.time import Instant, format_instant
from foretell.lifecycle.grading import Grades
from foretell.report.backtest import READ
from foretell.report.numbers import amount

WIDTH, HEIGHT = 760, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 44, 40
INK, DIM, MODEL, RULE = "#1a1a1a", "#6b6b6b", "#0b62a4", "#b45309"


@dataclass(frozen=True)
class Point:
    """A score at a time, with its interval (nan: not known) and the simple rule's score beside it."""

    at: Instant
    value: float
    low: float
    high: float
    rule: float


def grades_svg(grades: Grades) -> str:
    """The grades of the metric of the last one, as an SVG image."""
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
    return scores_svg(points, f"{grades.name}: realised {READ.get(last, (last, ''))[0]}")


def scores_svg(points: Sequence[Point], title: str, marks: Sequence[tuple[Instant, str]] = ()) -> str:
    """A line with its interval as a band and the simple rule's line beneath; `marks` are named moments.

    >>> scores_svg([], "nothing yet").startswith("<svg") and "no batch" in scores_svg([], "")
    True
    """
    known = [p for p in points if not math.isnan(p.value)]
    if not known:
        return _page(title, [_text(WIDTH / 2, HEIGHT / 2, "no batch has been graded yet", "middle", DIM)])
    values = [v for p in known for v in (p.value, p.low, p.high, p.rule) if not math.isnan(v)]
    floor, top = min(values), max(values)
    room = (top - floor) * 0.08 or abs(top) * 0.05 or 1.0
    floor, top = floor - room, top + room
    first, last = known[0].at, known[-1].at

    def x(at: Instant) -> float:
        inside = WIDTH - LEFT - RIGHT
        return LEFT + inside * ((at - first) / (last - first) if last > first else 0.5)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (top - value) / (top - floor)

    parts = []
    for value in _ticks(floor, top):
        parts.append(f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#e5e5e5"/>')
        parts.append(_text(LEFT - 8, y(value) + 4, amount(value), "end", DIM))
    for at, name in marks:
        if first <= at <= last:
            parts.append(
                f'<path d="M{x(at):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="{DIM}" stroke-dasharray="2 4"/>'
            )
            parts.append(_text(x(at) + 3, TOP + 10, name, "start", DIM))
    band = [p for p in known if not math.isnan(p.low) and not math.isnan(p.high)]
    if band:
        edge = [(x(p.at), y(p.high)) for p in band] + [(x(p.at), y(p.low)) for p in reversed(band)]
        parts.append(f'<path d="{_path(edge)}Z" fill="{MODEL}" fill-opacity="0.15"/>')
    rule = [(x(p.at), y(p.rule)) for p in known if not math.isnan(p.rule)]
    parts.append(
        f'<path d="{_path(rule)}" fill="none" stroke="{RULE}" stroke-width="1.5" stroke-dasharray="5 3"/>'
    )
    line = [(x(p.at), y(p.value)) for p in known]
    parts.append(f'<path d="{_path(line)}" fill="none" stroke="{MODEL}" stroke-width="2"/>')
    parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{MODEL}"/>' for a, b in line]
    parts.append(_text(LEFT, HEIGHT - 12, format_instant(first)[:10], "start", DIM))
    parts.append(_text(WIDTH - RIGHT, HEIGHT - 12, format_instant(last)[:10], "end", DIM))
    parts.append(_text(WIDTH - RIGHT, 22, "the model", "end", MODEL))
    parts.append(_text(WIDTH - RIGHT - 80, 22, "the simple rule", "end", RULE))
    return _page(title, parts)


def _ticks(floor: float, top: float) -> list[float]:
    """Round values within a range, three to eight of them.

    >>> _ticks(0.42, 0.88)
    [0.5, 0.6, 0.7, 0.8]
    """
    size = 10.0 ** math.floor(math.log10(top - floor))
    step = next(
        s for s in (size, size / 2, size / 5, size / 10) if math.floor(top / s) - math.ceil(floor / s) >= 2
    )
    return [round(i * step, 12) for i in range(math.ceil(floor / step), math.floor(top / step) + 1)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "".join(f"{'L' if i else 'M'}{a:.1f} {b:.1f}" for i, (a, b) in enumerate(points))


def _text(x: float, y: float, said: str, anchor: str, colour: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(said)}</text>'


def _page(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
        f'<text x="{LEFT}" y="22" font-size="14" font-weight="600" fill="{INK}">{escape(title)}</text>'
        + "".join(parts)
        + "</svg>\n"
    )
