"""Tasks and feature sets become plans: the last step before the proof."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from foretell.core.errors import ForetellError
from foretell.core.time import Last, LookBack, Offset, Window
from foretell.features.describe import name_of
from foretell.features.model import (
    Aggregated,
    Attribute,
    Contrast,
    CutoffPart,
    Feature,
    FeatureSet,
    Kind,
    Nested,
    OwnLabels,
    Value,
)
from foretell.plan import nodes
from foretell.plan.measures import MEASURES, Accepts
from foretell.plan.nodes import Following, Until
from foretell.query import ast
from foretell.query.ast import Function
from foretell.schema.model import DType, Hop, Schema, Semantic
from foretell.task.model import BoundAggregate, BoundExpr, Task

PAST_STEPS = 24
"""How many windows back an entity's own labels are looked at."""

_Path: TypeAlias = tuple[tuple[Hop, ...], tuple[Hop, ...], tuple[str, ...], bool, Offset | None]
"""What aggregates of one block share: the ways up and down, delays, whether windows count, and `ago`."""
_AS_NUMBER = frozenset({Function.SUM, Function.AVG, Function.MEDIAN, Function.STDDEV, Function.QUANTILE})


def target_plan(task: Task) -> nodes.Target:
    """The plan that makes a task's labels."""
    aggregates: list[nodes.TargetAggregate] = []

    def formula(bound: BoundExpr | None, until: Until) -> nodes.Formula | None:
        if bound is None:
            return None
        first = len(aggregates)
        aggregates.extend(_target_aggregate(a, until, task) for a in bound.aggregates)

        def shift(column: ast.Column) -> ast.Expr:
            return column if column.table else ast.Column("", f"a{first + int(column.name[1:])}")

        return nodes.Formula(ast.replace_columns(bound.expr, shift), bound.dtype)

    target = formula(task.target, Until.WINDOW)
    where = formula(task.where, Until.CUTOFF)
    assuming = formula(task.assuming, Until.WINDOW)
    assert target is not None
    return nodes.Target(
        population=_scan(task),
        key=task.entity_key,
        aggregates=tuple(aggregates),
        target=target,
        where=where,
        assuming=assuming,
        horizon=task.horizon,
        end_time=task.entity.end_time,
    )


def forecast_plans(task: Task, steps: int) -> Iterator[nodes.Target]:
    """One plan for each step of a forecast: the target's window moved on by its own width each time."""
    plan, own = target_plan(task), len(task.target.aggregates)
    for step in range(steps):
        moved = [
            replace(a, window=_moved(a.window, step)) if i < own else a for i, a in enumerate(plan.aggregates)
        ]
        yield replace(plan, aggregates=tuple(moved))


def _moved(window: Window, step: int) -> Window:
    width = step * (window.end.amount - window.start.amount)
    unit = window.end.unit
    return Window(Offset(window.start.amount + width, unit), Offset(window.end.amount + width, unit))


def feature_plan(task: Task, features: FeatureSet) -> nodes.FeaturePlan:
    """The plan that makes a feature set's columns."""
    blocks: list[nodes.Block] = []
    attributes: dict[tuple[Hop, ...], list[Feature]] = {}
    paths: dict[_Path, list[Feature]] = {}
    nested: dict[tuple[tuple[Hop, ...], Hop, tuple[Hop, ...], tuple[str, ...]], list[Feature]] = {}
    labels: dict[tuple[bool, bool, Following | None, Offset | None], list[Feature]] = {}
    parts: list[tuple[str, str]] = []
    contrasts, read = _contrasts(features, task.schema)
    for feature in (*features.features, *read):
        match feature.definition:
            case Attribute(up=up):
                attributes.setdefault(up, []).append(feature)
            case Aggregated(up=up, down=down) as aggregated:
                counted = isinstance(aggregated.window, Last)
                path = (up, down, _delays(aggregated, task), counted, aggregated.ago)
                paths.setdefault(path, []).append(feature)
            case Nested(up=up, down=hop, inner=inner):
                nested.setdefault((up, hop, inner.down, _delays(inner, task)), []).append(feature)
            case OwnLabels(window=window, everyone=everyone, following=following, ago=ago):
                key = (everyone, isinstance(window, Last), following, ago)
                labels.setdefault(key, []).append(feature)
            case CutoffPart(part=part):
                parts.append((feature.name, part))
    for up, chosen in attributes.items():
        blocks.append(_as_of(up, chosen, task))
    for (up, down, delays, _, ago), chosen in paths.items():
        wanted = [(f.name, f.definition) for f in chosen if isinstance(f.definition, Aggregated)]
        blocks.append(replace(_aggregate(_anchor(up, task), down, delays, wanted, task), ago=ago))
    for (up, hop, _, delays), chosen in nested.items():
        blocks.append(_nested(up, hop, delays, chosen, task))
    for (everyone, _, following, ago), chosen in labels.items():
        block = _own_labels(chosen, task, everyone, following)
        blocks.append(block if ago is None else _long_ago(block, ago))
    if parts:
        blocks.append(nodes.Calendar(tuple(parts)))
    passing = frozenset(f.name for f in read)
    return nodes.FeaturePlan(
        task.entity.name, task.entity_key, tuple(blocks), task.hidden, contrasts, passing
    )


def _contrasts(
    features: FeatureSet, schema: Schema
) -> tuple[tuple[nodes.Contrast, ...], tuple[Feature, ...]]:
    """The contrasts by names, and the aggregates that they alone read."""
    names = set(features.names)
    found: list[nodes.Contrast] = []
    read: dict[str, Feature] = {}
    for feature in features.features:
        if not isinstance(feature.definition, Contrast):
            continue
        left, right = (name_of(d, schema) for d in (feature.definition.left, feature.definition.right))
        for name, side in ((left, feature.definition.left), (right, feature.definition.right)):
            if name not in names:
                read[name] = Feature(name, Kind.NUMERIC, side, "", feature.group)
        found.append(nodes.Contrast(feature.name, left, right, feature.definition.how))
    return tuple(found), tuple(read.values())


def _until(schema: Schema, table: str, until: Until) -> Until:
    return until if schema.is_timed(table) else Until.NOW


def _scan(task: Task) -> nodes.Scan:
    until = Until.OWN if task.is_static else Until.CUTOFF
    return nodes.Scan(task.entity.name, _until(task.schema, task.entity.name, until))


def _anchor(up: Iterable[Hop], task: Task) -> nodes.Relation:
    relation: nodes.Relation = _scan(task)
    for hop in up:
        step = nodes.Follow if hop.up else nodes.Latest
        relation = step(relation, hop, _until(task.schema, hop.end, Until.CUTOFF))
    return relation


def _events_relation(start: str, down: tuple[Hop, ...], until: Until, schema: Schema) -> nodes.Relation:
    """From the events at the far end of `down`, up to the table `start`."""
    table = down[-1].end if down else start
    relation: nodes.Relation = nodes.Scan(table, _until(schema, table, until))
    for hop in reversed(down):
        relation = nodes.Follow(relation, hop.reversed(), _until(schema, hop.start, until))
    return relation


def _target_aggregate(bound: BoundAggregate, until: Until, task: Task) -> nodes.TargetAggregate:
    schema = task.schema
    inputs: tuple[nodes.Input, ...] = ()
    if bound.value is not None:
        dtype = DType.OTHER  # as it is
        if bound.function in _AS_NUMBER:
            dtype = DType.FLOAT
        elif bound.function is Function.LIST_DISTINCT:
            dtype = DType.TEXT
        inputs = (nodes.Input(bound.value, dtype),)
    read = {c.name for c in (*ast.columns(bound.value), *ast.columns(bound.where)) if c.name != "*"}
    delays: set[str] = set()
    if until is Until.CUTOFF:
        known = {schema.table(bound.table).column(c).known_at for c in read}
        delays = {k for k in known if k is not None}
    events = nodes.Events(
        _events_relation(task.entity.name, bound.path, until, schema),
        inputs,
        bound.where,
        tuple(sorted(delays)),
    )
    return nodes.TargetAggregate(
        events, bound.function, Window(bound.start, bound.end), bound.dtype, bound.parameter
    )


def _columns_read(value: Value | None, task: Task) -> list[str]:
    if value is None or value.up or value.following is Following.GAP:
        return []
    if value.target:
        return [c.name for c in task.target.columns]
    return [value.column]


def _delays(definition: Aggregated, task: Task) -> tuple[str, ...]:
    """The columns of the event table that tell when what is read of it was known."""
    table = task.schema.table(definition.down[-1].end)
    known = {table.column(c).known_at for c in _columns_read(definition.value, task)}
    return tuple(sorted(k for k in known if k is not None))


def _as_of(up: tuple[Hop, ...], features: list[Feature], task: Task) -> nodes.AsOf:
    source = _anchor(up, task)
    table = task.schema.table(source.end)
    reads = []
    for feature in features:
        assert isinstance(feature.definition, Attribute)
        column = table.column(feature.definition.column)
        dtype = column.dtype if feature.kind.value == "numeric" else DType.TEXT
        reads.append(
            nodes.Read(feature.name, column.name, dtype, column.known_at, age=feature.definition.age)
        )
    return nodes.AsOf(source, tuple(reads))


def _aggregate(
    anchor: nodes.Relation,
    down: tuple[Hop, ...],
    delays: tuple[str, ...],
    wanted: Sequence[tuple[str, Aggregated]],
    task: Task,
) -> nodes.Aggregate:
    inputs: dict[nodes.Input, int] = {}
    windows = _look_backs(definition.window for _, definition in wanted)
    outputs = []
    for name, definition in wanted:
        index = None
        if definition.value is not None:
            read = _input(definition.value, definition.measure, down[-1].end, task)
            index = inputs.setdefault(read, len(inputs))
        outputs.append(_measured(name, definition.measure, index, definition.window, windows))
    relation = _events_relation(anchor.end, down, Until.CUTOFF, task.schema)
    events = nodes.Events(relation, tuple(inputs), None, delays)
    return nodes.Aggregate(anchor, events, windows, tuple(outputs))


def _nested(
    up: tuple[Hop, ...], down: Hop, delays: tuple[str, ...], features: list[Feature], task: Task
) -> nodes.Nested:
    schema, anchor = task.schema, _anchor(up, task)
    definitions = [(f.name, f.definition) for f in features if isinstance(f.definition, Nested)]
    inner = {each: i for i, each in enumerate(dict.fromkeys(d.inner for _, d in definitions))}
    windows = _windows(definition.window for _, definition in definitions)
    members = nodes.Events(_events_relation(anchor.end, (down,), Until.CUTOFF, schema))
    wanted = [(f"v{i}", definition) for definition, i in inner.items()]
    each = _aggregate(nodes.base(members.rows), wanted[0][1].down, delays, wanted, task)
    outputs = [_measured(name, d.measure, inner[d.inner], d.window, windows) for name, d in definitions]
    return nodes.Nested(anchor, members, each, windows, tuple(outputs))


def _own_labels(
    features: list[Feature], task: Task, everyone: bool, following: Following | None
) -> nodes.Aggregate:
    if task.step is None:
        raise ForetellError("a static target has no past labels")
    past = nodes.PastLabels(target_plan(task), task.step, PAST_STEPS, Until.CUTOFF, everyone, following)
    definitions = [(f.name, f.definition) for f in features if isinstance(f.definition, OwnLabels)]
    windows = _look_backs(definition.window for _, definition in definitions)
    outputs = []
    for name, definition in definitions:
        measure, window = definition.measure, definition.window
        index = None if MEASURES[measure].accepts is Accepts.ROWS else 0
        outputs.append(_measured(name, measure, index, window, windows))
    return nodes.Aggregate(_scan(task), past, windows, tuple(outputs))


def _long_ago(block: nodes.Aggregate, ago: Offset) -> nodes.Aggregate:
    """Past labels as of an earlier time, of which no more are made than the windows hold."""
    past, lengths = block.events, [w.microseconds for w in block.windows if isinstance(w, Offset)]
    assert isinstance(past, nodes.PastLabels)
    if lengths and all(o.window is not None for o in block.outputs):
        past = replace(past, steps=min(past.steps, math.ceil(max(lengths) / past.step.microseconds)))
    return replace(block, events=past, ago=ago)


def _look_backs(wanted: Iterable[LookBack | None]) -> nodes.LookBacks:
    """The windows of one aggregate, which are of one kind."""
    found = set(wanted)
    counts = {w.count for w in found if isinstance(w, Last)}
    return tuple(map(Last, sorted(counts))) or _windows(w for w in found if not isinstance(w, Last))


def _windows(wanted: Iterable[Offset | None]) -> tuple[Offset, ...]:
    return tuple(sorted({w for w in wanted if w is not None}, key=lambda w: w.microseconds))


def _measured(
    name: str, measure: str, index: int | None, window: LookBack | None, windows: nodes.LookBacks
) -> nodes.Measured:
    return nodes.Measured(name, measure, index, None if window is None else windows.index(window))


def _input(value: Value, measure: str, table: str, task: Task) -> nodes.Input:
    schema, following = task.schema, value.following
    if following is Following.GAP:
        return nodes.Input(ast.Literal(None), DType.FLOAT, following=following)
    text = MEASURES[measure].accepts is Accepts.CATEGORY
    if value.target:
        dtype = DType.TEXT if text else task.target.dtype
        return nodes.Input(task.target.expr, dtype, following=following)
    end = value.up[-1].end if value.up else table
    column = schema.table(end).column(value.column)
    read: ast.Expr = ast.Column(end, value.column)
    if following is Following.RUN and column.semantic is Semantic.CATEGORICAL:
        text = True
    dtype = DType.TEXT if text else column.dtype
    if value.equals is not None:
        read = ast.Binary("=", ast.Call("CAST", (read, ast.Literal("TEXT"))), ast.Literal(value.equals))
        dtype = DType.BOOLEAN
    known_at = column.known_at if value.up else None
    until = _until(schema, end, Until.ROW)
    return nodes.Input(read, dtype, value.up, until, known_at, following, value.within)
