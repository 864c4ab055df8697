"""What a query can ask for, fitted and predicted from end to end on small invented databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from trust_world import CHURN, KIND, NOW, SPEND, START, changed, shop

import foretell
from foretell import DataError
from foretell.core.time import from_datetime
from foretell.features.matrix import Categorical
from foretell.prediction.learn import Budget

SECONDS = 0.3


@pytest.fixture(scope="module")
def database() -> Iterator[foretell.Database]:
    with foretell.connect(shop(people=20), now=NOW) as opened:
        yield opened


@pytest.fixture(scope="module")
def models(database: foretell.Database) -> dict[str, foretell.Model]:
    """One model of each learnable kind, shared by the tests of clauses that change the scoring alone."""
    return {q: database.query(q).fit(time_limit=SECONDS) for q in (CHURN, SPEND, KIND)}


def scored(database: foretell.Database, models: dict[str, foretell.Model], query: str, clause: str) -> Any:
    """Predictions under a clause that does not change what is learned."""
    task = database.query(query + clause).task
    return replace(models[query], task=task).predict(database._opened)


# ── RETURN ──


def test_a_condition_returns_probabilities_and_classes(database: Any, models: Any) -> None:
    plain = scored(database, models, CHURN, "").table
    assert plain.column_names == ["customer_id", "cutoff", "probability"]
    assert plain.equals(scored(database, models, CHURN, " RETURN PROBABILITY").table)
    classes = scored(database, models, CHURN, " RETURN CLASS").table
    assert classes["prediction"].to_pylist() == [p >= 0.5 for p in plain["probability"].to_pylist()]
    rare = {r["customer_id"]: r["probability"] for r in plain.to_pylist()}
    quick, slow = ([p for i, p in rare.items() if i % 5 == k] for k in (0, 1))
    assert np.mean(slow) > np.mean(quick) + 0.1  # who orders seldom is likelier to stay away


def test_a_class_returns_one_and_its_probability_or_that_of_all(database: Any, models: Any) -> None:
    plain = scored(database, models, KIND, " RETURN CLASS").table
    assert plain.column_names == ["customer_id", "cutoff", "prediction", "probability"]
    every = scored(database, models, KIND, " RETURN PROBABILITY").table
    shares = np.stack([every[f"p({name})"].to_numpy() for name in ("a", "b", "c")])
    assert shares.sum(axis=0) == pytest.approx(1)
    assert (shares.max(axis=0) == every["probability"].to_numpy()).all()


def test_a_number_returns_quantiles_in_order_and_intervals_that_widen(database: Any, models: Any) -> None:
    found = scored(database, models, SPEND, " RETURN QUANTILES(0.1, 0.5, 0.9)").table
    low, middle, high = (found[f"q{q}"].to_numpy() for q in ("0.1", "0.5", "0.9"))
    assert (low <= middle).all() and (middle <= high).all() and (low < high).any()
    narrow, wide = (
        scored(database, models, SPEND, f" RETURN INTERVAL({level})").table for level in (0.5, 0.95)
    )
    widths = [np.mean(t["high"].to_numpy() - t["low"].to_numpy()) for t in (narrow, wide)]
    assert 0 < widths[0] < widths[1]


# ── FOR … = / IN, AS OF, EVERY ──


def test_named_entities_alone_are_scored_and_score_as_among_all(database: Any, models: Any) -> None:
    every = {r["customer_id"]: r["probability"] for r in scored(database, models, CHURN, "").rows()}
    for clause, ids in ((" = 3", [3]), (" IN (3, 5, 7)", [3, 5, 7])):
        query = CHURN.replace("FOR EACH customers.customer_id", "FOR customers.customer_id" + clause)
        found = replace(models[CHURN], task=database.query(query).task).predict(database._opened)
        assert sorted(found.table["customer_id"].to_pylist()) == ids
        for row in found.rows():  # to the last bits: a linear model multiplies many rows in another order
            assert row["probability"] == pytest.approx(every[row["customer_id"]], rel=1e-12)


def test_as_of_scores_and_learns_at_that_time(database: foretell.Database, models: Any) -> None:
    found = scored(database, models, CHURN, " AS OF '2024-05-01 12:00:00'")
    assert set(found.table["cutoff"].to_pylist()) == {datetime(2024, 5, 1, 12)}
    other = models[CHURN].predict(database._opened, as_of="2024-05-01 12:00:00")
    assert found.table.equals(other.table)
    learned = database.query(CHURN + " AS OF '2024-05-01'").check().labels.cutoffs
    assert learned[-1].cutoff == from_datetime(datetime(2024, 4, 1))  # its window closes by the first of May
    before = scored(database, models, CHURN, " AS OF '2023-12-15'")
    assert sorted(before.table["customer_id"].to_pylist()) == [17, 18, 19, 20]  # those who had joined by then


def test_as_of_before_anybody_joined_is_refused(database: foretell.Database, models: Any) -> None:
    with pytest.raises(DataError, match="there is nobody to score at 2020-01-01"):
        scored(database, models, CHURN, " AS OF '2020-01-01'")


@pytest.mark.parametrize(("every", "days"), [("7 days", {7}), ("1 month", {29, 30, 31})])
def test_every_sets_the_distance_of_cutoffs(every: str, days: set[int], database: foretell.Database) -> None:
    moments = [c.cutoff for c in database.query(f"{CHURN} EVERY {every}").check().labels.cutoffs]
    assert set(np.diff(moments) // 86_400_000_000) <= days and len(moments) > 4


# ── targets ──


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("FIRST(orders.kind, 0, 30, days)", "multiclass"),
        ("MODE(orders.kind, 0, 30, days) = 'a'", "binary"),
        ("MEDIAN(orders.amount, 0, 30, days)", "regression"),
        ("SUM(orders.amount, 0, 30, days) / COUNT(orders.*, 0, 30, days)", "regression"),
        ("CASE WHEN COUNT(orders.*, 0, 30, days) > 4 THEN 'many' ELSE 'few' END", "multiclass"),
        ("COUNT(orders.*, 0, 30, days) BETWEEN 1 AND 3", "binary"),
    ],
)
def test_a_target_is_learned_and_predicted(target: str, kind: str, database: foretell.Database) -> None:
    question = database.query(f"PREDICT {target} FOR EACH customers.customer_id")
    assert question.task.kind == kind
    answer = question.ask(time_limit=SECONDS)
    assert len(answer.predictions) == 20 and answer.verdict
    if kind == "regression":
        found = answer.predictions.table["prediction"].to_numpy()
        assert abs(found.mean() - answer.check.labels.mean) < 0.5 * answer.check.labels.mean


def test_first_last_and_mode_are_what_they_say() -> None:
    times = [START + timedelta(days=d) for d in (1, 2, 3, 4, 40)]
    tables = {
        "users": pa.table({"user_id": [1]}),
        "visits": pa.table(
            {
                "visit_id": [1, 2, 3, 4, 5],
                "user_id": [1] * 5,
                "visited_at": pa.array(times, pa.timestamp("us")),
                "page": ["x", "y", "y", "z", "w"],
            }
        ),
    }
    with foretell.connect(tables, now=NOW) as opened:
        for function, expected in (("FIRST", "x"), ("LAST", "z"), ("MODE", "y")):
            question = opened.query(f"PREDICT {function}(visits.page, 0, 9, days) FOR EACH users.user_id")
            assert question.labels(["2024-01-01"])["label"].to_pylist() == [expected]


def tickets(*, timed: bool) -> dict[str, pa.Table]:
    """Tickets whose size tells their class and price; one in five is not known yet."""
    random = np.random.default_rng(5)
    size = random.integers(1, 10, 150)
    known = np.arange(150) % 5 != 4
    columns: dict[str, Any] = {
        "ticket_id": range(150),
        "size": size,
        "price": [float(s * 10 + i % 3) if k else None for i, (s, k) in enumerate(zip(size, known))],
        "grade": [("low", "mid", "high")[(s - 1) // 3] if k else None for s, k in zip(size, known)],
        "flag": ["Y" if s > 5 else "N" for s in size],
    }
    if timed:
        columns["opened_at"] = pa.array(
            [START + timedelta(hours=9 * i) for i in range(150)], pa.timestamp("us")
        )
    return {"tickets": pa.table(columns)}


@pytest.mark.parametrize("timed", [True, False])
def test_static_targets(timed: bool) -> None:
    """A number, a class, a condition: rows without a value are scored, the others learned from."""
    with foretell.connect(tickets(timed=timed), now=NOW) as opened:
        truth = {r["ticket_id"]: r["size"] for r in tickets(timed=timed)["tickets"].to_pylist()}

        def answers(target: str) -> dict[int, Any]:
            question = opened.query(f"PREDICT tickets.{target} FOR EACH tickets.ticket_id")
            found = question.ask(time_limit=SECONDS).predictions
            assert len(found) == 30 and all(r["ticket_id"] % 5 == 4 for r in found.rows())
            return {r["ticket_id"]: r for r in found.rows()}

        prices = answers("price")
        errors = [abs(r["prediction"] - 10 * truth[i] - 1) for i, r in prices.items()]
        assert np.mean(errors) < 15
        grades = answers("grade")
        right = [r["prediction"] == ("low", "mid", "high")[(truth[i] - 1) // 3] for i, r in grades.items()]
        assert np.mean(right) > 0.8
        dear = answers("price > 50")
        assert np.mean([r["probability"] for i, r in dear.items() if truth[i] > 6]) > 0.6
        assert np.mean([r["probability"] for i, r in dear.items() if truth[i] < 4]) < 0.4
        # Y and N stay the classes that they are.
        flags = opened.query("PREDICT tickets.flag FOR EACH tickets.ticket_id").check()
        assert set(flags.labels.classes) == {"Y", "N"}


def test_rows_of_the_same_instant_are_not_visible() -> None:
    """What the others did in a race is not known before it; what they did in earlier races is."""
    random = np.random.default_rng(6)
    races, drivers = 24, 6
    held = pa.array([START + timedelta(days=10 * i) for i in range(races)], pa.timestamp("us"))
    position = np.concatenate([random.permutation(drivers) + 1 for _ in range(races)])
    tables = {
        "races": pa.table({"race_id": range(1, races + 1), "held_on": held}),
        "drivers": pa.table({"driver_id": range(1, drivers + 1)}),
        "results": pa.table(
            {
                "result_id": range(1, races * drivers + 1),
                "race_id": np.repeat(np.arange(1, races + 1), drivers),
                "driver_id": np.tile(np.arange(1, drivers + 1), races),
                "position": position,
            }
        ),
    }

    def features(positions: np.ndarray[Any, Any]) -> dict[str, Any]:
        other = {**tables, "results": changed(tables["results"], "position", positions)}
        with foretell.connect(other, now=NOW) as opened:
            question = opened.query("PREDICT results.position FOR EACH results.result_id")
            lesson = question._lesson(Budget(1.0))
        # The row of driver 1 in the last race.
        row = int(np.flatnonzero(lesson.labels.rows.cutoffs == lesson.labels.rows.cutoffs.max())[0])
        named = zip(lesson.matrix.names, lesson.matrix.columns)
        return {name: _at(column, row) for name, column in named}

    last, before = position.copy(), position.copy()
    last[-drivers:] = last[-drivers:][::-1]
    before[:-drivers] = before[:-drivers][::-1]
    mine = features(position)
    assert mine == features(last)
    assert mine != features(before)


def _at(column: Any, row: int) -> Any:
    """A value that can be compared: NaN is None."""
    if isinstance(column, Categorical):
        return column.categories[column.codes[row]] if column.codes[row] >= 0 else None
    return None if np.isnan(column.values[row]) else float(column.values[row])
