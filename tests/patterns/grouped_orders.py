"""A sheet of orders whose rows are not independent, with or without groups that differ; and it as a table."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from foretell.core.time import DAY, parse_instant
from foretell.features.matrix import Categorical, Codes, Floats, Numeric
from foretell.patterns.sheet import Attribute, Outcome, Sheet

START = parse_instant("2022-01-01")
DAYS = 600
SPLIT = START + 360 * DAY
PAYMENTS = ("card", 'O\'Hara "invoice"', "<b>cash</b>", "transfer")
KINDS = ("books", "shoes", "tools")


def orders(
    seed: int,
    *,
    rows: int = 6_000,
    payment: float = 0.0,
    both: float = 0.0,
    stops: bool = False,
    amount: float = 0.0,
    con: duckdb.DuckDBPyConnection | None = None,
) -> Sheet:
    """Orders of a sixth as many customers.

    `payment` is added to the share of returns of those paid by the second way, `both` to that of cash for
    shoes, `amount` to delivery for those of at least 30; where it `stops`, only up to half of the time. With
    a connection it is table "orders".
    """
    rng = np.random.default_rng(seed)
    people = rows // 6
    who = rng.integers(0, people, rows)
    days = np.sort(rng.integers(0, DAYS, rows))
    paid, kind = rng.integers(0, 4, rows), rng.integers(0, 3, rows)
    spent = np.round(rng.lognormal(3, 0.8, rows), 2)
    spent[rng.random(rows) < 0.04] = np.nan
    held = (days < DAYS / 2).astype(float) if stops else np.ones(rows)
    usual = 0.15 + 0.06 * rng.normal(size=people)[who] + 0.02 * rng.normal(size=DAYS)[days]
    usual = usual + held * (payment * (paid == 1) + both * ((paid == 2) & (kind == 1)))
    returned = (rng.random(rows) < np.clip(usual, 0.005, 0.95)).astype(np.float64)
    delivery = rng.lognormal(1.2, 0.4, rows) + 0.3 * rng.normal(size=DAYS)[days]
    delivery = np.round(delivery + amount * held * (np.nan_to_num(spent) >= 30), 2)
    noise = rng.normal(size=rows)
    if con is not None:
        con.register(
            "given",
            pa.table(
                {
                    "time": (START + days * DAY).astype("datetime64[us]"),
                    "entity": who,
                    'pay"ment': [PAYMENTS[k] for k in paid],
                    "kind": [KINDS[k] for k in kind],
                    "spent": pa.array(spent, from_pandas=True),
                    "noise": noise,
                    "returned": returned,
                    "delivery": delivery,
                }
            ),
        )
        con.execute("CREATE OR REPLACE TABLE orders AS SELECT * FROM given")
    return Sheet(
        name="orders",
        title="orders",
        times=(START + days * DAY).astype(np.int64),
        entities=who.astype(np.int64),
        attributes=(
            words('pay"ment', paid, PAYMENTS),
            words("kind", kind, KINDS),
            numbers("spent", spent),
            numbers("noise", noise),
        ),
        outcomes=(
            Outcome("returned", "returned", returned, share=True),
            Outcome("delivery", "delivery", delivery, share=False),
        ),
        split=SPLIT,
        source="SELECT * FROM orders",
    )


def words(name: str, codes: Codes, categories: tuple[str, ...]) -> Attribute:
    return Attribute(name, name, "orders", Categorical(np.asarray(codes, dtype=np.int32), categories))


def numbers(name: str, values: Floats) -> Attribute:
    return Attribute(name, name, "orders", Numeric(np.asarray(values, dtype=np.float64)))
