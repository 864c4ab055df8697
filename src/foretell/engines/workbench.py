"""A DuckDB connection with work tables of our own beside the database's, in the schema `foretell`."""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from sqlglot import exp

from foretell.engines.base import Rows
from foretell.plan.build import DIALECT, SPACE, create, table
from foretell.schema.model import Schema
from foretell.store.refusals import told
from foretell.store.working import Store

_NUMBERS = itertools.count()
"""So that no two engines give one name to their tables in the same working copy."""


class Workbench:
    """Makes, reads and drops work tables over one snapshot's working copy."""

    def __init__(self, store: Store, schema: Schema, threads: int) -> None:
        self._store = store
        self._schema = schema
        self._threads = threads

    @cached_property
    def connection(self) -> Any:
        """Opened when it is first needed: much is made without SQL."""
        connection = self._store.cursor()
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SPACE}")
        # Which side of a join is scanned decides the order of additions: keep it as written.
        connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        return connection

    def many_threads(self) -> None:
        self.connection.execute(f"SET threads = {self._threads}")

    def name(self, kind: str) -> str:
        """A name for a work table, and for those named after it, that begins no name of the database."""
        while True:
            name = f"{kind}#{next(_NUMBERS)}"
            if not any(t.name.casefold().startswith(name) for t in self._schema.tables):
                return name

    def load(self, name: str, data: pa.Table) -> None:
        """Make a table of these rows."""
        self.connection.register("foretell_arrow", data)
        self.execute(create(name, exp.select(exp.Star()).from_("foretell_arrow")))
        self.connection.unregister("foretell_arrow")

    def execute(self, statement: exp.Expr) -> None:
        with told(statement):
            self.connection.execute(statement.sql(dialect=DIALECT))

    def arrow(self, query: exp.Expr) -> pa.Table:
        """What a query gives."""
        return fetch(self.connection, query)

    def one(self, query: exp.Expr) -> tuple[Any, ...]:
        """The one row that a query gives."""
        found = self.connection.execute(query.sql(dialect=DIALECT)).fetchall()
        return tuple(found[0])

    def drop(self, *names: str) -> None:
        for name in names:
            self.connection.execute(f"DROP TABLE IF EXISTS {table(name).sql(dialect=DIALECT)}")


def fetch(connection: Any, query: exp.Expr) -> pa.Table:
    """What a query gives on a connection."""
    with told(query):
        return connection.sql(query.sql(dialect=DIALECT)).to_arrow_table()


def as_rows(fetched: pa.Table) -> Rows:
    """The rows of a table (entity, cutoff)."""
    return Rows(
        np.asarray(fetched["entity"].to_numpy(), dtype=np.int64),
        np.asarray(fetched["cutoff"].cast(pa.int64()).to_numpy(), dtype=np.int64),
    )
