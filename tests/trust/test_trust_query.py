"""Bad queries, from end to end: the error says what and how to mend it; a bad value is no value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from trust_world import CHURN, NOW, SPEND, changed, shop

import foretell
from foretell import DataError, QueryError, UsageError
from foretell.core.time import Offset


@pytest.fixture(scope="module")
def database() -> Iterator[foretell.Database]:
    with foretell.connect(shop(people=10), now=NOW) as opened:
        yield opened


def of(target: str) -> str:
    return f"PREDICT {target} FOR EACH customers.customer_id"


REFUSED = {
    "syntax": (of("COUNT(orders.*, 0, 30, dayz)"), "found 'dayz', expected a unit of time", "'days'"),
    "unknown table": (of("COUNT(ordrs.*, 0, 30, days)"), "no table 'ordrs'", "did you mean 'orders'?"),
    "unknown column": (of("SUM(orders.amont, 0, 30, days)"), "has no column 'amont'", "'amount'"),
    "no path": (
        "PREDICT COUNT(customers.*, 0, 30, days) FOR EACH orders.order_id",
        "no foreign keys lead from 'customers' to 'orders'",
        "'orders' points to 'customers'",
    ),
    "zero window": (of("COUNT(orders.*, 0, 0, days)"), "has no length", "later than its start"),
    "tiny window": (of("COUNT(orders.*, 0, 1e-9, seconds)"), "has no length", "later than its start"),
    "negative window": (of("COUNT(orders.*, 0, -5, days)"), "is reversed", "-5, 0, days"),
    "reversed window": (of("COUNT(orders.*, 30, 5, days)"), "is reversed", "5, 30, days"),
    "overlaps the past": (of("COUNT(orders.*, -5, 5, days)"), "overlaps the past", "0, 5, days"),
    "endless window": (of("COUNT(orders.*, 0, INF, days)"), "never ends", "0, 30, days"),
    "nesting": (of("(" * 70 + "COUNT(orders.*, 0, 30, days)" + ")" * 70), "more than 64 levels", "split"),
    "text of 64 KB": (of("COUNT(orders.*, 0, 30, days)") + " " * 70_000, "70,", "65,536"),
    "sum of text": (of("SUM(orders.kind, 0, 30, days)"), "SUM of text", "CAST(orders.kind AS FLOAT)"),
    "half a character": (
        of("COUNT(orders.* WHERE orders.kind = '\ud800', 0, 3, days)"),
        "half of a",
        "take it out",
    ),
    "a class of a number": (SPEND + " RETURN CLASS", "RETURN CLASS does not fit", "RETURN QUANTILES"),
    "quantiles of a condition": (
        CHURN + " RETURN QUANTILES(0.1)",
        "does not fit",
        "RETURN PROBABILITY or CLASS",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_query_is_refused_with_its_place_and_a_mend(name: str, database: foretell.Database) -> None:
    query, message, mend = REFUSED[name]
    with pytest.raises(QueryError) as error:
        database.query(query)
    assert message in error.value.message
    assert mend in str(error.value)
    if name != "text of 64 KB":
        assert "^" in str(error.value)


HOSTILE = "x'; DROP TABLE orders; --"


def test_sql_inside_a_string_or_a_name_is_text(database: foretell.Database) -> None:
    written = HOSTILE.replace("'", "''")
    for value in (f"'{written}'", "'\\'", "'%'", "'$1'", "'{}'"):
        found = database.query(of(f"COUNT(orders.* WHERE orders.kind = {value}, 0, 30, days)")).check()
        assert found.labels.mean == 0
    with pytest.raises(QueryError, match="has no column"):
        database.query(of('COUNT(orders.* WHERE orders."kind; DROP TABLE orders" = 1, 0, 30, days)'))
    assert database.query(CHURN).check().labels.rows  # the table is still there


def test_a_string_with_sql_is_found_where_it_is_the_value() -> None:
    tables = shop(people=5)
    tables["orders"] = changed(tables["orders"], "kind", [HOSTILE] * tables["orders"].num_rows)
    with foretell.connect(tables, now=NOW) as opened:
        written = HOSTILE.replace("'", "''")
        found = opened.query(of(f"COUNT(orders.* WHERE orders.kind = '{written}', 0, 30, days)")).check()
        every = opened.query(of("COUNT(orders.*, 0, 30, days)")).check()
    assert found.labels.mean == every.labels.mean > 0


def test_a_window_longer_than_the_history_proposes_the_longest_that_works(
    database: foretell.Database,
) -> None:
    with pytest.raises(DataError, match="window of 400 days is longer than the history allows") as error:
        database.query(CHURN.replace("30", "400")).check()
    assert error.value.mend is not None
    longest = int(error.value.mend.rsplit(" ", 2)[1])
    question = database.query(CHURN.replace("30", str(longest)))
    assert question.check().labels.rows
    assert len({c.cutoff for c in question.check().labels.cutoffs}) >= 3


def test_as_of_before_the_data_is_refused(database: foretell.Database) -> None:
    with pytest.raises(DataError, match="AS OF 2020-01-01 lies before the data"):
        database.query(CHURN + " AS OF 2020-01-01").check()


def test_steps_of_a_second_still_span_the_history(database: foretell.Database) -> None:
    found = database.query(CHURN + " EVERY 1 second").check().labels.cutoffs
    assert found[-1].cutoff - found[0].cutoff > 150 * 86_400_000_000


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (CHURN + " WHERE customers.country = 'XX'", "not chosen by WHERE"),
        (CHURN + " ASSUMING COUNT(orders.*, 0, 30, days) > 1000", "not held under ASSUMING"),
        (of("AVG(orders.amount * 1e308 * 10, 0, 30, days)"), "no value"),
    ],
)
def test_labels_that_nobody_has_are_refused_with_the_reason(
    query: str, reason: str, database: foretell.Database
) -> None:
    with pytest.raises(DataError, match=rf"there is no label to learn from: [\d,]+ {reason}"):
        database.query(query).check()


def test_unknown_ids_are_said_before_anything_is_trained(database: foretell.Database) -> None:
    query = CHURN.replace("EACH customers.customer_id", "customers.customer_id IN (3, 998, 999)")
    with pytest.raises(UsageError, match="2 ids not found in 'customers'") as error:
        database.query(query).ask()
    assert error.value.examples == (998, 999)


# Values that DuckDB refuses, or gives an infinity or NaN for: the row has no value.
NO_VALUE = (
    *("LN(orders.amount * 0)", "LN(-orders.amount)", "SQRT(-orders.amount)", "EXP(orders.amount * 1e6)"),
    *("POWER(-orders.amount, 0.5)", "POWER(0 * orders.amount, -1)", "orders.amount / 0", "orders.amount % 0"),
    *("orders.order_id % (orders.order_id - orders.order_id)", "orders.amount / (orders.amount * 0)"),
    *("CAST(orders.kind AS FLOAT)", "CAST(orders.kind AS INTEGER)", "CAST(orders.amount * 1e300 AS INTEGER)"),
    *("orders.order_id * 9223372036854775807 * 9", "orders.order_id + 9223372036854775807"),
    *("-9223372036854775807 - orders.order_id - 1", "ABS(-9223372036854775807 - 1 + 0 * orders.order_id)"),
    "ROUND(LN(orders.amount * 0), 2)",
)


@pytest.mark.parametrize("value", NO_VALUE)
def test_a_value_that_cannot_be_computed_is_no_value(value: str, database: foretell.Database) -> None:
    """In an aggregate's value, in its condition, and over aggregates."""
    known = database.query(of(f"COUNT({value}, 0, 30, days)")).check().labels
    assert known.mean == 0
    tested = database.query(of(f"COUNT(orders.* WHERE {value} IS NOT NULL, 0, 30, days)")).check().labels
    assert tested.mean == 0
    summed = database.query(of(f"SUM(COALESCE({value}, 1), 0, 30, days)")).check().labels
    every = database.query(of("COUNT(orders.*, 0, 30, days)")).check().labels
    assert summed.mean == every.mean > 0


SOUND = {
    "ROUND(orders.amount, 1.0)": "ROUND(orders.amount, 1)",
    "ROUND(orders.amount, orders.amount * 0)": "ROUND(orders.amount)",
    "LENGTH(SUBSTRING(orders.kind, 1.0, 1.0))": "1",
    "LENGTH(SUBSTRING(orders.kind, 99999999999)) + orders.amount * 0": None,
    "SQRT(orders.amount * orders.amount)": "orders.amount",
    "EXP(LN(orders.amount))": "orders.amount",
    "LENGTH(REPLACE(orders.kind, '', 'x'))": "1",
}


@pytest.mark.parametrize("value", SOUND)
def test_odd_arguments_are_read_as_meant(value: str, database: foretell.Database) -> None:
    found = database.query(of(f"SUM({value}, 0, 30, days)")).check().labels.mean
    expected = SOUND[value]
    if expected is None:
        assert found == 0
    else:
        other = database.query(of(f"SUM({expected} + 0 * orders.amount, 0, 30, days)")).check().labels.mean
        assert found == pytest.approx(other)


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("a", True),
        ("%a%", True),
        ("_", True),
        ("", False),
        ("%\\", False),
        ("[a%", False),
        ("a_", False),
        ("A", False),
    ],
)
def test_patterns_of_like_are_no_expressions(pattern: str, fits: bool, database: foretell.Database) -> None:
    labels = (
        database.query(of(f"COUNT(orders.* WHERE orders.kind LIKE '{pattern}', 0, 30, days)")).check().labels
    )
    assert (labels.mean > 0) is fits


@pytest.mark.parametrize(
    "target",
    ["LN(SUM(orders.amount, 0, 30, days))", "SUM(orders.amount, 0, 30, days) % COUNT(orders.*, 0, 30, days)"],
)
def test_labels_are_never_infinite(target: str, database: foretell.Database) -> None:
    question = database.query(of(target))
    labels = question.check().labels
    assert np.isfinite(labels.mean) and labels.dropped["no value"] > 0
    assert np.isfinite(question.labels()["label"].to_numpy()).all()
    silent = database.query(of("COUNT(orders.*, 0, 30, days) = 0")).check().labels
    assert labels.dropped["no value"] == silent.positives


# ── kinds that are checked and labelled, and fitted in a later release ──


@pytest.mark.parametrize("target", [
    "SUM(orders.amount, 0, 1, days) FORECAST 7 TIMEFRAMES",
    "LIST_DISTINCT(orders.kind, 0, 30, days) RANK TOP 2",
    "LIST_DISTINCT(orders.kind, 0, 30, days) CLASSIFY",
])  # fmt: skip
def test_lists_and_forecasts_are_checked_and_not_yet_fitted(target: str, database: foretell.Database) -> None:
    question = database.query(of(target))
    checked = question.check()
    assert checked.labels.rows and checked.to_dict()["labels"]["rows"] == question.labels().num_rows
    assert checked._repr_html_()
    for step in (question.ask, question.fit, question.backtest):
        with pytest.raises(UsageError, match="can be checked and labelled, not fitted in this release"):
            step(time_limit=1)


def test_a_forecast_has_one_label_for_each_step(database: foretell.Database) -> None:
    forecast = database.query(of("SUM(orders.amount, 0, 3, days) FORECAST 4 TIMEFRAMES"))
    found = forecast.labels(["2024-03-01"])
    assert {len(steps) for steps in found["label"].to_pylist()} == {4}
    for step in range(4):
        window = f"{3 * step}, {3 * step + 3}, days"
        single = database.query(of(f"SUM(orders.amount, {window})")).labels(["2024-03-01"])
        assert single["customer_id"].to_pylist() == found["customer_id"].to_pylist()
        assert [steps[step] for steps in found["label"].to_pylist()] == single["label"].to_pylist()
    mean = forecast.check().labels.mean
    assert mean == pytest.approx(np.mean(forecast.labels()["label"].to_pylist()))


def test_a_forecast_step_without_a_value_is_nan_and_where_holds_at_the_cutoff(
    database: foretell.Database,
) -> None:
    chosen = " WHERE COUNT(orders.*, -10, 0, days) > 0"
    found = database.query(of("AVG(orders.amount, 0, 3, days) FORECAST 4 TIMEFRAMES") + chosen).labels(
        ["2024-03-01"]
    )
    steps = np.array(found["label"].to_pylist(), dtype=float)
    assert np.isnan(steps).any() and not np.isnan(steps).all(axis=1).any()
    active = database.query(CHURN + chosen).labels(["2024-03-01"])["customer_id"].to_pylist()
    assert set(found["customer_id"].to_pylist()) <= set(active) < set(range(1, 11))


def test_what_the_engine_refuses_is_said_in_words(database: foretell.Database) -> None:
    import duckdb
    from sqlglot import parse_one

    from foretell.store.refusals import told

    statement = parse_one("SELECT * FROM foretell.orders", dialect="duckdb")
    refused = (
        duckdb.OutOfRangeException("Out of Range Error: too far"),
        "a value cannot be computed from 'orders'",
    )
    full = (duckdb.OutOfMemoryException("Out of Memory Error: full"), "does not fit into the memory limit")
    for error, message in (refused, full):
        with pytest.raises(DataError, match=message), told(statement):
            raise error
    with pytest.raises(duckdb.BinderException), told(statement):  # a mistake of ours stays one
        raise duckdb.BinderException("ours")


# ── labels of one's own ──

SELECT = (
    "SELECT customer_id, count(*) AS label FROM orders "
    "WHERE happened_at > :cutoff AND happened_at <= :cutoff + :horizon GROUP BY 1"
)


def given(database: foretell.Database, labels: object) -> foretell.Question:
    return database.given(labels, entity="customers.customer_id", horizon=Offset(30))


def rows(**columns: object) -> pa.Table:
    return pa.table({"customer_id": [1, 2], "cutoff": ["2024-03-01"] * 2, "label": [1, 0], **columns})


def test_labels_of_ones_own_are_read(database: foretell.Database) -> None:
    """The positive control of the refusals that follow."""
    assert given(database, rows()).check().labels.rows == 2
    assert given(database, SELECT).check().labels.rows > 20


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("SELECT nonsense :cutoff", "the SELECT for labels cannot be read: Parser Error"),
        ("SELECT * FROM nothing WHERE x > :cutoff", "Table with name nothing does not exist"),
        (SELECT + "; DROP TABLE orders", "labels come from one SELECT"),
        ("WITH a AS (SELECT :cutoff) INSERT INTO orders SELECT a", "labels come from one SELECT"),
        ("SELECT * FROM read_text('/etc/passwd') WHERE :cutoff > now()", "operations are disabled"),
        ("nowhere.parquet", "there is no file nowhere.parquet"),
        (rows(cutoff=["soon", "2024-03-01"]), "holds what is no time"),
        (rows(label=[[1], [2]]), "expected numbers, booleans or text"),
        (rows(customer_id=[1, 999]), "1 label of 2 name entities that are not in 'customers'"),
        (rows(customer_id=[1, 1]), "1 label repeat an entity at the same cutoff"),
        (rows(label=[float("nan"), float("inf")]), "there is no label to learn from: 2 no value"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_used_are_refused_in_words(
    labels: object, message: str, database: foretell.Database
) -> None:
    people = len(database.query(CHURN).labels(["2024-03-01"]))
    with pytest.raises(foretell.ForetellError, match=re.escape(message)):
        given(database, labels).check()
    assert len(database.query(CHURN).labels(["2024-03-01"])) == people


def test_a_file_that_is_no_table_is_refused_in_words(database: foretell.Database, tmp_path: Path) -> None:
    (tmp_path / "labels.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"the labels in .* cannot be read"):
        given(database, tmp_path / "labels.parquet")
