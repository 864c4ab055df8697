"""How long work tells how far it is: the caller passes something in, the library stays quiet."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told about each stage of a run. `total` is in the stage's own units; None means unknown."""

    def stage(self, name: str, total: float | None = None) -> None:
        """A new stage begins; the one before is done."""
        ...

    def advance(self, amount: float = 1.0) -> None:
        """The current stage moved on by `amount`."""
        ...

    def note(self, text: str) -> None:
        """Something a person may want to know, in one line."""
        ...


class Quiet:
    """The Progress that says nothing."""

    def stage(self, name: str, total: float | None = None) -> None:
        pass

    def advance(self, amount: float = 1.0) -> None:
        pass

    def note(self, text: str) -> None:
        pass


QUIET: Progress = Quiet()
