"""Work that takes a while has threads of its own, so that what is quick never waits behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from foretell.server.faults import BusyError

T = TypeVar("T")


@dataclass(frozen=True)
class Lane:
    """So many at once, and so many more that wait; others are told to come again."""

    wide: int
    long: int
    _limiters: list[CapacityLimiter] = field(default_factory=list, repr=False)

    async def run(self, work: Callable[[], T]) -> T:
        """What the work gives, done in a thread of this lane."""
        if not self._limiters:  # made where it is used: it belongs to the loop that runs then
            self._limiters.append(CapacityLimiter(self.wide))
        limiter = self._limiters[0]
        if limiter.statistics().tasks_waiting >= self.long:
            raise BusyError("too many ask for this at once", mend="ask again in a moment")
        return await to_thread.run_sync(work, limiter=limiter)
