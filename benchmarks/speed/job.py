"""The job that every tool is given: the tables, the windows, and the list of features wanted.

Standard library alone, so that each tool's own environment can import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

WINDOWS: tuple[int | None, ...] = (30, 90, 300, None)
"""Look-back windows in days; None is all history."""

SPREAD = ("sum", "mean", "std", "min", "max", "last")


@dataclass(frozen=True)
class Column:
    """A column that is measured: of the event's own table, or of the parent that `via` names."""

    table: str
    name: str
    via: str = ""


@dataclass(frozen=True)
class Wanted:
    """One feature: `measure` of a column (None: of the rows) within `days` before the cutoff (None: ever).

    `equals` counts the events whose column has that value.
    """

    table: str
    measure: str
    days: int | None
    column: str | None = None
    via: str = ""
    equals: str | None = None

    @property
    def name(self) -> str:
        value = [f"{self.via}>{self.column}" if self.via else self.column or ""]
        if self.equals is not None:
            value = [f"{value[0]}={self.equals}"]
        window = "all" if self.days is None else f"{self.days}d"
        return ".".join([self.table, *(v for v in value if v), self.measure, window])


TIMES = {"orders": "ordered_at", "clicks": "clicked_at"}
KEYS = {"customers": "customer_id", "products": "product_id", "orders": "order_id", "clicks": "click_id"}

NUMBERS = (
    Column("orders", "amount"),
    Column("orders", "quantity"),
    Column("orders", "discount"),
    Column("orders", "price", "products"),
    Column("orders", "weight", "products"),
    Column("clicks", "duration"),
)
CATEGORIES = (
    Column("orders", "channel"),
    Column("orders", "status"),
    Column("orders", "category", "products"),
    Column("orders", "brand", "products"),
    Column("clicks", "page"),
)
COUNTED = {
    Column("orders", "channel"): ("web", "app", "shop", "phone"),
    Column("orders", "status"): ("paid", "shipped", "returned", "cancelled"),
    Column("orders", "category", "products"): ("c00", "c01", "c02", "c03", "c04", "c05"),
    Column("clicks", "device"): ("phone", "desktop", "tablet"),
}


def wanted(windows: tuple[int | None, ...] = WINDOWS, columns: int | None = None) -> list[Wanted]:
    """The features; with `columns` the counts of rows and those of the first so many numeric columns."""
    if columns is not None:
        return [*_rows(windows), *_numbers(windows, NUMBERS[:columns])]
    return [*_rows(windows), *_numbers(windows, NUMBERS), *_categories(windows)]


def _rows(windows: tuple[int | None, ...]) -> Iterator[Wanted]:
    for table in TIMES:
        for days in windows:
            yield Wanted(table, "count", days)
        yield Wanted(table, "recency", None)
        yield Wanted(table, "tenure", None)


def _numbers(windows: tuple[int | None, ...], columns: tuple[Column, ...]) -> Iterator[Wanted]:
    for column in columns:
        for days in windows:
            for measure in SPREAD if column.via or column.table != "orders" else (*SPREAD, "trend"):
                yield Wanted(column.table, measure, days, column.name, column.via)


def _categories(windows: tuple[int | None, ...]) -> Iterator[Wanted]:
    for column in CATEGORIES:
        for days in windows:
            for measure in ("distinct", "mode"):
                yield Wanted(column.table, measure, days, column.name, column.via)
        yield Wanted(column.table, "last_category", None, column.name, column.via)
    for days in windows:
        yield Wanted("orders", "distinct", days, "product_id")
    for column, values in COUNTED.items():
        for days in windows:
            for value in values:
                yield Wanted(column.table, "count", days, column.name, column.via, value)


CATEGORICAL = ("mode", "last_category")
"""Measures whose value is a word; they are computed and counted, and left out of the comparison of values."""

SAMPLE = 400


def sample(rows: int) -> list[int]:
    """The positions of the rows whose values are compared between the tools."""
    return (
        sorted({i * (rows - 1) // (SAMPLE - 1) for i in range(SAMPLE)}) if rows > SAMPLE else [*range(rows)]
    )
