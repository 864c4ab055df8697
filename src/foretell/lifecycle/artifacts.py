"""Files that are named by what they hold: written whole or not at all, and checked when they are read."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from foretell.core.errors import ModelFileError

_DIGEST = re.compile(r"[0-9a-f]{64}")
_DRAFT = ".draft-"


class Artifacts:
    """A folder of files by their sha256.

    A file is written beside its place, synced, read back and compared, and only then given its name: whoever
    finds a name finds the whole file, whatever was killed or ran full meanwhile. Equal contents are one file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Keep the bytes; their sha256 as hex. OSError where the disk is full or fails: nothing is left."""
        digest = hashlib.sha256(data).hexdigest()
        place = self._place(digest)
        if self._holds(place, digest):
            return digest
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_DRAFT, dir=place.parent)
        draft = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if not self._holds(draft, digest):
                raise OSError(f"what was written to {place.parent} does not read back as it was")
            draft.replace(place)
            _sync_folder(place.parent)
            _sync_folder(self.folder)
        finally:
            draft.unlink(missing_ok=True)
        return digest

    def path(self, digest: str) -> Path:
        """The file of a digest, its contents checked; a ModelFileError where it is gone or damaged."""
        place = self._place(digest)
        if not place.is_file():
            raise ModelFileError(
                f"the registry's file {digest[:12]} is gone from {str(self.folder)!r}",
                mend="restore the folder from a backup, or fit the model again",
            )
        if not self._holds(place, digest):
            raise ModelFileError(
                f"the registry's file {digest[:12]} is damaged: it does not match its sha256",
                mend="restore the folder from a backup, or fit the model again",
            )
        return place

    def read(self, digest: str) -> bytes:
        """The contents of a digest; errors as of `path`."""
        return self.path(digest).read_bytes()

    def remove(self, digest: str) -> None:
        """Let go of a file, if it is there."""
        self._place(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        """Every file that is there, in no order."""
        for place in self.folder.glob("??/*"):
            if _DIGEST.fullmatch(place.name):
                yield place.name

    def sweep(self, older_than: float) -> int:
        """Remove drafts that a killed writer left before `older_than` (seconds since 1970); how many."""
        gone = 0
        for place in self.folder.glob(f"??/{_DRAFT}*"):
            with suppress(FileNotFoundError):
                if place.stat().st_mtime < older_than:
                    place.unlink()
                    gone += 1
        return gone

    def _place(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ModelFileError(
                f"{digest[:80]!r} is no sha256", mend="the registry's file was changed by hand"
            )
        return self.folder / digest[:2] / digest

    @staticmethod
    def _holds(place: Path, digest: str) -> bool:
        try:
            with place.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == digest
        except FileNotFoundError:
            return False


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut; where folders cannot be synced the system does it itself."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
