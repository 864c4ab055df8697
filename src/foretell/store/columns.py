"""A snapshot's tables as arrays: each column encoded once, rows in (time, key) order, links as positions.

Rows and values are those of the tables that `plan/prepare.py` makes: position i of an array is the row whose
`__row` is i + FIRST_RANK. Engines and samplers read these arrays and change none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlglot import exp

from foretell import kernel
from foretell.kernel.model import Ints, Longs
from foretell.plan.prepare import one_row_keys, read, tie_breakers, time_link, visible_from
from foretell.query import ast
from foretell.schema.model import Link, Schema
from foretell.store.links import find_parents, one_row_each
from foretell.store.order import Sortable, settled, sorted_rows
from foretell.store.scan import Loaded, Scan, absent, doubles, longs
from foretell.store.words import Words, encode, encode_few, is_text, plain, roomy

_NUMBERS = (pa.float64(), pa.int64(), pa.bool_())
_BITS = (pa.float64(), pa.int64(), pa.timestamp("us"))
"""Types of 64 bits: values are alike where their bits are."""

T = TypeVar("T")
Item = TypeVar("Item", np.float64, np.int32, np.int64)

_SPELT_ALIKE = (pa.string(), pa.int64(), pa.bool_())
"""Types whose values Python spells as DuckDB does."""
FEW = 1_000
"""So many values are encoded one by one."""

FIRST_RANK = 1
"""The `__row` of the row at position 0."""


@dataclass(frozen=True)
class Order:
    """A table's rows in their order, as places in the loaded table (None: they lie so), and their times."""

    rows: int
    places: Ints | None
    times: Longs | None


class Tables:
    """The tables of a working copy as arrays, which are read-only and kept once made.

    Several threads may ask at once. A key that repeats is a SchemaError as soon as its table is touched.

    >>> from foretell.sources.frames import FramesSource
    >>> from foretell.store.working import Store
    >>> from foretell.discovery.discover import discover
    >>> import pyarrow as pa
    >>> orders = pa.table({"id": [2, 1], "at": pa.array([7, 5], pa.timestamp("s")), "status": ["new", None]})
    >>> with Store.load(FramesSource({"orders": orders}).snapshot()) as store:
    ...     tables = Tables(store, discover(store))
    ...     tables.numbers("orders", "id").tolist(), tables.times("orders").tolist()
    ([1.0, 2.0], [5000000, 7000000])
    """

    def __init__(self, store: Loaded, schema: Schema, *, threads: int = 2) -> None:
        self._store = store
        self._schema = schema
        self._threads = max(1, threads)
        self._scan = Scan(store, schema, self._threads)
        self._lock = threading.Lock()
        self._making: dict[tuple[str, ...], threading.Lock] = {}
        self._kept: dict[tuple[str, ...], Any] = {}

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        with self._lock:
            made = list(self._kept.values())
        return sum(_size(m) for m in made)

    def rows(self, table: str) -> int:
        """How many rows are visible at some time; all of an untimed table's."""
        return self._order(table).rows

    def times(self, table: str) -> Longs | None:
        """The instant from which each row is visible, ascending; None for an untimed table. (rows,)"""
        return self._order(table).times

    def as_loaded(self, table: str, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where rows at these positions lie in the table as it was loaded."""
        order = self._order(table).places
        return places if order is None else order[places].astype(np.int64)

    def numbers(self, table: str, expr: ast.Expr | str) -> NDArray[np.float64]:
        """A column, or an expression over the table's columns, as numbers: NULL is NaN, TRUE is 1. (rows,)"""

        def make(value: exp.Expr) -> NDArray[np.float64]:
            found = self._scan.column(table, value)
            if found.type not in _NUMBERS:
                found = self._scan.column(table, exp.cast(value, "DOUBLE"))
            return self._arranged(table, doubles(found))

        return self._column("numbers", table, expr, make)

    def instants(self, table: str, column: str) -> Longs:
        """A column of times, in microseconds; kernel.MISSING for NULL. (rows,)"""

        def make(value: exp.Expr) -> Longs:
            return self._arranged(table, longs(self._scan.column(table, value)))

        return self._column("instants", table, column, make)

    def words(self, table: str, expr: ast.Expr | str) -> Words:
        """A column, or an expression over the table's columns, as text."""

        def make(value: exp.Expr) -> Words:
            found = self._encode(
                self._scan.column(table, value), lambda: self._scan.column(table, _spelt(value))
            )
            places = self._order(table).places
            return found if places is None else found.take(places, self._threads)

        return self._column("words", table, expr, make)

    def arrow(self, table: str, expr: ast.Expr | str) -> pa.Array:
        """A column, or an expression over the table's columns, with its own type; it is not kept. (rows,)"""
        places = self._order(table).places
        column = roomy(plain(self._scan.column(table, self._scan.value(table, expr))))
        return (column if places is None else column.take(pa.array(places))).combine_chunks()

    def parents(self, link: Link) -> Ints:
        """The position of each row's parent; -1 where the key is NULL, or names no visible row.
        (rows of the child,)
        """

        def make() -> Ints:
            found = self._arranged(link.child, self._parents_as_loaded(link))
            with self._lock:
                self._kept.pop(("parents as loaded", link.name), None)
            return found

        return self._once(("parents", link.name), make)

    def children(self, link: Link) -> tuple[Longs, Ints]:
        """The child's rows by parent, in order: parent p's are `rows[offsets[p] : offsets[p + 1]]`."""

        def make() -> tuple[Longs, Ints]:
            return kernel.group(self.parents(link), self.rows(link.parent))

        return self._once(("children", link.name), make)

    def _column(self, kind: str, table: str, expr: ast.Expr | str, make: Callable[[exp.Expr], T]) -> T:
        value = self._scan.value(table, expr)
        return self._once((kind, table, self._scan.key(table, expr)), lambda: make(value))

    def _once(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """What `make` gives, made by one thread while others make other things."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                found: T | None = self._kept.get(key)
            if found is None:
                found = make()
                _freeze(found)
                with self._lock:
                    self._kept[key] = found
            return found

    def _arranged(self, table: str, values: NDArray[Item]) -> NDArray[Item]:
        places = self._order(table).places
        return values if places is None else kernel.gather(values, places, self._threads)

    def _encode(self, column: pa.ChunkedArray, again: Callable[[], pa.ChunkedArray]) -> Words:
        """A column's words. Of values of 64 bits only the different are spelt; others are read again."""
        if len(column) <= FEW and column.type in _SPELT_ALIKE:
            return encode_few([_as_word(v) for v in column.to_pylist()])
        if is_text(column):
            return encode(column, threads=self._threads)
        if column.type not in _BITS:
            return encode(again(), threads=self._threads)
        kind = column.type
        bits = pa.chunked_array([c.view(pa.int64()) for c in column.chunks], pa.int64())

        def spell(values: pa.Array) -> pa.Array:
            return self._scan.change(values.view(kind), _spelt).combine_chunks()

        return encode(bits, spell, self._threads)

    def _order(self, name: str) -> Order:
        def make() -> Order:
            order = self._put_in_order(name)
            for key in one_row_keys(name, self._schema):
                one_row_each(self._scan, name, key, order.places)
            return order

        return self._once(("order", name), make)

    def _put_in_order(self, name: str) -> Order:
        source = self._schema.table(name)
        times = self._visible(name)
        rows: NDArray[np.int64] | None = None
        columns: list[Sortable] = [cache(partial(self._sortable, name, c)) for c in tie_breakers(source)]
        if times is not None:
            unseen = times == kernel.MISSING
            rows = np.flatnonzero(~unseen) if unseen.any() else None
            moments = [times]
            columns.insert(0, lambda: [*moments])
        if not settled(rows, columns):
            every = np.arange(self._store.table(name).rows) if rows is None else rows
            rows = sorted_rows(every, columns)
        places = None if rows is None else rows.astype(np.int32)
        if times is not None and places is not None:
            times = kernel.gather(times, places, self._threads)
        return Order(self._store.table(name).rows if places is None else len(places), places, times)

    def _visible(self, name: str) -> Longs | None:
        """The instant from which each row is visible, as they were loaded; None for an untimed table."""
        source, path = self._schema.table(name), self._schema.time_path(name)
        if path is None:
            return None
        link = time_link(name, self._schema)
        if link is None:
            moment = read(source.column(path[1]), self._schema)
            return longs(self._scan.column(name, visible_from(source, moment)))
        known = self._order(link.parent).times
        assert known is not None
        if source.available_after:
            moments = pa.array(known).cast(pa.timestamp("us"))
            known = longs(self._scan.change(moments, partial(visible_from, source)))
        return kernel.gather(known, self._parents_as_loaded(link), self._threads)

    def _parents_as_loaded(self, link: Link) -> Ints:
        """The parents of the child's rows as they were loaded: needed until they are put in order."""

        def make() -> Ints:
            order = self._order(link.parent).places
            return find_parents(self._scan, link, self._schema, order, self._threads)

        return self._once(("parents as loaded", link.name), make)

    def _sortable(self, name: str, column: str) -> list[NDArray[Any]]:
        """A column's values as numbers in its order; NULLs last."""
        found = self._scan.column(name, self._scan.value(name, column))
        unknown = absent(found)
        last = [] if unknown is None else [unknown]
        if is_text(found):
            return [*last, encode(found, threads=self._threads).codes]
        if pa.types.is_floating(found.type):
            return [*last, doubles(found.fill_null(0.0))]
        return [*last, longs(found)]


def _as_word(value: str | int | bool | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _spelt(value: exp.Expr) -> exp.Expr:
    """A value as text."""
    return exp.cast(value, "VARCHAR")


def _arrays(made: Any) -> Iterator[NDArray[Any]]:
    """The arrays that something made consists of."""
    match made:
        case np.ndarray():
            yield made
        case tuple():
            yield from made
        case Order(places=places, times=times):
            yield from (a for a in (places, times) if a is not None)
        case Words(codes=codes):
            yield codes


def _freeze(made: Any) -> None:
    for array in _arrays(made):
        array.flags.writeable = False


def _size(made: Any) -> int:
    return made.nbytes if isinstance(made, Words) else sum(a.nbytes for a in _arrays(made))
