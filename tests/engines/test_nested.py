"""Aggregates of aggregates: every engine, the script and the oracle agree, and nothing after a cutoff shows.

FORETELL_LONG=1 compares many more databases.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from sqlglot import exp

import foretell.engines.duckdb as engine_room
from foretell import kernel
from foretell.core.time import DAY, Offset, parse_instant
from foretell.engines.base import Engine, Rows
from foretell.engines.choose import KINDS, make_engine
from foretell.evaluation.futures import perturb, truncate
from foretell.evaluation.law import answer, differences
from foretell.features.lower import feature_plan, target_plan
from foretell.features.matrix import Categorical, Matrix, Numeric, Values
from foretell.features.model import Aggregated, Feature, FeatureSet, Kind, Nested, Value
from foretell.features.synthesize import Profile, synthesize
from foretell.plan import nodes, rings
from foretell.plan.script import script
from foretell.query.parser import parse
from foretell.schema.breadth import Breadth, FeatureSettings
from foretell.schema.model import Column, DType, Hop, Link, Schema, Semantic, Table
from foretell.sources.frames import FramesSource
from foretell.store.columns import FIRST_RANK
from foretell.store.working import Store
from foretell.task.bind import bind
from foretell.task.model import Task
from foretell.testing.oracle import Oracle
from foretell.testing.random_databases import RandomDatabase, make_database, make_task

LONG = bool(os.environ.get("FORETELL_LONG"))
MORE = FeatureSettings(Breadth.MORE, budget=5_000)
MOST_FEATURES = 24
ENGINES = KINDS if kernel.AVAILABLE else ("duckdb",)


def nested_features(task: Task) -> FeatureSet:
    every = synthesize(task, Profile(120.0, lambda table, column: ()), MORE)
    found = [f for f in every.features if isinstance(f.definition, Nested)]
    return FeatureSet(tuple(found[:: 1 + len(found) // MOST_FEATURES]))


def cases(first: int, count: int, rows: int = 90) -> Iterator[tuple[RandomDatabase, Task, FeatureSet, int]]:
    """Databases whose question has nested features, with those."""
    for seed in range(first, first + 1_000):
        database = make_database(seed, tables=4 + seed % 3, rows=rows)
        task = make_task(database, seed, static=None if seed % 4 == 0 else False)
        if task is None:
            continue
        features = nested_features(task)
        if len(features):
            yield database, task, features, seed
            count -= 1
        if not count:
            return


def shown(column: Values) -> list[Any]:
    if isinstance(column, Numeric):
        return [None if math.isnan(v) else v for v in column.values.tolist()]
    assert isinstance(column, Categorical)
    return [None if c < 0 else column.categories[c] for c in column.codes.tolist()]


def agree(found: Any, wanted: Any) -> bool:
    if found is None or wanted is None or isinstance(wanted, str):
        return bool(found == wanted)
    return math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)


def rows_of(pairs: list[tuple[int, int]]) -> Rows:
    entities, cutoffs = zip(*pairs)
    return Rows(np.array(entities, dtype=np.int64), np.array(cutoffs, dtype=np.int64))


def compare(kind: str, database: RandomDatabase, task: Task, features: FeatureSet, seed: int) -> int:
    """Assert that an engine and the oracle agree; how many values there were."""
    oracle = Oracle(database.frames, database.schema)
    judged = oracle.judged(task, database.cutoffs(seed, 3))
    rows = sorted(judged, key=lambda k: (k[1], k[0]))[-40:]
    if not rows:
        return 0
    with Store.load(FramesSource(database.frames).snapshot()) as store:
        engine = make_engine(store, database.schema, kind=kind, precision=np.float64)
        matrix = engine.features(feature_plan(task, features), rows_of(rows))
    met = 0
    for name, wanted in oracle.features(task, features, rows).items():
        for row, found, want in zip(rows, shown(matrix[name]), wanted, strict=True):
            assert agree(found, want), (kind, name, row, found, want)
            met += want not in (None, 0)
    return met


@pytest.mark.parametrize("kind", ENGINES)
def test_engines_agree_with_the_oracle(kind: str) -> None:
    assert sum(compare(kind, *case) for case in cases(0, 200 if LONG else 9)) > 300


def test_rows_with_cutoffs_of_their_own_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_room, "_GRID", 0)
    assert sum(compare("duckdb", *case) for case in cases(300, 60 if LONG else 2)) > 100


def test_control_without_the_rows_at_the_cutoff(monkeypatch: pytest.MonkeyPatch) -> None:
    visible = rings.visible

    def early(of: str, at: str) -> exp.Expr:
        made = visible(of, at)
        bound = made.find(exp.LTE)
        if of == "u" and bound is not None:
            bound.replace(exp.LT(this=bound.this, expression=bound.expression))
        return made

    monkeypatch.setattr(rings, "visible", early)
    with pytest.raises(AssertionError, match="duckdb"):
        for case in cases(0, 9):
            compare("duckdb", *case)


# ── the native engine's slices ──

native = pytest.mark.skipif(not kernel.AVAILABLE, reason=kernel.REASON)


def assert_same(found: Matrix, wanted: Matrix) -> None:
    """Bit for bit."""
    assert found.names == wanted.names
    for name in found.names:
        a, b = found[name], wanted[name]
        assert isinstance(a, Numeric) and isinstance(b, Numeric)
        assert a.values.tobytes() == b.values.tobytes(), name


@native
@pytest.mark.parametrize("pairs", [1, 7])
def test_bits_are_the_same_by_threads_and_in_slices(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import foretell.engines.native.nested as room

    for database, task, features, seed in cases(100, 40 if LONG else 4):
        plan, cutoffs = feature_plan(task, features), database.cutoffs(seed, 3)
        with Store.load(FramesSource(database.frames).snapshot()) as store:

            def made(threads: int, store: Store = store, schema: Schema = database.schema) -> Engine:
                return make_engine(store, schema, kind="native", threads=threads)

            rows = made(1).labels(target_plan(task), cutoffs).rows
            first = made(1).features(plan, rows)
            for threads in (2, 3):
                assert_same(made(threads).features(plan, rows), first)
            with monkeypatch.context() as patch:
                patch.setattr(room, "_PAIRS", pairs)
                assert_same(made(2).features(plan, rows), first)


@native
def test_control_native_without_the_rows_at_the_cutoff(monkeypatch: pytest.MonkeyPatch) -> None:
    import foretell.engines.native.nested as room

    made = room._inner
    monkeypatch.setattr(room, "_inner", lambda f, b, m, cutoffs, t: made(f, b, m, cutoffs - 1, t))
    with pytest.raises(AssertionError, match="native"):
        for case in cases(0, 9):
            compare("native", *case)


@native
def test_bits_are_the_same_in_parts() -> None:
    """Where every table but that of the entities is too large for memory."""
    from foretell.engines.native.parted_engine import PartedEngine
    from foretell.store.memory import CODE, Memory

    split = 0
    for database, task, features, seed in cases(100, 40 if LONG else 8):
        plan, cutoffs = feature_plan(task, features), database.cutoffs(seed, 3)
        with Store.load(FramesSource(database.frames).snapshot()) as store:
            engine = make_engine(store, database.schema, kind="native")
            rows = engine.labels(target_plan(task), cutoffs).rows
            under = PartedEngine(store, database.schema, Memory(CODE + 6_000))
            under._parted.large = frozenset(t.name for t in database.schema.tables) - {plan.entity}
            parted = [b for b in plan.blocks if under._parted.split(b) is not None]
            names = tuple(n for b in parted for n in nodes.output_names(b))
            assert_same(under.features(plan, rows).select(names), engine.features(plan, rows).select(names))
            split += len(names) * len(rows)
    assert split > 100


# ── the law ──


@pytest.mark.parametrize("kind", ENGINES)
def test_other_futures_change_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETELL_ENGINE", kind)
    compared = 0
    for database, task, features, seed in cases(200, 100 if LONG else 4):
        schema, target, plan = database.schema, target_plan(task), feature_plan(task, features)
        (cutoff,) = database.cutoffs(seed, 1)
        first = answer(database.frames, schema, target, plan, cutoff, threads=2)
        for threads, future in enumerate(
            (
                perturb(database.frames, schema, cutoff, seed=seed),
                truncate(database.frames, schema, cutoff),
            ),
            start=1,
        ):
            other = answer(future, schema, target, plan, cutoff, threads=threads)
            assert not differences(first, other, f"of seed {seed}")
            compared += 1
    assert compared


# ── the script that people run ──


def run_script(database: RandomDatabase, text: str) -> pa.Table:
    """What the script's last query gives, over tables that hold the frames."""
    with duckdb.connect() as connection:
        for name, frame in database.frames.items():
            connection.register("frame", frame)
            quoted = exp.to_identifier(name, quoted=True).sql(dialect="duckdb")
            connection.execute(f"CREATE TABLE {quoted} AS SELECT * FROM frame")
            connection.unregister("frame")
        statements = connection.extract_statements(text)
        for statement in statements[:-1]:
            connection.execute(statement).fetchall()
        return connection.sql(statements[-1].query).to_arrow_table()


def visible(database: RandomDatabase, task: Task) -> int:
    """How many entities there ever are."""
    return len(Oracle(database.frames, database.schema).rows[task.entity.name])


@pytest.mark.parametrize("kind", ENGINES)
def test_the_script_gives_the_matrix(kind: str) -> None:
    """Of all that `more` tries."""
    compared = kinds = 0
    for database, task, found, seed in cases(60, 12 if LONG else 3):
        if task.is_static:
            continue
        every = synthesize(task, Profile(120.0, lambda table, column: ("red",)), MORE)
        quantiles = [
            f
            for f in every.features
            if isinstance(f.definition, Aggregated) and f.definition.measure in ("median", "q10", "q90")
        ]
        some = dict.fromkeys((*every.features[::25], *quantiles[:8], *found.features))
        features = FeatureSet(tuple(some))
        kinds += bool(quantiles)
        plan, cutoffs = feature_plan(task, features), sorted(database.cutoffs(seed, 2))
        with Store.load(FramesSource(database.frames).snapshot()) as store:
            engine = make_engine(store, database.schema, kind=kind, precision=np.float64)
            entities = range(FIRST_RANK, FIRST_RANK + visible(database, task))
            matrix = engine.features(plan, rows_of([(e, at) for at in cutoffs for e in entities]))
        printed = run_script(database, script(plan, None, database.schema, cutoffs, {}))
        assert printed.num_rows == matrix.rows
        for name in matrix.names:
            for have, want in zip(printed[name].to_pylist(), shown(matrix[name]), strict=True):
                assert agree(have, want), (seed, name, have, want)
                compared += 1
    assert compared > 500 and kinds


# ── by hand ──

DAY_0 = parse_instant("2024-01-01")
SHOP = Schema(
    (
        Table("customers", (Column("id", DType.INTEGER, Semantic.IDENTIFIER),), ("id",)),
        Table(
            "accounts",
            (
                Column("id", DType.INTEGER, Semantic.IDENTIFIER),
                Column("customer", DType.INTEGER, Semantic.IDENTIFIER),
                Column("opened", DType.TIMESTAMP, Semantic.TIME),
            ),
            ("id",),
            "opened",
        ),
        Table(
            "payments",
            (
                Column("id", DType.INTEGER, Semantic.IDENTIFIER),
                Column("account", DType.INTEGER, Semantic.IDENTIFIER),
                Column("at", DType.TIMESTAMP, Semantic.TIME),
                Column("amount", DType.FLOAT, Semantic.NUMERIC),
            ),
            ("id",),
            "at",
        ),
    ),
    (
        Link("accounts", ("customer",), "customers", ("id",)),
        Link("payments", ("account",), "accounts", ("id",)),
    ),
)


def days(*after: int) -> pa.Array:
    return pa.array([DAY_0 + d * DAY for d in after]).cast(pa.timestamp("us"))


FRAMES = {
    "customers": pa.table({"id": [1, 2]}),
    "accounts": pa.table({"id": [1, 2, 3, 4], "customer": [1, 1, 1, 1], "opened": days(0, 10, 20, 50)}),
    "payments": pa.table(
        {
            "id": [1, 2, 3, 4, 5, 6],
            "account": [1, 1, 2, 2, 2, 4],
            "at": days(1, 9, 12, 30, 31, 50),
            "amount": [5.0, None, 1.0, 2.0, 3.0, 100.0],
        }
    ),
}


def by_hand(kind: str, day: int) -> dict[str, list[float | None]]:
    """Features of the two customers at the end of a day."""
    task = bind(parse("PREDICT COUNT(accounts.*, 0, 30, days) FOR EACH customers.id"), SHOP)
    down = Hop(SHOP.link("accounts.customer"), up=False)
    each = (Hop(SHOP.link("payments.account"), up=False),)
    number, age = Aggregated("count", each), Aggregated("recency", each)
    asked = {
        "mean number": Nested("mean", down, number),
        "spread": Nested("std", down, number),
        "lately": Nested("max", down, number, window=Offset(15)),
        "oldest": Nested("max", down, age),
        "best": Nested("max", down, Aggregated("sum", each, value=Value("amount"))),
        "all": Nested("sum", down, number),
    }
    features = FeatureSet(tuple(Feature(n, Kind.NUMERIC, d, n, "accounts") for n, d in asked.items()))
    with Store.load(FramesSource(FRAMES).snapshot()) as store:
        engine = make_engine(store, SHOP, kind=kind, precision=np.float64)
        at = DAY_0 + day * DAY
        matrix = engine.features(feature_plan(task, features), rows_of([(1, at), (2, at)]))
    return {name: shown(matrix[name]) for name in matrix.names}


@pytest.mark.parametrize("kind", ENGINES)
def test_by_hand(kind: str) -> None:
    """At day 30 account 1 has two payments, account 2 two (a third comes the day after), account 3 none."""
    found = by_hand(kind, 30)
    assert found["mean number"] == [pytest.approx(4 / 3), None]
    assert found["spread"] == [pytest.approx(math.sqrt(4 / 3)), None]
    assert found["lately"] == [0.0, None], "account 3 alone was opened in the last 15 days"
    assert found["oldest"] == [21.0, None], "account 3 has no payment, and so no age"
    assert found["best"] == [5.0, None]
    assert found["all"] == [4.0, 0.0]


@pytest.mark.parametrize("kind", ENGINES)
def test_a_member_counts_from_its_own_time_on(kind: str) -> None:
    """Account 3 is opened on day 20."""
    assert by_hand(kind, 19)["mean number"] == [1.5, None]
    assert by_hand(kind, 20)["mean number"] == [1.0, None]
