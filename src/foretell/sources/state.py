"""The state of a source made of files: enough to tell, without reading them, whether they changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[int, ...]
"""A file's size, when its content and when anything of it changed (ns since 1970), and its inode."""


@dataclass(frozen=True)
class State:
    """The files of one source as they are on disk: equal states mean that nothing was written between.

    `place` is what was opened, and `files` holds each file's stamp by its path inside it.
    """

    kind: str
    place: str
    files: Mapping[str, Stamp]

    @classmethod
    def of(cls, kind: str, place: Path, files: Iterable[Path], logs: Iterable[Path] = ()) -> State | None:
        """The state of `files`; None where one of them cannot be looked at.

        `logs` are files that readers touch without writing to them: only their content's time counts.
        """
        try:
            stamps: dict[str, Stamp] = {}
            for file in files:
                found = file.stat()
                times = (found.st_mtime_ns, found.st_ctime_ns)
                stamps[inside(place, file)] = (found.st_size, *times, found.st_ino)
            for file in logs:
                found = file.stat()
                stamps[inside(place, file)] = (found.st_size, found.st_mtime_ns, found.st_ino)
            return cls(kind, str(place.resolve(strict=True)), stamps)
        except OSError:
            return None

    @property
    def size(self) -> int:
        """How many bytes the files hold together."""
        return sum(stamp[0] for stamp in self.files.values())

    @property
    def changed_ns(self) -> int:
        """When a file was last written, in nanoseconds since 1970."""
        return max((stamp[1] for stamp in self.files.values()), default=0)

    @property
    def source_digest(self) -> str:
        """A name for the source, whatever its state."""
        return digest(self.kind, self.place)

    @property
    def digest(self) -> str:
        """A name for this state of this source."""
        return digest(self.kind, self.place, sorted(self.files.items()))

    def grew_from(self, earlier: Mapping[str, Stamp]) -> bool:
        """Whether every earlier file is still as it was; there may be more of them now."""
        return all(self.files.get(name) == stamp for name, stamp in earlier.items())


def inside(place: Path, file: Path) -> str:
    """A file's path below the folder that was opened; its name where the file itself was.

    >>> inside(Path("data"), Path("data/orders/2024.parquet")), inside(Path("a.duckdb"), Path("a.duckdb"))
    ('orders/2024.parquet', 'a.duckdb')
    """
    return file.relative_to(place).as_posix() if file != place and place in file.parents else file.name


def digest(*parts: object) -> str:
    """A short name for plain values, the same in every process."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
