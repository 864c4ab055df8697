"""Large Parquet tables are held as Arrow; everything read of them is as of a copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foretell.core.errors import SourceError
from foretell.schema.model import Column, DType, Schema, Semantic, Table
from foretell.sources.files import FilesSource
from foretell.store import working
from foretell.store.columns import Tables
from foretell.store.working import Store

TIMES = [7, None, 3, 2**62, -(2**62)]
DATA = {
    "id": pa.array([5, 3, None, 9, 2]),
    "amount": pa.array([1.5, None, float("nan"), float("inf"), -0.0]),
    "at": pa.array(TIMES, pa.timestamp("us")),
    "status": pa.array(["new", "", None, "gone", "new"]),
    "paid": pa.array([True, False, None, True, True]),
}
SCHEMA = Schema(
    (
        Table(
            "orders",
            (
                Column("id", DType.INTEGER, Semantic.IDENTIFIER),
                Column("amount", DType.FLOAT, Semantic.NUMERIC),
                Column("at", DType.TIMESTAMP, Semantic.NUMERIC),
                Column("status", DType.TEXT, Semantic.CATEGORICAL),
                Column("paid", DType.BOOLEAN, Semantic.BOOLEAN),
            ),
            rows=5,
        ),
    ),
    (),
)


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, *, held: bool) -> Store:
    monkeypatch.setattr(working, "HELD_ROWS", 1 if held else 2**60)
    with FilesSource(folder).snapshot() as snapshot:
        return Store.load(snapshot)


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    pq.write_table(pa.table(DATA), tmp_path / "orders.parquet", row_group_size=2)
    stores = [load(tmp_path, monkeypatch, held=held) for held in (True, False)]
    yield stores
    for store in stores:
        store.close()


def test_a_held_table_is_the_copied_one(both: list[Store]) -> None:
    held, copied = both
    assert held.arrow("orders") is not None and copied.arrow("orders") is None
    assert held.tables == copied.tables and held.notes == copied.notes
    assert len(held.notes) == 2  # NaN or infinite; outside the years
    assert held.fingerprint == copied.fingerprint
    query = "SELECT * FROM orders"
    assert held.cursor().sql(query).fetchall() == copied.cursor().sql(query).fetchall()


def test_columns_read_straight_are_those_of_the_copy(both: list[Store]) -> None:
    held, copied = (Tables(store, SCHEMA) for store in both)
    for column in ("id", "amount", "paid"):
        np.testing.assert_array_equal(held.numbers("orders", column), copied.numbers("orders", column))
    np.testing.assert_array_equal(held.instants("orders", "at"), copied.instants("orders", "at"))
    for column in DATA:
        ours, theirs = held.words("orders", column), copied.words("orders", column)
        assert ours.words == theirs.words
        np.testing.assert_array_equal(ours.codes, theirs.codes)
        assert held.arrow("orders", column).equals(copied.arrow("orders", column))


def test_a_recast_makes_a_table_of_it(both: list[Store]) -> None:
    for store in both:
        store.recast("orders", "id", DType.TEXT)
        assert store.arrow("orders") is None
    first, second = (s.cursor().sql("SELECT * FROM main.orders").fetchall() for s in both)
    assert first == second and first[0][0] == "5"


@pytest.mark.parametrize(
    "odd",
    [
        pa.array([1, 2], pa.int32()),
        pa.array([b"a", b"b"]),
        pa.array([1, 2], pa.timestamp("us", "UTC")),
        pa.array([1, 2], pa.timestamp("ns")),
    ],
)
def test_other_types_are_copied(odd: pa.Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"id": [1, 2], "odd": odd}), tmp_path / "orders.parquet")
    with load(tmp_path, monkeypatch, held=True) as store:
        assert store.arrow("orders") is None and store.rows == 2


def test_text_that_is_not_utf_8_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"]).buffers())
    pq.write_table(pa.table({"name": broken}), tmp_path / "orders.parquet")
    with pytest.raises(SourceError, match="cannot read"):
        load(tmp_path, monkeypatch, held=True)


def test_words_that_no_row_has_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repeated = pa.table({"name": ["a", "b"] * 500}).filter(pa.array([True, False] * 500))
    pq.write_table(repeated, tmp_path / "orders.parquet")
    schema = Schema((Table("orders", (Column("name", DType.TEXT, Semantic.CATEGORICAL),), rows=500),), ())
    with load(tmp_path, monkeypatch, held=True) as store:
        held = store.arrow("orders")
        assert held is not None and pa.types.is_dictionary(held["name"].type)
        unused = pa.DictionaryArray.from_arrays(pa.array([1] * 500, pa.int32()), ["gone", "a"])
        store._held["orders"] = pa.table({"name": unused})
        assert Tables(store, schema).words("orders", "name").words == ("a",)
