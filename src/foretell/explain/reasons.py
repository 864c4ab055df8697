"""Why a score is what it is, in English: features that tell the same story are added up and named once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from foretell.explain.stories import grouped, plainness, story
from foretell.explain.wording import said
from foretell.features.matrix import Categorical, Floats, Matrix
from foretell.features.model import FeatureSet


@dataclass(frozen=True)
class Reason:
    """One reason for one score; `effect` is in the score's link space (log-odds, or the value's units)."""

    feature: str
    text: str
    effect: float

    def __str__(self) -> str:
        return f"{self.text} ({'raises' if self.effect > 0 else 'lowers'} it)"


@dataclass(frozen=True)
class Driver:
    """One of a model's main reasons overall: `share` of all that moves its scores, 0..1."""

    feature: str
    text: str
    share: float
    direction: str  # 'higher values raise it', 'higher values lower it', or '' where neither is plain

    def __str__(self) -> str:
        return self.text + (f": {self.direction}" if self.direction else "")


def reasons(
    contributions: Floats, names: tuple[str, ...], features: FeatureSet, X: Matrix, *, top: int = 3
) -> list[tuple[Reason, ...]]:
    """The strongest reasons of each row, strongest first.

    `contributions` (rows, columns) are additive, in the order of `names`.
    """
    known = {f.name: f for f in features.features}
    members = list(grouped(names, features, story).values())
    totals = np.stack([contributions[:, m].sum(axis=1) for m in members], axis=1)  # (rows, stories)
    order = np.argsort(-np.abs(totals), axis=1, kind="stable")[:, :top]
    found = []
    for row in range(len(contributions)):
        lines = []
        for place in order[row]:
            effect = float(totals[row, place])
            if abs(effect) < 1e-9:
                continue
            # The member that pulls hardest in the story's own direction speaks for it, a plain one first.
            pull = contributions[row, members[place]] * np.sign(effect)
            plain = np.array([plainness(known.get(names[i])) for i in members[place]])
            name = names[members[place][int(np.argmax(np.maximum(pull, 0.0) * plain))]]
            lines.append(Reason(name, said(known.get(name), name, X, row), effect))
        found.append(tuple(lines))
    return found


def drivers(
    importance: Mapping[str, float],
    features: FeatureSet,
    *,
    X: Matrix | None = None,
    contributions: Floats | None = None,
    top: int = 8,
) -> tuple[Driver, ...]:
    """The stories that move the scores most, each named after its strongest plain feature.

    With a matrix and its contributions (rows, columns) each is given a direction, where there is a plain one.
    """
    known = {f.name: f for f in features.features}
    shares: dict[str, float] = {}
    heads: dict[str, tuple[str, float]] = {}
    for name, share in importance.items():
        key = story(known[name]) if name in known else name
        shares[key] = shares.get(key, 0.0) + share
        spoken = share * plainness(known.get(name))
        if spoken > heads.get(key, ("", -1.0))[1]:
            heads[key] = (name, spoken)
    total = sum(shares.values()) or 1.0
    found = []
    for key in sorted(shares, key=lambda k: -shares[k])[:top]:
        name = heads[key][0]
        text = known[name].description if name in known else name
        found.append(Driver(name, text, shares[key] / total, _direction(name, X, contributions)))
    return tuple(found)


def _direction(name: str, X: Matrix | None, contributions: Floats | None) -> str:
    if X is None or contributions is None or contributions.ndim != 2:
        return ""
    column = X[name]
    if isinstance(column, Categorical):
        return ""
    values, effects = column.values, contributions[:, X.names.index(name)]
    usable = np.isfinite(values)
    if usable.sum() < 20 or np.ptp(values[usable]) == 0 or np.ptp(effects[usable]) == 0:
        return ""
    ranks = np.argsort(np.argsort(values[usable], kind="stable"), kind="stable")
    strength = float(np.corrcoef(ranks, effects[usable])[0, 1])
    if abs(strength) < 0.3:
        return ""
    return "higher values raise it" if strength > 0 else "higher values lower it"
