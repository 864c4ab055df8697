"""One small database, written into every kind of source."""

from __future__ import annotations

import atexit
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

# A database of this process's own: a snapshot reads every schema, and another worker's would come and go.
SERVER = "postgresql://postgres:x@127.0.0.1:5432"
OWN = f"foretell_{os.getpid()}"
POSTGRES = f"{SERVER}/{OWN}"
MYSQL = {"host": "127.0.0.1", "port": 3306, "user": "root", "password": ""}
START = datetime(2024, 2, 28, 23, 30)
Tables = dict[str, pa.Table]


def shop(customers: str = "customers", orders: str = "orders", note: str = "note") -> Tables:
    """Customers and orders with NULLs, a leap day, unicode and empty text; `note` is a column's name."""
    n = 40
    return {
        customers: pa.table(
            {
                "customer_id": pa.array(range(1, 11)),
                "city": pa.array([None if i == 3 else f"Øl {i % 4} 🍺" for i in range(10)]),
                "joined_at": pa.array([START + timedelta(hours=i) for i in range(10)], pa.timestamp("us")),
            }
        ),
        orders: pa.table(
            {
                "order_id": pa.array(range(100, 100 + n)),
                "customer_id": pa.array([None if i == 7 else 1 + i % 10 for i in range(n)]),
                "placed_at": pa.array(
                    [START + timedelta(days=i, minutes=i) for i in range(n)], pa.timestamp("us")
                ),
                "amount": pa.array([None if i == 5 else i + 0.25 for i in range(n)]),
                "paid": pa.array([i % 3 == 0 for i in range(n)]),
                note: pa.array([None if i == 9 else f'a,"b"\n{i % 3}' for i in range(n)]),
            }
        ),
    }


SQL_TYPES = {
    "duckdb": {"int64": "BIGINT", "string": "VARCHAR", "double": "DOUBLE", "bool": "BOOLEAN"},
    "sqlite": {"int64": "INTEGER", "string": "TEXT", "double": "REAL", "bool": "BOOLEAN"},
    "postgres": {"int64": "bigint", "string": "text", "double": "float8", "bool": "boolean"},
    "mysql": {"int64": "bigint", "string": "text", "double": "double", "bool": "tinyint(1)"},
}


def quoted(name: str, mark: str = '"') -> str:
    return mark + name.replace(mark, mark * 2) + mark


def create(dialect: str, name: str, table: pa.Table, place: str = "") -> str:
    """CREATE TABLE for a table of the shop; its first column is the key."""
    mark = "`" if dialect == "mysql" else '"'
    types = SQL_TYPES[dialect] | {"timestamp[us]": "DATETIME(6)" if dialect == "mysql" else "TIMESTAMP"}
    fields = [
        f"{quoted(f.name, mark)} {types[str(f.type)]}{' PRIMARY KEY' if i == 0 else ''}"
        for i, f in enumerate(table.schema)
    ]
    return f"CREATE TABLE {place}{quoted(name, mark)} ({', '.join(fields)})"


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(c.to_pylist() for c in table.columns)))


@contextmanager
def in_duckdb(folder: Path, tables: Tables) -> Iterator[Any]:
    connection = duckdb.connect(str(folder / "shop.duckdb"))
    for name, table in tables.items():
        connection.execute(create("duckdb", name, table))
        marks = ", ".join("?" * table.num_columns)
        connection.executemany(f"INSERT INTO {quoted(name)} VALUES ({marks})", rows_of(table))
    connection.close()
    yield folder / "shop.duckdb"


@contextmanager
def in_sqlite(folder: Path, tables: Tables) -> Iterator[Any]:
    connection = sqlite3.connect(folder / "shop.sqlite")
    for name, table in tables.items():
        connection.execute(create("sqlite", name, table))
        marks = ", ".join("?" * table.num_columns)
        rows = [tuple(str(v) if isinstance(v, datetime) else v for v in r) for r in rows_of(table)]
        connection.executemany(f"INSERT INTO {quoted(name)} VALUES ({marks})", rows)
    connection.commit()
    connection.close()
    yield folder / "shop.sqlite"


@contextmanager
def in_parquet(folder: Path, tables: Tables) -> Iterator[Any]:
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    (folder / "README.md").write_text("no data")
    yield folder


@contextmanager
def in_parts(folder: Path, tables: Tables) -> Iterator[Any]:
    for name, table in tables.items():
        (folder / name).mkdir()
        half = table.num_rows // 2
        pq.write_table(table.slice(0, half), folder / name / "part-0.parquet")
        pq.write_table(table.slice(half), folder / name / "part-1.parquet")
    yield folder


@contextmanager
def in_csv(folder: Path, tables: Tables) -> Iterator[Any]:
    for name, table in tables.items():
        pacsv.write_csv(table, folder / f"{name}.csv")
    yield folder


@contextmanager
def in_arrow(folder: Path, tables: Tables) -> Iterator[Any]:
    yield tables


@contextmanager
def in_pandas(folder: Path, tables: Tables) -> Iterator[Any]:
    yield {name: table.to_pandas() for name, table in tables.items()}


@contextmanager
def in_polars(folder: Path, tables: Tables) -> Iterator[Any]:
    yield {name: polars.from_arrow(table) for name, table in tables.items()}


@contextmanager
def in_postgres(folder: Path, tables: Tables) -> Iterator[Any]:
    connection = postgres()
    schema = f"foretell_{os.getpid()}_{abs(hash(str(folder))) % 10**8}"
    connection.execute(f"CREATE SCHEMA {schema}")
    try:
        for name, table in tables.items():
            connection.execute(create("postgres", name, table, f"{schema}.").replace("%", "%%").encode(), ())
            marks = ", ".join(["%s"] * table.num_columns)
            place = f"{schema}.{quoted(name)}".replace("%", "%%")
            connection.cursor().executemany(f"INSERT INTO {place} VALUES ({marks})", rows_of(table))
        yield f"{POSTGRES}?options=-csearch_path%3D{schema}"
    finally:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")
        connection.close()


@contextmanager
def in_mysql(folder: Path, tables: Tables) -> Iterator[Any]:
    connection = mysql()
    database = f"foretell_{os.getpid()}_{abs(hash(str(folder))) % 10**8}"
    cursor = connection.cursor()
    cursor.execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
    try:
        cursor.execute(f"USE {database}")
        for name, table in tables.items():
            cursor.execute(create("mysql", name, table))
            marks = ", ".join(["%s"] * table.num_columns)
            place = quoted(name, "`").replace("%", "%%")
            cursor.executemany(f"INSERT INTO {place} VALUES ({marks})", rows_of(table))
        connection.commit()
        yield f"mysql://root@127.0.0.1:3306/{database}"
    finally:
        cursor.execute(f"DROP DATABASE {database}")
        connection.close()


def postgres() -> Any:
    import psycopg

    try:
        _make_own()
        return psycopg.connect(POSTGRES, autocommit=True, connect_timeout=2)
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL server answers on 127.0.0.1:5432")


@cache
def _make_own() -> None:
    """Create the process's database, once; it goes when the process does."""
    _at_server(f"DROP DATABASE IF EXISTS {OWN}", f"CREATE DATABASE {OWN} ENCODING 'UTF8' TEMPLATE template0")
    atexit.register(_at_server, f"DROP DATABASE IF EXISTS {OWN} WITH (FORCE)")


def _at_server(*statements: str) -> None:
    import psycopg

    with psycopg.connect(f"{SERVER}/postgres", autocommit=True, connect_timeout=2) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def mysql() -> Any:
    import pymysql

    try:
        return pymysql.connect(**MYSQL, charset="utf8mb4", connect_timeout=2)
    except pymysql.err.OperationalError:
        pytest.skip("no MySQL or MariaDB server answers on 127.0.0.1:3306")


Writer = Callable[[Path, Tables], Any]
LOCAL: dict[str, Writer] = {
    "duckdb": in_duckdb,
    "sqlite": in_sqlite,
    "parquet": in_parquet,
    "parts": in_parts,
    "csv": in_csv,
    "arrow": in_arrow,
    "pandas": in_pandas,
    "polars": in_polars,
}
SERVERS: dict[str, Writer] = {"postgres": in_postgres, "mysql": in_mysql}
EVERY = [pytest.param(w, id=n) for n, w in LOCAL.items()] + [
    pytest.param(w, id=n, marks=pytest.mark.server) for n, w in SERVERS.items()
]
