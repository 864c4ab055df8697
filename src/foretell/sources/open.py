"""From what a person names (a path, a URL, a dict of frames) to the source that reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from foretell.core.errors import SourceError, UsageError
from foretell.core.lazy import require
from foretell.core.text import nearest
from foretell.sources.base import Source

SUPPORTED = (
    "a DuckDB file, a SQLite file, a folder of Parquet or CSV files, one such file, "
    "postgresql://…, mysql://…, or a dict of frames"
)
_HEADERS = ((0, b"SQLite format 3\x00", "sqlite"), (8, b"DUCK", "duckdb"), (0, b"PAR1", "files"))
_SCHEMES = {
    "postgresql": "postgres",
    "postgres": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
    "duckdb": "duckdb",
    "file": "file",
}


def open_source(target: str | os.PathLike[str] | Mapping[str, Any] | Source) -> Source:
    """The source for a path, a URL or a dict of frames. Nothing is read yet.

    >>> open_source("oracle://db/shop")
    Traceback (most recent call last):
    foretell.core.errors.UsageError: found 'oracle://…', which is not supported
    expected a DuckDB file, a SQLite file, a folder of Parquet or CSV files, one such file, \
postgresql://…, mysql://…, or a dict of frames
    """
    if isinstance(target, Mapping):
        from foretell.sources.frames import FramesSource

        return FramesSource(dict(target))
    if not isinstance(target, str | os.PathLike):
        if hasattr(target, "snapshot"):
            return target
        raise UsageError(f"found {type(target).__name__}, expected {SUPPORTED}")
    text = os.fspath(target)
    scheme, mark, rest = text.partition("://")
    if not mark or len(scheme) < 2:
        return _open_path(Path(text))
    room = _SCHEMES.get(scheme.lower().split("+")[0])
    if room in ("sqlite", "duckdb", "file"):
        # sqlite:///relative.db and sqlite:////absolute.db, as SQLAlchemy writes them.
        location = unquote(rest.partition("?")[0])
        inner = Path(location if room == "file" else location.removeprefix("/"))
        return _open_path(inner, None if room == "file" else room)
    if room == "postgres":
        require("psycopg", extra="postgres")
        from foretell.sources.postgres import PostgresSource

        return PostgresSource("postgresql://" + rest)
    if room == "mysql":
        require("pymysql", extra="mysql")
        from foretell.sources.mysql import MySQLSource

        return MySQLSource("mysql://" + rest)
    raise UsageError(f"found '{scheme}://…', which is not supported", mend=f"expected {SUPPORTED}")


def _open_path(path: Path, kind: str | None = None) -> Source:
    path = path.expanduser()
    if not path.exists():
        beside = path.parent if path.parent.is_dir() else None
        best = nearest(path.name, [p.name for p in beside.iterdir()]) if beside else None
        raise SourceError(
            f"no file or folder {str(path)!r}",
            mend=f"did you mean {str(path.parent / best)!r}?" if best else f"expected {SUPPORTED}",
        )
    from foretell.sources.files import FilesSource, ending

    found = "files" if path.is_dir() or ending(path) else _sniff(path)
    kind = kind or found
    if found is not None and kind != found:
        raise SourceError(f"{str(path)!r} is no {kind} database: its first bytes say {found}")
    if kind == "files":
        return FilesSource(path)
    if kind == "duckdb":
        from foretell.sources.duckdb import DuckDBSource

        return DuckDBSource(path)
    if kind == "sqlite":
        from foretell.sources.sqlite import SQLiteSource

        return SQLiteSource(path)
    raise SourceError(f"cannot tell what {str(path)!r} is", mend=f"expected {SUPPORTED}")


def _sniff(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            head = file.read(32)
    except OSError as error:
        raise SourceError(f"cannot open {str(path)!r}: {error.strerror}") from None
    for offset, magic, kind in _HEADERS:
        if head[offset : offset + len(magic)] == magic:
            return kind
    if path.suffix.lower() in (".duckdb", ".ddb"):
        return "duckdb"
    if not head and path.suffix.lower() in (".sqlite", ".sqlite3", ".db"):
        return "sqlite"
    return None
