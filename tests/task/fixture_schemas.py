"""Schemas for the tests of the binder, written in a few lines each."""

from __future__ import annotations

from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table

_TYPES = {
    "int": (DType.INTEGER, Semantic.NUMERIC),
    "num": (DType.FLOAT, Semantic.NUMERIC),
    "id": (DType.INTEGER, Semantic.IDENTIFIER),
    "code": (DType.INTEGER, Semantic.CATEGORICAL),
    "cat": (DType.TEXT, Semantic.CATEGORICAL),
    "text": (DType.TEXT, Semantic.TEXT),
    "bool": (DType.BOOLEAN, Semantic.BOOLEAN),
    "time": (DType.TIMESTAMP, Semantic.TIME),
    "blob": (DType.OTHER, Semantic.TEXT),
}


def make_schema(text: str, *, ignore: tuple[str, ...] = (), timezone: str | None = None) -> Schema:
    """`table: column type, …` a line; after a type `*` marks the key, `@` the time, `>parent` a foreign key."""
    tables, links = [], []
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    keys: dict[str, tuple[str, ...]] = {}
    parsed = []
    for line in lines:
        name, _, rest = line.partition(": ")
        columns, key, time = [], [], None
        for part in rest.split(", "):
            column, kind = part.split(" ", 1)
            kind, _, parent = kind.partition(">")
            if parent:
                links.append((name, column, parent))
            bare = kind.rstrip("*@")
            if "*" in kind:
                key.append(column)
            if "@" in kind:
                time = column
            dtype, semantic = _TYPES[bare]
            columns.append(
                Column(
                    column,
                    dtype,
                    semantic,
                    distinct=10 if kind.endswith("*") else None,
                    ignored=f"{name}.{column}" in ignore,
                )
            )
        keys[name] = tuple(key)
        parsed.append((name, tuple(columns), tuple(key), time))
    for name, columns, key, time in parsed:
        tables.append(Table(name, columns, key, time, rows=10, ignored=name in ignore))
    made = [Link(child, (column,), parent, keys[parent][:1]) for child, column, parent in links]
    return Schema(tuple(tables), tuple(made), timezone=timezone)


EVERYTHING = make_schema(
    """
    customers: customer_id id*, segment cat, id id, country cat, signup time@
    users: user_id id*, age int, country cat
    orders: o id*, customer_id id>customers, user_id id>users, article_id id, item_id cat, amount num, price num, t time@
    products: product_id id*, category cat
    reviews: review_id id*, product_id id>products, stars int, at time@
    drivers: driver_id id*, driverId id
    results: result_id id*, driver_id id>drivers, position num, statusId code, date time@
    machines: id id*
    readings: reading_id id*, machine_id id>machines, temp num, at time@
    accounts: id id*
    loans: loan_id id*, account_id id>accounts, status cat, amount num, at time@
    returns: return_id id*, user_id id>users, at time@
    visits: visit_id id*, user_id id>users, channel cat, at time@
    stores: store_id id*
    sales: sale_id id*, store_id id>stores, qty int, at time@
    notifications: notification_id id*, user_id id>users, type cat, at time@
    """
)
"""Every table of the twenty-two queries but the last two, which name the keys otherwise."""

RACES = make_schema(
    """
    drivers: driverId id*, surname text
    results: resultId id*, driverId id>drivers, statusId code, date time@
    """
)

MARGIN = make_schema(
    """
    customers: id id*
    lines: line_id id*, customer_id id>customers, revenue num, cost num, at time@
    """
)
