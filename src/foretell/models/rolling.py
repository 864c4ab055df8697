"""Forward folds before the last one: more periods to choose on, to calibrate on and to measure residuals on.

One validation period has its own luck. Members whose choices are made are trained anew on what each earlier
fold knew, and score the period after it (rolling-origin evaluation, Tashman 2000).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeGuard

import numpy as np

from foretell.core.time import Instant, Offset
from foretell.features.matrix import Floats, Instants
from foretell.models.base import Fitted
from foretell.models.dataset import Dataset
from foretell.task.cutoffs import closed_before

STARTS = (0.5, 0.75)
"""Where the earlier validation periods begin, as shares of the rows before the last one."""
FEWEST_ROWS = 100
"""A fold with fewer rows to learn from says little about later ones."""


@dataclass(frozen=True)
class Rolling:
    """That earlier folds may be made, and of which horizon the labels are (None: closed at their cutoff)."""

    horizon: Offset | None


@dataclass(frozen=True)
class Fold:
    """Rows whose windows had closed when the rows of `valid` came; those lie before the next fold's."""

    train: Dataset
    valid: Dataset


@dataclass(frozen=True)
class Seen:
    """What candidates said of rows whose labels they had not seen, by name; (rows,) or (rows, k) each."""

    y: Floats
    cutoffs: Instants
    predictions: dict[str, Floats]

    @classmethod
    def of(cls, candidates: dict[str, Fitted], data: Dataset) -> Self:
        return cls(data.y, data.cutoffs, {n: c.predict(data.X) for n, c in candidates.items()})

    @classmethod
    def joined(cls, parts: Sequence[Seen]) -> Self:
        """All rows one after the other, with the candidates of the first part."""
        return cls(
            np.concatenate([p.y for p in parts]),
            np.concatenate([p.cutoffs for p in parts]),
            {n: np.concatenate([p.predictions[n] for p in parts]) for n in parts[0].predictions},
        )


def earlier_folds(whole: Dataset, until: Instant, rolling: Rolling) -> tuple[Fold, ...]:
    """Folds whose validation periods follow one another and end at `until`, where the last one begins.

    Fewer, or none, where history is too short: a fold has `FEWEST_ROWS` to learn from, of more than one
    label.
    """
    before = np.sort(whole.cutoffs[whole.cutoffs < until])
    if not len(before):
        return ()
    starts = sorted({int(before[int(share * len(before))]) for share in STARTS})
    folds = []
    for start, end in zip(starts, [*starts[1:], until]):
        train = closed_before(whole.cutoffs, rolling.horizon, start)
        valid = (whole.cutoffs >= start) & (whole.cutoffs < end)
        if train.sum() >= FEWEST_ROWS and valid.any() and len(np.unique(whole.y[train])) > 1:
            folds.append(Fold(whole.take(train), whole.take(valid)))
    return tuple(folds)


class Agreeing(Protocol):
    """A member that makes choices which several folds can agree on, such as how many trees it has."""

    def agreed(self, others: Sequence[Fitted]) -> Fitted:
        """This member, to be trained anew with what it and its like of other folds chose."""
        ...


def agrees(member: object) -> TypeGuard[Agreeing]:
    return hasattr(member, "agreed")
