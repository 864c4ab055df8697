"""What the proof refuses, node by node. Leaks that also show in data are in tests/law."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from small_plans import QUERIES, SCHEMA, plans, task

from foretell.core.errors import LeakError
from foretell.core.time import Offset, Unit
from foretell.features.lower import feature_plan, target_plan
from foretell.plan import nodes
from foretell.plan.nodes import Until
from foretell.plan.proof import prove
from foretell.query.ast import Column
from foretell.query.parser import parse
from foretell.schema.model import DType, Hop
from foretell.task.bind import bind
from foretell.testing.random_databases import make_database, make_task

CUSTOMERS = nodes.Scan("customers", Until.CUTOFF)


def block(made: nodes.Block) -> nodes.FeaturePlan:
    return nodes.FeaturePlan("customers", ("id",), (made,))


def up(source: nodes.Relation, link: str, until: Until) -> nodes.Follow:
    return nodes.Follow(source, Hop(SCHEMA.link(link), up=True), until)


def orders(until: Until, **more: object) -> nodes.Events:
    rows = up(nodes.Scan("orders", until), "orders.customer", Until.CUTOFF)
    return nodes.Events(rows, **more)  # type: ignore[arg-type]


def counted(events: nodes.Events | nodes.PastLabels) -> nodes.FeaturePlan:
    return block(nodes.Aggregate(CUSTOMERS, events, (), (nodes.Measured("n", "count"),)))


@pytest.mark.parametrize("name", QUERIES)
def test_sound_plans_pass(name: str) -> None:
    for plan in plans(name):
        prove(plan, SCHEMA)


def test_all_that_is_synthesised_is_proven() -> None:
    from foretell.features.synthesize import Profile, synthesize

    proven = 0
    for seed in range(40):
        database = make_database(seed, tables=1 + seed % 5, rows=6)
        made = make_task(database, seed)
        if made is None:
            continue
        features = synthesize(made, Profile(120.0, lambda table, column: ("red",)))
        prove(target_plan(made), database.schema)
        prove(feature_plan(made, features), database.schema)
        proven += 1
    assert proven > 25


@pytest.mark.parametrize("until", [u for u in Until if u is not Until.CUTOFF])
def test_events_end_at_the_cutoff(until: Until) -> None:
    prove(counted(orders(Until.CUTOFF)), SCHEMA)
    with pytest.raises(LeakError, match="'orders'"):
        prove(counted(orders(until)), SCHEMA)


@pytest.mark.parametrize("until", [Until.END, Until.WINDOW, Until.ROW, Until.OWN])
def test_a_table_without_a_time_is_read_as_of_now(until: Until) -> None:
    read = (nodes.Read("size", "size", DType.FLOAT),)
    prove(block(nodes.AsOf(up(CUSTOMERS, "customers.region", Until.NOW), read)), SCHEMA)
    with pytest.raises(LeakError, match="no time"):
        prove(block(nodes.AsOf(up(CUSTOMERS, "customers.region", until), read)), SCHEMA)


def test_a_lookup_leads_to_one_row() -> None:
    down = nodes.Follow(CUSTOMERS, Hop(SCHEMA.link("orders.customer"), up=False), Until.CUTOFF)
    with pytest.raises(LeakError, match="many rows"):
        prove(block(nodes.AsOf(down, (nodes.Read("a", "amount", DType.FLOAT),))), SCHEMA)


def test_events_reach_their_anchor() -> None:
    with pytest.raises(LeakError, match="not at"):
        prove(counted(nodes.Events(nodes.Scan("orders", Until.CUTOFF))), SCHEMA)


def test_late_values_wait() -> None:
    rating = nodes.Input(Column("orders", "rating"), DType.FLOAT)
    with pytest.raises(LeakError, match="known at 'delivered'"):
        prove(counted(orders(Until.CUTOFF, inputs=(rating,))), SCHEMA)
    prove(counted(orders(Until.CUTOFF, inputs=(rating,), delays=("delivered",))), SCHEMA)


def test_late_values_wait_in_conditions_too() -> None:
    where = task_where("PREDICT COUNT(orders.* WHERE orders.rating > 3, 0, 30, days) FOR EACH customers.id")
    with pytest.raises(LeakError, match="known at 'delivered'"):
        prove(counted(orders(Until.CUTOFF, where=where)), SCHEMA)


def task_where(text: str) -> object:
    return bind(parse(text), SCHEMA).target.aggregates[0].where


@pytest.mark.parametrize("ago", [Offset(-1), Offset(-1, Unit.MONTH), Offset(math.inf), Offset(-math.inf)])
def test_what_was_so_a_while_ago_was_so_before_the_cutoff(ago: Offset) -> None:
    for plan in (counted(orders(Until.CUTOFF)), counted(past(target_plan(task("churn"))))):
        (made,) = plan.blocks
        assert isinstance(made, nodes.Aggregate)
        for fine in (None, Offset(0), Offset(335), Offset(11, Unit.MONTH)):
            prove(block(replace(made, ago=fine)), SCHEMA)
        with pytest.raises(LeakError, match="after the cutoff"):
            prove(block(replace(made, ago=ago)), SCHEMA)
    each = nested(orders(Until.CUTOFF), lines(Until.CUTOFF))
    with pytest.raises(LeakError, match="after the cutoff"):
        prove(block(replace(each, inner=replace(each.inner, ago=ago))), SCHEMA)


def past(target: nodes.Target, until: Until = Until.CUTOFF) -> nodes.PastLabels:
    return nodes.PastLabels(target, Offset(30), 24, until)


def test_past_labels_have_closed() -> None:
    target = target_plan(task("churn"))
    prove(counted(past(target)), SCHEMA)
    with pytest.raises(LeakError, match="closed"):
        prove(counted(past(target, Until.END)), SCHEMA)


def test_past_labels_of_late_values_may_not_be_known_yet() -> None:
    """An order of the closed window may be delivered, and rated, after the cutoff."""
    text = "PREDICT AVG(orders.rating, 0, 30, days) FOR EACH customers.id"
    target = target_plan(bind(parse(text), SCHEMA))
    prove(target, SCHEMA)
    with pytest.raises(LeakError, match="known at 'delivered'"):
        prove(counted(past(target)), SCHEMA)


def test_the_population_exists_at_the_cutoff() -> None:
    target, _ = plans("churn")
    for until in (Until.END, Until.OWN, Until.NOW):
        with pytest.raises(LeakError, match="'customers'"):
            prove(replace(target, population=nodes.Scan("customers", until)), SCHEMA)


def test_what_is_asked_for_is_not_read() -> None:
    column = next(c.name for c in SCHEMA.table("customers").columns if c.name != "id")
    read = nodes.AsOf(CUSTOMERS, (nodes.Read("same", column, DType.TEXT),))
    open_plan = block(read)
    prove(open_plan, SCHEMA)
    with pytest.raises(LeakError, match="which is being asked for"):
        prove(replace(open_plan, hidden=(column,)), SCHEMA)


def lines(until: Until, **more: object) -> nodes.Events:
    rows = up(nodes.Scan("lines", until), "lines.order", Until.CUTOFF)
    return nodes.Events(rows, **more)  # type: ignore[arg-type]


def nested(
    members: nodes.Events, inner: nodes.Events | nodes.PastLabels, start: str = "orders"
) -> nodes.Nested:
    measured = (nodes.Measured("n", "count"),)
    each = nodes.Aggregate(nodes.Scan(start, Until.CUTOFF), inner, (), measured)
    return nodes.Nested(CUSTOMERS, members, each, (), (nodes.Measured("n", "mean", 0),))


@pytest.mark.parametrize("until", [u for u in Until if u is not Until.CUTOFF])
def test_members_and_what_they_come_to_end_at_the_cutoff(until: Until) -> None:
    sound = nested(orders(Until.CUTOFF), lines(Until.CUTOFF))
    prove(block(sound), SCHEMA)
    with pytest.raises(LeakError, match="'orders'"):
        prove(block(replace(sound, members=orders(until))), SCHEMA)
    with pytest.raises(LeakError, match="'lines'"):
        prove(block(nested(orders(Until.CUTOFF), lines(until))), SCHEMA)


def test_members_are_rows_as_they_are() -> None:
    late = orders(Until.CUTOFF, delays=("delivered",))
    with pytest.raises(LeakError, match="for others than they are"):
        prove(block(nested(late, lines(Until.CUTOFF))), SCHEMA)
    far = nodes.Events(up(lines(Until.CUTOFF).rows, "orders.customer", Until.CUTOFF))
    with pytest.raises(LeakError, match="for others than they are"):
        prove(block(nested(far, lines(Until.CUTOFF), "lines")), SCHEMA)


def test_what_is_nested_starts_at_its_members() -> None:
    with pytest.raises(LeakError, match="does not start"):
        prove(block(nested(orders(Until.CUTOFF), lines(Until.CUTOFF), "visits")), SCHEMA)
    with pytest.raises(LeakError, match="does not start"):
        prove(block(nested(orders(Until.CUTOFF), past(target_plan(task("churn"))))), SCHEMA)
    with pytest.raises(LeakError, match="not at 'orders'"):
        prove(block(nested(orders(Until.CUTOFF), orders(Until.CUTOFF))), SCHEMA)
