"""From a server's database to its working copy by way of the cache: only rows that are new are read again."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import duckdb

from foretell.core.errors import SourceError
from foretell.core.progress import Progress
from foretell.core.text import listing, plural
from foretell.sources.base import GrowingSnapshot, GrowingSource
from foretell.sources.remote import Mark
from foretell.sources.state import Stamp, State
from foretell.store.cache import COPY, Cache, Entry
from foretell.store.memory import Memory
from foretell.store.working import Store, load

KIND = "server"


def open_growing(
    source: GrowingSource, cache: Cache, worth: int, memory: Memory | None, progress: Progress
) -> tuple[Store, Entry | None]:
    """A server's working copy, and its entry in the cache where it has one.

    A database of fewer than `worth` rows, by estimate, is read whole each time. A copy is kept of a larger
    one; what the server's counts and hashes say is still in it does not travel again. Which it was is told.
    """
    try:
        with source.snapshot() as snapshot:
            if sum(snapshot.estimate(t.name) or 0 for t in snapshot.tables) < worth or not _ours(
                cache, progress
            ):
                return Store.load(snapshot, progress=progress, memory=memory), None
            return _refreshed(source, snapshot, cache, memory, progress)
    except SourceError as error:
        if not error.fields.get("connection_lost"):
            raise
        progress.note(f"{error.message}; reading everything again")
        return load(source, progress=progress, memory=memory, attempts=1), None


def _ours(cache: Cache, progress: Progress) -> bool:
    try:
        cache.own()
    except OSError as error:
        progress.note(f"no cached copy is kept: {error}")
        return False
    return True


def _refreshed(
    source: GrowingSource, snapshot: GrowingSnapshot, cache: Cache, memory: Memory | None, progress: Progress
) -> tuple[Store, Entry | None]:
    earlier = cache.last(KIND, source.place)
    if earlier is not None and list(earlier.source_notes) != list(snapshot.notes):
        earlier = None  # its notes speak of values that may be others now
    progress.stage("asking the server what changed")
    snapshot.resume({} if earlier is None else earlier.readings)
    state = State(KIND, source.place, {t.name: _stamp(snapshot.mark(t.name)) for t in snapshot.tables})
    found = cache.find(state)
    if found is not None:
        store = found.attached(memory)
        if store is not None:
            progress.note(f"nothing changed since the copy that is kept of {source.name}")
            return store, found
        cache.discard(found)
        earlier = None
        snapshot.resume({})
    file = cache.begin() / COPY
    told = _told(snapshot, earlier)
    store = _grown(file, earlier, snapshot, memory, progress) if earlier is not None else None
    if store is None:
        if snapshot.kept:
            snapshot.resume({})
            told = "read in full: a later row changes how a column is read"
            file = cache.begin() / COPY
        store = Store.load(snapshot, progress=progress, memory=memory, file=file)
    progress.note(told)
    if not cache.fits(store, file):
        return store, None
    entry = cache.put(store, file, state, {name: snapshot.mark(name) for name in store.tables})
    kept = None if entry is None else entry.attached(memory)
    if kept is None:
        return load(source, progress=progress, memory=memory), None
    return kept, entry


def _grown(
    file: Path, earlier: Entry, snapshot: GrowingSnapshot, memory: Memory | None, progress: Progress
) -> Store | None:
    """The earlier copy with the rows that are new; None where they do not fit in."""
    if not snapshot.kept:
        return None
    try:
        shutil.copyfile(earlier.copy, file)
        return Store.grow(file, earlier.tables, snapshot, progress=progress, memory=memory)
    except (OSError, duckdb.Error):
        return None


def _stamp(mark: str | None) -> Stamp:
    """A table's state; one that cannot be measured is never the same twice."""
    found = Mark.of(mark)
    if found is None:
        return (0, time.time_ns())
    return (found.rows, found.hash, -1 if found.last is None else found.last)


def _told(snapshot: GrowingSnapshot, earlier: Entry | None) -> str:
    """What is read, in a sentence."""
    if earlier is None:
        return "read in full, and a copy kept for the next time (--no-cache keeps none)"
    names = [t.name for t in snapshot.tables]
    same = [n for n in names if snapshot.complete(n)]
    grown = [
        f"{plural(snapshot.added(n), 'new row')} of {n}"
        for n in names
        if n in snapshot.kept and n not in same
    ]
    whole = [n for n in names if n not in snapshot.kept]
    parts = [
        f"{plural(len(same), 'table')} unchanged" if same else "",
        f"read {listing(grown)}" if grown else "",
        f"read in full: {listing(whole)}" if whole else "",
    ]
    return "; ".join(p for p in parts if p)
