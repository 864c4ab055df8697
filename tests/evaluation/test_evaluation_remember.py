"""Row hashes: what was rewritten since, by column, and what was free to change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from foretell.core.errors import DataError
from foretell.core.time import DAY, Offset, parse_instant
from foretell.evaluation.detectors import Outcome
from foretell.evaluation.law import Difference
from foretell.evaluation.remember import Changes, Memory, changes, is_memory, load, remember, save
from foretell.evaluation.replay import replayed, skipped
from foretell.schema.model import Column, DType, Schema, Semantic, Table
from foretell.sources.frames import FramesSource
from foretell.store.working import Store

AT = parse_instant("2024-03-10")
ORDERS = Table(
    "orders",
    (
        Column("id", DType.INTEGER, Semantic.IDENTIFIER),
        Column("at", DType.TIMESTAMP, Semantic.TIME),
        Column("amount", DType.FLOAT, Semantic.NUMERIC),
        Column("status", DType.TEXT, Semantic.CATEGORICAL, known_at="settled"),
        Column("settled", DType.TIMESTAMP, Semantic.TIME),
    ),
    ("id",),
    "at",
)
SCHEMA = Schema((ORDERS,))
Orders = dict[str, list[object]]


def day(number: int) -> datetime:
    return datetime(2024, 3, number)


def orders(**changed: list[object]) -> Orders:
    made: Orders = {
        "id": [1, 2, 3],
        "at": [day(1), day(5), day(9)],
        "amount": [1.0, 2.5, None],
        "status": ["kept", "open", "open"],
        "settled": [day(2), day(12), None],
    }
    return {**made, **changed}


def memory_of(held: Orders, schema: Schema = SCHEMA, most: int = 100) -> Memory:
    with Store.load(FramesSource({"orders": pa.table(held)}).snapshot()) as store:
        return remember(store, schema, AT, most=most)


def since(memory: Memory, held: Orders, schema: Schema = SCHEMA) -> Changes:
    with Store.load(FramesSource({"orders": pa.table(held)}).snapshot()) as store:
        (found,) = changes(memory, store, schema)
    return found


def test_nothing_changed() -> None:
    assert since(memory_of(orders()), orders()) == Changes("orders", 3, {}, 0, 0)


def test_a_changed_cell_is_counted_under_its_column() -> None:
    found = since(memory_of(orders()), orders(amount=[1.0, 9.0, 4.0]))
    assert found.columns == {"amount": 2}


def test_values_that_were_not_known_yet_may_change() -> None:
    """The status of the second order is known on the 12th; the first one's has been known since the 2nd."""
    memory = memory_of(orders())
    later = [day(2), day(13), day(11)]
    assert since(memory, orders(status=["kept", "lost", "kept"], settled=later)).columns == {}
    assert since(memory, orders(status=["lost", "open", "open"])).columns == {"status": 1}
    assert since(memory, orders(settled=[day(3), day(12), None])).columns == {"settled": 1}


def test_rows_that_are_gone_new_and_late() -> None:
    memory = memory_of(orders())
    moved = {"id": [2, 3, 4, 5], "at": [day(5), day(9), day(8), day(11)]}
    held = {
        **orders(),
        **moved,
        **{n: [*orders()[n][1:], None, None] for n in ("amount", "status", "settled")},
    }
    found = since(memory, held)
    assert found.lateness == 2 * DAY
    assert (found.gone, found.late) == (1, 1), "one of the new rows is dated before what was remembered"
    waits = Schema((replace(ORDERS, available_after=Offset(3)),))
    assert since(memory, held, waits).late == 0


def test_rows_dated_later_are_not_remembered() -> None:
    assert memory_of(orders(at=[day(1), day(5), day(20)])).rows == 2


def test_of_a_large_table_the_same_rows_are_remembered_each_time() -> None:
    count = 500
    held: Orders = {
        "id": list(range(count)),
        "at": [day(1)] * count,
        "amount": [float(i) for i in range(count)],
        "status": ["kept"] * count,
        "settled": [day(2)] * count,
    }
    memory = memory_of(held, most=50)
    assert (memory.rows, memory.tables["orders"].whole) == (50, False)
    rising = {**held, "amount": [float(i + 1) for i in range(count)]}
    assert since(memory, rising) == Changes("orders", 50, {"amount": 50}, 0, 0)
    fewer = {n: v[::2] for n, v in held.items()}
    assert 10 < since(memory, fewer).gone < 40


def test_the_file_gives_back_what_was_remembered(tmp_path: Path) -> None:
    memory = memory_of(orders())
    save(memory, tmp_path / "now.hashes")
    assert is_memory(tmp_path / "now.hashes")
    assert since(load(tmp_path / "now.hashes"), orders(amount=[1.0, 9.0, None])).columns == {"amount": 1}


def test_other_files_are_no_memory(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"id": [1]}), tmp_path / "orders.parquet")
    (tmp_path / "notes.txt").write_text("nothing")
    for name in ("orders.parquet", "notes.txt", "nowhere"):
        assert not is_memory(tmp_path / name)
    with pytest.raises(DataError, match="no row hashes"):
        load(tmp_path / "notes.txt")


def test_hashes_mean_the_same_in_every_release() -> None:
    held = memory_of(orders()).tables["orders"]
    md5 = ["0xc4ca4238a0b92382", "0xc81e728d9d4c2f63", "0xeccbc87e4b5ce2fe"]  # of 1, 2 and 3
    assert [hex(k) for k in held.keys.tolist()] == md5
    amounts = ["0xf0111da18b4afed6", "0x8ac198f0e327c8f7", "0xba15c34f5877e33a"]
    assert [hex(c) for c in held.cells["amount"].tolist()] == amounts


def test_a_column_that_features_read_fails_and_another_is_told() -> None:
    found = (Changes("orders", 10, {"amount": 4, "status": 2}, 0, 0),)
    judged = replayed(AT, found, (), {"orders": {"amount", "at"}}, SCHEMA)
    assert judged.outcome is Outcome.FAILED
    assert judged.found == "orders.amount was changed in place in 4 of 10 rows"
    assert "[tables.orders.columns]" in judged.mend and 'known_at = "settled"' in judged.mend
    judged = replayed(AT, found, (), {"orders": {"at"}}, SCHEMA)
    assert judged.outcome is Outcome.PASSED
    assert "no feature reads" in judged.found


def test_gone_and_late_rows_fail_where_features_read_the_table() -> None:
    found = (Changes("orders", 10, {}, 3, 2, 3 * DAY + 1),)
    judged = replayed(AT, found, (), {"orders": {"at"}}, SCHEMA)
    assert "3 rows of orders are gone" in judged.found
    assert 'available_after = "4 days"' in judged.mend
    assert replayed(AT, found, (), {}, SCHEMA).outcome is Outcome.PASSED


def test_features_that_differ_fail_by_themselves() -> None:
    judged = replayed(AT, (), (Difference("orders.rows.count.30d", "replay", 3),), {}, SCHEMA)
    assert judged.outcome is Outcome.FAILED
    assert judged.examples == ("orders.rows.count.30d differs in 3 rows",)


def test_without_an_earlier_state_it_says_how_to_have_one() -> None:
    assert "--remember" in skipped().found
    assert "'products'" in skipped(["'products'"]).found
