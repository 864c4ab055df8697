"""Small histories with something planted in them, or nothing but noise that remembers; and their judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa

from foretell.core.time import DAY, parse_instant
from foretell.features.matrix import Categorical, Floats
from foretell.patterns.candidate import Candidate, Mined
from foretell.patterns.finding import Measured
from foretell.patterns.mine.inputs import Baskets, Durations, Stream
from foretell.patterns.sheet import Attribute, Ints, Outcome, Part, Sheet
from foretell.patterns.statistics import estimate

START = parse_instant("2021-01-01")
CARRIERS = ("DHL", 'O\'Hara "fast"', "<b>UPS</b>")  # as hostile as names of categories come


def names(categories: Sequence[str], codes: Ints) -> list[str]:
    return [categories[k] for k in codes]


def table(con: duckdb.DuckDBPyConnection, name: str, **columns: object) -> None:
    con.register("given", pa.table(columns))
    con.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM given")
    con.unregister("given")


def stamps(times: Ints) -> pa.Array:
    return pa.array(times, pa.int64()).cast(pa.timestamp("us"))


def orders(
    seed: int,
    *,
    days: int = 700,
    per_day: float = 15.0,
    people: int = 300,
    level: Callable[[Floats], Floats] = np.zeros_like,
    late: Callable[[Floats, Ints], Floats] = lambda f, c: np.full(len(f), 0.2),
    rho: float = 0.0,
    noise: float = 0.0,
    yearly: float = 0.0,
    con: duckdb.DuckDBPyConnection | None = None,
) -> Sheet:
    """Orders with a weekday's season, whose rate and amounts follow `level` (of the share of history gone by)
    on the scale of logarithms, with noise of memory `rho` from day to day.
    """
    rng = np.random.default_rng(seed)
    wiggle = np.zeros(days)
    for day in range(1, days):
        wiggle[day] = rho * wiggle[day - 1] + rng.normal() * noise * np.sqrt(1 - rho**2)
    day = np.arange(days)
    season = (
        0.4 * np.isin(day % 7, (1, 3)) - 0.8 * (day % 7 >= 5) + yearly * np.sin(2 * np.pi * day / 365.2425)
    )
    log = level(day / days) + season + wiggle
    counts = rng.poisson(per_day * np.exp(log))
    of = np.repeat(day, counts)
    times = np.sort(START + of * DAY + rng.integers(0, DAY, len(of)))
    of = (times - START) // DAY
    entities = rng.integers(0, people, len(of))
    carrier = rng.integers(0, 3, len(of)).astype(np.int32)
    was_late = (rng.random(len(of)) < late(of / days, carrier)).astype(np.float64)
    amount = np.exp(3 + 0.5 * rng.normal(size=len(of)) + log[of])
    if con is not None:
        told = {"carrier": names(CARRIERS, carrier), "late": was_late > 0, 'amount "net"': amount}
        table(con, "orders", at=stamps(times), customer=entities, **told)
    return Sheet(
        "orders",
        "orders",
        times,
        entities,
        (Attribute("carrier", "carrier", "orders", Categorical(carrier, CARRIERS)),),
        (Outcome("late", "late", was_late, True), Outcome('amount "net"', "amount", amount, False)),
        START + round(0.6 * days) * DAY,
        'SELECT "at" AS "time", customer AS "entity", carrier, late, "amount ""net""" FROM orders',
    )


def judged(candidate: Candidate) -> tuple[Measured, float]:
    """The later part's figure, and its z against the null in the direction that the early part had."""
    sample, early = candidate.sample(Part.LATER), candidate.sample(Part.EARLY)
    found, before = estimate(sample), estimate(early).value
    measured = Measured(
        value=found.value,
        low=found.value - found.reach,
        high=found.value + found.reach,
        p=found.p(sample.null),
        support=sample.support,
        population=sample.population,
        entities=found.entities,
        early=before,
        null=sample.null,
    )
    return measured, found.z(sample.null) * float(np.sign(before - early.null))


def reproduces(candidate: Candidate, con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the candidate's SQL gives its later figure and support."""
    result = None
    for part in con.extract_statements(candidate.sql()):
        result = con.execute(part)
    assert result is not None
    columns = [d[0] for d in result.description]
    row = dict(zip(columns, result.fetchall()[-1]))
    sample = candidate.sample(Part.LATER)
    value = float(sample.finish(sample.sums.sum(axis=0)))
    return bool(np.isclose(row["value"], value, rtol=1e-9, atol=1e-12)) and row["support"] == sample.support


def fingerprint(mined: Mined) -> list[tuple[object, ...]]:
    """All that mining settled, to the last bit."""
    found: list[tuple[object, ...]] = [(mined.searched, mined.notes)]
    for candidate in mined.candidates:
        sample, rows = candidate.sample(Part.EARLY), candidate.rows()
        told = (sample.sums.tobytes(), sample.entities.tobytes(), sample.periods.tobytes(), sample.support)
        found.append((candidate.key, candidate.strength, None if rows is None else rows.tobytes(), *told))
    return found


def with_other_later(sheet: Sheet, seed: int, *, since: int | None = None) -> Sheet:
    """The sheet with other rows from the split on (or from `since`): other times, groups and outcomes."""
    rng = np.random.default_rng(seed)
    later = np.flatnonzero(sheet.times >= (sheet.split if since is None else since))
    times, entities = sheet.times.copy(), sheet.entities.copy()
    times[later] = np.sort(rng.integers(times[later[0]], times[-1] + 50 * DAY, len(later)))
    entities[later] = rng.permutation(entities[later])
    attributes = []
    for a in sheet.attributes:
        assert isinstance(a.values, Categorical)
        codes = a.values.codes.copy()
        codes[later] = rng.integers(0, len(a.values.categories), len(later))
        attributes.append(replace(a, values=replace(a.values, codes=codes)))
    outcomes = []
    for o in sheet.outcomes:
        values = o.values.copy()
        values[later] = rng.permutation(values[later]) if o.share else rng.exponential(900.0, len(later))
        outcomes.append(replace(o, values=values))
    return replace(
        sheet, times=times, entities=entities, attributes=tuple(attributes), outcomes=tuple(outcomes)
    )


def baskets(
    seed: int,
    *,
    transactions: int = 3000,
    bound: float = 0.5,
    kinds: bool = False,
    con: duckdb.DuckDBPyConnection | None = None,
) -> Baskets:
    """Orders of products of very different popularity, in baskets of very different size; whoever takes
    product 10 takes product 11 as well with chance `bound`.
    """
    rng = np.random.default_rng(seed)
    products = 60
    popular = rng.dirichlet(np.full(products, 0.7))
    popular[[10, 11]] = 0.01
    popular /= popular.sum()
    sizes = np.minimum(1 + rng.geometric(0.2, transactions) * (1 + 4 * (rng.random(transactions) < 0.1)), 40)
    held: set[tuple[int, int]] = set()
    for transaction, size in enumerate(sizes.tolist()):
        chosen = set(rng.choice(products, size, p=popular).tolist()) | (
            {10} if rng.random() < 0.05 else set()
        )
        if 10 in chosen and rng.random() < bound:
            chosen.add(11)
        held |= {(transaction, p) for p in chosen}
    rows = np.array(sorted(held))
    times = START + np.sort(rng.integers(0, 500 * DAY, transactions))
    entities = rng.integers(0, 400, transactions)
    labels = tuple(f"product '{k}'" for k in range(products))
    if con is not None:
        lines, items = rows[:, 0], names(labels, rows[:, 1])
        table(con, "lines", at=stamps(times[lines]), customer=entities[lines], number=lines, product=items)
    same = np.where(np.isin(np.arange(products), (10, 11)), 0, -1).astype(np.int32)
    return Baskets(
        "lines",
        "orders",
        "product",
        times,
        entities,
        rows[:, 0],
        rows[:, 1].astype(np.int32),
        labels,
        START + 300 * DAY,
        'SELECT "at" AS "time", customer AS "entity", number AS "transaction", product AS "item" FROM lines',
        kinds=(same,) if kinds else (),
    )


def stream(seed: int, *, follows: float = 0.4, con: duckdb.DuckDBPyConnection | None = None) -> Stream:
    """Deliveries in bursts by customers of very different business; returns come near deliveries, on either
    side, and follow late ones with chance `follows`.
    """
    rng = np.random.default_rng(seed)
    days, events = 600, []
    for customer in range(250):
        rate = rng.gamma(1.0, 0.06)
        busy = np.repeat(rng.random(days // 30) < 0.4, 30)
        for day in np.flatnonzero((rng.random(days) < rate) & busy).tolist():
            at = day * DAY + int(rng.integers(0, DAY))
            late = rng.random() < 0.3
            events.append((at, customer, 1 if late else 0))
            if rng.random() < 0.15:
                events.append((at + int(rng.integers(-9 * DAY, 9 * DAY)), customer, 2))
            if late and rng.random() < follows:
                events.append((at + int(rng.integers(1, 9 * DAY)), customer, 2))
    kept = np.array(sorted(e for e in events if 0 <= e[0] < days * DAY))
    times, entities, codes = START + kept[:, 0], kept[:, 1], kept[:, 2].astype(np.int32)
    types = ("delivery", "it's late", "return")
    if con is not None:
        table(con, "events", at=stamps(times), customer=entities, what=names(types, codes))
    return Stream(
        "customers",
        "customers",
        times,
        entities,
        codes,
        types,
        ("a delivery in time", "a late delivery", "a return"),
        START + 360 * DAY,
        'SELECT "at" AS "time", customer AS "entity", what AS "type" FROM events',
    )


def durations(seed: int, *, sooner: float = 2.0, con: duckdb.DuckDBPyConnection | None = None) -> Durations:
    """Days from an order to the next: customers differ, and whoever comes by DHL comes `sooner` times as
    soon again.
    """
    rng = np.random.default_rng(seed)
    n, people = 6000, 400
    times = START + np.sort(rng.integers(0, 600 * DAY, n))
    entities = rng.integers(0, people, n)
    carrier = rng.integers(0, 3, n).astype(np.int32)
    mean = 40 * np.exp(0.5 * rng.normal(size=people))[entities] / np.where(carrier == 0, sooner, 1.0)
    days = rng.exponential(mean) + 0.01
    end = int(times[-1])
    days[times + days * DAY > end] = np.nan
    if con is not None:
        held = names(CARRIERS, carrier)
        table(
            con,
            "waits",
            at=stamps(times),
            customer=entities,
            carrier=held,
            days=pa.array(days, from_pandas=True),
        )
    return Durations(
        "waits",
        "orders",
        "the customer's next order",
        times,
        entities,
        days,
        (Attribute("carrier", "carrier", "waits", Categorical(carrier, CARRIERS)),),
        START + 360 * DAY,
        end,
        'SELECT "at" AS "time", customer AS "entity", carrier, days FROM waits',
    )
