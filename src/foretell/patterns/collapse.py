"""Overlapping statements: among those of nearly the same rows, the strongest stands for the others."""

from __future__ import annotations

from foretell.patterns.sheet import Bools

OVERLAP = 0.7  # Jaccard


def jaccard(one: Bools, other: Bools) -> float:
    """Rows of both over rows of either.

    >>> import numpy as np
    >>> jaccard(np.array([True, True, False]), np.array([True, False, False]))
    0.5
    """
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 0.0


def overlap(one: Bools, other: Bools) -> bool:
    """Whether two groups are nearly the same, or one nearly all that the other is not: a group against the
    others says the same as the others against the group.
    """
    return one.shape == other.shape and max(jaccard(one, other), jaccard(one, ~other)) > OVERLAP


class Kept:
    """Groups that were kept, by what they are about; ask in the order of strength."""

    def __init__(self) -> None:
        self._held: dict[str, list[tuple[int, Bools]]] = {}

    def find(self, about: str, rows: Bools | None) -> int | None:
        """The number of a kept statement that speaks of nearly these rows."""
        if rows is None:
            return None
        return next((n for n, held in self._held.get(about, ()) if overlap(held, rows)), None)

    def add(self, number: int, about: str, rows: Bools | None) -> None:
        if rows is not None:
            self._held.setdefault(about, []).append((number, rows))
