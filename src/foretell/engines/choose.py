"""Which engine runs the plans of an open database."""

from __future__ import annotations

from foretell.core.progress import QUIET, Progress
from foretell.engines.base import Engine
from foretell.engines.duckdb import DuckDBEngine
from foretell.schema.model import Schema
from foretell.store.working import Store


def make_engine(store: Store, schema: Schema, *, threads: int = 2, progress: Progress = QUIET) -> Engine:
    """The fastest engine that this machine can run."""
    return DuckDBEngine(store, schema, threads=threads, progress=progress)
