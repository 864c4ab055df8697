"""Sheets of tables: what they hold, against slow and obvious ways; names and futures that could fool."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from small_shop import SPLIT, START, as_file, shop

import foretell
from foretell.core.progress import QUIET
from foretell.core.time import DAY, format_instant
from foretell.features.matrix import Categorical
from foretell.patterns import search
from foretell.patterns.contents import is_first_seen
from foretell.patterns.sheet import Attribute, Outcome, Part, Sheet
from foretell.patterns.tables import table_sheet
from foretell.pipeline import Database

FRAMES = shop()


def sheet_of(database: Database, table: str, split: int = SPLIT, **how: Any) -> Sheet:
    made = table_sheet(database.opened.store, database.schema, table, split, **how)
    assert made is not None
    return made


def texts(sheet: Sheet, name: str) -> list[str | None]:
    return plain(sheet.attribute(name))


@pytest.fixture(scope="module")
def orders() -> Sheet:
    with foretell.connect(FRAMES) as database:
        return sheet_of(database, "orders")


def by_hand() -> list[dict[str, Any]]:
    """The orders in the order of time and customer, each with what a person would look up."""
    people = {c["customer_id"]: c for c in FRAMES["customers"].to_pylist()}
    quantity: dict[int, int] = {}
    for line in FRAMES["order_lines"].to_pylist():
        quantity[line["order_id"]] = quantity.get(line["order_id"], 0) + line["quantity"]
    rows = FRAMES["orders"].to_pylist()
    for row in rows:
        who = people[row["customer_id"]]
        row["country"] = who["country"] if who["joined"] <= row["ordered_at"] else None
        before = [
            o["ordered_at"]
            for o in rows
            if o["customer_id"] == row["customer_id"] and o["ordered_at"] < row["ordered_at"]
        ]
        row["earlier"] = len(before)
        row["since"] = (row["ordered_at"] - max(before)).total_seconds() / 86400 if before else None
        row["quantity"] = quantity[row["order_id"]]
    return sorted(rows, key=lambda r: (r["ordered_at"], r["customer_id"]))


def test_a_sheet_is_what_a_person_would_look_up(orders: Sheet) -> None:
    rows = by_hand()
    assert len(orders) == len(rows)
    assert orders.who == "customers"
    assert texts(orders, "customer_id.country") == [r["country"] for r in rows]
    assert None in texts(orders, "customer_id.country")  # not yet a customer then
    assert texts(orders, "weekday") == [r["ordered_at"].strftime("%A") for r in rows]
    for name, key in (("earlier", "earlier"), ("days since last", "since")):
        values = orders.attribute(name).values
        assert not isinstance(values, Categorical)
        expected = [np.nan if r[key] is None else r[key] for r in rows]
        np.testing.assert_allclose(values.values, expected)
    np.testing.assert_array_equal(orders.outcome("amount").values, [r["amount"] for r in rows])
    np.testing.assert_array_equal(orders.outcome("late is yes").values, [r["late"] for r in rows])
    returned = orders.outcome("status is returned")
    assert returned.share and returned.title == "status returned"
    np.testing.assert_array_equal(returned.values, [r["status"] == "returned" for r in rows])
    np.testing.assert_array_equal(
        orders.outcome("order_lines quantity").values, [r["quantity"] for r in rows]
    )


def same_as_source(sheet: Sheet, connection: Any) -> None:
    """The rows of the sheet are those of its source; rows of one time and entity come in any order."""
    found = connection.sql(sheet.source).to_arrow_table()
    assert found.num_rows == len(sheet)
    names = [c.name for c in columns(sheet)]
    theirs = zip(*(found[n].to_pylist() for n in ("time", *names)))
    ours = zip(
        *(
            [datetime.fromisoformat(format_instant(t)) for t in sheet.times.tolist()],
            *map(plain, columns(sheet)),
        )
    )
    assert sorted(map(repr, theirs)) == sorted(map(repr, ours))


def columns(sheet: Sheet) -> list[Attribute | Outcome]:
    return [*sheet.attributes, *sheet.outcomes]


def plain(column: Attribute | Outcome) -> list[Any]:
    values = column.values
    if isinstance(values, Categorical):
        return [None if c < 0 else values.categories[c] for c in values.codes.tolist()]
    numbers = values.tolist() if isinstance(values, np.ndarray) else values.values.tolist()
    return [None if v != v else v for v in numbers]


@pytest.mark.parametrize("table", ["orders", "order_lines"])
def test_the_source_gives_the_sheet_again(table: str, tmp_path: Path) -> None:
    path = as_file(tmp_path / "shop.duckdb", FRAMES)
    with foretell.connect(path) as database:
        sheet = sheet_of(database, table)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS asked (READ_ONLY); USE asked")
        same_as_source(sheet, connection)


def test_a_sample_is_the_same_in_each_run_and_stands_in_the_sql() -> None:
    with foretell.connect(FRAMES) as database:
        sheets = [sheet_of(database, "orders", rows=800) for _ in range(2)]
        same_as_source(sheets[0], database.opened.store.cursor())
    assert sheets[0].title == "sampled orders"
    assert 300 < len(sheets[0]) < 1000
    np.testing.assert_array_equal(sheets[0].times, sheets[1].times)


def test_lines_are_their_customers_and_keys_are_no_attributes() -> None:
    with foretell.connect(FRAMES) as database:
        sheet = sheet_of(database, "order_lines")
    assert len(np.unique(sheet.entities)) == len(np.unique(FRAMES["orders"]["customer_id"].to_numpy()))
    named = {a.name for a in sheet.attributes} | {o.name for o in sheet.outcomes}
    assert named.isdisjoint({"line_id", "order_id", "product_id", "label"})
    assert {"product_id.kind", "order_id.carrier", "order_id.customer_id.country"} <= named


def test_columns_known_later_and_ignored_ones_are_left_out() -> None:
    with foretell.connect(FRAMES) as database:
        schema = database.schema
        table = schema.table("orders")
        columns = tuple(
            replace(c, known_at="shipped") if c.name == "status" else replace(c, ignored=c.name == "carrier")
            for c in table.columns
        )
        tables = tuple(replace(t, columns=columns) if t.name == "orders" else t for t in schema.tables)
        made = table_sheet(database.opened.store, replace(schema, tables=tables), "orders", SPLIT)
    assert made is not None
    named = {a.name for a in made.attributes} | {o.name for o in made.outcomes}
    assert named.isdisjoint({"status", "status is returned", "carrier"})
    assert "late" in named


def test_hostile_names_are_only_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    n = 400
    frames = {
        'or"ders; DROP TABLE x': pa.table(
            {
                "key": np.arange(n),
                'cust"omer': rng.integers(0, 20, n),
                "at'": pa.array(START + np.sort(rng.integers(0, 300, n)) * DAY, pa.timestamp("us")),
                "Time": rng.choice(["a'b", 'c"d', "<i>"], n),
                "entity": rng.choice(["x", "y; --"], n),
                "earlier": rng.normal(size=n),
            }
        ),
        'cust"omers': pa.table({'cust"omer': np.arange(20), "MONTH": rng.choice(["p", "q"], 20)}),
    }
    path = as_file(tmp_path / "hostile.duckdb", frames)
    with foretell.connect(path) as database:
        sheet = sheet_of(database, 'or"ders; DROP TABLE x', START + 150 * DAY)
        same_as_source(sheet, database.opened.store.cursor())
    assert {"Time_", "entity_"} <= {a.name for a in sheet.attributes}
    folded = [c.name.casefold() for c in (*sheet.attributes, *sheet.outcomes)]
    assert {"time", "entity"}.isdisjoint(folded)


@pytest.mark.parametrize("rows", [0, 1])
def test_next_to_no_rows_make_no_sheet(rows: int) -> None:
    held = {name: t.slice(0, rows) if name == "orders" else t for name, t in FRAMES.items()}
    with foretell.connect(held) as database:
        assert not database.schema.is_timed("orders") or (
            table_sheet(database.opened.store, database.schema, "orders", SPLIT) is None
        )
        found = database.patterns(time_limit=2)
    assert found.headlines == ()


def mined(frames: dict[str, pa.Table]) -> set[tuple[str, float]]:
    """Everything that miners hand over, of all tables."""
    with foretell.connect(frames) as database:
        store, schema = database.opened.store, database.schema
        material = search.read(store, schema, ["orders", "order_lines"], lambda _: SPLIT + 200 * DAY, QUIET)
    material.sheets = [replace(s, split=SPLIT) for s in material.sheets]
    found = [task.miner(seconds=60.0, seed=0) for task in search.tasks_of(material)]
    return {(c.key, round(c.strength, 9)) for m in found for c in m.candidates}


def test_what_comes_later_changes_nothing_that_is_mined() -> None:
    """The law: the later part is drawn anew, and every candidate stays as it was."""
    now = mined(FRAMES)
    assert any(key.startswith("subgroup:orders:late is yes:carrier=Green") for key, _ in now)
    assert now == mined(shop(later=7))
    assert now != mined(shop(seed=1))  # the early part does change it


def test_parts_do_not_meet(orders: Sheet) -> None:
    early, later = orders.part(Part.EARLY), orders.part(Part.LATER)
    assert not (early & later).any() and (early | later).all()
    gapped = replace(orders, gap=30 * DAY)
    assert gapped.part(Part.EARLY).sum() < early.sum()


def matches_and_goals() -> dict[str, pa.Table]:
    """Goals of a match come in the order of their minutes; readings are of three unlike things."""
    rng = np.random.default_rng(5)
    n = 300
    at = START + np.arange(n) * DAY
    minutes = np.sort(rng.integers(1, 90, (n, 4)), axis=1)
    thing = rng.choice(["heat", "dust", "noise"], 4 * n)
    return {
        "matches": pa.table({"match_id": np.arange(n), "played": pa.array(at, pa.timestamp("us"))}),
        "goals": pa.table(
            {
                "goal_id": np.arange(4 * n),
                "match_id": np.repeat(np.arange(n), 4),
                "played": pa.array(np.repeat(at, 4), pa.timestamp("us")),
                "minute": minutes.ravel(),
                "speed": rng.normal(90, 9, 4 * n).round(1),
                "thing": thing,
                "reading": rng.normal(size=4 * n) + 4.0 * (thing == "heat") + 8.0 * (thing == "noise"),
            }
        ),
    }


def test_a_number_that_runs_along_describes_a_row_and_unlike_readings_are_told_apart() -> None:
    with foretell.connect(matches_and_goals()) as database:
        sheet = sheet_of(database, "goals", START + 180 * DAY)
        same_as_source(sheet, database.opened.store.cursor())
        whole = sheet_of(database, "matches", START + 180 * DAY)
    assert "minute" in {a.name for a in sheet.attributes}
    outcomes = {o.name for o in sheet.outcomes}
    assert "speed" in outcomes and "minute" not in outcomes and "reading" not in outcomes
    assert {f"reading of {t}" for t in ("heat", "dust", "noise")} <= outcomes
    assert "goals minute" not in {o.name for o in whole.outcomes}
    assert "goals speed" in {o.name for o in whole.outcomes}


def test_things_that_were_seen_are_no_main_table() -> None:
    frames = dict(FRAMES)
    first = np.full(120, START + 500 * DAY)
    np.minimum.at(
        first,
        frames["orders"]["customer_id"].to_numpy(),
        frames["orders"]["ordered_at"].cast(pa.int64()).to_numpy(),
    )
    frames["regions"] = pa.table({"region_id": np.arange(5), "label": [f"region {k}" for k in range(5)]})
    frames["customers"] = pa.table(
        {
            "customer_id": np.arange(120),
            "region_id": np.arange(120) % 5,
            "first_order": pa.array(first, pa.timestamp("us")),
        }
    )
    with foretell.connect(frames) as database:
        cursor = database.opened.store.cursor()
        assert is_first_seen(cursor, database.schema, "customers")
        assert not is_first_seen(cursor, database.schema, "orders")  # its lines come with it
