"""Things made once and kept while they fit: the one that was longest unused goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol, TypeVar, cast


class Sized(Protocol):
    """Anything that knows how many bytes it holds, as arrays do."""

    @property
    def nbytes(self) -> int: ...


T = TypeVar("T", bound=Sized)


@dataclass
class _Held:
    value: Any
    turn: int


class Kept:
    """Values by key, up to `most` bytes of them. Several threads may ask at once.

    >>> kept = Kept(100)
    >>> kept.get("a", lambda: memoryview(bytes(60))).nbytes, kept.nbytes
    (60, 60)
    >>> kept.has_room(20)
    False
    >>> kept.begin()
    >>> kept.has_room(20), kept.has_room(60)
    (True, False)
    >>> kept.get("b", lambda: memoryview(bytes(60))).nbytes, kept.nbytes, "a" in kept
    (60, 60, False)
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.nbytes = 0
        self._turn = 0
        self._held: OrderedDict[Hashable, _Held] = OrderedDict()
        self._lock = Lock()

    def begin(self) -> None:
        """A new turn: what was asked for before it may go, to make room."""
        with self._lock:
            self._turn += 1

    def __contains__(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._held

    def has_room(self, nbytes: int) -> bool:
        """Whether half of the room would still hold what was asked for in this turn and that much more."""
        with self._lock:
            used = sum(h.value.nbytes for h in self._held.values() if h.turn == self._turn)
            return bool(2 * (used + nbytes) <= self.most)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key; made now where it is not kept."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                self._held[key].turn = self._turn
                return cast(T, self._held[key].value)
        made = make()
        with self._lock:
            if key not in self._held:
                self._held[key] = _Held(made, self._turn)
                self.nbytes += made.nbytes
            while self.nbytes > self.most:
                _, gone = self._held.popitem(last=False)
                self.nbytes -= gone.value.nbytes
        return made
