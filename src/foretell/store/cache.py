"""The cache: finished working copies on disk, one for each source of files in the state it was read in.

An entry is a folder that appears whole (it is made beside, then renamed) and is never written to again but
for schemas found in it. One that is damaged, of another state or of another version is as if it were not.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from foretell.core.errors import SourceError, UsageError
from foretell.core.size import parse_size
from foretell.sources.base import Reading
from foretell.sources.state import State, digest
from foretell.store.memory import Memory
from foretell.store.record import from_record, to_record
from foretell.store.working import Store, StoredTable

LIMIT = 10_000_000_000
"""How many bytes all entries may take together, unless FORETELL_CACHE_LIMIT says otherwise."""
ABANDONED_SECONDS = 86_400
"""An unfinished entry older than this was left by a process that died."""
COPY, MANIFEST = "working.duckdb", "manifest.json"
_UNFINISHED, _GONE = ".making-", ".gone-"


@dataclass(frozen=True)
class Entry:
    """One cached working copy: what it was read from, and what it holds."""

    folder: Path
    place: str
    files: dict[str, tuple[int, ...]]
    tables: tuple[StoredTable, ...]
    marks: dict[str, str | None]
    source_notes: tuple[str, ...]
    fingerprint: str
    size: int
    used: float

    @property
    def copy(self) -> Path:
        return self.folder / COPY

    @property
    def rows(self) -> int:
        return sum(t.rows for t in self.tables)

    def to_dict(self) -> dict[str, Any]:
        """What a person may want to know of it, JSON-ready."""
        used = datetime.fromtimestamp(self.used, UTC).isoformat(timespec="seconds")
        return {"database": self.place, "bytes": self.size, "rows": self.rows, "used": used}

    def touch(self) -> None:
        """Say that the entry was used just now."""
        with contextlib.suppress(OSError):
            os.utime(self.folder / MANIFEST)

    @property
    def readings(self) -> dict[str, Reading]:
        """What a later reading can go on from."""
        return {t.name: Reading(t.raw, t.rows, self.marks[t.name]) for t in self.tables}

    def attached(self, memory: Memory | None = None) -> Store | None:
        """The store of the copy; None where it cannot be read after all."""
        try:
            store = Store.attach(
                self.copy, self.tables, self.source_notes, fingerprint=self.fingerprint, memory=memory
            )
        except (duckdb.Error, SourceError):
            return None
        self.touch()
        return store

    def recall(self, key: str) -> dict[str, Any] | None:
        """A record kept under a key, if there is one."""
        try:
            found = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def keep(self, key: str, record: dict[str, Any]) -> None:
        """Keep a record beside the copy; what cannot be written is made again next time."""
        with contextlib.suppress(OSError):
            _write(self.folder / f"{key}.json", record)


class Cache:
    """The folder of cached working copies."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder = folder
        self.limit = limit

    @classmethod
    def default(cls) -> Cache | None:
        """The cache that the environment names; None where FORETELL_CACHE is 'off'."""
        said = os.environ.get("FORETELL_CACHE", "")
        if said.lower() == "off":
            return None
        limit = os.environ.get("FORETELL_CACHE_LIMIT", "")
        return cls(
            Path(said).expanduser() if said else user_cache(),
            parse_size(limit, "FORETELL_CACHE_LIMIT") if limit else LIMIT,
        )

    def find(self, state: State) -> Entry | None:
        """The entry of a source in exactly this state."""
        return _read(self._place(state))

    def earlier(self, state: State) -> Entry | None:
        """The last entry of the same source in another state, of the same version."""
        return max(self._states(state), key=lambda e: e.used, default=None)

    def last(self, kind: str, place: str) -> Entry | None:
        """The last entry of a source in any state, of the same version."""
        found = map(_read, _folders(self.folder / State(kind, place, {}).source_digest))
        return max((e for e in found if e is not None), key=lambda e: e.used, default=None)

    def entries(self, place: str | None = None) -> list[Entry]:
        """All entries, or those of one source; the most recently used first."""
        found = [_read(f, any_version=True) for f in self._places()]
        chosen = (e for e in found if e is not None and place in (None, e.place))
        return sorted(chosen, key=lambda e: -e.used)

    def begin(self) -> Path:
        """A folder for a copy that is being made. It is this process's own until it is put in its place."""
        self.own()
        folder = self.folder / f"{_UNFINISHED}{platform.node()}@{os.getpid()}@{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        return folder

    def fits(self, store: Store, file: Path) -> bool:
        """Whether a store's file is no larger than the cache may be."""
        store.connection.execute("CHECKPOINT")
        return file.stat().st_size <= self.limit

    def put(self, store: Store, file: Path, state: State, marks: dict[str, str | None]) -> Entry | None:
        """Give a store that was made in a `begin` folder its place: it is closed, and its folder is gone.

        None where the file system refuses.
        """
        fingerprint = store.fingerprint
        store.connection.close()
        file.chmod(0o600)
        _flush(file)
        record = {
            "version": _version(),
            "place": state.place,
            "files": {name: list(stamp) for name, stamp in state.files.items()},
            "tables": [to_record(t) for t in store.tables.values()],
            "marks": marks,
            "source_notes": list(store.source_notes),
            "fingerprint": fingerprint,
            "size": file.stat().st_size,
        }
        _write(file.parent / MANIFEST, record)
        target = self._place(state)
        if _read(target) is None:
            self._remove(target)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(OSError):
            file.parent.rename(target)  # fails where another process was first: its copy is as good
        shutil.rmtree(file.parent, ignore_errors=True)
        self.tidy(target)
        return _read(target)

    def tidy(self, keep: Path) -> None:
        """Remove what `keep` takes the place of, what was abandoned, what has no source any more, and then
        the least recently used, until the rest is within the limit.
        """
        self._sweep()
        for place in self._places():
            if place != keep and (place.parent == keep.parent or _read(place, any_version=True) is None):
                self._remove(place)
        entries = self.entries()
        total = sum(e.size for e in entries if e.folder == keep)
        for entry in entries:
            if entry.folder == keep:
                continue
            is_gone = "://" not in entry.place and not Path(entry.place).exists()
            if total + entry.size > self.limit or is_gone:
                self._remove(entry.folder)
            else:
                total += entry.size

    def discard(self, entry: Entry) -> None:
        """Remove an entry that turned out to be damaged."""
        self._remove(entry.folder)

    def clear(self, place: str | None = None) -> list[Entry]:
        """Remove all entries, or those of one source; what was removed."""
        removed = self.entries(place)
        for folder in [e.folder for e in removed] if place is not None else self._places():
            self._remove(folder)
        self._sweep()
        return removed

    def _sweep(self) -> None:
        """Remove what processes that are no more left unfinished."""
        for folder in _folders(self.folder, hidden=True):
            if folder.name.startswith(_GONE) or (folder.name.startswith(_UNFINISHED) and _is_left(folder)):
                shutil.rmtree(folder, ignore_errors=True)

    def _place(self, state: State) -> Path:
        return self.folder / state.source_digest / state.digest

    def _places(self) -> list[Path]:
        return [place for source in _folders(self.folder) for place in _folders(source)]

    def _states(self, state: State) -> Iterator[Entry]:
        for folder in _folders(self.folder / state.source_digest):
            entry = _read(folder)
            if entry is not None and folder.name != state.digest:
                yield entry

    def _remove(self, folder: Path) -> None:
        """Take an entry away in one step, so that nobody finds half of it."""
        gone = self.folder / f"{_GONE}{secrets.token_hex(8)}"
        with contextlib.suppress(OSError):
            folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
            folder.parent.rmdir()

    def own(self) -> None:
        """Make the folder, readable by its owner alone; refuse one that others can write to."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sys.platform == "win32":
            return
        found = self.folder.stat()
        if found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise UsageError(
                f"the cache folder {str(self.folder)!r} can be written to by others",
                mend="set FORETELL_CACHE to a folder of your own, or to 'off'",
            )


def user_cache() -> Path:
    """Where this machine's user keeps what can be made again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "foretell"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "foretell"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foretell"


def _read(folder: Path, any_version: bool = False) -> Entry | None:
    """The entry in a folder; None where it is not whole, or was made by another version."""
    try:
        record = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if record["version"] != _version() and not any_version:
            return None
        if (folder / COPY).stat().st_size != record["size"]:
            return None
        return Entry(
            folder,
            record["place"],
            {name: tuple(stamp) for name, stamp in record["files"].items()},
            tuple(from_record(t) for t in record["tables"]),
            record["marks"],
            tuple(record["source_notes"]),
            record["fingerprint"],
            record["size"],
            (folder / MANIFEST).stat().st_mtime,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


@functools.cache
def _version() -> str:
    """What made an entry: the code that reads databases and settles their schemas, DuckDB, and the time zone
    in which views may read the clock's times.
    """
    rooms = ("core", "sources", "store", "schema", "discovery")
    home = Path(__file__).parent.parent
    code = [
        (f.relative_to(home).as_posix(), f.stat().st_size, f.stat().st_mtime_ns)
        for room in rooms
        for f in sorted((home / room).glob("*.py"))
    ]
    return digest(duckdb.__version__, time.tzname, code)


def _folders(folder: Path, *, hidden: bool = False) -> Iterable[Path]:
    try:
        return sorted(f for f in folder.iterdir() if f.is_dir() and (hidden or f.name[0] != "."))
    except OSError:
        return ()


def _is_left(folder: Path) -> bool:
    """Whether the process that makes an entry is gone: it ran here and does no more, or long ago."""
    node, process, _ = folder.name.removeprefix(_UNFINISHED).rsplit("@", 2)
    if sys.platform != "win32" and node == platform.node():
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False
    try:
        return time.time() - folder.stat().st_mtime > ABANDONED_SECONDS
    except OSError:
        return False


def _write(file: Path, record: dict[str, Any]) -> None:
    """Write a record so that it is there whole or not at all."""
    beside = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as stream:  # noqa: PTH123
        json.dump(record, stream, ensure_ascii=False)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)


def _flush(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
