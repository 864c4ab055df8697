"""A shop made up: customers, products and their orders over two years, with or without planted patterns.

Orders are not independent: customers differ in how often they buy, return and complain; days have shocks of
their own, weeks a slow drift; volume has a weekly and a yearly season and grows. Five patterns are planted:

1. returns: orders paid in one way (about a fifth of them) are returned 6 points more often than 15%
2. returns: one kind of product bought by one segment of customers (7% of orders): 10 points more often
3. delivery takes 0.4 days longer for the heaviest quarter of products (4 days, standard deviation 1.6)
4. customers of one country (12%) rate orders 0.25 lower (4.0, standard deviation 0.8)
5. the quantity ordered rises by 0.4 a year (2.2, standard deviation 1.2)

Which payment, kind, segment and country differs by seed. "ended" patterns stop half-way through time: the
groups are like the others from then on, and the quantity stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

DAYS = 730
START = np.datetime64("2022-01-01T00:00:00", "us")
PAYMENTS = ("card", "invoice", "wallet", "transfer", "cash")
CARRIERS = ("Swift", "Post", "Parcelline", "Northway")
SEGMENTS = ("private", "member", "business")
COUNTRIES = ("AT", "BE", "CH", "DE", "DK", "FR", "IT", "NL")
CHANNELS = ("search", "friends", "mail", "shop")
KINDS = ("books", "garden", "kitchen", "music", "shoes", "sports", "tools")
BRANDS = tuple(f"brand {k}" for k in range(12))
PRODUCTS = 400


@dataclass(frozen=True)
class Planted:
    """Which groups the five patterns are of."""

    payment: str
    kind: str
    segment: str
    country: str


@dataclass(frozen=True)
class World:
    """Tables by name, and what is planted in them."""

    tables: dict[str, pa.Table]
    planted: Planted


def world(orders: int, *, seed: int, truth: str, draw: int = 0) -> World:
    """`truth` is "true", "ended" or "none". Worlds of one seed have the same products and patterns; `draw`
    makes other customers, days and orders.
    """
    fixed = np.random.default_rng([seed, 1])
    planted = Planted(
        PAYMENTS[fixed.integers(len(PAYMENTS))],
        KINDS[fixed.integers(len(KINDS))],
        SEGMENTS[1],
        COUNTRIES[fixed.integers(len(COUNTRIES))],
    )
    products = _products(fixed)
    rng = np.random.default_rng([seed, 2, draw, orders])
    customers = _customers(max(100, orders // 9), rng)
    made = _orders(orders, customers, products, planted, truth, rng)
    return World(
        {
            "customers": pa.table({k: v for k, v in customers.items() if not k.startswith("_")}),
            "products": pa.table({k: v for k, v in products.items() if not k.startswith("_")}),
            "orders": pa.table(made),
        },
        planted,
    )


def _products(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "id": np.arange(PRODUCTS),
        "kind": np.array(KINDS)[_some(rng, PRODUCTS, len(KINDS), 4.0)],
        "brand": np.array(BRANDS)[_some(rng, PRODUCTS, len(BRANDS), 4.0)],
        "price": np.round(rng.lognormal(3.0, 0.7, PRODUCTS), 2),
        "weight": np.round(rng.lognormal(0.5, 0.8, PRODUCTS), 2),
        "_popular": rng.gamma(1.5, size=PRODUCTS),
    }


def _customers(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "id": np.arange(count) + 1000,
        "country": np.array(COUNTRIES)[rng.integers(0, len(COUNTRIES), count)],
        "segment": np.array(SEGMENTS)[rng.choice(3, count, p=[0.4, 0.4, 0.2])],
        "channel": np.array(CHANNELS)[_some(rng, count, len(CHANNELS), 6.0)],
        "age": rng.integers(18, 85, count),
        "_active": rng.gamma(0.9, size=count) + 0.05,
        "_returns": rng.normal(0, 0.5, count),
        "_rates": rng.normal(0, 0.35, count),
        "_buys": rng.normal(0, 0.3, count),
    }


def _orders(
    count: int,
    customers: dict[str, np.ndarray],
    products: dict[str, np.ndarray],
    planted: Planted,
    truth: str,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    day = _days(count, rng)
    time = day + np.clip(rng.normal(0.6, 0.15, count), 0, 0.999)
    order = np.argsort(time)
    day, time = day[order], time[order]
    who = rng.choice(len(customers["id"]), count, p=customers["_active"] / customers["_active"].sum())
    what = rng.choice(PRODUCTS, count, p=products["_popular"] / products["_popular"].sum())
    payment = np.array(PAYMENTS)[_usual(rng, who, len(PAYMENTS), len(customers["id"]))]
    shock = rng.normal(0, 0.15, DAYS)[day]
    drift = _drift(rng)[day]
    held = np.ones(count) if truth == "true" else np.zeros(count)
    if truth == "ended":
        held = (time < DAYS / 2).astype(np.float64)
    returns = 0.06 * (payment == planted.payment)
    returns = returns + 0.10 * (
        (products["kind"][what] == planted.kind) & (customers["segment"][who] == planted.segment)
    )
    season = np.sin(2 * np.pi * time / 365.25)
    usual = 1 / (1 + np.exp(-(-1.8 + customers["_returns"][who] + shock + drift + 0.1 * season)))
    returned = rng.random(count) < np.clip(usual + held * returns, 0, 0.95)
    heavy = products["weight"][what] >= np.quantile(products["weight"], 0.75)
    slow = rng.normal(0, 0.2, DAYS)[day] + 0.2 * season
    delivery = rng.lognormal(np.log(3.7), 0.38, count) + slow + 0.4 * held * heavy
    rating = 4.0 + customers["_rates"][who] + rng.normal(0, 0.75, count) + rng.normal(0, 0.1, DAYS)[day]
    rating = rating - 0.25 * held * (customers["country"][who] == planted.country)
    gone = np.minimum(time, DAYS / 2) if truth == "ended" else time * float(truth == "true")
    level = 1.2 + 0.4 * gone / 365.25 + customers["_buys"][who]
    quantity = 1 + rng.poisson(np.maximum(0.1, level))
    return {
        "id": np.arange(count) + 1,
        "customer_id": customers["id"][who],
        "product_id": products["id"][what],
        "placed_at": START + (time * 86_400e6).astype("timedelta64[us]"),
        "payment": payment,
        "carrier": np.array(CARRIERS)[_some(rng, count, len(CARRIERS), 5.0)],
        "gift": rng.random(count) < 0.12,
        "quantity": quantity,
        "returned": returned,
        "delivery_days": np.round(np.maximum(0.3, delivery), 1),
        "rating": np.where(rng.random(count) < 0.05, np.nan, np.round(np.clip(rating, 1, 5), 1)),
    }


def _days(count: int, rng: np.random.Generator) -> np.ndarray:
    """Days of orders: growth, a week's and a year's season, and shocks that linger."""
    day = np.arange(DAYS)
    level = 1 + 0.3 * day / DAYS + 0.2 * np.sin(2 * np.pi * (day / 365.25 - 0.2))
    weekly = np.array([1.1, 1.0, 1.0, 1.0, 1.1, 1.3, 0.7])[day % 7]
    weight = level * weekly * np.exp(rng.normal(0, 0.15, DAYS) + _drift(rng))
    return rng.choice(DAYS, count, p=weight / weight.sum())


def _drift(rng: np.random.Generator) -> np.ndarray:
    """(days,) a slow wander: weeks that resemble the week before."""
    weeks = DAYS // 7 + 1
    noise = rng.normal(0, 0.06, weeks)
    for k in range(1, weeks):
        noise[k] += 0.7 * noise[k - 1]
    return np.repeat(noise, 7)[:DAYS]


def _usual(rng: np.random.Generator, who: np.ndarray, size: int, people: int) -> np.ndarray:
    """Each customer's usual choice four times in five, else any."""
    habit = rng.integers(0, size, people)[who]
    return np.where(rng.random(len(who)) < 0.8, habit, rng.integers(0, size, len(who)))


def _some(rng: np.random.Generator, count: int, size: int, evenness: float) -> np.ndarray:
    return rng.choice(size, count, p=rng.dirichlet(np.full(size, evenness * 3)))
