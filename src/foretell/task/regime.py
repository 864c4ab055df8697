"""The serving regime: up to when the rows that are scored know the history.

At seed-time each row sees everything before its own cutoff, as when predictions are made anew from a database
that is up to date. Frozen, history ends earlier, as when they are made from a snapshot that is served for a
while: a row with cutoff c sees what was known at min(c, T), and the days between are its staleness. Features,
training and backtest follow the regime that serving will have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foretell.core.errors import UsageError
from foretell.core.random import generator
from foretell.core.time import DAY, Instant, Offset, format_instant, parse_instant, parse_span
from foretell.task.cutoffs import Folds, forward_folds

FOLD = "fold"
"""What is said in place of a time to freeze history at the start of each fold."""
COPIES = 4
"""How often a training row is repeated with a staleness drawn anew, beside the one that imitates a fold."""

Instants = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Regime:
    """Seed-time, or frozen: at the time `at`, or without one at the start of each fold and, in serving, at
    the data's end. `days` is for how long the snapshot is served: the greatest staleness that a frozen model
    is trained for; 0 until the folds say it.

    >>> print(Regime())
    Each row was scored with everything before its own cutoff.
    >>> print(Regime.of("2005-01-01", frozen_for="90d"))
    History was frozen at 2005-01-01: rows were scored up to 90 days later, and saw nothing in between.
    >>> print(Regime.of("fold"))
    History was frozen at the first cutoff of the test, and all rows were scored within a day of it.
    """

    frozen: bool = False
    at: Instant | None = None
    days: float = 0.0

    @classmethod
    def of(cls, frozen_at: str | Instant | None, frozen_for: str | None = None) -> Regime:
        """From what is said: None for seed-time, a time, or "fold"; and for how long, such as "90d"."""
        days = parse_span(frozen_for).days if frozen_for is not None else 0.0
        if frozen_at is None:
            if days:
                raise UsageError("frozen for how long is said, but not when", mend='say when, or "fold"')
            return cls()
        if frozen_at == FOLD:
            return cls(True, None, days)
        at = parse_instant(frozen_at) if isinstance(frozen_at, str) else frozen_at
        return cls(True, at, days)

    def folds(self, cutoffs: Instants, horizon: Offset | None) -> Folds:
        """Forward folds; where history is frozen the test begins then, or lasts as long as serving will (at
        most half of the time that there is).
        """
        if not self.frozen:
            return forward_folds(cutoffs, horizon)
        first, last, start = int(cutoffs.min()), int(cutoffs.max()), None
        if self.at is not None and self.at <= last:
            start = self.at
        elif self.days:
            start = max(last - round(self.days * DAY), (first + last) // 2)
        return forward_folds(cutoffs, horizon, test_from=start, alike=True)

    def __str__(self) -> str:
        if not self.frozen:
            return "Each row was scored with everything before its own cutoff."
        when = "the first cutoff of the test" if self.at is None else format_instant(self.at)
        if self.days < 1:
            return f"History was frozen at {when}, and all rows were scored within a day of it."
        span = f"up to {self.days:,.0f} days later"
        return f"History was frozen at {when}: rows were scored {span}, and saw nothing in between."


SEED_TIME = Regime()


def fold_start(cutoffs: Instants, folds: Folds, at: Instant | None) -> Instant:
    """When history is frozen for the test rows: at `at` where it lies before all of them, else at the first.

    `at` may lie after the labels; then they say how such a model would have done.
    """
    first = int(cutoffs[folds.test].min())
    return at if at is not None and at <= first else first


def imitated(cutoffs: Instants, folds: Folds, regime: Regime) -> tuple[Instants, int]:
    """Until when each row's history is known (rows,), and how long the snapshot is served, in microseconds.

    Test rows see up to the start of the test, validation rows (and those of the embargo after them) up to the
    start of validation. Training rows are cut into spans as long as the test, going back from there, and each
    sees up to the start of its span: what the later folds will meet, earlier. No row sees less than what was
    known at the first cutoff.
    """
    test_from = fold_start(cutoffs, folds, regime.at)
    span = round(regime.days * DAY) or max(int(cutoffs.max()) - test_from, 1)
    start = int(cutoffs[folds.valid].min()) if folds.valid.any() else test_from
    back = -(-(start - cutoffs) // span)  # whole spans, rounded up
    known = np.where(cutoffs < start, start - back * span, start)
    known = np.where(folds.test, test_from, known)
    return np.maximum(np.minimum(known, cutoffs), cutoffs.min()), span


def drawn(cutoffs: Instants, span: int, copies: int, seed: int) -> tuple[Instants, ...]:
    """Until when history is known in each copy of the rows: another learning cutoff, at most `span` earlier.

    One draw for each cutoff and copy, even over the cutoffs in reach; the copies divide the reach among them.
    """
    moments, place = np.unique(cutoffs, return_inverse=True)
    own = np.arange(len(moments))
    lowest = np.searchsorted(moments, moments - span, side="left")
    found = []
    for copy in range(copies):
        share = (copy + generator(seed, "staleness", copy).random(len(moments))) / copies
        found.append(moments[own - (share * (own - lowest + 1)).astype(np.int64)][place])
    return tuple(found)


def staleness(cutoffs: Instants, known: Instants) -> npt.NDArray[np.float64]:
    """The days from the end of the known history to the cutoff (rows,)."""
    return (cutoffs - known) / DAY
