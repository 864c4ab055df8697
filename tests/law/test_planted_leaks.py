"""Positive controls: each planted leak is refused by the proof and, the proof aside, caught by a detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from trap_shop import AMOUNT, CHURN, CUTOFF, SCHEMA, Question, ask, make_frames, with_blocks

from faults import (
    Derive,
    anchors,
    each_input,
    events_of,
    global_mean,
    global_rank,
    known_early,
    lead,
    lifetime_value,
    looked_up,
    no_delays,
    open_windows,
    population_without_a_filter,
    survivors_only,
    table_count,
    where_ahead,
    where_without_a_filter,
)
from foretell.core.errors import LeakError, SchemaError
from foretell.core.time import DAY, Offset, Window
from foretell.engines.choose import make_engine
from foretell.evaluation.audit import suspects
from foretell.evaluation.futures import Frames, perturb, truncate
from foretell.evaluation.law import Difference, answer, differences
from foretell.features.matrix import Matrix, Numeric
from foretell.plan import nodes
from foretell.plan.nodes import Until
from foretell.plan.proof import prove
from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table
from foretell.sources.frames import FramesSource
from foretell.store.working import Store
from foretell.task.model import TaskKind

FRAMES = make_frames()


FUTURES = {"perturb": perturb(FRAMES, SCHEMA, CUTOFF, seed=1), "truncate": truncate(FRAMES, SCHEMA, CUTOFF)}


def moved(question: Question) -> set[str]:
    """What the first detector that finds something finds."""
    first = answer(FRAMES, SCHEMA, question.target, question.plan, CUTOFF)
    for name, future in FUTURES.items():
        other = answer(future, SCHEMA, question.target, question.plan, CUTOFF)
        found = differences(first, other, name)
        if found:
            return {d.what for d in found}
    return set()


def past_only(question: Question, schema: Schema = SCHEMA) -> tuple[Difference, ...]:
    """What moves between the present and two other futures."""
    first = answer(FRAMES, schema, question.target, question.plan, CUTOFF)
    futures = (perturb(FRAMES, schema, CUTOFF, seed=1), truncate(FRAMES, schema, CUTOFF))
    others = (answer(f, schema, question.target, question.plan, CUTOFF) for f in futures)
    return tuple(d for other in others for d in differences(first, other, "another future"))


def replay(then: Frames, now: Frames, question: Question) -> tuple[Difference, ...]:
    """What differs between a copy taken at the cutoff and the database now."""
    states = (answer(f, SCHEMA, question.target, question.plan, CUTOFF) for f in (then, now))
    return differences(*states, "replay")


# ── leaks in the plan ──


BLOCKS: dict[str, Callable[[nodes.Block], nodes.Block]] = {
    "events without a filter": events_of("orders", "visits"),
    "second hop without a filter": events_of("orders"),
    "late rows, read without a filter": events_of("visits"),
    "foreign key to a row born after the event": each_input(until=Until.END),
    "parent's value before it is known": each_input(known_at=None),
    "event's value before it is known": no_delays,
    "foreign key to a row born after the cutoff": looked_up,
    "events of a parent born after the cutoff": anchors,
    "own value before it is known": known_early,
    "past labels whose windows are open": open_windows,
}


@pytest.mark.parametrize("name", BLOCKS)
def test_leak_in_a_block(name: str, unproven: Callable[[], None]) -> None:
    sound = ask(CHURN)
    prove(sound.plan, SCHEMA)
    leaking = with_blocks(sound, BLOCKS[name])
    assert leaking.plan != sound.plan
    with pytest.raises(LeakError):
        prove(leaking.plan, SCHEMA)
    unproven()
    assert moved(leaking)


TARGETS: dict[str, Callable[[nodes.Target], nodes.Target]] = {
    "entity born later": population_without_a_filter,
    "WHERE over a window into the future": where_ahead,
    "WHERE without a filter": where_without_a_filter,
}


@pytest.mark.parametrize("name", TARGETS)
def test_leak_in_the_population(name: str, unproven: Callable[[], None]) -> None:
    sound = ask(CHURN)
    prove(sound.target, SCHEMA)
    leaking = replace(sound, target=TARGETS[name](sound.target))
    with pytest.raises(LeakError):
        prove(leaking.target, SCHEMA)
    unproven()
    assert "population" in moved(leaking)


def test_the_engine_refuses_what_the_proof_refuses() -> None:
    sound = ask(CHURN)
    leaking = with_blocks(sound, events_of("orders"))
    with Store.load(FramesSource(FRAMES).snapshot()) as store:
        engine = make_engine(store, SCHEMA)
        rows = engine.population(sound.target, [CUTOFF])
        with pytest.raises(LeakError):
            engine.features(leaking.plan, rows)
        with pytest.raises(LeakError):
            engine.labels(where_ahead(sound.target), [CUTOFF])
        with pytest.raises(LeakError):
            engine.population(population_without_a_filter(sound.target), [CUTOFF])


@pytest.mark.parametrize("window", [Window(Offset(-1), Offset(14)), Window(Offset(-14), Offset(0))])
def test_a_row_is_in_the_feature_or_in_the_label(window: Window) -> None:
    """A label's window that reaches back over the cutoff would count its rows twice."""
    target = ask(CHURN).target
    changed = tuple(replace(a, window=window) if a.window.is_future else a for a in target.aggregates)
    with pytest.raises(LeakError, match="before the cutoff"):
        prove(replace(target, aggregates=changed), SCHEMA)


def test_a_static_target_is_asked_before_its_own_row() -> None:
    target = ask(AMOUNT).target
    with pytest.raises(LeakError):
        prove(replace(target, population=replace(target.population, until=Until.CUTOFF)), SCHEMA)


# ── leaks around the plan: what is derived from the data before or after it runs ──

DERIVED: dict[str, Derive] = {
    f.__name__: f for f in (global_mean, global_rank, table_count, lifetime_value, lead, survivors_only)
}


@pytest.mark.parametrize("name", DERIVED)
def test_leak_in_what_is_derived(name: str) -> None:
    """A column or a table computed over all rows is computed again for every future."""
    question = ask(CHURN)
    first = answer(DERIVED[name](FRAMES), SCHEMA, question.target, question.plan, CUTOFF)
    other = answer(DERIVED[name](FUTURES["truncate"]), SCHEMA, question.target, question.plan, CUTOFF)
    assert differences(first, other, name)


@pytest.mark.parametrize("question", [CHURN, AMOUNT])
def test_no_false_alarm(question: str) -> None:
    asked = ask(question)
    assert past_only(asked) == ()


def test_the_vocabulary_is_of_the_past() -> None:
    def words(frames: dict[str, pa.Table], until: int | None) -> tuple[str, ...]:
        with Store.load(FramesSource(frames).snapshot()) as store:
            engine = make_engine(store, SCHEMA)
            return engine.frequent("orders", "status", until=until, limit=10)

    assert {words(f, CUTOFF) for f in FUTURES.values()} == {words(FRAMES, CUTOFF)}
    assert len({words(f, None) for f in FUTURES.values()}) > 1, "the control: without a bound it does change"


def test_late_rows_taken_for_early_ones() -> None:
    """A schema that does not say how late rows become available reads them too early."""
    hasty = replace(SCHEMA, tables=tuple(replace(t, available_after=None) for t in SCHEMA.tables))
    question = ask(CHURN, hasty)
    first = answer(FRAMES, hasty, question.target, question.plan, CUTOFF)
    other = answer(FUTURES["truncate"], hasty, question.target, question.plan, CUTOFF)
    assert any("visits" in d.what for d in differences(first, other, "truncate"))


def test_times_of_another_zone() -> None:
    """Times written in New York and read as UTC make rows five hours too early."""
    there = replace(SCHEMA, timezone="America/New_York")
    question = ask(CHURN)
    first = answer(FRAMES, SCHEMA, question.target, question.plan, CUTOFF)
    other = answer(truncate(FRAMES, there, CUTOFF), SCHEMA, question.target, question.plan, CUTOFF)
    assert differences(first, other, "truncate")
    told = ask(CHURN, there)
    assert past_only(told, there) == ()


def test_a_column_updated_in_place() -> None:
    """No change of later rows shows it; an earlier copy of the database does."""
    question = ask(CHURN)
    orders = FRAMES["orders"]
    place = orders.schema.get_field_index("amount")
    now = {
        **FRAMES,
        "orders": orders.set_column(place, "amount", pc.add(orders["amount"], 1.0)),
    }
    then = FUTURES["truncate"]
    assert replay(then, FRAMES, question) == ()
    assert replay(then, now, question)


def test_a_repeated_key_is_refused_before_it_multiplies_rows() -> None:
    question = ask(CHURN)
    twice = {**FRAMES, "orders": pa.concat_tables([FRAMES["orders"], FRAMES["orders"].slice(0, 5)])}
    with pytest.raises(SchemaError, match="orders"):
        answer(twice, SCHEMA, question.target, question.plan, CUTOFF)


def test_a_column_known_only_after_the_outcome() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.2).astype(np.float64)
    closed = np.where(y == 1, rng.random(400), np.nan)
    X = Matrix(("closed_at", "age"), (Numeric(closed), Numeric(rng.random(400))), 400)
    assert [s.column for s in suspects(X, y, TaskKind.BINARY)] == ["closed_at"]


def test_a_late_value_does_not_order_rows_without_a_key() -> None:
    """Rows of one instant in a table without a key are told apart by what was known of them first."""
    at = pa.array([CUTOFF - DAY] * 2).cast(pa.timestamp("us"))
    settled = pa.array([CUTOFF + DAY] * 2).cast(pa.timestamp("us"))

    def last(late: list[str]) -> list[float]:
        frames = {
            "people": pa.table({"id": [1]}),
            "log": pa.table(
                {"status": late, "settled": settled, "person": [1, 1], "at": at, "amount": [10.0, 20.0]}
            ),
        }
        question = ask("PREDICT COUNT(log.*, 0, 7, days) FOR EACH people.id", keyless, thinned=1)
        _, matrix = answer(frames, keyless, question.target, question.plan, CUTOFF)
        return matrix["log.amount.last.all"].values.tolist()  # type: ignore[union-attr]

    log = Table(
        "log",
        (
            Column("status", DType.TEXT, Semantic.CATEGORICAL, known_at="settled"),
            Column("settled", DType.TIMESTAMP, Semantic.TIME),
            Column("person", DType.INTEGER, Semantic.IDENTIFIER),
            Column("at", DType.TIMESTAMP, Semantic.TIME),
            Column("amount", DType.FLOAT, Semantic.NUMERIC, distinct=2),
        ),
        (),
        "at",
    )
    people = Table("people", (Column("id", DType.INTEGER, Semantic.IDENTIFIER),), ("id",))
    keyless = Schema((people, log), (Link("log", ("person",), "people", ("id",)),))
    assert last(["a", "b"]) == last(["b", "a"])
