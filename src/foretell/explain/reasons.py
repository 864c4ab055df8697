"""Why a score is what it is, in English: features that tell the same story are added up and named once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foretell.explain.stories import grouped, plainness, story
from foretell.explain.wording import said
from foretell.features.matrix import Floats, Matrix
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
