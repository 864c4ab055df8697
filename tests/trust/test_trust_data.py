"""Bad input in the data, from end to end: a clear error, a warning in the report, or handled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from trust_world import CHURN, KIND, NOW, SPEND, START, changed, shop

import foretell
from foretell import DataError
from foretell.core.time import format_instant
from foretell.prediction.learn import Budget


def check(
    tables: Mapping[str, Any] | Path, query: str = CHURN, now: str = NOW
) -> tuple[Any, tuple[str, ...]]:
    """The check of a query, and the database's notes."""
    with foretell.connect(tables, now=now) as database:
        return database.query(query).check(), database.notes


def with_orders(column: str, change: Any, people: int = 5) -> dict[str, pa.Table]:
    """The shop, with `change(i, value)` made to one column of its orders."""
    tables = shop(people=people)
    values = [change(i, v) for i, v in enumerate(tables["orders"][column].to_pylist())]
    return {**tables, "orders": changed(tables["orders"], column, values)}


def cutoffs(checked: Any) -> list[str]:
    return [format_instant(c.cutoff) for c in checked.labels.cutoffs]


# ── values ──


def test_nan_and_infinity_are_null_and_warned_of() -> None:
    odd = [float("nan"), float("inf"), float("-inf")]
    checked, notes = check(with_orders("amount", lambda i, v: odd[i] if i < 3 else v), SPEND)
    assert "orders.amount: 3 values NaN or infinite, read as NULL" in notes
    assert np.isfinite(checked.labels.mean) and checked.labels.mean > 0


def test_sums_beyond_64_bits_do_not_overflow() -> None:
    checked, _ = check(with_orders("amount", lambda i, v: 2**62), SPEND)
    counted, _ = check(shop(people=5), "PREDICT COUNT(orders.*, 0, 30, days) FOR EACH customers.customer_id")
    assert checked.labels.mean == pytest.approx(counted.labels.mean * 2.0**62)


def test_money_beyond_2_to_the_53_is_warned_of() -> None:
    tables = shop(people=5)
    money = pa.array([Decimal(2**54 + i) for i in range(tables["orders"].num_rows)], pa.decimal128(30, 2))
    _, notes = check({**tables, "orders": changed(tables["orders"], "amount", money)}, SPEND)
    assert any("orders.amount holds numbers beyond 2^53" in n for n in notes)


def test_very_many_categories_are_no_features_of_their_own() -> None:
    tables = with_orders("kind", lambda i, v: f"w{i}")
    with foretell.connect(tables, now=NOW) as database:
        lesson = database.query(CHURN)._lesson(Budget(1.0))
    assert not [n for n in lesson.features.names if "=w" in n]


def test_a_huge_cell_is_warned_of_and_handled() -> None:
    checked, notes = check(with_orders("kind", lambda i, v: "x" * 11_000_000 if i == 3 else v))
    assert "orders.kind holds a text of 11 MB" in notes and checked.labels.rows


def test_nul_in_text_is_warned_of_found_and_featured() -> None:
    tables = with_orders("kind", lambda i, v: "a\x00b" if v == "a" else v)
    plain, _ = check(shop(people=5), CHURN.replace("orders.*", "orders.* WHERE orders.kind = 'a'"))
    with foretell.connect(tables, now=NOW) as database:
        assert "orders.kind holds text with NUL characters" in database.notes
        question = database.query(CHURN.replace("orders.*", "orders.* WHERE orders.kind = 'a\x00b'"))
        assert question.check().labels.positives == plain.labels.positives
        assert question._lesson(Budget(1.0)).matrix.rows


def test_bytes_that_are_not_utf8_are_warned_of(tmp_path: Path) -> None:
    for name, table in shop(people=5).items():
        rows = [",".join(table.column_names)]
        rows += [",".join(str(v) for v in row.values()) for row in table.to_pylist()]
        (tmp_path / f"{name}.csv").write_bytes("\n".join(rows).replace(",a", ",caf\xe9").encode("latin-1"))
    checked, notes = check(tmp_path)
    assert "orders.csv is not UTF-8: it is read as Latin-1" in notes and checked.labels.rows


def test_repeated_rows_are_warned_of() -> None:
    tables = shop(people=5)
    orders = tables["orders"].drop_columns(["order_id"])
    _, notes = check({**tables, "orders": pa.concat_tables([orders, orders.slice(0, 7)])})
    assert any("7 rows of" in n and "repeat another row exactly" in n for n in notes)


def test_a_column_of_nulls_is_handled() -> None:
    tables = shop(people=5)
    for kind in (pa.null(), pa.float64(), pa.string(), pa.timestamp("us")):
        nothing = pa.nulls(tables["orders"].num_rows, kind)
        tables["orders"] = tables["orders"].append_column(f"n_{kind}", nothing)
    with foretell.connect(tables, now=NOW) as database:
        assert any("hold only NULL" in n for n in database.notes)
        lesson = database.query(CHURN)._lesson(Budget(1.0))
    assert lesson.matrix.rows


# ── times ──


def test_rows_dated_in_the_future_are_warned_of_and_do_not_stretch_the_history() -> None:
    plain, _ = check(shop(people=5))
    for far in (datetime(9999, 12, 31), datetime(2024, 12, 24)):
        tables = with_orders("happened_at", lambda i, v, far=far: far if i % 20 == 0 else v)
        checked, notes = check(tables, now="2024-09-30")
        assert any("lie in the future" in n for n in notes)
        assert checked.labels.mean < 2 * plain.labels.mean
        assert max(cutoffs(checked)) < "2024-08"  # 30 days before the last order that is past


def test_year_9999_is_warned_of() -> None:
    _, notes = check(with_orders("happened_at", lambda i, v: datetime(9999, 12, 31) if i == 3 else v))
    assert any("holds dates such as 9999-12-31" in n for n in notes)


def test_infinite_dates_are_warned_of(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "s.duckdb")) as connection:
        for name, table in shop(people=5).items():
            connection.register("given", table)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
        connection.execute("UPDATE orders SET happened_at = 'infinity' WHERE order_id = 3")
        connection.execute("UPDATE orders SET happened_at = '-infinity' WHERE order_id = 4")
    _, notes = check(tmp_path / "s.duckdb")
    assert any("2 values outside the years 1..9999 or infinite, read as NULL" in n for n in notes)


def test_a_few_rows_long_before_the_rest_are_warned_of_and_no_history() -> None:
    plain, _ = check(shop(people=5))
    for old in (datetime(1, 1, 1), datetime(1900, 1, 1)):
        checked, notes = check(with_orders("happened_at", lambda i, v, old=old: old if i == 3 else v))
        assert any("long before the rest" in n and format_day(old) in n for n in notes)
        assert checked.labels.rows > 0.7 * plain.labels.rows


def format_day(moment: datetime) -> str:
    return f"{moment.year:04}-{moment.month:02}-{moment.day:02}"


def test_a_window_past_the_end_of_the_data_makes_no_label() -> None:
    tables = shop(people=5)
    last = max(tables["orders"]["happened_at"].to_pylist())
    checked, _ = check(tables)
    assert max(cutoffs(checked)) == (last - timedelta(days=30)).isoformat(sep=" ")
    # A positive control: where the last thirty days are empty in truth, they are labels.
    other = {**tables, "visits": changed(tables["orders"], "happened_at", [last] * tables["orders"].num_rows)}
    assert check(other)[0].labels.rows == checked.labels.rows


def test_labels_at_a_cutoff_whose_window_is_not_over_are_refused() -> None:
    with foretell.connect(shop(people=5), now=NOW) as database:
        question = database.query(CHURN)
        assert question.labels(["2024-07-01"]).num_rows == 5
        with pytest.raises(
            DataError, match="after 1 cutoff of 2 passes the end of the data, 2024-08-2"
        ) as error:
            question.labels(["2024-07-01", "2024-08-20"])
        assert error.value.examples == ("2024-08-20",)


@pytest.mark.parametrize("frame", ["text", "pandas"])
def test_naive_and_aware_times_mixed_are_refused(frame: str) -> None:
    pandas = pytest.importorskip("pandas") if frame == "pandas" else None
    tables: dict[str, Any] = with_orders("happened_at", lambda i, v: v.isoformat() + ("Z" if i % 2 else ""))
    if pandas is not None:
        orders = shop(people=5)["orders"].to_pandas()
        orders["happened_at"] = [
            t.tz_localize("UTC") if i % 2 else t for i, t in enumerate(orders["happened_at"])
        ]
        tables["orders"] = orders.astype({"happened_at": object})
    with pytest.raises(DataError, match=r"orders.happened_at mixes times with a zone \(\d+\) and"):
        foretell.connect(tables)


def test_a_declared_zone_is_kept_over_the_change_of_clocks(tmp_path: Path) -> None:
    zone, hours = ZoneInfo("Europe/Amsterdam"), range(24 * 240)
    utc = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=h) for h in hours]
    local = pa.table(
        {
            "reading_id": list(hours),
            "machine_id": [h % 2 for h in hours],
            "read_at": pa.array([t.astimezone(zone).replace(tzinfo=None) for t in utc], pa.timestamp("us")),
        }
    )
    tables = {"machines": pa.table({"machine_id": [0, 1]}), "readings": local}
    config = tmp_path / "foretell.toml"
    config.write_text('timezone = "Europe/Amsterdam"\n')
    with foretell.connect(tables, config=config, now=NOW) as database:
        question = database.query("PREDICT COUNT(readings.*, 0, 1, day) FOR EACH machines.machine_id")
        # On 31 March 02:00 does not exist, yet a day of UTC has 24 readings like any other.
        found = question.labels(["2024-03-30", "2024-03-31", "2024-04-01"])["label"].to_pylist()
    assert found == [12.0] * 6


def test_windows_of_months_end_with_the_month_and_the_leap_day_counts() -> None:
    days = [START + timedelta(days=i) for i in range(400)]
    tables = {
        "shops": pa.table({"shop_id": [1]}),
        "sales": pa.table(
            {"sale_id": range(400), "shop_id": [1] * 400, "sold_at": pa.array(days, pa.timestamp("us"))}
        ),
    }
    with foretell.connect(tables) as database:
        question = database.query("PREDICT COUNT(sales.*, 0, 1, month) FOR EACH shops.shop_id")
        found = question.labels(["2024-01-31", "2024-02-29", "2024-03-31"])["label"].to_pylist()
    assert found == [29.0, 29.0, 30.0]  # to 29 February, to 29 March, to 30 April


@pytest.mark.parametrize("scale", [1, 1000, 1_000_000])
def test_unix_times_are_read_and_those_in_the_wrong_unit_are_refused(scale: int) -> None:
    plain, _ = check(shop(people=5))
    checked, _ = check(
        with_orders("happened_at", lambda i, v: int(v.replace(tzinfo=UTC).timestamp() * scale))
    )
    assert checked.labels.positives == plain.labels.positives
    if scale == 1000:
        wrong = with_orders(
            "happened_at",
            lambda i, v: (
                datetime(1970, 1, 1) + timedelta(microseconds=v.replace(tzinfo=UTC).timestamp() * 1e3)
            ),
        )
        with pytest.raises(DataError, match="lies wholly in early 1970"):
            check(wrong)


# ── deleted and late rows ──


def test_soft_deletes_are_warned_of() -> None:
    tables = shop(people=5)
    _, notes = check(
        {**tables, "customers": changed(tables["customers"], "is_deleted", [True, False, False, False, True])}
    )
    assert any("customers marks deleted rows in is_deleted" in n for n in notes)


def test_rows_deleted_elsewhere_are_warned_of() -> None:
    tables = shop(people=20)
    _, notes = check({**tables, "customers": tables["customers"].slice(1)})
    assert any("point at no row of customers (deleted there?)" in n for n in notes)


def test_rows_that_arrive_late_are_warned_of_and_can_be_declared(tmp_path: Path) -> None:
    tables = shop(people=5)
    times = tables["orders"]["happened_at"].to_pylist()
    names = [n.replace("happened", "ordered") for n in tables["orders"].column_names]
    tables["orders"] = changed(
        tables["orders"].rename_columns(names),
        "inserted_at",
        pa.array([t + timedelta(days=9) for t in times], pa.timestamp("us")),
    )
    _, notes = check(tables)
    (note,) = [n for n in notes if "recorded later" in n]
    assert "by up to 9 days (inserted_at): set available_after in foretell.toml" in note
    (tmp_path / "foretell.toml").write_text('[tables.orders]\navailable_after = "9 days"\n')
    with foretell.connect(tables, config=tmp_path / "foretell.toml", now=NOW) as database:
        assert not [n for n in database.notes if "recorded later" in n]


# ── labels ──


@pytest.mark.parametrize(
    ("query", "warning", "error"),
    [
        (
            CHURN.replace("= 0", ">= 0"),
            "are true (base rate 100%): no model can be learned from them",
            r"every one of the \d+ labels is true \(base rate 100%\)",
        ),
        (
            SPEND.replace("orders.amount,", "orders.amount * 0,"),
            "all labels are 0: no model can be learned from them",
            r"every one of the \d+ labels is 0",
        ),
        (
            KIND.replace("LAST(orders.kind", "LAST(CASE WHEN orders.amount > 0 THEN 'x' END"),
            "all labels are x: no model can be learned from them",
            r"every one of the \d+ labels is x",
        ),
    ],
)
def test_one_class_or_one_value_is_said_by_check_and_refused_by_ask(
    query: str, warning: str, error: str
) -> None:
    with foretell.connect(shop(people=5), now=NOW) as database:
        question = database.query(query)
        assert any(warning in w for w in question.check().warnings)
        with pytest.raises(DataError, match=error):
            question.ask(time_limit=1)


def test_few_positives_are_warned_of() -> None:
    checked, _ = check(shop(people=5), CHURN.replace("= 0", "> 6"))
    assert 0 < checked.labels.positives < 50
    assert any("positive" in w and "expect wide intervals" in w for w in checked.warnings)
