"""Explanations laid out for a reader: what a model rests on, and why one score is what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from foretell.core.text import plural
from foretell.explain.explanation import (
    Dependence,
    EntityExplanation,
    Estimate,
    Explanation,
    Point,
    Told,
)
from foretell.explain.wording import number
from foretell.models.criteria import title
from foretell.report.answer import stack, task_view
from foretell.report.layout import bullets, grid, heading, indented
from foretell.report.numbers import amount, meter, moment, share, signed, sparkline
from foretell.task.model import TaskKind

SHOWN = 10
BAR = 8
SMALL = 0.005
"""Paths and tables of a smaller share are not worth a line."""


def explanation_view(description: str, found: Explanation, *, shown: int = SHOWN) -> RenderableType:
    """What a model rests on; `description` is the question in words."""
    return stack(
        [
            task_view(description),
            _stories(found, shown),
            _tables(found),
            _paths(found, shown) if found.nets else None,
            _curves(found),
            Group(heading("Mind"), bullets(found.remarks)) if found.remarks else None,
        ]
    )


def _stories(found: Explanation, shown: int) -> RenderableType:
    measured = f"{title(found.metric)} {amount(found.measured)}"
    told = (
        f"Looked at {plural(found.rows, 'row')} of the backtest, of "
        f"{plural(found.entities, 'entity', 'entities')}, that the model had not seen: {measured}. "
        "The share is of all that moves its scores. The loss is by how much it gets worse when that is "
        "shuffled, with its 95% interval."
    )
    if found.of:
        told += f" Directions are those of {found.of!r}."
    if not found.stories:
        return Group(heading("What the model rests on"), indented(Text("nothing that is read as a column")))
    view = _bars("share", "", "loss:", "")
    largest = max(s.share for s in found.stories) or 1.0
    for story in found.stories[:shown]:
        view.add_row(
            share(story.share), meter(story.share / largest, BAR), _loss(story.lost), Text(str(story))
        )
    parts: list[RenderableType] = [heading("What the model rests on"), indented(Text(told)), view]
    rest = found.stories[shown:]
    if rest:
        parts.append(Text(f"and {len(rest)} more, together {share(sum(s.share for s in rest))}", style="dim"))
    return Group(*parts)


def _tables(found: Explanation) -> RenderableType | None:
    worth = [t for t in found.tables if t.share >= SMALL]
    if len(worth) < 2:
        return None
    view = _bars("share", "", "loss:", "table")
    largest = worth[0].share
    for told in worth:
        view.add_row(share(told.share), meter(told.share / largest, BAR), _loss(told.lost), Text(told.text))
    return Group(heading("By table"), view)


def _paths(found: Explanation, shown: int) -> RenderableType:
    """Trees and nets side by side, on the same names."""
    said = (
        f"Nets are {share(found.nets)} of the model. Their share is of how far their scores move when rows "
        "of one path are removed; the loss is what nets alone lose by that."
    )
    view = _bars("trees", "nets:", "loss:", "path")
    weight = {p.key: max(p.share, p.net_share or 0.0) for p in found.paths}
    for told in sorted(found.paths, key=lambda p: -weight[p.key])[:shown]:
        view.add_row(
            share(told.share) if told.columns else "–",
            "–" if told.net_share is None else share(told.net_share),
            _loss(told.net_lost),
            Text(told.text),
        )
    return Group(heading("By path, for trees and for nets"), indented(Text(said)), view)


def _curves(found: Explanation) -> RenderableType | None:
    widest = max((_reach(c.points) for c in found.dependence), default=0.0)
    told = [c for c in found.dependence if _reach(c.points) > widest / 10]
    if not told:
        return None
    every = [p.value for c in told for p in c.points]
    of = f"the probability of {found.of!r}" if found.of else _of(found.kind)
    view = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    view.add_column(no_wrap=True, style="cyan")
    view.add_column(overflow="fold")
    for curve in told:
        values = [p.value for p in curve.points]
        drawn = sparkline(values, low=min(every), high=max(every))  # one scale for all
        view.add_row(drawn, Text(_said(curve, found.kind)))
    title_ = f"How {of} goes with each, all else as it is"
    return Group(heading(title_), view)


def _said(curve: Dependence, kind: str) -> str:
    """A curve in words: where it begins and ends, and what is predicted there."""
    if curve.how == "pd":
        each = (f"{_ranged(p, kind)} with {'none' if p.at is None else p.at}" for p in curve.points)
        return f"{curve.text}: {', '.join(each)}"
    points = curve.points
    span = max(abs(float(p.at or 0.0)) for p in points)
    first, last = points[0], points[-1]
    said = f"{curve.text}: from {_at(first, span, kind)} to {_at(last, span, kind)}"
    most, least = (f(points, key=lambda p: p.value) for f in (max, min))
    beyond = [
        f"{word} {_at(p, span, kind)}"
        for word, p in (("most", most), ("least", least))
        if abs(p.value - first.value) > _reach(points) / 4 and abs(p.value - last.value) > _reach(points) / 4
    ]
    return "; ".join([said, *beyond])


def _at(point: Point, span: float, kind: str) -> str:
    """Such as "53% (52% to 54%) at 14"; a place that is nothing beside the others is 0."""
    at = float(point.at or 0.0)
    return f"{_ranged(point, kind)} at {number(0.0 if abs(at) < span / 1000 else at)}"


def _ranged(point: Point, kind: str) -> str:
    low, high = _shown(point.low, kind), _shown(point.high, kind)
    return _shown(point.value, kind) + (f" ({low} to {high})" if low != high else "")


def _reach(points: Sequence[Point]) -> float:
    values = [p.value for p in points]
    return max(values) - min(values) if values else 0.0


def _of(kind: str) -> str:
    return "the probability" if kind == TaskKind.BINARY else "the prediction"


def entity_view(description: str, told: EntityExplanation) -> RenderableType:
    """Why one entity's score is what it is."""
    return stack(
        [
            task_view(description),
            _score(told),
            _reasons(told),
            _by_net(told),
            _hints(told),
            bullets(told.notes) if told.notes else None,
        ]
    )


def _score(told: EntityExplanation) -> RenderableType:
    who = ", ".join(f"{name} {value}" for name, value in told.entity.items())
    value = _shown(told.prediction, told.kind)
    if told.of:
        said = f"{told.of!r}, with a probability of {value}"
    elif told.kind == TaskKind.BINARY:
        said = f"a probability of {value}"
    else:
        said = value
    if told.low is not None and told.high is not None:
        said += f" ({_shown(told.low, told.kind)} to {_shown(told.high, told.kind)})"
    line = f"{said}; without knowing anything of it, {_shown(told.average, told.kind)}"
    return Group(heading(moment(f"{who}, as of {told.as_of}")), indented(Text(line)))


def _reasons(told: EntityExplanation) -> RenderableType | None:
    if not told.reasons:
        return None
    view = Grid(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    view.add_column(justify="right", no_wrap=True)
    view.add_column(no_wrap=True, style="cyan")
    view.add_column(overflow="fold")
    largest = max(abs(t.change) for t in told.reasons) or 1.0
    seen: set[str] = set()
    for reason in told.reasons:
        view.add_row(
            _change(reason.change, told.kind),
            meter(abs(reason.change) / largest, BAR),
            _told(reason, told.entity, seen, told.kind),
        )
    scale = _scale(told)
    for text, effect in (
        ("all other reasons together", told.rest),
        ("what nets make of its rows", told.nets),
    ):
        if abs(effect * scale) >= abs(largest) / 100:
            view.add_row(_change(effect * scale, told.kind), "", Text(text, style="dim"))
    unit = "points of probability" if told.kind != TaskKind.REGRESSION else "the value's own units"
    return Group(heading(f"Why, in {unit}"), view)


def _told(reason: Told, entity: Mapping[str, Any], seen: set[str], kind: str) -> RenderableType:
    """A reason; under it the rows behind it and the score without them, where they were not told already."""
    first = Text(reason.reason.text)
    own = reason.count == 1 and dict(reason.cited[0]["key"]) == dict(entity) if reason.cited else False
    if not reason.evidence or own:
        return first
    below = "the same rows as above" if reason.evidence in seen else reason.evidence
    if reason.evidence not in seen and reason.without is not None:
        rows = "this row" if reason.count == 1 else f"these {reason.count:,} rows"
        below += f"; without {rows} it would be {_shown(reason.without, kind)}"
    seen.add(reason.evidence)
    return Group(first, Text(below, style="dim"))


def _scale(told: EntityExplanation) -> float:
    """What one unit in link space is worth in the prediction, as the reasons say."""
    effect = sum(abs(t.reason.effect) for t in told.reasons)
    return sum(abs(t.change) for t in told.reasons) / effect if effect else 0.0


def _by_net(told: EntityExplanation) -> RenderableType | None:
    worth = [r for r in told.by_net if abs(r.effect) >= 0.01]
    if not worth:
        return None
    said = "Removed one at a time; what is not there cannot be removed. In the score's link space."
    view = grid("effect:", "rows")
    for reason in worth:
        view.add_row(signed(reason.effect, 2), Text(reason.text))
    return Group(heading("What nets read"), indented(Text(said)), view)


def _hints(told: EntityExplanation) -> RenderableType | None:
    if not told.hints:
        return None
    said = "What goes along with another score. That is no cause: nobody was made to change."
    return Group(
        heading("Alike, and scored otherwise"), indented(Text(said)), bullets([str(h) for h in told.hints])
    )


def _loss(lost: Estimate | None) -> str:
    """A loss with its interval.

    >>> _loss(Estimate(0.0312, 0.01, 0.05)), _loss(None)
    ('+0.031 (0.010 to 0.050)', '–')
    """
    if lost is None:
        return "–"
    most = max(abs(lost.value), abs(lost.low), abs(lost.high))
    digits = 3 if most < 1 else 2 if most < 10 else 1
    low, high = (f"{v:.{digits}f}".replace("-", "−") for v in (lost.low, lost.high))
    return f"{signed(lost.value, digits)} ({low} to {high})"


def _shown(value: float, kind: str) -> str:
    return amount(value) if kind == TaskKind.REGRESSION else share(value)


def _change(value: float, kind: str) -> str:
    """A change with its sign: points of probability, or units.

    >>> _change(0.107, "binary"), _change(-12.345, "regression")
    ('+11', '−12.3')
    """
    if kind == TaskKind.REGRESSION:
        return ("+" if value > 0 else "−") + number(abs(value))
    return signed(100 * value, 0 if abs(value) >= 0.0095 else 1)


def _bars(*columns: str) -> Grid:
    view = grid(*columns)
    view.columns[0].justify = "right"
    view.columns[1].style = "cyan"
    view.columns[1].no_wrap = True
    return view
