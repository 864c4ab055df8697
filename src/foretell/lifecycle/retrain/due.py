"""When a model is due to be trained again: time has passed, enough labels are new, or it does badly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foretell.core.text import listing, plural
from foretell.core.time import Instant, Offset, format_instant
from foretell.lifecycle.grading import last_grade
from foretell.lifecycle.grading.outcomes import seen_until
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.retrain.looks import looks_of
from foretell.lifecycle.retrain.unseen import new_labels
from foretell.lifecycle.version import Version
from foretell.prediction.database import OpenDatabase
from foretell.task.model import Task

WINDOWS = 4
"""Without a schedule of its own a model is due after so many of its windows, at least a month."""
LEAST = Offset(28)
NEW_SHARE = 0.25
"""Due once the new labels are this share of those that the champion learned from."""


@dataclass(frozen=True)
class Due:
    """Why a model is due; nothing where it is not, and then `next` is when its schedule will say so."""

    reasons: tuple[str, ...]
    next: Instant

    def __bool__(self) -> bool:
        return bool(self.reasons)

    def __str__(self) -> str:
        if self.reasons:
            return f"due: {listing(self.reasons)}"
        return f"not due before {format_instant(self.next)[:10]}, unless its predictions do badly"


def due(registry: Registry, name: str, database: OpenDatabase, *, every: Offset | None = None) -> Due:
    """Whether to train again: `every` so often (by default four windows, at least 28 days), or for labels or
    grades that are newer than the last look at a challenger.
    """
    champion = registry.version(name)
    task = registry.load(champion.reference).task
    looks = looks_of(registry, name, champion.number)
    tried_at = max((k.at for k in looks), default=champion.created)
    looked_to = max((k.last for k in looks), default=None)
    following = _interval(task, every).after(max(tried_at, champion.created))
    reasons = []
    if registry.clock() >= following:
        reasons.append(
            f"it was trained or tried last at {format_instant(max(tried_at, champion.created))[:10]}"
        )
    fresh = _fresh(database, task, champion, looked_to)
    learned = int(champion.record["rows"])
    if fresh and fresh >= NEW_SHARE * learned:
        reasons.append(f"{plural(fresh, 'label')} came since, beside {learned:,} that it learned from")
    grade = last_grade(registry, champion)
    if grade is not None and grade.decays and grade.cutoff > (looked_to or 0):
        what = "the simple rule was better" if grade.loses else "it did worse than its backtest"
        reasons.append(f"at {format_instant(grade.cutoff)} {what}")
    return Due(tuple(reasons), following)


def _interval(task: Task, every: Offset | None) -> Offset:
    if every is not None:
        return every
    windows = 0.0 if task.horizon is None else WINDOWS * task.horizon.days
    return Offset(max(LEAST.days, windows))


def _fresh(database: OpenDatabase, task: Task, champion: Version, looked_to: Instant | None) -> int:
    """How many labels there are that neither the champion nor a look has seen."""
    labels = new_labels(database, task, seen_until(champion, task))
    if looked_to is None:
        return len(labels.rows)
    return int(np.count_nonzero(labels.rows.cutoffs > looked_to))
