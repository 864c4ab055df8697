"""Where windows begin, and the parts of a cutoff's calendar, for many cutoffs at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from foretell.core.time import DAY, Offset
from foretell.features.matrix import Floats, Instants

_THURSDAY = 3  # 1970-01-01, where Monday is 0


def before(cutoffs: Instants, offset: Offset) -> Instants:
    """The instants this far before cutoffs; a day past the month's end becomes the month's last day.

    >>> from foretell.core.time import Unit, format_instant, parse_instant
    >>> cutoffs = np.array([parse_instant("2024-03-31")])
    >>> format_instant(int(before(cutoffs, Offset(1, Unit.MONTH))[0]))
    '2024-02-29'
    """
    exact = offset.exact
    assert exact is not None, "a window of all history has no edge"
    months, micros = exact
    if not months:
        return cutoffs - micros
    days = cutoffs // DAY
    month = days.astype("M8[D]").astype("M8[M]")
    place = days - _days(month)
    month = month - months
    length = _days(month + 1) - _days(month)
    moved: Instants = (_days(month) + np.minimum(place, length - 1)) * DAY + cutoffs % DAY
    return moved


def _days(months: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    """The days from 1970 to the first of each month."""
    return months.astype("M8[D]").astype(np.int64)


def edges(cutoffs: Instants, windows: Sequence[Offset]) -> npt.NDArray[np.int64]:
    """(windows, rows): the instant after which a row's event lies in each window.

    Windows nest: a month that is shorter than 30 days still holds the 30 days.
    """
    if not windows:
        return np.empty((0, len(cutoffs)), dtype=np.int64)
    return np.minimum.accumulate(np.stack([before(cutoffs, w) for w in windows]), axis=0)


def calendar(cutoffs: Instants, part: str) -> Floats:
    """One part of each cutoff's date or time, UTC: a month from 1, a weekday from Monday 1, a day of the year
    from 1.
    """
    days = cutoffs // DAY
    if part == "weekday":
        found = (days + _THURSDAY) % 7 + 1
    elif part == "hour":
        found = cutoffs % DAY // (DAY // 24)
    else:
        dates = days.astype("M8[D]")
        month = dates.astype("M8[M]")
        first = {"day": month, "year_day": dates.astype("M8[Y]")}
        found = month.astype(np.int64) % 12 + 1 if part == "month" else days - _days(first[part]) + 1
    return found.astype(np.float64)
