"""The earlier cutoffs at which an entity's own past labels are made."""

from __future__ import annotations

from collections.abc import Iterable

from foretell.core.time import Instant, Offset
from foretell.plan import nodes

MOST = 3_000


def past_cutoffs(
    past: nodes.PastLabels, cutoffs: Iterable[Instant], start: Instant
) -> tuple[tuple[Instant, Instant], ...]:
    """(cutoff, close of its window) pairs, ascending, that the rows' own cutoffs can look back on.

    Each of the rows' cutoffs looks back in equal steps, so that training rows and a later single cutoff see
    histories of one shape. Cutoffs before `start`, the first row that the target counts, made no label, and a
    window that closes after the last cutoff is never read.
    """
    horizon = past.target.horizon
    assert horizon is not None
    moments = sorted(set(cutoffs))
    if not moments:
        return ()
    roots = moments if len(moments) * past.steps <= MOST * 10 else moments[:1]
    found = set(moments)
    for root in roots:
        found.update(
            Offset(-past.step.amount * k, past.step.unit).after(root) for k in range(1, past.steps + 1)
        )
    if len(found) > MOST:
        found = set(moments)
        found.update(
            Offset(-past.step.amount * k, past.step.unit).after(moments[0]) for k in range(1, past.steps + 1)
        )
    pairs = ((c, horizon.after(c)) for c in sorted(found) if c >= start)
    return tuple(pair for pair in pairs if pair[1] <= moments[-1])
