"""Members trained side by side, one thread each: small trees gain little from a second thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

ABREAST_ROWS = 50_000
"""With more rows than this each member has all threads, one after the other."""


def abreast(work: Callable[[T], R], items: Iterable[T], *, rows: int, threads: int) -> Iterator[R]:
    """The results in the order of the items, whichever is done first.

    >>> list(abreast(lambda n: n * n, [1, 2, 3], rows=10, threads=2))
    [1, 4, 9]
    """
    if rows > ABREAST_ROWS or threads < 2:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(work, items)
