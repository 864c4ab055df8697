"""The database that is served: opened in the background, asked by one at a time, corrected in place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from foretell.core.errors import ForetellError
from foretell.core.progress import Progress
from foretell.core.time import Instant
from foretell.lifecycle.registry import Clock
from foretell.pipeline import Database
from foretell.prediction.database import OpenDatabase, open_database
from foretell.schema.model import Schema
from foretell.server.faults import ConflictError, NotFoundError
from foretell.server.veil import called


class State(StrEnum):
    """How far the database is."""

    OPENING = "opening"
    READY = "ready"
    FAILED = "failed"
    NONE = "none"


class Stage:
    """A Progress that remembers where it stands, for whoever asks."""

    def __init__(self) -> None:
        self.name = ""

    def stage(self, name: str, total: float | None = None) -> None:
        self.name = name

    def advance(self, amount: float = 1.0) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class Holding:
    """A database held open. `target` None: there is none, and only models are served.

    One asks at a time: the working copy has one connection. What needs only the schema does not wait.
    """

    def __init__(
        self,
        target: str | None,
        *,
        config: Path | None = None,
        clock: Clock,
        memory: str | None = None,
        cache: bool = True,
        seed: int = 0,
        threads: int = 2,
    ) -> None:
        self.target = target
        self.config = config
        self._clock = clock
        self.seed = seed
        self._how: dict[str, Any] = {"memory": memory, "cache": cache, "threads": threads}
        self.state = State.NONE if target is None else State.OPENING
        self.error: ForetellError | None = None
        self.progress = Stage()
        self._opened: OpenDatabase | None = None
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._closed = False

    @property
    def now(self) -> Instant:
        """The present, as the registry's clock has it."""
        return self._clock()

    @property
    def how(self) -> dict[str, Any]:
        """How the database is opened by those who read it anew."""
        return {"config": self.config, "memory": self._how["memory"], "cache": self._how["cache"]}

    @property
    def name(self) -> str | None:
        """What the database is called, fit to be told: no path, no password."""
        if self.target is None:
            return None
        return called(self.target if "://" in self.target else str(Path(self.target).resolve()))

    def start(self) -> None:
        """Open it, in a thread of its own."""
        if self.target is not None:
            threading.Thread(target=self._open, name="opening", daemon=True).start()

    def wait(self, seconds: float | None = None) -> State:
        """Wait until it is open, or cannot be opened."""
        if self.state is State.OPENING:
            self._done.wait(seconds)
        return self.state

    def _open(self) -> None:
        try:
            with self._lock:
                opened = self.opened_anew(self.progress)
                if self._closed:
                    opened.close()
                    return
                self._opened, self.state = opened, State.READY
        except ForetellError as error:
            self.error, self.state = error, State.FAILED
        except Exception as error:  # told, so that nobody waits for it for ever
            self.error, self.state = (
                ForetellError(f"it could not be read: {type(error).__name__}"),
                State.FAILED,
            )
        finally:
            self._done.set()

    def opened_anew(self, progress: Progress, config: Path | None = None) -> OpenDatabase:
        """The database read from its source once more, corrected by `config` or the usual foretell.toml."""
        assert self.target is not None
        return open_database(
            self.target, config=config or self.config, now=self.now, progress=progress, **self._how
        )

    @property
    def opened(self) -> OpenDatabase:
        """What is held; a ConflictError while it is being opened. Only its schema is read without `use`."""
        found = self._opened
        if found is not None:
            return found
        if self.state is State.OPENING:
            raise ConflictError("the database is being opened", mend="ask again in a moment")
        if self.error is not None:
            raise self.error
        raise NotFoundError("no database is served here", mend="start it as: foretell serve DATABASE")

    @property
    def schema(self) -> Schema:
        """The schema as it is now."""
        return self.opened.schema

    @contextmanager
    def use(self, progress: Progress, *, patience: float = -1.0) -> Iterator[Database]:
        """The database to oneself; a ConflictError where it is taken for over `patience` seconds."""
        _ = self.opened
        if not self._lock.acquire(timeout=patience):
            raise ConflictError("a job is at work with the database", mend="ask again when it has ended")
        try:
            yield Database(self.opened, seed=self.seed, progress=progress)
        finally:
            self._lock.release()

    def reopen(self, progress: Progress) -> None:
        """Read it anew, and hold that; also where it could not be opened before."""
        opened = self.opened_anew(progress)
        with self._lock:
            self.replace(opened)
            self.state, self.error = State.READY, None

    def replace(self, opened: OpenDatabase) -> None:
        """Hold another view of the database; only within `use`."""
        before, self._opened = self._opened, opened
        if before is not None and before.store is not opened.store:
            before.close()

    def close(self) -> None:
        """Let go of it, unless somebody is at work with it."""
        self._closed = True
        if self._lock.acquire(timeout=5.0):
            if self._opened is not None:
                self._opened.close()
            self._lock.release()
