"""Candidates of contrast: what is known of one parent of a row, less the same of its twin: of the home and
the away team, of the buyer and the seller. Trees find a difference of two columns slowly.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from foretell.features.candidates.events import events_of_parents
from foretell.features.candidates.scope import Candidate, Scope, outcome_words
from foretell.features.describe import contrast_name, contrast_words
from foretell.features.model import Aggregated, Contrast, Feature, Kind
from foretell.schema.model import Hop, Link

_STEP = 0.03
_COMPARED = frozenset({"count", "mean"})


def contrasts(scope: Scope) -> Iterator[Candidate]:
    """Counts and means of two parents of one table; roles are mirrored: at home of one, away of the other."""
    task, schema = scope.task, scope.task.schema
    if not task.is_static:
        return
    links = list(scope.links_up(task.entity.name, own=True))
    twins = [(a, b) for a, b in combinations(links, 2) if a.parent == b.parent]
    if not twins:
        return
    ranked = [
        (rank, feature.definition, feature.group)
        for rank, feature in events_of_parents(scope)
        if isinstance(feature.definition, Aggregated) and _is_compared(feature.definition)
    ]
    for one, other in twins:
        for rank, left, group in ranked:
            if left.up == (Hop(one, up=True),):
                definition = Contrast(left, _mirrored(left, one, other))
                text = contrast_words(definition, schema, outcome_words(task))
                name = contrast_name(definition, schema)
                yield rank + _STEP, Feature(name, Kind.NUMERIC, definition, text, group)


def _is_compared(definition: Aggregated) -> bool:
    near, value = len(definition.down) == 1, definition.value
    return near and definition.measure in _COMPARED and (value is None or value.equals is None)


def _mirrored(definition: Aggregated, one: Link, other: Link) -> Aggregated:
    """The same of the other parent, each link in the other's place."""
    swap = {one: other, other: one}
    up = tuple(Hop(swap.get(h.link, h.link), h.up) for h in definition.up)
    down = tuple(Hop(swap.get(h.link, h.link), h.up) for h in definition.down)
    return Aggregated(definition.measure, down, up, definition.value, definition.window)
