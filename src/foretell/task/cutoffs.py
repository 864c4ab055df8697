"""Where history is cut to learn from, and how the cutoffs are dealt out to train, validate and test.

Cutoffs go back from the last complete target window in equal steps. Folds go forward in time, and between
two of them lies an embargo: no training window reaches past the first cutoff of the fold that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foretell.core.errors import DataError
from foretell.core.random import generator
from foretell.core.text import plural
from foretell.core.time import DAY, Instant, Offset, Unit, format_instant

FEWEST = 3  # one cutoff each to train, validate and test
MOST_WALKED = 100_000
ENOUGH = 6  # with fewer whole steps than this, steps are a quarter of the horizon

Mask = npt.NDArray[np.bool_]


def learning_cutoffs(
    first: Instant, last: Instant, horizon: Offset, step: Offset, *, limit: int, every: bool = False
) -> tuple[Instant, ...]:
    """Cutoffs in ascending order, at most `limit` of them, spread over the history.

    `first` and `last` are the first and last instant of the rows that the target counts. A cutoff has at
    least one window of history before it, and its target window ends by `last`: it is complete, so a
    missing event is a fact. Where whole steps give fewer than six cutoffs, steps are a quarter as long,
    unless `every` fixes them.

    >>> from foretell.core.time import parse_instant
    >>> found = learning_cutoffs(parse_instant("2024-01-01"), parse_instant("2024-12-31"),
    ...                          Offset(30), Offset(30), limit=24)
    >>> len(found), format_instant(found[0]), format_instant(found[-1])
    (11, '2024-02-05', '2024-12-01')
    """
    back = -horizon
    if first == last:
        raise DataError(
            f"all rows that the target counts have one time, {format_instant(first)}: there is no history",
            mend='name the column that tells when a row came to be: [tables.<table>] time = "…"',
        )
    found = _walk(back.after(last), horizon.after(first), step)
    if len(found) < ENOUGH and not every:
        finer = _quarter(step)
        if finer is not None:
            found = _walk(back.after(last), horizon.after(first), finer)
    if not found:
        raise DataError(
            f"the target's window of {horizon} is longer than the history allows: it runs from "
            f"{format_instant(first)} to {format_instant(last)}",
            mend=f"the longest window that leaves history to learn from is {longest(first, last)}",
            horizon=str(horizon),
        )
    stride = -(-len(found) // limit)
    return tuple(sorted(found[::stride]))


def longest(first: Instant, last: Instant) -> Offset:
    """The longest horizon with a window to train on, one to validate and one to test, and history before."""
    span = last - first
    for unit in (Unit.DAY, Unit.HOUR, Unit.MINUTE):
        length = unit.microseconds or DAY
        if span // 4 >= length:
            return Offset(span // 4 // length, unit)
    return Offset(1, Unit.SECOND)


def _walk(start: Instant, stop: Instant, step: Offset) -> list[Instant]:
    """start, start − step, … down to stop, newest first. Each is reckoned from the start: months do not
    drift.
    """
    found: list[Instant] = []
    count = 0
    # Steps of a second over years: every so many of them, so that the whole history is still walked.
    stride = max(1, int((start - stop) / step.microseconds) // MOST_WALKED + 1)
    while True:
        moment = Offset(-step.amount * count, step.unit).after(start)
        if moment < stop:
            break
        found.append(moment)
        count += stride
    return found


def _quarter(step: Offset) -> Offset | None:
    if step.unit.microseconds is not None:
        return Offset(step.amount / 4, step.unit)
    days = round(step.days / 4)
    return Offset(days) if days >= 1 else None


@dataclass(frozen=True)
class Folds:
    """Which rows train, validate and test; rows in an embargo are in none. `valid` may be empty."""

    train: Mask  # (rows,)
    valid: Mask  # (rows,)
    test: Mask  # (rows,)
    note: str = ""


def forward_folds(
    cutoffs: npt.NDArray[np.int64],
    horizon: Offset | None,
    *,
    test_from: Instant | None = None,
    alike: bool = False,
) -> Folds:
    """Folds by the rows' cutoffs: the last fifth tests, the fifth before validates, the rest trains.

    Shares are of rows, cut between cutoffs. With a horizon, rows whose target window reaches past the first
    cutoff of the next fold are left out of theirs. Rows from `test_from` on are the test, where it is said.
    With `alike` validation spans no more time than the test.
    """
    moments = np.unique(cutoffs)
    if len(moments) < 2:
        raise DataError(
            f"there is {plural(len(moments), 'cutoff')} to learn from, and a backtest needs two",
            mend="ask for a shorter window, or bring a longer history",
        )
    if test_from is None:
        test_from = _start(cutoffs, moments, 0.2)
    test = cutoffs >= test_from
    before = cutoffs[closed_before(cutoffs, horizon, test_from)]
    earlier = np.unique(before)
    if len(earlier) == 0:
        raise DataError(
            f"no target window of {horizon} closes before the last cutoff, {format_instant(int(test_from))}",
            mend="ask for a shorter window, or bring a longer history",
        )
    note = ""
    valid = np.zeros(len(cutoffs), dtype=np.bool_)
    train = closed_before(cutoffs, horizon, test_from)
    if len(earlier) > 1:
        valid_from = _start(before, earlier, 0.25)
        if alike:
            longest = int(moments[-1]) - test_from
            valid_from = max(valid_from, int(earlier[earlier >= earlier[-1] - longest][0]))
        closed = closed_before(cutoffs, horizon, valid_from)
        if closed.any():
            valid = train & (cutoffs >= valid_from)
            train = closed
    if not valid.any():
        note = "too few cutoffs to validate on later ones: some entities are held out instead"
    return Folds(train, valid, test, note)


def _start(cutoffs: npt.NDArray[np.int64], moments: npt.NDArray[np.int64], share: float) -> int:
    """The earliest of the last cutoffs that together hold at most `share` of the rows, and at least one
    cutoff.
    """
    counts = np.searchsorted(np.sort(cutoffs), moments)  # rows before each moment
    small = np.flatnonzero(len(cutoffs) - counts <= share * len(cutoffs))
    return int(moments[small[0]] if len(small) else moments[-1])


def closed_before(cutoffs: npt.NDArray[np.int64], horizon: Offset | None, at: int) -> Mask:
    """Rows whose target window has closed at `at`."""
    if horizon is None:
        return cutoffs < at
    ends = {int(c): horizon.after(int(c)) for c in np.unique(cutoffs)}
    return np.array([ends[int(c)] <= at for c in cutoffs], dtype=np.bool_)


def random_folds(groups: Sequence[int] | npt.NDArray[np.int64], seed: int) -> Folds:
    """Folds by entity, for tasks without any time: 60% train, 20% validate, 20% test."""
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    place = generator(seed, "folds").permutation(len(names)) / max(1, len(names))
    share = place[member]
    return Folds(
        share < 0.6,
        (share >= 0.6) & (share < 0.8),
        share >= 0.8,
        "the entities have no time: folds are random",
    )
