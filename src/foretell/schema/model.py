"""Tables, columns, links: the shape of a database, with the evidence for each thing that was inferred."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from foretell.core.errors import SchemaError
from foretell.core.text import did_you_mean
from foretell.core.time import Offset


class DType(StrEnum):
    """How a column's values are stored once read: the few types that every engine shares."""

    INTEGER = "integer"  # int64
    FLOAT = "float"  # float64; decimals too
    TEXT = "text"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"  # microseconds, UTC; dates too
    OTHER = "other"  # blobs, lists, structs: carried by no feature


class Semantic(StrEnum):
    """What a column's values mean."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    TEXT = "text"
    BOOLEAN = "boolean"
    TIME = "time"
    IDENTIFIER = "identifier"


class Origin(StrEnum):
    """Where a statement about the database comes from."""

    DECLARED = "declared"  # the database says so
    INFERRED = "inferred"  # the data and the names suggest so
    CONFIGURED = "configured"  # foretell.toml says so


@dataclass(frozen=True)
class Evidence:
    """Why something is believed, and how firmly (confidence 0..1)."""

    origin: Origin
    confidence: float = 1.0
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = self.origin.value if self.origin is not Origin.INFERRED else f"guess {self.confidence:.0%}"
        return head + (f": {'; '.join(self.reasons)}" if self.reasons else "")


DECLARED = Evidence(Origin.DECLARED)


@dataclass(frozen=True)
class Column:
    """One column. `known_at` names a time column of the same table before which its value is not known.

    `native` is the type in the database's own words. `time_format` tells how a TIME column that is stored as
    text or number is read: 'iso', 's', 'ms', 'us' (epochs), or None where it is stored as a time.
    """

    name: str
    dtype: DType
    semantic: Semantic
    native: str = ""
    nullable: bool = True
    known_at: str | None = None
    time_format: str | None = None
    distinct: int | None = None
    null_fraction: float | None = None
    ignored: bool = False
    evidence: Evidence = DECLARED


@dataclass(frozen=True)
class Table:
    """One table or view. `available_after` delays every row: it is known that long after its own time."""

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    time_column: str | None = None
    end_time: str | None = None
    available_after: Offset | None = None
    rows: int = 0
    ignored: bool = False
    key_evidence: Evidence | None = None
    time_evidence: Evidence | None = None

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(
            f"table {self.name!r} has no column {name!r}",
            mend=did_you_mean(name, [c.name for c in self.columns]),
        )

    def has(self, name: str) -> bool:
        return any(c.name == name for c in self.columns)


@dataclass(frozen=True)
class Link:
    """A foreign key: rows of `child` point at one row of `parent`.

    `name` is unique in the schema, by default 'child.column' (composite: 'child.a+b').
    """

    child: str
    child_columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    evidence: Evidence = DECLARED
    coverage: float | None = None
    null_fraction: float | None = None

    @property
    def name(self) -> str:
        return f"{self.child}.{'+'.join(self.child_columns)}"

    def __str__(self) -> str:
        return f"{self.name} → {self.parent}.{'+'.join(self.parent_columns)}"


@dataclass(frozen=True)
class Hop:
    """One step along a link: up from child to parent, or down from parent to its children."""

    link: Link
    up: bool

    @property
    def start(self) -> str:
        return self.link.child if self.up else self.link.parent

    @property
    def end(self) -> str:
        return self.link.parent if self.up else self.link.child

    def reversed(self) -> Hop:
        return Hop(self.link, not self.up)

    def __str__(self) -> str:
        return f"{'↑' if self.up else '↓'}{self.link.name}"


@dataclass(frozen=True)
class Schema:
    """The whole database. Ignored tables and columns are still listed, and used by nothing."""

    tables: tuple[Table, ...]
    links: tuple[Link, ...] = ()
    timezone: str | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for kind, names in (("table", [t.name for t in self.tables]), ("link", [k.name for k in self.links])):
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise SchemaError(f"two {kind}s are called {twice[0]!r}", examples=twice)
        for link in self.links:
            for table, columns in ((link.child, link.child_columns), (link.parent, link.parent_columns)):
                for column in columns:
                    self.table(table).column(column)

    @cached_property
    def memo(self) -> dict[Any, Any]:
        """What others have worked out of this schema and would work out again: it goes with it."""
        return {}

    @cached_property
    def _by_name(self) -> dict[str, Table]:
        return {t.name: t for t in self.tables}

    def table(self, name: str) -> Table:
        if name not in self._by_name:
            raise SchemaError(f"no table {name!r}", mend=did_you_mean(name, list(self._by_name)))
        return self._by_name[name]

    def has(self, name: str) -> bool:
        return name in self._by_name

    def link(self, name: str) -> Link:
        for link in self.links:
            if link.name == name:
                return link
        raise SchemaError(f"no link {name!r}", mend=did_you_mean(name, [k.name for k in self.links]))

    @cached_property
    def active_links(self) -> tuple[Link, ...]:
        """Links between tables that are not ignored, over columns that are not."""
        return tuple(
            k
            for k in self.links
            if not self.table(k.child).ignored
            and not self.table(k.parent).ignored
            and not any(self.table(k.child).column(c).ignored for c in k.child_columns)
        )

    def links_up(self, table: str) -> tuple[Link, ...]:
        """Foreign keys that `table` holds."""
        return tuple(k for k in self.active_links if k.child == table)

    def links_down(self, table: str) -> tuple[Link, ...]:
        """Foreign keys that point at `table`."""
        return tuple(k for k in self.active_links if k.parent == table)

    def time_path(self, table: str) -> tuple[tuple[Hop, ...], str] | None:
        """Where a row's time is read: hops up to the nearest table with a time column, and that column.

        The table's own time column gives no hops. None: neither the table nor a parent has a time. Among
        parents at the same distance the first link in the schema's order is taken. A table that nothing
        points down from (no time, only a parent) inherits; a table that others point at does so too.
        """
        if ("time path", table) not in self.memo:
            self.memo["time path", table] = self._time_path(table)
        found: tuple[tuple[Hop, ...], str] | None = self.memo["time path", table]
        return found

    def _time_path(self, table: str) -> tuple[tuple[Hop, ...], str] | None:
        queue: deque[tuple[str, tuple[Hop, ...]]] = deque([(table, ())])
        seen = {table}
        while queue:
            name, hops = queue.popleft()
            time_column = self.table(name).time_column
            if time_column is not None:
                return hops, time_column
            for link in self.links_up(name):
                if link.parent not in seen:
                    seen.add(link.parent)
                    queue.append((link.parent, (*hops, Hop(link, up=True))))
        return None

    def is_timed(self, table: str) -> bool:
        return self.time_path(table) is not None
