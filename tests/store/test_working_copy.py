"""The working copy: types are normalised, and what is lost on the way is said."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pyarrow as pa
import pytest

from foretell.core.errors import SchemaError, SourceError
from foretell.schema.model import DType
from foretell.sources.frames import FramesSource
from foretell.store import Store, load
from foretell.store.memory import Memory

NAN, INF = float("nan"), float("inf")


def store_of(**columns: Any) -> Store:
    return load(FramesSource({"t": pa.table(columns)}))


def values(store: Store, column: str = "v") -> list[Any]:
    return [r[0] for r in store.connection.execute(f'SELECT "{column}" FROM t').fetchall()]


CASES = [
    (pa.array([1, None], pa.int8()), DType.INTEGER, [1, None]),
    (pa.array([1, 2**40], pa.uint64()), DType.INTEGER, [1, 2**40]),
    (pa.array([1.5, None], pa.float32()), DType.FLOAT, [1.5, None]),
    (pa.array([decimal.Decimal("1.25")], pa.decimal128(10, 2)), DType.FLOAT, [1.25]),
    (pa.array([decimal.Decimal("7")], pa.decimal128(38, 0)), DType.INTEGER, [7]),
    (pa.array(["a", None]), DType.TEXT, ["a", None]),
    (pa.array(["a", "b"]).dictionary_encode(), DType.TEXT, ["a", "b"]),
    (pa.array([True, None]), DType.BOOLEAN, [True, None]),
    (pa.array([datetime.date(2024, 2, 29)]), DType.TIMESTAMP, [datetime.datetime(2024, 2, 29)]),
    (pa.array([1], pa.timestamp("ns")), DType.TIMESTAMP, [datetime.datetime(1970, 1, 1)]),
    (pa.array([0], pa.timestamp("s", tz="Europe/Berlin")), DType.TIMESTAMP, [datetime.datetime(1970, 1, 1)]),
    (pa.array([datetime.time(10, 30)]), DType.TEXT, ["10:30:00"]),
    (pa.array([1_500_000], pa.duration("us")), DType.FLOAT, [1.5]),
    (pa.array([[1, 2]]), DType.OTHER, [None]),
    (pa.array([b"x"]), DType.OTHER, [None]),
    (pa.nulls(2), DType.OTHER, [None, None]),
]


@pytest.mark.parametrize("array, dtype, expected", CASES, ids=lambda v: str(getattr(v, "type", "")))
def test_each_type_becomes_one_of_a_few(array: pa.Array, dtype: DType, expected: list[Any]) -> None:
    with store_of(v=array) as store:
        assert store.tables["t"].dtypes == {"v": dtype}
        assert values(store) == expected


def test_nan_and_infinity_become_null_with_a_note() -> None:
    with store_of(v=[1.0, NAN, INF, -INF, None], w=[1.0, 2.0, 3.0, 4.0, None]) as store:
        assert values(store) == [1.0, None, None, None, None]
        assert store.notes == ("t.v: 3 values NaN or infinite, read as NULL",)


def test_times_outside_the_calendar_become_null_with_a_note() -> None:
    far = pa.array([0, 10**18, -(10**17), None], pa.timestamp("us"))
    with store_of(v=far) as store:
        assert values(store)[1:] == [None, None, None]
        assert store.notes == ("t.v: 2 values outside the years 1..9999 or infinite, read as NULL",)


def test_whole_numbers_beyond_64_bits_are_rounded_with_a_note() -> None:
    with store_of(v=pa.array([1, 2**64 - 1], pa.uint64())) as store:
        assert store.tables["t"].dtypes == {"v": DType.FLOAT}
        assert any("beyond 2^53" in n for n in store.notes)


def test_money_beyond_2_to_the_53_is_noted() -> None:
    big = pa.array([decimal.Decimal("12345678901234567.89")], pa.decimal128(20, 2))
    small = pa.array([decimal.Decimal("12.89")], pa.decimal128(20, 2))
    with store_of(v=big, w=small) as store:
        assert [n for n in store.notes if "beyond 2^53" in n] == [
            "t.v holds numbers beyond 2^53 (up to 1.23e+16): as float64 they are rounded"
        ]


def test_what_cannot_be_used_is_said() -> None:
    with store_of(v=[{"a": 1}], w=pa.nulls(1)) as store:
        assert len(store.notes) == 1 and store.notes[0].startswith("t.v is of type struct")


def test_large_snapshots_are_kept_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foretell.store.working.IN_MEMORY_ROWS", 2)
    store = store_of(v=[1, 2, 3])
    folder = store._folder
    assert (folder / "working.duckdb").exists()
    assert values(store) == [1, 2, 3]
    store.close()
    assert not folder.exists()


def test_the_working_copy_reads_no_other_file() -> None:
    with store_of(v=[1]) as store, pytest.raises(Exception, match="disabled"):
        store.connection.execute("SELECT * FROM read_csv('/etc/passwd')")


def test_a_memory_limit_is_kept() -> None:
    big = pa.table({"v": range(50_000)})
    with load(FramesSource({"t": big}), memory=Memory(2_000_000_000)) as store:
        assert store.tables["t"].rows == 50_000
    text = pa.table({"v": [str(i) * 500 for i in range(20_000)]})
    with pytest.raises(SourceError, match="memory limit"):
        load(FramesSource({"t": text}), memory=Memory(403_000_000))


def test_fingerprints_ignore_row_order_and_see_each_value() -> None:
    with store_of(v=[1, 2, 3]) as a, store_of(v=[3, 1, 2]) as b, store_of(v=[1, 2, 4]) as c:
        assert a.fingerprint == b.fingerprint != c.fingerprint


def test_recast_keeps_the_fingerprint() -> None:
    with store_of(v=["1", "2"]) as store, store_of(v=["1", "2"]) as untouched:
        store.recast("t", "v", DType.INTEGER)
        assert values(store) == [1, 2]
        assert store.fingerprint == untouched.fingerprint


def test_unknown_tables_are_named() -> None:
    with pytest.raises(SchemaError, match="no table 'orders'"):
        load(FramesSource({"order": pa.table({"a": [1]})}), tables=["orders"])


def test_columns_with_a_zone_are_known() -> None:
    zoned, naive = pa.array([0], pa.timestamp("us", tz="UTC")), pa.array([0], pa.timestamp("us"))
    with store_of(v=zoned, w=naive) as store:
        assert store.tables["t"].zoned == {"v"}
