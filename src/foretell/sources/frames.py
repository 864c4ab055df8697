"""Tables that are already in memory: pandas, polars or Arrow, as a dict of name to frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from foretell.core.errors import DataError, SourceError
from foretell.core.text import plural
from foretell.sources.base import Closing, RawColumn, RawTable
from foretell.sources.own import own_places, remark


@dataclass(frozen=True)
class FramesSource:
    """A dict of frames."""

    frames: Mapping[str, Any]

    @property
    def name(self) -> str:
        return plural(len(self.frames), "frame")

    def snapshot(self) -> FramesSnapshot:
        return FramesSnapshot(self.frames)


@dataclass
class FramesSnapshot(Closing):
    """The frames as they are now, as Arrow tables."""

    frames: Mapping[str, Any]
    tables: Sequence[RawTable] = ()
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.frames:
            raise SourceError(
                "found an empty dict, expected frames by name", mend="pass {'orders': frame, …}"
            )
        for name in self.frames:
            if not isinstance(name, str):
                raise SourceError(f"found the table name {name!r}, expected text")
        arrow = {name: self._to_arrow(name, frame) for name, frame in self.frames.items()}
        own = own_places({("", name): table.column_names for name, table in arrow.items()})
        self.notes += remark(name for _, name in own)
        self._arrow = {name: table for name, table in arrow.items() if ("", name) not in own}
        self.tables = tuple(
            RawTable(name, tuple(RawColumn(f.name, str(f.type), f.nullable) for f in table.schema))
            for name, table in self._arrow.items()
        )

    @property
    def arrow(self) -> Mapping[str, pa.Table]:
        """The tables, by name."""
        return self._arrow

    def _to_arrow(self, name: str, frame: Any) -> pa.Table:
        kind = type(frame).__module__.split(".")[0]
        if kind == "pandas" and hasattr(frame, "columns"):
            return self._from_pandas(name, frame)
        if kind == "polars" and hasattr(frame, "columns"):
            frame = frame.collect() if hasattr(frame, "collect") else frame
            table: pa.Table = frame.to_arrow()
            return table
        if isinstance(frame, pa.Table):
            return frame
        if isinstance(frame, pa.RecordBatch):
            return pa.Table.from_batches([frame])
        if hasattr(frame, "__arrow_c_stream__") or isinstance(frame, dict):
            try:
                return pa.table(frame)
            except (pa.ArrowException, TypeError, ValueError) as error:
                raise SourceError(f"cannot read frame {name!r} as Arrow: {error}") from None
        raise SourceError(
            f"found {type(frame).__name__} for table {name!r}, expected a pandas, polars or Arrow frame"
        )

    def _from_pandas(self, name: str, frame: Any) -> pa.Table:
        if any(n is not None for n in frame.index.names):
            frame = frame.reset_index()
        arrays, names = [], []
        for position, label in enumerate(frame.columns):
            series = frame.iloc[:, position]
            if series.dtype == object:
                _one_clock(f"{name}.{label}", series)
            try:
                array = pa.Array.from_pandas(series)
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
                array = pa.array([None if _is_missing(v) else str(v) for v in series], pa.string())
                self.notes.append(f"{name}.{label} mixes types: all of it is read as text")
            arrays.append(array)
            names.append(str(label))
        return pa.Table.from_arrays(arrays, names=names)

    def estimate(self, table: str) -> int | None:
        return int(self._arrow[table].num_rows)

    def read(self, table: str) -> pa.RecordBatchReader:
        return self._arrow[table].to_reader()


def _one_clock(here: str, values: Any) -> None:
    """Arrow reads times with a zone and times without as one, which moves the latter by hours."""
    times = [v for v in values if isinstance(v, datetime) and not _is_missing(v)]
    zoned = [v for v in times if v.tzinfo is not None]
    if 0 < len(zoned) < len(times):
        raise DataError(
            f"{here} mixes times with a zone ({len(zoned):,}) and times without "
            f"({len(times) - len(zoned):,})",
            examples=[str(zoned[0]), *(str(v) for v in times if v.tzinfo is None)][:2],
            mend="write all of them in one way, as in pandas.to_datetime(…, utc=True)",
        )


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value
