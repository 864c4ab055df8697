"""What every source offers: one read-only snapshot, its declared shape, and its rows as Arrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeVar, runtime_checkable

import pyarrow as pa

from foretell.sources.state import State

T = TypeVar("T")


@dataclass(frozen=True)
class RawColumn:
    """A column as the database declares it; `native` is the type in the database's own words."""

    name: str
    native: str
    nullable: bool = True


@dataclass(frozen=True)
class RawKey:
    """A declared foreign key."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True)
class RawTable:
    """A table or view as the database declares it. `unique` holds declared UNIQUE column sets."""

    name: str
    columns: tuple[RawColumn, ...]
    primary_key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[RawKey, ...] = ()
    is_view: bool = False


class Snapshot(Protocol):
    """One consistent, read-only view of a database; everything read through it belongs together."""

    @property
    def tables(self) -> Sequence[RawTable]: ...

    @property
    def notes(self) -> Sequence[str]:
        """Warnings so far: values that had to be read as something else. Complete once all is read."""
        ...

    def estimate(self, table: str) -> int | None:
        """About how many rows a table has, where that costs nothing to know."""
        ...

    def read(self, table: str) -> pa.RecordBatchReader:
        """All rows of one table, with every column of its RawTable under the same name, in batches."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Source(Protocol):
    """A database that can be opened. `name` is fit to show: passwords are masked."""

    @property
    def name(self) -> str: ...

    def snapshot(self) -> Snapshot: ...


@dataclass(frozen=True)
class Reading:
    """What an earlier reading found of one table: its shape, how many rows, and where to go on."""

    raw: RawTable
    rows: int
    mark: str | None


@runtime_checkable
class InPlaceSnapshot(Protocol):
    """A snapshot whose tables any DuckDB can read where they are, which is faster than by way of Arrow."""

    def in_place(self, table: str, run: Callable[[str], T]) -> T:
        """What `run` gives for the SELECT that reads a table, with the columns of `Snapshot.read`; its DuckDB
        errors, and files that change meanwhile, become a SourceError.
        """
        ...


@runtime_checkable
class WholeSnapshot(Protocol):
    """A snapshot that can give some tables as Arrow sooner than DuckDB copies them."""

    def whole(self, table: str) -> pa.Table | None:
        """All rows of a table, its columns BIGINT, DOUBLE, VARCHAR (or a dictionary of it), BOOLEAN and
        TIMESTAMP as Arrow has them; None where it has others.
        """
        ...


class LocalSnapshot(Snapshot, Protocol):
    """A snapshot of files. `kept` are the tables whose first rows an earlier reading holds already, and how
    many: `read` then gives the rows after them.
    """

    @property
    def kept(self) -> Mapping[str, int]: ...

    @property
    def self_contained(self) -> bool:
        """Whether the rows depend on the source's files alone, not on the clock or on other files."""
        ...

    def complete(self, table: str) -> bool:
        """Whether the kept rows of a table are all that there are."""
        ...

    def mark(self, table: str) -> str | None:
        """What tells later whether all rows read so far are still there, unchanged; None: nothing does."""
        ...


@runtime_checkable
class LocalSource(Source, Protocol):
    """A source made of files of this machine, whose state can be told without reading them."""

    def state(self) -> State | None: ...

    def snapshot(self) -> LocalSnapshot: ...

    def resumed(
        self, earlier: Mapping[str, Reading], at: Mapping[str, Sequence[int]]
    ) -> LocalSnapshot | None:
        """A snapshot that goes on after an earlier reading, made when the files had the stamps `at`; None
        where all has to be read again.
        """
        ...


class GrowingSnapshot(LocalSnapshot, Protocol):
    """A snapshot on a server that can tell, without sending them, which rows an earlier reading holds."""

    def resume(self, earlier: Mapping[str, Reading]) -> None:
        """Count and hash every table on the server, and keep of `earlier` what is still there."""
        ...

    def added(self, table: str) -> int:
        """How many rows a table has beside those kept; 0 where it cannot be told."""
        ...


@runtime_checkable
class GrowingSource(Source, Protocol):
    """A server's database. `place` is what it is called among kept copies."""

    @property
    def place(self) -> str: ...

    def snapshot(self) -> GrowingSnapshot: ...


class Closing:
    """The `with` statement for a snapshot that has a `close`."""

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
