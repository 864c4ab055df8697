"""Other futures for the same past: rows after a cutoff changed, added and deleted, or cut off altogether.

What is computed for the cutoff must not move by a bit. A row is past when it is visible at the cutoff; a
value is past when the row is, and its `known_at` too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foretell.core.random import generator
from foretell.core.time import Instant, format_instant, from_datetime, to_datetime
from foretell.plan.prepare import one_row_keys
from foretell.schema.model import Column, DType, Schema, Semantic, Table

NEVER: Instant = 2**62
ALWAYS: Instant = -(2**62)
_DAY = 86_400_000_000
_MOST_ADDED = 2_000
_LATER = (1, 1_000_000, _DAY, 40 * _DAY)  # how long after the cutoff: one tick, …, beyond any window
_UNSEEN = "not seen before"

Row = dict[str, Any]
Frames = Mapping[str, pa.Table]
Moments = npt.NDArray[np.int64]


# ── what is past ──


def visible_from(frames: Frames, schema: Schema) -> dict[str, Moments]:
    """The instant from which each row is known: NEVER without a time, ALWAYS in tables that have none."""
    found: dict[str, Moments] = {}

    def of(name: str) -> Moments:
        if name not in found:
            found[name] = _visible(name, frames, schema, of)
        return found[name]

    return {t.name: of(t.name) for t in schema.tables}


def _visible(name: str, frames: Frames, schema: Schema, of: Callable[[str], Moments]) -> Moments:
    table, frame = schema.table(name), frames[name]
    path = schema.time_path(name)
    if path is None:
        return np.full(frame.num_rows, ALWAYS, dtype=np.int64)
    if not path[0]:
        column = table.column(path[1])
        moments = read_instants(frame[path[1]], column, schema.timezone)
    else:
        link = path[0][0].link
        theirs = keys_of(frames[link.parent], link.parent_columns)
        born = {loose(k): int(m) for k, m in zip(theirs, of(link.parent)) if m != NEVER}
        moments = [born.get(loose(k)) for k in keys_of(frame, link.child_columns)]
    late = table.available_after
    shifted = [m if m is None or late is None else late.after(m) for m in moments]
    return np.array([NEVER if m is None else m for m in shifted], dtype=np.int64)


def read_instants(values: pa.ChunkedArray, column: Column, zone: str | None) -> list[Instant | None]:
    """A column of stored times as instants."""
    plain = pa.types.is_timestamp(values.type) and (zone is None or values.type.tz is not None)
    if plain and column.time_format not in _FACTORS:
        instants: list[Instant | None] = (
            values.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist()
        )
        return instants
    return [read_instant(v, column, zone) for v in values.to_pylist()]


def read_instant(value: Any, column: Column, zone: str | None) -> Instant | None:
    """A stored time as an instant."""
    if value is None:
        return None
    if column.time_format in _FACTORS:
        return int(value) * _FACTORS[column.time_format]
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if zone is not None and value.tzinfo is None:
        value = value.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return from_datetime(value)


_FACTORS: dict[str | None, int] = {"s": 1_000_000, "ms": 1_000, "us": 1}


def stored(instant: Instant, column: Column, kind: pa.DataType, zone: str | None) -> Any:
    """The first time at or after an instant, in the form that the column stores."""
    if column.time_format in _FACTORS:
        return -(-instant // _FACTORS[column.time_format])
    if zone is not None:
        instant = from_datetime(
            to_datetime(instant).replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        )
    if pa.types.is_date(kind):
        return to_datetime(-(-instant // _DAY) * _DAY).date()
    if pa.types.is_timestamp(kind):
        unit = {"s": 1_000_000, "ms": 1_000}.get(kind.unit, 1)
        moment = to_datetime(-(-instant // unit) * unit)
        return moment if kind.tz is None else moment.replace(tzinfo=UTC)
    return format_instant(instant)


def keys_of(frame: pa.Table, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(frame[c].to_pylist() for c in columns)))


def loose(key: tuple[Any, ...]) -> tuple[str, ...] | None:
    """A key as text, so that 7 and '7' meet; None where a part is missing."""
    return None if any(v is None for v in key) else tuple(str(v) for v in key)


# ── other futures ──


def truncate(frames: Frames, schema: Schema, cutoff: Instant) -> dict[str, pa.Table]:
    """The database as far as it was known at the cutoff: later rows are gone, later values empty."""
    visible = visible_from(frames, schema)
    made = {}
    for table in schema.tables:
        past = frames[table.name].filter(pa.array(visible[table.name] <= cutoff))
        made[table.name] = _revised(past, table, schema, cutoff, lambda *_: None, lambda *_: None)
    return made


def perturb(frames: Frames, schema: Schema, cutoff: Instant, *, seed: int = 0) -> dict[str, pa.Table]:
    """The same past with another future: later rows changed, deleted and added; later values replaced.

    Some added rows come one microsecond after the cutoff, some point at nothing, and some are the parents
    that dangling keys of the past had been waiting for. Tables without a time are left as they are.
    """
    change = _Change(frames, schema, cutoff, generator(seed, "perturb"))
    return {t.name: change.table(t) for t in schema.tables}


class Keys:
    """The keys of a table's rows: each of them names one row, of the new ones too."""

    def __init__(self, table: Table, schema: Schema, frame: pa.Table) -> None:
        self.table = table
        self.taken = {k: set(map(loose, keys_of(frame, k))) for k in one_row_keys(table.name, schema)}
        pointing = {c for k in schema.links_up(table.name) for c in k.child_columns}
        named = dict.fromkeys(c for key in self.taken for c in key)
        self.free = [table.column(c) for c in named if c not in pointing and c != table.time_column]

    def renew(self, row: Row, number: int) -> None:
        """Give a row a key of its own, as far as its key is free to choose."""
        for column in self.free:
            if column.dtype is DType.INTEGER:
                row[column.name] = number
            elif column.dtype is DType.TEXT:
                row[column.name] = f"new {number}"

    def claim(self, row: Row) -> bool:
        """Whether no other row has this one's keys; from now on it has them."""
        made = {key: loose(tuple(row[c] for c in key)) for key in self.taken}
        if made.get(self.table.primary_key, ()) is None:
            return False
        if any(value is not None and value in self.taken[key] for key, value in made.items()):
            return False
        for key, value in made.items():
            self.taken[key].add(value)
        return True


class _Change:
    """One random other future."""

    def __init__(self, frames: Frames, schema: Schema, cutoff: Instant, rng: np.random.Generator) -> None:
        self.frames, self.schema, self.cutoff, self.rng = frames, schema, cutoff, rng
        self.visible = visible_from(frames, schema)
        self.made: dict[str, pa.Table] = {}
        self.later: dict[str, list[Row]] = {}  # the rows of the new future
        self.samples: dict[str, list[Row]] = {}
        self.links = {t.name: schema.links_up(t.name) for t in schema.tables}
        self.paths = {t.name: schema.time_path(t.name) for t in schema.tables}

    def table(self, table: Table) -> pa.Table:
        """The table with its new future; the tables it takes its time from come first."""
        name = table.name
        if name not in self.made:
            frame = self.frames[name]
            path = self.paths[name]
            if path is None:
                self.made[name], self.later[name] = frame, []
                return frame
            if path[0]:
                self.table(self.schema.table(path[0][0].end))
            future = self.visible[name] > self.cutoff
            kept = [r for r in frame.filter(pa.array(future)).to_pylist() if self.rng.random() < 0.7]
            named = frozenset(c for key in one_row_keys(name, self.schema) for c in key)
            changed = [self.row(table, r, frame, named) for r in kept]
            self.later[name] = changed + self.added(table, frame, changed)
            past = _revised(
                frame.filter(pa.array(~future)), table, self.schema, self.cutoff, self.value, self.moment
            )
            self.made[name] = pa.concat_tables([past, pa.Table.from_pylist(self.later[name], frame.schema)])
        return self.made[name]

    def some(self, name: str) -> list[Row]:
        """Rows of a table as it is, to take parents and values from."""
        if name not in self.samples:
            self.samples[name] = self.frames[name].slice(0, 1000).to_pylist()
        return self.samples[name]

    def pick(self, items: Sequence[Any]) -> Any:
        return items[int(self.rng.integers(len(items)))]

    def row(self, table: Table, row: Row, frame: pa.Table, named: frozenset[str]) -> Row:
        """A later row with other values; its keys stay, and it stays later."""
        made = dict(row)
        for column in table.columns:
            if column.name not in named and self.rng.random() < 0.8:
                kind = frame.schema.field(column.name).type
                made[column.name] = self.value(column, kind, row[column.name])
        self.point(table, made, named)
        if table.time_column not in named:
            self.date(table, made, frame)
        return made

    def date(self, table: Table, row: Row, frame: pa.Table) -> None:
        """Date a row after the cutoff; or before it, where the table is available late."""
        if table.time_column is None:
            return
        at = self.cutoff + self.pick(_LATER)
        late = table.available_after
        if late is not None and late.unit.microseconds is not None and self.rng.random() < 0.5:
            at -= round(late.microseconds)
        column = table.column(table.time_column)
        kind = frame.schema.field(column.name).type
        row[column.name] = stored(at, column, kind, self.schema.timezone)

    def point(self, table: Table, row: Row, fixed: frozenset[str]) -> None:
        """Point a row at other parents, at none, or at one that does not exist; it stays a later row."""
        path = self.paths[table.name]
        for link in self.links[table.name]:
            if fixed & set(link.child_columns):
                continue
            leads = path is not None and path[0] and path[0][0].link == link
            parents = self.later.get(link.parent, []) if leads else self.some(link.parent)
            if not leads:
                parents = parents + self.later.get(link.parent, [])
            draw = self.rng.random()
            if draw < 0.75 and parents:
                chosen = self.pick(parents)
                key: list[Any] = [chosen[c] for c in link.parent_columns]
            elif draw < 0.85:
                key = [None] * len(link.child_columns)
            else:
                key = [_nobody(table.column(c)) for c in link.child_columns]
            for name, value in zip(link.child_columns, key):
                same = table.column(name).dtype == DType.TEXT and value is not None
                row[name] = str(value) if same else value

    def added(self, table: Table, frame: pa.Table, changed: list[Row]) -> list[Row]:
        """New rows after the cutoff."""
        keys = Keys(table, self.schema, frame)
        waiting = self.waiting(table)
        models = self.some(table.name)
        made: list[Row] = []
        for i in range(min(_MOST_ADDED, max(4, frame.num_rows // 3) + len(waiting))):
            row = dict(self.pick(models)) if models else {}
            for column in table.columns:
                kind = frame.schema.field(column.name).type
                if column.name not in row or self.rng.random() < 0.5:
                    row[column.name] = self.value(column, kind, row.get(column.name))
            self.point(table, row, frozenset())
            keys.renew(row, 10**6 + i)
            if i < len(waiting):
                row |= {n: v for n, v in zip(table.primary_key, waiting[i]) if n != table.time_column}
            self.date(table, row, frame)
            if keys.claim(row):
                made.append(row)
        return made

    def waiting(self, table: Table) -> list[tuple[Any, ...]]:
        """Keys that rows of other tables point at and that no row has; none where the key also points."""
        found: dict[tuple[Any, ...], None] = {}
        if not table.primary_key or any(
            set(table.primary_key) & set(k.child_columns) for k in self.links[table.name]
        ):
            return []
        present = {loose(k) for k in keys_of(self.frames[table.name], table.primary_key)}
        for link in self.schema.links_down(table.name):
            types = [table.column(c).dtype for c in link.parent_columns]
            same = types == [self.schema.table(link.child).column(c).dtype for c in link.child_columns]
            if link.parent_columns == table.primary_key and same:
                for key in keys_of(self.frames[link.child], link.child_columns):
                    if loose(key) is not None and loose(key) not in present:
                        found[key] = None
        return list(found)[:100]

    def value(self, column: Column, kind: pa.DataType, old: Any) -> Any:
        """Another value of a column's kind; sometimes none, sometimes one that was never seen."""
        if self.rng.random() < 0.1:
            return None
        if column.semantic is Semantic.TIME:
            at = self.cutoff + int(self.rng.integers(-100, 100)) * _DAY
            return stored(at, column, kind, self.schema.timezone)
        match column.dtype:
            case DType.INTEGER:
                return int(self.rng.integers(-1000, 1000))
            case DType.FLOAT:
                return float(self.rng.normal(0, 1e6))
            case DType.BOOLEAN:
                return not old
            case DType.TEXT:
                return _UNSEEN if self.rng.random() < 0.7 else f"{old}?"
        return old

    def moment(self, column: Column, kind: pa.DataType, old: Any) -> Any:
        """Another time after the cutoff, or none."""
        if self.rng.random() < 0.3:
            return None
        return stored(self.cutoff + self.pick(_LATER), column, kind, self.schema.timezone)


Other = Callable[[Column, pa.DataType, Any], Any]


def _nobody(column: Column) -> Any:
    return -999_999 if column.dtype is DType.INTEGER else "nowhere"


def _revised(
    past: pa.Table, table: Table, schema: Schema, cutoff: Instant, value: Other, moment: Other
) -> pa.Table:
    """Past rows with what was not known of them replaced: late values, and the times that tell of them."""
    untouched = {*table.primary_key, table.time_column}
    untouched |= {c for k in schema.links_up(table.name) for c in k.child_columns}
    tells = {c.known_at for c in table.columns} | {table.end_time}
    for column in table.columns:
        teller = column.name if column.name in tells else column.known_at
        if teller is None or column.name in untouched or past.num_rows == 0:
            continue
        known = read_instants(past[teller], table.column(teller), schema.timezone)
        later = [m is None or m > cutoff for m in known]
        place = past.schema.get_field_index(column.name)
        field = past.schema.field(place)
        other = moment if column.name in tells else value
        values = past[column.name].to_pylist()
        made = [other(column, field.type, v) if new else v for v, new in zip(values, later)]
        # A teller is revised after the columns that it tells of, which are judged by the old one.
        revised = pa.array(made, field.type)
        if column.name in tells:
            past = past.append_column(f"\x00{column.name}", revised)
        else:
            past = past.set_column(place, field, revised)
    for name in [n for n in past.column_names if n.startswith("\x00")]:
        place = past.schema.get_field_index(name[1:])
        past = past.set_column(place, past.schema.field(place), past[name]).drop_columns([name])
    return past
