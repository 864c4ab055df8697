"""Connections that nobody can hold: each has so long to ask, and so long to take the answer.

uvicorn's own protocol, watched: a client that sends its headers by the byte, sends no end of a body, or never
reads what it asked for is cut off, and of too many the one that has waited longest gives way.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""A connection that is not being answered lives so long: for the whole head of a request to arrive."""
READ_SECONDS = 15.0
"""A client that takes nothing of its answer for so long is gone."""
CLOSE_SECONDS = 5.0
MOST = 512
MOST_HEAD = 32 * 1024  # bytes of a request's line and headers
SWEEP_SECONDS = 1.0


class WatchedProtocol(H11Protocol):
    """One connection, and since when it has kept us waiting."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.waiting: float | None = self.loop.time()
        self.stuck: float | None = None
        self.closing: float | None = None
        if len(self.connections) > MOST:
            _give_way(self)

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def handle_websocket_upgrade(self, event: Any) -> None:
        self.send_400_response("There are no WebSockets here.")

    def _should_upgrade(self) -> bool:
        return False  # an Upgrade header is no more than a header

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():  # a client that was refused may go on sending
            super().data_received(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.stuck = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.stuck = None

    def look(self, now: float) -> None:
        """Cut the connection off where it has kept us waiting too long."""
        closing = self.transport.is_closing()
        self.waiting = None if self.busy else (now if self.waiting is None else self.waiting)
        self.closing = (now if self.closing is None else self.closing) if closing else None
        for since, most in (
            (self.waiting, HEAD_SECONDS),
            (self.stuck, READ_SECONDS),
            (self.closing, CLOSE_SECONDS),
        ):
            if since is not None and now - since > most:
                self.transport.abort()
                return


def _give_way(new: WatchedProtocol) -> None:
    """Of too many connections, cut off the one that has waited longest without asking."""
    idle = [c for c in new.connections if isinstance(c, WatchedProtocol) and not c.busy and c is not new]
    (min(idle, key=lambda c: c.waiting or 0.0) if idle else new).transport.abort()


async def watch(connections: set[Any]) -> None:
    """Look at every connection again and again, for as long as the server runs."""
    now = asyncio.get_running_loop().time
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        for connection in list(connections):
            if isinstance(connection, WatchedProtocol):
                connection.look(now())
