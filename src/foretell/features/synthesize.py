"""Features from a schema alone: what a person would try first, for any database.

Candidates come in an order of expected value: the entity's own past labels and columns, its direct events,
its parents, events two hops away. A budget cuts the tail, and what was left out is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from foretell.core.text import plural
from foretell.core.time import Offset, Unit
from foretell.features.describe import aggregate_words, owner, path_name, short, words
from foretell.features.lower import PAST_STEPS
from foretell.features.model import (
    Aggregated,
    Attribute,
    CutoffPart,
    Feature,
    FeatureSet,
    Kind,
    OwnLabels,
    Value,
)
from foretell.plan.measures import MEASURES
from foretell.query import ast
from foretell.schema.model import Column, DType, Hop, Semantic
from foretell.task.model import Task, TaskKind

Vocabulary = Callable[[str, str], tuple[str, ...]]
"""(table, column) → its most frequent values, taken from the training period alone."""

BUDGET = 400
_CATEGORIES = 6  # per-category counts for at most this many values of a column
_BRIEF_COLUMNS = 12  # columns read of the events around a parent last seen
_FAR_COLUMNS = 6  # columns read of a table that is not a direct child
_MAX_DISTINCT = 1000


@dataclass(frozen=True)
class Profile:
    """What synthesis may know of the data: its span in days up to the last training cutoff, and
    vocabularies.

    `later` names time columns that were written after their rows came to be. `crowded` names links by which
    so many rows share a parent that they tell little of any one of them, and cost much.
    """

    span_days: float
    vocabulary: Vocabulary
    later: frozenset[str] = frozenset()
    crowded: frozenset[str] = frozenset()


def synthesize(task: Task, profile: Profile, *, budget: int = BUDGET) -> FeatureSet:
    """The features of a task, at most `budget` of them, in order of expected value."""
    unique: dict[str, tuple[float, Feature]] = {}
    for rank, feature in _candidates(task, profile):
        unique.setdefault(feature.name, (rank, feature))
    ranked = sorted(unique.values(), key=lambda pair: pair[0])
    kept = [f for _, f in ranked[:budget]]
    left = ranked[budget:]
    said: tuple[str, ...] = ()
    if left:
        groups = sorted({f.group for _, f in left})
        said = (
            f"{plural(len(left), 'feature')} of lower expected value left out, from {', '.join(groups[:6])}",
        )
    return FeatureSet(tuple(kept), said)


def windows_for(task: Task, span_days: float) -> tuple[Offset, ...]:
    """Look-back windows: multiples of the horizon that the history can fill; a ladder for static targets.

    >>> from foretell.core.time import Offset
    >>> [str(w) for w in ladder(Offset(30), 700.0)]
    ['30 days', '90 days', '300 days']
    """
    if task.horizon is not None:
        width = Offset(task.horizon.amount - (task.gap.amount if task.gap else 0), task.horizon.unit)
        return ladder(width, span_days)
    rungs = [Offset(n, u) for n, u in ((6, Unit.HOUR), (1, Unit.DAY), (7, Unit.DAY), (30, Unit.DAY))]
    rungs += [Offset(n, Unit.DAY) for n in (90, 365, 1095, 3650)]
    fitting = [r for r in rungs if span_days / 200 <= r.days <= span_days * 0.6]
    return tuple(fitting[-4:][:3])


def ladder(width: Offset, span_days: float) -> tuple[Offset, ...]:
    """The width of a target's window, and three and ten times it, as far as the history reaches."""
    steps = [Offset(width.amount * k, width.unit) for k in (1, 3, 10)]
    return tuple(w for w in steps if w.days <= span_days * 0.75) or (steps[0],)


def _candidates(task: Task, profile: Profile) -> Iterator[tuple[float, Feature]]:
    schema, entity = task.schema, task.entity.name
    windows = windows_for(task, profile.span_days)
    yield from _past_labels(task)
    yield from _everyones_labels(task)
    yield from _calendar(task, profile)
    yield from _attributes(task, (), 1.0, profile)
    for link in schema.links_up(entity):
        first = (Hop(link, up=True),)
        yield from _attributes(task, first, 3.0, profile)
        for second in schema.links_up(link.parent):
            if second.parent not in (entity, link.parent):
                yield from _attributes(task, (*first, Hop(second, up=True)), 6.0, profile)
    yield from _paths_from(task, (), windows, profile, near=2.0, far=4.0)
    yield from _company(task, windows, profile, 2.3)
    for link in schema.links_up(entity):
        up = (Hop(link, up=True),)
        base = 2.5 if task.is_static else 5.0
        yield from _paths_from(task, up, windows, profile, near=base, far=base + 3.0)


def _past_labels(task: Task) -> Iterator[tuple[float, Feature]]:
    if task.step is None or task.kind not in (TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS):
        return
    if _known_late(task):
        return
    ten = Offset(task.step.amount * 10, task.step.unit)
    all_of_it = Offset(task.step.amount * PAST_STEPS, task.step.unit)
    what = "outcome" if task.kind is not TaskKind.REGRESSION else "value"
    table: list[tuple[str, str, Offset, str]]
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
        ]
    for name, measure, window, text in table:
        kind = Kind.CATEGORICAL if MEASURES[measure].categorical else Kind.NUMERIC
        yield 0.0, Feature(f"label.{name}", kind, OwnLabels(measure, window), text, "past labels")


def _everyones_labels(task: Task) -> Iterator[tuple[float, Feature]]:
    """The level of the outcome over the whole population, by which a value is high or low in its day."""
    if task.step is None or task.kind not in (TaskKind.BINARY, TaskKind.REGRESSION) or _known_late(task):
        return
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


def _calendar(task: Task, profile: Profile) -> Iterator[tuple[float, Feature]]:
    """Parts of the cutoff that the history has seen at least twice round, and that differ between cutoffs."""
    step = task.step.days if task.step else 0.0
    parts = []
    if profile.span_days > 2 * 365 and step < 200:
        parts.append(("month", "month of the cutoff"))
    if step < 7:
        parts.append(("weekday", "weekday of the cutoff"))
    if step < 1:
        parts.append(("hour", "hour of the cutoff"))
    if task.is_static and not task.schema.is_timed(task.entity.name):
        return
    for part, text in parts:
        yield 0.5, Feature(f"cutoff.{part}", Kind.NUMERIC, CutoffPart(part), text, "calendar")


def _attributes(
    task: Task, up: tuple[Hop, ...], rank: float, profile: Profile
) -> Iterator[tuple[float, Feature]]:
    schema = task.schema
    table = schema.table(up[-1].end if up else task.entity.name)
    prefix = f"{path_name(up, schema)}>{table.name}" if up else table.name
    hidden = set(task.hidden) if not up else set()
    keys = set(table.primary_key)
    links = {c for k in schema.links_up(table.name) for c in k.child_columns} if not up else set()
    for column in table.columns:
        if column.name in hidden or column.ignored or _constant(column):
            continue
        definition = Attribute(column.name, up)
        name = f"{prefix}.{column.name}"
        text = f"{words(column.name)}{_of(up)}"
        match _use(column):
            case _ if column.name in links:
                # A foreign key is a category: which team, which shop. The entity's own key never is.
                if (
                    task.is_static
                    and (column.distinct or 0) <= 20 * _MAX_DISTINCT
                    and column.name not in keys
                ):
                    yield rank, Feature(name, Kind.CATEGORICAL, definition, text, table.name)
            case _ if column.name in keys:
                continue
            case "number":
                yield rank, Feature(name, Kind.NUMERIC, definition, text, table.name)
            case "category" if column.distinct is None or column.distinct <= 5 * _MAX_DISTINCT:
                yield rank, Feature(name, Kind.CATEGORICAL, definition, text, table.name)
            case "time" if f"{table.name}.{column.name}" not in profile.later and not (
                task.is_static and not up and column.name == table.time_column
            ):
                age = Attribute(column.name, up, age=True)
                yield (
                    rank,
                    Feature(f"{name}.age", Kind.NUMERIC, age, f"days since {text}", table.name),
                )


def _of(up: tuple[Hop, ...]) -> str:
    return f" of its {words(up[-1].link.child_columns[0]).removesuffix(' id')}" if up else ""


def _paths_from(
    task: Task, up: tuple[Hop, ...], windows: tuple[Offset, ...], profile: Profile, *, near: float, far: float
) -> Iterator[tuple[float, Feature]]:
    """Events one and two hops down from the anchor that `up` leads to."""
    schema = task.schema
    anchor = up[-1].end if up else task.entity.name
    for link in schema.links_down(anchor):
        if up and link.name in profile.crowded:
            continue
        first = Hop(link, up=False)
        if _eventful(task, (first,)):
            yield from _events(task, up, (first,), windows, profile, near)
        for second in schema.links_down(link.child):
            path = (first, Hop(second, up=False))
            if second.child not in (anchor, link.child) and not up and _eventful(task, path):
                # Where the grandchild also points at the anchor itself, its own link says it better.
                if any(k.parent == anchor for k in schema.links_up(second.child)):
                    continue
                yield from _events(task, up, path, windows, profile, far)


def _company(
    task: Task, windows: tuple[Offset, ...], profile: Profile, rank: float
) -> Iterator[tuple[float, Feature]]:
    """What lately happened around the parent that the entity was last seen with: its team, its shop.

    Parents with a time of their own are left out: most of those are events themselves, a basket or a race.
    """
    schema, entity = task.schema, task.entity.name
    if task.is_static:
        return
    found: dict[str, tuple[int, tuple[Hop, ...]]] = {}
    for link in schema.links_down(entity):
        rows = schema.table(link.child).rows or 0
        for second in schema.links_up(link.child) if schema.is_timed(link.child) else ():
            parent = second.parent
            if parent in (entity, link.child) or schema.is_timed(parent):
                continue
            if parent not in found or rows > found[parent][0]:
                found[parent] = (rows, (Hop(link, up=False), Hop(second, up=True)))
    for parent, (_, up) in found.items():
        for link in schema.links_down(parent):
            if schema.is_timed(link.child):
                yield from _brief(_Maker(task, up, (Hop(link, up=False),)), windows, profile, rank)


def _brief(
    make: _Maker, windows: tuple[Offset, ...], profile: Profile, rank: float
) -> Iterator[tuple[float, Feature]]:
    """A few features of events: how many, and the last and mean of their first columns."""
    schema, link = make.task.schema, make.down[-1].link
    table = schema.table(link.child)
    short, middle = windows[0], windows[min(1, len(windows) - 1)]
    for window in dict.fromkeys((short, middle)):
        yield rank, make("count", None, window)
    links = {c for k in schema.links_up(table.name) for c in k.child_columns}
    read = [c for c in table.columns if not (c.name in links or c.ignored or _constant(c))]
    for place, column in enumerate([c for c in read if c.name not in table.primary_key][:_BRIEF_COLUMNS]):
        value, step = Value(column.name), rank + 0.02 * place
        match _use(column):
            case "number":
                for window in dict.fromkeys((short, middle)):
                    yield step, make("mean", value, window)
                yield step, make("last", value, None)
            case "category" if (column.distinct or 0) <= _MAX_DISTINCT:
                for word in profile.vocabulary(table.name, column.name)[:2]:
                    yield step + 0.1, make("mean", Value(column.name, equals=word), middle)


def _eventful(task: Task, path: tuple[Hop, ...]) -> bool:
    """Untimed rows count as events only where nothing about the entity has a time either."""
    schema = task.schema
    if schema.is_timed(path[-1].end):
        return True
    return task.is_static and not schema.is_timed(task.entity.name)


def _events(
    task: Task,
    up: tuple[Hop, ...],
    down: tuple[Hop, ...],
    windows: tuple[Offset, ...],
    profile: Profile,
    rank: float,
) -> Iterator[tuple[float, Feature]]:
    schema = task.schema
    table = schema.table(down[-1].end)
    timed = schema.is_timed(table.name)
    used: tuple[Offset | None, ...] = (*windows, None) if timed else (None,)
    make = _Maker(task, up, down)
    for i, window in enumerate(used):
        yield rank + 0.01 * i, make("count", None, window)
    if timed:
        for measure in ("recency", "tenure", "gap"):
            yield rank + 0.05, make(measure, None, None)
        yield rank + 0.06, make("decayed_count", None, used[0])
    middle = used[min(1, len(used) - 1)]
    direct = len(down) == 1 and not up
    if task.is_static and table.name == task.entity.name:
        yield from _outcomes(task, make, used, rank)
    anchor_columns = set(down[-1].link.child_columns)
    columns = [
        c for c in table.columns if c.name not in anchor_columns and not c.ignored and not _constant(c)
    ]
    links = {c for k in schema.links_up(table.name) for c in k.child_columns}
    budgeted = columns if direct else columns[: 3 * _FAR_COLUMNS]
    own_target = set(task.hidden) if table.name == task.entity.name else set()
    for place, column in enumerate(budgeted):
        value = Value(column.name)
        step = rank + 0.1 + 0.01 * place
        if column.name in own_target:
            continue
        if column.name in links:
            yield step, make("distinct", value, None)
            if len(used) > 1:
                yield step + 0.3, make("distinct", value, middle)
            continue
        if column.name in table.primary_key:
            continue
        yield from _column(make, column, value, used, profile, table.name, step, direct)
    for hop in (Hop(k, up=True) for k in schema.links_up(table.name)):
        if hop.end == down[-1].start or hop.link == down[-1].link:
            continue
        parent = schema.table(hop.end)
        keys = set(parent.primary_key)
        readable = [c for c in parent.columns if c.name not in keys and not c.ignored and not _constant(c)]
        for place, column in enumerate(readable[:_FAR_COLUMNS]):
            value = Value(column.name, (hop,))
            yield from _column(
                make, column, value, used, profile, parent.name, rank + 0.8 + 0.02 * place, False
            )


def _outcomes(
    task: Task, make: _Maker, used: tuple[Offset | None, ...], rank: float
) -> Iterator[tuple[float, Feature]]:
    """How earlier rows of the same parent turned out: a static target's own history."""
    value = Value("", target=True)
    if task.kind is TaskKind.MULTICLASS:
        yield rank, make("last_category", value, None)
        yield rank, make("mode", value, None)
        return
    for window in used:
        yield rank, make("mean", value, window)
    yield rank, make("last", value, None)
    yield rank + 0.02, make("std", value, None)


def _column(
    make: _Maker,
    column: Column,
    value: Value,
    used: tuple[Offset | None, ...],
    profile: Profile,
    table: str,
    rank: float,
    direct: bool,
) -> Iterator[tuple[float, Feature]]:
    middle = used[min(1, len(used) - 1)]
    match _use(column):
        case "number" if column.dtype is DType.BOOLEAN:
            for window in dict.fromkeys((used[0], middle, None)):
                yield rank, make("mean", value, window)
            yield rank + 0.1, make("sum", value, middle)
            yield rank + 0.1, make("last", value, None)
        case "number":
            for window in used if direct else dict.fromkeys((middle, None)):
                yield rank, make("sum", value, window)
                yield rank, make("mean", value, window)
            yield rank, make("last", value, None)
            for measure in ("max", "min", "std"):
                yield rank + 0.1, make(measure, value, None)
                if direct and middle is not None:
                    yield rank + 0.5, make(measure, value, middle)
            yield rank + 0.2, make("trend", value, None)
            if direct and used[0] is not None:
                yield rank + 0.2, make("decayed_sum", value, used[0])
        case "category":
            yield rank, make("last_category", value, None)
            yield rank + 0.1, make("mode", value, None)
            yield rank + 0.1, make("distinct", value, None)
            if (column.distinct or 0) <= _MAX_DISTINCT:
                for place, word in enumerate(profile.vocabulary(table, column.name)[:_CATEGORIES]):
                    chosen = Value(value.column, value.up, equals=word)
                    yield rank + 0.1 + 0.02 * place, make("mean", chosen, None)
                    for window in dict.fromkeys((middle, None) if direct else (middle,)):
                        yield rank + 0.15 + 0.02 * place, make("sum", chosen, window)
        case _:
            return


@dataclass(frozen=True)
class _Maker:
    """Features of one path."""

    task: Task
    up: tuple[Hop, ...]
    down: tuple[Hop, ...]

    def __call__(self, measure: str, value: Value | None, window: Offset | None) -> Feature:
        schema = self.task.schema
        kind = Kind.CATEGORICAL if MEASURES[measure].categorical else Kind.NUMERIC
        parts = [path_name((*self.up, *self.down), schema)]
        if value is not None:
            read = "outcome" if value.target else value.column
            if value.up:
                read = f"{path_name(value.up, schema)}>{read}"
            parts.append(read if value.equals is None else f"{read}={value.equals}")
        parts += [measure, short(window)]
        text = aggregate_words(measure, self.up, self.down, value, window, schema, _outcome_words(self.task))
        return Feature(
            ".".join(parts),
            kind,
            Aggregated(measure, self.down, self.up, value, window),
            text,
            self.down[-1].end + owner(self.up),
        )


def _outcome_words(task: Task) -> str:
    if task.kind is TaskKind.BINARY:
        return "outcome"
    names = [words(c.name) for c in task.target.columns]
    return names[0] if len(names) == 1 else "outcome"


def _constant(column: Column) -> bool:
    return column.distinct is not None and column.distinct <= 1 and (column.null_fraction or 0) == 0


def _use(column: Column) -> str:
    """How a column is used: 'number', 'category', 'time', or '' for none."""
    if column.dtype is DType.OTHER:
        return ""
    match column.semantic:
        case Semantic.NUMERIC if column.dtype in (DType.INTEGER, DType.FLOAT):
            return "number"
        case Semantic.BOOLEAN:
            return "number" if column.dtype in (DType.BOOLEAN, DType.INTEGER, DType.FLOAT) else "category"
        case Semantic.CATEGORICAL:
            return "category"
        case Semantic.TIME:
            return "time"
        case _:
            return ""
