"""The frequent values of columns that have few: looked up once, when somebody writes a comparison."""

from __future__ import annotations

from foretell.core.progress import QUIET
from foretell.schema.model import Schema
from foretell.server.faults import ConflictError
from foretell.server.holding import Holding

MOST_DISTINCT = 200
MOST_SHOWN = 50
LONGEST = 200  # characters
PATIENCE = 0.2  # seconds


class FrequentValues:
    """Values by table and column, for as long as the schema is the same."""

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._schema: Schema | None = None
        self._known: dict[tuple[str, str], tuple[str, ...]] = {}

    def of(self, table: str, column: str) -> tuple[str, ...]:
        """The most frequent values; none where there are many, or while a job has the database."""
        schema = self._holding.schema
        if schema is not self._schema:
            self._schema, self._known = schema, {}
        distinct = schema.table(table).column(column).distinct
        if distinct is None or distinct > MOST_DISTINCT:
            return ()
        if (table, column) not in self._known:
            try:
                with self._holding.use(QUIET, patience=PATIENCE) as database:
                    found = database.opened.engine.frequent(table, column, until=None, limit=MOST_SHOWN)
            except ConflictError:
                return ()
            self._known[table, column] = tuple(v for v in found if len(v) <= LONGEST)
        return self._known[table, column]
