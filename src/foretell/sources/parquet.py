"""Parquet files read whole as Arrow, where their columns are of the types that tables are kept in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from foretell.sources.base import RawColumn

PLAIN = {
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
}
"""Types that are kept as they are, by what DuckDB calls them."""
REPEATED = 2.5
"""Text that takes fewer bytes a value than this, before compression, is a few values over and over."""


def read_plain(files: Sequence[Path], columns: Sequence[RawColumn]) -> pa.Table | None:
    """The rows of the files, text that repeats as a dictionary; None where a column is of another type, or
    the files cannot be read so.
    """
    if any(c.native not in PLAIN for c in columns):
        return None
    wanted = pa.schema([pa.field(c.name, PLAIN[c.native]) for c in columns])
    try:
        opened = [pq.ParquetFile(f) for f in files]
        if any(not _plain(o.schema_arrow).equals(wanted) for o in opened):
            return None
        repeated = [f.name for f in wanted if pa.types.is_string(f.type) and _repeats(opened, f.name)]
        found = pa.concat_tables([pq.ParquetFile(f, read_dictionary=repeated).read() for f in files])
        for column in found.columns:
            for chunk in column.chunks:
                if pa.types.is_string(chunk.type):
                    chunk.validate(full=True)
                elif pa.types.is_dictionary(chunk.type):
                    chunk.dictionary.validate(full=True)
    except (OSError, pa.ArrowException):
        return None
    return found.replace_schema_metadata()


def _plain(schema: pa.Schema) -> pa.Schema:
    """Names and types alone."""
    return pa.schema([pa.field(f.name, f.type) for f in schema])


def _repeats(files: Sequence[pq.ParquetFile], name: str) -> bool:
    """Whether a column's text takes little room for each value, in every file."""
    for file in files:
        place = file.schema_arrow.get_field_index(name)
        for i in range(file.metadata.num_row_groups):
            chunk = file.metadata.row_group(i).column(place)
            if chunk.total_uncompressed_size > REPEATED * chunk.num_values:
                return False
    return True
