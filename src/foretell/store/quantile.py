"""A quantile of more numbers than fit into memory, by narrowing down where it lies."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

BUCKETS = 1 << 16
FEW = 1_000_000
"""So many numbers are sorted at once."""


def quantile(connection: Any, query: str, share: float) -> int | None:
    """The smallest of a query's whole numbers (its column `v`) that this share of them is not above, as
    QUANTILE_DISC; None without any.

    >>> import duckdb
    >>> quantile(duckdb.connect(), "SELECT range * 7 AS v FROM range(1000)", 0.1)
    693
    """

    def ask(what: str, where: str = "", then: str = "") -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = connection.execute(
            f"SELECT {what} FROM ({query}) WHERE v IS NOT NULL {where} {then}"
        ).fetchall()
        return found

    low, high, count = ask("min(v), max(v), count(*)")[0]
    if not count:
        return None
    place = max(math.ceil(count * Fraction(repr(share))), 1) - 1  # among those from `low` to `high`
    while count > FEW and low < high:
        width = (high - low) // BUCKETS + 1
        inside = f"AND v BETWEEN {low} AND {high}"
        for bucket, size in ask(f"(v - {low}) // {width} AS b, count(*)", inside, "GROUP BY 1 ORDER BY 1"):
            if place < size:
                low, high, count = low + bucket * width, min(high, low + (bucket + 1) * width - 1), size
                break
            place -= size
    inside = f"AND v BETWEEN {low} AND {high}"
    return int(low if low == high else ask("v", inside, f"ORDER BY v LIMIT 1 OFFSET {place}")[0][0])
