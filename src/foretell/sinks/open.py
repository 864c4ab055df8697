"""From what a person names (a path, a URL) to the sink that writes there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foretell.core.errors import UsageError
from foretell.sinks.base import Sink
from foretell.sources.base import Source
from foretell.sources.duckdb import DuckDBSource
from foretell.sources.files import FilesSource
from foretell.sources.open import open_source
from foretell.sources.sqlite import SQLiteSource

_SUFFIXES = {
    ".duckdb": "duckdb",
    ".ddb": "duckdb",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
    "": "files",
}
"""What a path that is not there yet is made as."""
_MEND = "name one: into= a DuckDB or SQLite file, a folder, postgresql://… or mysql://…"


def open_sink(target: str | os.PathLike[str] | Mapping[str, Any] | Source) -> Sink:
    """The sink of a path, a URL or a source. Nothing is opened yet, and a file that is not there not made.

    >>> open_sink({"orders": None})
    Traceback (most recent call last):
    foretell.core.errors.UsageError: frames in memory cannot be written to, say where predictions go
    name one: into= a DuckDB or SQLite file, a folder, postgresql://… or mysql://…
    """
    if isinstance(target, Mapping):
        raise UsageError("frames in memory cannot be written to, say where predictions go", mend=_MEND)
    if not isinstance(target, str | os.PathLike):
        return _sink_of(target)
    text = os.fspath(target)
    if "://" not in text and not (place := Path(text).expanduser()).exists():
        return _new(place)
    return _sink_of(open_source(target))


def kind_of(source: Source) -> str | None:
    """The kind of database that a source is, as sinks name it; None for frames in memory."""
    name = type(source).__module__
    found = name.rpartition(".")[2]
    return found if name.startswith("foretell.sources.") and found != "frames" else None


def _sink_of(source: Source) -> Sink:
    if isinstance(source, DuckDBSource):
        from foretell.sinks.duckdb import DuckDBSink

        return DuckDBSink(source.path)
    if isinstance(source, SQLiteSource):
        from foretell.sinks.sqlite import SQLiteSink

        return SQLiteSink(source.path)
    if isinstance(source, FilesSource):
        return _folder(source.path)
    kind, url = kind_of(source), getattr(source, "url", None)
    if kind == "postgres" and isinstance(url, str):
        from foretell.sinks.postgres import PostgresSink

        return PostgresSink(url)
    if kind == "mysql" and isinstance(url, str):
        from foretell.sinks.mysql import MySQLSink

        return MySQLSink(url)
    raise UsageError(f"{source.name} cannot be written to, say where predictions go", mend=_MEND)


def _folder(path: Path) -> Sink:
    from foretell.sinks.files import FolderSink

    if path.is_file():
        raise UsageError(
            f"{path.name!r} is one file, which cannot hold predictions as well",
            mend="say where they go: --into FOLDER",
        )
    return FolderSink(path)


def _new(path: Path) -> Sink:
    """The sink of a path that is not there yet."""
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None or not path.parent.is_dir():
        raise UsageError(
            f"cannot tell what {str(path)!r} should be made as"
            if kind is None
            else f"there is no folder {str(path.parent)!r}",
            mend="end its name in .duckdb or .sqlite, or name a folder",
        )
    if kind == "duckdb":
        from foretell.sinks.duckdb import DuckDBSink

        return DuckDBSink(path)
    if kind == "sqlite":
        from foretell.sinks.sqlite import SQLiteSink

        return SQLiteSink(path)
    return _folder(path)
