"""What every command does beside its own work: tell its progress, open a database, show a result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from foretell.cli.output import Format, Result, chosen, write
from foretell.cli.progress import Lines, progress

if TYPE_CHECKING:
    from foretell.lifecycle.registry import Registry
    from foretell.pipeline import Database
    from foretell.prediction.model import Model


ENDING = ".foretell"  # of model files


@dataclass(frozen=True)
class Run:
    """One command's run: where its result goes, and what it may say meanwhile."""

    format: Format
    output: Path | None
    console: Console
    progress: Lines

    def show(self, result: Result) -> None:
        self.progress.close()
        write(result, self.format, self.output, self.console)

    def say(self, text: str) -> None:
        """A line for a person, beside the result."""
        self.progress.close()
        self.progress.say(text)


@contextmanager
def running(format: Format | None, output: Path | None, quiet: bool, verbose: bool) -> Iterator[Run]:
    """What every command does before and after its own work."""
    with progress(Console(stderr=True), quiet=quiet, verbose=verbose) as shown:
        yield Run(chosen(format, output), output, Console(highlight=False, markup=False), shown)


def connect(
    run: Run,
    target: str,
    config: Path | None,
    seed: int,
    memory: str | None = None,
    no_cache: bool = False,
    now: str | None = None,
) -> Database:
    """Open the database, telling on the run's progress."""
    import foretell

    return foretell.connect(
        target, config=config, seed=seed, now=now, memory=memory, cache=not no_cache, progress=run.progress
    )


def registry(models: Path, now: str | None = None) -> Registry:
    """The registry in a folder, its clock standing at `now` where that is said."""
    from foretell.core.time import parse_instant
    from foretell.lifecycle.registry import Registry, wall_clock

    if now is None:
        return Registry(models, clock=wall_clock)
    at = parse_instant(now)
    return Registry(models, clock=lambda: at)


def load(models: Path, name: str) -> Model:
    """The model of a version in the registry, or of a file; else an error that lists what there is."""
    import foretell

    if name.endswith(ENDING):
        return foretell.load(name)
    with registry(models) as held:
        return held.load(name)
