"""Batches are graded by what happened, reckoned here once more the slow way; what is open stays open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from lifecycle_world import Clock, Frames, day, fitted, frames, registry, seen, until, written

from foretell.core.errors import UsageError
from foretell.core.time import DAY, Instant
from foretell.lifecycle.batches import begin
from foretell.lifecycle.grading import Grade, Grades, grade, grades_of
from foretell.lifecycle.grading.answers import answers, scored
from foretell.lifecycle.registry import Registry
from foretell.prediction.database import open_database
from foretell.prediction.model import Model
from foretell.task.model import TaskKind

WINDOW = 20 * DAY


@pytest.fixture(scope="module")
def tables() -> Frames:
    return frames(3)


@pytest.fixture(scope="module")
def model(tables: Frames) -> Model:
    return fitted(tables, day(250))


@pytest.fixture
def held(model: Model, tmp_path: Path) -> Registry:
    made = registry(tmp_path, Clock(day(250)))
    made.add("buys", model)
    return made


def at(held: Registry, number: float) -> Instant:
    """Set the clock."""
    held.clock.at = day(number)  # type: ignore[attr-defined]
    return day(number)


def graded(held: Registry, tables: Frames) -> Grades:
    with seen(tables, held) as database:
        return grade(held, "buys", database)


def bought(tables: Frames, cutoff: Instant) -> dict[int, bool]:
    """Who ordered in the window, one order at a time."""
    found = dict.fromkeys(tables["customers"]["id"].to_pylist(), False)
    for row in tables["orders"].cast(tables["orders"].schema).to_pylist():
        when = int(np.datetime64(row["at"], "us").astype(np.int64))
        if cutoff < when <= cutoff + WINDOW:
            found[row["customer_id"]] = True
    return found


def auroc(y: list[bool], said: list[float]) -> float:
    pairs = [(a > b) + (a == b) / 2 for a, t in zip(said, y) if t for b, f in zip(said, y) if not f]
    return sum(pairs) / len(pairs)


def test_a_batch_is_held_against_what_happened(held: Registry, tables: Frames) -> None:
    batch = written(held, tables, at(held, 250))
    at(held, 280)
    (found,) = graded(held, tables).graded
    truth = bought(tables, batch.cutoff)
    with seen(tables, held) as database:
        said = held.load("buys").predict(database, as_of=batch.cutoff).table.to_pylist()
    y, p = [truth[r["id"]] for r in said], [r["probability"] for r in said]
    assert found.labelled == found.rows == 150 and not found.missing
    assert found.happened == pytest.approx(np.mean(y)) and found.said == pytest.approx(np.mean(p))
    assert found.score.value == pytest.approx(auroc(y, p))
    assert found.score.low < found.score.value < found.score.high
    assert found.baseline is not None and found.baseline.value == 0.5
    assert found.lift is not None and found.lift.low > 0 and not found.loses
    assert sum(b.rows for b in found.bins) == 150 and found.ece is not None
    assert found.promised is not None and found.due == batch.cutoff + WINDOW


def test_what_is_open_waits_for_the_clock_and_for_the_data(held: Registry, tables: Frames) -> None:
    batch = written(held, tables, at(held, 250))
    at(held, 269.9)
    (open_,) = graded(held, tables).waiting
    assert "closes at" in open_.why and open_.due == batch.cutoff + WINDOW
    at(held, 300)
    stopped = until(tables, day(260))  # the orders' feed has stopped: nobody "did not buy"
    with open_database(stopped, schema=held.load("buys").task.schema, now=day(300), threads=1) as database:
        found = grade(held, "buys", database)
    assert not found.graded and "are missing" in found.waiting[0].why
    assert graded(held, tables).graded


def test_rows_after_the_clock_change_no_grade(held: Registry, tables: Frames) -> None:
    """They may lie in the database; the control moves the clock past them."""
    written(held, tables, at(held, 250))
    schema = held.load("buys").task.schema

    def graded_by(whole: dict[str, pa.Table]) -> Grades:
        with open_database(whole, schema=schema, now=held.clock(), threads=1) as database:
            return grade(held, "buys", database)

    orders = tables["orders"]
    later = pa.array(orders["at"].to_numpy().astype(np.int64) > day(272))
    moved = orders.set_column(1, "customer_id", pa.array(np.where(later, 1, orders["customer_id"])))
    changed = {**tables, "orders": moved}
    at(held, 265)
    assert not graded_by(dict(tables)).graded  # the window is open, though its rows are in the database
    at(held, 272)
    same = [graded_by(whole).graded for whole in (until(tables, day(272)), dict(tables), changed)]
    assert same[0] and same[0] == same[1] == same[2]
    written(held, tables, at(held, 260))
    at(held, 290)
    assert graded_by(dict(tables)).graded[1] != graded_by(changed).graded[1]


def test_a_batch_of_a_time_that_was_learned_from_is_no_forecast(held: Registry, tables: Frames) -> None:
    at(held, 280)
    written(held, tables, day(200))
    written(held, tables, day(251))
    past, forecast = graded(held, tables).graded
    assert past.hindsight and "no forecast" in past.notes[-1]
    assert not forecast.hindsight and not forecast.notes


def test_a_regrade_takes_late_rows_in_and_replaces(held: Registry, tables: Frames) -> None:
    batch = written(held, tables, at(held, 250))
    at(held, 280)
    orders = tables["orders"]
    when = orders["at"].to_numpy().astype(np.int64)
    late = (when > batch.cutoff) & (when <= batch.cutoff + WINDOW) & (np.arange(len(when)) % 2 == 0)
    first = graded(held, {**tables, "orders": orders.filter(pa.array(~late))}).graded[0]
    second = graded(held, tables).graded[0]
    assert second.happened > first.happened
    assert [g.happened for g in grades_of(held, "buys")] == [second.happened]


def test_rows_without_an_outcome_are_counted_and_never_zero(held: Registry, tables: Frames) -> None:
    query = "PREDICT AVG(orders.amount, 0, 20, days) FOR EACH customers.id"
    held.add("spends", fitted(tables, day(250), query))
    written(held, tables, at(held, 250), "spends")
    at(held, 280)
    fewer = {**tables, "customers": tables["customers"].slice(0, 140)}
    with seen(fewer, held, "spends") as database:
        (found,) = grade(held, "spends", database).graded
    truth = bought(tables, day(250))
    buyers = sum(truth[i] for i in range(1, 141))
    assert found.labelled == buyers
    assert found.missing == {"no value": 140 - buyers, "no longer in the database": 10}
    assert found.score.metric == "mae" and found.happened > 0
    assert found.coverage is None or 0.4 < found.coverage <= 1


def test_one_class_is_said_not_scored(held: Registry, tables: Frames) -> None:
    batch = written(held, tables, at(held, 250))
    at(held, 280)
    orders = tables["orders"]
    when = orders["at"].to_numpy().astype(np.int64)
    inside = (when > batch.cutoff) & (when <= batch.cutoff + WINDOW)
    found = graded(held, {**tables, "orders": orders.filter(pa.array(~inside))})
    (one,) = found.graded
    assert np.isnan(one.score.value) and "all 150 outcomes are no" in one.notes[0]
    assert "cannot be scored" in found.verdict and json.dumps(found.to_dict(), allow_nan=False)
    assert np.isnan(grades_of(held, "buys")[0].score.value)


def test_the_worst_segments_come_first_and_are_as_counted(held: Registry, tables: Frames) -> None:
    customers = tables["customers"]
    two = pa.array(np.where(np.arange(150) % 2 == 0, "even", "odd"))
    split = {**tables, "customers": customers.set_column(2, "segment", two)}
    held.add("split", fitted(split, day(250)))
    batch = written(held, split, at(held, 250), "split")
    at(held, 280)
    with seen(split, held, "split") as database:
        (found,) = grade(held, "split", database).graded
        said = held.load("split").predict(database, as_of=batch.cutoff).table.to_pylist()
    truth = bought(tables, batch.cutoff)
    expected = {}
    for value, rest in (("even", 1), ("odd", 0)):
        rows = [r for r in said if r["id"] % 2 == rest]
        expected[value] = auroc([truth[r["id"]] for r in rows], [r["probability"] for r in rows])
    assert {s.value: s.score.value for s in found.segments} == pytest.approx(expected)
    assert [s.value for s in found.segments] == sorted(expected, key=expected.__getitem__)
    assert {s.rows for s in found.segments} == {75}


def test_a_grade_survives_its_json(held: Registry, tables: Frames) -> None:
    written(held, tables, at(held, 250))
    at(held, 280)
    (found,) = graded(held, tables).graded
    assert Grade.of(json.loads(json.dumps(found.to_dict()))) == found


def test_given_labels_cannot_be_graded(held: Registry, tables: Frames) -> None:
    import foretell

    rows = {"id": list(range(1, 151)) * 3, "cutoff": [], "label": []}
    for number in (100, 130, 160):
        truth = bought(tables, day(number))
        rows["cutoff"] += [np.datetime64(day(number), "us")] * 150
        rows["label"] += list(truth.values())
    with foretell.connect(until(tables, day(250)), now=day(250), threads=1) as database:
        asked = database.given(pa.table(rows), entity="customers")
        held.add("given", asked.fit(time_limit=1, model="baseline"))
    with pytest.raises(UsageError, match="labels that were given"), seen(tables, held, "given") as database:
        grade(held, "given", database)


def test_a_static_target_is_graded_row_by_row_as_values_arrive(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    when = np.array([day(n) for n in np.sort(rng.uniform(0, 100, 300))]).astype("datetime64[us]")
    amount = rng.gamma(2, 20, 300)
    value = np.where(np.arange(300) < 250, amount + rng.normal(0, 1, 300), np.nan)

    def with_values(known: int) -> dict[str, pa.Table]:
        column = [float(v) if i < known else None for i, v in enumerate(amount + 1)]
        return {"orders": pa.table({"id": np.arange(300), "at": when, "size": amount, "cost": column})}

    assert np.isfinite(value[:250]).all()
    held = registry(tmp_path, Clock(day(101)))
    held.add("costs", fitted_static(with_values(250)))
    version = held.version("costs")
    with open_database(with_values(250), now=day(101), threads=1) as database:
        said = held.load("costs").predict(database).table
    begin(held, version, "run", day(101), "", said, "here", {})
    for known, labelled in ((250, 0), (270, 20), (300, 50)):
        with open_database(with_values(known), now=day(101), threads=1) as database:
            found = grade(held, "costs", database)
        assert sum(g.labelled for g in found.graded) == labelled
        if not labelled:
            assert "no row of it has an outcome: 50 no value" in found.waiting[0].why


def fitted_static(tables: dict[str, pa.Table]) -> Model:
    import foretell

    with foretell.connect(tables, now=day(101), threads=1) as database:
        return database.query("PREDICT orders.cost FOR EACH orders.id").fit(time_limit=1, model="baseline")


def table(**columns: Any) -> pa.Table:
    return pa.table(columns)


def test_classes_are_right_or_wrong() -> None:
    said = table(prediction=["a", "b", "c", "(other)"], probability=[0.9, 0.5, 0.4, 0.3])
    truth = np.array(["a", "c", "c", "z"], dtype=object)
    named = answers(TaskKind.MULTICLASS, said, truth, ("a", "b", "c", "(other)"))
    found = scored(named, "accuracy", np.arange(4))
    assert found.score.value == 0.75 and found.ece == pytest.approx(sum((0.1, 0.5, 0.6, 0.7)) / 4)
    closed = answers(TaskKind.MULTICLASS, said, truth, ("a", "b", "c"))
    assert scored(closed, "accuracy", np.arange(4)).score.value == 0.5


def test_intervals_are_counted() -> None:
    said = table(prediction=[1.0, 1.0, 1.0, 1.0], low=[0.0] * 4, high=[2.0, 2.0, 2.0, 0.5])
    found = scored(answers(TaskKind.REGRESSION, said, np.ones(4)), None, np.arange(4))
    assert found.coverage == 0.75 and found.score.value == 0.0 and found.lift is None
