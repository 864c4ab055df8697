"""Text as codes: each value's place among the sorted words of its column."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foretell import kernel
from foretell.kernel.model import Ints

_ROOM = 2**31 - 1
"""Bytes of text that one Arrow array of plain strings holds."""
_SLICE = 100_000
"""Rows that are worth a thread."""

Spell: TypeAlias = "Callable[[pa.Array], pa.Array]"
"""Gives values as text."""


@dataclass(frozen=True, eq=False)
class Words:
    """A column as text: codes into its words, which are in code point order; -1 is NULL.

    >>> found = encode(pa.chunked_array([["b", None, "a", "b"]]))
    >>> found.codes.tolist(), found.words
    ([1, -1, 0, 1], ('a', 'b'))
    """

    codes: Ints  # (rows,)
    array: Any  # pa.Array of strings: (words,)

    @cached_property
    def words(self) -> tuple[str, ...]:
        return tuple(self.array.to_pylist())

    @property
    def size(self) -> int:
        """How many words there are."""
        return len(self.array)

    @property
    def nbytes(self) -> int:
        return int(self.codes.nbytes + self.array.nbytes)

    def take(self, rows: Ints, threads: int = 1) -> Words:
        """The words of those rows alone."""
        return _used(kernel.gather(self.codes, rows, threads), self.array, threads)


def _used(codes: Ints, array: Any, threads: int) -> Words:
    """Words of which some may be of no row."""
    found = np.flatnonzero(np.bincount(codes + np.int32(1), minlength=len(array) + 1)[1:])
    if len(found) == len(array):
        return Words(codes, array)
    place = np.full(len(array), -1, dtype=np.int32)
    place[found] = np.arange(len(found), dtype=np.int32)
    return Words(kernel.gather(place, codes, threads), array.take(pa.array(found)))


def is_text(column: pa.ChunkedArray) -> bool:
    """Whether a column holds text, or places in a dictionary of it."""
    return bool(pa.types.is_string(column.type) or pa.types.is_dictionary(column.type))


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without a dictionary."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def encode(column: pa.ChunkedArray, spell: Spell = lambda values: values, threads: int = 1) -> Words:
    """A column's words; `spell` is asked once for each different value.

    Slices of the rows are encoded side by side, each with words of its own, which are then merged. A column
    of dictionaries is so already.
    """
    if pa.types.is_dictionary(column.type):
        return _used(*_merged([[c] for c in column.chunks], len(column), spell, threads), threads)
    column, rows = roomy(column), len(column)
    threads = min(threads, rows // _SLICE + 1)
    cuts = [rows * i // threads for i in range(threads + 1)]
    slices = [column.slice(a, b - a) for a, b in itertools.pairwise(cuts) if b > a]
    with ThreadPoolExecutor(threads) as pool:
        each = pool.map if threads > 1 else map
        pieces = list(each(lambda piece: piece.dictionary_encode().chunks, slices))
    return Words(*_merged(pieces, rows, spell, threads))


def encode_few(values: Sequence[str | None]) -> Words:
    """A few values' words, as `encode` has them: for so few Python is faster.

    >>> found = encode_few(["b", None, "a", "b"])
    >>> found.codes.tolist(), found.array.to_pylist()
    ([1, -1, 0, 1], ['a', 'b'])
    """
    words = sorted({v for v in values if v is not None})  # by code point, which is the order of UTF-8
    place = {word: i for i, word in enumerate(words)}
    codes = np.array([-1 if v is None else place[v] for v in values], dtype=np.int32)
    return Words(codes, pa.array(words, pa.string()))


def _merged(pieces: Sequence[Any], rows: int, spell: Spell, threads: int) -> tuple[Ints, Any]:
    """The codes and the words of a column in pieces, of each of which the chunks share a dictionary."""
    values = [chunks[0].dictionary for chunks in pieces]
    if not values:
        return np.empty(0, dtype=np.int32), pa.array([], pa.string())
    merged = spell(pa.chunked_array(values).combine_chunks()).dictionary_encode()
    order = pc.sort_indices(merged.dictionary)
    rank = np.empty(len(order), dtype=np.int32)
    rank[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
    place = rank[merged.indices.to_numpy()]

    codes = np.empty(rows, dtype=np.int32)
    at = first = 0
    for chunks, words in zip(pieces, values):
        here = place[first : first + len(words)]
        first += len(words)
        for chunk in chunks:
            indices = chunk.indices.fill_null(-1) if chunk.null_count else chunk.indices
            codes[at : at + len(chunk)] = kernel.gather(here, indices.to_numpy(), threads)
            at += len(chunk)
    return codes, merged.dictionary.take(order)


def roomy(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in a type that takes all its text in one array."""
    return (
        column.cast(pa.large_string())
        if pa.types.is_string(column.type) and column.nbytes > _ROOM
        else column
    )
