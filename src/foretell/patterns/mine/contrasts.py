"""Contrasts on early rows, fast: how surely an outcome differs between groups, beside what others tell.

Errors are clustered by entity and period, linearised: thousands of groups are tried with them. Those that
are kept get the error that confirmation uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from foretell.features.matrix import Floats
from foretell.patterns.sheet import Bools, Ints

LEAST_CLUSTERS = 10  # entities and periods that a group has rows of


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Early rows with an outcome, and their clusters."""

    y: Floats  # (rows,)
    entities: Ints  # (rows,) from 0
    periods: Ints  # (rows,) from 0
    others: tuple[Ints, ...] = ()  # each (rows,) from 0

    @cached_property
    def spread(self) -> float:
        return float(self.y.std())

    def between(self, inside: Bools, among: Bools | None = None) -> tuple[float, float]:
        """The mean inside less that of the others `among` (all, if None), and its z."""
        n = float(inside.sum())
        others = ~inside if among is None else among & ~inside
        m = float(others.sum())
        if n < 2 or m < 2:
            return 0.0, 0.0
        one, other = float(self.y @ inside) / n, float(self.y @ others) / m
        pull = inside * ((self.y - one) / n) - others * ((self.y - other) / m)
        return one - other, (one - other) / self._error(pull)

    def beside(self, inside: Bools, basis: Sequence[Floats]) -> tuple[float, float]:
        """The difference that a group makes beside others, and its z.

        `basis` are columns orthogonal to each other and to a constant, from `orthogonal` (Frisch & Waugh).
        """
        x = self.orthogonal(inside, basis)
        if x is None:
            return 0.0, 0.0
        y = self.y - self.y.mean()
        for column in basis:
            y = y - column * (column @ y)
        size = float(x @ inside)
        slope = float(x @ y) / size
        return slope, slope / self._error(x * (y - slope * x) / size)

    def orthogonal(self, inside: Bools, basis: Sequence[Floats]) -> Floats | None:
        """A group's indicator without what others tell of it, not scaled; None where nothing is left."""
        x = inside - inside.mean()
        whole = float(x @ x)
        for column in basis:
            x = x - column * (column @ x)
        return x if float(x @ x) > 0.02 * whole > 0 else None

    def basis(self, groups: Sequence[Bools]) -> list[Floats]:
        """Orthogonal columns of length 1 for groups."""
        held: list[Floats] = []
        for group in groups:
            x = self.orthogonal(group, held)
            if x is not None:
                held.append(x / np.sqrt(x @ x))
        return held

    def has_clusters(self, inside: Bools) -> bool:
        """Whether enough entities and periods have rows inside."""
        return all(
            np.count_nonzero(np.bincount(of[inside], minlength=1)) >= LEAST_CLUSTERS
            for of in (self.entities, self.periods)
        )

    def _error(self, pull: Floats) -> float:
        by_row = float((pull**2).sum())
        every = (self.entities, self.periods, *self.others)
        more = [max(0.0, float((np.bincount(of, weights=pull) ** 2).sum()) - by_row) for of in every]
        return float(np.sqrt(max(by_row + sum(more), 1e-300)))
