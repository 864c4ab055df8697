"""Candidates: everything that synthesis would try, each with a rank; the lower, the more it promises.

Each source is a function of a scope. They run in this order, which settles ties of rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from foretell.features.candidates.company import company
from foretell.features.candidates.contrast import contrasts
from foretell.features.candidates.events import events_nearby, events_of_grandparents, events_of_parents
from foretell.features.candidates.groups import groups
from foretell.features.candidates.nested import nested
from foretell.features.candidates.overdue import overdue
from foretell.features.candidates.past import calendar, everyones_labels, past_labels
from foretell.features.candidates.rhythm import rhythm, rhythm_of_parents
from foretell.features.candidates.rows import own_columns, parents_columns
from foretell.features.candidates.scope import Candidate, Scope
from foretell.features.candidates.seasons import labels_a_year_before, seasons
from foretell.features.candidates.text import texts

SOURCES: tuple[Callable[[Scope], Iterator[Candidate]], ...] = (
    past_labels,
    everyones_labels,
    labels_a_year_before,
    calendar,
    own_columns,
    parents_columns,
    events_nearby,
    rhythm,
    seasons,
    groups,
    company,
    events_of_parents,
    rhythm_of_parents,
    contrasts,
    overdue,
    events_of_grandparents,
    nested,
    texts,
)


def candidates(scope: Scope) -> Iterator[Candidate]:
    """Every candidate of every source; a name may come twice, and the first one counts."""
    for source in SOURCES:
        yield from source(scope)
