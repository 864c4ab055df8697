"""Conditions on an attribute: a value, a range of numbers, or nothing known; in English and in SQL."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from foretell.features.matrix import Categorical, Codes, Floats
from foretell.patterns.mine.phrases import figure, value
from foretell.patterns.mine.statement import equals, name, number
from foretell.patterns.sheet import Attribute, Bools, Ints

VALUES = 30  # of an attribute, the most frequent ones
FEW = 8  # different numbers are taken one by one
EDGES = 8  # numbers are cut into so many ranges of about equally many rows


@dataclass(frozen=True)
class Condition:
    """Of the attribute: one category, numbers from `low` to below `high`, or that it is unknown."""

    attribute: str
    category: str | None = None
    low: float = -np.inf
    high: float = np.inf
    only: float | None = None  # the one number that lies between
    unknown: bool = False

    @property
    def key(self) -> str:
        """Names it, the same in each run."""
        if self.unknown:
            return f"{self.attribute} unknown"
        if self.category is not None:
            return f"{self.attribute}={self.category}"
        return f"{self.low!r}<={self.attribute}<{self.high!r}"

    def holds(self, of: Attribute) -> Bools:
        """(rows,)"""
        values = of.values
        if isinstance(values, Categorical):
            code = -1 if self.unknown else values.categories.index(self.category or "")
            return np.asarray(values.codes == code)
        if self.unknown:
            return ~np.isfinite(values.values)
        with np.errstate(invalid="ignore"):
            return np.asarray(
                (values.values >= self.low) & (values.values < self.high) & np.isfinite(values.values)
            )

    def words(self, of: Attribute) -> str:
        """In English, to follow "orders with".

        >>> from foretell.features.matrix import Numeric
        >>> amount = Attribute("amount", "amount", "orders", Numeric(np.zeros(1)))
        >>> Condition("amount", low=20.0).words(amount), Condition("amount", unknown=True).words(amount)
        ('amount of at least 20', 'no amount')
        """
        if self.unknown:
            return f"no {of.title}"
        if self.category is not None:
            return f"{of.title} {value(self.category)}"
        if self.only is not None:
            return f"{of.title} {self.only:g}"
        if self.high == np.inf:
            return f"{of.title} of at least {plain(self.low)}"
        if self.low == -np.inf:
            return f"{of.title} below {plain(self.high)}"
        return f"{of.title} from {plain(self.low)} to below {plain(self.high)}"

    def sql(self, is_numeric: bool) -> str:
        """As an expression of DuckDB that is never NULL."""
        read = f"CAST({name(self.attribute)} AS DOUBLE)"
        if self.unknown:
            known = f"isfinite({read})" if is_numeric else f"{name(self.attribute)} IS NOT NULL"
            return f"NOT coalesce({known}, FALSE)"
        if self.category is not None:
            return equals(self.attribute, self.category)
        parts = [f"isfinite({read})"]
        if self.low > -np.inf:
            parts.append(f"{read} >= {number(self.low)}")
        if self.high < np.inf:
            parts.append(f"{read} < {number(self.high)}")
        return f"coalesce({' AND '.join(parts)}, FALSE)"


def plain(limit: float) -> str:
    """A limit as exactly as it is meant.

    >>> plain(12345.5), plain(20.0), plain(2015.0)
    ('12,345.5', '20', '2015')
    """
    if limit == round(limit) and abs(limit) < 10_000:
        return f"{limit:.0f}"
    text = f"{limit:,.10g}"
    return text if len(text) < 16 else figure(limit)


@dataclass(frozen=True)
class Coded:
    """An attribute's early values as codes, and its conditions as ranges of codes.

    Condition k holds where `low[k] <= codes < high[k]`.
    """

    attribute: str
    codes: Codes  # (rows,)
    size: int
    conditions: tuple[Condition, ...]
    low: Ints
    high: Ints


def coded(attribute: Attribute, rows: Ints, least: int) -> Coded | None:
    """The conditions that hold for at least `least` of the `rows`; None where there are none."""
    values = attribute.values
    found: list[tuple[Condition, int, int]] = []
    if isinstance(values, Categorical):
        held = values.codes[rows]
        counts = np.bincount(held + 1, minlength=len(values.categories) + 1)
        frequent = np.argsort(-counts[1:], kind="stable")[:VALUES]
        place = np.zeros(len(counts), dtype=np.int32)  # 0: other values
        for code in frequent:
            if counts[code + 1] >= least:
                place[code + 1] = len(found) + 1
                found.append(
                    (
                        Condition(attribute.name, category=values.categories[code]),
                        len(found) + 1,
                        len(found) + 2,
                    )
                )
        if counts[0] >= least:
            place[0] = len(found) + 1
            found.append((Condition(attribute.name, unknown=True), len(found) + 1, len(found) + 2))
        codes, size = place[held + 1], len(found) + 1
    else:
        numbers = values.values[rows].astype(np.float64)
        edges, singles = _edges(numbers)
        known = np.isfinite(numbers)
        last = len(edges) + 1
        codes = np.where(known, np.searchsorted(edges, numbers, side="right"), last).astype(np.int32)
        size = last + 1
        found = _ranges(attribute.name, edges, singles, last)
        counts = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=size))])
        found = [f for f in found if counts[f[2]] - counts[f[1]] >= least]
    if not found:
        return None
    low, high = (np.array([f[k] for f in found], dtype=np.int64) for k in (1, 2))
    return Coded(attribute.name, codes, size, tuple(f[0] for f in found), low, high)


def _edges(numbers: Floats) -> tuple[list[float], list[float] | None]:
    """Limits between ranges; and the different numbers, where they are few."""
    known = np.sort(numbers[np.isfinite(numbers)])
    if not len(known):
        return [], None
    different = np.unique(known[:: max(1, len(known) // 50_000)])
    if len(different) <= FEW:
        different = np.unique(known)
    if len(different) <= FEW:
        return [limit(a, b) for a, b in pairwise(different)], different.tolist()
    edges: list[float] = []
    for k in range(1, EDGES):
        edge = near(known, len(known) * k // EDGES)
        if edge is None:
            continue
        if not edges or edge > edges[-1]:
            edges.append(edge)
    return edges, None


def near(known: Floats, place: int) -> float | None:
    """A short number near a place of sorted ones; None where no smaller number lies before it.

    One that rows have must be exact in single precision too, which some columns are read in.
    """
    width = len(known) // 50
    a, b = float(known[max(0, place - width)]), float(known[min(len(known) - 1, place + width)])
    if a < b:
        edge = limit(a, b)
        k = int(np.searchsorted(known, edge - 1e-6 * abs(edge)))
        is_met = k < len(known) and abs(known[k] - edge) <= 1e-6 * abs(edge)
        if not is_met or float(np.float32(edge)) == edge:
            return edge
    b = float(known[place])
    below = int(np.searchsorted(known, b))
    return limit(float(known[below - 1]), b) if below else None


def limit(a: float, b: float) -> float:
    """The shortest number above `a` and at most `b`.

    >>> limit(19.95, 20.4), limit(1.0, 2.0), limit(0.1, 0.10000001)
    (20.0, 2.0, 0.10000001)
    """
    for digits in range(1, 17):
        for near in (b, (a + b) / 2):
            short = float(f"{near:.{digits}g}")
            if a < short <= b:
                return short
    return b


def _ranges(
    attribute: str, edges: list[float], singles: list[float] | None, last: int
) -> list[tuple[Condition, int, int]]:
    found = []
    bounds = [-np.inf, *edges, np.inf]
    if singles is not None and len(singles) > 1:
        for k, one in enumerate(singles):
            found.append((Condition(attribute, low=bounds[k], high=bounds[k + 1], only=one), k, k + 1))
    if singles is None or len(singles) > 2:
        for k in range(1, last):
            found.append((Condition(attribute, low=bounds[k]), k, last))
            found.append((Condition(attribute, high=bounds[k]), 0, k))
    if singles is None:
        for width in (2, 4):
            for k in range(1, last - width):
                found.append((Condition(attribute, low=bounds[k], high=bounds[k + width]), k, k + width))
    found.append((Condition(attribute, unknown=True), last, last + 1))
    return found
