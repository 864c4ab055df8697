"""The schema of an open store: discovered once for each configuration, and then kept beside a cached copy.

What is kept is what discovery would find again: the same data, the same configuration, and a present that no
row's time lies between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foretell.core.progress import Progress
from foretell.core.time import Instant
from foretell.discovery import conform, discover
from foretell.discovery.renamed import rename
from foretell.discovery.warnings import steady_span
from foretell.schema.model import DType, Schema
from foretell.schema.record import from_whole, to_record, to_whole
from foretell.schema.toml import Config
from foretell.sources.state import digest
from foretell.store import Store
from foretell.store.cache import Entry


def settled_schema(
    store: Store, entry: Entry | None, config: Config, now: Instant | None, progress: Progress
) -> Schema:
    """The discovered schema, its columns settled in the store."""
    key = f"schema-{digest(repr(config), now is None)}"
    kept = entry.recall(key) if entry is not None else None
    if kept is not None and (now is None or _within(now, kept["from"], kept["until"])):
        _recast(store, kept)
        return from_whole(kept["schema"])
    progress.stage("looking at the schema")
    schema = discover(store, config=config, progress=progress, now=now)
    if entry is not None:
        first, last = (None, None) if now is None else steady_span(store, schema, now)
        entry.keep(key, {"from": first, "until": last, "schema": to_whole(schema), **_recasts(store)})
    return schema


def settled_changes(
    store: Store, entry: Entry | None, schema: Schema, renamed: Mapping[str, str]
) -> tuple[str, ...]:
    """What changed since a schema was found; the store's tables are brought to its names and types.

    `renamed` says what tables and columns were called, by their names of today.
    """
    called = rename(store, schema, renamed)
    key = f"model-{digest(repr(to_record(schema)), sorted(renamed.items()))}"
    kept = entry.recall(key) if entry is not None else None
    if kept is not None:
        _recast(store, kept)
        return tuple(kept["changes"])
    changes = (*called, *conform(store, schema))
    if entry is not None:
        entry.keep(key, {"changes": list(changes), **_recasts(store)})
    return changes


def _within(now: Instant, first: Instant | None, following: Instant | None) -> bool:
    return (first is None or first <= now) and (following is None or now < following)


def _recasts(store: Store) -> dict[str, Any]:
    return {"recasts": [[table, column, dtype.value] for table, column, dtype in store.recasts]}


def _recast(store: Store, kept: dict[str, Any]) -> None:
    for table, column, dtype in kept["recasts"]:
        store.recast(table, column, DType(dtype))
