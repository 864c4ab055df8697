"""Neighbourhoods against what a person would look up, and the law: later rows change none of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from unfolding import unfolded

import foretell.graph.sample as sampler
from foretell.core.errors import LeakError
from foretell.engines.base import Rows
from foretell.engines.native.engine import NativeEngine
from foretell.evaluation.futures import keys_of, perturb, truncate, visible_from
from foretell.features.lower import feature_plan, target_plan
from foretell.features.model import Feature, FeatureSet, Kind, OwnLabels
from foretell.graph import Fanout, Graph
from foretell.graph.tree import plan
from foretell.plan import nodes
from foretell.plan.nodes import Until
from foretell.plan.proof import prove
from foretell.schema.model import Column, DType, Hop, Semantic
from foretell.sources.frames import FramesSource
from foretell.store.working import Store
from foretell.task.model import Task, TaskKind
from foretell.testing.random_databases import RandomDatabase, databases, make_database, make_task

SEEDS = st.integers(0, 10_000)
FANOUTS = st.builds(
    Fanout, near=st.integers(1, 5), far=st.integers(1, 3), hops=st.integers(1, 3), spread=st.booleans()
)
KINDS = (TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS)


def law(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@contextmanager
def graph_of(frames: dict[str, pa.Table], task: Task) -> Iterator[tuple[Graph, NativeEngine]]:
    with Store.load(FramesSource(frames).snapshot()) as store:
        engine = NativeEngine(store, task.schema, threads=1)
        yield Graph(engine.tables, task, engine), engine


def asked(database: RandomDatabase, seed: int) -> Task:
    task = make_task(database, seed)
    assume(task is not None)
    assert task is not None
    assume(task.kind in KINDS)
    return task


# ── against the obvious ──


def numbered(database: RandomDatabase) -> RandomDatabase:
    """The database with a column in every table that tells its rows apart."""
    number = Column("row no", DType.INTEGER, Semantic.NUMERIC)
    tables = tuple(replace(t, columns=(*t.columns, number)) for t in database.schema.tables)
    frames = {
        n: f.append_column("row no", pa.array(np.arange(f.num_rows))) for n, f in database.frames.items()
    }
    return RandomDatabase(frames, replace(database.schema, tables=tables))


def wrong_draws(database: RandomDatabase, task: Task, graph: Graph, rows: Rows, fanout: Fanout) -> list[str]:
    """What is wrong with the rows that were drawn, found by looking every one of them up."""
    frames, schema, around = database.frames, database.schema, graph.around(rows)
    moments = visible_from(frames, schema)
    drawn, found = around.sample(fanout), []

    def raw(table: str, places: Any) -> list[int]:
        return [int(n) for n in graph.tables.numbers(table, "row no")[places]]

    for branch, reach in zip(graph.tree(fanout), drawn.reached):
        start = drawn.root if branch.start < 0 else drawn.reached[branch.start].nodes
        table = task.entity.name if branch.start < 0 else graph.tree(fanout)[branch.start].table
        link, ends = branch.hop.link, raw(branch.table, reach.nodes.rows)
        for node, number in enumerate(raw(table, start.rows)):
            cutoff = int(start.cutoffs[node])
            there = meeting(frames, branch.hop, number)
            seen = [i for i in there if moments[branch.table][i] <= cutoff]
            got = [ends[e] for e in reach.slots[node] if e >= 0]
            if reach.degrees[node] != len(seen):
                found.append(f"{link}: {reach.degrees[node]} counted, {len(seen)} are visible")
            if not set(got) <= set(seen) or len(set(got)) < len(got):
                found.append(f"{link}: drew {got} of {seen}")
            if len(got) != min(len(seen), branch.most):
                found.append(f"{link}: drew {len(got)} of {len(seen)}")
            latest = sorted((moments[branch.table][i] for i in seen), reverse=True)
            late = len(got) - branch.most // 2 if fanout.spread and branch.most > 1 else len(got)
            times = [moments[branch.table][i] for i in got]
            if times[: max(late, 0)] != latest[: max(late, 0)] or times != sorted(times, reverse=True):
                found.append(f"{link}: not the latest, or not in order")
    return found


def meeting(frames: dict[str, pa.Table], hop: Hop, number: int) -> list[int]:
    """The rows at the far end of a hop from a row."""
    link = hop.link
    ours, theirs = (
        (link.child_columns, link.parent_columns) if hop.up else (link.parent_columns, link.child_columns)
    )
    mine = keys_of(frames[hop.start], ours)[number]
    if any(v is None for v in mine):
        return []
    return [i for i, key in enumerate(keys_of(frames[hop.end], theirs)) if alike(key, mine)]


def alike(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return all(v is not None and str(v) == str(w) for v, w in zip(a, b))


@law(25)
@given(databases(), SEEDS, FANOUTS)
def test_the_latest_visible_rows_are_drawn(database: RandomDatabase, seed: int, fanout: Fanout) -> None:
    database = numbered(database)
    task = asked(database, seed)
    with graph_of(database.frames, task) as (graph, engine):
        rows = engine.population(target_plan(task), database.cutoffs(seed, 2))
        assert not wrong_draws(database, task, graph, rows, fanout)


def test_a_sampler_that_is_off_by_one_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = sampler.visible
    monkeypatch.setattr(sampler, "visible", lambda times, at: np.minimum(honest(times, at) + 1, len(times)))

    def caught(seed: int) -> bool:
        database = numbered(make_database(seed))
        task = make_task(database, seed)
        if task is None or task.kind not in KINDS:
            return False
        with graph_of(database.frames, task) as (graph, engine):
            rows = engine.population(target_plan(task), database.cutoffs(seed, 2))
            return bool(wrong_draws(database, task, graph, rows, Fanout()))

    assert any(map(caught, range(20)))


# ── the law ──


def answers(frames: dict[str, pa.Table], task: Task, cutoff: int, fanout: Fanout) -> dict[Any, Any]:
    """By entity, all that its neighbourhood and its past labels say."""
    with graph_of(frames, task) as (graph, engine):
        rows = engine.population(target_plan(task), [cutoff])
        around = graph.around(rows)
        keys = engine.keys(task.entity.name, task.entity_key, rows.entities)
        past = zip(around.past.values.astype(str).tolist(), around.past.ages.astype(str).tolist())
        return dict(zip(zip(*keys.values()), zip(unfolded(around, fanout), past)))


def moved(database: RandomDatabase, task: Task, seed: int, fanout: Fanout) -> list[Any]:
    (cutoff,) = database.cutoffs(seed, 1)
    frames, schema = database.frames, database.schema
    first = answers(frames, task, cutoff, fanout)
    others = (perturb(frames, schema, cutoff, seed=seed), truncate(frames, schema, cutoff))
    return [
        k for other in others for k, v in first.items() if answers(other, task, cutoff, fanout).get(k) != v
    ]


@law(15)
@given(databases(), SEEDS, FANOUTS)
def test_other_futures_change_no_neighbourhood(database: RandomDatabase, seed: int, fanout: Fanout) -> None:
    assert not moved(database, asked(database, seed), seed, fanout)


def test_a_sampler_that_looks_ahead_breaks_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = sampler.visible
    monkeypatch.setattr(sampler, "visible", lambda times, at: np.minimum(honest(times, at) + 1, len(times)))

    def caught(seed: int) -> bool:
        database = make_database(seed)
        task = make_task(database, seed)
        return task is not None and task.kind in KINDS and bool(moved(database, task, seed, Fanout()))

    assert any(map(caught, range(20)))


@law(25)
@given(databases(), SEEDS)
def test_past_labels_are_those_of_the_features(database: RandomDatabase, seed: int) -> None:
    task = asked(database, seed)
    assume(task.step is not None)
    classes = task.kind is TaskKind.MULTICLASS
    kind = Kind.CATEGORICAL if classes else Kind.NUMERIC
    last = Feature("last", kind, OwnLabels("last_category" if classes else "last", None), "", "")
    with graph_of(database.frames, task) as (graph, engine):
        rows = engine.population(target_plan(task), database.cutoffs(seed, 3))
        past = graph.around(rows).past
        assume(past.ages.shape[1] > 0 and len(rows) > 0)
        held = engine.features(feature_plan(task, FeatureSet((last,))), rows)["last"]
        for row in range(len(rows)):
            known = [v for v in past.values[row] if v is not None and v == v]
            if classes:
                code = held.codes[row]
                assert (held.categories[code] if code >= 0 else None) == (known[0] if known else None)
            else:
                assert np.isclose(held.values[row], known[0] if known else np.nan, equal_nan=True)


# ── the proof ──


def test_every_tree_is_proven_and_one_without_an_end_is_refused() -> None:
    refused = 0
    for seed in range(12):
        database = make_database(seed)
        task = make_task(database, seed)
        if task is None:
            continue
        with graph_of(database.frames, task) as (graph, _):
            proven = plan(task, graph.tree(Fanout(hops=3)), graph.fields)
        for block in proven.blocks:
            assert isinstance(block, nodes.AsOf)
            if isinstance(block.source, nodes.Latest):
                endless = replace(block, source=replace(block.source, until=Until.END))
                with pytest.raises(LeakError):
                    prove(replace(proven, blocks=(endless,)), task.schema)
                refused += 1
    assert refused
