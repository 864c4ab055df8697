"""Tables gone through in parts give what they give in one piece, bit for bit, on random databases.

FORETELL_LONG=1 compares many more of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from foretell import kernel
from foretell.core.errors import DataError
from foretell.engines.base import Rows
from foretell.features.lower import feature_plan, target_plan
from foretell.features.matrix import Numeric, Values
from foretell.features.synthesize import Profile, synthesize
from foretell.plan import nodes
from foretell.schema.breadth import Breadth, FeatureSettings
from foretell.sources.frames import FramesSource
from foretell.store import partitions
from foretell.store.memory import CODE, Memory
from foretell.store.working import Store
from foretell.task.model import Task
from foretell.testing.random_databases import RandomDatabase, make_database, make_task

if not kernel.AVAILABLE:
    pytest.skip("the kernel is not installed", allow_module_level=True)

from foretell.engines.native import parted, parted_engine
from foretell.engines.native.engine import NativeEngine
from foretell.engines.native.parted_engine import PartedEngine

LONG = bool(os.environ.get("FORETELL_LONG"))
SMALL = Memory(CODE + 6_000)
"""A cap under which a part holds a dozen rows."""


def same(found: Values, wanted: Values) -> bool:
    if isinstance(found, Numeric) and isinstance(wanted, Numeric):
        bits = np.int32 if wanted.values.dtype == np.float32 else np.int64
        return bool(np.array_equal(found.values.view(bits), wanted.values.view(bits)))
    assert not isinstance(found, Numeric) and not isinstance(wanted, Numeric)
    return found.categories == wanted.categories and np.array_equal(found.codes, wanted.codes)


def near(found: Values, wanted: Values) -> bool:
    if isinstance(found, Numeric) and isinstance(wanted, Numeric):
        return bool(np.allclose(found.values, wanted.values, rtol=1e-6, atol=1e-6, equal_nan=True))
    return same(found, wanted)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Every table but the entity's counts as large; how many outputs were made in parts, and of how many."""
    seen = {"split": 0, "left": 0, "parts": 0}
    split = parted.Parted.split

    def count(self: Any, block: nodes.Block) -> Any:
        made = split(self, block)
        seen["left" if made is None else "split"] += len(nodes.output_names(block))
        return made

    monkeypatch.setattr(parted.Parted, "split", count)
    init = partitions.Partitions.__init__

    def counting(self: Any, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **named)
        seen["parts"] = max(seen["parts"], len(self))

    monkeypatch.setattr(partitions.Partitions, "__init__", counting)
    yield seen


def differences(database: RandomDatabase, task: Task, seed: int) -> list[str]:
    """What the engine under a cap gives differently, by name; all but the entity's own table is large."""
    schema, cutoffs = database.schema, database.cutoffs(seed, 3)
    found: list[str] = []
    with Store.load(FramesSource(database.frames).snapshot()) as store:
        whole = NativeEngine(store, schema)
        under = PartedEngine(store, schema, SMALL)
        plan = target_plan(task)
        wanted, made = whole.labels(plan, cutoffs), under.labels(plan, cutoffs)
        if not np.array_equal(wanted.rows.entities, made.rows.entities) or repr(
            wanted.values.tolist()
        ) != repr(made.values.tolist()):
            found.append("labels")
        people, others = whole.population(plan, cutoffs), under.population(plan, cutoffs)
        if not np.array_equal(people.entities, others.entities):
            found.append("population")
        features = synthesize(
            task,
            Profile(120.0, lambda t, c: whole.frequent(t, c, until=cutoffs[0], limit=6)),
            FeatureSettings(Breadth.MORE if seed % 3 == 0 else Breadth.STANDARD, budget=400),
        )
        rows = Rows(people.entities[:200], people.cutoffs[:200])
        blocks = feature_plan(task, features)
        expected, matrix = whole.features(blocks, rows), under.features(blocks, rows)
        on_disk = {
            n
            for b in blocks.blocks
            if under._parted.needs(parted_engine._tables(b)) and under._parted.split(b) is None
            for n in nodes.output_names(b)
        }
        on_disk |= {c.name for c in blocks.contrasts if {c.left, c.right} & on_disk}
        for name in expected.names:
            alike = near if name in on_disk else same
            if not alike(matrix[name], expected[name]):
                found.append(name)
        for table in schema.tables:
            for until in (None, cutoffs[1]):
                for trim in (0.0, 0.1):
                    asked = {"until": until, "trim": trim}
                    if whole.span(table.name, **asked) != under.span(table.name, **asked):
                        found.append(f"span of {table.name}")
            for column in table.columns:
                for until in (None, cutoffs[1]):
                    given = (table.name, column.name)
                    if whole.frequent(*given, until=until, limit=4) != under.frequent(
                        *given, until=until, limit=4
                    ):
                        found.append(f"frequent {given}")
                if column.dtype.value == "timestamp" and whole.later_share(
                    *given, cutoffs[1]
                ) != under.later_share(*given, cutoffs[1]):
                    found.append(f"later share of {given}")
        for link in schema.links:
            if whole.fellows(link) != under.fellows(link):
                found.append(f"fellows of {link}")
    return found


def all_but(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    names = frozenset(t.name for t in task.schema.tables) - {task.entity.name}
    monkeypatch.setattr(parted, "large_tables", lambda *_: names)


def cases(count: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[RandomDatabase, Task, int]]:
    for seed in range(count):
        database = make_database(seed, tables=4, rows=60)
        task = make_task(database, seed)
        if task is not None:
            all_but(task, monkeypatch)
            yield database, task, seed


def test_random_databases_come_out_the_same(counted: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    for database, task, seed in cases(400 if LONG else 14, monkeypatch):
        assert differences(database, task, seed) == [], seed
    assert counted["split"] > 1000 and counted["parts"] > 3


def test_a_row_that_a_part_lacks_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    load = partitions._load
    monkeypatch.setattr(partitions, "_load", lambda file: load(file).slice(1))
    found: list[str] = []
    for database, task, seed in cases(25, monkeypatch):
        found += differences(database, task, seed)
        if len(found) > 20:
            return
    raise AssertionError(f"only {found} are different")


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pa.ipc, "new_file", full)
    with pytest.raises(DataError, match="the disk is full"):
        for database, task, seed in cases(25, monkeypatch):
            differences(database, task, seed)
