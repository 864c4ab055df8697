"""A small shop in which every leak shows: parents younger than their children, late values, ties."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from foretell.core.time import DAY, Instant, Offset, Unit, parse_instant
from foretell.features.lower import feature_plan, target_plan
from foretell.features.model import Attribute, FeatureSet
from foretell.features.synthesize import Profile, synthesize
from foretell.plan import nodes
from foretell.query.parser import parse
from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table
from foretell.task.bind import bind
from foretell.task.model import Task

START = parse_instant("2024-01-01")
CUTOFF: Instant = START + 60 * DAY
_KINDS = {
    "id": (DType.INTEGER, Semantic.IDENTIFIER),
    "num": (DType.FLOAT, Semantic.NUMERIC),
    "cat": (DType.TEXT, Semantic.CATEGORICAL),
    "time": (DType.TIMESTAMP, Semantic.TIME),
}


def _table(name: str, text: str, time: str | None = None, **more: object) -> Table:
    columns = []
    for part in text.split():
        column, kind, *known = part.split(":")
        dtype, semantic = _KINDS[kind]
        late = known[0] if known else None
        columns.append(Column(column, dtype, semantic, known_at=late, distinct=5, null_fraction=0.1))
    return Table(name, tuple(columns), ("id",), time, rows=100, **more)  # type: ignore[arg-type]


def _link(child: str, column: str, parent: str) -> Link:
    return Link(child, (column,), parent, ("id",))


SCHEMA = Schema(
    (
        _table("regions", "id:id opened:time size:num", "opened"),
        _table(
            "customers",
            "id:id region:id joined:time ended:time segment:cat:rated rated:time",
            "joined",
            end_time="ended",
        ),
        _table("shops", "id:id opened:time area:num rank:num:ranked ranked:time", "opened"),
        _table(
            "orders",
            "id:id customer:id shop:id at:time amount:num status:cat:settled settled:time",
            "at",
        ),
        _table("payments", "id:id order:id at:time paid:num", "at"),
        _table("visits", "id:id customer:id at:time length:num", "at", available_after=Offset(36, Unit.HOUR)),
    ),
    (
        _link("customers", "region", "regions"),
        _link("orders", "customer", "customers"),
        _link("orders", "shop", "shops"),
        _link("payments", "order", "orders"),
        _link("visits", "customer", "customers"),
    ),
)


def make_frames(
    seed: int = 0, *, people: int = 25, orders: int = 400, payments: int = 500, visits: int = 600
) -> dict[str, pa.Table]:
    """120 days of it; the cutoff is in the middle, and some rows lie exactly on it."""
    rng = np.random.default_rng(seed)
    shops = 6

    def times(count: int, first: int = 0, last: int = 120) -> pa.Array:
        days = rng.integers(first, last, count)
        hours = rng.choice([0, 0, 7, 13], count)
        return pa.array(START + days * DAY + hours * 3_600_000_000).cast(pa.timestamp("us"))

    def plus(base: pa.Array, low: int, high: int, missing: float) -> pa.Array:
        moved = base.cast(pa.int64()).to_numpy() + rng.integers(low, high, len(base)) * DAY
        return pa.array(moved, mask=rng.random(len(base)) < missing).cast(pa.timestamp("us"))

    joined, placed, opened = times(people, 0, 80), times(orders), times(shops, 0, 90)
    return {
        "regions": pa.table({"id": np.arange(4), "opened": times(4, 10, 100), "size": rng.normal(5, 2, 4)}),
        "customers": pa.table(
            {
                "id": np.arange(people),
                "region": rng.integers(0, 4, people),
                "joined": joined,
                "ended": plus(joined, 20, 90, 0.5),
                "segment": rng.choice(["home", "office", "school"], people),
                "rated": plus(joined, 5, 60, 0.1),
            }
        ),
        "shops": pa.table(
            {
                "id": np.arange(shops),
                "opened": opened,
                "area": rng.normal(100, 30, shops),
                "rank": rng.normal(0, 1, shops),
                "ranked": plus(opened, 5, 60, 0.1),
            }
        ),
        "orders": pa.table(
            {
                "id": np.arange(orders),
                "customer": rng.integers(0, people, orders),
                "shop": rng.integers(0, shops, orders),
                "at": placed,
                "amount": rng.lognormal(3, 1, orders),
                "status": rng.choice(["kept", "returned", "lost"], orders),
                "settled": plus(placed, 0, 30, 0.1),
            }
        ),
        "payments": pa.table(
            {
                "id": np.arange(payments),
                "order": rng.integers(0, orders, payments),
                "at": times(payments),
                "paid": rng.lognormal(2, 1, payments),
            }
        ),
        "visits": pa.table(
            {
                "id": np.arange(visits),
                "customer": rng.integers(0, people, visits),
                "at": times(visits),
                "length": rng.normal(10, 3, visits),
            }
        ),
    }


CHURN = (
    "PREDICT COUNT(orders.*, 0, 14, days) = 0 FOR EACH customers.id WHERE COUNT(orders.*, -30, 0, days) > 3"
)
AMOUNT = "PREDICT orders.amount FOR EACH orders.id"


THINNED = 3
"""Every third aggregate shows each leak as well, in a third of the time."""


@dataclass(frozen=True)
class Question:
    """A task with its plans: what a detector is run on."""

    task: Task
    features: FeatureSet
    target: nodes.Target
    plan: nodes.FeaturePlan


def ask(text: str, schema: Schema = SCHEMA, thinned: int = THINNED) -> Question:
    words = {"segment": ("home", "office"), "status": ("kept", "returned")}
    task = bind(parse(text), schema)
    every = synthesize(task, Profile(60.0, lambda _, column: words.get(column, ())))
    kept = (
        f for i, f in enumerate(every.features) if i % thinned == 0 or isinstance(f.definition, Attribute)
    )
    features = FeatureSet(tuple(kept))
    return Question(task, features, target_plan(task), feature_plan(task, features))


def with_blocks(question: Question, change: object) -> Question:
    """The question with each block of its plan replaced by what `change` makes of it."""
    assert callable(change)
    blocks = tuple(change(block) for block in question.plan.blocks)
    return replace(question, plan=replace(question.plan, blocks=blocks))
