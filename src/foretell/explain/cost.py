"""What it costs to ask a model about a row, by estimate: so much is looked at as the time allows.

As in training nothing measures the clock: the same question has the same explanation on any machine.
"""

from __future__ import annotations

import numpy as np

from foretell.core.random import generator
from foretell.models.base import Fitted
from foretell.models.boost import BoostFitted
from foretell.models.dataset import Dataset
from foretell.models.fitted import FittedModel
from foretell.models.margin import MarginFitted
from foretell.models.net import NetFitted
from foretell.models.net.recipe import NODE_SECONDS
from foretell.models.rest import RestFitted
from foretell.models.tabm import TabMFitted
from foretell.models.trees import TreeFitted

ROW = 2e-5
"""What a row costs any member, whatever it is: to be encoded."""
BYTE, SHAP_BYTE = 3e-11, 2.5e-9
"""What each byte of a booster costs a row: its trees are walked once, or all their ways (TreeSHAP)."""
CELLS = 4e-9
"""What each weight of a perceptron costs a row."""
FORWARD = 1 / 3
"""The share of a training step that scoring is."""


def score_seconds(fitted: FittedModel) -> float:
    """About what scoring a row costs, without the relational nets."""
    return sum(ROW + _walked(m) * BYTE + _weights(m) * CELLS for m in fitted.members if not is_net(m))


def shap_seconds(fitted: FittedModel) -> float:
    """About what the contributions of a row cost, without the relational nets."""
    return sum(ROW + _walked(m) * SHAP_BYTE for m in fitted.members if not is_net(m))


def net_seconds(fitted: FittedModel) -> float:
    """About what a row costs the relational nets."""
    found = 0.0
    for member in fitted.members:
        if isinstance(member, NetFitted):
            near, far = member.recipe.fanout.near, member.recipe.fanout.far
            nodes = 1 + near * (1 + far) * 2
            found += len(member.weights) * nodes * NODE_SECONDS * FORWARD
    return found


def is_net(member: Fitted) -> bool:
    """Whether a member reads neighbourhoods, not columns."""
    return isinstance(member, NetFitted)


def _walked(member: Fitted) -> int:
    """The size of a booster, 0 for what is none."""
    match member:
        case TreeFitted(text=text):
            return len(text)
        case BoostFitted(blob=blob):
            return 4 * len(blob)
        case RestFitted(trees=trees):
            return _walked(trees)
        case MarginFitted(inner=inner):
            return _walked(inner)
        case _:
            return 0


def _weights(member: Fitted) -> int:
    return sum(w.size for w in member.weights.values()) if isinstance(member, TabMFitted) else 0


def afforded(
    test: Dataset, seconds: float, each: float, least: int, most: int, seed: int, name: str
) -> Dataset:
    """As many of the rows as there is time for, `each` costing so much; drawn with a seed, in their order."""
    wanted = int(np.clip(seconds / max(each, 1e-9), least, most))
    if test.rows <= wanted:
        return test
    chosen = generator(seed, "explain", name).permutation(test.rows)[:wanted]
    return test.take(np.sort(chosen))
