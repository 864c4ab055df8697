"""Candidates of the season: what happened a year ago in the days that the label asks about now."""

from __future__ import annotations

import math
from collections.abc import Iterator

from foretell.core.time import DAY, Offset, Unit
from foretell.features.candidates.events import paths_down
from foretell.features.candidates.past import has_past_labels
from foretell.features.candidates.scope import Candidate, Maker, Scope, constant, use
from foretell.features.model import Feature, Kind, OwnLabels, Value
from foretell.schema.model import DType, Hop

_YEAR = 365 * DAY
_COLUMNS = 4  # numbers of an event that are read, at most


def seasons(scope: Scope) -> Iterator[Candidate]:
    """The entity's own events in the label's window a year earlier, and in as long a time before that."""
    task = scope.task
    if task.horizon is None or not _fits(scope):
        return
    width = Offset(task.horizon.amount - (task.gap.amount if task.gap else 0), task.horizon.unit)
    if width.amount <= 0:
        return
    ago = year_before(task.horizon)
    for down in paths_down(scope, ()):
        yield from _season(scope, down, width, ago, 2.2 if len(down) == 1 else 4.2)


def _season(
    scope: Scope, down: tuple[Hop, ...], width: Offset, ago: Offset, rank: float
) -> Iterator[Candidate]:
    table = scope.task.schema.table(down[-1].end)
    if not scope.task.schema.is_timed(table.name):
        return
    make = Maker(scope.task, (), down)
    yield rank, make("count", None, width, ago)
    yield rank + 0.01, make("count", None, width, year_before(Offset(0, width.unit)))
    keys = {c for k in scope.task.schema.links_up(table.name) for c in k.child_columns} | {*table.primary_key}
    read = [c for c in table.columns if c.name not in keys and not c.ignored and not constant(c)]
    for column in [c for c in read if use(c) == "number"][:_COLUMNS]:
        for measure in ("mean",) if column.dtype is DType.BOOLEAN else ("sum", "mean"):
            yield rank + 0.1, make(measure, Value(column.name), width, ago)


def labels_a_year_before(scope: Scope) -> Iterator[Candidate]:
    """The past label nearest to a year before the one that is asked for; the mean of it and its neighbours;
    and everyone's.
    """
    task = scope.task
    if not has_past_labels(task) or not _fits(scope):
        return
    assert task.step is not None and task.horizon is not None
    step = task.step.microseconds
    steps = round(_YEAR / step) - math.ceil(task.horizon.microseconds / step)
    if steps <= 0:
        return
    ago = Offset(task.step.amount * steps, task.step.unit)
    text = "the outcome of the window nearest to a year before the one asked about"
    last = OwnLabels("last", task.step, ago=ago)
    yield 0.6, Feature("label.last.year_ago", Kind.NUMERIC, last, text, "past labels")
    mean = OwnLabels("mean", task.step, everyone=True, ago=ago)
    text = "mean outcome of everyone in the window nearest to a year before the one asked about"
    yield 0.7, Feature("label.everyone.mean.year_ago", Kind.NUMERIC, mean, text, "past labels")


def _fits(scope: Scope) -> bool:
    """Whether a year before the label's window lies before the cutoff, in a history of a year and a half.

    Where a person names the windows to look back over, there is no other.
    """
    task = scope.task
    if task.horizon is None or scope.asked or scope.profile.span_days * DAY < 1.5 * _YEAR:
        return False
    return year_before(task.horizon).amount > 0


def year_before(horizon: Offset) -> Offset:
    """How long ago the window ended that begins a year before the one that ends with the horizon.

    >>> print(year_before(Offset(30)), year_before(Offset(1, Unit.QUARTER)), sep=", ")
    335 days, 3 quarters
    """
    unit = Unit.DAY if horizon.unit is Unit.WEEK else horizon.unit
    if unit.months is not None:
        return Offset(12 / unit.months - horizon.amount, unit)
    assert unit.microseconds is not None
    return Offset((_YEAR - horizon.microseconds) / unit.microseconds, unit)
