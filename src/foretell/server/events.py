"""A job's progress as it comes (text/event-stream): one event for each change, and a heartbeat between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from foretell.server.faults import BusyError
from foretell.server.jobs import ENDED, Job
from foretell.server.plain import plain

MOST_STREAMS = 32
LONGEST = 15 * 60.0  # seconds that a stream lasts; a browser opens it anew by itself
LOOK = 0.2  # seconds between two looks at a job
HEARTBEAT = 10.0  # seconds


class Streams:
    """How many are open; of too many a new one is refused."""

    def __init__(self) -> None:
        self.open = 0

    def refuse_too_many(self) -> None:
        """A BusyError where no further stream may be opened."""
        if self.open >= MOST_STREAMS:
            raise BusyError(f"{MOST_STREAMS} clients are watching jobs already", mend="close one of them")

    async def events(self, job: Job, tell: Callable[[Job], dict[str, Any]]) -> AsyncIterator[bytes]:
        """The job's state each time that it changes, until it has ended."""
        self.open += 1  # only now: a stream that nobody ever reads from does not count
        try:
            clock = asyncio.get_running_loop().time
            began = spoken = clock()
            seen = -1
            while clock() - began < LONGEST:
                changes, ended = job.changes, job.state in ENDED
                if changes != seen or ended:
                    seen, spoken = changes, clock()
                    text = json.dumps(plain(tell(job)), allow_nan=False)
                    yield f"event: {'end' if ended else 'progress'}\ndata: {text}\n\n".encode()
                    if ended:
                        return
                elif clock() - spoken > HEARTBEAT:
                    spoken = clock()
                    yield b": still here\n\n"
                await asyncio.sleep(LOOK)
        finally:
            self.open -= 1
