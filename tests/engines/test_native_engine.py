"""The native engine beside DuckDB's on random databases: matrices, their precision, and every look-up.

FORETELL_LONG=1 compares many more of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import foretell.engines.duckdb as duckdb_room
from foretell import kernel
from foretell.core.time import Offset, Unit, parse_instant, to_datetime
from foretell.engines.base import Engine, Rows
from foretell.engines.choose import make_engine
from foretell.features.lower import feature_plan, target_plan
from foretell.features.matrix import Categorical, Matrix, Numeric
from foretell.features.model import Aggregated, FeatureSet
from foretell.features.synthesize import Profile, synthesize
from foretell.plan import nodes
from foretell.schema.model import Semantic
from foretell.sources.frames import FramesSource
from foretell.store.working import Store
from foretell.task.model import Task
from foretell.testing.random_databases import RandomDatabase, make_database, make_task
from foretell.testing.reckoning import part_of

if not kernel.AVAILABLE:
    pytest.skip(kernel.REASON, allow_module_level=True)

from foretell.engines.native import inputs
from foretell.engines.native.edges import before, calendar, edges
from foretell.engines.native.engine import NativeEngine
from foretell.engines.native.inputs import Column, Part, Whole
from foretell.engines.native.kept import Kept

LONG = bool(os.environ.get("FORETELL_LONG"))
WORDS = ("red", "it's", "nobody says this", "1")


def cases(first: int, count: int, rows: int = 150) -> Iterator[tuple[RandomDatabase, Task, int]]:
    for seed in range(first, first + count):
        database = make_database(seed, tables=2 + seed % 4, rows=rows)
        task = make_task(database, seed)
        if task is not None:
            yield database, task, seed


def features_of(task: Task) -> FeatureSet:
    return synthesize(task, Profile(120.0, lambda table, column: WORDS))


def rows_of(engine: Engine, task: Task, cutoffs: tuple[int, ...]) -> Rows:
    labels = engine.labels(target_plan(task), cutoffs).rows
    asked = engine.population(target_plan(task), cutoffs[-1:])
    return Rows(
        np.concatenate([labels.entities, asked.entities]), np.concatenate([labels.cutoffs, asked.cutoffs])
    )


def assert_close(found: Matrix, wanted: Matrix) -> None:
    assert found.names == wanted.names
    for name in found.names:
        a, b = found[name], wanted[name]
        if isinstance(a, Numeric) and isinstance(b, Numeric):
            # A slope over microseconds: SQL's seconds as doubles have fewer digits than whole microseconds.
            close = 1e-5 if ".trend." in name else 1e-9
            assert np.allclose(a.values, b.values, rtol=close, atol=close, equal_nan=True), name
        else:
            assert isinstance(a, Categorical) and isinstance(b, Categorical)
            assert a.categories == b.categories and np.array_equal(a.codes, b.codes), name


def assert_same(found: Matrix, wanted: Matrix) -> None:
    """Bit for bit."""
    assert found.names == wanted.names
    for name in found.names:
        a, b = found[name], wanted[name]
        if isinstance(a, Numeric) and isinstance(b, Numeric):
            assert a.values.tobytes() == b.values.tobytes(), name
        else:
            assert isinstance(a, Categorical) and isinstance(b, Categorical)
            assert a.categories == b.categories and np.array_equal(a.codes, b.codes), name


@pytest.mark.parametrize("grid", [duckdb_room.GRID, 0], ids=["cutoffs shared", "cutoffs of their own"])
def test_matrices_agree(grid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb_room, "_GRID", grid)
    measures = set()
    for database, task, seed in cases(4000 + grid, 120 if LONG else 4):
        with Store.load(FramesSource(database.frames).snapshot()) as store:
            sql, native = (
                make_engine(store, database.schema, kind=k, precision=np.float64)
                for k in ("duckdb", "native")
            )
            features = features_of(task)
            measures |= {
                f.definition.measure for f in features.features if isinstance(f.definition, Aggregated)
            }
            rows = rows_of(sql, task, database.cutoffs(seed, 4))
            plan = feature_plan(task, features)
            assert_close(native.features(plan, rows), sql.features(plan, rows))
    assert len(measures) > 10


def test_control_a_parent_read_too_early_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison sees an input whose parent is not bounded by the event's time."""
    find = Whole._find
    monkeypatch.setattr(
        Whole,
        "_find",
        lambda self, value: find(self, nodes.Input(value.expr, value.dtype, value.up, nodes.Until.END)),
    )
    with pytest.raises(AssertionError):
        for database, task, seed in cases(4000, 120):
            with Store.load(FramesSource(database.frames).snapshot()) as store:
                sql, native = (
                    make_engine(store, database.schema, kind=k, precision=np.float64)
                    for k in ("duckdb", "native")
                )
                rows = rows_of(sql, task, database.cutoffs(seed, 4))
                plan = feature_plan(task, features_of(task))
                assert_close(native.features(plan, rows), sql.features(plan, rows))


@dataclass(frozen=True)
class Slice:
    """The anchors of a part from one place to another."""

    part: Part
    first: int
    end: int

    @property
    def places(self) -> slice:
        offsets = self.part.events.offsets
        return slice(int(offsets[self.first]), int(offsets[self.end]))

    @property
    def events(self) -> kernel.Events:
        offsets = self.part.events.offsets[self.first : self.end + 1]
        return kernel.Events(offsets - offsets[0], self.part.events.times[self.places])

    def read(self, value: nodes.Input) -> Column:
        column = self.part.read(value)
        held = column.held
        index = None if held.index is None else held.index[self.places]
        if isinstance(held, kernel.Numbers):
            return Column(kernel.Numbers(held.values[self.places] if index is None else held.values, index))
        codes = held.codes[self.places] if index is None else held.codes
        return Column(kernel.Codes(codes, held.size, index, held.equals), column.words)


def sliced(whole: Part, count: int) -> Iterator[Part]:
    anchors = len(whole.events.offsets) - 1
    cuts = [anchors * i // count for i in range(count + 1)]
    for first, end in pairwise(cuts):
        yield Slice(whole, first, end)


def test_bits_are_the_same_by_threads_in_parts_and_with_nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = inputs.parts
    for database, task, seed in cases(5000, 60 if LONG else 4):
        cutoffs, plan = database.cutoffs(seed, 3), feature_plan(task, features_of(task))
        with Store.load(FramesSource(database.frames).snapshot()) as store:
            engine = NativeEngine(store, database.schema, threads=1)
            rows = rows_of(engine, task, cutoffs)
            first = engine.features(plan, rows)
            assert_same(engine.features(plan, rows), first)
            for threads in (2, 3):
                assert_same(NativeEngine(store, database.schema, threads=threads).features(plan, rows), first)
            assert_same(NativeEngine(store, database.schema, most=0).features(plan, rows), first)
            with monkeypatch.context() as patch:
                patch.setattr(
                    "foretell.engines.native.engine.parts",
                    lambda frames, events: sliced(next(iter(parts(frames, events))), 3),
                )
                assert_same(engine.features(plan, rows), first)


@pytest.mark.parametrize("kind", ["native", "duckdb"])
def test_float32_is_float64_rounded(kind: str) -> None:
    for database, task, seed in cases(6000, 40 if LONG else 2):
        plan = feature_plan(task, features_of(task))
        with Store.load(FramesSource(database.frames).snapshot()) as store:
            narrow, wide = (
                make_engine(store, database.schema, kind=kind, precision=p) for p in (np.float32, np.float64)
            )
            rows = rows_of(narrow, task, database.cutoffs(seed, 3))
            found, exact = narrow.features(plan, rows), wide.features(plan, rows)
        less = {c.name for c in plan.contrasts}  # of values that are rounded already
        for name, column in zip(exact.names, exact.columns):
            if isinstance(column, Numeric):
                held = found[name]
                assert isinstance(held, Numeric) and held.values.dtype == np.float32
                if name not in less:
                    assert held.values.tobytes() == column.values.astype(np.float32).tobytes(), name


def test_what_float32_cannot_hold_becomes_its_largest() -> None:
    made = Numeric.of(np.array([1e60, -1e60, np.nan, 0.1]), np.float32)
    most = float(np.finfo(np.float32).max)
    assert made.values[:2].tolist() == [most, -most] and np.isnan(made.values[2])


def test_look_ups_agree() -> None:
    for database, _, seed in cases(7000, 100 if LONG else 5, rows=60):
        schema, until = database.schema, database.cutoffs(seed, 1)[0]
        with Store.load(FramesSource(database.frames).snapshot()) as store:
            engines = [make_engine(store, schema, kind=k) for k in ("duckdb", "native")]

            def both(ask, engines=engines):  # type: ignore[no-untyped-def]
                wanted, found = map(ask, engines)
                assert found == wanted
                return found

            for link in schema.active_links:
                both(lambda e: round(e.fellows(link), 9))  # noqa: B023
            for table in schema.tables:
                name = table.name
                for bound in (None, until, 0):
                    both(lambda e: e.span(name, until=bound))  # noqa: B023
                    for trim in (0.1, 0.37):
                        both(lambda e: e.span(name, until=bound, trim=trim))  # noqa: B023
                for column in table.columns:
                    for bound in (None, until):
                        both(lambda e: e.frequent(name, column.name, until=bound, limit=3))  # noqa: B023
                    if column.semantic is Semantic.TIME:
                        both(lambda e: e.later_share(name, column.name, until))  # noqa: B023
                if table.primary_key:
                    entities = np.array([1, 3, 2, 10_000, 0, 1], dtype=np.int64)
                    named = both(lambda e: e.keys(name, table.primary_key, entities))  # noqa: B023
                    asked = {c: [*v, "no such key", None] for c, v in named.items()}
                    found = both(lambda e: e.find(name, asked).tolist())  # noqa: B023
                    assert found[-2:] == [-1, -1]


# ── windows' edges, and the calendar ──

MOMENTS = st.integers(parse_instant("0101-01-01"), parse_instant("9999-12-31"))
OFFSETS = st.one_of(
    st.builds(Offset, st.integers(1, 40), st.sampled_from([Unit.MONTH, Unit.QUARTER, Unit.YEAR])),
    st.builds(Offset, st.floats(0.01, 1e4), st.sampled_from([Unit.SECOND, Unit.HOUR, Unit.DAY, Unit.WEEK])),
)


@settings(max_examples=2000 if LONG else 200, deadline=None)
@given(st.lists(MOMENTS, min_size=1, max_size=5), OFFSETS)
def test_edges_are_the_offsets(moments: list[int], offset: Offset) -> None:
    found = before(np.array(moments, dtype=np.int64), offset)
    assert found.tolist() == [(-offset).after(m) for m in moments]


def test_edges_at_the_ends_of_months() -> None:
    shown = {"2024-03-31": "2024-02-29", "2023-03-30": "2023-02-28", "2024-12-31": "2024-11-30"}
    found = before(np.array([parse_instant(t) for t in shown], dtype=np.int64), Offset(1, Unit.MONTH))
    assert found.tolist() == [parse_instant(t) for t in shown.values()]


def test_windows_nest() -> None:
    """In March 30 days reach further back than a month."""
    (days, month) = edges(np.array([parse_instant("2023-03-15")]), (Offset(30), Offset(1, Unit.MONTH)))
    assert month[0] <= days[0]


@settings(max_examples=200, deadline=None)
@given(MOMENTS, st.sampled_from(["month", "weekday", "day", "hour", "year_day"]))
def test_the_calendar_is_the_date(moment: int, part: str) -> None:
    assert calendar(np.array([moment], dtype=np.int64), part).tolist() == [part_of(part, moment)]
    assert to_datetime(moment).year > 0


def test_what_is_kept_stays_within_its_bytes() -> None:
    kept, made = Kept(1_000), []
    for key in (0, 1, 0, 2, 0, 1):
        kept.get(key, lambda: made.append(key) or np.zeros(50))  # noqa: B023
        assert kept.nbytes <= 1_000
    assert made == [0, 1, 2, 1], "of three things of which two fit, the longest unused went"
