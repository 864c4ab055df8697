"""How events follow on earlier ones of their anchor, as arrays: days since the one before, and runs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foretell.core.time import DAY
from foretell.features.matrix import Floats
from foretell.kernel import Codes, Events, Numbers
from foretell.kernel.model import Longs
from foretell.plan.nodes import Following


def following(what: Following, events: Events, given: Numbers | Codes | None) -> Numbers:
    """What each event comes to after those before it; `given` is what a run is of."""
    if what is Following.GAP:
        return Numbers(gaps(events))
    assert given is not None, "a run is of a value"
    kinds, known, signed = _kinds(given)
    return Numbers(runs(events.offsets, kinds, known, signed=signed))


def gaps(events: Events) -> Floats:
    """Days from the event before to each event, NaN for an anchor's first.

    >>> gaps(Events(np.array([0, 2, 3]), np.array([0, 2, 9]) * DAY)).tolist()
    [nan, 2.0, nan]
    """
    found = np.empty(len(events.times))
    found[1:] = np.diff(events.times) / DAY
    found[_firsts(events.offsets)] = np.nan
    return found


def runs(
    offsets: Longs, kinds: npt.NDArray[np.int32], known: npt.NDArray[np.bool_], *, signed: bool
) -> Floats:
    """How many known events in a row, up to each one, are of its kind: negative for kind 0 where `signed`;
    NaN where an event is not known.

    >>> kinds = np.array([1, 1, 0, 0, 0], dtype=np.int32)
    >>> runs(np.array([0, 5]), kinds, np.array([True, True, True, False, True]), signed=True).tolist()
    [1.0, 2.0, -1.0, nan, -2.0]
    """
    at = np.flatnonzero(known)
    kind = kinds[at]
    begins = np.empty(len(at), dtype=np.bool_)
    begins[1:] = kind[1:] != kind[:-1]
    begins[_firsts(np.searchsorted(at, offsets))] = True
    place = np.arange(len(at))
    length = place - np.maximum.accumulate(np.where(begins, place, 0)) + 1
    found = np.full(len(known), np.nan)
    found[at] = np.where(signed & (kind == 0), -length, length)
    return found


def _firsts(offsets: Longs) -> Longs:
    """The place of each anchor's first event, where it has one."""
    return offsets[:-1][offsets[1:] > offsets[:-1]]


def _kinds(given: Numbers | Codes) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_], bool]:
    """What tells runs apart: a category's code, or whether a number is above 0; what is known; the sign."""
    signed = isinstance(given, Numbers) or given.equals is not None
    kinds: npt.NDArray[np.int32] | npt.NDArray[np.bool_]
    if isinstance(given, Numbers):
        known, kinds = given.values == given.values, given.values > 0
    else:
        known = given.codes >= 0
        kinds = given.codes if given.equals is None else given.codes == given.equals
    if given.index is not None:
        there = given.index >= 0
        if there.any():  # otherwise there may be nothing to look at
            known, kinds = there & known[given.index], kinds[given.index]
        else:
            known, kinds = there, np.zeros(len(there), dtype=np.bool_)
    return kinds.astype(np.int32), known, signed
