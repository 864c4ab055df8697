"""A model's database as of the registry's clock, open with the schema that its champion was trained on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from foretell.core.progress import QUIET, Progress
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.version import Reference
from foretell.prediction.database import OpenDatabase, Target, open_database


@contextmanager
def present(
    registry: Registry,
    name: str,
    target: Target,
    *,
    config: str | os.PathLike[str] | None = None,
    threads: int = 2,
    memory: str | int | None = None,
    cache: bool = False,
    progress: Progress = QUIET,
) -> Iterator[OpenDatabase]:
    """Open a database for what is done with a model: rows dated after the clock are not taken as known."""
    with open_database(
        target,
        config=config,
        schema=registry.load(Reference.of(name)).task.schema,
        threads=threads,
        now=registry.clock(),
        memory=memory,
        cache=cache,
        progress=progress,
    ) as database:
        yield database
