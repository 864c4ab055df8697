"""Bad input in the schema, from end to end: a clear error, a warning in the report, or handled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from trust_world import CHURN, NOW, SPEND, changed, shop

import foretell
from foretell import QueryError, SchemaError
from foretell.prediction.learn import Budget


def learned(tables: Mapping[str, Any] | Path, query: str, **settings: Any) -> tuple[Any, Any]:
    """The check and the lesson (labels and features) of a query."""
    with foretell.connect(tables, now=NOW, **settings) as database:
        question = database.query(query)
        checked = question.check()
        return checked, question._lesson(Budget(1.0))


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def in_duckdb(path: Path, tables: Mapping[str, pa.Table], *statements: str) -> Path:
    with duckdb.connect(str(path)) as connection:
        for name, table in tables.items():
            connection.register("given", table)
            connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM given")
            connection.unregister("given")
        for statement in statements:
            connection.execute(statement)
    return path


ODD_TABLES = (
    *(
        "foretell",
        "main",
        "select",
        "two words",
        'say "hi"',
        "a]b[c",
        "it's",
        "Größe",
        "🍺",
        "x.y",
        "tab\nle",
    ),
    *("events#0", "cutoffs#0", "rows", "_chunk", "_values_0", "foretell_arrow", "information_schema", "temp"),
)


def test_any_table_name_works_from_end_to_end() -> None:
    plain = shop(people=5)
    expected, _ = learned(plain, CHURN)
    tables = {"customers": plain["customers"], **dict.fromkeys(ODD_TABLES, plain["orders"])}
    with foretell.connect(tables, now=NOW) as database:
        for name in ODD_TABLES:
            question = database.query(CHURN.replace("orders", quoted(name)))
            assert question.check().labels.positives == expected.labels.positives, name
        lesson = question._lesson(Budget(1.0))
    assert lesson.matrix.rows == expected.labels.rows
    # The tables are copies of one, so that most features repeat those of another.
    tried = [*lesson.features.names, *(n for left in lesson.features.left_out for n in left.names)]
    assert len({name for name in ODD_TABLES if any(name in t for t in tried)}) > 10


ODD_COLUMNS = (
    *("anchor", "cutoff", "label", "entity", "t", "k", "v0", "row", "select", "a0", "e", "rowid", "count"),
    *("two words", 'say "hi"', "a]b[c", "it's", "Größe", "🍺", "a.b", "#1", "?", "\\", "new\nline"),
)


def test_any_column_name_works_from_end_to_end() -> None:
    tables = shop(people=5)
    expected, _ = learned(tables, SPEND)
    for name in ODD_COLUMNS:
        tables["orders"] = tables["orders"].append_column(name, tables["orders"]["amount"])
        tables["customers"] = tables["customers"].append_column(name, pa.array(range(5)))
    with foretell.connect(tables, now=NOW) as database:
        for name in ODD_COLUMNS:
            question = database.query(
                f"PREDICT SUM(orders.{quoted(name)}, 0, 30, days) FOR EACH customers.customer_id "
                f"WHERE customers.{quoted(name)} >= 0 "
                f"AND COUNT(orders.* WHERE orders.{quoted(name)} > -1) >= 0"
            )
            assert question.check().labels.mean == pytest.approx(expected.labels.mean), name
        lesson = question._lesson(Budget(1.0))
    assert lesson.matrix.rows == expected.labels.rows


@pytest.mark.parametrize("name", ["cutoff", "label", "prediction"])
def test_a_key_is_not_hidden_by_a_column_of_the_output(name: str, tmp_path: Path) -> None:
    tables = shop(people=5)
    path = in_duckdb(
        tmp_path / "shop.duckdb",
        {
            "customers": tables["customers"].rename_columns([name, "joined_at", "country"]),
            "orders": tables["orders"],
        },
    )
    (tmp_path / "foretell.toml").write_text(
        f'[tables.customers]\nprimary_key = ["{name}"]\n'
        f'[[links]]\nchild = "orders.customer_id"\nparent = "customers.{name}"\n'
    )
    with foretell.connect(path, now=NOW) as database:
        labels = database.query(CHURN.replace("customers.customer_id", f"customers.{name}")).labels()
    key = name if name == "prediction" else f"customers.{name}"
    assert labels.column_names == [key, "cutoff", "label"]
    assert set(labels[key].to_pylist()) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("name", ["__row", "__Time"])
def test_the_two_names_we_keep_are_refused(name: str) -> None:
    tables = shop(people=5)
    tables["orders"] = tables["orders"].append_column(name, tables["orders"]["amount"])
    with pytest.raises(SchemaError, match=f"'orders' has a column '{name}', a name that foretell keeps"):
        foretell.connect(tables)


def test_names_equal_after_case_folding_are_refused() -> None:
    tables = shop(people=5)
    with pytest.raises(SchemaError, match="one name after case folding: 'orders' and 'Orders'"):
        foretell.connect({**tables, "Orders": tables["orders"]})


def test_a_link_between_types_that_do_not_convert_is_said_with_its_reason() -> None:
    tables = shop(people=5)
    zeros = [f"0{v}" for v in tables["orders"]["customer_id"].to_pylist()]
    tables["orders"] = changed(tables["orders"], "customer_id", zeros)
    with foretell.connect(tables) as database, pytest.raises(QueryError) as error:
        database.query(CHURN)
    assert "no foreign keys lead from 'orders' to 'customers'" in str(error.value)
    assert "orders.customer_id looks like a link to customers.customer_id, but is text" in str(error.value)


def test_text_keys_that_convert_are_linked() -> None:
    tables = shop(people=5)
    expected, _ = learned(tables, CHURN)
    texts = [str(v) for v in tables["orders"]["customer_id"].to_pylist()]
    checked, _ = learned({**tables, "orders": changed(tables["orders"], "customer_id", texts)}, CHURN)
    assert checked.labels.positives == expected.labels.positives


def test_orphans_of_a_guessed_link_are_warned_of() -> None:
    tables = shop(people=20)
    ids = [None if i % 9 == 0 else v for i, v in enumerate(tables["orders"]["customer_id"].to_pylist())]
    with foretell.connect({**tables, "orders": changed(tables["orders"], "customer_id", ids)}) as database:
        assert not [n for n in database.notes if "point at no row" in n]  # a NULL key points at nothing
    ids = [999 if i % 50 == 0 else v for i, v in enumerate(ids)]
    with foretell.connect({**tables, "orders": changed(tables["orders"], "customer_id", ids)}) as database:
        (note,) = [n for n in database.notes if "point at no row" in n]
    assert "of customers (deleted there?)" in note


def test_cycles_self_references_and_composite_keys_are_labelled_and_featured(tmp_path: Path) -> None:
    path = tmp_path / "graph.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE a (id INT, part INT, boss_id INT, boss_part INT, b_id INT, moment TIMESTAMP, "
            "PRIMARY KEY (id, part));"
            "CREATE TABLE b (id INT PRIMARY KEY, a_id INT, a_part INT, v DOUBLE, moment TIMESTAMP, "
            "FOREIGN KEY (a_id, a_part) REFERENCES a (id, part));"
            "INSERT INTO a SELECT i // 5, i % 5, CASE WHEN i >= 5 THEN 0 END, "
            "  CASE WHEN i >= 5 THEN i % 5 END, i, "
            "  TIMESTAMP '2024-01-01' + INTERVAL (i % 7) DAY FROM range(60) t(i);"
            "INSERT INTO b SELECT i, (i % 60) // 5, (i * 7 % 60) % 5, i, "
            "  TIMESTAMP '2024-01-01' + INTERVAL (i % 240) DAY FROM range(900) t(i);"
        )
    (tmp_path / "foretell.toml").write_text(
        '[[links]]\nchild = "a.b_id"\nparent = "b.id"\n'
        '[[links]]\nchild = ["a.boss_id", "a.boss_part"]\nparent = ["a.id", "a.part"]\n'
    )
    checked, lesson = learned(path, "PREDICT COUNT(b.* VIA a_id, 0, 30, days) > 2 FOR EACH a.id")
    assert checked.labels.rows == lesson.matrix.rows > 0
    assert len(lesson.features) > 10
    with foretell.connect(path, now=NOW) as database:
        found = database.query("PREDICT COUNT(b.* VIA a_id, 0, 30, days) FOR EACH a.id").labels(
            ["2024-03-01"]
        )
        assert found.column_names == ["id", "part", "cutoff", "label"]
        expected = database._opened.store.connection.execute(
            "SELECT count(*) FROM b WHERE moment > '2024-03-01' AND moment <= TIMESTAMP '2024-03-31'"
        ).fetchall()
    assert sum(found["label"].to_pylist()) == expected[0][0]


def test_two_links_to_one_parent_need_via() -> None:
    tables = shop(people=6)
    orders = changed(tables["orders"], "payer_customer_id", tables["orders"]["customer_id"].to_pylist()[::-1])
    with foretell.connect({**tables, "orders": orders}, now=NOW) as database:
        with pytest.raises(QueryError, match="2 paths lead from 'orders' to 'customers'") as error:
            database.query(CHURN)
        assert "VIA orders.customer_id" in str(error.value)
        assert database.query(CHURN.replace("orders.*", "orders.* VIA orders.customer_id")).check()


def test_a_view_can_be_asked(tmp_path: Path) -> None:
    path = in_duckdb(
        tmp_path / "shop.duckdb",
        shop(people=5),
        "CREATE VIEW large AS SELECT * FROM orders WHERE amount > 40",
        "CREATE TABLE gone (x INT)",
        "CREATE VIEW broken AS SELECT * FROM gone",
        "DROP TABLE gone",
    )
    checked, _ = learned(path, CHURN.replace("orders", "large"))
    assert checked.labels.rows > 0
    with foretell.connect(path) as database:
        assert any("view 'broken' cannot be read and is left out" in n for n in database.notes)


def test_more_than_a_thousand_columns_are_warned_of_and_work() -> None:
    tables = shop(people=5)
    rows = tables["orders"].num_rows
    for i in range(1100):
        tables["orders"] = tables["orders"].append_column(f"c{i}", pa.array(np.arange(rows) % (2 + i % 7)))
    with foretell.connect(tables, now=NOW) as database:
        assert any(n.startswith("orders has 1,105 columns") for n in database.notes)
        assert database.query(CHURN).check().labels.rows > 0


@pytest.mark.parametrize(
    ("table", "message"),
    [("orders", "table 'orders' is empty"), ("customers", "table 'customers' is empty")],
)
def test_an_empty_table_is_refused(table: str, message: str, tmp_path: Path) -> None:
    tables = shop(people=5)
    tables[table] = tables[table].slice(0, 0)
    with foretell.connect(tables) as database, pytest.raises(QueryError, match=message):
        database.query(CHURN)


def test_an_empty_target_table_with_declared_keys_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE customers (customer_id INT PRIMARY KEY);"
            "CREATE TABLE orders (order_id INT PRIMARY KEY, "
            "  customer_id INT REFERENCES customers (customer_id), ordered_at TIMESTAMP);"
            "INSERT INTO customers VALUES (1), (2)"
        )
    with (
        foretell.connect(path) as database,
        pytest.raises(QueryError, match="table 'orders' is empty"),
    ):
        database.query(CHURN).check()


def test_no_time_column_is_warned_of_and_refused_where_the_target_needs_one() -> None:
    tables = shop(people=5)
    tables["orders"] = tables["orders"].drop_columns(["happened_at"])
    with foretell.connect(tables) as database:
        assert (
            "orders has no time column: its rows count as known from customers.joined_at on" in database.notes
        )
    tables["customers"] = tables["customers"].drop_columns(["joined_at"])
    with foretell.connect(tables) as database:
        assert "orders has no time column: its rows count as always known" in database.notes
        with pytest.raises(QueryError, match="'orders' has no time column, nor has a table it points to"):
            database.query(CHURN)


def test_several_times_say_which_was_chosen_and_why() -> None:
    tables = shop(people=5)
    tables["orders"] = changed(tables["orders"], "delivered_at", tables["orders"]["happened_at"])
    with foretell.connect(tables) as database:
        (note,) = [n for n in database.notes if "several times" in n]
    assert "happened_at is taken as the row's time (" in note and "not delivered_at" in note
