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
    """`table: column type, …` a line; after a type `*` is the key, `@` the time, `>parent` a foreign key."""
    tables, links = [], []
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    keys: dict[str, tuple[str, ...]] = {}
    parsed = []
    for line in lines:
        name, _, rest = line.partition(": ")
        columns, key, time = [], [], None
        for part in rest.split(","):
            column, kind = part.split()
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
    orders: order_id id*, customer_id id>customers, user_id id>users, article_id id, \
        item_id id, amount num, price num, placed time@
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

SHOP = make_schema(
    """
    customers: customer_id id*, country cat, age int, vip bool, ssn text, signup time@
    orders: order_id id*, customer_id id>customers, status cat, amount num, paid bool, scan blob, placed time@
    addresses: address_id id*
    shipments: shipment_id id*, order_id id>orders, ship_to id>addresses, bill_to id>addresses, weight num, \
        budget num, sent time@
    parcels: parcel_id id*, shipment_id id>shipments, at time@
    posts: post_id id*, parent_id id>posts, accepted_id id>posts, kind code, at time@
    tags: tag_id id*, station cat>stations
    stations: station cat*
    readings: reading_id id*, station cat>stations, at time@
    weather: station cat*, at time@
    votes: rcid id*, country cat*, vote cat, at time@
    matches: match_id id*, home int, away int, played time@
    logs: line int, level cat, at time@
    Logs: line int*, at time@
    secrets: secret_id id*, customer_id id>customers, at time@
    """,
    ignore=("secrets", "customers.ssn"),
)
"""A shop with every difficulty: two links to one table, self links, keys of two columns or none, no time."""
