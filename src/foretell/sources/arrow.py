"""Arrow as the sources' common tongue: batches out of DuckDB, and columns made of Python values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from foretell.core.errors import ForetellError, SourceError

BATCH = 100_000


def stream(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], describe: Callable[[Exception], SourceError]
) -> pa.RecordBatchReader:
    """A reader over `batches` whose failures are told in our words.

    Arrow hands an exception of its producer on as it is, so a SourceError stays one.
    """

    def guarded() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except ForetellError:
            raise
        except Exception as error:
            raise describe(error) from None

    return pa.RecordBatchReader.from_batches(schema, guarded())


def duckdb_reader(connection: Any, sql: str) -> pa.RecordBatchReader:
    """The rows of a query, streamed; under the names that DuckDB had before 2.0 and has since."""
    relation = connection.sql(sql)
    read = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
    reader: pa.RecordBatchReader = read(BATCH)
    return reader


def text_array(values: Sequence[Any]) -> tuple[Any, int]:
    """Text from bytes or str, and how many values were not UTF-8 (their bad bytes become U+FFFD).

    >>> text_array([b"ok", b"caf\\xe9", None])[1]
    1
    """
    try:
        return pa.array(values, pa.binary()).cast(pa.string()), 0
    except (pa.ArrowInvalid, UnicodeEncodeError):
        pass
    bad = 0
    texts: list[str | None] = []
    for value in values:
        if value is None:
            texts.append(None)
            continue
        raw = value if isinstance(value, bytes) else value.encode("utf-8", "replace")
        try:
            texts.append(raw.decode())
        except UnicodeDecodeError:
            bad += 1
            texts.append(raw.decode("utf-8", "replace"))
    return pa.array(texts, pa.string()), bad
