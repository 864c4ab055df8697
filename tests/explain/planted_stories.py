"""Rows with a planted truth: one story decides, another is used by nobody, and a model fitted to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foretell.core.time import Offset
from foretell.features.matrix import Categorical, Matrix, Numeric
from foretell.features.model import Aggregated, Attribute, Feature, FeatureSet, Kind
from foretell.models.base import Context
from foretell.models.baselines import fit_baselines
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset
from foretell.models.fitted import FittedModel
from foretell.models.trees import TreeLearner, TreeRecipe
from foretell.query.parser import parse
from foretell.schema.model import Column, DType, Hop, Link, Schema, Semantic, Table
from foretell.task.bind import bind
from foretell.task.model import Task, TaskKind

DAY = 86_400_000_000


def _table(name: str, columns: dict[str, tuple[DType, Semantic]], time: str) -> Table:
    made = tuple(Column(n, dtype, semantic) for n, (dtype, semantic) in columns.items())
    return Table(name, made, primary_key=("id",), time_column=time, rows=1000)


_ID = (DType.INTEGER, Semantic.IDENTIFIER)
_AT = (DType.TIMESTAMP, Semantic.TIME)
ORDERS = Link("orders", ("customer_id",), "customers", ("id",))
VISITS = Link("visits", ("customer_id",), "customers", ("id",))
SCHEMA = Schema(
    (
        _table("customers", {"id": _ID, "at": _AT, "born": (DType.TEXT, Semantic.CATEGORICAL)}, "at"),
        _table("orders", {"id": _ID, "customer_id": _ID, "at": _AT}, "at"),
        _table("visits", {"id": _ID, "customer_id": _ID, "at": _AT}, "at"),
    ),
    (ORDERS, VISITS),
)


def task() -> Task:
    return bind(parse("PREDICT COUNT(visits.*, 0, 30, days) > 0 FOR EACH customers.id"), SCHEMA)


def _events(link: Link, measure: str, window: Offset | None, text: str) -> Feature:
    down = (Hop(link, up=False),)
    name = f"{link.child}.{measure}.{'all' if window is None else f'{window.amount:g}d'}"
    return Feature(name, Kind.NUMERIC, Aggregated(measure, down, window=window), text, link.child)


FEATURES = FeatureSet(
    (
        _events(ORDERS, "recency", None, "days since the last of orders so far"),
        _events(ORDERS, "count", Offset(30), "number of orders in the last 30 days"),
        _events(VISITS, "count", Offset(30), "number of visits in the last 30 days"),
        Feature("born", Kind.CATEGORICAL, Attribute("born"), "born", "customers"),
    )
)


def rows(entities: int = 250, cutoffs: int = 4, seed: int = 0, *, decides: str = "orders") -> Dataset:
    """A label that `decides` alone tells: whether there was an order in the last 14 days, or a place of
    birth. Every other column is chance.
    """
    rng = np.random.default_rng(seed)
    n = entities * cutoffs
    recency = rng.uniform(0, 60, n).round(1)
    visits = rng.poisson(2.0, n).astype(np.float64)
    born = rng.integers(0, 3, n).astype(np.int32)
    held = recency <= 14 if decides == "orders" else born == 1
    y = (held ^ (rng.random(n) < 0.05)).astype(np.float64)
    columns = {
        "orders.recency.all": Numeric(recency),
        "orders.count.30d": Numeric((recency <= 30).astype(np.float64)),
        "visits.count.30d": Numeric(visits),
        "born": Categorical(born, ("AT", "CH", "DE")),
    }
    X = Matrix(tuple(columns), tuple(columns.values()), n)
    groups = np.tile(np.arange(entities, dtype=np.int64), cutoffs)
    return Dataset(X, y, np.repeat(np.arange(cutoffs, dtype=np.int64), entities) * 30 * DAY, groups)


def fitted(data: Dataset, kind: TaskKind = TaskKind.BINARY, classes: tuple[str, ...] = ()) -> FittedModel:
    """One small booster, uncalibrated."""
    metric = {TaskKind.BINARY: "auroc", TaskKind.REGRESSION: "mae", TaskKind.MULTICLASS: "logloss"}[kind]
    objective = {
        TaskKind.BINARY: "binary",
        TaskKind.REGRESSION: "regression",
        TaskKind.MULTICLASS: "multiclass",
    }[kind]
    context = Context(kind, METRICS[metric], classes, threads=1)
    every = (
        ("feature_fraction", 1.0),
        ("extra_trees", False),
    )  # the column that decides is never out of reach
    tree = TreeLearner(TreeRecipe("small", objective, changes=every)).fit(data, None, context)
    baselines = fit_baselines(data, context)
    return FittedModel(
        kind,
        classes,
        metric,
        metric,
        data.X.names,
        (tree,),
        (1.0,),
        (1.0,),
        baselines,
        next(iter(baselines)),
        rows=data.rows,
        families=("trees",),
    )


def regression(entities: int = 250, seed: int = 0) -> Dataset:
    """The value is 10 where there was an order in the last 20 days, else 0: a step, and a little noise."""
    data = rows(entities, seed=seed)
    recency = data.X["orders.recency.all"]
    assert isinstance(recency, Numeric)
    noise = np.random.default_rng(seed).normal(0, 0.2, data.rows)
    return replace(data, y=10.0 * (recency.values <= 20) + noise, shared={})
