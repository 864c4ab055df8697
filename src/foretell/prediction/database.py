"""An open database: one snapshot in a working copy, its schema, and the engine that runs plans on it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

from foretell.core.errors import ConfigError, DataError
from foretell.core.progress import QUIET, Progress
from foretell.core.time import Instant
from foretell.discovery.warnings import SPARSE
from foretell.engines.choose import make_engine
from foretell.prediction.settle import settled_changes, settled_schema
from foretell.schema.breadth import DEFAULT, FeatureSettings
from foretell.schema.model import Schema
from foretell.schema.toml import Config, read
from foretell.sources.base import Source
from foretell.sources.open import open_source
from foretell.store import Store
from foretell.store.cache import Cache
from foretell.store.cached import open_store
from foretell.store.memory import Memory
from foretell.task.model import Task

Target: TypeAlias = str | os.PathLike[str] | Mapping[str, Any] | Source
CONFIG_NAME = "foretell.toml"


class Opened(Protocol):
    """Anything that holds an open database."""

    @property
    def opened(self) -> OpenDatabase: ...


class OpenDatabase:
    """A snapshot that can be asked. Close it, or use it in a `with` statement.

    `notes` are what a person should know of the data: guesses, warnings, values that could not be read;
    `changes` what is new since the schema was found, where a saved model brought it. `features` are the
    settings of foretell.toml for questions that are learned here.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        schema: Schema,
        *,
        threads: int,
        now: Instant | None,
        changes: tuple[str, ...] = (),
        features: FeatureSettings = DEFAULT,
        memory: Memory | None = None,
        progress: Progress,
    ) -> None:
        self.name = name
        self.store = store
        self.schema = schema
        self.now = now
        self.changes = changes
        self.features = features
        self.threads = threads
        self.progress = progress
        self.engine = make_engine(store, schema, threads=threads, progress=progress, memory=memory)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.changes, *self.store.notes, *self.schema.notes)))

    @property
    def fingerprint(self) -> str:
        """A hash of the snapshot."""
        return self.store.fingerprint

    def end_of_data(self, tables: tuple[str, ...], *, earliest: bool = False) -> Instant:
        """The last instant that the tables know of, at most now; with `earliest`, of the table that ends
        first.

        Where most of a table lies after now its clock is not ours (shifted dates), and now says nothing.
        """
        ends = []
        for table in tables:
            span = self.engine.span(table)
            if span is None:
                continue
            first, last = span
            if self.now is not None and first <= self.now < last:
                known = self.engine.span(table, until=self.now)
                last = known[1] if known is not None else last
            ends.append(last)
        if not ends:
            raise DataError(
                f"no row of {', '.join(repr(t) for t in tables)} has a time",
                mend='name a time column in foretell.toml: [tables.<table>] time = "…"',
            )
        return min(ends) if earliest else max(ends)

    def start_of_data(self, tables: tuple[str, ...]) -> Instant:
        """The first instant from which all of the tables have rows.

        A tenth of a table's rows that takes up most of its time (1900-01-01 for "unknown") is no history.
        """
        starts = []
        for table in tables:
            span, dense = self.engine.span(table), self.engine.span(table, trim=SPARSE)
            if span is not None and dense is not None:
                last = self.end_of_data((table,))
                starts.append(dense[0] if 2 * (dense[0] - span[0]) > last - span[0] else span[0])
        return max(starts)

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {len(self.schema.tables)} tables>"


def open_database(
    target: Target,
    *,
    config: str | os.PathLike[str] | None = None,
    schema: Schema | None = None,
    threads: int = 2,
    now: Instant | None = None,
    memory: str | int | None = None,
    cache: bool = False,
    progress: Progress = QUIET,
) -> OpenDatabase:
    """Read a snapshot and settle its schema: given, or discovered and corrected by foretell.toml.

    With a `schema`, a saved model's, the data must still fit it: a table or column that is gone, or that has
    another type, is a SchemaError, unless foretell.toml says what it is called now ([renamed]). With `cache`,
    what was read from files is kept for the next time (see `store.cache`).
    """
    source = open_source(target)
    shares = Memory.of(memory)
    store, entry = open_store(
        source, cache=Cache.default() if cache else None, memory=shares, progress=progress
    )
    try:
        changes: tuple[str, ...] = ()
        features = DEFAULT
        corrected = _config(target, config) or Config()
        if schema is None:
            schema = settled_schema(store, entry, corrected, now, progress)
            features = corrected.features
        else:
            changes = settled_changes(store, entry, schema, corrected.renamed)
        if shares is not None:
            store.shrink(shares)
        return OpenDatabase(
            source.name,
            store,
            schema,
            threads=threads,
            now=now,
            changes=changes,
            features=features,
            memory=shares,
            progress=progress,
        )
    except BaseException:
        store.close()
        raise


def _config(target: Target, given: str | os.PathLike[str] | None) -> Config | None:
    """The configuration: as given, or foretell.toml beside the database."""
    path = Path(given) if given is not None else None
    if path is None and isinstance(target, str | os.PathLike) and "://" not in os.fspath(target):
        place = Path(target)
        beside = (place if place.is_dir() else place.parent) / CONFIG_NAME
        path = beside if beside.is_file() else None
    if path is None:
        return None
    try:
        return read(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None


def counted_tables(task: Task) -> tuple[str, ...]:
    """The timed tables that a target counts in; the entity's own for a static one."""
    names = [a.table for a in task.target.aggregates if a.is_future]
    chosen = names or [task.entity.name]
    return tuple(dict.fromkeys(t for t in chosen if task.schema.is_timed(t)))


def moment_of(database: OpenDatabase, task: Task, as_of: Instant | None) -> Instant:
    """The cutoff of a prediction: as asked, as the query says, or the end of the data."""
    chosen = as_of if as_of is not None else task.as_of
    return chosen if chosen is not None else end_of_history(database, task)


def end_of_history(database: OpenDatabase, task: Task) -> Instant:
    """The last instant that the tables which the target counts know of; of all tables where there are none.

    Without any time it is now.
    """
    tables = counted_tables(task) or tuple(
        t.name for t in task.schema.tables if not t.ignored and task.schema.is_timed(t.name)
    )
    if not tables:
        return database.now if database.now is not None else 0
    return database.end_of_data(tables)
