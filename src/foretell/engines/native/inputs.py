"""What is read of events: values of their own rows in the events' order, or of a parent's where they are.

A row's features need the events of its own anchor alone, so a path's events may come in parts, each with a
range of anchors; the whole path is one part here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foretell.engines.native.following import following
from foretell.engines.native.frames import Frames
from foretell.engines.native.standing import standing
from foretell.kernel import MISSING, Codes, Events, Numbers
from foretell.kernel.model import Ints
from foretell.plan import nodes
from foretell.plan.nodes import Following, Until
from foretell.query import ast
from foretell.schema.model import DType
from foretell.store.words import Words

LARGEST = 1e150
"""Numbers beyond this are left out: their squares overflow."""
_BLOCK = 1 << 16
_EVENT, _VALUE = 12, 8  # bytes of one, at most


@dataclass(frozen=True)
class Column:
    """One input of events as the kernel takes it, and the words of its codes."""

    held: Numbers | Codes
    words: Words | None = None


class Part(Protocol):
    """The events of some anchors: of those from `first` on, as many as `events.offsets` has places for."""

    @property
    def first(self) -> int: ...

    @property
    def events(self) -> Events: ...

    def read(self, value: nodes.Input) -> Column:
        """One input of these events. The words of an input are the same in every part."""
        ...


def parts(frames: Frames, node: nodes.Events) -> Iterable[Part]:
    """The events of a path, in one part at least; each anchor is in one of them."""
    return (Whole(frames, frames.key(node)),)


def read_ahead(frames: Frames, wanted: Iterable[nodes.Events], threads: int) -> None:
    """Make what paths' events and their inputs consist of, side by side, where there is room for all: much of
    each is one thread's work.
    """
    inputs: dict[nodes.Events, dict[nodes.Input, None]] = {}
    for node in wanted:
        inputs.setdefault(frames.key(node), {}).update(dict.fromkeys(node.inputs))
    with ThreadPoolExecutor(threads) as pool:
        rows = dict(zip(inputs, pool.map(lambda node: frames.tables.rows(node.table), inputs)))
        pairs = _pairs(inputs)
        size = sum(_EVENT * n for n in rows.values()) + sum(_VALUE * rows[node] for node, _ in pairs)
        if not frames.kept.has_room(size):
            return
        list(pool.map(frames.of, inputs))
        list(pool.map(lambda pair: Whole(frames, pair[0]).read(pair[1]), pairs))


def _pairs(inputs: Mapping[nodes.Events, Iterable[nodes.Input]]) -> list[tuple[nodes.Events, nodes.Input]]:
    """Each input once, whatever words its column is compared with."""
    found: dict[Any, tuple[nodes.Events, nodes.Input]] = {}
    for node, values in inputs.items():
        for value in values:
            column, _ = equality(value) or (value.expr, "")
            key = (node, value.up, value.until, value.known_at, column, value.following, value.within)
            found.setdefault(key, (node, value))
    return list(found.values())


@dataclass(frozen=True)
class Whole:
    """All events of a path. What is read of them is kept by the frames, while there is room."""

    frames: Frames
    node: nodes.Events
    first: int = 0

    @property
    def events(self) -> Events:
        return self.frames.of(self.node).events

    def read(self, value: nodes.Input) -> Column:
        """One input. A parent's is the parent's own column, and where in it each event looks."""
        if value.following is not None:
            return self._followed(value, value.following)
        if value.within is not None:
            return self._standing(value, value.within)
        table = value.up[-1].end if value.up else self.node.table
        index = self._places(value) if value.up or value.known_at is not None else None
        equal = equality(value)
        if value.dtype is DType.TEXT or equal is not None:
            expr, word = equal or (value.expr, None)
            words = self.frames.tables.words(table, expr)
            code, size = None if word is None else code_of(word, words), words.size
            if code == -1:  # a word that the column does not have: a code that no event has
                code, size = words.size, words.size + 1
            codes, index = self._arranged(("codes", expr), lambda: words.codes, index)
            return Column(Codes(codes, size, index, code), words)

        def numbers() -> npt.NDArray[np.float64] | npt.NDArray[np.float32]:
            found = self.frames.tables.numbers(table, value.expr)
            return _narrowed(found if value.dtype is DType.BOOLEAN else bounded(found))

        return Column(Numbers(*self._arranged(("numbers", value.expr, value.dtype), numbers, index)))

    def _followed(self, value: nodes.Input, what: Following) -> Column:
        """How each event follows on those before it."""

        def made() -> npt.NDArray[np.float64] | npt.NDArray[np.float32]:
            given = None if what is Following.GAP else self.read(replace(value, following=None)).held
            return _narrowed(following(what, self.events, given).values.astype(np.float64))

        return Column(Numbers(self.frames.kept.get((self.node, value), made)))

    def _standing(self, value: nodes.Input, within: nodes.Within) -> Column:
        """How each event's number stands in its group, which is of all rows, whatever their anchor."""

        def made() -> npt.NDArray[np.float64] | npt.NDArray[np.float32]:
            frames, table = self.frames, self.node.table
            groups, times = frames.tables.parents(within.hop.link), frames.times(table)
            if frames.schema.is_timed(within.hop.end):
                born = frames.gather(frames.times(within.hop.end), groups)
                groups = np.where((groups >= 0) & (born <= times), groups, np.int32(-1))
            numbers = bounded(frames.tables.numbers(table, value.expr))
            return _narrowed(standing(numbers, groups, times, within.how))

        return Column(Numbers(*self._arranged(("standing", value.expr, within), made, None)))

    def _arranged(
        self, key: tuple[object, ...], column: Callable[[], npt.NDArray[Any]], index: Ints | None
    ) -> tuple[npt.NDArray[Any], Ints | None]:
        """A column of the event table in the order of the events, where there is room to keep it so; or else
        the column itself, and where in it each event looks.
        """
        if index is not None:
            return column(), index
        kept, key, rows = self.frames.kept, (self.node, *key), self.frames.of(self.node).rows
        if key not in kept:
            values = column()
            if not kept.has_room(len(rows) * values.itemsize):
                return values, rows
            return kept.get(key, lambda: self.frames.gather(values, rows)), None
        return kept.get(key, lambda: self.frames.gather(column(), rows)), None

    def _places(self, value: nodes.Input) -> Ints:
        """Where in the table that `up` leads to each event looks; -1 where that row, or the value, is not
        known at the event's time.
        """
        key = (self.node, "places", value.up, value.until, value.known_at)
        return self.frames.kept.get(key, lambda: self._find(value))

    def _find(self, value: nodes.Input) -> Ints:
        frames, frame = self.frames, self.frames.of(self.node)
        at, end = frame.rows, self.node.table
        for hop in value.up:
            end = hop.end
            at = frames.gather(frames.tables.parents(hop.link), at)
            if frames.schema.is_timed(end) and value.until is Until.ROW:
                born = frames.gather(frames.times(end), at)
                at = np.where(born <= frame.events.times, at, np.int32(-1))
        if value.known_at is not None:
            known = frames.gather(frames.tables.instants(end, value.known_at), at)
            late = (known == MISSING) | (known > frame.events.times)
            at = np.where(late, np.int32(-1), at)
        return at


def bounded(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The values, NaN for those that are too large."""
    if np.fmax.reduce(values, initial=0.0) < LARGEST and np.fmin.reduce(values, initial=0.0) > -LARGEST:
        return values
    return np.where(np.abs(values) < LARGEST, values, np.nan)


def _narrowed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | npt.NDArray[np.float32]:
    """The same values in half the bytes, where none is lost: small whole numbers, halves, quarters."""
    small = np.empty(len(values), dtype=np.float32)
    for first in range(0, len(values), _BLOCK):
        block = values[first : first + _BLOCK]
        with np.errstate(over="ignore"):
            small[first : first + _BLOCK] = block
        if np.any((small[first : first + _BLOCK] != block) & (block == block)):
            return values
    return small


def code_of(word: str, words: Words) -> int:
    """The word's code, -1 where there is none."""
    return int(pc.index(words.array, pa.scalar(word, words.array.type)).as_py())


def equality(value: nodes.Input) -> tuple[ast.Expr, str] | None:
    """(column, word) where an input is whether a column, as text, is that word.

    >>> column = ast.Column("orders", "status")
    >>> as_words = ast.Call("CAST", (column, ast.Literal("TEXT")))
    >>> found = equality(nodes.Input(ast.Binary("=", as_words, ast.Literal("paid")), DType.BOOLEAN))
    >>> found == (column, "paid")
    True
    """
    match value.expr:
        case ast.Binary(
            op="=",
            left=ast.Call(name="CAST", args=(ast.Column() as column, ast.Literal(value="TEXT"))),
            right=ast.Literal(value=str(word)),
        ):
            return column, word
    return None
