"""The registry's tables: one SQLite file in which whatever happens, happens whole."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from foretell.core.errors import ModelFileError, RegistryError
from foretell.lifecycle.artifacts import disk_told, sync_folder

FORMAT = 1
APPLICATION = 0x464F5245  # "FORE": tells the file from other SQLite files
PATIENCE = 60.0  # seconds that a writer waits for another
_WAITS = (*(0.01 * 2**i for i in range(6)), *(0.5 for _ in range(120)))  # seconds, PATIENCE in all
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

_MENDS = {
    sqlite3.SQLITE_FULL: "make room on the disk and try again; what was there before is there still",
    sqlite3.SQLITE_IOERR: "see that the disk is sound and has room; what was there before is there still",
    sqlite3.SQLITE_READONLY: "it can be read, not written: choose another folder with --models FOLDER",
    sqlite3.SQLITE_CANTOPEN: "see that the folder and its files can be read and written",
    sqlite3.SQLITE_BUSY: f"another process has held it for {PATIENCE:.0f} seconds; try again",
}
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, None)
"""What SQLite says of a file that does not hold what it should: a table is gone, text is not text."""
_LOCKED_OUT = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class Ledger:
    """The SQLite file. Safe to use from several threads and processes; one connection a thread.

    The file comes to be with the first change; until then it reads as an empty one. In a folder that cannot
    be written it is read as it lies.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._held = threading.local()
        self._settled = False
        self._there()

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        held: sqlite3.Connection | None = getattr(self._held, "connection", None)
        if held is None:
            held = self._held.connection = self._opened()
        return held

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that sees no other writer from its first line to its last."""
        if not self._there():
            with disk_told():
                self.place.parent.mkdir(parents=True, exist_ok=True)
            self._settle()
        with self._transaction() as connection:
            yield connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """What a SELECT finds."""
        with self._told():
            if self._there():
                return self.connection.execute(sql, values).fetchall()
            with closing(_connect(":memory:")) as empty:
                empty.executescript(SCHEMA)
                return empty.execute(sql, values).fetchall()

    def close(self) -> None:
        """Close this thread's connection."""
        held: sqlite3.Connection | None = getattr(self._held, "connection", None)
        if held is not None:
            held.close()
            self._held.connection = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._told():
            connection = self.connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's own errors as ours; what is a fault of a statement of ours stays as it is."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
            raise
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            code = _code(error)
            if code in _DAMAGED:
                raise ModelFileError(
                    f"the registry {str(self.place)!r} is damaged, or no registry: {error}",
                    mend="restore it from a backup",
                ) from error
            raise RegistryError(
                f"the registry {str(self.place)!r} could not be used: {error}",
                mend=_MENDS.get(code, "see that the disk has room, and that the folder can be written"),
            ) from error

    def _there(self) -> bool:
        """Whether there is a file; if so, its tables are made and of this release's format."""
        if not self._settled and self.place.exists():
            self._settle()
        return self._settled

    def _opened(self) -> sqlite3.Connection:
        """A connection; one that only reads where the folder cannot be written."""
        try:
            return _connect(self.place)
        except sqlite3.OperationalError as error:
            log = self.place.with_name(self.place.name + "-wal")
            pending = log.exists() and log.stat().st_size > 0  # changes that are not in the file yet
            if _code(error) not in _LOCKED_OUT or not self.place.exists() or pending:
                raise
        return _connect(self.place.resolve().as_uri() + "?immutable=1")

    def _settle(self) -> None:
        """Make the tables where the file is new, and bring an older format up to date."""
        with self._told():
            try:
                if self._format() != FORMAT:
                    self._log_ahead()
                    self._bring_up()
                self._settled = True
            finally:
                if not self._settled:
                    self.close()

    def _bring_up(self) -> None:
        with self._transaction() as connection:
            found = self._format()  # another process may have been first
            if found == FORMAT:
                return
            if found:
                self._keep_copy(found)
            scripts = [SCHEMA] if not found else list(MIGRATIONS[found - 1 :])
            for statement in (s for script in scripts for s in _statements(script)):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")

    def _log_ahead(self) -> None:
        """Switch to write-ahead logging, which the file remembers.

        The switch needs the file for itself and, unlike other statements, does not wait for it.
        """
        for wait in _WAITS:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY:
                    raise
            time.sleep(wait)
        self.connection.execute("PRAGMA journal_mode = WAL")

    def _format(self) -> int:
        """The file's format; 0 where it is new."""
        read = self.connection.execute
        (application,) = read("PRAGMA application_id").fetchone()
        (found,) = read("PRAGMA user_version").fetchone()
        if application == found == 0 and not read("SELECT 1 FROM sqlite_master").fetchall():
            return 0
        if application != APPLICATION:
            raise ModelFileError(
                f"{str(self.place)!r} is a SQLite file, but no registry of foretell",
                mend="choose another folder: --models FOLDER",
            )
        if found > FORMAT:
            raise ModelFileError(
                f"the registry {str(self.place)!r} has format {found}, newer than this release's {FORMAT}",
                mend="pip install --upgrade foretell",
            )
        return int(found)

    def _keep_copy(self, found: int) -> None:
        """A copy of an older file from before it is changed, beside it."""
        copy = self.place.with_name(f"{self.place.name}.format-{found}")
        if copy.exists():
            return
        draft = copy.with_name(copy.name + ".part")
        with disk_told():
            draft.unlink(missing_ok=True)
            # By a reader of its own: a connection in a transaction waits for itself for ever.
            with closing(_connect(self.place)) as reader, closing(sqlite3.connect(draft)) as to:
                reader.backup(to)
            draft.replace(copy)
            sync_folder(copy.parent)


def _connect(target: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        target, timeout=PATIENCE, isolation_level=None, uri=str(target).startswith("file:")
    )
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA schema_version").fetchall()  # looks into the file
    except BaseException:
        connection.close()
        raise
    return connection


def _code(error: Exception) -> int | None:
    """SQLite's primary result code; None where the error is Python's own reading of what SQLite gave."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would commit between them."""
    held = ""
    for line in script.splitlines(keepends=True):
        held += line
        if sqlite3.complete_statement(held):
            yield held
            held = ""
