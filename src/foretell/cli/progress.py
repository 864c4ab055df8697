"""How far a run is, on stderr: a bar with the time left in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from foretell.report.numbers import duration

PATIENCE = 10.0
"""Seconds after which a log hears again of a stage that is not done."""


class Lines:
    """One line for each stage, for logs and pipes, and of long ones the time left; with `-v` also how long
    each took.
    """

    def __init__(
        self,
        console: Console,
        *,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console, self.verbose, self.clock = console, verbose, clock
        self.begun = self.stage_begun = self.told = clock()
        self.current: str | None = None
        self.total, self.done = 0.0, 0.0

    def stage(self, name: str, total: float | None = None) -> None:
        self._finish()
        self.current, self.stage_begun = name, self.clock()
        self.total, self.done, self.told = total or 0.0, 0.0, self.stage_begun
        if not self.verbose:
            self.say(name)

    def advance(self, amount: float = 1.0) -> None:
        self.done += amount
        now = self.clock()
        if self.current is None or not 0 < self.done < self.total or now - self.told < PATIENCE:
            return
        self.told = now
        left = (now - self.stage_begun) * (self.total - self.done) / self.done
        self.say(f"{self.current}: {self.done / self.total:.0%}, about {duration(left)} left")

    def note(self, text: str) -> None:
        self.say(text)

    def close(self) -> None:
        """The work is done: what follows is the result."""
        self._finish()

    def _finish(self) -> None:
        if self.verbose and self.current is not None:
            self.say(f"{self.current} ({duration(self.clock() - self.stage_begun)})")
        self.current = None

    def say(self, text: str) -> None:
        """A line with the time it was said at."""
        seconds = self.clock() - self.begun
        self.console.print(
            f"{seconds:5.1f} s  {text}", style="dim", highlight=False, markup=False, soft_wrap=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()


class Bar(Lines):
    """A bar for the stage at hand, with the time left; it goes away when the run is over."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        super().__init__(console, verbose=verbose)
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("left"),
            console=console,
            transient=True,
        )
        self.task: TaskID | None = None

    def stage(self, name: str, total: float | None = None) -> None:
        self._finish()
        self.current, self.stage_begun = name, self.clock()
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task(name, total=total)

    def advance(self, amount: float = 1.0) -> None:
        if self.task is not None:
            self.bar.advance(self.task, amount)

    def note(self, text: str) -> None:
        if self.verbose:
            self.say(text)

    def close(self) -> None:
        super().close()
        self.bar.stop()

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.bar.stop()


class Silent(Lines):
    """Nothing, for `-q`."""

    def stage(self, name: str, total: float | None = None) -> None:
        pass

    def say(self, text: str) -> None:
        pass


def progress(console: Console, *, quiet: bool, verbose: bool) -> Lines:
    """The right one for where stderr goes."""
    kind = Silent if quiet else Bar if console.is_terminal else Lines
    return kind(console, verbose=verbose)
