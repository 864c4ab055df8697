"""A small database and its plans: customers place orders, orders have lines, customers live in a region."""

from __future__ import annotations

from foretell.core.time import Instant, Offset, parse_instant
from foretell.features.lower import feature_plan, target_plan
from foretell.features.model import FeatureSet, Nested
from foretell.features.synthesize import Profile, synthesize
from foretell.plan import nodes
from foretell.query.parser import parse
from foretell.schema.breadth import Breadth, FeatureSettings
from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table
from foretell.task.bind import bind
from foretell.task.model import Task


def _id(name: str) -> Column:
    return Column(name, DType.INTEGER, Semantic.IDENTIFIER, distinct=50)


def _time(name: str) -> Column:
    return Column(name, DType.TIMESTAMP, Semantic.TIME, distinct=50)


def _number(name: str, known_at: str | None = None) -> Column:
    return Column(name, DType.FLOAT, Semantic.NUMERIC, distinct=50, known_at=known_at)


SCHEMA = Schema(
    (
        Table("regions", (_id("id"), _number("size")), ("id",)),
        Table(
            "customers",
            (_id("id"), _id("region"), _time("joined"), _time("left")),
            ("id",),
            "joined",
            end_time="left",
        ),
        Table(
            "orders",
            (
                _id("id"),
                _id("customer"),
                _time("at"),
                _number("amount"),
                Column("channel", DType.TEXT, Semantic.CATEGORICAL, distinct=3),
                _time("delivered"),
                _number("rating", known_at="delivered"),
            ),
            ("id",),
            "at",
        ),
        Table("lines", (_id("id"), _id("order"), _number("price")), ("id",)),
        Table(
            "visits",
            (_id("id"), _id("customer"), _time("at")),
            ("id",),
            "at",
            available_after=Offset(1),
        ),
    ),
    (
        Link("customers", ("region",), "regions", ("id",)),
        Link("orders", ("customer",), "customers", ("id",)),
        Link("lines", ("order",), "orders", ("id",)),
        Link("visits", ("customer",), "customers", ("id",)),
    ),
)
QUERIES = {
    "churn": "PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.id "
    "WHERE COUNT(orders.*, -90, 0, days) > 0",
    "spend": "PREDICT SUM(lines.price WHERE lines.price > 1, 0, 1, month) FOR EACH customers.id",
    "amount": "PREDICT orders.amount FOR EACH orders.id",
}
CUTOFFS: tuple[Instant, ...] = (parse_instant("2024-03-01"), parse_instant("2024-04-01"))
_KEPT = {
    "churn": 12,
    "spend": 10,
    "amount": 8,
}


def task(name: str) -> Task:
    return bind(parse(QUERIES[name]), SCHEMA)


def features(name: str) -> FeatureSet:
    """A few features of each kind."""
    every = synthesize(task(name), Profile(365.0, lambda table, column: ("web", "shop"))).features
    step = max(1, len(every) // _KEPT[name])
    return FeatureSet(every[::step])


def plans(name: str) -> tuple[nodes.Target, nodes.FeaturePlan]:
    return target_plan(task(name)), feature_plan(task(name), features(name))


def nested_features() -> FeatureSet:
    """A few aggregates of aggregates: over a customer's orders, of their lines."""
    asked = FeatureSettings(Breadth.MORE, budget=5_000)
    every = synthesize(task("churn"), Profile(365.0, lambda table, column: ()), asked).features
    return FeatureSet(tuple(f for f in every if isinstance(f.definition, Nested))[::5])
