"""The law of the field: rows after the cutoff change neither who is asked about nor any feature by a bit.

FORETELL_LONG=1 runs many more databases, and other ones each time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import foretell.engines.duckdb as engine_room
from foretell.engines.choose import make_engine
from foretell.evaluation.futures import perturb, truncate
from foretell.evaluation.law import answer, differences
from foretell.features.lower import feature_plan, target_plan
from foretell.features.model import FeatureSet
from foretell.features.synthesize import Profile, synthesize
from foretell.schema.model import Semantic
from foretell.sources.frames import FramesSource
from foretell.store.working import Store
from foretell.task.model import Task
from foretell.testing.random_databases import RandomDatabase, databases, make_task

LONG = bool(os.environ.get("FORETELL_LONG"))


def law(examples: int, many: int) -> settings:
    return settings(
        max_examples=many if LONG else examples,
        derandomize=not LONG,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


SEEDS = st.integers(0, 10_000)
WORDS = ("red", "it's", "green", "1", "2")


def features_of(task: Task) -> FeatureSet:
    """Made once: what is compared is values, under one definition."""
    return synthesize(task, Profile(120.0, lambda table, column: WORDS))


def assert_law(database: RandomDatabase, task: Task, seed: int) -> None:
    """Each future is computed with another number of threads: that must not show either."""
    schema = database.schema
    target, plan = target_plan(task), feature_plan(task, features_of(task))
    (cutoff,) = database.cutoffs(seed, 1)
    first = answer(database.frames, schema, target, plan, cutoff, threads=3)
    changed = perturb(database.frames, schema, cutoff, seed=seed)
    other = answer(changed, schema, target, plan, cutoff, threads=1)
    moved = differences(first, other, "perturb, or threads")
    cut = truncate(database.frames, schema, cutoff)
    moved += differences(first, answer(cut, schema, target, plan, cutoff, threads=2), "truncate, or threads")
    assert not moved, [str(d) for d in moved]


@law(8, 400)
@given(databases(), SEEDS)
def test_other_futures_change_nothing(database: RandomDatabase, seed: int) -> None:
    task = make_task(database, seed)
    assume(task is not None)
    assert task is not None
    assert_law(database, task, seed)


@law(3, 100)
@given(databases(), SEEDS)
def test_rows_with_cutoffs_of_their_own(database: RandomDatabase, seed: int) -> None:
    """The same where cutoffs are too many to share, and each event meets each row."""
    task = make_task(database, seed)
    assume(task is not None)
    assert task is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_room, "_GRID", 0)
        assert_law(database, task, seed)


@law(5, 100)
@given(databases(), SEEDS)
def test_vocabularies_are_of_the_past(database: RandomDatabase, seed: int) -> None:
    (cutoff,) = database.cutoffs(seed, 1)
    futures = (
        database.frames,
        perturb(database.frames, database.schema, cutoff, seed=seed),
        truncate(database.frames, database.schema, cutoff),
    )
    found = set()
    for frames in futures:
        with Store.load(FramesSource(frames).snapshot()) as store:
            engine = make_engine(store, database.schema)
            found.add(
                tuple(
                    engine.frequent(t.name, c.name, until=cutoff, limit=5)
                    for t in database.schema.tables
                    for c in t.columns
                    if c.semantic is Semantic.CATEGORICAL
                )
            )
    assert len(found) == 1
