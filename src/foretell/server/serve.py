"""The server as a process: where it listens, for whom, and how it stops."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import uvicorn
from anyio.to_thread import current_default_thread_limiter

from foretell.core.errors import ConfigError, UsageError
from foretell.server.app import guarded
from foretell.server.connections import MOST_HEAD, WatchedProtocol, watch
from foretell.server.guard import Guard
from foretell.server.service import Service
from foretell.server.token import Token
from foretell.sources.duckdb import confine

LOOPBACK = "127.0.0.1"
KEEP_ALIVE = 5  # seconds
BACKLOG = 512
STOP_SECONDS = 10
SWITCH_SECONDS = 0.0005
"""How long a thread keeps the interpreter: a tenth of the usual, so that answers do not wait for training."""
THREADS = 6
"""Requests that are worked on at once; of more than that each would take longer."""


@dataclass(frozen=True)
class Place:
    """Where the server listens. `names` are further host names by which it is reached."""

    host: str = LOOPBACK
    port: int = 0
    names: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def hosts(self) -> frozenset[str]:
        """The exact Host headers that are answered."""
        local = (LOOPBACK, "localhost", "[::1]") if self.is_local else ()
        own = f"[{self.host}]" if ":" in self.host else self.host
        reached = {*local, own, *self.names} - {"0.0.0.0", "[::]"}
        ports = {f"{n}:{self.port}" for n in reached}
        bare = {n for n in reached if self.port in (80, 443)} | set(self.names)
        return frozenset(h.lower() for h in ports | bare)

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"


def listen(place: Place, *, allow_remote: bool) -> tuple[socket.socket, Place]:
    """A socket that listens there, and the place with its port; refused where others could reach it."""
    if not place.is_local and not allow_remote:
        raise UsageError(
            f"{place.host!r} is reached from other machines",
            mend="if that is meant, add --allow-remote; there is no encryption: put a TLS proxy before it",
        )
    try:
        family = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((place.host, place.port))
    except OSError as error:
        raise ConfigError(
            f"cannot listen at {place.host}:{place.port}: {(error.strerror or 'it is refused').lower()}",
            mend="choose another port with --port, or --port 0 for any that is free",
        ) from None
    bound.listen(BACKLOG)
    return bound, Place(place.host, bound.getsockname()[1], place.names)


def make_server(app: Guard) -> uvicorn.Server:
    """The application on connections that are watched, with nothing of them written down."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=WatchedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=MOST_HEAD,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )


def run_server(
    server: uvicorn.Server,
    sockets: Sequence[socket.socket],
    ready: Callable[[], None] = lambda: None,
    stop: Callable[[], None] = lambda: None,
) -> None:
    """Answer at the sockets until the server is told to stop; `stop` is called as soon as it is told."""

    async def listen_for_the_end() -> None:
        while not server.should_exit:
            await asyncio.sleep(0.1)
        stop()

    async def run() -> None:
        current_default_thread_limiter().total_tokens = THREADS
        watching = watch(server.server_state.connections)
        beside = [asyncio.create_task(w) for w in (watching, listen_for_the_end())]
        try:
            ready()
            await server.serve(sockets=list(sockets))
        finally:
            for task in beside:
                task.cancel()

    asyncio.run(run())


def serve(
    service: Service,
    token: Token,
    place: Place,
    sockets: Sequence[socket.socket],
    *,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until a signal says stop: SIGINT or SIGTERM."""
    confine()
    sys.setswitchinterval(SWITCH_SECONDS)
    if threading.current_thread() is threading.main_thread():
        # uvicorn raises a signal once more when it has stopped: as an exception it lets us tidy up.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    service.holding.start()
    try:
        server = make_server(guarded(service, token, place.hosts(), place.port))
        run_server(server, sockets, ready, stop=lambda: service.jobs.stop(patience=0.0))
    except KeyboardInterrupt:
        pass
    finally:
        service.close()
