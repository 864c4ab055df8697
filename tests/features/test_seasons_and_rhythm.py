"""What happened a year ago lies where the label's window lay then; gaps and runs are of the rows meant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell.core.time import DAY, Instant, Offset, Unit, parse_instant
from foretell.engines.base import Rows
from foretell.features.candidates.seasons import year_before
from foretell.features.lower import feature_plan
from foretell.features.matrix import Numeric
from foretell.features.model import Aggregated, FeatureSet, OwnLabels
from foretell.features.synthesize import Profile, synthesize
from foretell.query.parser import parse
from foretell.schema.breadth import Breadth, FeatureSettings
from foretell.task.bind import bind
from foretell.task.model import Task

START = parse_instant("2020-01-01")
CUTOFF = parse_instant("2022-06-30")
DAYS = np.sort(np.random.default_rng(5).integers(0, 900, 300))
PAID = np.random.default_rng(6).random(300) < 0.5
LONG = Profile(900.0, lambda table, column: ())


@pytest.fixture(scope="module")
def database() -> foretell.Database:
    """One customer of two and a half years, who orders on random days."""
    moments = pa.array(START + DAYS * DAY, pa.int64()).cast(pa.timestamp("us"))
    ids = pa.array(np.arange(300))
    first = pa.array([START - DAY], pa.int64()).cast(pa.timestamp("us"))
    return foretell.connect(
        {
            "customers": pa.table({"customer_id": [1], "joined": first}),
            "orders": pa.table({"order_id": ids, "customer_id": [1] * 300, "at": moments, "paid": PAID}),
        }
    )


def asked(database: foretell.Database, span: str) -> Task:
    return bind(parse(f"PREDICT COUNT(orders.*, 0, {span}) FOR EACH customers.customer_id"), database.schema)


def values(database: foretell.Database, task: Task, features: FeatureSet, at: Instant) -> dict[str, float]:
    rows = Rows(np.array([1]), np.array([at]))
    matrix = database.opened.engine.features(feature_plan(task, features), rows)
    columns = {name: matrix[name] for name in features.names}
    return {name: float(c.values[0]) for name, c in columns.items() if isinstance(c, Numeric)}


def counted(after: float, until: float, at: Instant = CUTOFF) -> int:
    """Orders in a window of days around an instant."""
    days = DAYS - (at - START) / DAY
    return int(((days > after) & (days <= until)).sum())


def test_the_season_is_the_label_s_window_a_year_earlier(database: foretell.Database) -> None:
    task = asked(database, "30, days")
    features = synthesize(task, LONG)
    for at in range(CUTOFF - 40 * DAY, CUTOFF, 9 * DAY):
        found = values(database, task, features, at)
        assert found["orders.count.30d.335d_ago"] == counted(-365, -335, at) > 0
        assert found["orders.count.30d.365d_ago"] == counted(-395, -365, at) > 0
        assert found["label.last.year_ago"] == counted(-360, -330, at), "whole steps of 30 days"
    names = [f for f in features.features if f.name == "orders.count.30d.335d_ago"]
    assert names[0].description == "number of orders in the 30 days up to 335 days ago"


def ago(features: FeatureSet) -> Sequence[Offset]:
    found = [f.definition.ago for f in features.features if isinstance(f.definition, Aggregated | OwnLabels)]
    return [a for a in found if a is not None]


@pytest.mark.parametrize("span", ["365, days", "400, days", "1, year", "13, months"])
def test_a_horizon_of_a_year_has_no_season_before_its_cutoff(database: foretell.Database, span: str) -> None:
    assert ago(synthesize(asked(database, "11, months"), LONG))
    assert not ago(synthesize(asked(database, span), LONG))


def test_a_short_history_has_no_season(database: foretell.Database) -> None:
    task = asked(database, "30, days")
    assert ago(synthesize(task, LONG))
    assert not ago(synthesize(task, Profile(500.0, lambda table, column: ())))


def test_windows_that_a_person_names_are_the_only_ones(database: foretell.Database) -> None:
    task = asked(database, "30, days")
    assert "orders.count.30d.335d_ago" in synthesize(task, LONG).names
    named = synthesize(task, LONG, FeatureSettings(windows=(Offset(7), Offset(14)))).names
    assert not [n for n in named if n.endswith("_ago")]


@pytest.mark.parametrize(
    ("horizon", "wanted"),
    [
        (Offset(24, Unit.HOUR), Offset(8736, Unit.HOUR)),
        (Offset(2, Unit.WEEK), Offset(351)),
        (Offset(2, Unit.MONTH), Offset(10, Unit.MONTH)),
        (Offset(1, Unit.QUARTER), Offset(3, Unit.QUARTER)),
    ],
)
def test_a_year_before(horizon: Offset, wanted: Offset) -> None:
    assert year_before(horizon) == wanted


def test_gaps_and_runs_are_those_of_the_list(database: foretell.Database) -> None:
    task = asked(database, "30, days")
    found = values(database, task, synthesize(task, LONG, FeatureSettings(Breadth.MORE)), CUTOFF)
    past = np.flatnonzero(DAYS <= (CUTOFF - START) / DAY)
    assert found["orders.days_between.std.all"] == pytest.approx(np.diff(DAYS[past]).std(ddof=1), rel=1e-6)
    last20 = np.diff(DAYS[past])[-20:]
    assert found["orders.days_between.std.last20"] == pytest.approx(last20.std(ddof=1), rel=1e-6)
    run = 1
    while PAID[past[-1 - run]] == PAID[past[-1]]:
        run += 1
    assert found["orders.run(paid).last.all"] == (run if PAID[past[-1]] else -run)
    plain = synthesize(task, LONG).names
    assert "orders.run(paid).last.all" in plain and not any("days_between" in n for n in plain)
