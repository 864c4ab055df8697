"""TabM on the matrix of features: many perceptrons in one, sharing most of their weights."""

from __future__ import annotations

from foretell.models.tabm.fitted import TabMFitted
from foretell.models.tabm.learner import TabMLearner

__all__ = ["TabMFitted", "TabMLearner"]
