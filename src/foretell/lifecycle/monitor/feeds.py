"""Feeds: has each table its rows as it usually has them, by their age and by their number?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foretell.core.text import plural
from foretell.core.time import DAY, Instant, format_instant
from foretell.features.matrix import Floats
from foretell.lifecycle.monitor.usual import FEWEST, RECENT, tail

WEEK, MONTH = 7 * DAY, 28 * DAY
PERIODS = (DAY, WEEK, MONTH)
_NAMES = {DAY: "day", WEEK: "week", MONTH: "four weeks"}
SHOWN = 60
"""Periods that are counted."""
ROWS_A_PERIOD = 10
"""Periods are so long that they usually have as many rows."""
FEWEST_TIMES = 10
"""Different times from which it can be said how often rows come."""
YEAR = 365 * DAY
LATE, DEAD = 1.5, 3.0
"""How many times the gaps of the past year the newest row may be old."""
HOLIDAYS = 2
"""So many of the year's gaps are the longest for once: Christmas, a move."""
UNLIKELY, MATTERS = 0.001, 1.5
"""How unlikely a number of rows must be to be told, and by what factor off at the least."""
COLLAPSED, RUN = 0.1, 3
"""So small a share of the expected rows, so many periods on end, is a feed that has stopped."""
WEEKS = 8


@dataclass(frozen=True)
class Feed:
    """A table's rows as they come. `newest` is the time of the last one known, `age` and `gap` are days:
    since then, and the longest that the past year was without a row (nan where too few times tell).

    `counts` are the rows of equal periods, `period` days long, that end at the newest row, the last at the
    end; `expected` is what the last one usually has and `p` how likely it is. `stopped` says why nothing
    seems to come any more, `odd` what else is unusual.
    """

    table: str
    newest: Instant | None
    age: float
    gap: float
    period: float
    counts: tuple[int, ...]
    expected: float
    p: float
    stopped: str | None = None
    odd: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "newest": None if self.newest is None else format_instant(self.newest),
            "age_days": self.age,
            "longest_gap_days": self.gap,
            "period_days": self.period,
            "counts": list(self.counts),
            "expected": self.expected,
            "p": self.p,
            "stopped": self.stopped,
            "odd": self.odd,
        }


def feed(
    table: str,
    times: npt.NDArray[np.int64],
    now: Instant,
    *,
    trained: Instant | None = None,
    least: float = DAY,
) -> Feed:
    """What the ascending times of a table's rows say of it at `now`; later rows are not looked at.

    A newest row younger than `least` (microseconds), or than when the model was `trained`, is never late.
    """
    times = times[: int(np.searchsorted(times, now, side="right"))]
    nan = float("nan")
    if not len(times):
        return Feed(table, None, nan, nan, nan, (), nan, nan, stopped="it has no row")
    newest = int(times[-1])
    age, (gap, seldom) = now - newest, _longest_gaps(times)
    stopped = odd = None
    if gap:
        rested = max(least, _age(times, trained))
        said = f"its newest row is {_days(age)} old"
        if age > max(LATE * gap, DEAD * seldom, DEAD * rested):
            stopped = f"{said}, and there was never more than {_days(gap)} between two"
        elif age > LATE * max(seldom, rested):
            odd = f"{said}, and there is seldom more than {_days(seldom)} between two"
    period = _period(times)
    if period is None:
        return Feed(table, newest, age / DAY, gap / DAY or nan, nan, (), nan, nan, stopped, odd)
    counts = _counts(times, period)
    expected = _expected(counts, period)
    ratio = np.log((counts[-len(expected) :] + 1) / (expected + 1))
    p = nan
    if len(ratio) - 1 - RECENT >= FEWEST:
        p = float(tail(ratio[None] ** 2, 1 / (1 + float(expected[-1])))[0])
        low = np.exp(ratio) < COLLAPSED
        run = RUN if period == DAY else 2
        runs = np.convolve(low, np.ones(run), "valid") == run
        last = f"{plural(int(counts[-1]), 'row')} in the last {_NAMES[period]}, usually {expected[-1]:,.0f}"
        if runs[-1] and not runs[:-run].any():
            stopped = stopped or last
        elif p < UNLIKELY and abs(ratio[-1]) > np.log(MATTERS):
            odd = odd or last
    whole = tuple(int(c) for c in counts)
    return Feed(
        table,
        newest,
        age / DAY,
        gap / DAY or nan,
        period / DAY,
        whole,
        float(expected[-1]) if len(expected) else nan,
        p,
        stopped,
        odd,
    )


def _age(times: npt.NDArray[np.int64], at: Instant | None) -> float:
    """How old the newest row was then; 0 where there was none."""
    count = 0 if at is None else int(np.searchsorted(times, at, side="right"))
    return 0.0 if at is None or not count else float(at - times[count - 1])


def _longest_gaps(times: npt.NDArray[np.int64]) -> tuple[int, int]:
    """The longest time without a row in the year before the newest, and the longest but for holidays; 0 where
    too few times tell.
    """
    recent = np.unique(times[np.searchsorted(times, times[-1] - YEAR) :])
    if len(recent) < FEWEST_TIMES:
        recent = np.unique(times)
    if len(recent) < FEWEST_TIMES:
        return 0, 0
    gaps = np.sort(np.diff(recent))
    return int(gaps[-1]), int(gaps[-1 - HOLIDAYS])


def _period(times: npt.NDArray[np.int64]) -> int | None:
    """The shortest period that usually has rows enough; None where none has, or the past is too short."""
    for period in PERIODS:
        counts = _counts(times, period)
        if len(counts) >= _needed(period) and np.median(counts) >= ROWS_A_PERIOD:
            return period
    return None


def _needed(period: int) -> int:
    return (WEEKS // 2 * 7 if period == DAY else WEEKS // 2) + FEWEST + RECENT + 1


def _counts(times: npt.NDArray[np.int64], period: int) -> npt.NDArray[np.int64]:
    """The rows of each whole period, back from the newest row; where rows are dated by the day, from the day
    before it, which is whole.
    """
    newest = int(times[-1]) - (not np.any(times % DAY))
    whole = min(SHOWN, int((newest - int(times[0])) // period))
    edges = newest - period * np.arange(whole, -1, -1, dtype=np.int64)
    return np.asarray(np.diff(np.searchsorted(times, edges, side="right")))


def _expected(counts: npt.NDArray[np.int64], period: int) -> Floats:
    """What each of the later periods should have: the median before it, of days the same weekday's."""
    step = 7 if period == DAY else 1
    first = WEEKS // 2 * step
    found = [
        np.median(counts[max(at - WEEKS * step, at % step) : at : step]) for at in range(first, len(counts))
    ]
    return np.asarray(found, dtype=np.float64)


def _days(length: float) -> str:
    """A length of time in words.

    >>> _days(36 * 3600 * 1_000_000), _days(5 * 3600 * 1_000_000)
    ('1.5 days', '5.0 hours')
    """
    days = length / DAY
    return f"{days:,.1f} days" if days >= 1 else f"{24 * days:.1f} hours"
