"""What goes along with another score among real entities that are otherwise alike; association, not advice.

A hint compares the entity with others of the same population at the same cutoff. It is about what can change
and has lately: the entity's own events, whether there were any of late; never about what somebody is. All
else that the model reads must be alike (ranks of columns, weighted as the model uses them: those of other
paths, and those of all history along the same one), enough entities must stand on either side, the difference
must be sure and worth telling, and most of it must come from those very events by the model's own account.
Otherwise there is no hint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foretell.core.time import Offset
from foretell.explain.explanation import Estimate, Hint
from foretell.explain.stories import PAST_LABELS, grouped, path, table
from foretell.explain.wording import events_of
from foretell.features.matrix import Categorical, Floats, Matrix, Numeric
from foretell.features.model import Aggregated, Attribute, Feature, FeatureSet, OwnLabels

Mask = npt.NDArray[np.bool_]

FEWEST_ALIKE, FEWEST_SIDE = 40, 15
ALIKE = 0.12
"""Entities are alike whose ranks in all else differ by no more than this in the weighted mean."""
LEAST = 0.1
"""This share of the model must be something that they are alike in."""
RECENT = 100
"""Days: what lies further back is no longer lately."""
SURE = 3.0
"""A difference must be so many standard errors: several are looked for."""
WORTH = 0.3
"""A difference must be this share of the deviation of all scores."""
OWN = 0.6
"""This share of a difference in link space must come from the path that the hint is about."""
THRESHOLDS = (7, 14, 30, 60, 90)
LASTING = frozenset({"count", "sum", "mean", "tenure", "min", "max", "distinct", "median", "mode"})
"""Measures that one more event hardly moves, where they are of all history."""
TRIED, TOLD = 4, 3
"""So many paths are tried, and so many hints told, one of a path."""
EXPLAINED = 150
"""Contributions are computed for at most this many of those who are alike: they cost the most."""


@dataclass(frozen=True)
class Peers:
    """An entity, row 0, among others of its population: what is known of them, and their predictions.

    `link` gives the contributions (rows, columns) in link space of some of the rows. `weights` are the
    columns' shares in the model, `noun` what the entities are ("customers"). `counted` are the tables that
    the target counts: their events are told by past labels too.
    """

    X: Matrix
    scores: Floats  # (rows,): probabilities or values
    weights: Mapping[str, float]
    link: Callable[[npt.NDArray[np.intp]], Floats]
    noun: str
    is_share: bool  # scores are probabilities
    counted: frozenset[str] = frozenset()


def hints(peers: Peers, features: FeatureSet) -> tuple[Hint, ...]:
    """What can be said of the entity, the largest difference first; nothing without support."""
    paths = grouped(peers.X.names, features, path)
    changing = [
        k for k, places in paths.items() if any(_splits(f) for f in _features(peers, places, features))
    ]
    held = {f.name: f for f in features.features}
    used = {k: sum(peers.weights.get(peers.X.names[i], 0.0) for i in paths[k]) for k in changing}
    found = []
    for key in sorted(changing, key=lambda k: -used[k])[:TRIED]:
        same = [k for k in paths if k == key or k.startswith(f"{key}>")]  # what hangs on the events too
        ends = {table(f) for f in _features(peers, paths[key], features)}
        same += [PAST_LABELS] if ends & peers.counted and PAST_LABELS in paths else []
        moved = sorted(i for k in same for i in paths[k] if not lasting(held.get(peers.X.names[i])))
        told = _of_path(peers, paths[key], moved, features)
        if told is not None:
            found.append(told)
    return tuple(sorted(found, key=lambda h: -abs(h.difference.value))[:TOLD])


def alike(X: Matrix, weights: Mapping[str, float], besides: set[int]) -> Mask:
    """Which rows are like row 0 in all columns but those `besides`, as the model weighs them; not row 0."""
    distance, total = np.zeros(X.rows), 0.0
    for i, name in enumerate(X.names):
        weight = weights.get(name, 0.0)
        if i in besides or weight <= 0:
            continue
        distance += weight * _apart(X, i)
        total += weight
    if total < LEAST * sum(weights.values()):  # there is next to nothing to be alike in
        return np.zeros(X.rows, dtype=np.bool_)
    near = distance <= ALIKE * total
    near[0] = False
    return np.asarray(near)


def lasting(feature: Feature | None) -> bool:
    """Whether a feature is of all history, so that what happened lately hardly moves it: it must be alike."""
    definition = feature.definition if feature is not None else None
    if not isinstance(definition, Aggregated | OwnLabels):
        return definition is None or isinstance(definition, Attribute)
    return definition.window is None and definition.ago is None and definition.measure in LASTING


def _apart(X: Matrix, place: int) -> Floats:
    """How far each row's rank lies from that of row 0, 0..1; another category, or no value, is 1 away."""
    column = X.columns[place]
    if isinstance(column, Categorical):
        return np.asarray(column.codes != column.codes[0], dtype=np.float64)
    values = np.asarray(column.values, dtype=np.float64)
    known = np.isfinite(values)
    kinds, position, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    ranks = np.full(X.rows, np.nan)
    if len(kinds):
        middle = np.cumsum(counts) - counts / 2
        ranks[known] = middle[position] / counts.sum()
    if not known[0]:
        return known.astype(np.float64)
    return np.where(known, np.abs(ranks - ranks[0]), 1.0)


def _features(peers: Peers, places: list[int], features: FeatureSet) -> Iterator[Feature]:
    held = {f.name: f for f in features.features}
    for i in places:
        if peers.X.names[i] in held:
            yield held[peers.X.names[i]]


def _splits(feature: Feature) -> tuple[float, ...]:
    """Where a feature parts those who had events lately from those who had not; nothing for what is no
    event of the entity's own, or not recent.
    """
    match feature.definition:
        case Aggregated(up=(), value=None, ago=None, measure="recency", window=None, down=(hop,)) if (
            not hop.up
        ):
            return THRESHOLDS
        case Aggregated(up=(), value=None, ago=None, measure="count", window=Offset() as window, down=(hop,)):
            return (0.5,) if window.days <= RECENT and not hop.up else ()
        case _:
            return ()


def _of_path(peers: Peers, own: list[int], places: list[int], features: FeatureSet) -> Hint | None:
    """The best hint of a path with the columns `own`; `places` are all that its events change."""
    near = alike(peers.X, peers.weights, set(places))
    if near.sum() < FEWEST_ALIKE:
        return None
    best: Hint | None = None
    for feature in _features(peers, own, features):
        for split in _splits(feature):
            told = _compared(peers, places, feature, split, near)
            if told is not None and (best is None or abs(told.difference.value) > abs(best.difference.value)):
                best = told
    return best


def _compared(peers: Peers, places: list[int], feature: Feature, split: float, near: Mask) -> Hint | None:
    column = peers.X[feature.name]
    if not isinstance(column, Numeric):
        return None
    values = np.asarray(column.values, dtype=np.float64)
    recency = isinstance(feature.definition, Aggregated) and feature.definition.measure == "recency"
    lately = values <= split if recency else values > split  # no event at all: nan, and so not lately
    unlike = near & (lately != lately[0])
    like = near & (lately == lately[0])
    if min(unlike.sum(), like.sum()) < FEWEST_SIDE:
        return None
    a, b = peers.scores[unlike], peers.scores[like]
    difference = float(a.mean() - b.mean())
    error = float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))
    if abs(difference) < max(SURE * error, WORTH * float(peers.scores.std())):
        return None
    if not _its_own(peers, places, unlike, like):
        return None
    estimate = Estimate(difference, difference - 1.96 * error, difference + 1.96 * error)
    events = events_of(feature)
    days = f"{split:g} days" if recency else str(getattr(feature.definition, "window", ""))
    text = f"{'no' if lately[0] else events.article} {events.one} in the last {days}"
    return Hint(
        feature.name,
        text,
        int(near.sum()),
        int(unlike.sum()),
        estimate,
        _sentence(peers, text, int(near.sum()), int(unlike.sum()), estimate),
    )


def _its_own(peers: Peers, places: list[int], unlike: Mask, like: Mask) -> bool:
    """Whether what parts the two groups in link space lies mostly in the columns of the path."""
    sides = [np.flatnonzero(side)[: EXPLAINED // 2] for side in (unlike, like)]
    made = peers.link(np.concatenate(sides))
    first = len(sides[0])
    parted = made[:first].mean(axis=0) - made[first:].mean(axis=0)  # (columns,)
    whole, own = float(parted.sum()), float(parted[places].sum())
    return own * whole > 0 and abs(own) >= OWN * abs(whole)


def _sentence(peers: Peers, text: str, near: int, unlike: int, difference: Estimate) -> str:
    low, high = sorted((abs(difference.low), abs(difference.high)))
    way = "higher" if difference.value > 0 else "lower"
    if peers.is_share:
        size = f"{100 * abs(difference.value):.0f} points {way} ({100 * low:.0f} to {100 * high:.0f})"
    else:
        size = f"{abs(difference.value):.3g} {way} ({low:.3g} to {high:.3g})"
    return f"of {near:,} {peers.noun} alike in all else, the {unlike:,} with {text} score {size}"
