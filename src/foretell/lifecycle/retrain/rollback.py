"""A champion that a trial promoted is held against the one before it, and gives way where that was better."""

from __future__ import annotations

from foretell.core.time import format_instant
from foretell.lifecycle.grading.outcomes import seen_until
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.retrain.looks import CHECK, Look, keep_look, looks_of
from foretell.lifecycle.retrain.trial import tried
from foretell.lifecycle.retrain.unseen import FEWEST_ROWS, new_labels
from foretell.lifecycle.version import Version
from foretell.models.criteria import title
from foretell.prediction.database import OpenDatabase


def checked(registry: Registry, name: str, database: OpenDatabase, *, seed: int = 0) -> Look | None:
    """Hold the champion against the one that it replaced, on rows that matured since it was trained.

    Only where a trial promoted it, the other version is still there, and there are new rows since the last
    check. Where the other is surely better, it is the champion again, with the reason in the audit log. Both
    score each row as of its cutoff; the checks of one champion share one allowance for errors.
    """
    champion = registry.version(name)
    before = _replaced(registry, champion)
    if before is None:
        return None
    model, earlier = registry.load(champion.reference), registry.load(before.reference)
    labels = new_labels(database, model.task, seen_until(champion, model.task))
    checks = looks_of(registry, name, champion.number, CHECK)
    done = max((c.last for c in checks), default=0)
    if len(labels.rows) < FEWEST_ROWS or int(labels.rows.cutoffs.max()) <= done:
        return None
    ruling = tried(database, model, earlier, labels, look=len(checks) + 1, seed=seed)
    first, last = int(labels.rows.cutoffs.min()), int(labels.rows.cutoffs.max())
    if ruling.is_better:
        lift = ruling.lift
        registry.rollback(
            name,
            reason=f"{before} was better on {ruling.rows:,} rows of {format_instant(first)} to "
            f"{format_instant(last)}: {title(lift.metric)} by {lift.value:.4g} "
            f"({lift.low:.4g} to {lift.high:.4g})",
        )
    look = Look(
        champion.number,
        first,
        last,
        1,
        ruling.to_dict(),
        {},
        before.number,
        ruling.is_better,
        registry.clock(),
    )
    return keep_look(registry, name, look, CHECK)


def _replaced(registry: Registry, champion: Version) -> Version | None:
    """The version that the champion replaced by a trial, while it is kept."""
    won = [k for k in looks_of(registry, champion.name) if k.promoted and k.version == champion.number]
    there = {v.number: v for v in registry.versions(champion.name)}
    return there.get(won[-1].against) if won else None
