"""The earlier cutoffs at which an entity's own past labels are made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from foretell.core.time import Instant, Offset, add_months, parse_instant, to_datetime
from foretell.plan import nodes
from foretell.plan.nodes import Until

MOST = 3_000
"""At most about this many earlier cutoffs are labelled; beyond, all rows share one lattice."""
_JANUARY = parse_instant("1970-01-01")


@dataclass(frozen=True)
class Lattice:
    """On which earlier cutoffs each of the rows' cutoffs looks back.

    Cutoffs of one phase share their earlier ones. `earlier` holds (cutoff, known from, phase), ascending.
    """

    phases: Mapping[Instant, int]
    earlier: tuple[tuple[Instant, Instant, int], ...]

    @property
    def count(self) -> int:
        """How many phases there are."""
        return max(self.phases.values(), default=0) + 1


def looking_back(past: nodes.PastLabels, cutoffs: Iterable[Instant], start: Instant | None) -> Lattice:
    """Each cutoff looks back in whole steps of its own, whatever other cutoffs are asked for beside it.

    So a row has the same past labels when it is learned from among others and when it is scored alone. A
    label is known from the close of its window. Cutoffs before `start`, the first row that the target counts,
    make no label; None: there is no such row.
    """
    moments = sorted(set(cutoffs))
    found = _chains({c: (c, phase) for c, phase in zip(moments, _phases(moments, past.step))}, past, start)
    if len({c for c, _, _ in found.earlier}) <= MOST:
        return found
    return _chains({c: (_floor(c, past.step), 0) for c in moments}, past, start)


def _chains(
    roots: Mapping[Instant, tuple[Instant, int]], past: nodes.PastLabels, start: Instant | None
) -> Lattice:
    """The lattice in which each cutoff steps back from its root (root, phase)."""
    horizon = past.target.horizon
    assert horizon is not None
    reach = past.steps + math.ceil(horizon.microseconds / past.step.microseconds)
    found: set[tuple[Instant, Instant, int]] = set()
    for cutoff, (root, phase) in roots.items():
        for k in range(reach + 1):
            at = Offset(-past.step.amount * k, past.step.unit).after(root)
            known = horizon.after(at) if past.until is Until.CUTOFF else at
            if known <= cutoff and start is not None and at >= start:
                found.add((at, known, phase))
    return Lattice({c: phase for c, (_, phase) in roots.items()}, tuple(sorted(found)))


def _phases(moments: list[Instant], step: Offset) -> list[int]:
    """Cutoffs whole fixed steps apart are of one phase; with steps of months each cutoff has its own."""
    length = step.unit.microseconds
    keys = [c % round(step.amount * length) for c in moments] if length else moments
    places = {key: i for i, key in enumerate(sorted(set(keys)))}
    return [places[key] for key in keys]


def _floor(cutoff: Instant, step: Offset) -> Instant:
    """The last whole step since 1970 at or before the cutoff."""
    if step.unit.months is None:
        return cutoff - cutoff % round(step.microseconds)
    width = int(step.amount) * step.unit.months
    moment = to_datetime(cutoff)
    months = (moment.year - 1970) * 12 + moment.month - 1
    return add_months(_JANUARY, months - months % width)
