"""Work that takes longer than an answer may: one job at a time, in a queue that ends, with its progress."""

from __future__ import annotations

import secrets
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pyarrow as pa

from foretell.core.errors import ForetellError
from foretell.core.progress import Progress
from foretell.core.time import format_instant, from_datetime
from foretell.prediction.model import Model
from foretell.report.chart import Plot
from foretell.server.faults import BusyError, ConflictError, NotFoundError

MOST_WAITING = 8
MOST_KEPT = 64  # jobs that are remembered
MOST_RESULTS = 8  # of these, how many with what they found
MOST_NOTES = 50


class State(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (State.DONE, State.FAILED, State.CANCELLED)


class CancelledError(Exception):
    """Raised inside a job's work at the first word of progress after it was cancelled."""


@dataclass(frozen=True)
class Outcome:
    """What a job found: `told` is JSON-ready; the rest is kept beside it while the job is remembered."""

    told: Mapping[str, Any]
    rows: pa.Table | None = None
    plots: tuple[Plot, ...] = ()
    model: Model | None = None
    audit: Mapping[str, Any] | None = None
    page: str | None = None


Work = Callable[[Progress], Outcome]


@dataclass
class Job:
    """One job. Only its own thread writes to it, once it runs."""

    id: str
    kind: str
    asked: Mapping[str, Any]
    work: Work | None
    state: State = State.QUEUED
    stage: str = ""
    total: float | None = None
    done: float = 0.0
    notes: list[str] = field(default_factory=list)
    made: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    error: ForetellError | None = None
    outcome: Outcome | None = None
    cancelled: bool = False
    changes: int = 0

    @property
    def fraction(self) -> float | None:
        """How far the stage is, 0..1; None where its length is not known."""
        if self.state is State.DONE:
            return 1.0
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def seconds(self) -> float | None:
        """How long it has run."""
        if self.started is None:
            return None
        return round((self.ended or time.time()) - self.started, 2)

    def to_dict(self) -> dict[str, Any]:
        """The job without what it found; the error is told by the caller, who knows what may be told."""
        return {
            "id": self.id,
            "kind": self.kind,
            "asked": dict(self.asked),
            "state": self.state.value,
            "stage": self.stage,
            "fraction": self.fraction,
            "made": _moment(self.made),
            "started": None if self.started is None else _moment(self.started),
            "seconds": self.seconds,
            "notes": list(self.notes),
            "has_result": self.outcome is not None,
        }


class JobProgress:
    """The Progress of a job: writes down where it is, and stops the work where it was cancelled."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def stage(self, name: str, total: float | None = None) -> None:
        self.job.stage, self.job.total, self.job.done = name, total, 0.0
        self._told()

    def advance(self, amount: float = 1.0) -> None:
        self.job.done += amount
        self._told()

    def note(self, text: str) -> None:
        if len(self.job.notes) < MOST_NOTES:
            self.job.notes.append(text[:500])
        self._told()

    def _told(self) -> None:
        self.job.changes += 1
        if self.job.cancelled:
            raise CancelledError


class Jobs:
    """The queue, and the jobs that are remembered. One thread works: one thing is trained at a time."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._lock = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def submit(self, kind: str, asked: Mapping[str, Any], work: Work) -> Job:
        """Put work into the queue; a BusyError where it is full."""
        with self._lock:
            if self._stopped:
                raise ConflictError("the server is stopping")
            if len(self._waiting) >= MOST_WAITING:
                raise BusyError(
                    f"{MOST_WAITING} jobs are waiting already", mend="wait for one to end, or cancel one"
                )
            job = Job(secrets.token_hex(8), kind, asked, work)
            self._jobs[job.id] = job
            self._waiting.append(job)
            self._forget()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
                self._thread.start()
            self._lock.notify()
        return job

    def list(self) -> list[Job]:
        """The jobs that are remembered, the latest first."""
        with self._lock:
            return list(self._jobs.values())[::-1]

    def job(self, id: str) -> Job:
        """The job of that id; a NotFoundError where it was never there, or is forgotten."""
        found = self._jobs.get(id)
        if found is None:
            raise NotFoundError("there is no such job", mend="it may be forgotten: the latest are kept")
        return found

    def outcome(self, id: str) -> Outcome:
        """What a job found; a ConflictError where it has not ended well."""
        job = self.job(id)
        if job.outcome is not None:
            return job.outcome
        if job.error is not None:
            raise job.error
        if job.state is State.DONE:
            raise NotFoundError("what this job found is forgotten", mend="ask again")
        raise ConflictError(f"the job is {job.state.value}", mend=None)

    def cancel(self, id: str) -> Job:
        """Stop a job: at once where it waits, at its next word of progress where it runs."""
        job = self.job(id)
        with self._lock:
            job.cancelled = True
            if job in self._waiting:
                self._waiting.remove(job)
                _end(job, State.CANCELLED)
        return job

    def stop(self, patience: float = 5.0) -> None:
        """Cancel everything, and wait for the job that runs to hear of it."""
        with self._lock:
            self._stopped = True
            for job in self._jobs.values():
                job.cancelled = True
            while self._waiting:
                _end(self._waiting.popleft(), State.CANCELLED)
            self._lock.notify_all()
        if self._thread is not None:
            self._thread.join(patience)

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._waiting and not self._stopped:
                    self._lock.wait()
                if self._stopped:
                    return
                job = self._waiting.popleft()
                job.state, job.started = State.RUNNING, time.time()
                job.changes += 1
            _do(job)

    def _forget(self) -> None:
        """Let go of the oldest that have ended, and of what all but the latest found."""
        ended = [j for j in self._jobs.values() if j.state in ENDED]
        for job in ended[: max(0, len(self._jobs) - MOST_KEPT)]:
            del self._jobs[job.id]
        for job in [j for j in ended if j.outcome is not None][: -MOST_RESULTS + 1 or None]:
            job.outcome = None


def _do(job: Job) -> None:
    """Run one job; whatever becomes of it, the next can run."""
    work, job.work = job.work, None
    assert work is not None
    state = State.FAILED
    try:
        job.outcome = work(JobProgress(job))
        state = State.DONE
    except CancelledError:
        state = State.CANCELLED
    except ForetellError as error:
        job.error = error
    except MemoryError:
        job.error = ForetellError("there was not enough memory", mend="serve with a larger --memory")
    except Exception as error:
        print(f"foretell serve: a {job.kind} job failed: {type(error).__name__}", file=sys.stderr)
        job.error = ForetellError(f"this is a fault in foretell itself ({type(error).__name__})")
    _end(job, state)


def _end(job: Job, state: State) -> None:
    job.work = None
    job.ended, job.state = time.time(), state
    job.changes += 1


def _moment(seconds: float) -> str:
    return format_instant(from_datetime(datetime.fromtimestamp(seconds, UTC)))
