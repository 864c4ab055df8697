"""The database that is cut from a large one: entities with all of their rows, and what those name."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from foretell.discovery import discover
from foretell.evaluation.sample import closed, sample, whole
from foretell.schema.model import Schema
from foretell.sources.frames import FramesSource
from foretell.store.working import Store
from foretell.testing.shop import shop_frames


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Store, Schema]]:
    frames = shop_frames(customers=300, days=400)
    with Store.load(FramesSource(frames).snapshot()) as store:
        yield store, discover(store)


def keys(*ids: int) -> pa.Table:
    return pa.table({"customer_id": pa.array(ids, pa.int64())})


def column(frame: pa.Table, name: str) -> set[object]:
    return set(frame[name].to_pylist())


def test_entities_come_with_all_of_their_rows_and_what_those_name(shop: tuple[Store, Schema]) -> None:
    store, schema = shop
    found = closed(store, schema, "customers", keys(3, 5), keyed=2)
    everything = whole(store, schema, "customers").frames
    assert column(found.frames["customers"], "customer_id") == {3, 5}
    mine = [r for r in everything["orders"].to_pylist() if r["customer_id"] in (3, 5)]
    assert mine
    orders = {r["order_id"] for r in mine}
    assert sorted(found.frames["orders"]["order_id"].to_pylist()) == sorted(orders)
    items = [r for r in everything["order_items"].to_pylist() if r["order_id"] in orders]
    assert found.frames["order_items"].num_rows == len(items)
    assert column(found.frames["products"], "product_id") == {r["product_id"] for r in items}


def test_a_small_database_is_taken_whole(shop: tuple[Store, Schema]) -> None:
    store, schema = shop
    found = sample(store, schema, "customers", keys(1), rows=10**9)
    assert found.whole
    assert found.frames["orders"].num_rows == store.table("orders").rows
    assert str(found).startswith("the whole database")


def test_a_sample_is_as_large_as_it_may_be_and_the_same_each_time(shop: tuple[Store, Schema]) -> None:
    store, schema = shop
    some = keys(*range(1, 200))
    found = sample(store, schema, "customers", some, rows=8_000)
    assert 3_000 < found.rows <= 8_000
    assert not found.whole
    assert f"of {found.all_entities:,} with rows that reach them" in str(found)
    assert sample(store, schema, "customers", some, rows=8_000).frames == found.frames


def test_half_of_the_entities_are_drawn_from_the_table(shop: tuple[Store, Schema]) -> None:
    """Those with a label at a cutoff are old; the others show who is not born yet."""
    store, schema = shop
    found = closed(store, schema, "customers", keys(*range(1, 11)), keyed=10, drawn=20)
    chosen = column(found.frames["customers"], "customer_id")
    assert set(range(1, 11)) <= chosen
    assert 20 <= len(chosen) <= 30
