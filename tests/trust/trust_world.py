"""Small invented databases for the tests of trust: made from a seed, learnable, and quick to fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

START = datetime(2024, 1, 1)
Make = Callable[[np.random.Generator, np.ndarray[Any, Any]], Any]


def happen(
    seed: int, parents: Sequence[int], key: str, *, days: float = 240, rate: float = 0.1, **columns: Make
) -> pa.Table:
    """Events of parents, each parent at a pace of its own (the fifth is ten times as quick as the first).

    `columns` make values from a generator and each event's pace, 0.2 .. 2.
    """
    random = np.random.default_rng(seed)
    pace = 0.2 + 0.45 * (np.arange(len(parents)) % 5)
    counts = random.poisson(rate * pace * days)
    who = np.repeat(np.arange(len(parents)), counts)
    seconds = np.floor(random.random(len(who)) * days * 86_400)
    order = np.argsort(seconds, kind="stable")
    who, seconds = who[order], seconds[order]
    made = {
        "id": np.arange(1, len(who) + 1),
        key: np.asarray(parents)[who],
        "happened_at": pa.array([START + timedelta(seconds=float(s)) for s in seconds], pa.timestamp("us")),
    }
    return pa.table({**made, **{name: make(random, pace[who]) for name, make in columns.items()}})


def amounts(random: np.random.Generator, pace: np.ndarray[Any, Any]) -> Any:
    return np.round(np.exp(random.normal(3.0, 0.6, len(pace)) + pace), 2)


def words(*names: str) -> Make:
    """One of the names; the quicker the pace, the later in the list."""

    def make(random: np.random.Generator, pace: np.ndarray[Any, Any]) -> list[str]:
        place = (pace / 2.1 * len(names) * (0.4 + 0.8 * random.random(len(pace)))).astype(int)
        return [names[min(p, len(names) - 1)] for p in place]

    return make


def numbers(low: int, high: int) -> Make:
    return lambda random, pace: random.integers(low, high, len(pace))


def shop(people: int = 20, **settings: Any) -> dict[str, pa.Table]:
    """Customers and their orders: the smallest database with something to learn."""
    ids = list(range(1, people + 1))
    customers = pa.table(
        {
            "customer_id": ids,
            "joined_at": pa.array([START - timedelta(days=i) for i in ids], pa.timestamp("us")),
            "country": [("NL", "DE", "FR")[i % 3] for i in ids],
        }
    )
    orders = happen(1, ids, "customer_id", amount=amounts, kind=words("a", "b", "c"), **settings)
    return {"customers": customers, "orders": orders.rename_columns(["order_id", *orders.column_names[1:]])}


def changed(table: pa.Table, column: str, values: Any) -> pa.Table:
    """The table with other values in one column (a new one goes to the end)."""
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    if column not in table.column_names:
        return table.append_column(column, array)
    return table.set_column(table.column_names.index(column), column, array)


CHURN = "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id"
SPEND = "PREDICT SUM(orders.amount, 0, 30, days) FOR EACH customers.customer_id"
KIND = "PREDICT LAST(orders.kind, 0, 30, days) FOR EACH customers.customer_id"
NOW = "2025-01-01"


# ── one database for each group of the queries that must run ──


def _people(ids: Sequence[int], key: str, **more: Any) -> pa.Table:
    joined = pa.array([START - timedelta(days=i % 40) for i in range(len(ids))], pa.timestamp("us"))
    return pa.table({key: list(ids), "joined_at": joined, **more})


def _named(table: pa.Table, key: str) -> pa.Table:
    return table.rename_columns([key, *table.column_names[1:]])


def wide_shop() -> dict[str, pa.Table]:
    """Customers, orders, articles; products with reviews and a category that is often not known."""
    tables = shop(people=20, days=420, article_id=numbers(1, 30))
    products = list(range(1, 61))
    reviews = happen(2, products, "product_id", days=420, rate=0.03, stars=numbers(1, 6))
    categories = [None if i % 6 == 5 else ("toy", "book", "food")[(i % 5) // 2] for i in range(len(products))]
    tables["products"] = pa.table(
        {
            "product_id": products,
            "weight": [1.0 + 10 * ((i % 5) // 2) + i / 100 for i in range(len(products))],
            "category": categories,
        }
    )
    return {**tables, "reviews": _named(reviews, "review_id")}


def races() -> dict[str, pa.Table]:
    drivers = list(range(1, 21))
    results = happen(3, drivers, "driver_id", days=420, rate=0.04, position=lambda r, p: _places(r, p))
    return {"drivers": _people(drivers, "driver_id"), "results": _named(results, "result_id")}


def _places(random: np.random.Generator, pace: np.ndarray[Any, Any]) -> Any:
    return np.clip(np.round(12 - 5 * pace + random.normal(0, 2, len(pace))), 1, 20).astype(np.int64)


def plant() -> dict[str, pa.Table]:
    machines = list(range(1, 13))

    def temp(random: np.random.Generator, pace: np.ndarray[Any, Any]) -> Any:
        return 60 + 10 * pace + random.normal(0, 4, len(pace))

    readings = happen(4, machines, "machine_id", days=12, rate=12, temp=temp)
    return {"machines": _people(machines, "id"), "readings": _named(readings, "reading_id")}


def bank() -> dict[str, pa.Table]:
    accounts = list(range(1, 21))
    status, amount = words("paid", "late", "default"), lambda r, p: np.round(800 + 900 * p + r.random(len(p)))
    loans = _named(
        happen(5, accounts, "account_id", days=500, rate=0.03, status=status, amount=amount), "loan_id"
    )
    known = [None if i % 7 == 6 else v for i, v in enumerate(loans["status"].to_pylist())]
    return {"accounts": _people(accounts, "id"), "loans": changed(loans, "status", known)}


def users() -> dict[str, pa.Table]:
    ids = [42, 123, *range(1, 29)]
    ages = [None if i % 6 == 5 else 20 + 9 * (i % 5) + i // 6 for i in range(len(ids))]
    country = [("NL", "DE")[i % 2] for i in range(len(ids))]

    def events(seed: int, key: str, rate: float, **columns: Make) -> pa.Table:
        return _named(happen(seed, ids, "user_id", days=300, rate=rate, **columns), key)

    return {
        "users": _people(ids, "user_id", age=ages, country=country),
        "orders": events(6, "order_id", 0.08, price=amounts, item_id=numbers(1, 40)),
        "returns": events(7, "return_id", 0.01),
        "visits": events(8, "visit_id", 0.1, channel=words("web", "app", "shop")),
        "notifications": events(9, "notification_id", 0.1, type=words("NEWS", "DISCOUNT")),
    }


def stores() -> dict[str, pa.Table]:
    ids = [1, 2, 3, 4, 5]
    sales = happen(10, ids, "store_id", days=200, rate=1.0, qty=numbers(1, 5))
    return {"stores": _people(ids, "store_id"), "sales": _named(sales, "sale_id")}


def formula() -> dict[str, pa.Table]:
    """Names as Formula 1's tables have them."""
    ids = list(range(1, 21))

    def status(random: np.random.Generator, pace: np.ndarray[Any, Any]) -> Any:
        return np.where(random.random(len(pace)) < 0.1 + 0.15 * pace, 2 + random.integers(0, 9, len(pace)), 1)

    results = happen(11, ids, "driverId", days=420, rate=0.05, statusId=status)
    return {"drivers": _people(ids, "driverId"), "results": _named(results, "resultId")}


def margin() -> dict[str, pa.Table]:
    ids = list(range(1, 16))

    def cost(random: np.random.Generator, pace: np.ndarray[Any, Any]) -> Any:
        return np.round(10 + 5 * random.random(len(pace)), 2)

    lines = happen(12, ids, "customer_id", days=420, rate=0.1, revenue=amounts, cost=cost)
    return {"customers": _people(ids, "id"), "lines": _named(lines, "line_id")}


DATABASES: dict[str, Callable[[], dict[str, pa.Table]]] = {
    "shop": wide_shop,
    "races": races,
    "plant": plant,
    "bank": bank,
    "users": users,
    "stores": stores,
    "formula": formula,
    "margin": margin,
}
