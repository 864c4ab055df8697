"""Text as codes: each value's place among the sorted words of its column."""

from __future__ import annotations

import itertools
from collections.abc import Callable
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
        codes = kernel.gather(self.codes, rows, threads)
        found = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=self.size))
        if len(found) == self.size:
            return Words(codes, self.array)
        place = np.full(self.size, -1, dtype=np.int32)
        place[found] = np.arange(len(found), dtype=np.int32)
        return Words(kernel.gather(place, codes, threads), self.array.take(pa.array(found)))


def encode(column: pa.ChunkedArray, spell: Spell = lambda values: values, threads: int = 1) -> Words:
    """A column's words; `spell` is asked once for each different value.

    Slices of the rows are encoded side by side, each with words of its own, which are then merged.
    """
    column, rows = roomy(column), len(column)
    threads = min(threads, rows // _SLICE + 1)
    cuts = [rows * i // threads for i in range(threads + 1)]
    slices = [column.slice(a, b - a) for a, b in itertools.pairwise(cuts) if b > a]
    with ThreadPoolExecutor(threads) as pool:
        each = pool.map if threads > 1 else map
        encoded = list(each(lambda piece: piece.dictionary_encode(), slices))
    values = [piece.chunk(0).dictionary for piece in encoded]
    if not values:
        return Words(np.empty(0, dtype=np.int32), pa.array([], pa.string()))
    merged = spell(pa.chunked_array(values).combine_chunks()).dictionary_encode()
    order = pc.sort_indices(merged.dictionary)
    rank = np.empty(len(order), dtype=np.int32)
    rank[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
    place = rank[merged.indices.to_numpy()]

    codes = np.empty(rows, dtype=np.int32)
    at = first = 0
    for piece, words in zip(encoded, values):
        here = place[first : first + len(words)]
        first += len(words)
        for chunk in piece.chunks:
            indices = chunk.indices.fill_null(-1) if chunk.null_count else chunk.indices
            codes[at : at + len(chunk)] = kernel.gather(here, indices.to_numpy(), threads)
            at += len(chunk)
    return Words(codes, merged.dictionary.take(order))


def roomy(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in a type that takes all its text in one array."""
    return (
        column.cast(pa.large_string())
        if pa.types.is_string(column.type) and column.nbytes > _ROOM
        else column
    )
