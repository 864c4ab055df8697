"""Things made once and kept while they fit: the one that was longest unused goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Protocol, TypeVar, cast


class Sized(Protocol):
    """Anything that knows how many bytes it holds, as arrays do."""

    @property
    def nbytes(self) -> int: ...


T = TypeVar("T", bound=Sized)


class Kept:
    """Values by key, up to `most` bytes of them.

    >>> kept = Kept(100)
    >>> kept.get("a", lambda: memoryview(bytes(60))).nbytes, kept.nbytes
    (60, 60)
    >>> kept.get("b", lambda: memoryview(bytes(60))).nbytes, kept.nbytes
    (60, 60)
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.nbytes = 0
        self._held: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key; made now where it is not kept."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return cast(T, self._held[key])
        made = make()
        with self._lock:
            if key not in self._held:
                self._held[key] = made
                self.nbytes += made.nbytes
            while self.nbytes > self.most:
                _, gone = self._held.popitem(last=False)
                self.nbytes -= gone.nbytes
        return made
