"""Batches of predictions: what was said, of which cutoff, by which version, and where it was written."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from sqlite3 import Row
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from foretell.core.time import Instant, format_instant
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.version import Version
from foretell.prediction.batch import BASELINE

__all__ = ["BASELINE", "Batch", "batches", "begin", "find", "mark_written", "predictions_of", "run_id_of"]


@dataclass(frozen=True)
class Batch:
    """One run of a model over its population at a cutoff.

    `snapshot` is the fingerprint of the tables that were read, `destination` where the rows went (fit to
    show: no password), `written` when it had them all, None while it has not said so.
    """

    run_id: str
    name: str
    version: int
    cutoff: Instant
    made: Instant
    rows: int
    snapshot: str
    sha256: str
    destination: str
    written: Instant | None
    record: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "model": f"{self.name}@{self.version}",
            "cutoff": format_instant(self.cutoff),
            "made": format_instant(self.made),
            "rows": self.rows,
            "destination": self.destination,
            "written": None if self.written is None else format_instant(self.written),
        }


def run_id_of(version: Version, cutoff: Instant, snapshot: str) -> str:
    """The name of a run: the same model, cutoff and data are the same run, whenever and wherever it is made.

    The query is part of the model's file, whose sha256 is hashed here.
    """
    text = "\x1f".join([version.name, version.sha256, str(cutoff), snapshot])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def begin(
    registry: Registry,
    version: Version,
    run_id: str,
    cutoff: Instant,
    snapshot: str,
    predictions: pa.Table,
    destination: str,
    record: Mapping[str, Any],
) -> Batch:
    """Keep a batch before it is written anywhere, so that it can be graded; again for the same run is no-op.

    `predictions` is the table of `Predictions`, with a column `baseline` of what the best simple rule said
    of each row: a probability, a value, or the most likely class.
    """
    held = find(registry, run_id)
    if held is not None:
        return held
    buffer = io.BytesIO()
    pa.parquet.write_table(predictions, buffer, compression="zstd")
    data = buffer.getvalue()
    registry.artifacts.put(data)
    with registry.ledger.changing() as connection:
        sha256 = registry.artifacts.put(data)  # again, lest `prune` took it meanwhile
        connection.execute(
            "INSERT OR IGNORE INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)",
            (
                run_id,
                version.name,
                version.number,
                cutoff,
                registry.clock(),
                predictions.num_rows,
                snapshot,
                sha256,
                destination,
                json.dumps(record),
            ),
        )
    found = find(registry, run_id)
    assert found is not None
    return found


def mark_written(registry: Registry, run_id: str) -> None:
    """The destination has the whole run."""
    with registry.ledger.changing() as connection:
        connection.execute(
            "UPDATE batches SET written = ? WHERE run_id = ? AND written IS NULL", (registry.clock(), run_id)
        )


def find(registry: Registry, run_id: str) -> Batch | None:
    """The batch of a run, if it was begun."""
    found = registry.ledger.rows("SELECT * FROM batches WHERE run_id = ?", (run_id,))
    return _batch(found[0]) if found else None


def batches(registry: Registry, name: str) -> tuple[Batch, ...]:
    """The batches of a model, the earliest cutoff first."""
    registry.standing(name)
    rows = registry.ledger.rows("SELECT * FROM batches WHERE name = ? ORDER BY cutoff, made", (name,))
    return tuple(_batch(r) for r in rows)


def predictions_of(registry: Registry, batch: Batch) -> pa.Table:
    """The rows of a batch as they were predicted."""
    return pa.parquet.read_table(pa.BufferReader(registry.artifacts.read(batch.sha256)))


def _batch(row: Row) -> Batch:
    return Batch(
        row["run_id"],
        row["name"],
        row["version"],
        row["cutoff"],
        row["made"],
        row["rows"],
        row["snapshot"],
        row["sha256"],
        row["destination"],
        row["written"],
        json.loads(row["record"]),
    )
