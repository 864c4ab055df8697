"""The relational net: it reads the rows around each entity instead of features made of them."""

from __future__ import annotations

from foretell.models.net.fitted import NetFitted
from foretell.models.net.learner import NetLearner

__all__ = ["NetFitted", "NetLearner"]
