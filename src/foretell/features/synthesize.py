"""Features from a schema alone: what a person would try first, for any database.

Candidates come from several sources, each with a rank by which it promises; a person's patterns choose among
them, a budget cuts the tail, and what was left out is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from foretell.core.text import listing
from foretell.core.time import Offset
from foretell.features.budget import choose
from foretell.features.candidates import candidates
from foretell.features.candidates.scope import REACH, Profile, Reach, Scope, Vocabulary, windows_for
from foretell.features.model import Aggregated, Feature, FeatureSet, LeftOut, Nested
from foretell.features.patterns import chosen
from foretell.schema.breadth import DEFAULT, FeatureSettings
from foretell.task.model import Task

__all__ = ["Profile", "Reach", "Vocabulary", "reach_of", "synthesize"]


def reach_of(settings: FeatureSettings) -> Reach:
    """How far the settings look, and how many features they keep.

    >>> from foretell.schema.breadth import Breadth
    >>> reach_of(FeatureSettings(Breadth.LESS)).budget, reach_of(FeatureSettings(budget=50)).budget
    (120, 50)
    """
    reach = REACH[settings.breadth]
    return reach if settings.budget is None else replace(reach, budget=settings.budget)


def synthesize(
    task: Task, profile: Profile, settings: FeatureSettings = DEFAULT, *, budget: int | None = None
) -> FeatureSet:
    """The features of a task in order of expected value: at most `budget`, by default the settings' own."""
    reach = reach_of(settings)
    if budget is not None:
        reach = replace(reach, budget=budget)
    windows = settings.windows or windows_for(task, profile.span_days, reach.steps)
    unique: dict[str, tuple[float, Feature]] = {}
    for rank, feature in candidates(Scope(task, profile, reach, windows, bool(settings.windows))):
        unique.setdefault(feature.name, (rank, feature))
    wanted = chosen(FeatureSet(tuple(feature for _, feature in unique.values())), settings)
    ranked = sorted((unique[name] for name in wanted.names), key=lambda pair: pair[0])
    kept, left = choose(ranked, reach.budget)
    out, notes = list(wanted.left_out), list(wanted.notes)
    if left:
        out.append(
            LeftOut(f"beyond the budget of {reach.budget:,}{_from(left)}", tuple(f.name for f in left))
        )
    windowed = (
        isinstance(f.definition, Aggregated | Nested) and isinstance(f.definition.window, Offset)
        for _, f in ranked
    )
    if settings.windows and not any(windowed):
        notes.append("no feature of this question has a look-back window, so those asked for change nothing")
    return FeatureSet(tuple(kept), tuple(out), tuple(notes))


def _from(left: Sequence[Feature]) -> str:
    """Where most of the features come from."""
    counts = Counter(f.group for f in left).most_common(3)
    return f" (of {listing([group for group, _ in counts])})"
