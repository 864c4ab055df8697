"""Every engine and the oracle agree on labels, populations and every feature, on random databases.

FORETELL_LONG=1 compares many more of them.
"""

from __future__ import annotations

import dataclasses
import math
import os
from typing import Any

import numpy as np
import pytest
from sqlglot import exp

import foretell.engines.duckdb as engine_room
from foretell import kernel
from foretell.core.time import Instant, Last
from foretell.engines.base import Engine, Rows
from foretell.engines.choose import KINDS, make_engine
from foretell.features.lower import feature_plan, target_plan
from foretell.features.matrix import Numeric, Values
from foretell.features.model import Aggregated, FeatureSet, OwnLabels
from foretell.features.synthesize import Profile, synthesize
from foretell.plan import rings, target
from foretell.plan.measures import MEASURES
from foretell.query.ast import Function
from foretell.schema.breadth import Breadth, FeatureSettings
from foretell.sources.frames import FramesSource
from foretell.store.working import Store
from foretell.task.model import Task
from foretell.testing.oracle import Oracle
from foretell.testing.random_databases import RandomDatabase, make_database, make_task

LONG = bool(os.environ.get("FORETELL_LONG"))
MOST_ROWS = 40
ENGINES = KINDS if kernel.AVAILABLE else ("duckdb",)


def agree(found: Any, wanted: Any) -> bool:
    if found is None or wanted is None:
        return found is None and wanted is None
    if isinstance(wanted, str | list):
        return bool(found == wanted)
    return math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)


def shown(column: Values) -> list[Any]:
    if isinstance(column, Numeric):
        return [None if math.isnan(v) else v for v in column.values.tolist()]
    return [None if c < 0 else column.categories[c] for c in column.codes.tolist()]


def compare(database: RandomDatabase, task: Task, seed: int) -> FeatureSet:
    """Assert that the engines and the oracle agree; the features that were compared."""
    cutoffs = database.cutoffs(seed, 3)
    oracle = Oracle(database.frames, database.schema)
    labels = oracle.labels(task, cutoffs)
    population = oracle.population(task, cutoffs)
    rows = sorted(oracle.judged(task, cutoffs), key=lambda k: (k[1], k[0]))[-MOST_ROWS:]
    with Store.load(FramesSource(database.frames).snapshot()) as store:
        engines = [make_engine(store, database.schema, kind=k, precision=np.float64) for k in ENGINES]
        features = synthesize(
            task,
            Profile(120.0, lambda t, c: engines[0].frequent(t, c, until=cutoffs[0], limit=6)),
            FeatureSettings(Breadth.MORE if seed % 9 == 0 else Breadth.STANDARD, budget=400),
        )
        wanted = oracle.features(task, features, rows)
        for engine in engines:
            _compare_labels(engine, task, cutoffs, labels)
            found = engine.population(target_plan(task), cutoffs)
            assert list(zip(found.entities.tolist(), found.cutoffs.tolist(), strict=True)) == population
            _compare_features(engine, task, features, rows, wanted)
    return features


def _compare_labels(
    engine: Engine, task: Task, cutoffs: tuple[Instant, ...], wanted: dict[tuple[int, Instant], Any]
) -> None:
    labels = engine.labels(target_plan(task), cutoffs)
    keys = list(zip(labels.rows.entities.tolist(), labels.rows.cutoffs.tolist(), strict=True))
    assert len(keys) == len(set(keys)), "one label for each (entity, cutoff)"
    assert keys == sorted(keys, key=lambda k: (k[1], k[0]))
    assert set(keys) == set(wanted)
    for key, value in zip(keys, labels.values.tolist(), strict=True):
        assert agree(value, wanted[key]), (type(engine), key, value, wanted[key])


def _compare_features(
    engine: Engine,
    task: Task,
    features: FeatureSet,
    rows: list[tuple[int, Instant]],
    wanted: dict[str, list[Any]],
) -> None:
    given = Rows(
        np.array([e for e, _ in rows], dtype=np.int64), np.array([t for _, t in rows], dtype=np.int64)
    )
    matrix = engine.features(feature_plan(task, features), given)
    assert set(matrix.names) == set(features.names)
    assert matrix.rows == len(rows)
    for name, values in wanted.items():
        for row, found, want in zip(rows, shown(matrix[name]), values, strict=True):
            assert agree(found, want), (type(engine), name, row, found, want)


def cases(first: int, count: int) -> list[tuple[RandomDatabase, Task, int]]:
    made = []
    for seed in range(first, first + count):
        database = make_database(seed, tables=2 + seed % 4, rows=24)
        task = make_task(database, seed)
        if task is not None:
            made.append((database, task, seed))
    return made


def test_every_measure_agrees() -> None:
    measures: set[str] = set()
    counted: set[str] = set()
    for database, task, seed in cases(0, 300 if LONG else 19):
        for feature in compare(database, task, seed).features:
            if isinstance(feature.definition, Aggregated | OwnLabels):
                measures.add(feature.definition.measure)
                if isinstance(feature.definition.window, Last):
                    counted.add(feature.definition.measure)
    assert measures == set(MEASURES), "the run met every measure"
    assert counted >= {"mean", "gap", "tenure", "std"}, "and windows of so many events"


def test_rows_with_cutoffs_of_their_own_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where cutoffs are too many to share, each event meets each row."""
    monkeypatch.setattr(engine_room, "_GRID", 0)
    for database, task, seed in cases(1000, 100 if LONG else 6):
        compare(database, task, seed)


def compare_labels(database: RandomDatabase, task: Task, seed: int) -> bool:
    """Whether the labels that SQL makes agree."""
    cutoffs = database.cutoffs(seed, 3)
    with Store.load(FramesSource(database.frames).snapshot()) as store:
        labels = make_engine(store, database.schema, kind="duckdb").labels(target_plan(task), cutoffs)
    keys = zip(labels.rows.entities.tolist(), labels.rows.cutoffs.tolist(), strict=True)
    found = dict(zip(keys, labels.values.tolist(), strict=True))
    wanted = Oracle(database.frames, database.schema).labels(task, cutoffs)
    return set(found) == set(wanted) and all(agree(found[k], wanted[k]) for k in wanted)


def test_every_function_of_the_language_agrees() -> None:
    """Labels alone, of many queries."""
    functions: set[Function] = set()
    clauses: set[str] = set()
    for database, task, seed in cases(2000, 600 if LONG else 60):
        if task.is_static:
            continue
        bound = [b for b in (task.target, task.where, task.assuming) if b is not None]
        functions |= {a.function for b in bound for a in b.aggregates}
        clauses |= {n for n in ("where", "assuming") if getattr(task, n) is not None}
        assert compare_labels(database, task, seed), task.query
    assert functions == set(Function) - {Function.LIST_DISTINCT}
    assert clauses == {"where", "assuming"}


@pytest.mark.parametrize("kind", ENGINES)
def test_a_row_has_the_same_features_in_any_company(kind: str) -> None:
    """Learned from among many rows, or scored alone: past labels and look-backs are the row's own."""
    compared = 0
    for database, task, seed in cases(3000, 60 if LONG else 5):
        cutoffs = database.cutoffs(seed, 4)
        with Store.load(FramesSource(database.frames).snapshot()) as store:
            engine = make_engine(store, database.schema, kind=kind, precision=np.float64)
            plan = feature_plan(task, synthesize(task, Profile(120.0, lambda t, c: ("red", "1"))))
            rows = engine.labels(target_plan(task), cutoffs).rows
            last = rows.take(rows.cutoffs == rows.cutoffs.max(initial=0))
            among, alone = engine.features(plan, rows), engine.features(plan, last)
        for name in among.names:
            wanted = shown(among[name])[len(rows) - len(last) :]
            assert all(map(agree, shown(alone[name]), wanted)), name
            compared += len(last)
    assert compared > 0


def _swapped(made: exp.Expr, old: type[exp.Binary], new: type[exp.Binary]) -> exp.Expr:
    """The query with its first such comparison changed."""
    found = made.find(old)
    if found is not None:
        found.replace(new(this=found.this, expression=found.expression))
    return made


def test_control_features_without_the_row_at_the_cutoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison notices an edge that is off by one row."""
    visible = rings.visible
    monkeypatch.setattr(rings, "visible", lambda *a: _swapped(visible(*a), exp.LTE, exp.LT))
    with pytest.raises(AssertionError, match="DuckDBEngine"):
        for case in cases(0, 18):
            compare(*case)


@pytest.mark.skipif(not kernel.AVAILABLE, reason=kernel.REASON)
def test_control_native_features_without_the_row_at_the_cutoff(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = kernel.sweep
    early = lambda *a, cutoffs, **more: sweep(*a, cutoffs=cutoffs - 1, **more)  # noqa: E731
    monkeypatch.setattr(kernel, "sweep", early)
    with pytest.raises(AssertionError, match="NativeEngine"):
        for case in cases(0, 18):
            compare(*case)


def test_control_labels_with_the_row_at_the_cutoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row at exactly the cutoff is past: counting it in the label is noticed."""
    met = target._met
    monkeypatch.setattr(target, "_met", lambda *a: _swapped(met(*a), exp.GT, exp.GTE))
    assert not all(compare_labels(*case) for case in cases(2000, 60) if not case[1].is_static)


def test_control_quantiles_of_another_share(monkeypatch: pytest.MonkeyPatch) -> None:
    other = dataclasses.replace(MEASURES["q90"], quantile=0.8)
    monkeypatch.setitem(MEASURES, "q90", other)
    with pytest.raises(AssertionError, match="q90"):
        for case in cases(18, 1):
            compare(*case)
