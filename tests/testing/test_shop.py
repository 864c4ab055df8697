"""The demo shop: the same rows for a seed, keys that hold, and reasons that the tables show."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from foretell.testing.databases import KEYS, events, shop, shop_frames, write_duckdb


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    path = shop(tmp_path_factory.mktemp("shop") / "shop.duckdb", customers=400)
    return duckdb.connect(str(path), read_only=True)


def number(connection: duckdb.DuckDBPyConnection, sql: str) -> float:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return float(row[0])


def test_one_seed_gives_one_database() -> None:
    first, again, other = (shop_frames(seed, customers=60, days=120) for seed in (3, 3, 4))
    assert all(first[name].equals(again[name]) for name in first)
    assert not first["orders"].equals(other["orders"])


def test_keys_are_declared_except_for_the_log(small: duckdb.DuckDBPyConnection) -> None:
    declared = small.execute(
        "SELECT table_name, count(*) FROM duckdb_constraints()"
        " WHERE constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY') AND table_name != 'x' GROUP BY 1"
    ).fetchall()
    counts = dict(declared)
    assert "visits" not in counts and "visits" not in KEYS
    assert counts["order_items"] >= 3


@pytest.mark.parametrize("column", ["visited_at", "customer_id"])
def test_no_visit_is_without_a_customer_or_a_time(small: duckdb.DuckDBPyConnection, column: str) -> None:
    assert number(small, f"SELECT count(*) FROM visits WHERE {column} IS NULL") == 0


def test_nothing_happens_before_its_cause_or_after_the_end(small: duckdb.DuckDBPyConnection) -> None:
    early = "SELECT count(*) FROM {0} JOIN orders USING (order_id) WHERE {0}.{1} <= ordered_at"
    assert number(small, early.format("deliveries", "delivered_at")) == 0
    assert number(small, early.format("returns", "returned_at")) == 0
    assert number(small, "SELECT count(*) FROM orders JOIN customers c USING (customer_id)"
                         " WHERE ordered_at <= c.signed_up_at") == 0  # fmt: skip
    for table, column in (("orders", "ordered_at"), ("returns", "returned_at"), ("tickets", "opened_at")):
        assert number(small, f"SELECT count(*) FROM {table} WHERE {column} >= '2025-12-31'") == 0


def test_an_orders_amount_is_the_sum_of_its_lines(small: duckdb.DuckDBPyConnection) -> None:
    assert number(
        small,
        "SELECT max(abs(amount - lines)) FROM orders JOIN"
        " (SELECT order_id, sum(quantity * unit_price) lines FROM order_items GROUP BY 1) USING (order_id)",
    ) == pytest.approx(0, abs=1e-6)


def test_late_deliveries_cost_customers(small: duckdb.DuckDBPyConnection) -> None:
    """After a late delivery fewer customers order within 30 days than after one on time."""
    again = (
        "SELECT avg((EXISTS (SELECT 1 FROM orders n WHERE n.customer_id = o.customer_id AND n.ordered_at >"
        " d.delivered_at AND n.ordered_at <= d.delivered_at + INTERVAL 30 DAY))::INT)"
        " FROM deliveries d JOIN orders o USING (order_id) WHERE d.delivered_at < '2025-11-25' AND "
    )
    assert number(small, again + "days_late > 3") < number(small, again + "days_late = 0") - 0.1


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = write_duckdb(tmp_path / "a.duckdb", events())
    before = path.read_bytes()
    with pytest.raises(duckdb.Error):
        write_duckdb(path, events(), {"customers": ("PRIMARY KEY (nothing)",)})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.duckdb"]
