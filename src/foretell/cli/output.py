"""Where results go: stdout or a file, as a table for people or as JSON, CSV or Parquet for programs."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType

from foretell.core.errors import UsageError
from foretell.core.jsonable import jsonable
from foretell.core.lazy import require
from foretell.report.layout import to_text

if TYPE_CHECKING:
    import pyarrow as pa


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


SUFFIXES = {
    ".json": Format.JSON,
    ".csv": Format.CSV,
    ".parquet": Format.PARQUET,
    ".txt": Format.TABLE,
    ".sql": Format.TABLE,
}


@dataclass(frozen=True)
class Result:
    """A result in each of its shapes, made when asked for: to look at, as data, and as rows."""

    view: Callable[[], RenderableType]
    data: Callable[[], object]
    rows: Callable[[], pa.Table] | None = None


def chosen(format: Format | None, output: Path | None) -> Format:
    """The format asked for, or the one that the file's name tells, or a table.

    >>> chosen(None, Path("out.parquet")), chosen(Format.JSON, None), chosen(None, None)
    (<Format.PARQUET: 'parquet'>, <Format.JSON: 'json'>, <Format.TABLE: 'table'>)
    """
    if format is not None:
        return format
    if output is None:
        return Format.TABLE
    try:
        return SUFFIXES[output.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"cannot tell from the name {output.name!r} how it should be written",
            mend="add --format table, json, csv or parquet, or end the name in .json, .csv, .parquet or .txt",
        ) from None


def write(result: Result, format: Format, output: Path | None, console: Console) -> None:
    """Write `result` to stdout, or to the file `output`, which appears whole or not at all."""
    if output is None and format is Format.TABLE and console.is_terminal:
        console.print(result.view())
        return
    content = encoded(result, format, width=console.width)
    if output is not None:
        save(output, content)
    elif format is Format.PARQUET and console.is_terminal:
        raise UsageError("Parquet is not text that a terminal can show", mend="add -o FILE.parquet")
    else:
        emit(content)


def emit(content: bytes) -> None:
    """Write to stdout. A reader that has seen enough (`| head`) is no error."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def encoded(result: Result, format: Format, *, width: int = 100) -> bytes:
    """The result as bytes; `width` is for tables."""
    if format is Format.TABLE:
        return (to_text(result.view(), width=width) + "\n").encode()
    if format is Format.JSON:
        return (json.dumps(jsonable(result.data()), indent=2, ensure_ascii=False) + "\n").encode()
    if result.rows is None:
        raise UsageError(f"this command's result is not rows, so there is no {format} of it",
                         mend="use --format json or table")  # fmt: skip
    sink = io.BytesIO()
    if format is Format.CSV:
        require("pyarrow.csv").write_csv(_flat(result.rows()), sink)
    else:
        require("pyarrow.parquet").write_table(result.rows(), sink)
    return sink.getvalue()


def _flat(table: Any) -> Any:
    """A table whose lists are JSON text: CSV has no lists."""
    pa = require("pyarrow")
    for i, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = [None if v is None else json.dumps(v, ensure_ascii=False) for v in table[i].to_pylist()]
            table = table.set_column(i, field.name, pa.array(texts, pa.string()))
    return table


def save(path: Path, content: bytes) -> None:
    """Write a file by way of a temporary one beside it."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
