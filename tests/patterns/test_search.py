"""The search over a whole database: one frozen list, figures that come again, and what there is to say of
databases without a history.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from small_shop import START, as_file, shop

import foretell
from foretell.core.errors import DataError, SchemaError, UsageError
from foretell.core.time import DAY
from foretell.patterns.finding import Finding, Kind, Patterns, Status

QUESTION = "PREDICT COUNT(orders.*, 0, 14, days) = 0 FOR EACH customers.customer_id"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_file(tmp_path_factory.mktemp("shop") / "shop.duckdb", shop())


@pytest.fixture(scope="module")
def found(path: Path) -> Patterns:
    with foretell.connect(path) as database:
        return database.patterns(time_limit=20)


@pytest.fixture
def asked(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database as a person has it: attached and in use."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS asked (READ_ONLY); USE asked")
        yield connection


def comes_again(connection: duckdb.DuckDBPyConnection, found: Finding) -> bool:
    row = connection.execute(found.sql).fetchone()
    assert row is not None
    value = math.nan if row[0] is None else row[0]
    same = value == pytest.approx(found.measured.value, rel=1e-6, abs=1e-9, nan_ok=True)
    return bool(same) and row[1] == found.measured.support


def test_the_planted_pattern_is_a_headline(found: Patterns) -> None:
    late = [f for f in found.headlines if "late" in f.key and "Green" in f.sentence]
    assert late
    assert 0.25 < abs(late[0].measured.value) < 0.45
    assert "status is returned" not in " ".join(f.key for f in found.headlines)  # drawn by chance
    assert found.frozen <= 60 < found.searched
    assert set(found.spans) >= {"orders", "order_lines"}


def test_every_figure_comes_again_by_its_sql(found: Patterns, asked: duckdb.DuckDBPyConnection) -> None:
    assert len(found.findings) > 5
    assert [f.key for f in found.findings if not comes_again(asked, f)] == []
    asked.execute("ATTACH ':memory:' AS fewer")
    for table in ("customers", "products", "orders", "order_lines"):
        some = "WHERE order_id % 3 > 0" if table == "orders" else ""
        asked.execute(f"CREATE TABLE fewer.{table} AS FROM asked.{table} {some}")
    asked.execute("USE fewer")
    assert not comes_again(asked, found.headlines[0])  # of other rows the figure is another


def test_one_table_can_be_asked_for(path: Path) -> None:
    with foretell.connect(path) as database:
        told = database.patterns("orders", time_limit=5)
        assert set(told.spans) == {"orders"}
        assert all(f.sheet == "orders" for f in told.findings if f.kind is not Kind.SEQUENCE)
        with pytest.raises(SchemaError, match="did you mean 'orders'"):
            database.patterns("order")
        with pytest.raises(DataError, match="no time"):
            database.patterns("products")


def test_a_database_without_time_says_so() -> None:
    frames = {"things": pa.table({"id": np.arange(500), "kind": ["a", "b"] * 250})}
    with foretell.connect(frames) as database:
        told = database.patterns()
    assert told.findings == () and told.frozen == 0
    assert "no history" in told.notes[0]


def test_a_table_that_points_nowhere_is_looked_at() -> None:
    rng = np.random.default_rng(3)
    at = START + np.sort(rng.integers(0, 400, 3000)) * DAY
    kind = rng.choice(["day", "night"], 3000)
    frames = {
        "readings": pa.table(
            {
                "reading_id": np.arange(3000),
                "read_at": pa.array(at, pa.timestamp("us")),
                "kind": kind,
                "level": rng.normal(size=3000) + 2.0 * (kind == "day"),
            }
        )
    }
    with foretell.connect(frames) as database:
        told = database.patterns(time_limit=10)
        cursor = database.opened.store.cursor()
        assert all(comes_again(cursor, f) for f in told.findings)
    assert any(f.kind in (Kind.SUBGROUP, Kind.DRIVER) and "kind" in f.sentence for f in told.headlines)


def test_a_question_has_patterns_too(path: Path, asked: duckdb.DuckDBPyConnection) -> None:
    with foretell.connect(path) as database:
        told = database.query(QUESTION).patterns(time_limit=10)
    assert told.spans.keys() == {"target"}
    assert "14 days apart" in told.spans["target"]
    assert {f.kind for f in told.findings} <= {Kind.SUBGROUP, Kind.DRIVER}
    assert all(comes_again(asked, f) for f in told.findings)


def test_labels_that_were_brought_along_have_no_patterns(path: Path) -> None:
    labels = pa.table(
        {
            "customer_id": np.arange(100) % 50,
            "cutoff": pa.array(np.repeat([START + 100 * DAY, START + 200 * DAY], 50), pa.timestamp("us")),
            "label": np.arange(100) % 2,
        }
    )
    with foretell.connect(path) as database, pytest.raises(UsageError, match="have no SQL"):
        database.given(labels, entity="customers").patterns(time_limit=5)


def test_each_status_has_its_place(found: Patterns) -> None:
    order = [list(Status).index(f.status) for f in found.findings]
    assert order == sorted(order)
