"""The battery: random databases and cutoffs under other futures, and clean databases under the whole audit.

By default a few of each. FORETELL_LONG=1 runs 2,000 (database, cutoff) cases and 200 audits on each engine,
and prints the counts: `FORETELL_LONG=1 pytest tests/law/test_battery.py -s`.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa

from foretell.core.errors import DataError, UsageError
from foretell.core.progress import QUIET
from foretell.core.random import generator
from foretell.evaluation.detectors import Outcome, open_frames
from foretell.evaluation.futures import perturb, truncate
from foretell.evaluation.law import asked, differences
from foretell.features.lower import feature_plan, target_plan
from foretell.features.model import FeatureSet
from foretell.features.synthesize import Profile, synthesize
from foretell.prediction import learn
from foretell.prediction.database import OpenDatabase
from foretell.prediction.inspect import inspect
from foretell.prediction.labels import computed_labels
from foretell.schema.breadth import DEFAULT, Breadth, FeatureSettings
from foretell.sources.frames import FramesSource
from foretell.store.working import Store
from foretell.task.model import Task
from foretell.testing.random_databases import RandomDatabase, make_database, make_task

LONG = bool(os.environ.get("FORETELL_LONG"))
CASES = {"native": 2_000, "duckdb": 2_000} if LONG else {"native": 10, "duckdb": 3}
AUDITS = {"native": 200, "duckdb": 200} if LONG else {"native": 3, "duckdb": 1}
CUTOFFS = 5  # of one database
FEATURES = 40  # of a task, others each time


def questions(rows: int, *, first: int = 0) -> Iterator[tuple[int, RandomDatabase, Task]]:
    """Random databases with a question about each."""
    for seed in itertools.count(first):
        database = make_database(seed, tables=4, rows=rows)
        task = make_task(database, seed, static=None if seed % 2 else False)
        if task is not None:
            yield seed, database, task


def some_features(task: Task, seed: int) -> FeatureSet:
    profile = Profile(120.0, lambda table, column: ("red", "it's", "1", "2"))
    every = synthesize(task, profile, FeatureSettings(Breadth.MORE))
    drawn = generator(seed, "battery").permutation(len(every))[:FEATURES]
    return every.select([every.names[i] for i in drawn])


def test_other_futures(engine_kind: str) -> None:
    counts: Counter[str] = Counter()
    moved: list[str] = []
    for seed, database, task in questions(30):
        schema, target = database.schema, target_plan(task)
        plan = feature_plan(task, some_features(task, seed))
        with open_frames(database.frames, schema, 2) as engine:
            for cutoff in database.cutoffs(seed, CUTOFFS if LONG else 2):
                counts["cases"] += 1
                first = asked(engine, target, plan, cutoff)
                counts["values"] += len(first[0]) * len(plan.outputs)
                futures = {
                    "perturb": perturb(database.frames, schema, cutoff, seed=seed),
                    "truncate": truncate(database.frames, schema, cutoff),
                }
                for threads, (how, future) in enumerate(futures.items(), start=1):
                    with open_frames(future, schema, threads) as other:
                        found = differences(first, asked(other, target, plan, cutoff), how)
                    moved += [f"{seed} at {cutoff}: {d}" for d in found]
        counts["databases"] += 1
        if counts["cases"] >= CASES[engine_kind]:
            break
    print(f"\n{engine_kind}: {dict(counts)}, moved: {len(moved)}")
    assert counts["values"] > 10 * CASES[engine_kind], "there is something to compare"
    assert not moved, moved[:5]


def test_the_battery_would_see_a_leak(engine_kind: str) -> None:
    """The positive control: the same loop over tables that carry their number of rows."""
    seen = 0
    for seed, database, task in questions(30, first=100):
        schema, target = database.schema, target_plan(task)
        plan = feature_plan(task, some_features(task, seed))
        (cutoff,) = database.cutoffs(seed, 1)
        made = []
        for frames in (database.frames, truncate(database.frames, schema, cutoff)):
            with open_frames(counted(frames), schema, 1) as engine:
                made.append(asked(engine, target, plan, cutoff))
        seen += bool(differences(made[0], made[1], "truncate"))
        if seen == 2:
            return
        assert seed < 140, "no leak was seen"


def counted(frames: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Each float column plus the number of rows of its table."""
    found = {}
    for name, frame in frames.items():
        for place, field in enumerate(frame.schema):
            if pa.types.is_floating(field.type):
                more = pa.array(
                    [None if v is None else v + frame.num_rows for v in frame[field.name].to_pylist()]
                )
                frame = frame.set_column(place, field, more.cast(field.type))
        found[name] = frame
    return found


def test_clean_databases_raise_no_alarm(engine_kind: str) -> None:
    counts: Counter[str] = Counter()
    alarms: list[str] = []
    for seed, database, task in questions(300 if LONG else 150, first=1_000):
        with Store.load(FramesSource(database.frames).snapshot()) as store:
            opened = OpenDatabase("random", store, database.schema, threads=2, now=None, progress=QUIET)
            try:
                labels = computed_labels(opened, task, learn.learning_moments(opened, task))
                if not len(labels.rows):
                    continue
                found = inspect(opened, task, labels, DEFAULT, cutoffs=2, seed=seed, progress=QUIET)
            except (DataError, UsageError):  # nothing to learn from
                continue
        counts["audits"] += 1
        counts.update(f"{d.name} {d.outcome.value}" for d in found.detections)
        alarms += [f"{seed}: {d}" for d in found.detections if d.outcome is Outcome.FAILED]
        if counts["audits"] == AUDITS[engine_kind]:
            break
    print(f"\n{engine_kind}: {dict(counts)}, alarms: {len(alarms)}")
    assert not alarms, alarms[:5]
