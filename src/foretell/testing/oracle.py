"""The slow, obvious oracle: every label and every feature by loops over rows, straight from the definitions.

It shares nothing with the plans and the engines but the definitions, so that the two can be compared. An
entity is the rank of its row among its table's visible rows in (time, key) order, from 1, as in engines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from foretell.core.time import Instant, Offset, from_datetime
from foretell.features.lower import PAST_STEPS
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
    Staleness,
    Value,
)
from foretell.plan.nodes import Comparison, Following, Standing, Within
from foretell.query import ast
from foretell.query.ast import Function
from foretell.schema.model import Column, DType, Hop, Schema, Semantic
from foretell.task.model import BoundAggregate, BoundExpr, Task
from foretell.testing.reckoning import (
    LARGEST,
    Event,
    aggregate_of,
    as_text,
    evaluate,
    followed,
    measured,
    part_of,
)

_DAY = 86_400_000_000
Row = dict[str, Any]


class Oracle:
    """Answers about one database, one row at a time."""

    def __init__(self, frames: Mapping[str, pa.Table], schema: Schema) -> None:
        self.schema = schema
        self._raw = {
            t.name: [self._read(r, t.columns) for r in frames[t.name].to_pylist()] for t in schema.tables
        }
        self.times: dict[str, list[Instant | None]] = {}
        self.rows: dict[str, list[Row]] = {}
        for table in schema.tables:
            self._rank(table.name)
        self._at: dict[tuple[str, tuple[str, ...]], dict[Any, int]] = {}

    # ── rows, times, ranks ──

    def _read(self, row: Row, columns: Sequence[Column]) -> Row:
        return {
            c.name: self._time(row[c.name], c) if c.semantic is Semantic.TIME else row[c.name]
            for c in columns
        }

    def _time(self, value: Any, column: Column) -> Instant | None:
        if value is None:
            return None
        if column.time_format in ("s", "ms", "us"):
            return int(value) * {"s": 1_000_000, "ms": 1000, "us": 1}[column.time_format]
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        if self.schema.timezone is not None and value.tzinfo is None:
            value = value.replace(tzinfo=ZoneInfo(self.schema.timezone)).astimezone(UTC)
        return from_datetime(value)

    def _visible(self, name: str, row: Row) -> Instant | None:
        """From when a row is known, None for never. Tables without a time are not asked."""
        table = self.schema.table(name)
        if table.time_column is not None:
            moment = row[table.time_column]
        else:
            path = self.schema.time_path(name)
            assert path is not None
            link = path[0][0].link
            moment = None
            for parent in self._raw[link.parent]:
                if _points(row, link.child_columns, parent, link.parent_columns):
                    moment = self._visible(link.parent, parent)
        if moment is not None and table.available_after is not None:
            return table.available_after.after(moment)
        return None if moment is None else int(moment)

    def _rank(self, name: str) -> None:
        """The visible rows in (time, key) order; equal keys by what else is there."""
        table = self.schema.table(name)
        timed = self.schema.is_timed(name)
        moments = [self._visible(name, r) if timed else None for r in self._raw[name]]
        late = {table.end_time, *(c.known_at for c in table.columns)} - {None}
        settled = [c.name for c in table.columns if c.known_at is None and c.name not in late]
        written_later = [c.name for c in table.columns if c.name not in settled]
        order = table.primary_key or (*settled, *written_later)

        def place(i: int) -> tuple[Any, ...]:
            row = self._raw[name][i]
            return (moments[i] or 0, *((row[c] is None, row[c] if row[c] is not None else 0) for c in order))

        kept = [i for i in range(len(moments)) if not timed or moments[i] is not None]
        kept.sort(key=place)
        self.rows[name] = [self._raw[name][i] for i in kept]
        self.times[name] = [moments[i] for i in kept]

    def time(self, name: str, index: int) -> Instant | None:
        """None for a table without a time."""
        return self.times[name][index]

    def up(self, hop: Hop, index: int) -> int | None:
        """The parent's row."""
        link = hop.link
        key = (link.parent, link.parent_columns, link.child, link.child_columns)
        row = self.rows[link.child][index]
        wanted = tuple(row[c] for c in link.child_columns)
        if any(v is None for v in wanted):
            return None
        found = self._lookup(link.parent, link.parent_columns)
        kinds = self._as_text(*key)
        return found.get(tuple(str(v) if t else v for v, t in zip(wanted, kinds)))

    def _as_text(
        self, parent: str, parent_columns: tuple[str, ...], child: str, child_columns: tuple[str, ...]
    ) -> list[bool]:
        """Which parts of the key meet as text: the lookup then holds both forms."""
        ours = [self.schema.table(child).column(c).dtype for c in child_columns]
        theirs = [self.schema.table(parent).column(c).dtype for c in parent_columns]
        return [a != b for a, b in zip(ours, theirs)]

    def _lookup(self, table: str, columns: tuple[str, ...]) -> dict[Any, int]:
        if (table, columns) not in self._at:
            found: dict[Any, int] = {}
            for i, row in enumerate(self.rows[table]):
                key = tuple(row[c] for c in columns)
                found[key] = i
                if len(key) == 1 and not isinstance(key[0], str):
                    found[(str(key[0]),)] = i
            self._at[(table, columns)] = found
        return self._at[(table, columns)]

    # ── events ──

    def events(
        self,
        down: tuple[Hop, ...],
        table: str,
        value: Callable[[int, Instant | None], Any],
        where: Callable[[int], Any] | None = None,
        delays: Iterable[str] = (),
    ) -> dict[int, list[Event]]:
        """Events by the anchor's index. `value(index, time)` reads one; a delay puts it off or hides it."""
        found: dict[int, list[Event]] = {}
        for i, row in enumerate(self.rows[table]):
            if where is not None and where(i) is not True:
                continue
            at: int | None = i
            moments = [self.time(table, i)] if self.schema.is_timed(table) else []
            for step, hop in enumerate(reversed(down)):
                at = self.up(hop.reversed(), at) if at is not None else None
                if at is not None and step < len(down) - 1 and self.schema.is_timed(hop.start):
                    moments.append(self.time(hop.start, at))
            late = [row[c] for c in delays]
            if at is None or any(m is None for m in late):
                continue
            known = [m for m in (*moments, *late) if m is not None]
            moment = max(known) if known else -(10**18)
            event = Event(moment, (moment, i), value(i, moment))
            found.setdefault(at, []).append(event)
        return found

    # ── labels ──

    def labels(self, task: Task, cutoffs: Sequence[Instant]) -> dict[tuple[int, Instant], Any]:
        """The label of each (entity, cutoff) that has one."""
        return {
            k: v
            for k, (v, chosen, held) in self.judged(task, cutoffs).items()
            if chosen and held and v is not None
        }

    def population(self, task: Task, cutoffs: Sequence[Instant]) -> list[tuple[int, Instant]]:
        """Who is to be scored, by cutoff and entity."""
        judged = self.judged(task, cutoffs)
        asked = [k for k, (v, chosen, _) in judged.items() if chosen and (not task.is_static or v is None)]
        return sorted(asked, key=lambda k: (k[1], k[0]))

    def judged(
        self, task: Task, cutoffs: Sequence[Instant]
    ) -> dict[tuple[int, Instant], tuple[Any, bool, bool]]:
        """(label, chosen by WHERE, held under ASSUMING) of everyone who exists at a cutoff."""
        name = task.entity.name
        timed = self.schema.is_timed(name)
        parts = [(b, [self._events_of(a, task) for a in b.aggregates] if b else []) for b in _formulas(task)]
        found = {}
        for cutoff in cutoffs if not task.is_static else [max(cutoffs)]:  # the cutoff that is asked at
            for index, row in enumerate(self.rows[name]):
                born, at = self.time(name, index), cutoff
                if timed and (born is None or born > cutoff):
                    continue
                if task.is_static and timed:
                    assert born is not None
                    at = born - 1
                ended = row[task.entity.end_time] if task.entity.end_time else None
                if not task.is_static and ended is not None and ended <= cutoff:
                    continue
                target, where, assuming = (self._judge(b, e, task, index, at, cutoff) for b, e in parts)
                chosen = task.where is None or where is True
                found[(index + 1, at)] = (target, chosen, task.assuming is None or assuming is True)
        return found

    def _events_of(self, aggregate: BoundAggregate, task: Task) -> dict[int, list[Event]]:
        name = aggregate.table

        def read(expr: ast.Expr | None) -> Callable[[int], Any]:
            return lambda i: None if expr is None else evaluate(expr, lambda c: self.rows[name][i][c.name])

        value = read(aggregate.value)
        numbers = (Function.SUM, Function.AVG, Function.MEDIAN, Function.STDDEV, Function.QUANTILE)

        def number(i: int, _: Instant | None) -> Any:
            found = value(i)
            if aggregate.function in numbers and found is not None:
                return float(found) if abs(found) < LARGEST else None
            return found

        delays: list[str] = []
        if not aggregate.is_future:
            columns = (*ast.columns(aggregate.value), *ast.columns(aggregate.where))
            known = {self.schema.table(name).column(c.name).known_at for c in columns}
            delays = [k for k in known if k is not None]
        where = read(aggregate.where) if aggregate.where is not None else None
        return self.events(aggregate.path, name, number, where, delays)

    def _judge(
        self,
        bound: BoundExpr | None,
        events: list[dict[int, list[Event]]],
        task: Task,
        index: int,
        cutoff: Instant,
        asked: Instant,
    ) -> Any:
        if bound is None:
            return None
        row = self.rows[task.entity.name][index]

        def read(column: ast.Column) -> Any:
            if not column.table:
                i = int(column.name[1:])
                return aggregate_of(bound.aggregates[i], events[i].get(index, []), cutoff)
            known = task.entity.column(column.name).known_at
            if (
                known is not None
                and bound is not task.assuming
                and (row[known] is None or row[known] > asked)
            ):
                return None
            return row[column.name]

        return evaluate(bound.expr, read)

    # ── features ──

    def features(
        self, task: Task, features: FeatureSet, rows: Sequence[tuple[int, Instant]]
    ) -> dict[str, list[Any]]:
        """Each feature's values for rows of (entity, cutoff); None where there is none."""
        return {f.name: self.feature(task, f, features, rows) for f in features.features}

    def feature(
        self, task: Task, feature: Feature, features: FeatureSet, rows: Sequence[tuple[int, Instant]]
    ) -> list[Any]:
        name = task.entity.name
        match feature.definition:
            case Attribute(column=column, up=up, age=age):
                text = feature.kind is not Kind.NUMERIC
                return [self._attribute(name, e - 1, t, column, up, age, text) for e, t in rows]
            case Aggregated() as made:
                return self._aggregated(task, made, rows)
            case Nested() as made:
                return self._nested(task, made, rows)
            case Contrast(left=left, right=right, how=how):
                pairs = zip(self._aggregated(task, left, rows), self._aggregated(task, right, rows))
                return [_held_against(a, b, how) for a, b in pairs]
            case OwnLabels() as made:
                return [self._past_labels(task, made, None if made.everyone else e, t) for e, t in rows]
            case CutoffPart(part=part):
                return [part_of(part, t) for _, t in rows]
            case Staleness():
                return [0.0 for _ in rows]  # each row sees up to its own cutoff

    def _attribute(
        self, name: str, index: int, cutoff: Instant, column: str, up: tuple[Hop, ...], age: bool, text: bool
    ) -> Any:
        found = self._ancestor(name, index, up, cutoff)
        if found is None:
            return None
        table = up[-1].end if up else name
        row = self.rows[table][found]
        value, spec = row[column], self.schema.table(table).column(column)
        if spec.known_at is not None and (row[spec.known_at] is None or row[spec.known_at] > cutoff):
            return None
        if value is None or (age and value > cutoff):
            return None
        if age:
            return (cutoff - value) / _DAY
        return as_text(value) if text else float(value)

    def _ancestor(self, name: str, index: int, up: tuple[Hop, ...], cutoff: Instant) -> int | None:
        """The row that hops up lead to, all visible at the cutoff; a hop down is to the latest."""
        at: int | None = index
        for hop in up:
            if not hop.up:
                at = self._latest(hop, at, cutoff) if at is not None else None
                continue
            at = self.up(hop, at) if at is not None else None
            if at is not None and self.schema.is_timed(hop.end):
                born = self.time(hop.end, at)
                at = at if born is not None and born <= cutoff else None
        return at

    def _latest(self, hop: Hop, parent: int, cutoff: Instant) -> int | None:
        """The last row by rank that points at the parent and is visible at the cutoff."""
        table, back = hop.end, hop.reversed()
        for i in reversed(range(len(self.rows[table]))):
            born = self.time(table, i)
            if born is not None and born <= cutoff and self.up(back, i) == parent:
                return i
        return None

    def _events_read(self, task: Task, made: Aggregated) -> dict[int, list[Event]]:
        """The events of an aggregate by anchor, with what it reads of them."""
        table = made.down[-1].end
        value, following = made.value, made.value.following if made.value else None
        if following is Following.GAP:
            value = None
        delays: set[str | None] = set()
        if value is not None and not value.up:
            names = [c.name for c in task.target.columns] if value.target else [value.column]
            delays = {self.schema.table(table).column(n).known_at for n in names}
        text = CATEGORICAL.get(made.measure, False) or self._runs_of_words(task, value, table)

        def read(index: int, moment: Instant | None) -> Any:
            return self._value(task, value, table, index, moment, text)

        events = self.events(made.down, table, read, None, [d for d in delays if d is not None])
        if following is None:
            return events
        return {anchor: followed(mine, following) for anchor, mine in events.items()}

    def _runs_of_words(self, task: Task, value: Value | None, table: str) -> bool:
        """Whether runs are told apart by what a column says, not by whether it is above 0."""
        if value is None or value.following is not Following.RUN or value.equals is not None:
            return False
        if value.target:
            return task.target.dtype is DType.TEXT
        column = self.schema.table(value.up[-1].end if value.up else table).column(value.column)
        return column.dtype is DType.TEXT or column.semantic is Semantic.CATEGORICAL

    def _aggregated(self, task: Task, made: Aggregated, rows: Sequence[tuple[int, Instant]]) -> list[Any]:
        events = self._events_read(task, made)
        found = []
        for entity, cutoff in rows:
            anchor = self._ancestor(task.entity.name, entity - 1, made.up, cutoff)
            at = cutoff if made.ago is None else (-made.ago).after(cutoff)
            past = [e for e in events.get(anchor, []) if e.time <= at] if anchor is not None else []
            found.append(measured(made.measure, past, at, made.window))
        return found

    def _nested(self, task: Task, made: Nested, rows: Sequence[tuple[int, Instant]]) -> list[Any]:
        """Each visible member's own aggregate at the cutoff, as an event of the row."""
        members = self.events((made.down,), made.down.end, lambda index, _: index)
        events = self._events_read(task, made.inner)

        def worth(member: Event, cutoff: Instant) -> Event:
            past = [e for e in events.get(member.value, []) if e.time <= cutoff]
            value = measured(made.inner.measure, past, cutoff, made.inner.window)
            known = value is not None and abs(value) < LARGEST
            return Event(member.time, member.place, value if known else None)

        found = []
        for entity, cutoff in rows:
            anchor = self._ancestor(task.entity.name, entity - 1, made.up, cutoff)
            seen = [m for m in members.get(anchor, []) if m.time <= cutoff] if anchor is not None else []
            found.append(measured(made.measure, [worth(m, cutoff) for m in seen], cutoff, made.window))
        return found

    def _value(
        self, task: Task, value: Value | None, table: str, index: int, moment: Instant | None, text: bool
    ) -> Any:
        if value is None:
            return None
        if value.target:
            read = evaluate(task.target.expr, lambda c: self.rows[table][index][c.name])
        else:
            at: int | None = index
            name = table
            for hop in value.up:
                at = self.up(hop, at) if at is not None else None
                name = hop.end
                if at is not None and self.schema.is_timed(name):
                    born = self.time(name, at)
                    at = at if born is not None and moment is not None and born <= moment else None
            if at is None:
                return None
            row = self.rows[name][at]
            read = row[value.column]
            known = self.schema.table(name).column(value.column).known_at
            if (
                value.up
                and known is not None
                and (row[known] is None or moment is None or row[known] > moment)
            ):
                return None
        if read is None:
            return None
        if value.equals is not None:
            return float(as_text(read) == value.equals)
        if text:
            return as_text(read)
        if value.within is not None:
            return self._standing(value, value.within, table, index)
        return float(read) if abs(read) < LARGEST else None

    def _standing(self, value: Value, within: Within, table: str, index: int) -> float | None:
        """How a row's number stands among the rows of its time whose parent is the same, and is visible."""
        moment, parent = self.time(table, index), self.up(within.hop, index)
        if moment is None or parent is None:
            return None
        born = self.time(within.hop.end, parent) if self.schema.is_timed(within.hop.end) else moment
        if born is None or born > moment:
            return None
        group = [
            self._number(table, i, value.column)
            for i in range(len(self.rows[table]))
            if self.time(table, i) == moment and self.up(within.hop, i) == parent
        ]
        own, known, total = self._number(table, index, value.column), 0, 0.0
        if own is None:
            return None
        for number in group:
            known += number is not None
            total += number or 0.0
        if within.how is Standing.EXCESS:
            return own - total / known
        return own / total if total > 0 else None

    def _number(self, table: str, index: int, column: str) -> float | None:
        read = self.rows[table][index][column]
        return float(read) if read is not None and abs(read) < LARGEST else None

    def _past_labels(self, task: Task, made: OwnLabels, entity: int | None, cutoff: Instant) -> Any:
        """Labels at whole steps before the cutoff whose windows have closed, as events at their close.

        The entity None takes everyone's.
        """
        measure, window = made.measure, made.window
        if made.ago is not None:
            cutoff = (-made.ago).after(cutoff)
        assert task.step is not None and task.horizon is not None
        started = [self._first(a.table, cutoff) for a in task.target.aggregates]
        if task.assuming is not None:
            started += [self._first(a.table, cutoff) for a in task.assuming.aggregates]
        begin = max((s for s in started if s is not None), default=None)
        if begin is None or any(s is None for s in started):
            return measured(measure, [], cutoff, window)
        events = []
        steps = PAST_STEPS + math.ceil(task.horizon.microseconds / task.step.microseconds) + 1
        for k in range(1, steps + 1):
            at = Offset(-task.step.amount * k, task.step.unit).after(cutoff)
            close = task.horizon.after(at)
            if close > cutoff or at < begin:
                continue
            for (whose, _), label in self.labels(task, [at]).items():
                if entity is not None and whose != entity:
                    continue
                words = CATEGORICAL.get(measure, False) or isinstance(label, str)
                shown = as_text(label) if words else float(label)
                events.append(Event(close, (close, -k), shown))
        if made.following is not None:
            events = followed(events, made.following)
        return measured(measure, events, cutoff, window)

    def _first(self, table: str, until: Instant) -> Instant | None:
        seen = [t for t in self.times[table] if t is not None and t <= until]
        return min(seen, default=None)


CATEGORICAL = {"last_category": True, "mode": True, "distinct": True}


def _held_against(left: float | None, right: float | None, how: Comparison) -> float | None:
    if left is None or right is None:
        return None
    if how is Comparison.RATIO:
        return left / right if right > 0 else None
    return left - right


def _formulas(task: Task) -> tuple[BoundExpr | None, ...]:
    return task.target, task.where, task.assuming


def _points(child: Row, ours: Sequence[str], parent: Row, theirs: Sequence[str]) -> bool:
    pairs = [(child[a], parent[b]) for a, b in zip(ours, theirs)]
    return all(a is not None and b is not None and (a == b or str(a) == str(b)) for a, b in pairs)
