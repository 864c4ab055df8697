"""Gaps, runs, and what was so a while ago: engines, script and oracle agree, and nothing later shows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import duckdb
import numpy as np
import pytest
from sqlglot import exp

import foretell.testing.oracle as oracle_room
from foretell import kernel
from foretell.core.time import Offset
from foretell.engines.base import Rows
from foretell.engines.choose import KINDS, make_engine
from foretell.evaluation.futures import perturb, truncate
from foretell.evaluation.law import asked, differences
from foretell.features.lower import feature_plan, target_plan
from foretell.features.matrix import Numeric, Values
from foretell.features.model import Aggregated, Feature, FeatureSet, OwnLabels, from_json, to_json
from foretell.features.synthesize import Profile, synthesize
from foretell.plan.nodes import Following
from foretell.plan.script import script
from foretell.schema.breadth import Breadth, FeatureSettings
from foretell.sources.frames import FramesSource
from foretell.store.columns import FIRST_RANK
from foretell.store.working import Store
from foretell.task.model import Task
from foretell.testing.oracle import Oracle
from foretell.testing.random_databases import RandomDatabase, make_database, make_task

ENGINES = KINDS if kernel.AVAILABLE else ("duckdb",)
AGO = (Offset(0), Offset(9), Offset(25))
Case = tuple[RandomDatabase, Task, FeatureSet, int]


def follows(feature: Feature) -> bool:
    match feature.definition:
        case Aggregated(value=value):
            return value is not None and value.following is not None
        case OwnLabels(following=what):
            return what is not None
    return False


def while_ago(features: tuple[Feature, ...]) -> Iterator[Feature]:
    """Aggregates and past labels of every kind, each as of some days before the cutoff."""
    for i, feature in enumerate(features):
        if isinstance(feature.definition, Aggregated | OwnLabels):
            ago = AGO[i % len(AGO)]
            definition = replace(feature.definition, ago=ago)
            yield replace(feature, name=f"{feature.name} {ago} ago", definition=definition)


def measured(feature: Feature, measure: str) -> Feature:
    """The same feature of another measure."""
    assert isinstance(feature.definition, Aggregated)
    return replace(
        feature, name=f"{feature.name} {measure}", definition=replace(feature.definition, measure=measure)
    )


def cases(first: int, count: int) -> Iterator[Case]:
    """Random questions, with about forty features that follow and a dozen of a while ago."""
    for seed in range(first, first + 40):
        database = make_database(seed, tables=2 + seed % 3, rows=30)
        task = make_task(database, seed)
        if task is None:
            continue
        words = Profile(120.0, lambda table, column: ("red", "1", "green"))
        every = synthesize(task, words, FeatureSettings(Breadth.MORE, budget=5_000)).features
        spreads = [f for f in every if follows(f) and "days_between" in f.name]
        runs = [f for f in every if follows(f) and f not in spreads]
        gaps = [measured(f, m) for f in spreads[:8] for m in ("std", "max", "last", "trend")]
        plain = tuple(f for f in every if not follows(f))
        chosen = gaps + runs[:: 1 + len(runs) // 10]
        chosen += while_ago(plain[:: 1 + len(plain) // 12])
        if chosen:
            yield database, task, FeatureSet(tuple(chosen)), seed
            count -= 1
        if not count:
            return


def shown(column: Values) -> list[Any]:
    if isinstance(column, Numeric):
        return [None if math.isnan(v) else v for v in column.values.tolist()]
    return [None if c < 0 else column.categories[c] for c in column.codes.tolist()]


def compare(kind: str, case: Case, told: FeatureSet | None = None) -> dict[str, int]:
    """Assert that an engine's features are the oracle's (of `told`); how many values there were, by kind."""
    database, task, features, seed = case
    oracle = Oracle(database.frames, database.schema)
    pairs = sorted(oracle.judged(task, database.cutoffs(seed, 2)), key=lambda k: (k[1], k[0]))[-20:]
    if not pairs:
        return {}
    given = Rows(*(np.array(column, dtype=np.int64) for column in zip(*pairs)))
    with Store.load(FramesSource(database.frames).snapshot()) as store:
        engine = make_engine(store, database.schema, kind=kind, precision=np.float64)
        matrix = engine.features(feature_plan(task, features), given)
    compared = {"gap": 0, "run": 0, "ago": 0}
    for feature, wanted in zip(features.features, oracle.features(task, told or features, pairs).values()):
        for found, want in zip(shown(matrix[feature.name]), wanted, strict=True):
            close = isinstance(want, float) and found is not None and math.isclose(found, want, abs_tol=1e-8)
            assert close or found == want, (feature.name, found, want)
            sort = "ago" if not follows(feature) else "gap" if "days_between" in feature.name else "run"
            compared[sort] += want not in (None, 0)
    return compared


@pytest.mark.parametrize("kind", ENGINES)
def test_engines_agree_with_the_oracle(kind: str) -> None:
    found = [compare(kind, case) for case in cases(0, 5)]
    for sort in ("gap", "run", "ago"):
        assert sum(c.get(sort, 0) for c in found) > 20, sort


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("what", list(Following))
def test_control_of_an_oracle_that_forgets_the_last_event(
    monkeypatch: pytest.MonkeyPatch, kind: str, what: Following
) -> None:
    followed = oracle_room.followed
    wrong = lambda events, way: followed(events[:-1] if way is what else events, way)  # noqa: E731
    monkeypatch.setattr(oracle_room, "followed", wrong)
    with pytest.raises(AssertionError):
        for case in cases(0, 8):
            compare(kind, case)


@pytest.mark.parametrize("kind", ENGINES)
def test_control_of_a_day_longer_ago(kind: str) -> None:
    with pytest.raises(AssertionError):
        for case in cases(0, 8):
            late = [
                replace(f, definition=replace(f.definition, ago=Offset(f.definition.ago.amount + 1)))
                for f in case[2].features
                if isinstance(f.definition, Aggregated | OwnLabels) and f.definition.ago is not None
            ]
            features = case[2].select(f.name for f in late)
            compare(kind, (case[0], case[1], features, case[3]), FeatureSet(tuple(late)))


@pytest.mark.parametrize("kind", ENGINES)
def test_no_later_row_changes_a_bit(kind: str) -> None:
    for database, task, features, seed in cases(40, 1):
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


def with_past_labels() -> Case:
    """A question whose earlier labels are yes or no."""
    for database, task, features, seed in cases(0, 40):
        if any(f.name == "label.run" for f in features.features):
            return database, task, features, seed
    raise AssertionError("no question has runs of labels")


def test_the_script_says_the_same_and_a_model_file_keeps_it() -> None:
    database, task, features, seed = with_past_labels()
    assert from_json(to_json(features), task.schema).features == features.features
    plan, cutoffs = feature_plan(task, features), sorted(database.cutoffs(seed, 2))
    answer = run(database, script(plan, None, database.schema, cutoffs, {}))
    entities = np.tile(np.arange(len(answer["label.run"]) // len(cutoffs)) + FIRST_RANK, len(cutoffs))
    rows = Rows(entities, np.repeat(cutoffs, len(entities) // len(cutoffs)))
    with Store.load(FramesSource(database.frames).snapshot()) as store:
        matrix = make_engine(store, database.schema, kind="duckdb", precision=np.float64).features(plan, rows)
    compared = 0
    for name in features.names:
        for found, want in zip(answer[name], shown(matrix[name]), strict=True):
            close = isinstance(want, float) and found is not None and math.isclose(found, want, abs_tol=1e-8)
            assert close or found == want, (name, found, want)
            compared += want not in (None, 0)
    assert compared > 50


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
