"""Numbers within groups: every engine, the script and the oracle agree, and nothing later shows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from foretell import kernel
from foretell.core.errors import LeakError
from foretell.core.time import Last, parse_instant
from foretell.engines.base import Rows
from foretell.engines.choose import KINDS, make_engine
from foretell.engines.native import inputs
from foretell.engines.native.standing import standing
from foretell.evaluation.futures import perturb, truncate
from foretell.evaluation.law import Difference, asked, differences
from foretell.features.candidates.scope import Maker
from foretell.features.lower import feature_plan, target_plan
from foretell.features.matrix import Matrix, Numeric
from foretell.features.model import FeatureSet, Value, from_json, to_json
from foretell.features.synthesize import Profile, synthesize
from foretell.plan import nodes
from foretell.plan.nodes import Standing, Within
from foretell.plan.proof import prove
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

ENGINES = KINDS if kernel.AVAILABLE else ("duckdb",)


# ── on random databases ──


def made(seed: int, unit: str) -> tuple[RandomDatabase, Task, FeatureSet] | None:
    """A database whose rows often come at one time, and numbers of it within groups."""
    database = make_database(seed, tables=3, rows=60)
    task = make_task(database, seed)
    if task is None:
        return None
    database = replace(database, frames={n: together(f, unit) for n, f in database.frames.items()})
    schema, found = database.schema, []
    for first in schema.links_down(task.entity.name):
        down = (Hop(first, up=False),)
        paths = [down, *((*down, Hop(k, up=False)) for k in schema.links_down(first.child))]
        for path in paths:
            table = schema.table(path[-1].end)
            if not schema.is_timed(table.name):
                continue
            for column in table.columns:
                numeric = column.semantic is Semantic.NUMERIC and column.known_at is None
                for link in schema.links_up(table.name) if numeric else ():
                    for how, window in zip(Standing, (None, Last(5))):
                        value = Value(column.name, within=Within(Hop(link, up=True), how))
                        found.append(Maker(task, (), path)("mean", value, window))
    return (database, task, FeatureSet(tuple(found[:: 1 + len(found) // 12]))) if found else None


def together(frame: pa.Table, unit: str) -> pa.Table:
    """The rows at the beginning of their month or year."""
    for place, field in enumerate(frame.schema):
        if pa.types.is_timestamp(field.type):
            frame = frame.set_column(place, field, pc.floor_temporal(frame[field.name], unit=unit))
    return frame


def cases(count: int, unit: str) -> Iterator[tuple[RandomDatabase, Task, FeatureSet, int]]:
    for seed in range(300):
        if (case := made(seed, unit)) is not None:
            yield *case, seed
            count -= 1
        if not count:
            return
    raise AssertionError("too few questions have groups")


@pytest.mark.parametrize("kind", ENGINES)
def test_engines_agree_with_the_oracle(kind: str) -> None:
    above = dict.fromkeys(Standing, 0)
    for database, task, features, seed in cases(6, "year"):
        oracle = Oracle(database.frames, database.schema)
        pairs = sorted(oracle.judged(task, database.cutoffs(seed, 2)), key=lambda k: (k[1], k[0]))[-12:]
        if not pairs:
            continue
        given = Rows(*(np.array(column, dtype=np.int64) for column in zip(*pairs)))
        with Store.load(FramesSource(database.frames).snapshot()) as store:
            engine = make_engine(store, database.schema, kind=kind, precision=np.float64)
            matrix = engine.features(feature_plan(task, features), given)
        for name, wanted in oracle.features(task, features, pairs).items():
            for found, want in zip(numbers(matrix, name), wanted, strict=True):
                assert math.isnan(found) if want is None else math.isclose(found, want, abs_tol=1e-9), name
                for how in Standing:
                    above[how] += how in name and want not in (None, 0.0, 1.0)
    assert min(above.values()) > 5, "groups of several rows"


def numbers(matrix: Matrix, name: str) -> list[float]:
    column = matrix[name]
    assert isinstance(column, Numeric)
    return [float(v) for v in column.values]


def moved(kind: str, count: int) -> list[Difference]:
    """What another future changes."""
    found: list[Difference] = []
    for database, task, features, seed in cases(count, "month"):
        schema, target, plan = database.schema, target_plan(task), feature_plan(task, features)
        (cutoff,) = database.cutoffs(seed, 1)
        futures = (
            perturb(database.frames, schema, cutoff, seed=seed),
            truncate(database.frames, schema, cutoff),
        )
        answers = []
        for frames in (database.frames, *futures):
            with Store.load(FramesSource(frames).snapshot()) as store:
                answers.append(asked(make_engine(store, schema, kind=kind), target, plan, cutoff))
        found += differences(answers[0], answers[1], "perturb")
        found += differences(answers[0], answers[2], "truncate")
    return found


@pytest.mark.parametrize("kind", ENGINES)
def test_no_later_row_changes_a_bit(kind: str) -> None:
    assert not moved(kind, 4)


@pytest.mark.skipif(not kernel.AVAILABLE, reason="the kernel is not built")
def test_control_groups_of_all_times_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def whole(values: Any, parents: Any, times: Any, how: Standing) -> Any:
        return standing(values, parents, np.zeros_like(times), how)

    monkeypatch.setattr(inputs, "standing", whole)
    assert moved("native", 4)


# ── by hand ──

KEY = Semantic.IDENTIFIER
SCHEMA = Schema(
    (
        Table("stations", (Column("station", DType.INTEGER, KEY),), ("station",)),
        Table(
            "gases",
            (Column("gas", DType.INTEGER, KEY), Column("since", DType.TIMESTAMP, Semantic.TIME)),
            ("gas",),
            "since",
        ),
        Table(
            "readings",
            (
                Column("number", DType.INTEGER, KEY),
                Column("station", DType.INTEGER, KEY),
                Column("gas", DType.INTEGER, KEY),
                Column("at", DType.TIMESTAMP, Semantic.TIME),
                Column("value", DType.FLOAT, Semantic.NUMERIC),
            ),
            ("number",),
            "at",
        ),
    ),
    (
        Link("readings", ("station",), "stations", ("station",)),
        Link("readings", ("gas",), "gases", ("gas",)),
    ),
)
EXCESS = "readings.value[excess in gas].mean.last5"
SHARE = "readings.value[share in gas].mean.last5"
FIRST, SECOND = datetime(2024, 3, 1), datetime(2024, 3, 2)
ROWS = (
    (1, 1, FIRST, 10.0),
    (2, 1, FIRST, 30.0),
    (3, 1, FIRST, None),
    (1, 1, SECOND, 100.0),  # a group of its own: alone there
    (2, 2, FIRST, 7.0),  # of a gas that is first known of later: of no group
    (2, 1, datetime(2024, 4, 1), 999.0),
)
CUTOFF = "2024-03-15"


def frames() -> dict[str, pa.Table]:
    stations, gases, times, values = zip(*ROWS)
    readings = {"number": list(range(len(ROWS))), "station": stations, "gas": gases, "at": times}
    known = {"gas": [1, 2], "since": [datetime(2020, 1, 1), datetime(2024, 3, 1, 1)]}
    return {
        "stations": pa.table({"station": [1, 2, 3]}),
        "gases": pa.table(known),
        "readings": pa.table({**readings, "value": pa.array(values, pa.float64())}),
    }


def question() -> tuple[Task, FeatureSet]:
    task = bind(parse("PREDICT AVG(readings.value, 0, 1, days) FOR EACH stations.station"), SCHEMA)
    every = synthesize(task, Profile(55.0, lambda table, column: ()), FeatureSettings(Breadth.MORE))
    return task, every.select([EXCESS, SHARE])


WANTED = {EXCESS: [-5.0, 10.0, None], SHARE: [(0.25 + 1) / 2, 0.75, None]}


@pytest.mark.parametrize("kind", ENGINES)
def test_groups_are_of_one_time_and_of_a_parent_that_is_visible(kind: str) -> None:
    task, features = question()
    rows = Rows(np.arange(3) + FIRST_RANK, np.full(3, parse_instant(CUTOFF)))
    with Store.load(FramesSource(frames()).snapshot()) as store:
        matrix = make_engine(store, SCHEMA, kind=kind).features(feature_plan(task, features), rows)
    for name, wanted in WANTED.items():
        assert [None if math.isnan(v) else v for v in numbers(matrix, name)] == wanted


def test_the_script_says_the_same() -> None:
    task, features = question()
    text = script(feature_plan(task, features), None, SCHEMA, [parse_instant(CUTOFF)], {})
    with duckdb.connect() as connection:
        for name, frame in frames().items():
            connection.register("frame", frame)
            connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM frame')
            connection.unregister("frame")
        *before, last = connection.extract_statements(text)
        for statement in before:
            connection.execute(statement).fetchall()
        found = connection.sql(last.query).to_arrow_table().sort_by("station")
    assert {name: found[name].to_pylist() for name in WANTED} == WANTED


def test_they_say_what_they_are_and_are_kept() -> None:
    _, features = question()
    assert [f.description for f in features.features] == [
        "mean value (less the mean of its gas at that time) of readings over the last 5",
        "mean value (as a share of the total of its gas at that time) of readings over the last 5",
    ]
    assert from_json(to_json(features), SCHEMA).features == features.features


# ── the proof ──


def planned(schema: Schema) -> nodes.FeaturePlan:
    task, features = question()
    plan = feature_plan(task, features)
    prove(plan, schema)
    return plan


def with_input(plan: nodes.FeaturePlan, read: nodes.Input) -> nodes.FeaturePlan:
    (block,) = plan.blocks
    assert isinstance(block, nodes.Aggregate) and isinstance(block.events, nodes.Events)
    changed = replace(block.events, inputs=(read, *block.events.inputs[1:]))
    return replace(plan, blocks=(replace(block, events=changed),))


def first_input(plan: nodes.FeaturePlan) -> nodes.Input:
    (block,) = plan.blocks
    assert isinstance(block, nodes.Aggregate) and isinstance(block.events, nodes.Events)
    return block.events.inputs[0]


def test_the_proof_refuses_a_value_that_others_of_the_group_may_have_later() -> None:
    plan, readings = planned(SCHEMA), SCHEMA.table("readings")
    late = tuple(replace(c, known_at="at") if c.name == "value" else c for c in readings.columns)
    tables = tuple(replace(t, columns=late) if t is readings else t for t in SCHEMA.tables)
    with pytest.raises(LeakError, match="others of a group may be known later"):
        prove(plan, replace(SCHEMA, tables=tables))


def test_the_proof_refuses_groups_without_a_time() -> None:
    plan = planned(SCHEMA)
    tables = tuple(replace(t, time_column=None) for t in SCHEMA.tables)
    (block,) = plan.blocks
    assert isinstance(block, nodes.Aggregate) and isinstance(block.events, nodes.Events)
    scan = nodes.Scan("readings", nodes.Until.NOW)
    follow = nodes.Follow(scan, nodes.hops(block.events.rows)[0].hop, nodes.Until.NOW)
    untimed = replace(block, events=replace(block.events, rows=follow))
    with pytest.raises(LeakError, match="have no time"):
        prove(replace(plan, blocks=(untimed,)), replace(SCHEMA, tables=tables))


def test_the_proof_refuses_what_is_no_group_of_the_events() -> None:
    plan = planned(SCHEMA)
    read = first_input(plan)
    assert read.within is not None
    down = replace(read, within=replace(read.within, hop=read.within.hop.reversed()))
    with pytest.raises(LeakError, match="no group"):
        prove(with_input(plan, down), SCHEMA)
