"""What nets rest on: the score without the rows of one path, and how much worse the nets are by that.

A net's score bends all that it reads together, so it is not taken apart as trees' scores are. Instead one
path after another is removed: the relational net finds no rows along it, and the columns that are read along
it say what they say of an entity without such rows. The paths have the names of those of the trees' features,
so that both can be read side by side. What is removed together is not the sum of what is removed one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from foretell.evaluation.bootstrap import resample
from foretell.explain.drivers import REPETITIONS, worse
from foretell.explain.explanation import Estimate
from foretell.explain.reasons import Reason
from foretell.explain.stories import PAST_LABELS, grouped, hops_of, path, path_key, path_words
from foretell.features.matrix import Categorical, Floats, Matrix, Neighbours, Numeric, Values
from foretell.features.model import Aggregated, Contrast, FeatureSet, Nested, OwnLabels
from foretell.graph import Fanout, Neighbourhood, Sample
from foretell.graph.past import PastLabels
from foretell.graph.sample import Reached
from foretell.graph.tree import Tree
from foretell.models.choice import Family
from foretell.models.criteria import Metric
from foretell.models.dataset import Dataset
from foretell.models.fitted import FittedModel
from foretell.models.links import from_link
from foretell.models.net import NetFitted
from foretell.plan.measures import MEASURES
from foretell.schema.model import Hop
from foretell.task.model import Task, TaskKind


@dataclass(frozen=True)
class Cut(Neighbourhood):
    """Neighbourhoods in which nothing is found along a path, nor beyond it."""

    gone: str = field(default="")

    def take(self, index: Any) -> Cut:
        held = super().take(index)
        return Cut(held.graph, held.entities, held.cutoffs, held.past, self.gone)

    def join(self, other: Neighbourhood) -> Cut:
        held = super().join(other)
        return Cut(held.graph, held.entities, held.cutoffs, held.past, self.gone)

    def sample(self, fanout: Fanout) -> Sample:
        """The neighbourhoods without the rows of that path."""
        drawn = super().sample(fanout)
        keys = [path_key(hops) for hops in branch_paths(self.graph.tree(fanout))]
        kept = tuple(_emptied(r) if k == self.gone else r for k, r in zip(keys, drawn.reached))
        return replace(drawn, reached=kept)


def branch_paths(tree: Tree) -> list[tuple[Hop, ...]]:
    """The hops from the entity to the rows of each branch."""
    found: list[tuple[Hop, ...]] = []
    for branch in tree:
        found.append((*(found[branch.start] if branch.start >= 0 else ()), branch.hop))
    return found


def _emptied(reached: Reached) -> Reached:
    return replace(reached, slots=np.full_like(reached.slots, -1), degrees=np.zeros_like(reached.degrees))


def paths_of_nets(fitted: FittedModel, features: FeatureSet, X: Matrix, task: Task) -> dict[str, str]:
    """The paths that the nets of a model read, by key, each in English."""
    found: dict[str, str] = {}
    for member in fitted.nets:
        if isinstance(member, NetFitted) and isinstance(X.around, Neighbourhood):
            for hops in branch_paths(X.around.graph.tree(member.recipe.fanout)):
                found.setdefault(path_key(hops), path_words(hops, task))
            if X.around.past.ages.shape[1]:
                found.setdefault(PAST_LABELS, PAST_LABELS)
    if any(not isinstance(m, NetFitted) for m in fitted.nets):
        for feature in features.features:
            read = hops_of(feature)
            found.setdefault(path(feature), feature.group if read is None else path_words(read, task))
    return found


def without_path(X: Matrix, key: str, features: FeatureSet) -> Matrix:
    """The rows as they would be read if there were nothing along a path."""
    known = {f.name: f for f in features.features}
    columns = list(X.columns)
    for i in grouped(X.names, features, path).get(key, ()):
        feature = known.get(X.names[i])
        columns[i] = absent(columns[i], feature.definition if feature is not None else None)
    around: Neighbours | None = X.around
    if isinstance(around, Neighbourhood):
        around = _without(around, key)
    return Matrix(X.names, tuple(columns), X.rows, around)


def _without(around: Neighbourhood, key: str) -> Cut:
    past = none_of(around.past) if key == PAST_LABELS else around.past
    return Cut(around.graph, around.entities, around.cutoffs, past, key)


def absent(column: Values, definition: object) -> Values:
    """What a column says of an entity without rows: 0 where they are counted, else nothing."""
    if isinstance(column, Categorical):
        return replace(column, codes=np.full_like(column.codes, -1))
    measure = definition.measure if isinstance(definition, Aggregated | Nested | OwnLabels) else ""
    empty = MEASURES[measure].empty if measure in MEASURES and not isinstance(definition, Contrast) else None
    return Numeric(np.full_like(column.values, np.nan if empty is None else empty))


def none_of(past: PastLabels) -> PastLabels:
    """No past label of any row."""
    values = np.full_like(past.values, None if past.values.dtype == object else np.nan)
    return PastLabels(values, np.full_like(past.ages, np.nan))


@dataclass(frozen=True)
class Removed:
    """What the removal of paths does to the nets of a model, by the path's key.

    `moved` is how far scores change in link space, in the mean over rows and outputs; `lost` how much worse
    the nets alone get.
    """

    words: Mapping[str, str]
    moved: Mapping[str, float]
    lost: Mapping[str, Estimate]


def ablated(
    nets: FittedModel, test: Dataset, features: FeatureSet, task: Task, metric: Metric, *, seed: int = 0
) -> Removed:
    """The nets of a model (nothing else in it) on unseen rows, without one path after another."""
    words = paths_of_nets(nets, features, test.X, task)
    whole = nets.raw(test.X)
    said: dict[str, Floats] = {"": _said(nets, whole)}
    moved: dict[str, float] = {}
    for key in words:
        raw = nets.raw(without_path(test.X, key, features))
        moved[key] = float(np.abs(raw - whole).mean())
        said[f"-{key}"] = _said(nets, raw)
    lost: dict[str, Estimate] = {}
    if np.isfinite(metric.score(test.y, said[""])):
        draws = resample(metric, test.y, said, test.groups, repetitions=REPETITIONS, seed=seed)
        lost = {key: worse(metric, test, said, "", [f"-{key}"], draws) for key in words}
    return Removed(words, moved, lost)


def _said(fitted: FittedModel, raw: Floats) -> Floats:
    out = from_link(fitted.kind, raw)
    return out if fitted.floor is None else np.maximum(out, fitted.floor)


def reasons_of_nets(
    fitted: FittedModel, nets: FittedModel, X: Matrix, features: FeatureSet, task: Task, *, output: int = 0
) -> tuple[Reason, ...]:
    """What each path means to the nets' part of one row's score: what the score would lose without it.

    `X` has one row. Strongest first; in link space of the whole score.
    """
    weight = sum(w for w, family in zip(fitted.weights, fitted.families) if family == Family.NET)

    def raw(at: Matrix) -> float:
        told = nets.raw(at)
        return weight * float(told[0, output] if fitted.kind is TaskKind.MULTICLASS else told[0])

    own = raw(X)
    found = [
        Reason(key, text, own - raw(without_path(X, key, features)))
        for key, text in paths_of_nets(nets, features, X, task).items()
    ]
    return tuple(sorted((r for r in found if abs(r.effect) > 1e-9), key=lambda r: -abs(r.effect)))
