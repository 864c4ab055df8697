"""Binding: what a query means over a schema, and how it is refused."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from fixture_schemas import EVERYTHING, MARGIN, RACES, SHOP, make_schema

from foretell.core.errors import QueryError
from foretell.core.time import Offset, Unit, parse_instant
from foretell.query import ast
from foretell.query.ast import Function
from foretell.query.format import format_expr
from foretell.query.parser import parse, parse_expr
from foretell.schema.model import DType, Link, Schema, Table
from foretell.task.aggregates import ACCEPTS
from foretell.task.bind import bind
from foretell.task.describe import describe
from foretell.task.functions import ALIASES, CASTS, SCALARS
from foretell.task.model import BoundAggregate, Task, TaskKind
from foretell.task.paths import paths_down

CASES = Path(__file__).parent / "cases"


def cases(name: str) -> list[pytest.param]:  # type: ignore[valid-type]
    """(query, expected) of each case: title, query, `----`, expected; cases are parted by `====`."""
    found = []
    for block in (CASES / f"{name}.txt").read_text().split("\n====\n"):
        title, _, rest = block.strip("\n").partition("\n")
        text, _, expected = rest.partition("\n----\n")
        found.append(pytest.param(text, expected.rstrip("\n"), id=title))
    return found


def shop(text: str) -> Task:
    return bind(parse(text), SHOP)


def first(task: Task) -> BoundAggregate:
    return task.target.aggregates[0]


@pytest.mark.parametrize(("text", "expected"), cases("refusals"))
def test_refuses_with_a_caret(text: str, expected: str) -> None:
    with pytest.raises(QueryError) as raised:
        shop(text)
    assert str(raised.value) == expected


@pytest.mark.parametrize(("text", "expected"), cases("descriptions"))
def test_describes_in_english(text: str, expected: str) -> None:
    assert describe(shop(text)) == expected


QUERIES = [
    ("PREDICT COUNT(orders.*, 0, 90, days) = 0 FOR EACH customers.customer_id", TaskKind.BINARY, "90 days"),
    (
        "PREDICT SUM(orders.amount, 0, 30, days) FOR EACH customers.customer_id",
        TaskKind.REGRESSION,
        "30 days",
    ),
    (
        "PREDICT AVG(reviews.stars, 0, 12, weeks) FOR EACH products.product_id",
        TaskKind.REGRESSION,
        "12 weeks",
    ),
    (
        "PREDICT MIN(results.position, 0, 30, days) <= 3 FOR EACH drivers.driver_id",
        TaskKind.BINARY,
        "30 days",
    ),
    ("PREDICT MAX(readings.temp, 0, 6, hours) > 80 FOR EACH machines.id", TaskKind.BINARY, "6 hours"),
    (
        "PREDICT COUNT_DISTINCT(orders.article_id, 0, 30, days) FOR EACH customers.customer_id",
        TaskKind.REGRESSION,
        "30 days",
    ),
    ("PREDICT LAST(loans.status, 0, 2, months) FOR EACH accounts.id", TaskKind.MULTICLASS, "2 months"),
    (
        "PREDICT COUNT(orders.* WHERE orders.price > 50, 0, 30, days) > 0 FOR EACH users.user_id",
        TaskKind.BINARY,
        "30 days",
    ),
    ("PREDICT COUNT(orders.*, 15, 45, days) = 0 FOR EACH users.user_id", TaskKind.BINARY, "45 days"),
    (
        "PREDICT (SUM(orders.price,0,30,days) > 100 OR COUNT(orders.*,0,30,days) >= 5) "
        "AND NOT COUNT(returns.*,0,30,days) > 0 FOR EACH users.user_id",
        TaskKind.BINARY,
        "30 days",
    ),
    (
        "PREDICT COUNT(orders.*,0,30,days) = 0 FOR EACH users.user_id WHERE COUNT(orders.*,-90,0,days) > 0",
        TaskKind.BINARY,
        "30 days",
    ),
    (
        "PREDICT SUM(orders.price,0,30,days) FOR EACH users.user_id "
        "WHERE COUNT(orders.*,-INF,0,days) >= 3 AND users.country = 'NL'",
        TaskKind.REGRESSION,
        "30 days",
    ),
    ("PREDICT users.age FOR EACH users.user_id", TaskKind.REGRESSION, None),
    ("PREDICT products.category FOR EACH products.product_id", TaskKind.MULTICLASS, None),
    (
        "PREDICT loans.status IN ('late','default') FOR EACH loans.loan_id WHERE loans.amount > 1000",
        TaskKind.BINARY,
        None,
    ),
    (
        "PREDICT LIST_DISTINCT(orders.item_id,0,7,days) RANK TOP 10 FOR EACH users.user_id",
        TaskKind.RANKING,
        "7 days",
    ),
    (
        "PREDICT LIST_DISTINCT(visits.channel,0,14,days) CLASSIFY FOR EACH users.user_id",
        TaskKind.MULTILABEL,
        "14 days",
    ),
    (
        "PREDICT SUM(sales.qty,0,1,days) FORECAST 28 TIMEFRAMES FOR EACH stores.store_id",
        TaskKind.FORECAST,
        "28 days",
    ),
    (
        "PREDICT COUNT(orders.*,0,30,days) > 0 FOR EACH users.user_id "
        "ASSUMING COUNT(notifications.* WHERE notifications.type = 'DISCOUNT',0,7,days) > 0",
        TaskKind.BINARY,
        "30 days",
    ),
    ("PREDICT COUNT(orders.*,0,30,days) = 0 FOR users.user_id IN (42, 123)", TaskKind.BINARY, "30 days"),
    (
        'PREDICT COUNT(results.* WHERE results."statusId" != 1, 0, 30, days) > 0 FOR EACH drivers."driverId" '
        "ASSUMING COUNT(results.*, 0, 30, days) > 0",
        TaskKind.BINARY,
        "30 days",
    ),
    (
        "PREDICT SUM(lines.revenue, 0, 1, month) - SUM(lines.cost, 0, 1, month) FOR EACH customers.id",
        TaskKind.REGRESSION,
        "1 month",
    ),
]
SCHEMAS: dict[int, Schema] = {21: RACES, 22: MARGIN}


@pytest.mark.parametrize("number", range(1, len(QUERIES) + 1))
def test_the_queries_that_must_run(number: int) -> None:
    text, kind, horizon = QUERIES[number - 1]
    task = bind(parse(text), SCHEMAS.get(number, EVERYTHING))
    assert task.kind is kind
    assert (None if task.horizon is None else str(task.horizon)) == horizon
    assert task.step == task.horizon
    assert describe(task).startswith("For each ")
    expr = parse_expr(format_expr(task.target.expr))
    assert expr == task.target.expr  # model files keep expressions as text


def test_placeholders_index_the_aggregates() -> None:
    task = shop(
        "PREDICT SUM(orders.amount, 0, 30, days) / COUNT(orders.*, 0, 30, days) > "
        "SUM(orders.amount, 0, 30, days) / 2 FOR EACH customers.customer_id"
    )
    assert format_expr(task.target.expr) == "a0 / a1 > a0 / 2"
    assert [a.function for a in task.target.aggregates] == [Function.SUM, Function.COUNT]
    assert task.target.dtype is DType.BOOLEAN
    assert task.target.columns == ()


def test_names_forgive_letter_case_and_come_out_as_the_schema_has_them() -> None:
    task = shop("PREDICT SUM(ORDERS.Amount WHERE STATUS = 'x', 0, 30, days) FOR EACH Customers.CUSTOMER_ID")
    bound = first(task)
    assert bound.table == "orders"
    assert bound.value == ast.Column("orders", "amount")
    assert bound.where is not None
    assert format_expr(bound.where) == "orders.status = 'x'"
    assert (task.query.entity.table, task.query.entity.name) == ("customers", "customer_id")
    assert task.entity_key == ("customer_id",)


def test_a_schema_before_the_table_is_accepted() -> None:
    plain = shop("PREDICT COUNT(main.orders.*, 0, 30, days) FOR EACH main.customers.customer_id")
    assert first(plain).table == "orders"
    dotted = make_schema("shop.customers: id id*\nshop.orders: o id*, id id>shop.customers, at time@")
    assert first(
        bind(parse("PREDICT COUNT(shop.orders.*, 0, 7) FOR EACH shop.customers.id"), dotted)
    ).table == ("shop.orders")


# ── paths ──


def hops(task: Task) -> list[str]:
    return [hop.link.name for hop in first(task).path]


def test_the_shortest_path_is_taken_down_from_the_entity() -> None:
    task = shop("PREDICT COUNT(parcels.*, 0, 30, days) FOR EACH customers.customer_id")
    assert hops(task) == ["orders.customer_id", "shipments.order_id", "parcels.shipment_id"]
    assert not any(hop.up for hop in first(task).path)


@pytest.mark.parametrize("via", ["ship_to", "shipments.ship_to", "Shipments.SHIP_TO"])
def test_via_chooses_a_link(via: str) -> None:
    task = shop(f"PREDICT COUNT(shipments.* VIA {via}, 0, 30, days) FOR EACH addresses.address_id")
    assert hops(task) == ["shipments.ship_to"]
    assert "shipments by ship_to" in describe(task)


@pytest.mark.parametrize("via", ["shipments.bill_to", "parcels.shipment_id.shipments.bill_to"])
def test_via_chooses_among_longer_paths(via: str) -> None:
    task = shop(f"PREDICT COUNT(parcels.* VIA {via}, 0, 30, days) FOR EACH addresses.address_id")
    assert hops(task) == ["shipments.bill_to", "parcels.shipment_id"]


def test_the_entitys_own_row_is_the_path_of_no_hops() -> None:
    task = shop(
        "PREDICT COUNT(posts.* VIA posts.parent_id, 0, 9, days) > 0 FOR EACH posts.post_id "
        "WHERE COUNT(posts.* VIA posts.post_id, -730, 0, days) > 0"
    )
    assert hops(task) == ["posts.parent_id"]
    assert task.where is not None
    assert task.where.aggregates[0].path == ()


def test_one_self_link_is_taken_without_via() -> None:
    schema = make_schema("posts: id id*, parent id>posts, at time@")
    assert hops(bind(parse("PREDICT COUNT(posts.*, 0, 9) FOR EACH posts.id"), schema)) == ["posts.parent"]


def test_paths_end_after_four_hops() -> None:
    lines = ["t0: id id*"] + [f"t{i}: id id*, up id>t{i - 1}, at time@" for i in range(1, 7)]
    schema = make_schema("\n".join(lines))
    assert [len(p) for p in paths_down(schema, "t0", "t4")] == [4]
    assert paths_down(schema, "t0", "t5") == ()


def test_composite_links_are_followed() -> None:
    votes = SHOP.table("votes")
    remark = Table("remarks", (*votes.columns[:2], votes.columns[3]), (), "at", rows=5)
    link = Link("remarks", ("rcid", "country"), "votes", ("rcid", "country"))
    schema = Schema((votes, remark), (link,))
    task = bind(
        parse("PREDICT COUNT(remarks.* VIA remarks.country, 0, 7, days) FOR EACH votes.country"), schema
    )
    assert hops(task) == ["remarks.rcid+country"]
    assert task.entity_key == ("rcid", "country")


# ── types ──


@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        ("COUNT(orders.*", DType.INTEGER),
        ("COUNT(orders.status", DType.INTEGER),
        ("COUNT_DISTINCT(orders.status", DType.INTEGER),
        ("SUM(orders.amount", DType.FLOAT),
        ("SUM(orders.paid", DType.INTEGER),
        ("AVG(orders.paid", DType.FLOAT),
        ("AVG(orders.status = 'late'", DType.FLOAT),
        ("MIN(orders.placed", DType.TIMESTAMP),
        ("MAX(orders.paid", DType.BOOLEAN),
        ("FIRST(orders.status", DType.TEXT),
        ("MODE(orders.status", DType.TEXT),
        ("MEDIAN(orders.amount", DType.FLOAT),
        ("STDDEV(orders.amount", DType.FLOAT),
        ("EXISTS(orders.*", DType.BOOLEAN),
    ],
)
def test_result_types(function: str, dtype: DType) -> None:
    task = shop(f"PREDICT {function}, 0, 30, days) IS NOT NULL FOR EACH customers.customer_id")
    assert first(task).dtype is dtype


def test_every_aggregate_says_what_it_takes() -> None:
    assert set(ACCEPTS) == set(Function)


def test_booleans_are_summed_as_numbers() -> None:
    task = shop("PREDICT AVG(orders.status = 'late', 0, 30, days) FOR EACH customers.customer_id")
    value = first(task).value
    assert value is not None
    assert format_expr(value) == "CAST(orders.status = 'late' AS INTEGER)"


def test_exists_of_a_column_asks_for_a_known_value() -> None:
    bound = first(shop("PREDICT EXISTS(orders.scan WHERE paid, 0, 30, days) FOR EACH customers.customer_id"))
    assert bound.value is None
    assert bound.where is not None
    assert format_expr(bound.where) == "orders.paid AND orders.scan IS NOT NULL"


def condition(text: str, schema: Schema = SHOP) -> str:
    task = bind(
        parse(f"PREDICT COUNT(orders.* WHERE {text}, 0, 30, days) FOR EACH customers.customer_id"), schema
    )
    where = first(task).where
    assert where is not None
    return format_expr(where)


@pytest.mark.parametrize(
    ("written", "bound"),
    [
        ("placed > '2011-01-01'", "orders.placed > CAST('2011-01-01' AS TIMESTAMP)"),
        (
            "'2011-01-01T12:00:00+02:00' <= placed",
            "CAST('2011-01-01 10:00:00' AS TIMESTAMP) <= orders.placed",
        ),
        ("YEAR('2011-01-01') = 2011", "YEAR(CAST('2011-01-01' AS TIMESTAMP)) = 2011"),
        ("paid = 1", "orders.paid = TRUE"),
        ("paid AND NOT paid", "orders.paid AND NOT orders.paid"),
        ("paid + 1 > 1.5", "CAST(orders.paid AS INTEGER) + 1 > 1.5"),
        ("ifnull(amount, 0) = 0", "COALESCE(orders.amount, 0) = 0"),
        ("iif(paid, amount, 0) > 1", "CASE WHEN orders.paid THEN orders.amount ELSE 0 END > 1"),
        (
            "CAST(placed AS date) = '2020-02-01'",
            "DATE_TRUNC('day', orders.placed) = CAST('2020-02-01' AS TIMESTAMP)",
        ),
        ("status || '!' LIKE '%x!'", "orders.status || '!' LIKE '%x!'"),
        (
            "CASE status WHEN 'a' THEN 1 ELSE 0.5 END > 0.7",
            "CASE orders.status WHEN 'a' THEN 1 ELSE 0.5 END > 0.7",
        ),
        (
            "DATE_DIFF('DAY', placed, 2020-01-01) > 3",
            "DATE_DIFF('day', orders.placed, CAST('2020-01-01' AS TIMESTAMP)) > 3",
        ),
        ("amount BETWEEN 1 AND 2.5", "orders.amount BETWEEN 1 AND 2.5"),
        ("scan IS NULL", "orders.scan IS NULL"),
    ],
)
def test_conditions_are_written_so_that_no_engine_guesses(written: str, bound: str) -> None:
    assert condition(written) == bound


def test_dates_without_a_zone_are_in_the_schemas() -> None:
    schema = make_schema(
        "customers: customer_id id*\norders: o id*, customer_id id>customers, placed time@",
        timezone="Europe/Amsterdam",
    )
    assert (
        condition("placed > '2024-07-01'", schema)
        == "orders.placed > CAST('2024-06-30 22:00:00' AS TIMESTAMP)"
    )
    assert (
        condition("placed > '2024-07-01T00:00Z'", schema) == "orders.placed > CAST('2024-07-01' AS TIMESTAMP)"
    )


def test_function_tables_agree() -> None:
    assert set(ALIASES.values()) <= set(SCALARS)
    assert not set(ALIASES) & set(SCALARS)
    assert set(CASTS) == {"INTEGER", "FLOAT", "TEXT", "BOOLEAN", "TIMESTAMP", "DATE"}
    for scalar in SCALARS.values():
        assert scalar.fits(scalar.at_least)
        assert not scalar.fits(scalar.at_least - 1)


def test_deep_and_long_conditions_bind() -> None:
    chain = " OR ".join(f"orders.amount = {i}" for i in range(120))
    assert condition(chain) == chain
    deep = "(" * 60 + "amount" + " + 1)" * 60 + " > 0"
    assert condition(deep).startswith("orders.amount + 1")


# ── kinds and times ──


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("FIRST(orders.paid, 0, 7)", TaskKind.BINARY),
        ("LAST(orders.amount, 0, 7)", TaskKind.REGRESSION),
        ("MODE(orders.status, 0, 7)", TaskKind.MULTICLASS),
        ("LAST(orders.customer_id, 0, 7)", TaskKind.MULTICLASS),
        ("EXISTS(orders.*, 0, 7)", TaskKind.BINARY),
        ("MAX(orders.paid, 0, 7)", TaskKind.BINARY),
        ("MAX(orders.placed, 0, 7) > '2020-01-01'", TaskKind.BINARY),
        ("CASE WHEN COUNT(orders.*, 0, 7) > 5 THEN 'many' ELSE 'few' END", TaskKind.MULTICLASS),
        ("customers.vip", TaskKind.BINARY),
        ("customers.age", TaskKind.REGRESSION),
        ("vip", TaskKind.BINARY),
    ],
)
def test_task_kinds(target: str, kind: TaskKind) -> None:
    assert shop(f"PREDICT {target} FOR EACH customers.customer_id").kind is kind


def test_an_integer_that_means_a_category_is_classified() -> None:
    assert shop("PREDICT posts.kind FOR EACH posts.post_id").kind is TaskKind.MULTICLASS


def test_horizon_gap_and_step() -> None:
    text = (
        "PREDICT SUM(orders.amount, 2, 3, weeks) + SUM(orders.amount, 10, 1000, hours) "
        "FOR EACH customers.customer_id "
        "ASSUMING COUNT(orders.*, 0, 2, months) > 0 EVERY 5 days AS OF 2026-03-01"
    )
    task = shop(text)
    assert task.horizon == Offset(2, Unit.MONTH)
    assert task.gap == Offset(10, Unit.HOUR)
    assert task.step == Offset(5, Unit.DAY)
    assert task.as_of == parse_instant("2026-03-01")
    assert task.hidden == ()


def test_where_without_a_window_reads_all_of_the_past() -> None:
    task = shop("PREDICT COUNT(orders.*, 0, 7) FOR EACH customers.customer_id WHERE COUNT(orders.*) > 3")
    assert task.where is not None
    aggregate = task.where.aggregates[0]
    assert (aggregate.start.amount, aggregate.end.amount) == (-math.inf, 0)


def test_all_rows_of_a_table_without_time_may_be_counted_in_where() -> None:
    shop("PREDICT COUNT(readings.*, 0, 7) FOR EACH stations.station WHERE COUNT(tags.*, -INF, 0, days) > 0")
    with pytest.raises(QueryError, match="has no time column"):
        shop("PREDICT COUNT(readings.*, 0, 7) FOR EACH stations.station WHERE COUNT(tags.*, -7, 0, days) > 0")


def test_a_forecast_reaches_its_last_step() -> None:
    task = shop(
        "PREDICT SUM(orders.amount, 7, 14, days) FORECAST 4 TIMEFRAMES FOR EACH customers.customer_id"
    )
    assert (task.horizon, task.gap) == (Offset(35), Offset(7))


def test_a_static_target_hides_its_columns() -> None:
    task = shop("PREDICT matches.home > matches.away + matches.home FOR EACH matches.match_id")
    assert task.hidden == ("home", "away")
    assert task.is_static
    assert (task.horizon, task.gap, task.step) == (None, None, None)


def test_a_target_may_mix_columns_and_aggregates() -> None:
    task = shop("PREDICT COUNT(orders.*, 0, 30, days) > customers.age FOR EACH customers.customer_id")
    assert not task.is_static
    assert [c.name for c in task.target.columns] == ["age"]


def test_a_unique_column_names_the_entities_of_a_table_without_a_key() -> None:
    schema = make_schema("logs: line int*, at time@")
    column = schema.table("logs").columns[0]
    keyless = Schema((Table("logs", (column, schema.table("logs").columns[1]), (), "at", rows=10),))
    task = bind(parse("PREDICT COUNT(logs.* VIA logs.line, 0, 7) FOR EACH logs.line = 3.0"), keyless)
    assert task.entity_key == ("line",)
    assert task.query.entity_values is not None
    assert repr(task.query.entity_values[0].value) == "3"


def test_an_error_without_text_has_no_caret() -> None:
    query = parse("PREDICT SUM(orders.amonut, 0, 30, days) FOR EACH customers.customer_id")
    bare = ast.Query(target=query.target, entity=query.entity)
    with pytest.raises(QueryError) as raised:
        bind(bare, SHOP)
    assert not re.search(r"\^", str(raised.value))
