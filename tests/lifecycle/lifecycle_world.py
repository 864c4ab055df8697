"""A small shop whose customers buy at rates of their own, seen as of a clock; and a model of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foretell.core.time import DAY, Instant, format_instant, parse_instant, to_datetime
from foretell.lifecycle.batches import Batch, begin, run_id_of
from foretell.lifecycle.registry import Registry
from foretell.pipeline import Database
from foretell.prediction.database import OpenDatabase, open_database
from foretell.prediction.model import Model

BUYS = "PREDICT COUNT(orders.*, 0, 20, days) > 0 FOR EACH customers.id"
START = parse_instant("2024-01-01")

Frames = Mapping[str, pa.Table]


def frames(seed: int = 0, *, customers: int = 150, days: int = 400, changes: int | None = None) -> Frames:
    """Customers and orders. From the day `changes` on, the rates are dealt out to customers anew."""
    rng = np.random.default_rng(seed)
    rates = [rng.gamma(0.6, 0.05, customers), rng.gamma(0.6, 0.05, customers)]
    who, when = [], []
    for day in range(days):
        rate = rates[0] if changes is None or day < changes else rates[1]
        count = rng.poisson(rate)
        who.append(np.repeat(np.arange(1, customers + 1), count))
        when.append(START + day * DAY + rng.integers(0, DAY, count.sum()))
    order = np.argsort(np.concatenate(when), kind="stable")
    who_, when_ = np.concatenate(who)[order], np.concatenate(when)[order]
    return {
        "customers": pa.table(
            {
                "id": np.arange(1, customers + 1),
                "joined_at": np.full(customers, np.datetime64(to_datetime(START - 30 * DAY), "us")),
                "segment": rng.choice(["home", "office", "school"], customers),
                "segment_known": np.ones(customers, dtype=bool),
            }
        ),
        "orders": pa.table(
            {
                "id": np.arange(1, len(who_) + 1),
                "customer_id": who_,
                "at": when_.astype("datetime64[us]"),
                "amount": rng.gamma(2.0, 20.0, len(who_)).round(2),
            }
        ),
    }


def until(tables: Frames, clock: Instant) -> dict[str, pa.Table]:
    """The database as it was at a clock: without later orders."""
    orders = tables["orders"]
    past = pc.less_equal(orders["at"], pa.scalar(to_datetime(clock), pa.timestamp("us")))
    return {**tables, "orders": orders.filter(past)}


def day(number: float) -> Instant:
    return START + round(number * DAY)


def fitted(
    tables: Frames, clock: Instant, query: str = BUYS, *, model: str = "baseline", **how: Any
) -> Model:
    """A model of the database as of a clock."""
    with open_database(until(tables, clock), now=clock, threads=1) as opened:
        question = Database(opened, seed=0, progress=opened.progress).query(query)
        return replace(question.fit(time_limit=1, model=model, **how), home=None)


class Clock:
    """A present that a test moves."""

    def __init__(self, at: Instant) -> None:
        self.at = at

    def __call__(self) -> Instant:
        return self.at


def registry(folder: Path, clock: Clock) -> Registry:
    return Registry(folder / "models", clock=clock)


@contextmanager
def seen(tables: Frames, held: Registry, name: str = "buys") -> Iterator[OpenDatabase]:
    """The database as of the registry's clock, open with the champion's schema."""
    schema = held.load(name).task.schema
    with open_database(until(tables, held.clock()), schema=schema, now=held.clock(), threads=1) as opened:
        yield opened


def written(held: Registry, tables: Frames, at: Instant, name: str = "buys") -> Batch:
    """A batch as `write` keeps it, with what everybody's mean says as the simple rule."""
    version = held.version(name)
    with seen(tables, held, name) as database:
        said = held.load(name).predict(database, as_of=at).table
        rule = pa.array(np.full(said.num_rows, 0.5))
        run = run_id_of(version, at, database.fingerprint)
        return begin(
            held, version, run, at, database.fingerprint, said.append_column("baseline", rule), "here", {}
        )


def told(instant: Instant) -> str:
    return format_instant(instant)
