"""The law where history is frozen: nothing after that time changes a feature, though the cutoff is later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa

from foretell.core.time import DAY, Instant
from foretell.engines.base import Rows
from foretell.engines.choose import make_engine
from foretell.evaluation.futures import perturb, truncate
from foretell.evaluation.law import differences
from foretell.features.lower import feature_plan, target_plan
from foretell.features.matrix import Matrix, Numeric
from foretell.features.model import Attribute, CutoffPart, FeatureSet
from foretell.features.synthesize import Profile, synthesize
from foretell.prediction.history import STALENESS, features_at, with_staleness
from foretell.sources.frames import FramesSource
from foretell.store.working import Store
from foretell.task.model import Task
from foretell.testing.random_databases import RandomDatabase, make_database, make_task

LATER = 40
"""Days from the end of the known history to the cutoff."""


SEEDS = (0, 5, 8, 9, 14, 23)
"""Databases with somebody to ask about at the moment that is drawn."""


def drawn(seeds: Iterable[int]) -> Iterator[tuple[int, RandomDatabase, Task, Instant]]:
    """Random databases, each with a task that has a window, and a moment inside its history."""
    for seed in seeds:
        database = make_database(seed, tables=3, rows=60)
        task = make_task(database, seed, static=False)
        assert task is not None
        yield seed, database, task, database.cutoffs(seed, 1)[0]


def seen(
    frames: Mapping[str, pa.Table], task: Task, features: FeatureSet, at: Instant, *, frozen: bool
) -> tuple[Rows, Matrix]:
    """The features of those who are there at `at`, of a cutoff `LATER` days on."""
    with Store.load(FramesSource(dict(frames)).snapshot()) as store:
        engine = make_engine(store, task.schema)
        there = engine.population(target_plan(task), [at])
        rows = Rows(there.entities, np.full(len(there), at + LATER * DAY))
        known = np.full(len(there), at) if frozen else None
        return rows, features_at(engine, task, features, rows, known)


def wanted(task: Task) -> FeatureSet:
    profile = Profile(1_000.0, lambda table, column: ("red", "1"))
    return with_staleness(synthesize(task, profile, budget=30))


def test_what_happens_between_the_snapshot_and_the_cutoff_changes_nothing() -> None:
    told_apart = 0
    for seed, database, task, at in drawn(SEEDS):
        features, frames = wanted(task), database.frames
        first = seen(frames, task, features, at, frozen=True)
        assert len(first[0])
        futures = {
            "perturb": perturb(frames, database.schema, at, seed=seed),
            "truncate": truncate(frames, database.schema, at),
        }
        for how, other in futures.items():
            moved = differences(first, seen(other, task, features, at, frozen=True), how)
            assert not moved, [str(d) for d in moved]
        plain = features.without([STALENESS.name], "a control")
        open_eyed = seen(frames, task, plain, at, frozen=False)
        cut = seen(futures["truncate"], task, plain, at, frozen=False)
        told_apart += bool(differences(open_eyed, cut, "truncate"))
    assert told_apart >= 3, "without freezing, features of the later cutoff do differ"


def test_the_features_are_those_of_the_earlier_time() -> None:
    """But for what needs no history: the calendar of the true cutoff, ages, and the staleness itself."""
    for _, database, task, at in drawn(SEEDS[:3]):
        features = wanted(task)
        rows, frozen = seen(database.frames, task, features, at, frozen=True)
        plan = feature_plan(task, features)
        with Store.load(FramesSource(database.frames).snapshot()) as store:
            engine = make_engine(store, task.schema)
            then = engine.features(plan, Rows(rows.entities, np.full(len(rows), at)))
            now = engine.features(plan, rows)
        for feature in features.features:
            held = frozen[feature.name]
            match feature.definition:
                case Attribute(age=True):
                    earlier = then[feature.name]
                    assert isinstance(held, Numeric) and isinstance(earlier, Numeric)
                    assert np.allclose(held.values, earlier.values + LATER, equal_nan=True)
                case CutoffPart():
                    expected = now[feature.name]
                    assert isinstance(held, Numeric) and isinstance(expected, Numeric)
                    assert np.array_equal(held.values, expected.values)
                case _ if feature == STALENESS:
                    assert isinstance(held, Numeric) and (held.values == LATER).all()
                case _:
                    one = then.select([feature.name])
                    assert not differences((rows, frozen.select([feature.name])), (rows, one), "then")
