"""A small made-up shop whose orders are late with one carrier, for the tests of sheets and of the search."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from foretell.core.time import DAY

START = 19_000 * DAY
DAYS = 420
SPLIT = START + 250 * DAY


def shop(seed: int = 0, orders: int = 2500, *, later: int | None = None) -> dict[str, pa.Table]:
    """Customers, products, orders and their lines; with `later`, what orders from `SPLIT` on hold is drawn
    anew, and their times and keys stay.
    """
    rng = np.random.default_rng(seed)
    people = 120
    joined = START + rng.integers(-60, 200, people) * DAY
    at = np.sort(START + rng.choice(DAYS * 24, orders, replace=False) * (DAY // 24))
    customer = rng.integers(0, people, orders)

    def drawn(rng: np.random.Generator) -> dict[str, np.ndarray]:
        carrier = rng.choice(["Post", "Arrow", "Green"], orders, p=[0.5, 0.3, 0.2])
        late = rng.random(orders) < np.where(carrier == "Green", 0.5, 0.15)
        return {
            "carrier": carrier,
            "late": late,
            "status": rng.choice(["kept", "returned"], orders, p=[0.8, 0.2]),
            "amount": np.round(rng.gamma(2.0, 20.0, orders), 2),
        }

    held = drawn(rng)
    if later is not None:
        other, after = drawn(np.random.default_rng(later)), at >= SPLIT
        held = {name: np.where(after, other[name], values) for name, values in held.items()}
    lines = 2 * orders
    return {
        "customers": pa.table(
            {
                "customer_id": np.arange(people),
                "joined": pa.array(joined, pa.timestamp("us")),
                "country": rng.choice(["Spain", "Italy", "Norway"], people),
            }
        ),
        "products": pa.table(
            {
                "product_id": np.arange(20),
                "label": [f"thing number {k}" for k in range(20)],
                "kind": [("toy", "book")[k % 2] for k in range(20)],
            }
        ),
        "orders": pa.table(
            {
                "order_id": np.arange(orders),
                "customer_id": customer,
                "ordered_at": pa.array(at, pa.timestamp("us")),
                **held,
            }
        ),
        "order_lines": pa.table(
            {
                "line_id": np.arange(lines),
                "order_id": np.repeat(np.arange(orders), 2),
                "product_id": rng.integers(0, 20, lines),
                "quantity": rng.integers(1, 6, lines),
            }
        ),
    }


def as_file(path: Path, frames: dict[str, pa.Table]) -> Path:
    """The frames as a DuckDB file."""
    with duckdb.connect(str(path)) as connection:
        for name, frame in frames.items():
            connection.register("frame", frame)
            quoted = name.replace('"', '""')
            connection.execute(f'CREATE TABLE "{quoted}" AS SELECT * FROM frame')
            connection.unregister("frame")
    return path
