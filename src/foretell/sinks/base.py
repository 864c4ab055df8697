"""What every sink offers: a run of predictions is written whole, once, beside the record that it was."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from foretell.core.errors import UsageError, WriteError
from foretell.core.text import listing
from foretell.core.time import Instant
from foretell.sources.own import LATEST_END, POINTERS_END, RUNS_END

FORMAT = 1
"""What the marking column of a runs table holds."""
LONGEST = 63
"""Bytes that a name may have in every database."""
ATTEMPTS = 4
BATCH = 50_000


@dataclass(frozen=True)
class Run:
    """The record of a run: which version of which model said what is written, of which cutoff and data."""

    run_id: str
    model: str
    version: int
    sha256: str  # of the model's file
    query: str | None
    cutoff: Instant
    snapshot: str  # fingerprint of the tables that were read
    rows: int
    written_at: Instant


@dataclass(frozen=True)
class Column:
    """A column that is written. `native` is its type in the destination's own words, where these are known:
    a key of the same kind of database keeps its type, so that it joins.
    """

    name: str
    type: pa.DataType
    native: str | None = None
    key: bool = False


class Sink(Protocol):
    """A place that runs are written to. `name` is fit to show: passwords are masked; `kind` is that of the
    source whose types it shares.
    """

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...

    def latest(self, to: str, model: str) -> str:
        """Where a model's latest run is looked up."""
        ...

    def write(self, to: str, run: Run, columns: Sequence[Column], table: pa.Table) -> bool:
        """Write the table's rows (its columns in the order of `columns`) and the run's record, or nothing.

        True if they were written, False if the run was there already. A name that is taken by what foretell
        did not write is a UsageError, a destination that fails a WriteError.
        """
        ...


@dataclass(frozen=True)
class Names:
    """What the tables of one destination are called.

    >>> Names.of("predictions").latest
    'predictions_latest'
    >>> Names.of("ml.scores")
    Traceback (most recent call last):
    foretell.core.errors.UsageError: 'ml.scores' cannot be the name of a table to write to: it holds a dot
    a schema is chosen in the URL, as in ?options=-csearch_path%3Dml
    """

    rows: str
    runs: str
    pointers: str
    latest: str

    @classmethod
    def of(cls, to: str) -> Names:
        """The names that go with `--to`; a UsageError for one that some database could not hold."""
        room = LONGEST - len(POINTERS_END)
        faults = {
            "it is empty": not to.strip(),
            "it holds a dot": "." in to,
            "it holds a slash": "/" in to or "\\" in to,
            "it holds a character that cannot be seen": not to.isprintable(),
            "it begins or ends with a blank": to != to.strip(),
            f"it is longer than {room} bytes": len(to.encode("utf-8", "replace")) > room,
        }
        found = [fault for fault, is_so in faults.items() if is_so]
        if found:
            raise UsageError(
                f"{to!r} cannot be the name of a table to write to: {found[0]}",
                mend="a schema is chosen in the URL, as in ?options=-csearch_path%3Dml"
                if "." in to
                else "name it as in --to predictions",
            )
        return cls(to, to + RUNS_END, to + POINTERS_END, to + LATEST_END)

    @property
    def all(self) -> tuple[str, ...]:
        return (self.rows, self.runs, self.pointers, self.latest)

    def refuse(self, taken: Sequence[str]) -> None:
        """A UsageError where one of the names is that of a table which is not foretell's."""
        own = {n.casefold() for n in self.all}
        found = [name for name in taken if name.casefold() in own]
        if found:
            raise taken_by_others(found)


def taken_by_others(names: Sequence[str]) -> UsageError:
    """The refusal to write where somebody else's table is."""
    return UsageError(
        f"{listing([repr(n) for n in names])} {'is' if len(names) == 1 else 'are'} there already, and not "
        "written by foretell",
        mend="choose another name: --to churn_predictions",
    )


def other_key(to: str, found: Sequence[str], wanted: Sequence[str]) -> UsageError:
    """The refusal to put predictions of other entities into a table."""
    return UsageError(
        f"{to!r} holds predictions by {listing(list(found))}, these are by {listing(list(wanted))}",
        mend="write them to another table: --to NAME",
    )


def head_columns() -> list[Column]:
    """The columns that every table of predictions begins with."""
    return [Column("run_id", pa.string()), Column("model", pa.string()), Column("version", pa.int64())]


def whole(run: Run, table: pa.Table, *, size: int = BATCH) -> Iterator[pa.Table]:
    """The rows as they are written, a piece at a time: the head's columns before the table's own."""
    for start in range(0, table.num_rows, size):
        part = table.slice(start, size)
        rows = part.num_rows
        head = [
            pa.repeat(pa.scalar(run.run_id), rows),
            pa.repeat(pa.scalar(run.model), rows),
            pa.repeat(pa.scalar(run.version, pa.int64()), rows),
        ]
        names = [*(c.name for c in head_columns()), *(str(i) for i in range(part.num_columns))]
        yield pa.Table.from_arrays([*head, *map(plain, part.columns)], names=names)


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column's values as every database has them: lists as JSON text, NULL where empty or not a number.

    >>> plain(pa.chunked_array([[["a", "b"], [], None]])).to_pylist()
    ['["a", "b"]', None, None]
    """
    if pa.types.is_list(column.type):
        texts = [json.dumps(v, ensure_ascii=False) if v else None for v in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
    return column


def tried(attempt: Callable[[], bool], *, pause: float = 0.2) -> bool:
    """Whether rows were written, by an attempt that looks first whether they are there.

    Where an attempt's end is `uncertain` (the connection was lost, perhaps only with the answer to COMMIT),
    the next one tells: it finds the run, or writes it. An error after that leaves it open, and says so.
    """
    doubt = False
    for left in reversed(range(ATTEMPTS)):
        try:
            return attempt() or doubt
        except WriteError as error:
            again = error.fields.get("uncertain") or (doubt and error.fields.get("unreached"))
            if not doubt and not again:
                raise
            if not again or not left:
                raise WriteError(
                    f"{error.message}; whether the rows are there is not known",
                    mend="write again: if they are, nothing is written twice",
                ) from None
            doubt = True
            time.sleep(pause)
    raise AssertionError("unreachable")


def relabelled(columns: Sequence[Column], label: Callable[[str], str]) -> list[Column]:
    """The columns under the names that a database can hold."""
    return [replace(c, name=label(c.name)) for c in columns]
