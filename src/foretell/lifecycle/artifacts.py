"""Files that are named by what they hold: written whole or not at all, and checked when they are read."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from foretell.core.errors import ModelFileError, RegistryError

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
        """Keep the bytes; their sha256 as hex. A RegistryError where the disk fails: nothing is left."""
        digest = hashlib.sha256(data).hexdigest()
        place = self._place(digest)
        with disk_told():
            if not self._holds(place, digest):
                self._write(place, digest, data)
        return digest

    def _write(self, place: Path, digest: str, data: bytes) -> None:
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
            for folder in (place.parent, self.folder, self.folder.parent):
                sync_folder(folder)
        finally:
            draft.unlink(missing_ok=True)

    def path(self, digest: str) -> Path:
        """The file of a digest, its contents checked; a ModelFileError where it is gone or damaged."""
        place = self._place(digest)
        if not place.is_file():
            raise ModelFileError(
                f"the registry's file {digest[:12]} is gone from {str(self.folder)!r}",
                mend="restore the folder from a backup, or fit the model again",
            )
        with disk_told():
            whole = self._holds(place, digest)
        if not whole:
            raise ModelFileError(
                f"the registry's file {digest[:12]} is damaged: it does not match its sha256",
                mend="restore the folder from a backup, or fit the model again",
            )
        return place

    def read(self, digest: str) -> bytes:
        """The contents of a digest; errors as of `path`."""
        with disk_told():
            return self.path(digest).read_bytes()

    def remove(self, digest: str) -> None:
        """Let go of a file, if it is there."""
        with disk_told():
            self._place(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        """Every file that is there, in no order."""
        for place in self.folder.glob("??/*"):
            if _DIGEST.fullmatch(place.name):
                yield place.name

    def sweep(self, age: float) -> int:
        """Remove drafts that a killed writer left more than `age` seconds ago; how many.

        The present is what the disk says it is, as the drafts' own times are.
        """
        drafts = list(self.folder.glob(f"??/{_DRAFT}*"))
        if not drafts:
            return 0
        with tempfile.NamedTemporaryFile(prefix=_DRAFT, dir=self.folder) as file:
            now = os.fstat(file.fileno()).st_mtime
        gone = 0
        for draft in drafts:
            with suppress(FileNotFoundError):
                if now - draft.stat().st_mtime > age:
                    draft.unlink()
                    gone += 1
        return gone

    def _place(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ModelFileError(
                f"{digest[:80]!r} is no sha256", mend="the registry's file was changed by hand"
            )
        place = self.folder / digest[:2] / digest
        for step in (self.folder, place.parent, place):
            if step.is_symlink():
                raise RegistryError(
                    f"{str(step)!r} is a symbolic link: nothing is read or written through it",
                    mend="put what it points at in its place; the registry's whole folder may be a link",
                )
        return place

    @staticmethod
    def _holds(place: Path, digest: str) -> bool:
        try:
            with place.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == digest
        except FileNotFoundError:
            return False


@contextmanager
def disk_told() -> Iterator[None]:
    """Failures of the disk as our own errors."""
    try:
        yield
    except OSError as error:
        raise RegistryError(
            f"the registry's files could not be used: {error.strerror or error}",
            mend="see that the disk is sound, has room and can be written; nothing was changed",
        ) from error


def sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut; where folders cannot be synced the system does it itself."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
