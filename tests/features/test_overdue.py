"""How overdue the next event is: by hand, in every engine and in the script; the proof sees both sides."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from foretell import kernel
from foretell.core.time import parse_instant
from foretell.engines.base import Rows
from foretell.engines.choose import KINDS, make_engine
from foretell.features.lower import feature_plan
from foretell.features.matrix import Numeric
from foretell.features.model import Contrast, FeatureSet, from_json, to_json
from foretell.features.synthesize import Profile, synthesize
from foretell.plan.nodes import Comparison
from foretell.plan.script import script
from foretell.query.parser import parse
from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table
from foretell.sources.frames import FramesSource
from foretell.store.columns import FIRST_RANK
from foretell.store.working import Store
from foretell.task.bind import bind
from foretell.task.model import Task

ENGINES = KINDS if kernel.AVAILABLE else ("duckdb",)
NAME = "orders.recency.all over orders.gap.last5"
DAYS = {
    1: (0, 10, 20, 30),  # every ten days, the last 25 days ago
    2: (5, 6, 7, 40, 42, 44, 46, 48),  # the gaps of the last five are of two days
    3: (12,),  # one order has no gap
    4: (20, 20),  # nor is there any time between two at once
    5: (),
}
WANTED = {1: 2.5, 2: 3.5, 3: math.nan, 4: math.nan, 5: math.nan}
CUTOFF = "2024-02-25"  # day 55

SCHEMA = Schema(
    (
        Table("customers", (Column("id", DType.INTEGER, Semantic.IDENTIFIER),), ("id",)),
        Table(
            "orders",
            (
                Column("number", DType.INTEGER, Semantic.IDENTIFIER),
                Column("customer", DType.INTEGER, Semantic.IDENTIFIER),
                Column("at", DType.TIMESTAMP, Semantic.TIME),
            ),
            ("number",),
            "at",
        ),
    ),
    (Link("orders", ("customer",), "customers", ("id",)),),
)


def frames() -> dict[str, pa.Table]:
    rows = [(c, datetime(2024, 1, 1) + timedelta(days=d)) for c, days in DAYS.items() for d in days]
    customers, times = zip(*rows)
    orders = {"number": list(range(len(rows))), "customer": customers, "at": times}
    return {"customers": pa.table({"id": list(DAYS)}), "orders": pa.table(orders)}


def asked() -> tuple[Task, FeatureSet]:
    task = bind(parse("PREDICT COUNT(orders.*, 0, 10, days) FOR EACH customers.id"), SCHEMA)
    every = synthesize(task, Profile(55.0, lambda table, column: ()))
    return task, every.select([NAME])


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_days_since_the_last_in_usual_gaps(kind: str, precision: type[np.float64]) -> None:
    task, features = asked()
    rows = Rows(np.arange(len(DAYS)) + FIRST_RANK, np.full(len(DAYS), parse_instant(CUTOFF)))
    with Store.load(FramesSource(frames()).snapshot()) as store:
        matrix = make_engine(store, SCHEMA, kind=kind, precision=precision).features(
            feature_plan(task, features), rows
        )
    column = matrix[NAME]
    assert isinstance(column, Numeric) and column.values.dtype == precision
    np.testing.assert_array_equal(column.values, list(WANTED.values()))


def test_the_script_says_the_same() -> None:
    task, features = asked()
    plan = feature_plan(task, features)
    text = script(plan, None, SCHEMA, [parse_instant(CUTOFF)], {})
    with duckdb.connect() as connection:
        for name, frame in frames().items():
            connection.register("frame", frame)
            connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM frame')
            connection.unregister("frame")
        *before, last = connection.extract_statements(text)
        for statement in before:
            connection.execute(statement).fetchall()
        found = connection.sql(last.query).to_arrow_table()
    assert dict(zip(found["id"].to_pylist(), found[NAME].to_pylist())) == {
        c: None if math.isnan(v) else v for c, v in WANTED.items()
    }


def test_it_is_a_ratio_and_says_so() -> None:
    _, features = asked()
    (feature,) = features.features
    assert isinstance(feature.definition, Contrast) and feature.definition.how is Comparison.RATIO
    assert feature.description == (
        "days since the last of orders so far, divided by the mean days between orders over the last 5"
    )
    (record,) = to_json(features)
    assert record["of"] == "ratio" and from_json([record], SCHEMA).features == features.features
    difference = from_json([record | {"of": "difference"}], SCHEMA).features[0].definition
    assert isinstance(difference, Contrast) and difference.how is Comparison.DIFFERENCE
