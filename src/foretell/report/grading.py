"""Grades laid out for a reader: each batch beside what happened, over time and by segment."""

from __future__ import annotations

import math

from rich.console import Group, RenderableType
from rich.text import Text

from foretell.core.text import plural
from foretell.core.time import format_instant
from foretell.evaluation.bootstrap import Score
from foretell.lifecycle.grading import Grade, Grades, Waiting
from foretell.models.criteria import METRICS
from foretell.report.backtest import BANDS, READ, calibration_view
from foretell.report.layout import bullets, grid, heading
from foretell.report.numbers import amount, moment, share, sparkline


def grades_view(grades: Grades) -> RenderableType:
    """The verdict, the batches over time, where the last one did worst, and what waits."""
    last = grades.graded[-1] if grades.graded else None
    style = "bold" if last is None else "bold red" if last.loses or last.lags else "bold green"
    parts: list[RenderableType] = [Text(moment(grades.verdict), style=style)]
    if grades.graded:
        parts += [Text(), _batches_view(grades.graded), *_over_time(grades.graded)]
    if last is not None:
        parts += _trust(last)
        if last.segments:
            parts += [Text(), _segments_view(last)]
    if grades.waiting:
        parts += [Text(), _waiting_view(grades.waiting)]
    return Group(*parts)


def _batches_view(graded: tuple[Grade, ...]) -> RenderableType:
    name = _named(graded[-1].score.metric)
    binary = any(g.ece is not None for g in graded)
    with_rule = any(g.baseline is not None for g in graded)
    with_cover = any(g.coverage is not None for g in graded)
    view = grid(
        "as of",
        "by",
        "rows:",
        "known:",
        "said:",
        "happened:",
        f"{name}:",
        "95% interval",
        *(["simple rule:"] if with_rule else []),
        *(["off by:"] if binary else []),
        *(["in interval:"] if with_cover else []),
    )
    shown = share if binary else amount
    for g in graded:
        bad = "red" if g.loses or g.lags else ""
        cells: list[str | Text] = [
            moment(format_instant(g.cutoff)),
            f"@{g.version}",
            f"{g.rows:,}",
            f"{g.labelled:,}",
            shown(g.said),
            shown(g.happened),
            Text(_value(g.score), style=bad),
            Text(_interval(g.score), style="dim"),
        ]
        if with_rule:
            cells.append(_value(g.baseline))
        if binary:
            cells.append("–" if g.ece is None else f"{100 * g.ece:.1f}")
        if with_cover:
            cells.append(share(g.coverage))
        view.add_row(*cells)
    return Group(heading(f"What became of {plural(len(graded), 'batch', 'batches')}"), view)


def _named(metric: str) -> str:
    """What people call a metric."""
    return READ.get(metric, (metric, ""))[0]


def _over_time(graded: tuple[Grade, ...]) -> list[RenderableType]:
    """The scores as a line of bars, where there are several of one metric."""
    if len(graded) < 3:
        return []
    metric = graded[-1].score.metric
    values = [g.score.value for g in graded if g.score.metric == metric]
    best = "higher" if METRICS[metric].higher_is_better else "lower"
    return [Text(f"{sparkline(values)}  {_named(metric)} over time; {best} is better", style="dim")]


def _trust(last: Grade) -> list[RenderableType]:
    lines = list(last.notes)
    lines += [f"of {last.rows:,} rows {n:,} have no outcome: {why}" for why, n in last.missing.items()]
    if last.promised is not None:
        lines.append(f"the backtest promised {_value(last.promised)} ({_interval(last.promised)})")
    if last.coverage is not None and last.level is not None:
        lines.append(f"{share(last.coverage)} of outcomes lay inside their {share(last.level)} interval")
    view: list[RenderableType] = [bullets(lines)] if lines else []
    return [*view, calibration_view(last.bins)] if len(last.bins) >= BANDS else view


def _segments_view(last: Grade) -> RenderableType:
    view = grid("", "rows:", f"{_named(last.score.metric)}:", "95% interval", "simple rule:")
    for s in last.segments:
        rule = "–" if s.baseline is None else _number(s.baseline)
        view.add_row(
            f"{s.column} = {s.value}",
            f"{s.rows:,}",
            _value(s.score),
            Text(_interval(s.score), style="dim"),
            rule,
        )
    return Group(heading(f"Where the batch of {moment(format_instant(last.cutoff))} did worst"), view)


def _waiting_view(waiting: tuple[Waiting, ...]) -> RenderableType:
    view = grid("as of", "by", "why", stretch="why")
    for w in waiting:
        view.add_row(moment(format_instant(w.cutoff)), f"@{w.version}", moment(w.why))
    return Group(heading(f"Not graded yet: {plural(len(waiting), 'batch', 'batches')}"), view)


def _value(score: Score | None) -> str:
    return "–" if score is None else _number(score.value)


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else amount(value)


def _interval(score: Score) -> str:
    if math.isnan(score.low) or math.isnan(score.high):
        return "not known"
    return f"{_number(score.low)} to {_number(score.high)}"
