"""Databases to try things on: the demo shop as a DuckDB file, and small tables of events for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from foretell.core.errors import UsageError
from foretell.core.random import generator
from foretell.testing.shop import shop_frames

__all__ = ["demo", "events", "shop", "shop_frames", "write_duckdb"]

MARK = "The demo shop of foretell: made up, and replaced whenever the demo is written again."

KEYS: dict[str, tuple[str, ...]] = {
    "customers": ("PRIMARY KEY (customer_id)",),
    "products": ("PRIMARY KEY (product_id)",),
    "orders": ("PRIMARY KEY (order_id)", "FOREIGN KEY (customer_id) REFERENCES customers (customer_id)"),
    "order_items": (
        "PRIMARY KEY (order_item_id)",
        "FOREIGN KEY (order_id) REFERENCES orders (order_id)",
        "FOREIGN KEY (product_id) REFERENCES products (product_id)",
    ),
    "deliveries": ("PRIMARY KEY (delivery_id)", "FOREIGN KEY (order_id) REFERENCES orders (order_id)"),
    "returns": ("PRIMARY KEY (return_id)", "FOREIGN KEY (order_id) REFERENCES orders (order_id)"),
    "tickets": ("PRIMARY KEY (ticket_id)", "FOREIGN KEY (customer_id) REFERENCES customers (customer_id)"),
    # visits declares nothing, as logs do: its link to customers has to be found
}


def demo(path: str | Path = "shop.duckdb", *, seed: int = 0) -> Path:
    """Write the demo shop. A file that is there is replaced only if it is an earlier demo.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     demo(Path(folder) / "shop.duckdb").name
    'shop.duckdb'
    """
    path = Path(path)
    if path.exists() and not _is_demo(path):
        raise UsageError(f"{str(path)!r} is there already and is not the demo", mend="name another file")
    return shop(path, seed=seed)


def _is_demo(path: Path) -> bool:
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            said = connection.execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'customers'")
            return (MARK,) in said.fetchall()
    except duckdb.Error:
        return False


def shop(path: str | Path, *, seed: int = 0, customers: int = 2000, days: int = 730) -> Path:
    """Write the demo shop to the DuckDB file `path`, replacing what is there; one seed, one set of rows."""
    return write_duckdb(path, shop_frames(seed, customers=customers, days=days), KEYS, {"customers": MARK})


def write_duckdb(
    path: str | Path,
    frames: Mapping[str, pa.Table],
    keys: Mapping[str, tuple[str, ...]] | None = None,
    comments: Mapping[str, str] | None = None,
) -> Path:
    """Write tables to a DuckDB file, parents first, with the constraints and comments given for each.

    The file appears whole or not at all: it is written beside `path` and then renamed.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        with duckdb.connect(str(partial)) as connection:
            for name, frame in frames.items():
                connection.register("frame", frame)
                typed = connection.execute("DESCRIBE SELECT * FROM frame").fetchall()
                columns = [f"{_quoted(column)} {kind}" for column, kind, *_ in typed]
                body = ", ".join([*columns, *(keys or {}).get(name, ())])
                connection.execute(f"CREATE TABLE {_quoted(name)} ({body})")
                connection.execute(f"INSERT INTO {_quoted(name)} SELECT * FROM frame")
                connection.unregister("frame")
            for name, comment in (comments or {}).items():
                connection.execute(f"COMMENT ON TABLE {_quoted(name)} IS '{comment}'")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
        partial.with_name(partial.name + ".wal").unlink(missing_ok=True)
    return path


def events(
    seed: int = 0, *, entities: int = 40, rows: int = 400, days: int = 120, start: str = "2024-01-01"
) -> dict[str, pa.Table]:
    """Two plain tables: `customers` (id, joined_at, segment) and `orders` (id, customer_id, at, amount).

    >>> {name: table.num_rows for name, table in events(rows=30, entities=5).items()}
    {'customers': 5, 'orders': 30}
    """
    rng = generator(seed, "events")
    first = np.datetime64(start, "us")
    minutes = np.sort(rng.integers(0, days * 1440, rows))
    joined = first - rng.integers(1, 60, entities) * np.timedelta64(1, "D")
    customers: dict[str, Any] = {
        "id": np.arange(1, entities + 1),
        "joined_at": joined.astype("datetime64[us]"),
        "segment": rng.choice(["home", "office", "school"], entities),
    }
    orders: dict[str, Any] = {
        "id": np.arange(1, rows + 1),
        "customer_id": rng.integers(1, entities + 1, rows),
        "at": (first + minutes * np.timedelta64(1, "m")).astype("datetime64[us]"),
        "amount": np.round(rng.gamma(2.0, 20.0, rows), 2),
    }
    return {"customers": pa.table(customers), "orders": pa.table(orders)}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
