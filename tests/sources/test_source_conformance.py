"""Every source gives the same tables, the same values and the same schema for the same database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from world import EVERY, in_mysql, quoted, rows_of, shop

from foretell.discovery import discover
from foretell.schema.model import DType
from foretell.sources.open import open_source
from foretell.store import load

NAMES = [
    "order",
    "two words",
    'say "hi"',
    "it's; DROP TABLE x --",
    "a]b[c",
    "dotted.name",
    "per%cent",
    "back`tick",
    "Größe-日本",
    "🍺 beers",
]


@pytest.mark.parametrize("write", EVERY)
def test_same_data_and_schema_in_every_source(write: Any, tmp_path: Path) -> None:
    tables = shop()
    with write(tmp_path, tables) as target, load(open_source(target)) as store:
        assert set(store.tables) == {"customers", "orders"}
        for name, table in tables.items():
            key = table.column_names[0]
            found = store.connection.execute(f"SELECT * FROM {name} ORDER BY {key}").fetchall()
            assert found == rows_of(table)
        schema = discover(store)  # makes whole floats (pandas, with NULLs) the integers their key is
        assert store.tables["orders"].dtypes == {
            "order_id": DType.INTEGER,
            "customer_id": DType.INTEGER,
            "placed_at": DType.TIMESTAMP,
            "amount": DType.FLOAT,
            "paid": DType.BOOLEAN,
            "note": DType.TEXT,
        }
        assert {t.name: t.primary_key for t in schema.tables} == {
            "customers": ("customer_id",),
            "orders": ("order_id",),
        }
        assert [str(k) for k in schema.links] == ["orders.customer_id → customers.customer_id"]
        assert {t.name: t.time_column for t in schema.tables} == {
            "customers": "joined_at",
            "orders": "placed_at",
        }
        assert schema.links[0].coverage == 1.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("write", EVERY)
def test_any_name_works_for_tables_and_columns(write: Any, name: str, tmp_path: Path) -> None:
    if write is in_mysql and any(ord(c) > 0xFFFF for c in name):
        pytest.skip("MySQL allows no such identifier")
    tables = shop(orders=name, note=name)
    with write(tmp_path, tables) as target, load(open_source(target)) as store:
        assert set(store.tables) == {"customers", name}
        found = store.connection.execute(
            f"SELECT count({quoted(name)}), count(*) FROM {quoted(name)}"
        ).fetchall()
        assert found == [(39, 40)]
        schema = discover(store)
        assert schema.table(name).primary_key == ("order_id",)
        assert [(k.child, k.parent) for k in schema.links] == [(name, "customers")]


@pytest.mark.parametrize("write", EVERY)
def test_two_readings_have_one_fingerprint_and_other_data_another(write: Any, tmp_path: Path) -> None:
    with write(tmp_path, shop()) as target:
        with load(open_source(target)) as one, load(open_source(target)) as two:
            assert one.fingerprint == two.fingerprint
        with load(open_source(target), tables=["orders"]) as part:
            assert set(part.tables) == {"orders"}
            assert part.fingerprint != one.fingerprint
