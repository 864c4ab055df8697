"""The registry's tables: one SQLite file in which whatever happens, happens whole."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foretell.core.errors import ModelFileError, RegistryError

FORMAT = 1
APPLICATION = 0x464F5245  # "FORE": tells the file from other SQLite files
PATIENCE = 60.0  # seconds that a writer waits for another
NAME = "registry.db"

SCHEMA = """
CREATE TABLE models (
    name TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,        -- goes up with every change of the aliases
    champion INTEGER,
    challenger INTEGER,
    created INTEGER NOT NULL       -- microseconds since 1970, UTC, as all times here
) STRICT;
CREATE TABLE versions (
    name TEXT NOT NULL REFERENCES models,
    version INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    created INTEGER NOT NULL,
    record TEXT NOT NULL,          -- JSON: what can be said of the version without opening its file
    PRIMARY KEY (name, version)
) STRICT;
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    version INTEGER,
    before INTEGER,
    reason TEXT NOT NULL
) STRICT;
CREATE TABLE batches (
    run_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    cutoff INTEGER NOT NULL,
    made INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    snapshot TEXT NOT NULL,        -- fingerprint of the tables that were read
    sha256 TEXT NOT NULL,          -- the predictions, as Parquet
    destination TEXT NOT NULL,
    written INTEGER,               -- NULL until the destination has acknowledged them
    record TEXT NOT NULL
) STRICT;
CREATE INDEX batches_by_name ON batches (name, cutoff);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,            -- grade, monitor, look, …
    key TEXT NOT NULL,             -- what the entry is of: a run, a version, a cutoff
    at INTEGER NOT NULL,
    record TEXT NOT NULL,
    UNIQUE (name, kind, key)
) STRICT;
"""

MIGRATIONS: tuple[str, ...] = ()
"""MIGRATIONS[i] brings format i + 1 to format i + 2."""


class Ledger:
    """The open SQLite file. Safe to use from several threads and processes; one connection a thread."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._held = threading.local()
        place.parent.mkdir(parents=True, exist_ok=True)
        self._settle()

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        held: sqlite3.Connection | None = getattr(self._held, "connection", None)
        if held is None:
            held = sqlite3.connect(self.place, timeout=PATIENCE, isolation_level=None)
            held.row_factory = sqlite3.Row
            held.execute("PRAGMA foreign_keys = ON")
            held.execute("PRAGMA synchronous = FULL")
            self._held.connection = held
        return held

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that sees no other writer from its first line to its last."""
        connection = self.connection
        with self._told():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """What a SELECT finds."""
        with self._told():
            return self.connection.execute(sql, values).fetchall()

    def close(self) -> None:
        """Close this thread's connection."""
        held: sqlite3.Connection | None = getattr(self._held, "connection", None)
        if held is not None:
            held.close()
            self._held.connection = None

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's own errors as ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise RegistryError(
                f"the registry {str(self.place)!r} could not be used: {error}",
                mend="see that the disk has room, and that the folder can be written",
            ) from error
        except sqlite3.DatabaseError as error:
            raise ModelFileError(
                f"the registry {str(self.place)!r} is damaged, or no registry: {error}",
                mend="restore it from a backup",
            ) from error

    def _settle(self) -> None:
        """Make the tables where the file is new, and bring an older format up to date."""
        with self._told():
            self.connection.execute("PRAGMA journal_mode = WAL")
        found = self._format()
        if found == FORMAT:
            return
        if found:
            self._keep_copy(found)
        with self.changing() as connection:
            found = self._format()  # another process may have been first
            if found == FORMAT:
                return
            scripts = [SCHEMA] if not found else list(MIGRATIONS[found - 1 :])
            for statement in (s for script in scripts for s in _statements(script)):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")

    def _format(self) -> int:
        """The file's format; 0 where it is new."""
        (application,) = self.rows("PRAGMA application_id")[0]
        (found,) = self.rows("PRAGMA user_version")[0]
        tables = self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        if application not in (0, APPLICATION) or (application == 0 and tables):
            raise ModelFileError(f"{str(self.place)!r} is a SQLite file, but no registry of foretell")
        if found > FORMAT:
            raise ModelFileError(
                f"the registry {str(self.place)!r} has format {found}, newer than this release's {FORMAT}",
                mend="pip install --upgrade foretell",
            )
        return int(found)

    def _keep_copy(self, found: int) -> None:
        """A copy of an older file from before it is changed, beside it."""
        copy = self.place.with_name(f"{self.place.name}.format-{found}")
        if not copy.exists():
            draft = copy.with_name(copy.name + ".part")
            with sqlite3.connect(draft) as to:
                self.connection.backup(to)
            to.close()
            draft.replace(copy)


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would commit between them."""
    held = ""
    for line in script.splitlines(keepends=True):
        held += line
        if sqlite3.complete_statement(held):
            yield held
            held = ""
