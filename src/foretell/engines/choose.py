"""Which engine runs the plans of an open database."""

from __future__ import annotations

import os

import numpy as np

from foretell import kernel
from foretell.core.errors import ConfigError
from foretell.core.progress import QUIET, Progress
from foretell.core.text import did_you_mean
from foretell.engines.base import Engine
from foretell.engines.duckdb import DuckDBEngine
from foretell.features.matrix import Precision
from foretell.schema.model import Schema
from foretell.store.memory import Memory
from foretell.store.working import Store

SETTING = "FORETELL_ENGINE"
"""The environment variable that names the engine."""
KINDS = ("native", "duckdb")


def make_engine(
    store: Store,
    schema: Schema,
    *,
    threads: int = 2,
    progress: Progress = QUIET,
    kind: str | None = None,
    precision: Precision = np.float32,
    memory: Memory | None = None,
) -> Engine:
    """The engine of that kind; None: as FORETELL_ENGINE says, or else the fastest that this machine runs.

    Under a memory cap tables that are too large for it are gone through in parts.
    """
    if chosen_kind(kind, progress) == "native":
        from foretell.engines.native.engine import NativeEngine  # needs the extension
        from foretell.engines.native.parted_engine import PartedEngine

        if memory is not None:
            return PartedEngine(
                store, schema, memory, threads=threads, progress=progress, precision=precision
            )
        return NativeEngine(store, schema, threads=threads, progress=progress, precision=precision)
    return DuckDBEngine(store, schema, threads=threads, progress=progress, precision=precision)


def chosen_kind(kind: str | None = None, progress: Progress = QUIET) -> str:
    """'native' or 'duckdb'. Where the kernel is missing and nobody chose, progress is told why."""
    asked = kind if kind is not None else os.environ.get(SETTING) or None
    if asked is None and not kernel.AVAILABLE:
        progress.note(f"the native engine is not installed ({kernel.REASON}): DuckDB serves, more slowly")
    if asked is None:
        return "native" if kernel.AVAILABLE else "duckdb"
    if asked not in KINDS:
        where = "" if kind is not None else f" in {SETTING}"
        raise ConfigError(
            f"found the engine {asked!r}{where}, expected native or duckdb", mend=did_you_mean(asked, KINDS)
        )
    if asked == "native" and not kernel.AVAILABLE:
        raise ConfigError(
            f"the native engine is not installed: {kernel.REASON}",
            mend="install foretell where a C compiler is found, or choose the engine duckdb",
        )
    return asked
