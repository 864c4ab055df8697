"""The features of rows as their history is known: up to the cutoff, or up to a time before it.

A row whose history is frozen has the features that the same plan gives at that earlier time, so the past-only
proof holds for them all the more. Of the true cutoff it has what needs no history: the parts of the calendar,
ages counted on to the cutoff, and the staleness itself.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from foretell.engines.base import Engine, Rows
from foretell.features.lower import feature_plan
from foretell.features.matrix import Floats, Instants, Matrix, Numeric, Values
from foretell.features.model import Attribute, CutoffPart, Feature, FeatureSet, Kind, Staleness
from foretell.features.texts import with_texts
from foretell.plan.nodes import FeaturePlan
from foretell.task.model import Task
from foretell.task.regime import staleness

KEPT = 8
"""Of so many feature sets of a schema the plans are kept."""

STALENESS = Feature(
    "staleness",
    Kind.NUMERIC,
    Staleness(),
    "days by which what is known ends before the cutoff",
    "staleness",
)


def with_staleness(features: FeatureSet) -> FeatureSet:
    """The features, and the staleness after them."""
    return replace(features, features=(*features.features, STALENESS))


def plan_of(task: Task, features: FeatureSet) -> FeaturePlan:
    """The plan of a feature set; it is lowered once for each set that is asked for again."""
    kept = task.schema.memo.setdefault("plans", OrderedDict())
    held = kept.get(id(features))
    if held is None or held[0] is not features or held[1] is not task:
        held = kept[id(features)] = (features, task, feature_plan(task, features))
        while len(kept) > KEPT:
            kept.popitem(last=False)
    plan: FeaturePlan = held[2]
    return plan


def features_at(
    engine: Engine, task: Task, features: FeatureSet, rows: Rows, known: Instants | None = None
) -> Matrix:
    """One matrix row for each of the rows; `known` (rows,) is until when their history is known, by default
    up to their own cutoffs.
    """
    if known is None:
        return with_texts(engine.features(plan_of(task, features), rows), features)
    days = staleness(rows.cutoffs, known)
    of_history = features.select(f.name for f in features.features if not _of_cutoff(f))
    found = with_texts(engine.features(feature_plan(task, of_history), Rows(rows.entities, known)), features)
    calendar = features.select(f.name for f in features.features if isinstance(f.definition, CutoffPart))
    own = engine.features(feature_plan(task, calendar), rows)

    def column(feature: Feature) -> Values:
        match feature.definition:
            case Staleness():
                return Numeric(days.astype(np.float32))
            case CutoffPart():
                return own[feature.name]
            case Attribute(age=True):
                return _aged(found[feature.name], days)
            case _:
                return found[feature.name]

    return replace(found, names=features.names, columns=tuple(column(f) for f in features.features))


def _of_cutoff(feature: Feature) -> bool:
    return isinstance(feature.definition, CutoffPart | Staleness)


def _aged(age: Values, days: Floats) -> Values:
    assert isinstance(age, Numeric)
    return Numeric.of(age.values + days, np.float32 if age.values.dtype == np.float32 else np.float64)
