"""The rows that are cited are those that a feature's value was made of: without them the value is empty."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from foretell.core.time import DAY, Last, Offset, parse_instant
from foretell.explain.evidence import Citing, Evidence
from foretell.features.lower import feature_plan
from foretell.features.model import (
    Aggregated,
    Attribute,
    Contrast,
    CutoffPart,
    Feature,
    FeatureSet,
    Kind,
    OwnLabels,
    Value,
)
from foretell.features.synthesize import Profile, synthesize
from foretell.pipeline import Database, connect
from foretell.plan.nodes import Comparison
from foretell.prediction.batch import population
from foretell.prediction.database import open_database
from foretell.schema.breadth import Breadth, FeatureSettings
from foretell.schema.model import Hop
from foretell.task.model import Task
from foretell.testing.random_databases import make_database, make_task

CUTOFF = parse_instant("2026-03-10")
EVENTS = Offset(30)
SEEDS = (1, 8, 11, 12)
"""Random databases in whose features rows stand behind."""
LAST_TWO = "2 orders: #102 on 2026-03-02 and #101 on 2026-02-20"
ALL = "3 orders: #102 on 2026-03-02, #101 on 2026-02-20 and #100 on 2026-01-05"


def day(text: str) -> datetime:
    return datetime.fromisoformat(text)


TABLES = {
    "shops": pa.table({"shop_id": [1, 2], "city": ["Oslo", "Rome"]}),
    "customers": pa.table(
        {"customer_id": [7, 8], "shop_id": [1, 2], "joined_at": [day("2025-01-01"), day("2025-02-01")]}
    ),
    "orders": pa.table(
        {
            "order_id": [100, 101, 102, 103, 104],
            "customer_id": [7, 7, 7, 8, 7],
            "placed_at": [day(f"2026-0{d}") for d in ("1-05", "2-20", "3-02", "3-01", "3-20")],
            "amount": [5.0, 50.0, 20.0, 9.0, 1.0],
            "status": ["ok", "returned", "returned", "ok", "ok"],
        }
    ),
    "visits": pa.table({"customer_id": [7, 7], "visited_at": [day("2026-03-03"), day("2026-03-08")]}),
}


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Database, Task]]:
    with connect(TABLES) as db:
        yield db, db.query("PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id").task


def cited(shop: tuple[Database, Task], definition: Any, kind: Kind = Kind.NUMERIC) -> Evidence | None:
    db, task = shop
    tables = db.opened.engine.tables
    if tables is None:
        pytest.skip("rows are cited where tables are held as arrays")
    entity = int(db.opened.engine.find("customers", {"customer_id": [7]})[0])
    return Citing(tables, task, entity, CUTOFF)(Feature("f", kind, definition, "", ""))


def down(shop: tuple[Database, Task], table: str) -> tuple[Hop, ...]:
    (link,) = [k for k in shop[1].schema.links if k.child == table]
    return (Hop(link, up=False),)


def said(evidence: Evidence | None) -> str | None:
    return None if evidence is None else evidence.text


def test_what_is_said_of_events(shop: Any) -> None:
    orders = down(shop, "orders")
    amount, status = Value("amount"), Value("status", equals="returned")
    wanted = {
        Aggregated("recency", orders): "last one #102 on 2026-03-02",
        Aggregated("tenure", orders): "order #100 on 2026-01-05",
        Aggregated("count", orders): ALL,
        Aggregated("count", orders, window=EVENTS): LAST_TWO,
        Aggregated("count", orders, window=Last(1)): "order #102 on 2026-03-02",
        Aggregated("count", orders, ago=Offset(30)): "order #100 on 2026-01-05",
        Aggregated("max", orders, value=amount): "order #101 on 2026-02-20",
        Aggregated("last", orders, value=amount): "last one #102 on 2026-03-02",
        Aggregated("sum", orders, value=status): LAST_TWO,
        Aggregated("decayed_count", orders, window=Offset(1)): (ALL),
        Aggregated("count", orders, window=Offset(2)): None,
    }
    assert {d: said(cited(shop, d)) for d in wanted} == wanted


def test_what_is_said_of_the_rest(shop: Any) -> None:
    orders, visits = down(shop, "orders"), down(shop, "visits")
    (up,) = [Hop(k, up=True) for k in shop[1].schema.links if k.parent == "shops"]
    recency, gap = Aggregated("recency", orders), Aggregated("gap", orders)
    assert said(cited(shop, Aggregated("recency", visits))) == "last one on 2026-03-08"
    assert said(cited(shop, Aggregated("count", visits))) == "2 visits: 2026-03-08 and 2026-03-03"
    assert said(cited(shop, Contrast(recency, gap, Comparison.RATIO))) == "last one #102 on 2026-03-02"
    assert said(cited(shop, Attribute("city", (up,)), Kind.CATEGORICAL)) == "shop #1"
    own = cited(shop, Attribute("joined_at", age=True))
    assert own is not None and own.is_own and own.text == "customer #7"
    assert cited(shop, CutoffPart("month")) is None
    assert cited(shop, OwnLabels("mean", None, everyone=True)) is None
    labels = cited(shop, OwnLabels("mean", Offset(60)))
    assert labels is not None and labels.text == LAST_TWO


def test_a_cited_row_tells_its_key_and_time(shop: Any) -> None:
    found = cited(shop, Aggregated("recency", down(shop, "orders")))
    assert found is not None
    assert found.cited() == ({"table": "orders", "key": {"order_id": 102}, "time": "2026-03-02"},)


def behind(seed: int, late: int = 0) -> Iterator[tuple[Feature, bool]]:
    """Features of random entities that rows are cited of, and whether all of those were visible; they are
    cited so much later than they are judged.
    """
    database = make_database(seed, tables=4, rows=30)
    task = make_task(database, seed)
    if task is None:
        return
    (cutoff,) = database.cutoffs(seed, 1)
    settings = FeatureSettings(Breadth.MORE if seed % 2 else Breadth.STANDARD, budget=250)
    features = synthesize(task, Profile(120.0, lambda t, c: ("red", "green")), settings)
    with open_database(database.frames, schema=database.schema, threads=1) as opened:
        tables = opened.engine.tables
        assert tables is not None
        rows = population(opened, task, cutoff)
        for row in range(min(3, len(rows))):
            citing = Citing(tables, task, int(rows.entities[row]), int(rows.cutoffs[row]) + late)
            for feature in features.features:
                evidence = citing(feature)
                if evidence is None or evidence.is_own:
                    continue
                times = tables.times(evidence.table)
                early = times is None or bool((times[evidence.places] <= rows.cutoffs[row]).all())
                yield feature, early


def test_nothing_after_the_cutoff_is_cited() -> None:
    found = [early for seed in SEEDS for _, early in behind(seed)]
    assert len(found) > 300 and all(found)


def test_rows_that_came_later_would_be_seen() -> None:
    assert not all(early for seed in SEEDS for _, early in behind(seed, late=60 * DAY))


def test_counts_are_of_as_many_rows_as_are_cited() -> None:
    compared = 0
    for seed in range(16):
        database = make_database(seed, tables=4, rows=30)
        task = make_task(database, seed, static=False)
        if task is None:
            continue
        (cutoff,) = database.cutoffs(seed, 1)
        features = synthesize(task, Profile(120.0, lambda t, c: ("red",)), FeatureSettings(budget=250))
        counted = FeatureSet(tuple(f for f in features.features if _is_count(f)))
        with open_database(database.frames, schema=database.schema, threads=1) as opened:
            everyone, tables = population(opened, task, cutoff), opened.engine.tables
            rows = everyone.take(np.arange(min(3, len(everyone))))
            if not len(rows) or tables is None or not len(counted):
                continue
            values = opened.engine.features(feature_plan(task, counted), rows)
            for row in range(len(rows)):
                citing = Citing(tables, task, int(rows.entities[row]), int(rows.cutoffs[row]))
                for feature in counted.features:
                    evidence = citing(feature)
                    column: Any = values[feature.name]
                    assert column.values[row] == (0 if evidence is None else evidence.count), feature.name
                    compared += 1
    assert compared > 100


def _is_count(feature: Feature) -> bool:
    definition = feature.definition
    return isinstance(definition, Aggregated) and definition.measure == "count"
