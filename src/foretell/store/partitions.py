"""A table too large for memory, in parts by the row that a path leads its rows to; each part fits.

The rows that lead to a contiguous range of anchors are written to one file, columns as loaded. A part's
tables read like the whole ones: those on the path hold the rows of its anchors alone, in the same order, the
others are whole. So whatever is made for an anchor out of the rows that lead to it comes out the same.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlglot import exp

from foretell.core.errors import DataError, SchemaError
from foretell.core.size import show_size
from foretell.kernel.model import Ints, Longs
from foretell.plan.build import DIALECT, col, raw
from foretell.plan.prepare import met_by, one_row_keys, repeats, used
from foretell.query import ast
from foretell.schema.model import Link, Schema
from foretell.sources.arrow import duckdb_reader
from foretell.store.columns import Order, Tables
from foretell.store.refusals import refuse_repeats, told
from foretell.store.scan import Scan
from foretell.store.staging import chunks
from foretell.store.words import Words
from foretell.store.working import Store, StoredTable

PART = "\u2205 part"
"""What the column is called that tells a row's part."""
GIVEN = "\u2205 anchors"
"""What the anchors' keys are called while rows are led to them."""
BATCH_ROWS = 250_000
"""Rows that are told apart at a time."""


@dataclass(frozen=True)
class Part:
    """The tables of the anchors from `first` up to `stop`."""

    first: int
    stop: int
    tables: Tables


class Partitions:
    """A table and those between it and the anchors, along `links`, in parts of about `most` bytes.

    One anchor's rows are never parted, however many.
    """

    def __init__(
        self,
        store: Store,
        schema: Schema,
        whole: Tables,
        links: Sequence[Link],
        *,
        most: int,
        threads: int,
    ) -> None:
        self._store = store
        self._schema = schema
        self._whole = whole
        self._links = tuple(links)
        self._threads = threads
        self._scan = Scan(store, schema, threads)
        self._folder = Path(tempfile.mkdtemp(prefix="parts-", dir=store.folder))
        self.tables = tuple(link.child for link in links)
        weights = sum(self._rows_of_anchors(i) * row_bytes(schema, t) for i, t in enumerate(self.tables))
        self._stops = _cuts(np.asarray(weights), most)
        with _full_disk(self._folder):
            for i, name in enumerate(self.tables):
                self._refuse_repeats(name)
                self._spill(i, name)

    def __len__(self) -> int:
        return len(self._stops)

    def __iter__(self) -> Iterator[Part]:
        """Each part in turn; its tables are let go of before the next."""
        first = 0
        for i, stop in enumerate(self._stops):
            held = {name: _load(self._file(name, i)) for name in self.tables}
            store = _PartStore(self._store, held)
            yield Part(first, stop, _PartTables(self._whole, store, self._schema, self._threads))
            first = stop
            del held, store
            pa.default_memory_pool().release_unused()

    def close(self) -> None:
        """Remove the files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, table: str, part: int) -> Path:
        return self._folder / f"{self.tables.index(table)}-{part}.arrow"

    def _anchors(self, value: npt.NDArray[np.int32]) -> pa.Table:
        """The anchors' keys, as their children name them, each with a value."""
        link = self._links[-1]
        columns = {c: self._whole.arrow(link.parent, c) for c in link.parent_columns}
        return pa.table({**columns, PART: pa.array(value)})

    def _led(self, level: int) -> exp.Select:
        """The rows of the table at one level of the path as a relation `r`, each with what its anchor has.

        The names of the tables between are looked up in the database, the anchors in the table `given`.
        """
        link = self._links[level]
        if level == len(self._links) - 1:
            parent: exp.Expr = _given().as_("p")
        else:
            above = self._links[level].parent_columns
            source = self._schema.table(link.parent)
            values = [self._scan.value(link.parent, c).as_(c, quoted=True) for c in above]
            assert source.name == self._links[level + 1].child
            parent = self._led(level + 1).select(*values).subquery("p")
        query = exp.select(col("p", PART)).from_(raw(link.child, "r"))
        return query.join(parent, on=met_by(link, self._schema))

    def _rows_of_anchors(self, level: int) -> Longs:
        """How many rows of one level's table lead to each anchor. (anchors,)"""
        size = self._whole.rows(self._links[-1].parent)
        inner = self._led(level).subquery("q")
        counts = exp.select(col("q", PART).as_("at"), exp.func("COUNT", exp.Star()).as_("n"))
        found = self._run(counts.from_(inner).group_by(col("q", PART)), np.arange(size, dtype=np.int32))
        made = np.zeros(size, dtype=np.int64)
        made[found["at"].to_numpy()] = found["n"].to_numpy()
        return made

    def _run(self, query: exp.Expr, values: npt.NDArray[np.int32]) -> pa.Table:
        connection = self._connect(values)
        with told(query):
            return connection.sql(query.sql(dialect=DIALECT)).to_arrow_table()

    def _connect(self, values: npt.NDArray[np.int32]) -> Any:
        connection = self._store.cursor()
        connection.execute(f"SET threads = {self._threads}")
        connection.register(GIVEN, self._anchors(values))
        return connection

    def _spill(self, level: int, name: str) -> None:
        """One pass over a table: each row goes to the file of its part; rows without an anchor to none."""
        anchors = self._whole.rows(self._links[-1].parent)
        part = np.searchsorted(np.array(self._stops), np.arange(anchors), side="right").astype(np.int32)
        source = self._schema.table(name)
        columns = [col("r", c.name) for c in source.columns if used(c, source)]
        query = self._led(level).select(*columns)
        connection = self._connect(part)
        small = np.int16 if len(self._stops) < 1 << 15 else np.int32  # sorted in one pass over their bytes
        written = 0
        with told(query), ExitStack() as files:
            reader = duckdb_reader(connection, query.sql(dialect=DIALECT))
            schema = pa.schema([f for f in reader.schema if f.name != PART])
            options = pa.ipc.IpcWriteOptions(compression="lz4" if pa.Codec.is_available("lz4") else None)
            writers = [
                files.enter_context(pa.ipc.new_file(str(self._file(name, i)), schema, options=options))
                for i in range(len(self._stops))
            ]
            for table in chunks(reader, BATCH_ROWS):
                of = table[PART].to_numpy().astype(small)
                order = np.argsort(of, kind="stable")
                sorted_rows = table.drop_columns([PART]).take(pa.array(order))
                cuts = np.searchsorted(of[order], np.arange(len(writers) + 1))
                for writer, start, stop in zip(writers, cuts[:-1], cuts[1:]):
                    if stop > start:
                        writer.write_table(sorted_rows.slice(start, stop - start).combine_chunks())
                written += table.num_rows
        if written > self._store.table(name).rows:
            raise SchemaError(f"rows of {name!r} lead to several anchors: a key along the path repeats")

    def _refuse_repeats(self, name: str) -> None:
        """Refuse a key that repeats in a table, whose rows are seen part by part from here on."""
        for key in one_row_keys(name, self._schema):
            columns = [self._scan.value(name, c).as_(c, quoted=True) for c in key]
            rows = exp.select(*columns).from_(raw(name, "r"))
            with told(repeats(key, rows.subquery("e"))):
                if not self._ascends(name, key):
                    refuse_repeats(self._store.cursor(), name, key, rows.subquery("e"))

    def _ascends(self, name: str, key: Sequence[str]) -> bool:
        """Whether a key of one column rises from row to row, as counted ones do: then none repeats."""
        if len(key) > 1:
            return False
        value = self._scan.value(name, key[0])
        before = exp.Window(this=exp.func("LAG", value.copy()))
        risen = exp.select(exp.GT(this=value, expression=before).as_("risen")).from_(raw(name, "r"))
        unrisen = exp.Not(this=exp.func("COALESCE", col("q", "risen"), exp.false()))
        query = exp.select(exp.func("COUNT_IF", unrisen).as_("n")).from_(risen.subquery("q"))
        return bool(self._scan.query(query)["n"][0].as_py() <= 1)  # the first row has none before it


def _given() -> exp.Table:
    return exp.Table(this=exp.to_identifier(GIVEN, quoted=True))


def row_bytes(schema: Schema, table: str) -> int:
    """About how many bytes a row takes: as it was loaded, as arrays, and as an event with what is read of
    it.
    """
    source = schema.table(table)
    return 40 + 24 * sum(used(c, source) for c in source.columns)


def _cuts(weights: npt.NDArray[np.int64], most: int) -> list[int]:
    """Where ranges end whose weights add up to at most `most`, unless they are of one.

    >>> _cuts(np.array([3, 3, 3, 9, 1]), 6)
    [2, 3, 4, 5]
    """
    stops: list[int] = []
    total = np.cumsum(weights)
    at = 0
    while at < len(weights):
        done = total[at - 1] if at else 0
        at = max(at + 1, int(np.searchsorted(total, done + most, side="right")))
        stops.append(at)
    return stops or [0]


def _load(file: Path) -> pa.Table:
    with pa.OSFile(str(file)) as source:
        return pa.ipc.open_file(source).read_all()


@contextmanager
def _full_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if error.errno != errno.ENOSPC:
            raise
        free = shutil.disk_usage(folder.parent).free
        raise DataError(
            f"the disk is full: large tables are put into parts in {str(folder.parent)!r}, where "
            f"{show_size(free)} are free",
            mend="set TMPDIR to a folder with more room, or raise the memory cap",
        ) from None


class _PartStore:
    """A working copy in which some tables hold the rows of one part."""

    def __init__(self, store: Store, held: dict[str, pa.Table]) -> None:
        self._store = store
        self.held = held

    def table(self, name: str) -> StoredTable:
        found = self._store.table(name)
        return replace(found, rows=self.held[name].num_rows) if name in self.held else found

    def arrow(self, table: str) -> pa.Table | None:
        return self.held[table] if table in self.held else self._store.arrow(table)

    def cursor(self) -> Any:
        """A connection in which the part's rows go under the tables' names."""
        connection = self._store.cursor()
        for name, table in self.held.items():
            connection.register(name, table)
        return connection


class _PartTables(Tables):
    """Tables of which some hold one part's rows; the others are the whole ones."""

    def __init__(self, whole: Tables, store: _PartStore, schema: Schema, threads: int) -> None:
        super().__init__(store, schema, threads=threads)
        self._all = whole
        self._parted = frozenset(store.held)

    def numbers(self, table: str, expr: ast.Expr | str) -> npt.NDArray[np.float64]:
        return super().numbers(table, expr) if table in self._parted else self._all.numbers(table, expr)

    def instants(self, table: str, column: str) -> Longs:
        return super().instants(table, column) if table in self._parted else self._all.instants(table, column)

    def words(self, table: str, expr: ast.Expr | str) -> Words:
        return super().words(table, expr) if table in self._parted else self._all.words(table, expr)

    def arrow(self, table: str, expr: ast.Expr | str) -> pa.Array:
        return super().arrow(table, expr) if table in self._parted else self._all.arrow(table, expr)

    def parents(self, link: Link) -> Ints:
        return super().parents(link) if self._concerns(link) else self._all.parents(link)

    def children(self, link: Link) -> tuple[Longs, Ints]:
        return super().children(link) if self._concerns(link) else self._all.children(link)

    def _concerns(self, link: Link) -> bool:
        return link.child in self._parted or link.parent in self._parted

    def _order(self, name: str) -> Order:
        return super()._order(name) if name in self._parted else self._all._order(name)
