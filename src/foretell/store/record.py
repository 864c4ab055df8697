"""A working copy's tables as JSON-ready records and back: what lies beside the copy in the cache."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from foretell.schema.model import DType
from foretell.sources.base import RawColumn, RawKey, RawTable
from foretell.store.staging import Tally
from foretell.store.working import StoredTable


def to_record(table: StoredTable) -> dict[str, Any]:
    """One table, as loaded."""
    return {
        "raw": asdict(table.raw),
        "dtypes": {name: dtype.value for name, dtype in table.dtypes.items()},
        "rows": table.rows,
        "zoned": sorted(table.zoned),
        "tallies": [[t.nulls, t.kept, t.largest] for t in table.tallies],
        "notes": list(table.notes),
    }


def from_record(record: dict[str, Any]) -> StoredTable:
    """Read back what `to_record` wrote."""
    raw = record["raw"]
    return StoredTable(
        raw["name"],
        RawTable(
            raw["name"],
            tuple(RawColumn(**c) for c in raw["columns"]),
            tuple(raw["primary_key"]),
            tuple(tuple(u) for u in raw["unique"]),
            tuple(
                RawKey(tuple(k["columns"]), k["parent"], tuple(k["parent_columns"]))
                for k in raw["foreign_keys"]
            ),
            raw["is_view"],
        ),
        {name: DType(dtype) for name, dtype in record["dtypes"].items()},
        record["rows"],
        set(record["zoned"]),
        tuple(Tally(*t) for t in record["tallies"]),
        tuple(record["notes"]),
    )
