"""Contrasts of two aggregates, differences and ratios: every engine, the script and the oracle agree, and
nothing later shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import duckdb
import numpy as np
import pytest
from sqlglot import exp

from foretell import kernel
from foretell.core.errors import LeakError
from foretell.core.time import Last
from foretell.engines.base import Rows
from foretell.engines.choose import KINDS, make_engine
from foretell.evaluation.futures import perturb, truncate
from foretell.evaluation.law import asked, differences
from foretell.features.lower import feature_plan, target_plan
from foretell.features.matrix import Numeric
from foretell.features.model import Aggregated, Contrast, Feature, FeatureSet, Kind, from_json, to_json
from foretell.features.synthesize import Profile, synthesize
from foretell.plan import nodes
from foretell.plan.proof import prove
from foretell.plan.script import script
from foretell.schema.breadth import FeatureSettings
from foretell.sources.frames import FramesSource
from foretell.store.columns import FIRST_RANK
from foretell.store.working import Store
from foretell.task.model import Task
from foretell.testing.oracle import Oracle
from foretell.testing.random_databases import RandomDatabase, make_database, make_task

ENGINES = KINDS if kernel.AVAILABLE else ("duckdb",)


def cases(count: int) -> Iterator[tuple[RandomDatabase, Task, FeatureSet, int]]:
    """Databases whose question is of rows with two parents of one table, which have timed rows."""
    for seed in range(400):
        database = make_database(seed, tables=3, rows=30)
        task = make_task(database, seed, static=True)
        if task is None:
            continue
        every = synthesize(task, Profile(900.0, lambda table, column: ()), FeatureSettings(budget=5_000))
        found = [f for f in every.features if isinstance(f.definition, Contrast)]
        if {f.definition.how for f in found if isinstance(f.definition, Contrast)} == {*nodes.Comparison}:
            yield database, task, FeatureSet(tuple(found[:: 1 + len(found) // 12])), seed
            count -= 1
        if not count:
            return
    raise AssertionError("too few questions have twin parents")


def compare(
    kind: str, database: RandomDatabase, task: Task, features: FeatureSet, seed: int, told: FeatureSet
) -> int:
    """Assert that an engine's features are the oracle's of `told`; how many values there were."""
    oracle = Oracle(database.frames, database.schema)
    pairs = sorted(oracle.judged(task, database.cutoffs(seed, 2)), key=lambda k: (k[1], k[0]))[-20:]
    if not pairs:
        return 0
    given = Rows(*(np.array(column, dtype=np.int64) for column in zip(*pairs)))
    with Store.load(FramesSource(database.frames).snapshot()) as store:
        engine = make_engine(store, database.schema, kind=kind, precision=np.float64)
        matrix = engine.features(feature_plan(task, features), given)
    assert matrix.names == features.names, "what contrasts alone read is not shown"
    compared = 0
    for name, wanted in oracle.features(task, told, pairs).items():
        column = matrix[name]
        assert isinstance(column, Numeric)
        for found, want in zip(column.values.tolist(), wanted, strict=True):
            assert math.isnan(found) if want is None else math.isclose(found, want, abs_tol=1e-9), name
            compared += want is not None and want != 0
    return compared


@pytest.mark.parametrize("kind", ENGINES)
def test_engines_agree_with_the_oracle(kind: str) -> None:
    assert sum(compare(kind, *case, told=case[2]) for case in cases(4)) > 20


def test_control_the_sides_the_other_way_round() -> None:
    with pytest.raises(AssertionError):
        for database, task, features, seed in cases(4):
            turned = [
                replace(f, definition=replace(f.definition, left=f.definition.right, right=f.definition.left))
                for f in features.features
                if isinstance(f.definition, Contrast)
            ]
            compare("duckdb", database, task, features, seed, told=FeatureSet(tuple(turned)))


@pytest.mark.parametrize("kind", ENGINES)
def test_no_later_row_changes_a_bit(kind: str) -> None:
    for database, task, features, seed in cases(2):
        schema, target, plan = database.schema, target_plan(task), feature_plan(task, features)
        (cutoff,) = database.cutoffs(seed, 1)
        answers = []
        for frames in (
            database.frames,
            perturb(database.frames, schema, cutoff, seed=seed),
            truncate(database.frames, schema, cutoff),
        ):
            with Store.load(FramesSource(frames).snapshot()) as store:
                answers.append(asked(make_engine(store, schema, kind=kind), target, plan, cutoff))
        assert not differences(answers[0], answers[1], "perturb")
        assert not differences(answers[0], answers[2], "truncate")


def own_look_back(database: RandomDatabase) -> tuple[Task, FeatureSet]:
    """The last events of an entity less all of them: two blocks, and one side a feature itself."""
    for seed in range(100):
        task = make_task(database, seed, static=False)
        if task is None:
            continue
        every = synthesize(task, Profile(120.0, lambda table, column: ()))
        for feature in every.features:
            made = feature.definition
            if isinstance(made, Aggregated) and made.measure == "mean" and made.window == Last(5):
                lately = Contrast(made, replace(made, window=None))
                return task, FeatureSet((feature, Feature("lately", Kind.NUMERIC, lately, "", "")))
    raise AssertionError("no question has numbers")


def test_the_script_says_the_same_and_shows_no_more() -> None:
    database = make_database(4, tables=3, rows=40)
    task, features = own_look_back(database)
    assert from_json(to_json(features), task.schema).features == features.features
    plan, cutoffs = feature_plan(task, features), sorted(database.cutoffs(1, 2))
    shown = run(database, script(plan, None, database.schema, cutoffs, {}))
    entities = np.tile(np.arange(len(shown["lately"]) // len(cutoffs)) + FIRST_RANK, len(cutoffs))
    rows = Rows(entities, np.repeat(cutoffs, len(entities) // len(cutoffs)))
    with Store.load(FramesSource(database.frames).snapshot()) as store:
        matrix = make_engine(store, database.schema, kind="duckdb", precision=np.float64).features(plan, rows)
    assert len(shown) == len(plan.key) + 1 + len(features), "the keys, the cutoff, the features"
    column = matrix["lately"]
    assert isinstance(column, Numeric) and np.isfinite(column.values).any()
    np.testing.assert_allclose(np.array(shown["lately"], dtype=float), column.values, atol=1e-9)


def run(database: RandomDatabase, text: str) -> dict[str, list[Any]]:
    """The answer to the last query of a script."""
    with duckdb.connect() as connection:
        for name, frame in database.frames.items():
            connection.register("frame", frame)
            quoted = exp.to_identifier(name, quoted=True).sql(dialect="duckdb")
            connection.execute(f"CREATE TABLE {quoted} AS SELECT * FROM frame")
            connection.unregister("frame")
        *before, last = connection.extract_statements(text)
        for statement in before:
            connection.execute(statement).fetchall()
        answer = connection.sql(last.query).to_arrow_table()
    return {name: answer[name].to_pylist() for name in answer.column_names}


def test_the_proof_refuses_what_no_block_makes() -> None:
    database, task, features, _ = next(cases(1))
    plan = feature_plan(task, features)
    prove(plan, database.schema)
    odd = nodes.Contrast("odd", plan.contrasts[0].left, "elsewhere", nodes.Comparison.RATIO)
    with pytest.raises(LeakError, match="no block makes"):
        prove(replace(plan, contrasts=(odd,)), database.schema)
