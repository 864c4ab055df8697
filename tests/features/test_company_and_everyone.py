"""Features of the company an entity was last seen in and of everyone's past labels: by hand, and proven."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell.core.errors import LeakError
from foretell.core.time import parse_instant
from foretell.engines.base import Rows
from foretell.features.lower import feature_plan
from foretell.features.matrix import Numeric
from foretell.features.model import FeatureSet, from_json, to_json
from foretell.features.synthesize import Profile, synthesize
from foretell.pipeline import Database
from foretell.plan import nodes
from foretell.plan.nodes import Until
from foretell.plan.proof import prove
from foretell.query.parser import parse
from foretell.task.bind import bind
from foretell.task.model import Task

QUERY = "PREDICT SUM(orders.amount, 0, 10, days) FOR EACH customers.customer_id"


@pytest.fixture(scope="module")
def shop() -> Database:
    """Customer 1 moves from shop 1 to shop 2 on day 45, where customer 2 spends 100 a day."""
    start = datetime(2024, 1, 1)
    rows = [(d, 1, 1 if d < 45 else 2, 1.0) for d in range(0, 90, 5)]
    rows += [(d, 2, 2, 100.0) for d in range(90)]
    rows += [(d, 3, 1, 7.0) for d in range(90)]
    days, customers, shops, amounts = zip(*rows)
    orders = pa.table(
        {
            "order_id": list(range(len(rows))),
            "customer_id": customers,
            "shop_id": shops,
            "amount": amounts,
            "ordered_at": [start + timedelta(days=d) for d in days],
        }
    )
    frames = {
        "customers": pa.table({"customer_id": [1, 2, 3, 4]}),
        "shops": pa.table({"shop_id": [1, 2, 3], "city": ["Delft", "Ghent", "Delft"]}),
        "orders": orders,
    }
    return foretell.connect(frames, now="2025-01-01")


@pytest.fixture(scope="module")
def task(shop: Database) -> Task:
    return bind(parse(QUERY), shop.schema)


@pytest.fixture(scope="module")
def features(task: Task) -> FeatureSet:
    return synthesize(task, Profile(90.0, lambda table, column: ()))


def values(shop: Database, task: Task, features: FeatureSet, name: str, day: str) -> list[float]:
    """A feature of customers 1 to 4 at a day's first instant."""
    rows = Rows(np.arange(1, 5), np.full(4, parse_instant(day)))
    column = shop._opened.engine.features(feature_plan(task, features.select([name])), rows)[name]
    assert isinstance(column, Numeric)
    return column.values.tolist()


def test_the_company_is_that_of_the_last_row(shop: Database, task: Task, features: FeatureSet) -> None:
    name = "orders[last]>shop_id>orders.amount.mean.10d"
    before = values(shop, task, features, name, "2024-02-14")  # day 44: customer 1 is still in shop 1
    np.testing.assert_allclose(before, [(2 * 1 + 10 * 7) / 12, 100, (2 * 1 + 10 * 7) / 12, np.nan])
    after = values(shop, task, features, name, "2024-02-15")  # day 45: the order of this very instant counts
    np.testing.assert_allclose(after[:2], [(10 * 100 + 1) / 11] * 2)
    assert np.isnan(after[3])  # never seen anywhere


def test_everyone_has_one_level(shop: Database, task: Task, features: FeatureSet) -> None:
    got = values(shop, task, features, "label.everyone.mean.1", "2024-02-10")
    # Window (30 January, 9 February + 1]: 2, 10 and 10 orders, and none for customer 4.
    np.testing.assert_allclose(got, [(2 * 1 + 10 * 100 + 10 * 7 + 0) / 4] * 4)
    assert values(shop, task, features, "label.everyone.count.1", "2024-02-10") == [4.0] * 4


def test_descriptions_are_english(features: FeatureSet) -> None:
    told = {f.name: f.description for f in features.features}
    assert (
        told["orders[last]>shop_id>orders.amount.mean.10d"]
        == "mean amount of orders of the shop in its last of orders in the last 10 days"
    )
    assert told["label.everyone.mean.1"] == "mean value of everyone over the last window"


def test_definitions_come_back_from_json(task: Task, features: FeatureSet) -> None:
    assert from_json(to_json(features), task.schema).features == features.features


def test_the_proof_covers_the_last_row(shop: Database, task: Task, features: FeatureSet) -> None:
    plan = feature_plan(task, features.select(["orders[last]>shop_id>orders.amount.mean.10d"]))
    prove(plan, shop.schema)
    (block,) = plan.blocks
    assert isinstance(block, nodes.Aggregate) and isinstance(block.anchor, nodes.Follow)
    latest = block.anchor.source
    assert isinstance(latest, nodes.Latest) and latest.until is Until.CUTOFF

    def swapped(step: nodes.Latest) -> nodes.FeaturePlan:
        assert isinstance(block, nodes.Aggregate) and isinstance(block.anchor, nodes.Follow)
        return replace(plan, blocks=(replace(block, anchor=replace(block.anchor, source=step)),))

    with pytest.raises(LeakError):
        prove(swapped(replace(latest, until=Until.END)), shop.schema)
    with pytest.raises(LeakError):
        prove(swapped(replace(latest, until=Until.NOW)), shop.schema)


def test_the_proof_refuses_the_last_row_of_a_table_without_a_time(shop: Database, task: Task) -> None:
    untimed = replace(
        shop.schema,
        tables=tuple(replace(t, time_column=None) if t.name == "orders" else t for t in shop.schema.tables),
    )
    link = next(k for k in untimed.active_links if k.parent == "customers")
    scan = nodes.Scan("customers", Until.NOW)
    step = nodes.Latest(scan, nodes.Hop(link, up=False), Until.NOW)
    read = nodes.Read("amount", "amount", untimed.table("orders").column("amount").dtype)
    plan = nodes.FeaturePlan("customers", ("customer_id",), (nodes.AsOf(step, (read,)),))
    with pytest.raises(LeakError):
        prove(plan, untimed)
