"""A slice gives an entity the features, and the place in the population, that the whole database gives it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from foretell.engines.base import Rows
from foretell.features.lower import feature_plan, target_plan
from foretell.features.matrix import Matrix, Numeric
from foretell.features.model import FeatureSet
from foretell.features.synthesize import Profile, synthesize
from foretell.prediction.database import OpenDatabase, open_database
from foretell.prediction.slices import Footprint, WorkingRows, footprint, open_slice, read_slice
from foretell.schema.breadth import Breadth, FeatureSettings
from foretell.sources.frames import FramesSource
from foretell.sources.rows import Reader, open_rows
from foretell.task.model import Task
from foretell.testing.random_databases import RandomDatabase, make_database, make_task

SEEDS = range(20, 34)
ENTITIES = 3


def shown(matrix: Matrix, row: int) -> list[Any]:
    """A row's values, exact to the bit; None for none."""
    found: list[Any] = []
    for column in matrix.columns:
        if isinstance(column, Numeric):
            value = float(column.values[row])
            found.append(None if np.isnan(value) else value)
        else:
            code = int(column.codes[row])
            found.append(None if code < 0 else column.categories[code])
    return found


def drawn(seed: int) -> tuple[RandomDatabase, Task, FeatureSet, Footprint] | None:
    """A random database, a question and its features but for those that read everybody."""
    database = make_database(seed, tables=4, rows=30)
    task = make_task(database, seed)
    if task is None:
        return None
    breadth = Breadth.MORE if seed % 3 == 0 else Breadth.STANDARD
    profile = Profile(120.0, lambda t, c: ("red", "green"))
    features = synthesize(task, profile, FeatureSettings(breadth, budget=250))
    print_ = footprint(task, features)
    near = features.select(set(features.names) - print_.everybody)
    return database, task, near, print_


@contextmanager
def every_reader(database: RandomDatabase, whole: OpenDatabase) -> Iterator[Sequence[Reader]]:
    readers: list[Reader] = [WorkingRows(whole), open_rows(FramesSource(database.frames))]
    yield readers
    for reader in readers:
        reader.close()


def differing(seed: int, *, without: bool = False) -> int | None:
    """How many entities have other features, or another place in the population, in their slices; with
    `without` those slices lack the rows of one hop. None where there is nothing to compare.
    """
    made = drawn(seed)
    if made is None:
        return None
    database, task, near, print_ = made
    (cutoff,) = database.cutoffs(seed, 1)
    differ = 0
    with (
        open_database(database.frames, schema=database.schema, threads=1) as whole,
        every_reader(database, whole) as readers,
    ):
        plan = feature_plan(task, near)
        everyone = whole.engine.population(target_plan(task), [cutoff])
        rows = everyone.take(np.arange(min(ENTITIES, len(everyone))))
        if not len(rows):
            return None
        wanted = whole.engine.features(plan, rows)
        keys = whole.engine.keys(task.entity.name, task.entity_key, rows.entities)
        begins = {t: s[0] for t in print_.begins if (s := whole.engine.span(t)) is not None}
        for i, key in enumerate(zip(*keys.values())):
            for reader in readers:
                frames = read_slice(reader, print_, [key])
                if without:
                    frames = _without_a_hop(print_, frames)
                with open_slice(frames, database.schema, begins=begins) as part:
                    own = part.engine.find(task.entity.name, {c: [v] for c, v in zip(task.entity_key, key)})
                    if own[0] < 0:
                        differ += 1
                        continue
                    asked = Rows(own, rows.cutoffs[i : i + 1])
                    known = own[0] in part.engine.population(target_plan(task), [cutoff]).entities
                    found = part.engine.features(plan, asked)
                differ += not known or shown(found, 0) != shown(wanted, i)
    return differ


def _without_a_hop(print_: Footprint, frames: dict[str, Any]) -> dict[str, Any]:
    """The slice without the rows of the largest table that is reached."""
    reached = {path[-1].end for path in print_.reach.paths()} - {print_.task.entity.name}
    gone = max(reached, key=lambda name: frames[name].num_rows, default=None)
    return {name: t.slice(0, 0) if name == gone else t for name, t in frames.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slice_gives_what_the_whole_database_gives(seed: int) -> None:
    assert differing(seed) in (None, 0)


def test_a_missing_hop_is_seen() -> None:
    found = [n for seed in range(20, 34) if (n := differing(seed, without=True)) is not None]
    assert len(found) >= 5
    assert sum(n > 0 for n in found) >= 0.6 * len(found)
