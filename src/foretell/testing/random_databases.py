"""Random small databases with everything that is awkward, and random queries over them.

Names with quotes and reserved words, composite and text keys, tables that refer to themselves or twice to one
parent, tables without a time or with a parent's, missing values, keys and times, ties, repeated rows, empty
tables, orphans, parents younger than their children, values known late, rows available late, entities that
end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from foretell.core.errors import UsageError
from foretell.core.lazy import require
from foretell.core.random import generator
from foretell.core.time import DAY, Instant, Offset, Unit, format_instant, parse_instant
from foretell.evaluation.futures import visible_from
from foretell.query import ast
from foretell.query.ast import Function
from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table
from foretell.task.bind import bind
from foretell.task.model import Task
from foretell.task.paths import paths_down

FIRST: Instant = parse_instant("2023-01-02")
SPAN_DAYS = 120
_ZONE = "Asia/Kolkata"  # half an hour off, and without daylight saving
_TABLES = ("orders", "select", "my table", 'say "hi"', "Größe", "表", "o'clock", "a.b", "x]y", "🙂")
_COLUMNS = ("amount", "group", "unit price", 'q"t', "naïve", "值", "it's", "order", "c.d", "k]")
_WORDS = ("red", "green", "blue", "", "it's", "null", "NaN", "ß")
_STEPS = (DAY, DAY // 4, 3_600_000_000, 1_000_000, 1)  # how coarse the times are: ties come from days


@dataclass(frozen=True)
class RandomDatabase:
    """Frames by name, and the schema that describes them truly."""

    frames: dict[str, pa.Table]
    schema: Schema

    def cutoffs(self, seed: int, count: int) -> tuple[Instant, ...]:
        """Cutoffs inside the history: most at the exact time of a row, or a microsecond beside it."""
        rng = generator(seed, "cutoffs")
        first, last = FIRST + 20 * DAY, FIRST + (SPAN_DAYS - 5) * DAY
        seen = np.unique(np.concatenate(list(visible_from(self.frames, self.schema).values())))
        inside = seen[(seen > first) & (seen < last)]
        found: set[Instant] = set()
        while len(found) < count:
            if len(inside) and rng.random() < 0.75:
                moment = int(rng.choice(inside)) + int(rng.choice([0, 0, 0, 1, -1]))
            else:
                moment = first + int(rng.integers(0, SPAN_DAYS - 25)) * DAY
            found.add(moment)
        return tuple(sorted(found))


def databases(tables: int = 5, rows: int = 40) -> Any:
    """A hypothesis strategy of `make_database`; needs hypothesis."""
    st = require("hypothesis", extra="dev").strategies
    return st.builds(
        make_database,
        seed=st.integers(0, 2**31 - 1),
        tables=st.integers(1, tables),
        rows=st.integers(0, rows),
    )


def make_database(seed: int, *, tables: int = 4, rows: int = 30) -> RandomDatabase:
    """A random database; the same one for the same arguments.

    >>> made = make_database(1, tables=2, rows=5)
    >>> len(made.frames), made.schema == make_database(1, tables=2, rows=5).schema
    (2, True)
    """
    rng = generator(seed, "database", tables, rows)
    zone = _ZONE if rng.random() < 0.15 else None
    names = [str(n) for n in rng.permutation(np.array(_TABLES))[:tables]]
    made: list[_Made] = []
    for name in names:
        made.append(_make_table(rng, name, made, rows, zone))
    schema = Schema(
        tuple(m.table for m in made), tuple(link for m in made for link in m.links), timezone=zone
    )
    return RandomDatabase({m.table.name: m.frame for m in made}, schema)


@dataclass(frozen=True)
class _Made:
    table: Table
    links: tuple[Link, ...]
    frame: pa.Table
    keys: list[tuple[Any, ...]]


@dataclass
class _Columns:
    """The columns of one table as they are made."""

    specs: list[Column]
    arrays: list[pa.Array]

    def add(self, name: str, dtype: DType, semantic: Semantic, values: Sequence[Any], **more: Any) -> None:
        array = values if isinstance(values, pa.Array) else pa.array(list(values), _ARROW[dtype])
        missing = array.null_count / len(array) if len(array) else 0.0
        seen = len({v for v in array.to_pylist() if v is not None})
        self.specs.append(Column(name, dtype, semantic, distinct=seen, null_fraction=missing, **more))
        self.arrays.append(array)


_ARROW = {
    DType.INTEGER: pa.int64(),
    DType.FLOAT: pa.float64(),
    DType.TEXT: pa.string(),
    DType.BOOLEAN: pa.bool_(),
    DType.TIMESTAMP: pa.timestamp("us"),
}


def _make_table(
    rng: np.random.Generator, name: str, before: list[_Made], rows: int, zone: str | None
) -> _Made:
    count = 0 if rng.random() < 0.06 else int(rng.integers(max(1, rows // 3), rows + 1)) if rows else 0
    columns = _Columns([], [])
    wanted = list(rng.permutation(np.array(_COLUMNS)))
    keys, key_names = _key(rng, columns, count)
    links = _foreign_keys(rng, name, columns, before, keys, key_names, count)
    step = int(rng.choice(_STEPS))
    timed = rng.random() < (0.55 if any(m.table.time_column for m in before) else 0.75)
    time_column, end_time, known = None, None, None
    moments = FIRST + rng.integers(0, SPAN_DAYS * DAY // step + 1, count) * step
    if timed:
        time_column = "at" if rng.random() < 0.7 else "placed at"
        _time(rng, columns, time_column, [int(m) for m in moments], 0.04, zone)
        if rng.random() < 0.2:
            end_time = "ended"
            later = [int(m + int(d) * DAY) for m, d in zip(moments, rng.integers(0, 60, count))]
            columns.add(end_time, *_TIMES, _stamps(rng, later, 0.4))
        if rng.random() < 0.4:
            known = "settled at"
            later = [int(m + int(d) * DAY // 2) for m, d in zip(moments, rng.integers(0, 30, count))]
            columns.add(known, *_TIMES, _stamps(rng, later, 0.2))
    for column in wanted[: int(rng.integers(1, 6))]:
        late = known if known is not None and rng.random() < 0.5 else None
        _value(rng, columns, str(column), count, late)
    late_by = None
    if timed and rng.random() < 0.15:
        late_by = [Offset(2), Offset(36, Unit.HOUR), Offset(1, Unit.MONTH)][int(rng.integers(3))]
    frame = pa.Table.from_arrays(columns.arrays, names=[c.name for c in columns.specs])
    if not key_names and count and rng.random() < 0.5:
        frame = pa.concat_tables([frame, frame.slice(0, max(1, count // 4))])  # rows that repeat
    if frame.num_rows:
        frame = frame.take(pa.array(rng.permutation(frame.num_rows)))
        keys = _rows(frame, key_names)
    table = Table(name, tuple(columns.specs), key_names, time_column, end_time, late_by, rows=frame.num_rows)
    return _Made(table, links, frame, keys)


def _key(
    rng: np.random.Generator, columns: _Columns, count: int
) -> tuple[list[tuple[Any, ...]], tuple[str, ...]]:
    """The key columns: a number, text, two columns, or none."""
    numbers = rng.permutation(np.arange(1, count + 1)) * int(rng.integers(1, 4))
    match rng.choice(["number", "number", "text", "pair", "none"]):
        case "number":
            columns.add("id", DType.INTEGER, Semantic.IDENTIFIER, [int(n) for n in numbers])
            return [(int(n),) for n in numbers], ("id",)
        case "text":
            texts = [f"k{n}'" for n in numbers]
            columns.add("code", DType.TEXT, Semantic.IDENTIFIER, texts)
            return [(t,) for t in texts], ("code",)
        case "pair":
            pairs = [(int(n) // 3, f"p{int(n) % 3}") for n in np.arange(count)]
            columns.add("part 1", DType.INTEGER, Semantic.IDENTIFIER, [a for a, _ in pairs])
            columns.add("part 2", DType.TEXT, Semantic.IDENTIFIER, [b for _, b in pairs])
            return list(pairs), ("part 1", "part 2")
    return [], ()


def _foreign_keys(
    rng: np.random.Generator,
    name: str,
    columns: _Columns,
    before: list[_Made],
    keys: list[tuple[Any, ...]],
    key_names: tuple[str, ...],
    count: int,
) -> tuple[Link, ...]:
    """Links to earlier tables, sometimes two to one of them, sometimes to the table itself."""
    links = []
    parents = [m for m in before if m.table.primary_key]
    chosen: list[_Made | None] = []
    if parents:
        for _ in range(int(rng.choice([1, 1, 1, 2, 2]))):
            chosen.append(parents[int(rng.integers(len(parents)))])
    if key_names and rng.random() < 0.15:
        chosen.append(None)
    for i, parent in enumerate(chosen):
        to = parent.table.name if parent else name
        its_key = parent.table.primary_key if parent else key_names
        specs = parent.table.columns if parent else tuple(columns.specs)
        targets = parent.keys if parent else keys
        picked = _pointing(rng, targets, its_key, specs, count)
        ours = tuple(f"{k} of {i}" for k in its_key)
        types = [next(c for c in specs if c.name == k).dtype for k in its_key]
        as_text = len(its_key) == 1 and types[0] is DType.INTEGER and rng.random() < 0.1
        for j, (column, dtype) in enumerate(zip(ours, types)):
            values = [None if p is None else p[j] for p in picked]
            if as_text:
                values, dtype = [None if v is None else str(v) for v in values], DType.TEXT
            columns.add(column, dtype, Semantic.IDENTIFIER, values)
        links.append(Link(name, ours, to, its_key))
    return tuple(links)


def _pointing(
    rng: np.random.Generator,
    targets: list[tuple[Any, ...]],
    key: tuple[str, ...],
    specs: Sequence[Column],
    count: int,
) -> list[tuple[Any, ...] | None]:
    """For each row a parent's key, a key that no parent has, or none; one parent may have half of them."""
    orphan: tuple[Any, ...] = tuple(
        -7 if next(c for c in specs if c.name == k).dtype is DType.INTEGER else "nobody" for k in key
    )
    hot = rng.random() < 0.3
    picked: list[tuple[Any, ...] | None] = []
    for _ in range(count):
        draw = rng.random()
        if draw < 0.06 or not targets:
            picked.append(None)
        elif draw < 0.12:
            picked.append(orphan)
        elif hot and draw < 0.6:
            picked.append(targets[0])
        else:
            picked.append(targets[int(rng.integers(len(targets)))])
    return picked


_TIMES = (DType.TIMESTAMP, Semantic.TIME)


def _stamps(rng: np.random.Generator, moments: Sequence[int], missing: float) -> pa.Array:
    values = [None if rng.random() < missing else int(m) for m in moments]
    return pa.array(values, pa.int64()).cast(pa.timestamp("us"))


def _time(
    rng: np.random.Generator,
    columns: _Columns,
    name: str,
    moments: Sequence[int],
    missing: float,
    zone: str | None,
) -> None:
    """A time column, stored as a time, a date, text or a number."""
    stamps = _stamps(rng, moments, missing)
    match rng.choice(["time"] * 7 + ["date", "text", "number"]):
        case "date":
            columns.add(name, *_TIMES, stamps.cast(pa.date32(), safe=False))
        case "text":
            shown = [None if v is None else format_instant(v) for v in stamps.cast(pa.int64()).to_pylist()]
            columns.add(name, DType.TEXT, Semantic.TIME, shown, time_format="iso")
        case "number":
            whole = [None if v is None else v // 1_000_000 for v in stamps.cast(pa.int64()).to_pylist()]
            columns.add(name, DType.INTEGER, Semantic.TIME, whole, time_format="s")
        case _:
            columns.add(name, *_TIMES, stamps)


def _value(rng: np.random.Generator, columns: _Columns, name: str, count: int, known_at: str | None) -> None:
    missing = float(rng.choice([0.0, 0.1, 0.6]))

    def holes(values: Sequence[Any]) -> list[Any]:
        return [None if rng.random() < missing else v for v in values]

    match rng.choice(["int", "float", "float", "huge", "word", "word", "code", "bool", "text"]):
        case "int":
            numbers = [int(v) for v in rng.integers(-5, 6, count)]
            columns.add(name, DType.INTEGER, Semantic.NUMERIC, holes(numbers), known_at=known_at)
        case "float":
            reals = [float(v) for v in np.round(rng.normal(3, 10, count), 2)]
            columns.add(name, DType.FLOAT, Semantic.NUMERIC, holes(reals), known_at=known_at)
        case "huge":
            reals = [float(v) for v in 1e5 + rng.random(count)]
            columns.add(name, DType.FLOAT, Semantic.NUMERIC, holes(reals), known_at=known_at)
        case "word":
            words = [str(w) for w in rng.choice(np.array(_WORDS), count)]
            columns.add(name, DType.TEXT, Semantic.CATEGORICAL, holes(words), known_at=known_at)
        case "code":
            codes = [int(v) for v in rng.integers(0, 4, count)]
            columns.add(name, DType.INTEGER, Semantic.CATEGORICAL, holes(codes), known_at=known_at)
        case "bool":
            flags = [bool(v) for v in rng.integers(0, 2, count)]
            columns.add(name, DType.BOOLEAN, Semantic.BOOLEAN, holes(flags), known_at=known_at)
        case _:
            texts = [f"a note, no. {i}" for i in range(count)]
            columns.add(name, DType.TEXT, Semantic.TEXT, holes(texts), known_at=known_at)


def _rows(frame: pa.Table, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return list(zip(*(frame[n].to_pylist() for n in names))) if names else []


# ── queries ──

_HORIZONS = (Offset(7), Offset(14), Offset(30), Offset(36, Unit.HOUR), Offset(1, Unit.MONTH))
_PLAIN = (Function.COUNT, Function.EXISTS)
_NUMBERS = (
    Function.SUM,
    Function.AVG,
    Function.MIN,
    Function.MAX,
    Function.MEDIAN,
    Function.STDDEV,
    Function.QUANTILE,
    Function.FIRST,
    Function.LAST,
)
_WORDY = (Function.COUNT_DISTINCT, Function.FIRST, Function.LAST, Function.MODE, Function.COUNT)


def make_task(database: RandomDatabase, seed: int, *, static: bool | None = None) -> Task | None:
    """A random task over a database, or None where the draw makes no sense there; the same one for a seed."""
    rng = generator(seed, "task")
    schema = database.schema
    entities = [t for t in schema.tables if t.primary_key]
    if not entities:
        return None
    asker = _Asker(rng, schema, entities[int(rng.integers(len(entities)))])
    if static is None:
        static = not asker.reachable or rng.random() < 0.25
    query = asker.static() if static else asker.temporal()
    if query is None:
        return None
    try:
        return bind(query, schema)
    except UsageError:
        return None


@dataclass
class _Asker:
    """Random queries about one entity."""

    rng: np.random.Generator
    schema: Schema
    entity: Table

    @property
    def reachable(self) -> list[Table]:
        """Timed tables one or two hops down."""
        return [
            t
            for t in self.schema.tables
            if t.name != self.entity.name
            and self.schema.is_timed(t.name)
            and paths_down(self.schema, self.entity.name, t.name, max_hops=2)
        ]

    def pick(self, items: Sequence[Any]) -> Any:
        return items[int(self.rng.integers(len(items)))]

    def key(self) -> ast.Column:
        return ast.Column(self.entity.name, self.entity.primary_key[0])

    def static(self) -> ast.Query | None:
        columns = [c for c in self.plain(self.entity) if c.semantic is not Semantic.TEXT]
        if not columns:
            return None
        chosen = self.pick(columns)
        read = ast.Column(self.entity.name, chosen.name)
        target: ast.Expr = read
        if chosen.semantic is Semantic.NUMERIC and self.rng.random() < 0.5:
            target = ast.Binary(">", read, ast.Literal(1))
        where = None
        others = [c for c in columns if c is not chosen]
        if others and self.rng.random() < 0.4:
            where = self.test(self.entity, self.pick(others))
        elif self.reachable and self.rng.random() < 0.3:
            where = self.compared(*self.past())
        return ast.Query(target, self.key(), where=where)

    def temporal(self) -> ast.Query | None:
        if not self.reachable:
            return None
        end = self.pick(_HORIZONS)
        start = Offset(0, end.unit)
        if end.unit is Unit.DAY and end.amount > 7 and self.rng.random() < 0.25:
            start = Offset(5)
        first = self.aggregate(start, end)
        target: ast.Expr = first
        draw = self.rng.random()
        if draw < 0.4:
            target = self.compared(first, self.numeric(first))
        elif draw < 0.55 and self.numeric(first):
            other = self.aggregate(start, end)
            if self.numeric(other):
                target = ast.Binary(self.pick(("+", "-", "*", "/")), first, other)
        elif draw < 0.65:
            other = self.aggregate(start, end)
            left, right = self.compared(first, self.numeric(first)), self.compared(other, self.numeric(other))
            target = ast.Binary(self.pick(("AND", "OR")), left, ast.Unary("NOT", right))
        where: ast.Expr | None = None
        if self.rng.random() < 0.35:
            where = self.compared(*self.past())
        own = [c for c in self.plain(self.entity) if c.semantic is not Semantic.TEXT]
        if own and self.rng.random() < 0.25:
            test = self.test(self.entity, self.pick(own))
            where = test if where is None else ast.Binary(self.pick(("AND", "OR")), where, test)
        assuming = None
        if self.rng.random() < 0.2:
            made = self.aggregate(start, end)
            assuming = self.compared(made, self.numeric(made))
        return ast.Query(target, self.key(), where=where, assuming=assuming)

    def past(self) -> tuple[ast.Aggregate, bool]:
        start = self.pick((Offset(-math.inf), Offset(-30), Offset(-10), Offset(-2, Unit.MONTH)))
        made = self.aggregate(start, Offset(0, start.unit))
        return made, self.numeric(made)

    def plain(self, table: Table) -> list[Column]:
        """Columns that are neither keys nor times."""
        keys = set(table.primary_key) | {c for k in self.schema.links_up(table.name) for c in k.child_columns}
        return [c for c in table.columns if c.name not in keys and c.semantic is not Semantic.TIME]

    def numeric(self, made: ast.Aggregate) -> bool:
        if made.function in (Function.COUNT, Function.COUNT_DISTINCT):
            return True
        if not isinstance(made.value, ast.Column) or made.value.name == "*":
            return made.function is not Function.EXISTS
        column = self.schema.table(made.value.table).column(made.value.name)
        return column.dtype in (DType.INTEGER, DType.FLOAT) and made.function is not Function.EXISTS

    def aggregate(self, start: Offset, end: Offset) -> ast.Aggregate:
        table = self.pick(self.reachable)
        path = self.pick(paths_down(self.schema, self.entity.name, table.name, max_hops=2))
        via = tuple((h.link.child, h.link.child_columns[0]) for h in path)
        columns = self.plain(table)
        where = self.test(table, self.pick(columns)) if columns and self.rng.random() < 0.3 else None
        numbers = [c for c in columns if c.semantic is Semantic.NUMERIC]
        words = [c for c in columns if c.semantic is Semantic.CATEGORICAL]
        kind = self.pick(["rows"] + ["numbers"] * 3 * bool(numbers) + ["words"] * 2 * bool(words))
        parameter = None
        if kind == "rows":
            function, value = self.pick(_PLAIN), ast.Column(table.name, "*")
        elif kind == "numbers":
            function = self.pick(_NUMBERS)
            value = ast.Column(table.name, self.pick(numbers).name)
            if function is Function.QUANTILE:
                parameter = 0.3
            if function is Function.SUM and self.rng.random() < 0.3:
                other = ast.Column(table.name, self.pick(numbers).name)
                return ast.Aggregate(function, ast.Binary("*", value, other), where, via, start, end)
        else:
            function, value = self.pick(_WORDY), ast.Column(table.name, self.pick(words).name)
        return ast.Aggregate(function, value, where, via, start, end, parameter)

    def compared(self, made: ast.Aggregate, numeric: bool) -> ast.Expr:
        """A condition on an aggregate."""
        if made.function is Function.EXISTS:
            return made
        if numeric:
            return ast.Binary(self.pick((">", "<=", "=", "!=")), made, ast.Literal(self.pick((0, 1, 3))))
        return self.pick((ast.IsNull(made, negated=True), ast.Binary("=", made, ast.Literal("red"))))  # type: ignore[no-any-return]

    def test(self, table: Table, column: Column) -> ast.Expr:
        """A condition on a column."""
        read = ast.Column(table.name, column.name)
        if self.rng.random() < 0.15:
            return ast.IsNull(read, negated=bool(self.rng.random() < 0.5))
        if column.dtype is DType.BOOLEAN:
            return ast.Binary("=", read, ast.Literal(True))
        if column.dtype is DType.TEXT:
            values = tuple(ast.Literal(w) for w in ("red", "it's", ""))
            return self.pick(  # type: ignore[no-any-return]
                (ast.Binary("!=", read, ast.Literal("red")), ast.In(read, values, negated=False))
            )
        if self.rng.random() < 0.3:
            return ast.Between(read, ast.Literal(-2), ast.Literal(4))
        return ast.Binary(self.pick((">", "<=", "!=")), read, ast.Literal(self.pick((0, 2, 3))))
