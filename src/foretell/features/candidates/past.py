"""Candidates of what was: an entity's own past labels, everyone's, and the calendar of the cutoff."""

from __future__ import annotations

from collections.abc import Iterator

from foretell.core.time import Last, LookBack, Offset
from foretell.features.candidates.scope import Candidate, Scope
from foretell.features.lower import PAST_STEPS
from foretell.features.model import CutoffPart, Feature, Kind, OwnLabels
from foretell.plan.measures import MEASURES
from foretell.plan.nodes import Following
from foretell.query import ast
from foretell.schema.model import DType
from foretell.task.model import Task, TaskKind


def past_labels(scope: Scope) -> Iterator[Candidate]:
    """The entity's own outcomes in windows that have closed."""
    task = scope.task
    if not has_past_labels(task) and not (task.kind is TaskKind.MULTICLASS and _may_look_back(task)):
        return
    assert task.step is not None
    ten = Offset(task.step.amount * 10, task.step.unit)
    all_of_it = Offset(task.step.amount * PAST_STEPS, task.step.unit)
    what = "outcome" if task.kind is not TaskKind.REGRESSION else "value"
    table: list[tuple[str, str, LookBack, str]]
    if task.kind is TaskKind.MULTICLASS:
        table = [
            ("last", "last_category", all_of_it, f"the last known {what}"),
            ("mode.all", "mode", all_of_it, f"the most frequent {what} of the last {PAST_STEPS} windows"),
            ("count.all", "count", all_of_it, f"number of known {what}s in the last {PAST_STEPS} windows"),
        ]
    else:
        table = [
            ("last", "last", all_of_it, f"the last known {what}"),
            ("mean.all", "mean", all_of_it, f"mean {what} over the last {PAST_STEPS} windows"),
            ("count.all", "count", all_of_it, f"number of known {what}s in the last {PAST_STEPS} windows"),
            ("mean.10", "mean", ten, f"mean {what} over the last 10 windows"),
            ("count.10", "count", ten, f"number of known {what}s in the last 10 windows"),
            ("trend.all", "trend", all_of_it, f"trend of the {what} over the last {PAST_STEPS} windows"),
            ("std.all", "std", all_of_it, f"spread of the {what} over the last {PAST_STEPS} windows"),
            ("mean.last3", "mean", Last(3), f"mean of the last 3 known {what}s"),
            ("mean.last10", "mean", Last(10), f"mean of the last 10 known {what}s"),
            ("std.last5", "std", Last(5), f"spread of the last 5 known {what}s"),
            ("tenure.last5", "tenure", Last(5), f"days since the first of the last 5 known {what}s"),
        ]
    for name, measure, window, text in table:
        kind = Kind.CATEGORICAL if MEASURES[measure].categorical else Kind.NUMERIC
        yield 0.0, Feature(f"label.{name}", kind, OwnLabels(measure, window), text, "past labels")
    if task.kind is TaskKind.BINARY or task.target.dtype is DType.TEXT:
        run = OwnLabels("last", all_of_it, following=Following.RUN)
        text = "how many known outcomes in a row have been as the last"
        if task.kind is TaskKind.BINARY:
            text += " (below 0: did not happen)"
        yield 0.1, Feature("label.run", Kind.NUMERIC, run, text, "past labels")


def has_past_labels(task: Task) -> bool:
    """Whether earlier labels are numbers that are known by the close of their windows."""
    return task.kind in (TaskKind.BINARY, TaskKind.REGRESSION) and _may_look_back(task)


def _may_look_back(task: Task) -> bool:
    return task.step is not None and not _known_late(task)


def everyones_labels(scope: Scope) -> Iterator[Candidate]:
    """The level of the outcome over the whole population, by which a value is high or low in its day."""
    task = scope.task
    if not has_past_labels(task):
        return
    assert task.step is not None
    what = "outcome" if task.kind is TaskKind.BINARY else "value"
    for count, text in ((1, "last window"), (3, "last 3 windows"), (10, "last 10 windows")):
        window = Offset(task.step.amount * count, task.step.unit)
        mean = OwnLabels("mean", window, everyone=True)
        text = f"mean {what} of everyone over the {text}"
        yield 0.5, Feature(f"label.everyone.mean.{count}", Kind.NUMERIC, mean, text, "past labels")
    number = OwnLabels("count", task.step, everyone=True)
    text = f"number of known {what}s of everyone in the last window"
    yield 0.5, Feature("label.everyone.count.1", Kind.NUMERIC, number, text, "past labels")


def _known_late(task: Task) -> bool:
    """Whether labels read what is known some time after its row: then a closed window may not be known."""
    bound = [b for b in (task.target, task.assuming) if b is not None]
    return any(
        task.schema.table(a.table).column(c.name).known_at is not None
        for b in bound
        for a in b.aggregates
        for c in (*ast.columns(a.value), *ast.columns(a.where))
        if c.name != "*"
    )


def calendar(scope: Scope) -> Iterator[Candidate]:
    """Parts of the cutoff that the history has seen at least twice round, and that differ between cutoffs."""
    task = scope.task
    step = task.step.days if task.step else 0.0
    parts = []
    if scope.profile.span_days > 2 * 365 and step < 200:
        parts.append(("month", "month of the cutoff"))
    if step < 7:
        parts.append(("weekday", "weekday of the cutoff"))
    if step < 1:
        parts.append(("hour", "hour of the cutoff"))
    if task.is_static and not task.schema.is_timed(task.entity.name):
        return
    for part, text in parts:
        yield 0.5, Feature(f"cutoff.{part}", Kind.NUMERIC, CutoffPart(part), text, "calendar")
