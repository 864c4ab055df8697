"""The native labels against the SQL's and the oracle's: every function, window, condition and type, on random
databases.

FORETELL_LONG=1 compares many more of them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from foretell.core.errors import UsageError
from foretell.core.random import generator
from foretell.core.time import Offset, Unit
from foretell.engines.duckdb import DuckDBEngine
from foretell.features.lower import target_plan
from foretell.kernel import AVAILABLE
from foretell.plan import nodes
from foretell.query import ast
from foretell.query.ast import Function
from foretell.schema.model import DType, Semantic
from foretell.sources.frames import FramesSource
from foretell.store.working import Store
from foretell.task.aggregates import ACCEPTS
from foretell.task.bind import bind
from foretell.task.model import Task
from foretell.task.paths import paths_down
from foretell.testing.oracle import Oracle
from foretell.testing.random_databases import RandomDatabase, make_database, make_task

if not AVAILABLE:
    pytest.skip("the kernel is not compiled here", allow_module_level=True)

from foretell.engines.native import labels as room
from foretell.engines.native.engine import NativeEngine
from foretell.engines.native.frames import Frames
from foretell.kernel import ranges
from foretell.kernel.ranges import Code, Ranges

LONG = bool(os.environ.get("FORETELL_LONG"))
ASKED = 14  # aggregates of each database
PAST = (
    Offset(-math.inf),
    Offset(-30),
    Offset(-36, Unit.HOUR),
    Offset(-2, Unit.MONTH),
    Offset(-1, Unit.QUARTER),
)
AHEAD = (Offset(7), Offset(30), Offset(36, Unit.HOUR), Offset(1, Unit.MONTH), Offset(0.7))


def native(store: Store, database: RandomDatabase, threads: int = 2) -> NativeEngine:
    """The engine that makes its labels' aggregates from ranges."""
    return NativeEngine(store, database.schema, threads=threads)


# ── every aggregate that the language can say ──


def plans(database: RandomDatabase, seed: int) -> Iterator[tuple[ast.Aggregate, nodes.Target]]:
    """Random aggregates over every kind of column, ahead and back, each as its query's plan."""
    rng = generator(seed, "aggregates")
    schema = database.schema

    def pick(items: Any) -> Any:
        return items[int(rng.integers(len(items)))]

    pairs = [
        (entity, table, path)
        for entity in schema.tables
        for table in schema.tables
        if entity.primary_key and table is not entity
        for path in paths_down(schema, entity.name, table.name, max_hops=2)
    ]
    for _ in range(ASKED if pairs else 0):
        entity, table, path = pick(pairs)
        function = pick(tuple(Function))
        columns = [c for c in table.columns if (_dtype(c)) in ACCEPTS[function]]
        if not columns:
            continue
        value: ast.Expr = ast.Column(table.name, pick(columns).name)
        if function in (Function.COUNT, Function.EXISTS) and rng.random() < 0.4:
            value = ast.Column(table.name, "*")
        elif function in (Function.SUM, Function.MIN, Function.MODE) and rng.random() < 0.3:
            column = value
            if schema.table(table.name).column(column.name).dtype in (DType.INTEGER, DType.FLOAT):  # type: ignore[union-attr]
                value = ast.Binary("*", column, ast.Literal(pick((2, -0.5))))
        tested = pick(table.columns)
        where = ast.IsNull(ast.Column(table.name, tested.name), negated=bool(rng.random() < 0.7))
        start, end = Offset(0, pick(AHEAD).unit), pick(AHEAD)
        back = rng.random() < 0.5
        if back:
            start, end = pick(PAST), Offset(0)
            end = Offset(0, start.unit) if rng.random() < 0.7 or not start.finite else end
        made = ast.Aggregate(
            function,
            value,
            where if rng.random() < 0.4 else None,
            tuple((h.link.child, h.link.child_columns[0]) for h in path),
            start if back else Offset(0, end.unit),
            end,
            0.3 if function is Function.QUANTILE else None,
        )
        key = ast.Column(entity.name, entity.primary_key[0])
        known = ast.IsNull(made, negated=True)
        asked = ast.Query(known, key)
        if back:
            asked = ast.Query(_some_target(database, entity.name, key), key, where=known)
        elif function is Function.LIST_DISTINCT:
            asked = ast.Query(made, key, spec=ast.Rank(3))
        try:
            yield made, target_plan(bind(asked, schema))
        except UsageError:
            continue


def _dtype(column: Any) -> DType:
    return DType.TIMESTAMP if column.semantic is Semantic.TIME else column.dtype  # type: ignore[no-any-return]


def _some_target(database: RandomDatabase, entity: str, key: ast.Column) -> ast.Expr:
    """Any static target: the condition is what is compared."""
    columns = [c for c in database.schema.table(entity).columns if c.name != key.name]
    return ast.IsNull(ast.Column(entity, columns[0].name if columns else key.name), negated=False)


def values(
    engine: DuckDBEngine | NativeEngine, plan: nodes.Target, cutoffs: tuple[int, ...]
) -> list[pa.Table]:
    """The values that the engine makes of each aggregate of a plan, for the rows of the population."""
    labelling = engine._labelling
    _, people, made = labelling.evaluate(plan, cutoffs, future=True)
    return [
        labelling.bench.connection.sql(
            f'SELECT * FROM foretell."{name}" SEMI JOIN foretell."{people}" USING (entity, cutoff)'
            " WHERE value IS NOT NULL ORDER BY entity, cutoff"
        ).to_arrow_table()
        for name in made.values()
    ]


def same(found: pa.Table, wanted: pa.Table) -> bool:
    """Equal rows and types; numbers to 1e-9 relative."""
    if found.schema != wanted.schema or found.drop(["value"]) != wanted.drop(["value"]):
        return False
    return all(map(agree, found["value"].to_pylist(), wanted["value"].to_pylist()))


def agree(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, float) and isinstance(found, float):
        return math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)
    return bool(found == wanted)


def differing(first: int, count: int, met: set[Function]) -> Iterator[Any]:
    """The aggregates that are not the SQL's; `met` gathers the functions that were compared."""
    for seed in range(first, first + count):
        database = make_database(seed, tables=2 + seed % 4, rows=24)
        cutoffs = database.cutoffs(seed, 3)
        with Store.load(FramesSource(database.frames).snapshot()) as store:
            ours, theirs = native(store, database), DuckDBEngine(store, database.schema)
            for aggregate, plan in plans(database, seed):
                for found, wanted in zip(
                    values(ours, plan, cutoffs), values(theirs, plan, cutoffs), strict=True
                ):
                    if wanted.num_rows:
                        met.add(aggregate.function)
                    if not same(found, wanted):
                        yield seed, aggregate, found.to_pylist(), wanted.to_pylist()


def test_every_function_is_the_sql_s() -> None:
    """Also its type: BIGINT for counts, DOUBLE for numbers, and the column's own where a value is chosen."""
    met: set[Function] = set()
    assert list(differing(0, 300 if LONG else 14, met)) == []
    assert met == set(Function)


# ── whole labels ──


def labels_agree(database: RandomDatabase, task: Task, seed: int) -> bool:
    """Whether labels and population are the oracle's."""
    cutoffs = database.cutoffs(seed, 3)
    plan = target_plan(task)
    with Store.load(FramesSource(database.frames).snapshot()) as store:
        engine = native(store, database, threads=1 + seed % 3)
        labels, people = engine.labels(plan, cutoffs), engine.population(plan, cutoffs)
        made = {
            name
            for (name,) in store.cursor()
            .execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'foretell'")
            .fetchall()
        }
    oracle = Oracle(database.frames, database.schema)
    keys = zip(labels.rows.entities.tolist(), labels.rows.cutoffs.tolist(), strict=True)
    found, wanted = dict(zip(keys, labels.values.tolist(), strict=True)), oracle.labels(task, cutoffs)
    assert all(name.startswith("entities#") for name in made), "no event table is copied"
    return (
        set(found) == set(wanted)
        and all(agree(found[k], wanted[k]) for k in wanted)
        and list(zip(people.entities.tolist(), people.cutoffs.tolist())) == oracle.population(task, cutoffs)
    )


def cases(first: int, count: int) -> Iterator[tuple[RandomDatabase, Task, int]]:
    for seed in range(first, first + count):
        database = make_database(seed, tables=2 + seed % 4, rows=24)
        task = make_task(database, seed)
        if task is not None:
            yield database, task, seed


def test_labels_are_the_oracle_s() -> None:
    static = 0
    for database, task, seed in cases(6000, 600 if LONG else 20):
        assert labels_agree(database, task, seed), (seed, task.query)
        static += task.is_static
    assert static, "the run met static targets"


# ── controls: the comparisons notice each of these ──


def _with_the_row_at_the_cutoff(patch: pytest.MonkeyPatch) -> None:
    found = ranges.find
    patch.setattr(ranges, "find", lambda e, a, low, high, **k: found(e, a, low - (low > 0), high, **k))


def _the_largest_of_equally_frequent(patch: pytest.MonkeyPatch) -> None:
    codes = ranges.codes

    def reversed_codes(what: Code, rows: Ranges, given: Any, **more: Any) -> Any:
        if what is not Code.MODE:
            return codes(what, rows, given, **more)
        turned = type(given)(
            np.where(given.codes < 0, -1, given.size - 1 - given.codes), given.size, given.index
        )
        made = codes(what, rows, turned, **more)
        return np.where(made < 0, -1, given.size - 1 - made)

    patch.setattr(ranges, "codes", reversed_codes)


def _missing_values_counted(patch: pytest.MonkeyPatch) -> None:
    present = ranges.present
    patch.setattr(ranges, "present", lambda rows, has: present(rows, np.ones_like(has)))


def _another_calendar(patch: pytest.MonkeyPatch) -> None:
    days = room.before
    patch.setattr(
        room, "before", lambda at, off: days(at, Offset(round(off.days)) if off.unit.months else off)
    )


def _never_delayed(patch: pytest.MonkeyPatch) -> None:
    of = Frames.of
    patch.setattr(Frames, "of", lambda self, n: of(self, nodes.Events(n.rows, n.inputs, n.where)))


@pytest.mark.parametrize(
    "plant",
    [
        _with_the_row_at_the_cutoff,
        _the_largest_of_equally_frequent,
        _missing_values_counted,
        _another_calendar,
        _never_delayed,
    ],
)
def test_control(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert next(differing(0, 100, set()), None) is not None
