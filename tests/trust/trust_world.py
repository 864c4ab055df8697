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
