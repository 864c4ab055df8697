"""Candidates of what is overdue: how often the usual time between events has passed since the last one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from foretell.features.candidates.events import events_nearby, events_of_parents
from foretell.features.candidates.scope import FEW, Candidate, Scope, outcome_words
from foretell.features.describe import contrast_name, contrast_words
from foretell.features.model import Aggregated, Contrast, Feature, Kind
from foretell.plan.nodes import Comparison

_STEP = 0.02


def overdue(scope: Scope) -> Iterator[Candidate]:
    """The days since the last event over the mean days between the latest, one link down."""
    task = scope.task
    for rank, feature in chain(events_nearby(scope), events_of_parents(scope)):
        since = feature.definition
        if isinstance(since, Aggregated) and since.measure == "recency" and len(since.down) == 1:
            usual = replace(since, measure="gap", window=FEW)
            definition = Contrast(since, usual, Comparison.RATIO)
            text = contrast_words(definition, task.schema, outcome_words(task))
            name = contrast_name(definition, task.schema)
            yield rank + _STEP, Feature(name, Kind.NUMERIC, definition, text, feature.group)
