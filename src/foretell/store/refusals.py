"""What DuckDB refuses, told in our words: values that cannot be computed, and keys that repeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
from sqlglot import exp

from foretell.core.errors import DataError, SchemaError
from foretell.core.text import listing
from foretell.plan.build import DIALECT
from foretell.plan.prepare import repeats


@contextmanager
def told(statement: exp.Expr) -> Iterator[None]:
    """What the data or the machine make DuckDB refuse, in our words; our own mistakes pass as they are."""
    try:
        yield
    except (duckdb.DataError, duckdb.OperationalError, duckdb.InvalidInputException) as error:
        used = sorted({t.name for t in statement.find_all(exp.Table) if "#" not in t.name})
        about = f" from {listing([repr(t) for t in used])}" if used else ""
        said = str(error).partition("\n")[0]
        if isinstance(error, duckdb.OutOfMemoryException):
            raise DataError(
                f"computing{about} does not fit into the memory limit: {said}",
                mend="raise the memory cap, or ask for fewer cutoffs with EVERY",
            ) from error
        raise DataError(
            f"a value cannot be computed{about}: {said}", mend="correct the data, or ignore the column"
        ) from error


def refuse_repeats(connection: Any, name: str, key: Sequence[str], rows: exp.Expr) -> None:
    """A SchemaError if the key names several of the table's `rows` (a relation called e)."""
    found = connection.execute(repeats(key, rows).sql(dialect=DIALECT)).fetchall()
    if found:
        raise SchemaError(
            f"the key {', '.join(key)} of {name!r} repeats",
            examples=[v[0] if len(v) == 1 else v for v in found],
            mend="remove the rows that repeat, or set another primary_key in foretell.toml",
        )
