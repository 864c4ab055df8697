"""From a source to its working copy by way of the cache: found there, grown by what is new, or read anew."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import duckdb

from foretell.core.progress import QUIET, Progress
from foretell.core.text import plural
from foretell.sources.base import GrowingSource, LocalSnapshot, LocalSource, Source
from foretell.sources.own import is_remark
from foretell.sources.state import State
from foretell.store.cache import COPY, Cache, Entry
from foretell.store.growing import open_growing
from foretell.store.memory import Memory
from foretell.store.working import Store, load

WORTH_ROWS = 200_000
"""A source of fewer rows is read again sooner than it is worth a copy on disk."""
WORTH_BYTES = 8_000_000
"""Where a source does not tell its rows, its files are at least so large."""
SETTLED_NS = 2_000_000_000
"""A file written this shortly before may be written again without a later time to show for it."""
ROOM = 1_000_000_000
"""So much of the disk stays free, beside ten times the source."""


def open_store(
    source: Source,
    *,
    cache: Cache | None = None,
    memory: Memory | None = None,
    progress: Progress = QUIET,
) -> tuple[Store, Entry | None]:
    """A source's working copy, and its entry in the cache where it has one.

    Files of this machine have a state that can be told; servers tell what changed; others are read each time.
    """
    if cache is not None and isinstance(source, GrowingSource):
        return open_growing(source, cache, WORTH_ROWS, memory, progress)
    state = source.state() if cache is not None and isinstance(source, LocalSource) else None
    if cache is None or state is None or not isinstance(source, LocalSource):
        return load(source, progress=progress, memory=memory), None
    entry = cache.find(state)
    store = entry.attached(memory) if entry is not None else None
    if store is not None:
        progress.stage(f"using the cached copy of {plural(store.rows, 'row')}")
        return store, entry
    if entry is not None:
        cache.discard(entry)
    if time.time_ns() - state.changed_ns >= SETTLED_NS and _is_usable(cache, state, progress):
        return _read_on(source, cache, state, memory, progress) or _read_anew(
            source, cache, state, memory, progress
        )
    return load(source, progress=progress, memory=memory), None


def _is_usable(cache: Cache, state: State, progress: Progress) -> bool:
    """Whether a copy may be kept: the folder is ours, and the disk has room."""
    try:
        cache.own()
        has_room = shutil.disk_usage(cache.folder).free >= ROOM + 10 * state.size
    except OSError as error:
        progress.note(f"no cached copy is kept: {error}")
        return False
    return has_room


def _is_worth_it(snapshot: LocalSnapshot, state: State) -> bool:
    """Whether a source is large, as far as it tells before it is read."""
    rows = [snapshot.estimate(t.name) for t in snapshot.tables]
    return sum(n or 0 for n in rows) >= WORTH_ROWS or (None in rows and state.size >= WORTH_BYTES)


def _read_anew(
    source: LocalSource, cache: Cache, state: State, memory: Memory | None, progress: Progress
) -> tuple[Store, Entry | None]:
    with source.snapshot() as snapshot:
        if not _is_worth_it(snapshot, state):
            return Store.load(snapshot, progress=progress, memory=memory), None
        file = cache.begin() / COPY
        store = Store.load(snapshot, progress=progress, memory=memory, file=file)
        if store.rows < WORTH_ROWS or not snapshot.self_contained:
            return store, None
        return _put(store, file, snapshot, source, cache, state, memory)


def _read_on(
    source: LocalSource, cache: Cache, state: State, memory: Memory | None, progress: Progress
) -> tuple[Store, Entry | None] | None:
    """The working copy of an earlier state with the rows that were added since; None where that is not all
    that changed.
    """
    earlier = cache.earlier(state)
    snapshot = None
    if earlier is not None and not _warnings(earlier.source_notes):
        snapshot = source.resumed(earlier.readings, earlier.files)
    if earlier is None or snapshot is None:
        return None
    with snapshot:
        if _warnings(snapshot.notes) or not snapshot.self_contained:
            return None
        file = cache.begin() / COPY
        try:
            shutil.copyfile(earlier.copy, file)
            store = Store.grow(file, earlier.tables, snapshot, progress=progress, memory=memory)
        except (OSError, duckdb.Error):
            shutil.rmtree(file.parent, ignore_errors=True)
            return None
        if store is None or _warnings(snapshot.notes):
            shutil.rmtree(file.parent, ignore_errors=True)
            return None
        return _put(store, file, snapshot, source, cache, state, memory)


def _warnings(notes: Iterable[str]) -> list[str]:
    """Notes on values, which rows that come later may change."""
    return [n for n in notes if not is_remark(n)]


def _put(
    store: Store,
    file: Path,
    snapshot: LocalSnapshot,
    source: LocalSource,
    cache: Cache,
    state: State,
    memory: Memory | None,
) -> tuple[Store, Entry | None]:
    """The store by way of its entry; the store itself where the source changed while it was read."""
    marks = {name: snapshot.mark(name) for name in store.tables}
    if source.state() != state or not cache.fits(store, file):
        return store, None
    entry = cache.put(store, file, state, marks)
    kept = entry.attached(memory) if entry is not None else None
    return (kept, entry) if kept is not None else (load(source, memory=memory), None)
