"""Make a shop's database as Parquet: customers, products, orders (N:1 products) and clicks.

    python benchmarks/speed/generate.py FOLDER [--orders 5000000] [--clicks 1000000] [--customers N]

The same arguments give the same rows. Orders and clicks come in the order they happened, as a log does, but
for one in a hundred that was written late. Customers differ by orders of magnitude (log-normal, and one has
1% of all rows), half of them arrive over time, so some rows look back on nothing. Times are whole minutes,
one event in twenty is at midnight (some on a cutoff), and one in five shares customer and time with the one
before: ties. Values are NULL: 2% of amounts, 60% of discounts, 5% of weights, 3% of durations, 1% of
channels. Rows are made half a million at a time: any size fits into memory.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAY = 86_400_000_000
MINUTE = 60_000_000
BEGIN = np.datetime64("2022-01-01", "us").astype(np.int64)
DAYS = 1095
CHUNK = 500_000
PRODUCTS = 2_000
PER_CUSTOMER = 300  # orders, unless the number of customers is given

CHANNELS = np.array(["web", "app", "shop", "phone"])
STATUSES = np.array(["paid", "shipped", "returned", "cancelled", "open"])
PAGES = np.array(["home", "search", "item", "basket", "pay", "help", "account", "offers"])
DEVICES = np.array(["phone", "desktop", "tablet"])
REGIONS = np.array(["north", "east", "south", "west", "abroad"])


def generate(folder: Path, *, orders: int, clicks: int, customers: int | None = None, seed: int = 0) -> Path:
    """Write the tables into `folder`, unless they are there already; returns the folder."""
    customers = customers or max(10, orders // PER_CUSTOMER)
    asked = {"orders": orders, "clicks": clicks, "customers": customers, "seed": seed, "version": 1}
    said = folder / "_job.json"  # written last: a folder without it is half made
    if said.exists() and json.loads(said.read_text()) == asked:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = np.random.default_rng([seed, 0])
    pq.write_table(_customers(rng, customers), folder / "customers.parquet")
    pq.write_table(_products(np.random.default_rng([seed, 1])), folder / "products.parquet")
    crowd = _Crowd(np.random.default_rng([seed, 2]), customers)
    _write(folder / "orders.parquet", _chunks(orders, [seed, 3], crowd, _orders))
    _write(folder / "clicks.parquet", _chunks(clicks, [seed, 4], crowd, _clicks))
    said.write_text(json.dumps(asked))
    return folder


def rows(customers: int, *, cutoffs: int, labels: int | None = None, seed: int = 0) -> pa.Table:
    """Rows to compute: (customer_id, cutoff).

    Each customer at each of `cutoffs` midnights evenly over the last year; `labels` draws that many of them
    instead. With `cutoffs` 0 each row has a cutoff of its own, to the microsecond.
    """
    rng = np.random.default_rng([seed, 5])
    last = BEGIN + DAYS * DAY
    grid = last - (np.arange(max(cutoffs, 1)) * (365 / max(cutoffs, 1))).astype(np.int64) * DAY
    if labels is None and cutoffs:
        who = np.tile(np.arange(1, customers + 1), len(grid))
        when = np.repeat(grid[::-1], customers)
    else:
        count = labels or customers
        who = rng.permutation(np.arange(count) % customers) + 1
        when = rng.choice(grid, count) if cutoffs else last - rng.integers(0, 365 * DAY, count)
    return pa.table({"customer_id": pa.array(who), "cutoff": pa.array(when).cast(pa.timestamp("us"))})


class _Crowd:
    """Who acts: customers in the order they arrive, each with a weight."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        arrives = np.sort(np.where(rng.random(count) < 0.5, 0.0, rng.random(count) * 0.9))
        weights = rng.lognormal(0.0, 1.3, count)
        weights[0] = 0.01 * weights.sum()
        self._arrives, self._heights = arrives, np.cumsum(weights)
        self._ids = rng.permutation(count) + 1

    def pick(self, rng: np.random.Generator, count: int, when: float) -> np.ndarray:
        """Customers that have arrived when `when` of the whole time has passed."""
        present = np.searchsorted(self._arrives, when, side="right")
        points = rng.random(count) * self._heights[present - 1]
        return self._ids[np.searchsorted(self._heights[:present], points, side="right")]


Maker = Callable[[np.random.Generator, np.ndarray, np.ndarray, np.ndarray], pa.Table]


def _chunks(count: int, seed: list[int], crowd: _Crowd, make: Maker) -> Iterator[pa.Table]:
    for first in range(0, count, CHUNK):
        rng = np.random.default_rng([*seed, first])
        size = min(CHUNK, count - first)
        begin, end = first / count, (first + size) / count
        when = np.sort(rng.uniform(begin, end, size))
        times = BEGIN + (when * DAYS * DAY).astype(np.int64) // MINUTE * MINUTE
        times = np.where(rng.random(size) < 0.05, times // DAY * DAY, times)
        late = np.flatnonzero(rng.random(size) < 0.01)
        times[late] = times[rng.permutation(late)]
        # A chunk's customers are picked in slices of time, so that newcomers come in gradually.
        who = np.concatenate(
            [crowd.pick(rng, len(part), float(part[0])) for part in np.array_split(when, 20) if len(part)]
        )
        # One in five is another line of the basket before it: same customer, same time.
        own = np.where(rng.random(size) < 0.2, 0, np.arange(size))
        own = np.maximum.accumulate(own)
        yield make(rng, np.arange(first, first + size) + 1, who[own], times[own])


def _orders(rng: np.random.Generator, keys: np.ndarray, who: np.ndarray, times: np.ndarray) -> pa.Table:
    size = len(keys)
    product = (rng.zipf(1.3, size) - 1) % PRODUCTS + 1
    return pa.table(
        {
            "order_id": keys,
            "customer_id": who,
            "product_id": product,
            "ordered_at": pa.array(times).cast(pa.timestamp("us")),
            "amount": _holes(rng, np.round(rng.lognormal(3.0, 1.0, size), 2), 0.02),
            "quantity": 1 + rng.poisson(0.7, size),
            "discount": _holes(rng, np.round(rng.beta(2, 8, size), 3), 0.6),
            "channel": _words(rng, CHANNELS, size, (0.5, 0.3, 0.15, 0.05), 0.01),
            "status": _words(rng, STATUSES, size, (0.45, 0.4, 0.08, 0.04, 0.03)),
        }
    )


def _clicks(rng: np.random.Generator, keys: np.ndarray, who: np.ndarray, times: np.ndarray) -> pa.Table:
    size = len(keys)
    return pa.table(
        {
            "click_id": keys,
            "customer_id": who,
            "clicked_at": pa.array(times).cast(pa.timestamp("us")),
            "duration": _holes(rng, np.round(rng.gamma(1.5, 20.0, size), 1), 0.03),
            "page": _words(rng, PAGES, size, (0.25, 0.2, 0.25, 0.1, 0.05, 0.05, 0.05, 0.05)),
            "device": _words(rng, DEVICES, size, (0.6, 0.3, 0.1)),
        }
    )


def _customers(rng: np.random.Generator, count: int) -> pa.Table:
    return pa.table(
        {
            "customer_id": np.arange(1, count + 1),
            "region": _words(rng, REGIONS, count, (0.3, 0.25, 0.2, 0.2, 0.05)),
            "age": _holes(rng, rng.integers(18, 90, count).astype(np.float64), 0.1),
        }
    )


def _products(rng: np.random.Generator) -> pa.Table:
    categories = np.array([f"c{i:02d}" for i in range(12)])
    brands = np.array([f"b{i:03d}" for i in range(60)])
    return pa.table(
        {
            "product_id": np.arange(1, PRODUCTS + 1),
            "price": np.round(rng.lognormal(3.0, 0.8, PRODUCTS), 2),
            "weight": _holes(rng, np.round(rng.gamma(2.0, 1.5, PRODUCTS), 3), 0.05),
            "category": categories[rng.integers(0, len(categories), PRODUCTS)],
            "brand": brands[rng.integers(0, len(brands), PRODUCTS)],
        }
    )


def _holes(rng: np.random.Generator, values: np.ndarray, share: float) -> pa.Array:
    return pa.array(values, mask=rng.random(len(values)) < share)


def _words(
    rng: np.random.Generator, words: np.ndarray, size: int, shares: tuple[float, ...], nulls: float = 0.0
) -> Any:
    codes = rng.choice(len(words), size, p=shares).astype(np.int32)
    found = pa.array(codes, mask=rng.random(size) < nulls)
    return pa.DictionaryArray.from_arrays(found, pa.array(words)).cast(pa.string())


def _write(path: Path, chunks: Iterator[pa.Table]) -> None:
    writer: pq.ParquetWriter | None = None
    for chunk in chunks:
        writer = writer or pq.ParquetWriter(path, chunk.schema, compression="zstd")
        writer.write_table(chunk, row_group_size=125_000)
    if writer is not None:
        writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--orders", type=int, default=5_000_000)
    parser.add_argument("--clicks", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, help=f"default: one for {PER_CUSTOMER} orders")
    parser.add_argument("--seed", type=int, default=0)
    asked = vars(parser.parse_args())
    folder = generate(asked.pop("folder"), **asked)
    for file in sorted(folder.glob("*.parquet")):
        found = pq.ParquetFile(file).metadata
        print(f"{file}: {found.num_rows:,} rows, {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
