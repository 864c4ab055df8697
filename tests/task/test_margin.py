"""The margin of a condition: which have one, and what it is."""

from __future__ import annotations

import pytest
from fixture_schemas import SHOP

from foretell.query.format import format_expr
from foretell.query.parser import parse
from foretell.task.bind import bind
from foretell.task.margin import margin_task
from foretell.task.model import TaskKind

FOR = "FOR EACH customers.customer_id"


def target_of(condition: str) -> str | None:
    task = bind(parse(f"PREDICT {condition} {FOR}"), SHOP)
    found = margin_task(task)
    if found is None:
        return None
    assert found.kind is TaskKind.REGRESSION
    assert (found.horizon, found.step, found.where) == (task.horizon, task.step, task.where)
    return format_expr(found.query.target)


@pytest.mark.parametrize("op", [">", ">="])
def test_above_a_border_it_is_what_is_compared_less_the_border(op: str) -> None:
    assert target_of(f"SUM(orders.amount, 0, 30, days) {op} 50") == "SUM(orders.amount, 0, 30, days) - 50"


@pytest.mark.parametrize("op", ["<", "<="])
def test_below_a_border_it_is_the_other_way_round(op: str) -> None:
    assert target_of(f"SUM(orders.amount, 0, 30, days) {op} 50") == "50 - SUM(orders.amount, 0, 30, days)"


@pytest.mark.parametrize(
    "condition",
    [
        "COUNT(orders.*, 0, 30, days) > 0",
        "COUNT(orders.*, 0, 30, days) >= 1",
        "COUNT(orders.*, 0, 30, days) = 0",
        "EXISTS(orders.*, 0, 30, days)",
        "SUM(orders.amount, 0, 30, days) > 5 AND COUNT(orders.*, 0, 30, days) > 2",
        "SUM(orders.amount, 0, 30, days)",
    ],
)
def test_others_have_none(condition: str) -> None:
    assert target_of(condition) is None


def test_a_count_with_a_border_above_none_has_one() -> None:
    assert target_of("COUNT(orders.*, 0, 30, days) > 2") == "COUNT(orders.*, 0, 30, days) - 2"
