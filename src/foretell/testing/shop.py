"""A made-up online shop, lived day by day, whose customers leave for reasons that its tables show.

Each customer has a rate of ordering and a mood. Late deliveries, returns and support tickets spoil the mood;
a spoiled mood makes fewer orders and, now and then, a customer who stops altogether. Some come back. So "will
this customer place no order in the next 30 days?" can be predicted better than from the last order alone, and
not perfectly: most of what decides it is chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foretell.core.random import generator

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

START = np.datetime64("2024-01-01", "us")
SECONDS_A_DAY = 86_400

COUNTRIES = ("Germany", "France", "Netherlands", "Spain", "Italy", "Sweden", "Poland", "Austria")
COUNTRY_SHARES = (0.27, 0.19, 0.14, 0.11, 0.10, 0.07, 0.07, 0.05)
PLANS = ("basic", "plus", "business")
SOURCES = ("search", "advert", "friend", "newsletter", "marketplace")
CHANNELS = ("web", "app", "phone")
PAYMENTS = ("card", "invoice", "wallet", "transfer")
CARRIERS = ("Postfix", "Arrow Parcel", "Greenline", "City Bike")
LATE = (0.16, 0.10, 0.34, 0.07)  # the chance that a parcel is late
DEVICES = ("phone", "desktop", "tablet")
REASONS = ("wrong size", "damaged", "not as described", "changed mind", "arrived too late")
TOPICS = ("delivery", "product", "payment", "account", "return")

# category: typical price, share of orders, chance that a line is sent back
CATEGORIES = {
    "clothing": (39.0, 0.26, 0.16),
    "shoes": (72.0, 0.12, 0.20),
    "kitchen": (31.0, 0.15, 0.05),
    "books": (17.0, 0.15, 0.02),
    "toys": (24.0, 0.10, 0.05),
    "electronics": (118.0, 0.10, 0.11),
    "garden": (43.0, 0.07, 0.05),
    "sports": (51.0, 0.05, 0.08),
}
WORDS = {
    "clothing": ("Linen shirt", "Wool jumper", "Rain jacket", "Cotton dress", "Denim trousers", "Scarf"),
    "shoes": ("Running shoe", "Leather boot", "Sandal", "Trainer", "Slipper"),
    "kitchen": ("Cast-iron pan", "Bread knife", "Teapot", "Mixing bowl", "Chopping board", "Coffee mill"),
    "books": ("Atlas", "Cookbook", "Crime novel", "Poetry collection", "Field guide", "Biography"),
    "toys": ("Wooden train", "Jigsaw", "Building blocks", "Board game", "Kite"),
    "electronics": ("Headphones", "Bedside radio", "Keyboard", "Desk lamp", "Loudspeaker"),
    "garden": ("Watering can", "Secateurs", "Planter", "Bird feeder", "Folding chair"),
    "sports": ("Yoga mat", "Tennis racket", "Water bottle", "Rucksack", "Skipping rope"),
}


class _Log:
    """Columns that grow day by day."""

    def __init__(self) -> None:
        self.days: list[dict[str, npt.NDArray[Any]]] = []

    def add(self, **columns: npt.NDArray[Any]) -> None:
        self.days.append(columns)

    @property
    def last(self) -> dict[str, npt.NDArray[Any]]:
        """The columns of the last day."""
        return self.days[-1]

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return np.concatenate([day[name] for day in self.days])

    def sorted(self, end: int) -> dict[str, npt.NDArray[Any]]:
        """All columns in the order of time, without rows at or after the second `end`."""
        second = self["second"]
        order = np.argsort(second, kind="stable")
        order = order[second[order] < end]
        return {name: self[name][order] for name in self.last}


def shop_frames(seed: int = 0, *, customers: int = 2000, days: int = 730) -> dict[str, pa.Table]:
    """The shop's tables: customers, products, orders, order_items, deliveries, returns, tickets, visits.

    >>> frames = shop_frames(seed=1, customers=50, days=200)
    >>> sorted(frames)
    ['customers', 'deliveries', 'order_items', 'orders', 'products', 'returns', 'tickets', 'visits']
    >>> frames["orders"].equals(shop_frames(seed=1, customers=50, days=200)["orders"])
    True
    """
    people, traits = _customers(generator(seed, "shop", "customers"), customers, days)
    products, category, price = _products(generator(seed, "shop", "products"))
    frames = {"customers": people, "products": products}
    frames |= _live(generator(seed, "shop", "life"), traits, category, price, days)
    return frames


@dataclass(frozen=True)
class _Traits:
    """What decides a customer's behaviour; all arrays have one entry per customer."""

    joined: Ints  # day; negative: before the data begins
    rate: Floats  # orders a day in a good mood
    patience: Floats  # how little a bad day spoils the mood
    stays: Floats  # factor on the chance of leaving
    taste: Ints  # index of the favourite category
    prefers_app: Floats


def _customers(rng: np.random.Generator, count: int, days: int) -> tuple[pa.Table, _Traits]:
    early = rng.random(count) < 0.45
    joined = np.where(early, -rng.integers(1, 540, count), rng.integers(0, days - 20, count))
    plan = rng.choice(len(PLANS), count, p=(0.66, 0.24, 0.10))
    source = rng.choice(len(SOURCES), count, p=(0.34, 0.24, 0.17, 0.13, 0.12))
    age = np.clip(rng.normal(43, 14, count), 18, 88).astype(np.int64)
    newsletter = rng.random(count) < 0.42
    rate = rng.gamma(1.15, 1 / 22, count) * np.array((0.9, 1.5, 1.3))[plan] * np.where(newsletter, 1.15, 1.0)
    stays = np.array((1.15, 0.65, 0.8))[plan] * np.array((1.0, 1.5, 0.7, 0.85, 1.3))[source]
    joined_at = joined * SECONDS_A_DAY + rng.integers(6 * 3600, 23 * 3600, count)
    order = np.argsort(joined_at, kind="stable")
    traits = _Traits(
        joined=joined[order],
        rate=np.clip(rate, 0.004, 0.35)[order],
        patience=rng.gamma(4.0, 0.25, count)[order],
        stays=stays[order],
        taste=rng.choice(len(CATEGORIES), count, p=[c[1] for c in CATEGORIES.values()])[order],
        prefers_app=np.clip(0.75 - (age - 18) / 90 + rng.normal(0, 0.15, count), 0.02, 0.95)[order],
    )
    table = pa.table(
        {
            "customer_id": pa.array(np.arange(1, count + 1)),
            "signed_up_at": _times(joined_at[order]),
            "country": _pick(COUNTRIES, rng.choice(len(COUNTRIES), count, p=COUNTRY_SHARES)),
            "age": pa.array(age[order], mask=rng.random(count) < 0.06),
            "plan": _pick(PLANS, plan[order]),
            "acquired_through": _pick(SOURCES, source[order]),
            "newsletter": pa.array(newsletter[order]),
        }
    )
    return table, traits


def _products(rng: np.random.Generator, count: int = 160) -> tuple[pa.Table, Ints, Floats]:
    names = list(CATEGORIES)
    category = np.sort(rng.choice(len(names), count, p=[c[1] for c in CATEGORIES.values()]))
    typical = np.array([c[0] for c in CATEGORIES.values()])[category]
    price = np.round(typical * rng.lognormal(0, 0.4, count), 0) - 0.05
    launched = -rng.integers(30, 1500, count) * SECONDS_A_DAY
    titles = [f"{WORDS[names[c]][i % len(WORDS[names[c]])]} {100 + i}" for i, c in enumerate(category)]
    table = pa.table(
        {
            "product_id": pa.array(np.arange(1, count + 1)),
            "name": pa.array(titles),
            "category": _pick(tuple(names), category),
            "price": pa.array(price),
            "launched_at": _times(launched),
        }
    )
    return table, category, price


@dataclass
class _World:
    """What changes from day to day."""

    rng: np.random.Generator
    traits: _Traits
    price: Floats  # (products,)
    return_chance: Floats  # (products,)
    by_taste: Floats  # (tastes, products): cumulative shares of what a customer of that taste buys
    active: npt.NDArray[np.bool_]  # (customers,)
    mood: Floats  # (customers,); 0 is content, each bad day adds to it
    shocks: Floats  # (days, customers): good and bad news on its way
    logs: dict[str, _Log]
    ordered: int = 0

    def chance(self, probability: npt.NDArray[Any] | float, count: int) -> npt.NDArray[np.bool_]:
        return self.rng.random(count) < probability

    def at(self, day: Ints | int, count: int, opens: int = 7, closes: int = 23) -> Ints:
        """Seconds since the first day, at some moment of `day` between two hours."""
        return np.asarray(day * SECONDS_A_DAY + self.rng.integers(opens * 3600, closes * 3600, count))

    def news(self, day: Ints, customers: Ints, amount: Floats) -> None:
        np.add.at(self.shocks, (day, customers), amount)


def _live(
    rng: np.random.Generator, traits: _Traits, category: Ints, price: Floats, days: int
) -> dict[str, pa.Table]:
    """Every day of the shop: who comes and goes, who orders, what arrives late, who complains."""
    count = len(traits.rate)
    world = _World(
        rng=rng,
        traits=traits,
        price=price,
        return_chance=np.array([c[2] for c in CATEGORIES.values()])[category],
        by_taste=_tastes(rng, category),
        active=rng.random(count) < np.where(traits.joined < 0, 0.8, 1.0),
        mood=np.zeros(count),
        shocks=np.zeros((days + 90, count)),
        logs={name: _Log() for name in ("orders", "items", "deliveries", "returns", "tickets", "visits")},
    )
    for day in range(days):
        _come_and_go(world, day)
        buyers, orders = _order(world, day)
        arrival, late = _deliver(world, day, buyers, orders)
        _send_back(world, buyers, orders, arrival, late)
        _complain(world, day, buyers, arrival, late)
    return _tables(world, days)


def _come_and_go(world: _World, day: int) -> None:
    """Moods fade by half in three weeks; a bad one makes a customer leave and keeps one away."""
    traits, count = world.traits, len(world.mood)
    world.mood = world.mood * 0.967 + world.shocks[day] / (0.5 + traits.patience)
    leave = world.active & world.chance(
        0.0014 * traits.stays * np.exp(np.minimum(1.7 * world.mood, 5.0)), count
    )
    back = ~world.active & world.chance(0.0055 * np.exp(-0.5 * world.mood), count)
    world.active = (world.active & ~leave) | back


def _order(world: _World, day: int) -> tuple[Ints, Ints]:
    """Today's buyers and the ids of their orders; visits and baskets are logged."""
    rng, traits, logs = world.rng, world.traits, world.logs
    here = (traits.joined < day) * _season(day)
    wish = here * traits.rate * np.where(world.active, 1.0, 0.02) * np.exp(-0.8 * world.mood)
    look = here * np.where(world.active, 0.03 + 1.0 * traits.rate, 0.006) * np.exp(-0.15 * world.mood)
    buyers = np.flatnonzero(world.chance(np.minimum(wish, 0.9), len(wish)))
    visitors = np.concatenate([buyers, np.flatnonzero(world.chance(np.minimum(look, 0.9), len(look)))])
    logs["visits"].add(
        customer=visitors,
        second=world.at(day, len(visitors)),
        pages=1 + rng.poisson(np.where(world.active[visitors], 5.0, 2.0)),
        device=rng.choice(len(DEVICES), len(visitors), p=(0.55, 0.38, 0.07)),
    )
    number = len(buyers)
    orders = world.ordered + 1 + np.arange(number)
    world.ordered += number
    by_phone = world.chance(0.04, number)
    logs["orders"].add(
        order=orders,
        customer=buyers,
        second=world.at(day, number),
        channel=np.where(by_phone, 2, world.chance(traits.prefers_app[buyers], number)),
        payment=rng.choice(len(PAYMENTS), number, p=(0.5, 0.22, 0.2, 0.08)),
        voucher=world.chance(0.14, number),
    )
    row = np.repeat(np.arange(number), 1 + np.minimum(rng.poisson(0.9, number), 5))
    drawn = rng.random(len(row))
    product = (world.by_taste[traits.taste[buyers[row]]] < drawn[:, None]).sum(axis=1)
    logs["items"].add(
        order=orders[row],
        product=np.minimum(product, len(world.price) - 1),
        quantity=1 + world.chance(0.13, len(row)),
    )
    return buyers, orders


def _deliver(world: _World, day: int, buyers: Ints, orders: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The day of arrival of each order, and which are late: the bad news that decides most."""
    number = len(orders)
    carrier = world.rng.choice(len(CARRIERS), number, p=(0.44, 0.31, 0.17, 0.08))
    late = world.chance(np.array(LATE)[carrier] * (1.6 if _month(day) == 12 else 1.0), number)
    days_late = np.where(late, 1 + world.rng.geometric(0.28, number), 0)
    days_late = np.minimum(days_late, 21)
    arrival = day + world.rng.integers(2, 5, number) + days_late
    world.logs["deliveries"].add(
        order=orders, second=world.at(arrival, number, 8, 19), carrier=carrier, late=days_late
    )
    world.news(arrival, buyers, np.where(late, 0.5 + 0.12 * days_late, -0.04))
    return arrival, late


def _send_back(world: _World, buyers: Ints, orders: Ints, arrival: Ints, late: npt.NDArray[np.bool_]) -> None:
    """The first line of an order that its buyer does not want to keep is sent back."""
    items = world.logs["items"].last
    row = items["order"] - (orders[0] if len(orders) else 0)  # index into today's orders
    unwanted = world.chance(world.return_chance[items["product"]] + 0.1 * late[row], len(row))
    order, first = np.unique(row[unwanted], return_index=True)
    number = len(order)
    reason = np.where(late[order] & world.chance(0.5, number), 4, world.rng.integers(0, 4, number))
    day = arrival[order] + world.rng.integers(1, 12, number)
    world.logs["returns"].add(
        order=orders[order],
        second=world.at(day, number, 9, 20),
        reason=reason,
        refund=np.round(world.price[items["product"][unwanted][first]], 2),
    )
    world.news(day, buyers[order], np.array((0.35, 0.8, 0.7, 0.1, 0.6))[reason])


def _complain(world: _World, day: int, buyers: Ints, arrival: Ints, late: npt.NDArray[np.bool_]) -> None:
    """Tickets about parcels come the day after they should have arrived; others come by chance."""
    rng = world.rng
    worried = world.chance(0.02 + 0.3 * late, len(buyers))
    here = (world.traits.joined < day) & world.active
    others = np.flatnonzero(here & world.chance(0.0012, len(here)))
    customers = np.concatenate([buyers[worried], others])
    opened = np.concatenate([arrival[worried] + 1, np.full(len(others), day)])
    topic = np.concatenate(
        [np.zeros(int(worried.sum()), np.int64), rng.integers(1, len(TOPICS), len(others))]
    )
    urgent = world.chance(0.25 + 0.2 * (topic == 0), len(customers))
    world.logs["tickets"].add(
        customer=customers, second=world.at(opened, len(customers), 8, 20), topic=topic, urgent=urgent
    )
    world.news(opened, customers, np.where(urgent, 0.6, 0.25))


def _tastes(rng: np.random.Generator, category: Ints) -> Floats:
    """What customers of each taste buy: half from their own category, half from what is popular."""
    popular = 1 / (1 + rng.permutation(len(category))) ** 0.7
    rows = []
    for taste in range(len(CATEGORIES)):
        own = popular * (category == taste)
        share = popular / popular.sum() + (own / own.sum() if own.any() else 0)
        rows.append(np.cumsum(share / share.sum()))
    return np.stack(rows)


def _month(day: int) -> int:
    return int((START + np.timedelta64(day, "D")).astype("datetime64[M]").astype(int)) % 12 + 1


def _season(day: int) -> float:
    """How busy the shop is: quieter in summer, busy before Christmas, best on Sundays."""
    month = (0.95, 0.9, 0.97, 1.0, 1.0, 0.95, 0.86, 0.88, 1.0, 1.03, 1.28, 1.3)[_month(day) - 1]
    weekday = (1.05, 1.0, 0.97, 0.96, 0.92, 0.98, 1.12)[day % 7]  # the first day is a Monday
    return month * weekday


def _tables(world: _World, days: int) -> dict[str, pa.Table]:
    """The logs as tables, without what lies after the last day, each in the order of time."""
    logs = world.logs
    end = days * SECONDS_A_DAY
    orders, items = logs["orders"].sorted(end), logs["items"]
    number = np.empty(world.ordered + 1, np.int64)  # the id of an order, by the id it had while it was made
    number[orders["order"]] = np.arange(1, world.ordered + 1)
    item_order, product, quantity = number[items["order"]], items["product"], items["quantity"]
    by_order = np.lexsort((product, item_order))
    item_order, product, quantity = item_order[by_order], product[by_order], quantity[by_order]
    paid = np.where(orders["voucher"], 0.9, 1.0)[item_order - 1] * world.price[product]
    amount = np.bincount(item_order - 1, np.round(paid, 2) * quantity, world.ordered)
    deliveries, returns = logs["deliveries"].sorted(end), logs["returns"].sorted(end)
    tickets, visits = logs["tickets"].sorted(end), logs["visits"].sorted(end)
    return {
        "orders": pa.table(
            {
                "order_id": pa.array(np.arange(1, world.ordered + 1)),
                "customer_id": pa.array(orders["customer"] + 1),
                "ordered_at": _times(orders["second"]),
                "channel": _pick(CHANNELS, orders["channel"]),
                "payment": _pick(PAYMENTS, orders["payment"]),
                "voucher": pa.array(orders["voucher"]),
                "amount": pa.array(np.round(amount, 2)),
            }
        ),
        "order_items": pa.table(
            {
                "order_item_id": pa.array(np.arange(1, len(product) + 1)),
                "order_id": pa.array(item_order),
                "product_id": pa.array(product + 1),
                "quantity": pa.array(quantity),
                "unit_price": pa.array(np.round(paid, 2)),
            }
        ),
        "deliveries": pa.table(
            {
                "delivery_id": pa.array(np.arange(1, len(deliveries["order"]) + 1)),
                "order_id": pa.array(number[deliveries["order"]]),
                "delivered_at": _times(deliveries["second"]),
                "carrier": _pick(CARRIERS, deliveries["carrier"]),
                "days_late": pa.array(deliveries["late"]),
            }
        ),
        "returns": pa.table(
            {
                "return_id": pa.array(np.arange(1, len(returns["order"]) + 1)),
                "order_id": pa.array(number[returns["order"]]),
                "returned_at": _times(returns["second"]),
                "reason": _pick(REASONS, returns["reason"]),
                "refund": pa.array(returns["refund"]),
            }
        ),
        "tickets": pa.table(
            {
                "ticket_id": pa.array(np.arange(1, len(tickets["customer"]) + 1)),
                "customer_id": pa.array(tickets["customer"] + 1),
                "opened_at": _times(tickets["second"]),
                "topic": _pick(TOPICS, tickets["topic"]),
                "urgent": pa.array(tickets["urgent"]),
            }
        ),
        "visits": pa.table(
            {
                "customer_id": pa.array(visits["customer"] + 1),
                "visited_at": _times(visits["second"]),
                "pages": pa.array(visits["pages"]),
                "device": _pick(DEVICES, visits["device"]),
            }
        ),
    }


def _times(seconds: npt.NDArray[Any]) -> Any:
    return pa.array(START + seconds * np.timedelta64(1_000_000, "us"), pa.timestamp("us"))


def _pick(words: tuple[str, ...], index: npt.NDArray[Any]) -> Any:
    return pa.array(np.array(words, dtype=object)[index.astype(np.intp)], pa.string())
