"""Learners of a condition's margin: by how much it holds, which tells a near miss from a hopeless case.

The margin m is learned as sign(m) · log(1 + |m| / s), s the median |m| in training: distances close to the
border count, far ones hardly more than less far ones. What is foretold becomes a probability by Platt's
logistic map (Platt 1999), fitted to rows that were not learned from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from foretell.features.matrix import Floats, Matrix
from foretell.models.base import Context, Contributions, Files
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset
from foretell.models.linear import LinearFitted, LinearLearner
from foretell.models.links import from_link
from foretell.models.trees import TreeFitted, TreeLearner
from foretell.task.model import TaskKind

FEWEST_VALUES = 3
"""On a side with fewer different margins there is nothing that the condition does not say."""


@dataclass(frozen=True)
class MarginFitted:
    """What says the margin, and the map from there to log-odds: slope · margin + shift."""

    name: str
    inner: TreeFitted | LinearFitted
    scale: float
    slope: float
    shift: float

    def predict(self, X: Matrix) -> Floats:
        return from_link(TaskKind.BINARY, self.slope * self.inner.predict(X) + self.shift)

    def contributions(self, X: Matrix) -> Contributions:
        told = self.inner.contributions(X)
        return Contributions(told.names, self.slope * told.values, self.slope * told.base + self.shift)

    def importance(self) -> dict[str, float]:
        return self.inner.importance()

    def refit(self, data: Dataset, context: Context) -> MarginFitted:
        """The map to log-odds stays: the new model has seen all of these rows."""
        return replace(self, inner=self.inner.refit(_margins(data, self.scale), _regression(context)))

    def dump(self) -> dict[str, str | bytes]:
        held = {"name": self.name, "scale": self.scale, "slope": self.slope, "shift": self.shift}
        return {"margin.json": json.dumps(held), **self.inner.dump()}

    @classmethod
    def load(cls, files: Files) -> Self:
        inner = LinearFitted if "linear.json" in files else TreeFitted
        return cls(**json.loads(files["margin.json"]), inner=inner.load(files))


@dataclass(frozen=True)
class MarginLearner:
    """For conditions whose margin `tells`; the map to log-odds is fitted on validation rows."""

    inner: TreeLearner | LinearLearner

    @property
    def name(self) -> str:
        return f"{self.inner.name}_of_margin"

    def fit(self, train: Dataset, valid: Dataset | None, context: Context) -> MarginFitted:
        assert train.margin is not None
        scale = float(np.nanmedian(np.abs(train.margin))) or 1.0
        known = valid is not None and valid.margin is not None and bool(np.isfinite(valid.margin).any())
        held = _margins(valid, scale) if valid is not None and known else None
        inner = self.inner.fit(_margins(train, scale), held, _regression(context))
        judged = train if valid is None else valid
        slope, shift = platt(inner.predict(judged.X), judged.y)
        return MarginFitted(self.name, inner, scale, slope, shift)


def tells(data: Dataset) -> bool:
    """Whether the margins of these rows say more than their labels, on either side of the border."""
    if data.margin is None:
        return False
    return all(len(np.unique(data.margin[data.y == side])) >= FEWEST_VALUES for side in (0.0, 1.0))


def platt(scores: Floats, y: Floats) -> tuple[float, float]:
    """The slope and shift of log-odds on which a score's log-loss is least, drawn a little to no slope.

    >>> slope, shift = platt(np.array([-1.0, 0.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0]))
    >>> slope > 0, abs(shift) < 1e-6
    (True, True)
    """
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(y)) < 2:
        return 1.0, 0.0
    spread = float(scores.std()) or 1.0
    fitted = LogisticRegression(C=10.0).fit(scores[:, None] / spread, y)
    return float(fitted.coef_[0, 0]) / spread, float(fitted.intercept_[0])


def _margins(data: Dataset, scale: float) -> Dataset:
    """The rows with a margin, and it for their label, drawn together."""
    assert data.margin is not None
    known = np.isfinite(data.margin)
    held = data if known.all() else data.take(known)
    assert held.margin is not None
    return replace(held, y=np.sign(held.margin) * np.log1p(np.abs(held.margin) / scale))


def _regression(context: Context) -> Context:
    return replace(context, kind=TaskKind.REGRESSION, criterion=METRICS["rmse"], classes=())
