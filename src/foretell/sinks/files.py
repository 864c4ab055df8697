"""Predictions into a folder of Parquet, a sub folder for each run."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from foretell.core.errors import UsageError, WriteError
from foretell.core.time import format_instant
from foretell.sinks.base import FORMAT, Column, Names, Run, head_columns, other_key, plain, taken_by_others
from foretell.sources.files import find_tables
from foretell.sources.own import FOLDER_MARK

RECORD = "_run.json"
LATEST = "_latest-"
_DRAFT = ".draft-"
DRAFT_AGE = 24 * 3600
"""Seconds after which a draft cannot be somebody's who still writes."""
ROUNDS = 20


@dataclass(frozen=True)
class FolderSink:
    """A folder, made where it is not there.

    A run is the folder `TO/run_id=…`, its rows and its record together: it is written beside its place,
    synced, and then given its name. `TO/_latest-MODEL.json` names the latest run of a model.
    """

    path: Path
    kind = "files"

    @property
    def name(self) -> str:
        return str(self.path)

    def latest(self, to: str, model: str) -> str:
        return f"{to}/{LATEST}{model}.json"

    def write(self, to: str, run: Run, columns: Sequence[Column], table: pa.Table) -> bool:
        Names.of(to)
        folder = self.path / to
        if to.startswith(("_", ".")) or "=" in to:
            raise UsageError(f"{to!r} cannot be the name of a folder to write to", mend="--to predictions")
        try:
            self._make(folder, [c.name for c in columns if c.key])
            _sweep(folder)
            is_new = _put(folder, run, columns, table)
            _point(folder, run.model)
        except OSError as error:
            raise WriteError(
                f"could not write to {str(folder)!r}: {error.strerror or error}",
                mend="make room or mend the folder, and write again: nothing is written twice",
            ) from None
        return is_new

    def _make(self, folder: Path, key: list[str]) -> None:
        """The destination's folder, marked as foretell's; a UsageError where it is somebody else's."""
        marker = folder / FOLDER_MARK
        if not marker.exists():
            taken = [n for n in _tables(self.path) if n.casefold() == folder.name.casefold()]
            if not taken:
                _appear(folder, {"format": FORMAT, "key": key})
            if not marker.exists():
                raise taken_by_others(taken or [folder.name])
        said = json.loads(marker.read_text(encoding="utf-8"))
        if said["format"] > FORMAT:
            raise UsageError(
                f"{str(folder)!r} was written by a newer release of foretell",
                mend="pip install --upgrade foretell",
            )
        if said["key"] != key:
            raise other_key(folder.name, said["key"], key)


def _tables(folder: Path) -> list[str]:
    return list(find_tables(folder)) if folder.is_dir() else []


def _appear(folder: Path, said: dict[str, Any]) -> None:
    """Make a marked folder, unless another is there that is not empty."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f"{_DRAFT}{folder.name}-{secrets.token_hex(4)}")
    draft.mkdir()
    try:
        _write(draft / FOLDER_MARK, said)
        with suppress(OSError):
            draft.rename(folder)
            _sync(folder.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _put(folder: Path, run: Run, columns: Sequence[Column], table: pa.Table) -> bool:
    """Write a run's folder; False if it is there."""
    place = folder / f"run_id={run.run_id}"
    if place.is_dir():
        return False
    draft = folder / f"{_DRAFT}{run.run_id}-{secrets.token_hex(4)}"
    draft.mkdir()
    try:
        rows = draft / "part-0.parquet"
        with rows.open("wb") as file:
            _rows(file, run, columns, table)
            file.flush()
            os.fsync(file.fileno())
        record = asdict(run) | {
            "cutoff": format_instant(run.cutoff),
            "written_at": format_instant(run.written_at),
        }
        _write(draft / RECORD, record)
        _sync(draft)
        try:
            draft.rename(place)
        except OSError:
            if place.is_dir():  # another process was first
                return False
            raise
        _sync(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return True


def _rows(file: Any, run: Run, columns: Sequence[Column], table: pa.Table) -> None:
    """The rows but for run_id, which the folder's name tells."""
    head = head_columns()[1:]
    values: list[Any] = [run.model, run.version]
    fixed = [pa.repeat(pa.scalar(v, c.type), table.num_rows) for v, c in zip(values, head)]
    names = [c.name for c in (*head, *columns)]
    whole = pa.Table.from_arrays([*fixed, *map(plain, table.columns)], names=names)
    pq.write_table(whole, file, compression="zstd")


def _point(folder: Path, model: str) -> None:
    """Let the model's pointer name its latest run: by cutoff, then by when it was written.

    Of several writers the last to look sees all their runs; so each looks again after it has written.
    """
    place = folder / f"{LATEST}{model}.json"
    for _ in range(ROUNDS):
        said = max(_runs(folder, model), key=lambda r: (r["cutoff"], r["written_at"], r["run_id"]))
        told = {k: said[k] for k in ("run_id", "cutoff", "version")}
        try:
            if json.loads(place.read_text(encoding="utf-8")) == told:
                return
        except (OSError, ValueError):
            pass
        _write(place, told)


def _runs(folder: Path, model: str) -> Iterator[dict[str, Any]]:
    for record in folder.glob(f"run_id=*/{RECORD}"):
        said: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        if said["model"] == model:
            yield said


def _write(place: Path, record: dict[str, Any]) -> None:
    """Write a small file, whole or not at all."""
    draft = place.with_name(f"{_DRAFT}{place.name}-{secrets.token_hex(4)}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            json.dump(record, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place)
        _sync(place.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what killed writers left a day ago or more."""
    for draft in folder.glob(f"{_DRAFT}*"):
        with suppress(OSError):
            if draft.stat().st_mtime < time.time() - DRAFT_AGE:
                shutil.rmtree(draft) if draft.is_dir() else draft.unlink()


def _sync(folder: Path) -> None:
    """Make renames last through a power cut; where folders cannot be synced the system does it itself."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
